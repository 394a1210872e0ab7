//! Files that are written and read whole: blocks of 64 KiB, each under a checksum of its own.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use task::Task;
use wire::{Writer, crc32c, crc32c_append};

use crate::directory::Shared;
use crate::header::{self, Layout, VERSION};
use crate::manifest::FileRef;
use crate::out::OutFile;
use crate::vfs::{File, read_exact_at};
use crate::{Error, Result};

const HEADER: usize = 64;
const BLOCK: usize = 65_536;
const CRC: usize = 4;
const FOOTER: usize = 32;
/// Blocks read at a time.
const BATCH: usize = 16;

/// Writes one file; what it is given ends up in blocks.
#[derive(Debug)]
pub struct BlobWriter {
    out: OutFile,
    kind: String,
    number: u64,
    salt: u32,
    block: Vec<u8>,
    blocks: u64,
    chain: u32,
    len: u64,
}

impl BlobWriter {
    pub(crate) fn create(shared: &Arc<Shared>, name: String, kind: &str, number: u64) -> Result<Self> {
        let mut out = OutFile::create(shared, name)?;
        out.write(&header::encode(Layout::Blocks, kind, number, &[], HEADER))?;
        let salt = header::salt(number, VERSION);
        Ok(Self { out, kind: kind.into(), number, salt, block: Vec::with_capacity(BLOCK), blocks: 0, chain: 0, len: 0 })
    }

    /// Appends bytes; pieces of any length.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.len += bytes.len() as u64;
        while !bytes.is_empty() {
            if self.block.is_empty() && bytes.len() >= BLOCK {
                let (block, rest) = bytes.split_at(BLOCK);
                self.emit(block)?;
                bytes = rest;
                continue;
            }
            let (head, rest) = bytes.split_at(bytes.len().min(BLOCK - self.block.len()));
            self.block.extend_from_slice(head);
            bytes = rest;
            if self.block.len() == BLOCK {
                self.emit_gathered()?;
            }
        }
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<FileRef> {
        if !self.block.is_empty() {
            self.emit_gathered()?;
        }
        let footer = Footer { len: self.len, number: self.number, chain: self.chain }.encode();
        self.out.write(&footer)?;
        let (len, check) = (self.out.len(), check_of(&footer));
        self.out.finish()?;
        Ok(FileRef::new(self.kind, self.number, len, check))
    }

    fn emit_gathered(&mut self) -> Result<()> {
        let block = std::mem::take(&mut self.block);
        self.emit(&block)?;
        self.block = block;
        self.block.clear();
        Ok(())
    }

    fn emit(&mut self, block: &[u8]) -> Result<()> {
        let crc = block_crc(self.salt, self.blocks, block).to_le_bytes();
        self.chain = crc32c_append(self.chain, &crc);
        self.blocks += 1;
        self.out.write(block)?;
        self.out.write(&crc)
    }
}

/// Which file a reader takes the bytes for; the length and the footer's checksum where it knows them.
pub(crate) struct Expected<'a> {
    pub(crate) kind: &'a str,
    pub(crate) number: u64,
    pub(crate) len_and_check: Option<(u64, u32)>,
}

/// Everything that was written to the file. Takes memory only when header and footer have proved right.
pub(crate) fn read(file: &dyn File, path: &Path, expected: &Expected<'_>, task: &Task) -> Result<Vec<u8>> {
    let frame = read_frame(file, path, expected)?;
    let no_memory = |_| Error::OutOfMemory { bytes: frame.footer.len };
    let len = usize::try_from(frame.footer.len).map_err(|_| Error::OutOfMemory { bytes: frame.footer.len })?;
    let mut data = Vec::new();
    data.try_reserve_exact(len).map_err(no_memory)?;
    read_blocks(file, path, &frame, task, |block| data.extend_from_slice(block))?;
    Ok(data)
}

/// Reads the file through and keeps nothing.
pub(crate) fn check(file: &dyn File, path: &Path, expected: &Expected<'_>, task: &Task) -> Result<()> {
    let frame = read_frame(file, path, expected)?;
    read_blocks(file, path, &frame, task, |_| ())
}

/// What stands around the blocks.
struct Frame {
    salt: u32,
    /// Bytes between header and footer.
    body: u64,
    footer: Footer,
}

fn read_frame(file: &dyn File, path: &Path, expected: &Expected<'_>) -> Result<Frame> {
    let real = file.len().map_err(Error::io("measure", path))?;
    let framed = (HEADER + FOOTER) as u64;
    if let Some((len, _)) = expected.len_and_check
        && len != real
    {
        return Err(Error::corrupt(path, real.min(len), format!("it is {real} bytes long, not {len}")));
    }
    if real < framed {
        return Err(Error::corrupt(path, real, format!("{real} bytes are too few for a file")));
    }
    let mut bytes = [0; HEADER];
    read_exact_at(file, &mut bytes, 0).map_err(Error::read(path, 0))?;
    let (salt, _) = header::decode(path, &bytes, Layout::Blocks, expected.kind, expected.number)?;

    let foot = real - FOOTER as u64;
    let mut bytes = [0; FOOTER];
    read_exact_at(file, &mut bytes, foot).map_err(Error::read(path, foot))?;
    let footer = Footer::decode(path, foot, &bytes)?;
    let body = real - framed;
    let (full, rest) = (body / (BLOCK + CRC) as u64, body % (BLOCK + CRC) as u64);
    let blocks = full + u64::from(rest > 0);
    if footer.number != expected.number
        || Some(footer.len) != body.checked_sub(blocks * CRC as u64)
        || (1..=CRC as u64).contains(&rest)
    {
        return Err(Error::corrupt(path, foot, format!("a footer for another file ({} bytes)", footer.len)));
    }
    if expected.len_and_check.is_some_and(|(_, check)| check != check_of(&bytes)) {
        return Err(Error::corrupt(path, foot, "this is not the file that the manifest means"));
    }
    Ok(Frame { salt, body, footer })
}

fn read_blocks(file: &dyn File, path: &Path, frame: &Frame, task: &Task, mut found: impl FnMut(&[u8])) -> Result<()> {
    let &Frame { salt, body, ref footer } = frame;
    let mut batch = Vec::new();
    let room = (body as usize).min(BATCH * (BLOCK + CRC));
    batch.try_reserve_exact(room).map_err(|_| Error::OutOfMemory { bytes: room as u64 })?;
    let (mut at, end) = (HEADER as u64, HEADER as u64 + body);
    let (mut number, mut chain) = (0, 0);
    while at < end {
        task.check()?;
        batch.resize((end - at).min((BATCH * (BLOCK + CRC)) as u64) as usize, 0);
        read_exact_at(file, &mut batch, at).map_err(Error::read(path, at))?;
        for bytes in batch.chunks(BLOCK + CRC) {
            let (block, crc) = bytes.split_at(bytes.len() - CRC);
            if block_crc(salt, number, block).to_le_bytes() != crc {
                return Err(Error::corrupt(path, at, format!("the checksum of block {number} is wrong")));
            }
            chain = crc32c_append(chain, crc);
            found(block);
            number += 1;
            at += bytes.len() as u64;
        }
    }
    if chain != footer.chain {
        return Err(Error::corrupt(path, end, "the blocks are not those that the footer means"));
    }
    Ok(())
}

/// What can be read of a file of `len` bytes that may be damaged anywhere: what was written, zeros where it is not known,
/// and where those are.
pub(crate) fn salvage(file: &dyn File, path: &Path, number: u64, len: u64, task: &Task) -> Result<(Vec<u8>, Vec<Range<u64>>)> {
    let salt = header::salt(number, VERSION);
    let body = len.saturating_sub((HEADER + FOOTER) as u64);
    let blocks = body.div_ceil((BLOCK + CRC) as u64);
    let no_memory = |_| Error::OutOfMemory { bytes: body };
    let (mut data, mut unknown) = (Vec::new(), Vec::new());
    data.try_reserve_exact(body.saturating_sub(blocks * CRC as u64) as usize).map_err(no_memory)?;
    let mut bytes = vec![0; BLOCK + CRC];
    for number in 0..blocks {
        task.check()?;
        let at = number * (BLOCK + CRC) as u64;
        let bytes = &mut bytes[..(body - at).min((BLOCK + CRC) as u64) as usize];
        let start = data.len() as u64;
        let whole = match read_exact_at(file, bytes, HEADER as u64 + at).map_err(Error::read(path, at)) {
            Ok(()) => true,
            Err(Error::Corrupt { .. }) => false,
            Err(error) => return Err(error),
        };
        let (block, crc) = bytes.split_at(bytes.len().saturating_sub(CRC));
        if whole && block_crc(salt, number, block).to_le_bytes() == crc {
            data.extend_from_slice(block);
        } else {
            data.resize(data.len() + block.len(), 0);
            unknown.push(start..data.len() as u64);
        }
    }
    Ok((data, unknown))
}

/// Bound to the file, the format, the place in the file and the length.
fn block_crc(salt: u32, number: u64, block: &[u8]) -> u32 {
    let place = crc32c_append(salt, &number.to_le_bytes());
    crc32c_append(crc32c_append(place, &(block.len() as u32).to_le_bytes()), block)
}

struct Footer {
    len: u64,
    number: u64,
    chain: u32,
}

impl Footer {
    fn encode(&self) -> [u8; FOOTER] {
        let mut w = Writer::with_capacity(FOOTER);
        w.u64(self.len);
        w.u64(self.number);
        w.u32(self.chain);
        w.u64(0);
        w.u32(crc32c(w.as_slice()));
        let mut bytes = [0; FOOTER];
        bytes.copy_from_slice(w.as_slice());
        bytes
    }

    fn decode(path: &Path, at: u64, bytes: &[u8; FOOTER]) -> Result<Self> {
        if crc32c(&bytes[..FOOTER - CRC]) != check_of(bytes) {
            return Err(Error::corrupt(path, at, "the footer's checksum is wrong"));
        }
        let mut r = wire::Reader::with_base(bytes, at);
        let bad = |e: wire::Error| Error::corrupt(path, e.at, e.what);
        Ok(Self { len: r.u64().map_err(bad)?, number: r.u64().map_err(bad)?, chain: r.u32().map_err(bad)? })
    }
}

fn check_of(footer: &[u8; FOOTER]) -> u32 {
    let [.., a, b, c, d] = *footer;
    u32::from_le_bytes([a, b, c, d])
}
