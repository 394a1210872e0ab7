//! Damaged files give what was written or `Corrupt`: never anything else, never a panic, never a hang.

mod common;

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use common::*;
use store::{DenseFile, Directory, Error, Extent, FileRef, Mode};

/// An index of some files with all that is in it.
struct Sample {
    path: PathBuf,
    body: Vec<u8>,
    blob: (FileRef, Vec<u8>),
    rows: (FileRef, u32),
    stride: usize,
}

fn sample(path: &Path, blob: usize, body: usize, rows: u32, stride: usize) -> Sample {
    let mut random = Random(99);
    let index = create(path);
    let (blob, body) = (random.bytes(blob), random.bytes(body));
    let file = write(&index, "ids", &blob);
    let dense = extent(&index, 0..rows, stride);
    index.publish(&body, &[file.clone(), dense.clone()], None).unwrap();
    Sample { path: path.into(), body, blob: (file, blob), rows: (dense, rows), stride }
}

/// What became of the parts of a damaged index.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Fate {
    Same,
    Corrupt,
}

/// Anything but `Corrupt` that names `file` fails the test.
fn fate<T>(result: Result<T, Error>, file: &Path, same: impl FnOnce(T) -> bool) -> Fate {
    match result {
        Ok(value) => {
            assert!(same(value), "{}: wrong contents without an error", file.display());
            Fate::Same
        }
        Err(Error::Corrupt { file: named, .. }) => {
            assert_eq!(named, file);
            Fate::Corrupt
        }
        Err(e) => panic!("{}: {e}", file.display()),
    }
}

impl Sample {
    fn manifest(&self) -> PathBuf {
        self.path.join("manifest-1")
    }

    fn open(&self) -> Result<Directory, Error> {
        Directory::open(real(), &self.path, Mode::Read)
    }

    fn check_manifest(&self) -> Fate {
        let same = |index: Directory| {
            let manifest = index.manifest().unwrap();
            manifest.body() == self.body && *manifest.files() == [self.blob.0.clone(), self.rows.0.clone()]
        };
        fate(self.open(), &self.manifest(), same)
    }

    fn check_blob(&self, index: &Directory) -> Fate {
        fate(index.read_file(&self.blob.0, &task()), &self.path.join(self.blob.0.name()), |bytes| bytes == self.blob.1)
    }

    /// The fate of opening the extent, or else of each row read alone and of all in a scan.
    fn check_rows(&self, index: &Directory) -> Vec<Fate> {
        let path = self.path.join(self.rows.0.name());
        let mut opened: Option<Extent> = None;
        if fate(index.open_extent(&self.rows.0, &task()), &path, |extent| {
            extent.rows() == self.rows.1 && opened.insert(extent).stride() == self.stride
        }) == Fate::Corrupt
        {
            return vec![Fate::Corrupt];
        }
        let dense = DenseFile::new(opened).unwrap();
        let mut fates: Vec<_> = (0..self.rows.1)
            .map(|row| {
                let (mut bytes, mut offset) = (Vec::new(), None);
                let read = dense.read(&[row], &task(), |_, record| bytes.extend_from_slice(record));
                if let Err(Error::Corrupt { at, .. }) = &read {
                    offset = Some(*at);
                }
                let fate = fate(read, &path, |()| bytes == record(row, self.stride));
                assert!(fate == Fate::Same || offset == Some(4096 + u64::from(row) * self.stride as u64), "the place is named");
                fate
            })
            .collect();
        let mut bytes = Vec::new();
        let scan = dense.scan(0..self.rows.1, &task(), |_, records| bytes.extend_from_slice(records));
        fates.push(fate(scan, &path, |()| bytes == records(0..self.rows.1, self.stride)));
        fates
    }
}

/// Flips each bit of the file in turn and calls `check(bit)` on what is then there.
fn each_bit(path: &Path, mut check: impl FnMut(u64)) {
    let mut file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let len = file.metadata().unwrap().len();
    for bit in 0..len * 8 {
        let mut byte = [0];
        let mut put = |file: &mut fs::File| {
            file.seek(SeekFrom::Start(bit / 8)).unwrap();
            file.read_exact(&mut byte).unwrap();
            byte[0] ^= 1 << (bit % 8);
            file.seek(SeekFrom::Start(bit / 8)).unwrap();
            file.write_all(&byte).unwrap();
        };
        put(&mut file);
        check(bit);
        put(&mut file);
    }
}

#[test]
fn every_bit_of_a_manifest() {
    let dir = tempfile::tempdir().unwrap();
    let sample = sample(dir.path(), 10, 100, 2, 8);
    each_bit(&sample.manifest(), |bit| assert_eq!(sample.check_manifest(), Fate::Corrupt, "bit {bit}"));
    assert_eq!(sample.check_manifest(), Fate::Same);
}

#[test]
fn every_bit_of_a_blob() {
    let dir = tempfile::tempdir().unwrap();
    let sample = sample(dir.path(), 300, 0, 2, 8);
    let index = sample.open().unwrap();
    each_bit(&dir.path().join(sample.blob.0.name()), |bit| assert_eq!(sample.check_blob(&index), Fate::Corrupt, "bit {bit}"));
    assert_eq!(sample.check_blob(&index), Fate::Same);
}

/// A bit of a row costs that row; any other bit costs the extent.
#[test]
fn every_bit_of_an_extent() {
    let dir = tempfile::tempdir().unwrap();
    let sample = sample(dir.path(), 0, 0, 5, 21);
    let index = sample.open().unwrap();
    let rows = 4096 * 8..(4096 + 5 * 21) * 8;
    each_bit(&dir.path().join(sample.rows.0.name()), |bit| {
        let fates = sample.check_rows(&index);
        if !rows.contains(&bit) {
            assert_eq!(fates, [Fate::Corrupt], "bit {bit}");
            return;
        }
        let damaged = (bit - rows.start) / 8 / 21;
        let mut wanted = vec![Fate::Same; 6];
        (wanted[damaged as usize], wanted[5]) = (Fate::Corrupt, Fate::Corrupt);
        assert_eq!(fates, wanted, "bit {bit}");
    });
    assert_eq!(sample.check_rows(&index), [Fate::Same; 6]);
}

/// Nine kinds of damage; some may leave the bytes as they were.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) -> &'static str {
    let at = random.below(bytes.len());
    let page = at / 4096 * 4096;
    let fill = |bytes: &mut [u8], from: usize, len: usize, value: u8| {
        let end = (from + len).min(bytes.len());
        bytes[from..end].fill(value);
    };
    match random.below(9) {
        0 => {
            bytes[at] ^= 1 << random.below(8);
            "bit"
        }
        1 => {
            bytes[at] = random.next() as u8;
            "byte"
        }
        2 => {
            fill(bytes, at, 8, 0xFF);
            "ff"
        }
        3 => {
            fill(bytes, at, 64, 0);
            "zeros"
        }
        4 => {
            fill(bytes, page, 4096, 0);
            "zero page"
        }
        5 => {
            let end = (page + 4096).min(bytes.len());
            let noise = random.bytes(end - page);
            bytes[page..end].copy_from_slice(&noise);
            "random page"
        }
        6 => {
            bytes.truncate(at);
            "cut"
        }
        7 => {
            let len = 1 + random.below(5000);
            let more = random.bytes(len);
            bytes.extend_from_slice(&more);
            "longer"
        }
        _ => {
            let from = random.below(bytes.len()) / 4096 * 4096;
            let end = (from + 4096).min(bytes.len()).min(from + bytes.len() - page);
            bytes.copy_within(from..end, page);
            "a page elsewhere"
        }
    }
}

#[test]
fn random_damage() {
    let dir = tempfile::tempdir().unwrap();
    let sample = sample(dir.path(), 300_000, 150_000, 700, 400);
    let files = [sample.manifest(), dir.path().join(sample.blob.0.name()), dir.path().join(sample.rows.0.name())];
    let clean = files.each_ref().map(|file| fs::read(file).unwrap());
    let index = sample.open().unwrap();
    let mut found = [0; 2];
    for seed in 1..=1500 {
        let mut random = Random(seed);
        let which = random.below(3);
        let mut bytes = clean[which].clone();
        let kind = mutate(&mut random, &mut bytes);
        fs::write(&files[which], &bytes).unwrap();
        let fates = match which {
            0 => vec![sample.check_manifest()],
            1 => vec![sample.check_blob(&index)],
            _ => sample.check_rows(&index),
        };
        let damaged = fates.contains(&Fate::Corrupt);
        assert_eq!(damaged, bytes != clean[which], "seed {seed}: {kind} of {}", files[which].display());
        found[usize::from(damaged)] += 1;
        fs::write(&files[which], &clean[which]).unwrap();
    }
    assert!(found[1] > 1300, "{found:?}");
}

/// A length that is not there is never believed: a terabyte of holes, in no time and no memory.
#[test]
fn a_file_that_grew_to_a_terabyte() {
    let dir = tempfile::tempdir().unwrap();
    let sample = sample(dir.path(), 3000, 30, 10, 40);
    let index = sample.open().unwrap();
    let grow = |file: &Path| OpenOptions::new().write(true).open(file).unwrap().set_len(1 << 40).unwrap();
    grow(&dir.path().join(sample.blob.0.name()));
    assert_eq!(sample.check_blob(&index), Fate::Corrupt);
    grow(&dir.path().join(sample.rows.0.name()));
    assert_eq!(sample.check_rows(&index), [Fate::Corrupt]);
    grow(&sample.manifest());
    assert_eq!(sample.check_manifest(), Fate::Corrupt);
}

#[test]
fn a_whole_file_from_elsewhere_is_not_taken_for_ours() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ours = sample(dir.path(), 300, 0, 3, 40);
    let index = ours.open().unwrap();
    // The same names, numbers and lengths, other contents.
    let theirs = create(other.path());
    let (blob, rows) = (write(&theirs, "ids", &[7; 300]), {
        let mut rows = theirs.write_extent("dense", 40, 0).unwrap();
        rows.append(&records(5..8, 40)).unwrap();
        rows.finish().unwrap()
    });
    assert_eq!(
        (blob.name(), blob.len(), rows.name(), rows.len()),
        (ours.blob.0.name(), ours.blob.0.len(), ours.rows.0.name(), ours.rows.0.len())
    );
    for file in [blob, rows] {
        fs::copy(other.path().join(file.name()), dir.path().join(file.name())).unwrap();
    }
    assert_eq!(ours.check_blob(&index), Fate::Corrupt);
    assert_eq!(ours.check_rows(&index), [Fate::Corrupt]);
    for file in [&ours.blob.0, &ours.rows.0] {
        fs::remove_file(dir.path().join(file.name())).unwrap();
    }
    assert_eq!(ours.check_blob(&index), Fate::Corrupt);
    assert_eq!(ours.check_rows(&index), [Fate::Corrupt]);
}

#[test]
fn a_file_that_shrinks_while_it_is_open_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let sample = sample(dir.path(), 0, 0, 100, 400);
    let index = sample.open().unwrap();
    let path = dir.path().join(sample.rows.0.name());
    let dense = DenseFile::new([index.open_extent(&sample.rows.0, &task()).unwrap()]).unwrap();
    OpenOptions::new().write(true).open(&path).unwrap().set_len(4096 + 10 * 400 + 7).unwrap();
    let mut same = 0;
    dense.read(&[9], &task(), |_, bytes| same += usize::from(bytes == record(9, 400))).unwrap();
    assert_eq!(same, 1);
    for row in [10, 99] {
        assert_eq!(fate(dense.read(&[row], &task(), |_, _| ()), &path, |()| false), Fate::Corrupt);
    }
    assert_eq!(fate(dense.scan(0..100, &task(), |_, _| ()), &path, |()| false), Fate::Corrupt);
}

/// Two files of one name and number, every block of both right in itself, mixed.
#[test]
fn a_block_of_another_file_of_the_same_name_is_damage() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let ours = sample(dir.path(), 200_000, 0, 1, 4);
    let theirs = write(&create(other.path()), "ids", &vec![7; 200_000]);
    let path = dir.path().join(ours.blob.0.name());
    let (clean, from) = (fs::read(&path).unwrap(), fs::read(other.path().join(theirs.name())).unwrap());
    let index = ours.open().unwrap();
    let block = 65_536 + 4;
    for (to, of) in [(0, &from), (1, &from), (0, &clean)] {
        let mut mixed = clean.clone();
        mixed[64 + to * block..][..block].copy_from_slice(&of[64 + block..][..block]);
        fs::write(&path, mixed).unwrap();
        assert_eq!(ours.check_blob(&index), Fate::Corrupt);
    }
    let mut header = clean.clone();
    header[..64].copy_from_slice(&from[..64]);
    assert!(header == clean, "headers of one kind and number are the same");
}
