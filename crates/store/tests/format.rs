//! The files byte by byte, held against `docs/format.md` by a decoder that shares nothing with the crate.

mod common;

use std::fs;

use common::*;

/// CRC-32C bit by bit: polynomial 0x1EDC6F41 reflected, all ones before and after.
fn crc(parts: &[&[u8]]) -> u32 {
    let mut crc = !0u32;
    for byte in parts.iter().flat_map(|part| part.iter()) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0x82F6_3B78 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// The fields that all headers begin with, and the checksum that they end with.
fn header(bytes: &[u8], layout: u32, kind: &str, number: u64) {
    assert_eq!(bytes[..8], [0x89, b'B', b'G', b'R', b'\r', b'\n', 0x1A, b'\n']);
    assert_eq!(bytes[8..12], [1, 0, 1, 0], "version, oldest reader");
    assert_eq!(bytes[12..20], [0; 8], "features");
    assert_eq!(u32_at(bytes, 20), layout);
    assert_eq!(bytes[24..24 + kind.len()], *kind.as_bytes());
    assert!(bytes[24 + kind.len()..40].iter().all(|b| *b == 0));
    assert_eq!(u64_at(bytes, 40), number);
    let end = bytes.len() - 4;
    assert_eq!(u32_at(bytes, end), crc(&[&bytes[..end]]));
}

/// What a file of blocks holds, after everything in it has been checked.
fn blocks(bytes: &[u8], kind: &str, number: u64) -> Vec<u8> {
    header(&bytes[..64], 1, kind, number);
    let footer = &bytes[bytes.len() - 32..];
    let (mut data, mut checksums) = (Vec::new(), Vec::new());
    for (index, block) in (0u64..).zip(bytes[64..bytes.len() - 32].chunks(65_540)) {
        let (block, check) = block.split_at(block.len() - 4);
        let place: [&[u8]; 5] =
            [&number.to_le_bytes(), &1u16.to_le_bytes(), &index.to_le_bytes(), &(block.len() as u32).to_le_bytes(), block];
        assert_eq!(u32_at(check, 0), crc(&place));
        data.extend_from_slice(block);
        checksums.extend_from_slice(check);
    }
    assert_eq!((u64_at(footer, 0), u64_at(footer, 8)), (data.len() as u64, number));
    assert_eq!(u32_at(footer, 16), crc(&[&checksums]));
    assert_eq!(u64_at(footer, 20), 0);
    assert_eq!(u32_at(footer, 28), crc(&[&footer[..28]]));
    data
}

#[test]
fn files_of_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let index = create(dir.path());
    for size in [0, 1, 65_536, 65_537, 150_000] {
        let data = Random(size as u64 + 3).bytes(size);
        let file = write(&index, "codes", &data);
        assert_eq!(blocks(&fs::read(dir.path().join(file.name())).unwrap(), "codes", file.number()), data);
    }
}

#[test]
fn manifests() {
    let dir = tempfile::tempdir().unwrap();
    let index = create(dir.path());
    let first = blocks(&fs::read(dir.path().join("manifest-0")).unwrap(), "manifest", 0);
    assert_eq!(first, [0; 41], "next file 0, no log, no files, no body");
    let (ids, rows) = (write(&index, "ids", b"12345"), extent(&index, 0..3, 20));
    let log = index.start_log(77).unwrap().start();
    index.publish(b"the body", &[ids.clone(), rows.clone()], Some(log)).unwrap();

    let bytes = blocks(&fs::read(dir.path().join("manifest-1")).unwrap(), "manifest", 1);
    let mut wanted = Vec::new();
    wanted.extend(3u64.to_le_bytes());
    wanted.push(1);
    wanted.extend(2u64.to_le_bytes());
    wanted.extend(77u64.to_le_bytes());
    wanted.extend(2u64.to_le_bytes());
    for (kind, file, check_at) in [("ids", &ids, 64 + 9 + 28), ("dense", &rows, 4092)] {
        let content = fs::read(dir.path().join(file.name())).unwrap();
        wanted.extend((kind.len() as u32).to_le_bytes());
        wanted.extend(kind.as_bytes());
        wanted.extend(file.number().to_le_bytes());
        wanted.extend((content.len() as u64).to_le_bytes());
        wanted.extend(&content[check_at..check_at + 4]);
    }
    wanted.extend(8u64.to_le_bytes());
    wanted.extend(b"the body");
    assert_eq!(bytes, wanted);
}

#[test]
fn logs() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = create(dir.path()).start_log(40).unwrap();
    log.append(&[b"first ", b"record"]).unwrap();
    log.commit(true).unwrap();
    log.append(&[b"12345678"]).unwrap();
    log.commit(true).unwrap();
    let bytes = fs::read(dir.path().join("log-0.grain")).unwrap();
    assert_eq!(bytes.len(), 256 << 10, "zeros ahead");
    header(&bytes[..64], 3, "log", 0);
    assert_eq!(u64_at(&bytes, 48), 40);
    let salt: [&[u8]; 2] = [&0u64.to_le_bytes(), &1u16.to_le_bytes()];
    let (mut at, mut before) = (64, u32_at(&bytes, 60));
    for (seq, synced, payload) in [(40, 64, b"first record".as_slice()), (41, 120, b"12345678")] {
        assert_eq!(&bytes[at..at + 4], b"\xB1LOG");
        assert_eq!((u32_at(&bytes, at + 4), u64_at(&bytes, at + 8)), (before, payload.len() as u64));
        assert_eq!((u64_at(&bytes, at + 16), u64_at(&bytes, at + 24)), (seq, synced));
        let head = &bytes[at..at + 32];
        assert_eq!(u32_at(&bytes, at + 32), crc(&[salt[0], salt[1], head]));
        assert_eq!(&bytes[at + 40..][..payload.len()], payload);
        before = u32_at(&bytes, at + 36);
        assert_eq!(before, crc(&[salt[0], salt[1], head, payload]));
        at += (40 + payload.len()).next_multiple_of(8);
    }
    assert!(bytes[at..].iter().all(|byte| *byte == 0));
}

#[test]
fn extents() {
    let dir = tempfile::tempdir().unwrap();
    let index = create(dir.path());
    for (rows, stride) in [(0..0, 9), (0..3, 20), (70..77, 400)] {
        let file = extent(&index, rows.clone(), stride);
        let bytes = fs::read(dir.path().join(file.name())).unwrap();
        let count = rows.len();
        assert_eq!(bytes.len(), 4096 + count * (stride + 4));
        header(&bytes[..4096], 2, "dense", file.number());
        assert_eq!((u64_at(&bytes, 48), u64_at(&bytes, 56)), (u64::from(rows.start), count as u64));
        assert_eq!(u32_at(&bytes, 64), stride as u32);
        let checksums = &bytes[4096 + count * stride..];
        assert_eq!(u32_at(&bytes, 68), crc(&[checksums]));
        assert!(bytes[72..4092].iter().all(|b| *b == 0));
        for (n, row) in rows.enumerate() {
            let record = record(row, stride);
            assert_eq!(bytes[4096 + n * stride..][..stride], record);
            let bound: [&[u8]; 4] = [&file.number().to_le_bytes(), &1u16.to_le_bytes(), &u64::from(row).to_le_bytes(), &record];
            assert_eq!(u32_at(checksums, n * 4), crc(&bound));
        }
    }
}

/// The same calls give the same bytes, whatever the sizes of the pieces.
#[test]
fn the_same_input_gives_the_same_files() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let all = records(0..6000, 400);
    let data = Random(5).bytes(400_000);
    for (dir, piece) in [(&a, 6000), (&b, 7)] {
        let index = create(dir.path());
        let mut rows = index.write_extent("dense", 400, 0).unwrap();
        all.chunks(piece * 400).for_each(|part| rows.append(part).unwrap());
        let codes = index.write_file("codes", |file| data.chunks(piece * 61).try_for_each(|part| file.write(part))).unwrap();
        let rows = rows.finish().unwrap();
        index.publish(b"x", &[rows, codes], None).unwrap();
    }
    assert_eq!(names(a.path()), names(b.path()));
    for name in names(a.path()) {
        assert!(fs::read(a.path().join(&name)).unwrap() == fs::read(b.path().join(&name)).unwrap(), "{name}");
    }
}
