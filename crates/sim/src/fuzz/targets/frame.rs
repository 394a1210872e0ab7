//! Checksums put right after a file was changed, by `docs/format.md`: so that what lies behind them is reached.
//!
//! Lengths, counts and places are left as they are found, whatever they are.

use wire::{crc32c, crc32c_append};

const CRC: usize = 4;
const BLOB_HEADER: usize = 64;
const FOOTER: usize = 32;
const BLOCK: usize = 65_536;
const EXTENT_HEADER: usize = 4096;
const RECORD_HEAD: usize = 40;

/// Puts right the checksums of a file, of whichever layout its header says it is.
pub fn seal(file: &mut [u8]) {
    match file.get(20) {
        Some(2) => seal_extent(file),
        Some(3) => seal_log(file, true, &mut None),
        _ => seal_blob(file),
    }
}

fn number_at(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

fn put(bytes: &mut [u8], at: usize, crc: u32) {
    if let Some(place) = bytes.get_mut(at..at + CRC) {
        place.copy_from_slice(&crc.to_le_bytes());
    }
}

fn put_number(bytes: &mut [u8], at: usize, number: u64) {
    if let Some(place) = bytes.get_mut(at..at + 8) {
        place.copy_from_slice(&number.to_le_bytes());
    }
}

/// Which file and format the parts' checksums are bound to.
fn salt(file: &[u8]) -> u32 {
    let version = file.get(8..10).unwrap_or(&[0; 2]);
    crc32c_append(crc32c(&number_at(file, 40).to_le_bytes()), version)
}

fn seal_header(file: &mut [u8], len: usize) -> u32 {
    let Some(header) = file.get(..len) else { return 0 };
    let crc = crc32c(&header[..len - CRC]);
    put(file, len - CRC, crc);
    crc
}

/// Header, blocks and footer.
pub fn seal_blob(file: &mut [u8]) {
    seal_header(file, BLOB_HEADER);
    let salt = salt(file);
    let Some(end) = file.len().checked_sub(FOOTER).filter(|end| *end >= BLOB_HEADER) else { return };
    let mut chain = 0;
    for (number, block) in (0u64..).zip(file[BLOB_HEADER..end].chunks_mut(BLOCK + CRC)) {
        let Some((data, crc)) = block.split_last_chunk_mut::<CRC>() else { break };
        let place = crc32c_append(crc32c_append(salt, &number.to_le_bytes()), &(data.len() as u32).to_le_bytes());
        *crc = crc32c_append(place, data).to_le_bytes();
        chain = crc32c_append(chain, crc);
    }
    put(file, end + 16, chain);
    let footer = crc32c(&file[end..end + FOOTER - CRC]);
    put(file, end + FOOTER - CRC, footer);
}

/// Records' checksums, the checksum of those, and the header.
pub fn seal_extent(file: &mut [u8]) {
    let (first, count, salt) = (number_at(file, 48), number_at(file, 56), salt(file));
    let stride = number_at(file, 64) as u32 as usize;
    let rows = file.len().saturating_sub(EXTENT_HEADER) / (stride + CRC);
    if count == rows as u64 && stride > 0 && rows > 0 {
        let (records, checksums) = file[EXTENT_HEADER..].split_at_mut(rows * stride);
        let rows = (first..=u64::MAX).zip(records.chunks_exact(stride));
        for ((row, record), crc) in rows.zip(checksums.chunks_exact_mut(CRC)) {
            crc.copy_from_slice(&crc32c_append(crc32c_append(salt, &row.to_le_bytes()), record).to_le_bytes());
        }
        let array = crc32c(checksums);
        put(file, 68, array);
    }
    seal_header(file, EXTENT_HEADER);
}

/// The header and the heads and payloads of the records; `chain`: also what ties each to the one before; `count`: also
/// their sequence numbers, from this one on.
pub fn seal_log(file: &mut [u8], chain: bool, count: &mut Option<u64>) {
    if let Some(count) = count {
        put_number(file, 48, *count);
    }
    let mut last = seal_header(file, BLOB_HEADER);
    let salt = salt(file);
    let (mut at, len) = (BLOB_HEADER, file.len());
    while at + RECORD_HEAD <= len && file[at..].starts_with(b"\xB1LOG") {
        if chain {
            put(file, at + 4, last);
        }
        if let Some(count) = count {
            put_number(file, at + 16, *count);
            *count = count.wrapping_add(1);
        }
        let head = crc32c_append(salt, &file[at..at + RECORD_HEAD - 2 * CRC]);
        put(file, at + RECORD_HEAD - 2 * CRC, head);
        let payload = at + RECORD_HEAD;
        let Some(end) = (number_at(file, at + 8) as usize).checked_add(payload).filter(|end| *end <= len) else { return };
        last = crc32c_append(head, &file[payload..end]);
        put(file, at + RECORD_HEAD - CRC, last);
        at = end.next_multiple_of(8);
    }
}
