//! What lies on a disk at one moment: directories, files, bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::bytes::{Bytes, hash_bytes, mix};

/// Directories and files by path.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// All directories but the root, which is always there.
    pub directories: BTreeSet<PathBuf>,
    /// All regular files.
    pub files: BTreeMap<PathBuf, Bytes>,
}

impl Image {
    /// Changes the bytes of one file, if it is there.
    pub fn edit(&mut self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(file) = self.files.get_mut(path) {
            let mut bytes = file.to_vec();
            change(&mut bytes);
            *file = Bytes::from(&bytes[..]);
        }
    }

    /// Exchanges the bytes of two files.
    pub fn swap(&mut self, a: &Path, b: &Path) {
        if let (Some(left), Some(right)) = (self.files.get(a).cloned(), self.files.get(b).cloned()) {
            self.files.insert(a.into(), right);
            self.files.insert(b.into(), left);
        }
    }

    /// The same for equal images, and for others by no more than chance.
    pub fn hash(&self) -> u64 {
        let names = self.directories.iter().map(|path| (path, 0));
        let files = self.files.iter().map(|(path, bytes)| (path, bytes.hash()));
        names.chain(files).fold(0, |sum, (path, hash)| mix(mix(sum ^ hash_bytes(path.as_os_str().as_encoded_bytes())) ^ hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edits_and_swaps_leave_the_original_alone() {
        let files = [("/a", &b"x"[..]), ("/b", b"yy")].map(|(name, bytes)| (PathBuf::from(name), Bytes::from(bytes)));
        let before = Image { files: files.into(), ..Image::default() };
        let mut after = before.clone();
        after.edit(Path::new("/a"), |bytes| bytes.push(b'z'));
        after.swap(Path::new("/a"), Path::new("/b"));
        assert_eq!(after.files[Path::new("/b")].to_vec(), b"xz");
        assert_eq!(before.files[Path::new("/a")].to_vec(), b"x");
        assert_ne!(before.hash(), after.hash());
    }
}
