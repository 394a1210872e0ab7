//! A whole directory of whatever files: opened, read, written to, and opened again.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use store::{Directory, Mode, Vfs};
use task::Task;

use super::files::directory_with;
use super::frame::seal;
use super::input::{Input, put_part};
use crate::disk::{Bytes, Image, SimDisk};

/// Put right the checksums.
const SEAL: u8 = 1;

const FOLDER: &str = "/index";

/// Names and contents of files.
pub fn run(bytes: &[u8]) -> bool {
    let mut input = Input::new(bytes);
    let flags = input.u8();
    let mut image = Image::default();
    image.directories.insert(PathBuf::from(FOLDER));
    while !input.is_empty() {
        let name = String::from_utf8_lossy(input.part()).replace(['/', '\0'], "_");
        let mut file = input.part().to_vec();
        if flags & SEAL != 0 {
            seal(&mut file);
        }
        if !matches!(name.as_str(), "" | "." | "..") {
            image.files.insert(Path::new(FOLDER).join(name), Bytes::from(&file[..]));
        }
    }
    let disk: Arc<dyn Vfs> = Arc::new(SimDisk::new(&image));
    let read = Directory::open(disk.clone(), Path::new(FOLDER), Mode::Read).map(|directory| look(&directory));
    let mode = if flags & 2 == 0 { Mode::Write } else { Mode::Create };
    let Ok(directory) = Directory::open(disk.clone(), Path::new(FOLDER), mode) else { return false };
    let seen = look(&directory);
    assert!(read.is_err() || read.is_ok_and(|read| read == seen), "a reader sees what a writer does not");
    if publish(&directory) {
        drop(directory);
        let again = Directory::open(disk, Path::new(FOLDER), Mode::Write).expect("what was published opens");
        assert!(again.manifest().is_some_and(|manifest| manifest.body() == b"new"), "what was published is not there");
    }
    seen.1
}

/// Reads all that can be read: what the manifest says and the log holds, and whether everything was whole.
fn look(directory: &Directory) -> (Vec<Vec<u8>>, bool) {
    let task = Task::new();
    let mut seen = Vec::new();
    let mut whole = true;
    let manifest = directory.manifest();
    for file in manifest.iter().flat_map(|manifest| manifest.files()) {
        let read = directory.read_file(file, &task);
        let extent = directory.open_extent(file, &task);
        assert!(read.is_err() || extent.is_err(), "a file of two layouts");
        whole &= read.is_ok() || extent.is_ok();
        seen.extend(read);
    }
    whole &= directory
        .replay(&task, |_, payload| {
            seen.push(payload.to_vec());
            Ok(())
        })
        .is_ok();
    seen.extend(manifest.map(|manifest| manifest.body().to_vec()));
    (seen, whole)
}

/// Writes a file and publishes it alone; whether that was possible.
fn publish(directory: &Directory) -> bool {
    let Ok(file) = directory.write_file("fresh", |file| file.write(b"contents")) else { return false };
    let Ok(log) = directory.start_log(7) else { return false };
    let published = directory.publish(b"new", std::slice::from_ref(&file), Some(log.start())).is_ok();
    assert!(!published || directory.read_file(&file, &Task::new()).is_ok_and(|bytes| bytes == b"contents"));
    published
}

/// A directory with some files, a log and a manifest or two.
pub fn seed(number: u64) -> Vec<u8> {
    let (disk, directory) = directory_with(number);
    drop(directory);
    let mut bytes = vec![(number % 4) as u8];
    for (path, file) in &disk.image().files {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        put_part(&mut bytes, name);
        put_part(&mut bytes, &file.to_vec());
    }
    bytes
}
