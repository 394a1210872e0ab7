//! Damage to the files of an index.

use std::path::PathBuf;

use crate::disk::Image;
use crate::random::Random;

/// Half of the mutations are aimed at the beginning of a file.
const HEAD: usize = 4096;

/// One piece of damage.
#[derive(Debug, Clone)]
pub enum Mutation {
    /// One bit, counted from the file's beginning.
    Flip {
        /// Which file.
        path: PathBuf,
        /// Which bit.
        at: usize,
    },
    /// Bytes are replaced.
    Overwrite {
        /// Which file.
        path: PathBuf,
        /// From which byte on.
        at: usize,
        /// By what.
        bytes: Vec<u8>,
    },
    /// The file ends early.
    Truncate {
        /// Which file.
        path: PathBuf,
        /// Its new length.
        len: usize,
    },
    /// The file is longer.
    Extend {
        /// Which file.
        path: PathBuf,
        /// What follows it.
        bytes: Vec<u8>,
    },
    /// The file is gone.
    Delete(PathBuf),
    /// Two files have one another's bytes.
    Swap(PathBuf, PathBuf),
}

impl Mutation {
    /// Does it.
    pub fn apply(&self, image: &mut Image) {
        match self {
            Self::Flip { path, at } => image.edit(path, |bytes| {
                if let Some(byte) = bytes.get_mut(at / 8) {
                    *byte ^= 1 << (at % 8);
                }
            }),
            Self::Overwrite { path, at, bytes: new } => image.edit(path, |bytes| {
                bytes.iter_mut().skip(*at).zip(new).for_each(|(byte, new)| *byte = *new);
            }),
            Self::Truncate { path, len } => image.edit(path, |bytes| bytes.truncate(*len)),
            Self::Extend { path, bytes: new } => image.edit(path, |bytes| bytes.extend(new)),
            Self::Delete(path) => {
                image.files.remove(path);
            }
            Self::Swap(a, b) => image.swap(a, b),
        }
    }
}

/// A mutation that changes something.
pub fn some_mutation(image: &Image, random: &mut Random) -> Mutation {
    loop {
        let mutation = draw(image, random);
        let mut changed = image.clone();
        mutation.apply(&mut changed);
        if changed.hash() != image.hash() {
            return mutation;
        }
    }
}

fn draw(image: &Image, random: &mut Random) -> Mutation {
    let files: Vec<(&PathBuf, usize)> = image.files.iter().map(|(path, bytes)| (path, bytes.len())).collect();
    let (path, len) = some_file(&files, random);
    let path = path.clone();
    let most = if random.once_in(2) { len.min(HEAD) } else { len };
    let at = random.below(most);
    let mut noise = |count: usize| (0..count).map(|_| random.word() as u8).collect::<Vec<u8>>();
    match noise(1)[0] % 18 {
        0..=4 => Mutation::Flip { path, at: at * 8 + usize::from(noise(1)[0] % 8) },
        5 | 6 => Mutation::Overwrite { path, at, bytes: noise(1) },
        7 | 8 => Mutation::Overwrite { path, at, bytes: vec![0xff; 8] },
        9 | 10 => Mutation::Overwrite { path, at, bytes: vec![0; 64] },
        11 => Mutation::Overwrite { path, at: at / 4096 * 4096, bytes: noise(4096) },
        12 | 13 => Mutation::Truncate { path, len: at },
        14 => {
            let bytes = if noise(1)[0] % 2 == 0 { vec![0; 512] } else { noise(40) };
            Mutation::Extend { path, bytes }
        }
        15 => Mutation::Delete(path),
        _ => Mutation::Swap(path, random.pick(&files).0.clone()),
    }
}

/// One in four by its bytes, the others all alike: the log is mostly zeros.
fn some_file<'a>(files: &[(&'a PathBuf, usize)], random: &mut Random) -> (&'a PathBuf, usize) {
    if !random.once_in(4) {
        return *random.pick(files);
    }
    let mut at = random.below(files.iter().map(|(_, len)| len).sum());
    for &(path, len) in files {
        if at < len {
            return (path, len);
        }
        at -= len;
    }
    *random.pick(files)
}
