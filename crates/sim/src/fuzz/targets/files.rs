//! `store`'s files, one at a time: their names, manifests, files of blocks, extents of rows.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;

use store::{DenseFile, Directory, File, FileRef, LogStart, Mode, decoders};
use task::Task;

use super::frame::{seal_blob, seal_extent};
use super::input::random_bytes;
use crate::disk::{Image, SimDisk};
use crate::random::Random;

/// Put right the checksums.
const SEAL: u8 = 1;
/// Take length and check for known, and right.
const KNOWN: u8 = 2;
/// A few bytes a read.
const SHORT: u8 = 4;

const FOLDER: &str = "/index";

/// A file of bytes.
#[derive(Debug)]
struct Bytes {
    bytes: Vec<u8>,
    short: bool,
}

impl File for Bytes {
    fn len(&self) -> io::Result<u64> {
        Ok(self.bytes.len() as u64)
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        let rest = usize::try_from(at).ok().and_then(|at| self.bytes.get(at..)).unwrap_or_default();
        let most = if self.short { 1 + at as usize % 977 } else { usize::MAX };
        let count = rest.len().min(buf.len()).min(most);
        buf[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn write_at(&self, _bytes: &[u8], _at: u64) -> io::Result<usize> {
        Err(io::ErrorKind::PermissionDenied.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        Err(io::ErrorKind::PermissionDenied.into())
    }
}

/// A name in a directory: what is ours is written as it was read.
pub fn run_name(bytes: &[u8]) -> bool {
    let Ok(text) = str::from_utf8(bytes) else { return false };
    let again = decoders::name(OsStr::new(text));
    assert!(again.as_deref().is_none_or(|again| again == text), "{text:?} is read as {again:?}");
    again.is_some()
}

/// A name.
pub fn seed_name(number: u64) -> Vec<u8> {
    let kind = ["dense", "ids", "log", "a", "abcdefgh01234567"][number as usize % 5];
    let which = Random::new(number).word() >> (11 + number % 50);
    match number % 4 {
        0 => b"LOCK".to_vec(),
        1 => format!("manifest-{which}").into_bytes(),
        2 => format!("manifest-{which}.tmp").into_bytes(),
        _ => format!("{kind}-{which}.grain").into_bytes(),
    }
}

/// What a manifest's blocks hold.
pub fn run_manifest(bytes: &[u8]) -> bool {
    let Ok(manifest) = decoders::manifest(3, bytes) else { return false };
    assert_eq!(decoders::manifest_bytes(&manifest), bytes, "a manifest is not written as it was read");
    let files = manifest.files().iter();
    assert!(files.clone().all(|file| decoders::name(OsStr::new(&file.name())).is_none_or(|name| name == file.name())));
    assert_eq!(manifest.files_of("ids").count(), files.filter(|file| file.kind() == "ids").count());
    true
}

/// What a manifest with some files holds.
pub fn seed_manifest(number: u64) -> Vec<u8> {
    let (disk, _) = directory_with(number);
    let path = Path::new(FOLDER).join("manifest-1");
    let file = disk.image().files[&path].to_vec();
    let manifest = decoders::blob(&Bytes { bytes: file, short: false }, "manifest", 1, None).expect("it was just written");
    manifest.clone()
}

/// A file of blocks.
pub fn run_blob(bytes: &[u8]) -> bool {
    let Some((&flags, bytes)) = bytes.split_first() else { return false };
    let mut bytes = bytes.to_vec();
    if flags & SEAL != 0 {
        seal_blob(&mut bytes);
    }
    let check = bytes.last_chunk().map_or(0, |check| u32::from_le_bytes(*check));
    let known = (flags & KNOWN != 0).then_some((bytes.len() as u64, check));
    let Ok(read) = decoders::blob(&Bytes { bytes: bytes.clone(), short: flags & SHORT != 0 }, "blob", 0, known) else {
        return false;
    };
    let blocks: Vec<u8> =
        bytes[64..bytes.len() - 32].chunks(65_540).flat_map(|block| &block[..block.len() - 4]).copied().collect();
    assert_eq!(read, blocks, "a file holds what it does not");
    true
}

/// A file of none, one or two blocks.
pub fn seed_blob(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let len = if number.is_multiple_of(16) { 65_530 + random.below(12) } else { random.below(300) };
    let contents = random_bytes(&mut random, len);
    let (disk, directory) = new_directory();
    let file = directory.write_file("blob", |file| file.write(&contents)).expect("a disk that does not fail");
    let mut bytes = vec![random.word() as u8];
    bytes.extend(disk.image().files[&Path::new(FOLDER).join(file.name())].to_vec());
    bytes
}

/// An extent.
pub fn run_extent(bytes: &[u8]) -> bool {
    let Some((&flags, bytes)) = bytes.split_first() else { return false };
    let mut bytes = bytes.to_vec();
    if flags & SEAL != 0 {
        seal_extent(&mut bytes);
    }
    let check = bytes.get(4092..4096).map_or(0, |check| u32::from_le_bytes([check[0], check[1], check[2], check[3]]));
    let file = Arc::new(Bytes { bytes: bytes.clone(), short: flags & SHORT != 0 });
    let Ok(extent) = decoders::extent(file, "rows", 0, bytes.len() as u64, check) else { return false };
    assert!(extent.memory() <= bytes.len());
    let (rows, stride) = (extent.rows(), extent.stride());
    let Ok(dense) = DenseFile::new([extent]) else { return false };
    let record = |row: u32| &bytes[4096 + row as usize * stride..][..stride];
    let wanted: Vec<u32> = (0..rows).rev().step_by(1 + usize::from(flags >> 4)).collect();
    let task = Task::new();
    let read = dense.read(&wanted, &task, |at, read| assert_eq!(read, record(wanted[at]), "another row than asked for"));
    let scan = dense.scan(0..rows, &task, |first, read| assert!(read.starts_with(record(first)), "another row than is next"));
    assert!(dense.read(&[rows], &task, |_, _| {}).is_err() && dense.scan(0..rows + 1, &task, |_, _| {}).is_err());
    read.is_ok() && scan.is_ok()
}

/// A few rows.
pub fn seed_extent(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let (stride, rows) = (1 + random.below(40), random.below(30));
    let (disk, directory) = new_directory();
    let mut extent = directory.write_extent("rows", stride, 0).expect("a disk that does not fail");
    extent.append(&random_bytes(&mut random, stride * rows)).expect("a disk that does not fail");
    let file = extent.finish().expect("a disk that does not fail");
    let mut bytes = vec![random.word() as u8];
    bytes.extend(disk.image().files[&Path::new(FOLDER).join(file.name())].to_vec());
    bytes
}

/// An empty index directory on a disk of its own.
pub fn new_directory() -> (SimDisk, Directory) {
    let disk = SimDisk::new(&Image::default());
    let directory = Directory::open(Arc::new(disk.clone()), Path::new(FOLDER), Mode::Create).expect("a disk that does not fail");
    (disk, directory)
}

/// A directory with some files, a log and a manifest or two.
pub fn directory_with(number: u64) -> (SimDisk, Directory) {
    let mut random = Random::new(number);
    let (disk, directory) = new_directory();
    let mut files: Vec<FileRef> = Vec::new();
    let log = (!number.is_multiple_of(3)).then(|| directory.start_log(random.word() >> 40).expect("a disk that does not fail"));
    for _ in 0..1 + number % 2 {
        for kind in &["ids", "codes", "x"][..random.below(4)] {
            let len = random.below(60);
            let contents = random_bytes(&mut random, len);
            files.push(directory.write_file(kind, |file| file.write(&contents)).expect("a disk that does not fail"));
        }
        let body = random.below(40);
        let body = random_bytes(&mut random, body);
        let start = log.as_ref().map(|log| LogStart { ..log.start() });
        directory.publish(&body, &files, start).expect("a disk that does not fail");
    }
    if let Some(mut log) = log {
        for _ in 0..random.below(5) {
            let len = random.below(50);
            log.append(&[&random_bytes(&mut random, len)]).expect("a disk that does not fail");
        }
        log.commit(false).expect("a disk that does not fail");
    }
    (disk, directory)
}
