//! What an index consists of at one moment: its files, and a body that belongs to the caller.

use std::path::Path;

use wire::{Reader, Writer};

use crate::log::LogStart;
use crate::{Error, Result, names};

/// Least bytes of an encoded [`FileRef`].
const REF: usize = 4 + 1 + 8 + 8 + 4;

/// One write-once file: enough to find it and to know it from any other of its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRef {
    kind: String,
    number: u64,
    len: u64,
    check: u32,
}

impl FileRef {
    pub(crate) fn new(kind: String, number: u64, len: u64, check: u32) -> Self {
        Self { kind, number, len, check }
    }

    /// Name in the directory, e.g. `ids-12.grain`.
    pub fn name(&self) -> String {
        names::data(&self.kind, self.number)
    }

    /// What its writer said it is, e.g. `"ids"`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Number in its name; no other file of the index ever had it.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Length on disk in bytes.
    // A file is never empty: it has a header.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn check(&self) -> u32 {
        self.check
    }

    /// Appends the reference.
    pub(crate) fn write(&self, w: &mut Writer) {
        w.str(&self.kind);
        w.u64(self.number);
        w.u64(self.len);
        w.u32(self.check);
    }

    /// Reads what [`write`](Self::write) wrote.
    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, wire::Error> {
        let kind = r.str()?;
        if !names::is_kind(kind) {
            return Err(r.error(format!("{kind:?} is no kind of file")));
        }
        Ok(Self { kind: kind.into(), number: r.u64()?, len: r.u64()?, check: r.u32()? })
    }
}

/// A published state of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub(crate) number: u64,
    /// All files of later publications have this number or a higher one.
    pub(crate) next_file: u64,
    pub(crate) log: Option<LogStart>,
    pub(crate) files: Vec<FileRef>,
    pub(crate) body: Vec<u8>,
}

impl Manifest {
    /// 1 for the first publication, then 2, 3 …
    pub fn number(&self) -> u64 {
        self.number
    }

    /// What the caller gave to `publish`.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Where the log begins that holds what was written since; `None` for an index without one.
    pub fn log(&self) -> Option<LogStart> {
        self.log
    }

    /// The files that the state consists of, in the order in which they were given.
    pub fn files(&self) -> &[FileRef] {
        &self.files
    }

    /// The files of one kind, in order.
    pub fn files_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a FileRef> {
        self.files.iter().filter(move |file| file.kind == kind)
    }

    pub(crate) fn names(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.name() == name)
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut w = Writer::with_capacity(self.body.len() + 64 * (self.files.len() + 1));
        w.u64(self.next_file);
        w.bool(self.log.is_some());
        let log = self.log.unwrap_or(LogStart { number: 0, seq: 0 });
        w.u64(log.number);
        w.u64(log.seq);
        w.u64(self.files.len() as u64);
        for file in &self.files {
            file.write(&mut w);
        }
        w.u8s(&self.body);
        w.into_bytes()
    }

    pub(crate) fn decode(path: &Path, number: u64, bytes: &[u8]) -> Result<Self> {
        let inner = || {
            let mut r = Reader::new(bytes);
            let next_file = r.u64()?;
            if next_file > names::NUMBERS {
                return Err(r.error(format!("file {next_file} still to come, above 2^53")));
            }
            let log = (r.bool()?, LogStart { number: r.u64()?, seq: r.u64()? });
            if log.0 && (log.1.number >= next_file || log.1.seq >= names::NUMBERS)
                || !log.0 && log.1 != (LogStart { number: 0, seq: 0 })
            {
                return Err(r.error(format!("log {:?} when file {next_file} was still to come", log.1)));
            }
            let log = log.0.then_some(log.1);
            let count = r.count(REF)?;
            let mut files = r.vec(count)?;
            for _ in 0..count {
                let file = FileRef::read(&mut r)?;
                if file.number >= next_file {
                    return Err(r.error(format!("file number {} when {next_file} was still to come", file.number)));
                }
                files.push(file);
            }
            let body = r.u8s()?;
            let mut kept = r.vec(body.len())?;
            kept.extend_from_slice(body);
            r.finish()?;
            Ok(Self { number, next_file, log, files, body: kept })
        };
        inner().map_err(|e: wire::Error| Error::corrupt(path, e.at, e.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A checksum says nothing of what a faulty writer put under it: decoding checks by itself.
    #[test]
    fn contents_are_checked_though_the_checksum_is_right() {
        let files = vec![FileRef::new("ids".into(), 3, 100, 7), FileRef::new("codes".into(), 4, 200, 8)];
        let log = Some(LogStart { number: 2, seq: 9 });
        let manifest = Manifest { number: 2, next_file: 5, log, files, body: b"body".to_vec() };
        let bytes = manifest.encode();
        let decode = |bytes: &[u8]| Manifest::decode(Path::new("manifest-2"), 2, bytes);
        assert_eq!(decode(&bytes).unwrap(), manifest);
        for len in 0..bytes.len() {
            assert!(decode(&bytes[..len]).is_err(), "cut to {len}");
        }
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7F, 0x80, 0xFF] {
                let mut other = bytes.clone();
                other[at] = value;
                // Where no rule is broken it is another manifest, which can be written again.
                assert!(decode(&other).is_err() || decode(&other).unwrap().encode() == other, "byte {at} = {value}");
            }
        }
        let bad = |kind: &str, number| {
            let files = vec![FileRef::new(kind.into(), number, 1, 1)];
            decode(&Manifest { files, ..manifest.clone() }.encode()).unwrap_err().to_string()
        };
        assert!(bad("../x", 1).contains("no kind of file"));
        assert!(bad("ids", 5).contains("still to come"));
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(decode(&longer).is_err());
        let mut many = bytes;
        many[25..33].fill(0xFF);
        assert!(decode(&many).unwrap_err().to_string().contains("count"));
    }
}
