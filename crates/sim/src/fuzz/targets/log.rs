//! Log files, read again after a stop.

use std::path::{Path, PathBuf};

use store::{LogStart, decoders};

use super::files::new_directory;
use super::frame::seal_log;
use super::input::{Input, put_part, random_bytes};
use crate::disk::{Bytes, Image, SimDisk};
use crate::random::Random;

/// Put right the checksums of heads and payloads.
const SEAL: u8 = 1;
/// Also what ties each record to the one before.
const CHAIN: u8 = 2;
/// Not all files are there.
const GAP: u8 = 4;
/// Put right the sequence numbers.
const COUNT: u8 = 8;
/// The most files.
const FILES: u64 = 4;

const FOLDER: &str = "/index";

/// Where the replay begins, and the files from number 0 on.
pub fn run(bytes: &[u8]) -> bool {
    let mut input = Input::new(bytes);
    let flags = input.u8();
    let start = LogStart { number: u64::from(input.u8()) % FILES, seq: input.u64() };
    let mut image = Image::default();
    image.directories.insert(PathBuf::from(FOLDER));
    let (mut numbers, mut most) = (Vec::new(), 0);
    let mut count = (flags & COUNT != 0).then_some(start.seq);
    while !input.is_empty() && (numbers.len() as u64) < FILES {
        let number = numbers.len() as u64 + u64::from(flags & GAP != 0 && numbers.len() > 1);
        let mut file = input.part().to_vec();
        if flags & SEAL != 0 {
            seal_log(&mut file, flags & CHAIN != 0, &mut count);
        }
        most += file.len();
        image.files.insert(path(number), Bytes::from(&file[..]));
        numbers.push(number);
    }
    let (mut next, mut taken) = (start.seq, 0);
    let disk = SimDisk::new(&image);
    let replayed = decoders::log(&disk, Path::new(FOLDER), &numbers, start, |seq, payload| {
        assert_eq!(seq, next, "a record out of its turn");
        next = next.wrapping_add(1);
        taken += payload.len() as u64;
        Ok(())
    });
    assert!(taken <= most as u64);
    let Ok(replayed) = replayed else { return false };
    assert_eq!((replayed.next_seq, replayed.bytes), (next, taken), "{replayed:?}");
    true
}

fn path(number: u64) -> PathBuf {
    Path::new(FOLDER).join(format!("log-{number}.grain"))
}

/// One to three files of a few records each.
pub fn seed(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let (disk, directory) = new_directory();
    let first = random.word() >> random.below(64);
    let (mut seq, count) = (first >> 12, 1 + random.below(3));
    let mut bytes = vec![(random.word() as u8) & !GAP, 0];
    bytes.extend_from_slice(&seq.to_le_bytes());
    for _ in 0..count {
        let mut log = directory.start_log(seq).expect("a disk that does not fail");
        for _ in 0..random.below(6) {
            let len = random.below(100);
            log.append(&[&random_bytes(&mut random, len)]).expect("a disk that does not fail");
            if random.once_in(2) {
                log.commit(false).expect("a disk that does not fail");
            }
        }
        log.commit(false).expect("a disk that does not fail");
        seq = log.next_seq();
        let mut file = disk.image().files[&path(log.start().number)].to_vec();
        file.resize(file.len() + random.below(3) * random.below(60), 0);
        put_part(&mut bytes, &file);
    }
    bytes
}
