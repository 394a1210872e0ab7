//! The first bytes of every file: what it is, who may read it, and which file it is.

use std::path::Path;

use wire::{Reader, Writer, crc32c, crc32c_append};

use crate::{Error, Result, names};

/// A byte that is no text, the name, and line ends that a careless copy would change (as PNG's).
const MAGIC: [u8; 8] = *b"\x89BGR\r\n\x1a\n";

/// The version of the format that this crate writes, and the newest that it reads.
pub const VERSION: u16 = 1;

/// Length of the fields that all headers begin with.
pub(crate) const COMMON: usize = 48;

const KIND: usize = 16;

/// How the bytes after the header are arranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    Blocks = 1,
    Extent = 2,
    Log = 3,
}

/// The common fields and the checksum at the end, `len` bytes in all; `fields` lie in between, then zeros.
pub(crate) fn encode(layout: Layout, kind: &str, number: u64, fields: &[u8], len: usize) -> Vec<u8> {
    let mut w = Writer::with_capacity(len);
    w.raw(&MAGIC);
    w.u16(VERSION);
    w.u16(VERSION); // the oldest reader that understands the file
    w.u32(0); // features that a reader must know
    w.u32(0); // features that it may ignore
    w.u32(layout as u32);
    let mut padded = [0; KIND];
    padded[..kind.len()].copy_from_slice(kind.as_bytes());
    w.raw(&padded);
    w.u64(number);
    w.raw(fields);
    let mut bytes = w.into_bytes();
    bytes.resize(len - 4, 0);
    let crc = crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// The checksum that a header ends with.
pub(crate) fn check_of(header: &[u8]) -> u32 {
    header.last_chunk::<4>().map_or(0, |crc| u32::from_le_bytes(*crc))
}

/// Which file the checksums of its parts are bound to, so that the right bytes in the wrong file are found out.
pub(crate) fn salt(number: u64, version: u16) -> u32 {
    crc32c_append(crc32c(&number.to_le_bytes()), &version.to_le_bytes())
}

/// Whether these are the bytes of a header, of whatever file and format.
pub(crate) fn is_whole(bytes: &[u8]) -> bool {
    let checked = bytes.split_last_chunk::<4>().is_some_and(|(body, crc)| crc32c(body) == u32::from_le_bytes(*crc));
    checked && bytes.starts_with(&MAGIC)
}

/// Checks the header of the file at `path` that should be `kind` number `number`; gives its salt and the
/// fields of the layout.
pub(crate) fn decode<'a>(path: &Path, bytes: &'a [u8], layout: Layout, kind: &str, number: u64) -> Result<(u32, Reader<'a>)> {
    let bad = |at: u64, what: String| Err(Error::corrupt(path, at, what));
    let Some((body, crc)) = bytes.split_last_chunk::<4>() else { return bad(0, "no header".into()) };
    if !body.starts_with(&MAGIC) {
        return bad(0, "the first bytes are not those of an index's file".into());
    }
    if crc32c(body) != u32::from_le_bytes(*crc) {
        return bad(0, "the header's checksum is wrong".into());
    }
    let mut r = Reader::with_base(&body[MAGIC.len()..], MAGIC.len() as u64);
    let read = |e: wire::Error| Error::corrupt(path, e.at, e.what);
    let (version, oldest) = (r.u16().map_err(read)?, r.u16().map_err(read)?);
    let unknown = |what: String| Err(Error::Unknown { file: path.to_path_buf(), what });
    if oldest > VERSION {
        return unknown(format!("written in format {version}, which readers before {oldest} cannot read; this one is {VERSION}"));
    }
    let (needed, _ignorable) = (r.u32().map_err(read)?, r.u32().map_err(read)?);
    if needed != 0 {
        return unknown(format!("needs features {needed:#x} that this version does not know"));
    }
    let found = r.u32().map_err(read)?;
    if found != layout as u32 {
        return bad(20, format!("layout {found}, not {}", layout as u32));
    }
    let name = String::from_utf8_lossy(r.raw(KIND).map_err(read)?).trim_end_matches('\0').to_owned();
    let which = r.u64().map_err(read)?;
    if name != kind || which != number {
        return bad(24, format!("this is {}, not {}", names::data(&name, which), names::data(kind, number)));
    }
    Ok((salt(number, version), r))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header with other bytes at `at`, and the checksum that belongs to them.
    fn changed(at: usize, bytes: &[u8]) -> Vec<u8> {
        let mut header = encode(Layout::Blocks, "ids", 7, &[], 64);
        header[at..at + bytes.len()].copy_from_slice(bytes);
        let crc = crc32c(&header[..60]);
        header[60..].copy_from_slice(&crc.to_le_bytes());
        header
    }

    fn decoded(header: &[u8]) -> Result<u32, String> {
        decode(Path::new("f"), header, Layout::Blocks, "ids", 7).map(|(salt, _)| salt).map_err(|e| e.to_string())
    }

    #[test]
    fn what_a_reader_must_know_it_must_know() {
        assert_eq!(decoded(&changed(0, &[])), Ok(salt(7, 1)));
        assert_eq!(decoded(&changed(8, &[9, 0])), Ok(salt(7, 9)), "a newer version that this one can read");
        assert_eq!(decoded(&changed(16, &[1])), Ok(salt(7, 1)), "a feature that may be ignored");
        for (at, bytes, why) in [
            (10, &[2][..], "which readers before 2 cannot read"),
            (12, &[4], "needs features 0x4"),
            (20, &[2], "layout 2, not 1"),
            (24, b"x", "this is xds-7.grain, not ids-7.grain"),
            (40, &[8], "this is ids-8.grain, not ids-7.grain"),
            (0, b"\x88", "the first bytes"),
        ] {
            let error = decoded(&changed(at, bytes)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        assert!(decoded(&[]).is_err());
    }
}
