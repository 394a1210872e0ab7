//! The log: what was committed comes back, whatever happened to its end.

mod common;

use std::path::Path;

use common::{create, names, real, task};
use store::{Directory, Error, LogStart, Mode, Replayed};

type Records = Vec<(u64, Vec<u8>)>;

fn replay(path: &Path) -> Result<(Replayed, Records), Error> {
    let directory = Directory::open(real(), path, Mode::Read)?;
    let mut records = Vec::new();
    let (replayed, _) = directory.replay(&task(), |seq, payload| {
        records.push((seq, payload.to_vec()));
        Ok(())
    })?;
    Ok((replayed, records))
}

/// A record that its number tells all of, now and then a long one.
fn payload(seq: u64) -> Vec<u8> {
    let len = [0, 1, 7, 8, 9, 100, 5000][seq as usize % 7];
    (0..len).map(|at| (seq as usize * 31 + at) as u8).collect()
}

/// A directory with a published state and a log of groups: `groups` says how many records each sync had.
fn logged(path: &Path, groups: &[u64], sync: bool) -> String {
    let directory = create(path);
    let mut log = directory.start_log(1).unwrap();
    directory.publish(b"state", &[], Some(log.start())).unwrap();
    let mut seq = 1;
    for &records in groups {
        for _ in 0..records {
            let payload = payload(seq);
            let (a, b) = payload.split_at(payload.len() / 3);
            log.append(&[a, b]).unwrap();
            seq += 1;
        }
        log.commit(sync).unwrap();
    }
    assert_eq!(log.next_seq(), seq);
    format!("log-{}.grain", log.start().number)
}

fn expected(count: u64) -> Records {
    (1..=count).map(|seq| (seq, payload(seq))).collect()
}

#[test]
fn records_come_back_in_order() {
    for sync in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        logged(dir.path(), &[1, 3, 1, 20, 1], sync);
        let (replayed, records) = replay(dir.path()).unwrap();
        assert_eq!(records, expected(26));
        assert_eq!((replayed.records, replayed.next_seq, replayed.torn), (26, 27, false));
    }
}

#[test]
fn records_larger_than_the_buffers_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let directory = create(dir.path());
    let mut log = directory.start_log(5).unwrap();
    directory.publish(b"", &[], Some(log.start())).unwrap();
    let big: Vec<u8> = (0..5_000_001u32).map(|at| (at * 7) as u8).collect();
    log.append(&[b"head", &big]).unwrap();
    log.append(&[&big[..900_000], &big[..900_000]]).unwrap();
    log.append(&[b"tail"]).unwrap();
    log.commit(true).unwrap();
    let (_, records) = replay(dir.path()).unwrap();
    assert_eq!(records.len(), 3);
    assert!(records[0].1[4..] == big && records[1].1[900_000..] == big[..900_000] && records[2].1 == b"tail");
}

/// Cut anywhere, the log gives a prefix; nothing else, and no error.
#[test]
fn a_log_cut_anywhere_gives_a_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(logged(dir.path(), &[2, 3], true));
    let whole = std::fs::read(&file).unwrap();
    let mut last = 0;
    for len in 64..2000 {
        std::fs::write(&file, &whole[..len]).unwrap();
        let (replayed, records) = replay(dir.path()).unwrap();
        assert_eq!(records, expected(replayed.records));
        assert!(replayed.records >= last, "cut to {len}");
        last = replayed.records;
    }
    assert_eq!(last, 5);
    for len in 0..64 {
        std::fs::write(&file, &whole[..len]).unwrap();
        assert!(matches!(replay(dir.path()), Err(Error::Corrupt { .. })), "cut to {len}");
    }
}

/// Any flipped bit is found out: in front of a record that proves that it had been synced it is damage, in the last
/// group it looks like a torn write.
#[test]
fn a_flipped_bit_is_damage_or_a_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(logged(dir.path(), &[2, 3, 1], true));
    let whole = std::fs::read(&file).unwrap()[..6000].to_vec();
    let (mut damaged, mut torn) = (0, 0);
    for bit in 0..8 * 800 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&file, &bytes).unwrap();
        match replay(dir.path()) {
            Ok((replayed, records)) => {
                assert_eq!(records, expected(replayed.records));
                assert!(replayed.records >= 5, "bit {bit}: a synced record was left out");
                torn += u32::from(replayed.torn);
            }
            Err(Error::Corrupt { .. }) => damaged += 1,
            Err(error) => panic!("bit {bit}: {error}"),
        }
    }
    assert!(damaged > 1000 && torn > 100, "{damaged} {torn}");
}

/// Writes that were never synced may be lost in any order: whole ones behind a hole are no damage.
#[test]
fn a_hole_in_what_was_not_synced_ends_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(logged(dir.path(), &[1, 1, 1, 1], false));
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[64..72].fill(0);
    std::fs::write(&file, &bytes).unwrap();
    assert_eq!(replay(dir.path()).unwrap().1, expected(0));
}

#[test]
fn a_log_that_follows_goes_on_and_gaps_are_damage() {
    let dir = tempfile::tempdir().unwrap();
    let first = dir.path().join(logged(dir.path(), &[4], true));
    let second = {
        let directory = Directory::open(real(), dir.path(), Mode::Write).unwrap();
        // The last group is not known to be durable: it is repeated.
        let (replayed, log) = directory.replay(&task(), |_, _| Ok(())).unwrap();
        assert_eq!((replayed.unproven, replayed.next_seq), (1, 5));
        let log = log.unwrap();
        assert_eq!((log.start().seq, log.next_seq()), (1, 5));
        drop(log);
        let mut log = directory.start_log(5).unwrap();
        log.append(&[&payload(5)]).unwrap();
        log.commit(true).unwrap();
        dir.path().join(format!("log-{}.grain", log.start().number))
    };
    assert_eq!(replay(dir.path()).unwrap().1, expected(5));
    // A creation that was cut short, and one that got no record, are passed over.
    std::fs::write(dir.path().join("log-90.grain"), b"").unwrap();
    assert_eq!(replay(dir.path()).unwrap().1, expected(5));
    // The end of the first is torn off: what was repeated is there.
    let whole = std::fs::read(&first).unwrap();
    std::fs::write(&first, &whole[..100]).unwrap();
    assert_eq!(replay(dir.path()).unwrap().1, expected(5));
    // Without that the last proves that there was more.
    let repeated = names(dir.path()).into_iter().filter(|name| name.starts_with("log-")).nth(1).unwrap();
    std::fs::remove_file(dir.path().join(repeated)).unwrap();
    let error = replay(dir.path()).unwrap_err().to_string();
    assert!(error.contains("it begins with record 5"), "{error}");
    std::fs::write(&first, &whole).unwrap();
    // Its header is damaged, and there are records behind it.
    let mut bytes = std::fs::read(&second).unwrap();
    bytes[50] ^= 1;
    std::fs::write(&second, &bytes).unwrap();
    assert!(matches!(replay(dir.path()), Err(Error::Corrupt { .. })));
    std::fs::remove_file(&first).unwrap();
    assert!(replay(dir.path()).unwrap_err().to_string().contains("missing"));
}

/// The older manifest and the log from where it needs it give the same state as the newest.
#[test]
fn a_damaged_manifest_is_bridged_by_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let directory = create(dir.path());
    let mut log = directory.start_log(1).unwrap();
    for n in 1..=4u8 {
        directory.publish(&[n], &[], Some(log.start())).unwrap();
        log.append(&[&[n]]).unwrap();
        log.commit(true).unwrap();
        log = directory.start_log(log.next_seq()).unwrap();
    }
    // State 4 has record 4 behind it; the one before has records 3 and 4.
    assert_eq!(replay(dir.path()).unwrap().1, [(4, vec![4])]);
    assert_eq!(names(dir.path()).iter().filter(|name| name.starts_with("log-")).count(), 3, "older ones are gone");
    drop(directory);
    let newest = dir.path().join("manifest-4");
    let bytes = std::fs::read(&newest).unwrap();
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 0x10;
        std::fs::write(&newest, &other).unwrap();
        let directory = Directory::open(real(), dir.path(), Mode::Read).unwrap();
        assert!(directory.fell_back());
        assert_eq!(directory.manifest().unwrap().body(), [3]);
        assert_eq!(replay(dir.path()).unwrap().1, [(3, vec![3]), (4, vec![4])]);
    }
    // The next publication takes a number that is free, and then the damaged one goes.
    let directory = Directory::open(real(), dir.path(), Mode::Write).unwrap();
    directory.publish(&[5], &[], Some(LogStart { seq: 5, ..log.start() })).unwrap();
    assert!(names(dir.path()).contains(&"manifest-5".to_owned()) && !newest.exists());
}
