//! Dense rows in a file: records of one length, one after another, with a checksum for each.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use task::Task;
use wire::{Writer, crc32c_append};

use crate::directory::Shared;
use crate::header::{self, COMMON, Layout, VERSION};
use crate::manifest::FileRef;
use crate::out::OutFile;
use crate::vfs::{File, read_exact_at};
use crate::{Error, Result};

/// The longest record, in bytes.
pub const MAX_STRIDE: usize = 1 << 20;

/// Records begin on a page of their own, so that with a fitting stride no record lies on more pages than it must.
const HEADER: usize = 4096;
const CRC: usize = 4;
/// Bytes of the array of checksums that are read or written at a time.
const BATCH: usize = 1 << 20;

/// Writes the rows of one extent. Dropped before [`finish`](Self::finish) it takes the file away again.
#[derive(Debug)]
pub struct ExtentWriter {
    out: OutFile,
    kind: String,
    number: u64,
    stride: usize,
    first_row: u32,
    salt: u32,
    checksums: Vec<u32>,
}

impl ExtentWriter {
    pub(crate) fn create(
        shared: &Arc<Shared>,
        name: String,
        kind: &str,
        number: u64,
        stride: usize,
        first_row: u32,
    ) -> Result<Self> {
        if !(1..=MAX_STRIDE).contains(&stride) {
            return Err(Error::invalid("create", &shared.path.join(name), "records have 1 byte to 1 MiB"));
        }
        let mut out = OutFile::create(shared, name)?;
        out.write(&[0; HEADER])?;
        let salt = header::salt(number, VERSION);
        Ok(Self { out, kind: kind.into(), number, stride, first_row, salt, checksums: Vec::new() })
    }

    /// Appends records, one after another: as many at once as are at hand.
    ///
    /// # Errors
    /// [`Error::Io`], also when `records` is not a whole number of them or row numbers run out at 2^32 - 1.
    pub fn append(&mut self, records: &[u8]) -> Result<()> {
        let count = records.len() / self.stride;
        if !records.len().is_multiple_of(self.stride) {
            return Err(Error::invalid("write", self.out.path(), "records are not of the extent's length"));
        }
        if self.first_row as usize + self.checksums.len() + count > u32::MAX as usize {
            return Err(Error::invalid("write", self.out.path(), "row numbers end at 2^32 - 1"));
        }
        let room = self.checksums.try_reserve(count);
        room.map_err(|_| Error::OutOfMemory { bytes: (count * CRC) as u64 })?;
        let first = u64::from(self.first_row) + self.checksums.len() as u64;
        let rows = (first..).zip(records.chunks_exact(self.stride));
        self.checksums.extend(rows.map(|(row, record)| row_crc(self.salt, row, record)));
        self.out.write(records)
    }

    /// Rows appended so far.
    pub fn rows(&self) -> usize {
        self.checksums.len()
    }

    /// Writes the checksums and the header, and waits until the device has the file.
    pub fn finish(mut self) -> Result<FileRef> {
        let mut array = 0;
        let mut bytes = Vec::with_capacity(BATCH.min(self.checksums.len() * CRC));
        for batch in self.checksums.chunks(BATCH / CRC) {
            bytes.clear();
            bytes.extend(batch.iter().flat_map(|crc| crc.to_le_bytes()));
            array = crc32c_append(array, &bytes);
            self.out.write(&bytes)?;
        }
        let mut fields = Writer::new();
        fields.u64(u64::from(self.first_row));
        fields.u64(self.checksums.len() as u64);
        fields.u32(self.stride as u32);
        fields.u32(array);
        let header = header::encode(Layout::Extent, &self.kind, self.number, fields.as_slice(), HEADER);
        self.out.write_at(&header, 0)?;
        let len = self.out.len();
        self.out.finish()?;
        // The header's own checksum stands for the header, and through the array's for every row.
        Ok(FileRef::new(self.kind, self.number, len, header::check_of(&header)))
    }
}

/// An open file of dense rows: its checksums are in memory, its rows are on disk.
#[derive(Debug)]
pub struct Extent {
    pub(crate) file: Arc<dyn File>,
    pub(crate) path: PathBuf,
    stride: usize,
    first_row: u32,
    salt: u32,
    checksums: Vec<u32>,
}

impl Extent {
    pub(crate) fn open(file: Arc<dyn File>, path: PathBuf, expected: &FileRef, task: &Task) -> Result<Self> {
        let real = file.len().map_err(Error::io("measure", &path))?;
        if real != expected.len() || real < HEADER as u64 {
            return Err(Error::corrupt(
                &path,
                real.min(expected.len()),
                format!("it is {real} bytes long, not {}", expected.len()),
            ));
        }
        let mut bytes = vec![0; HEADER];
        read_exact_at(&*file, &mut bytes, 0).map_err(Error::read(&path, 0))?;
        let (salt, mut fields) = header::decode(&path, &bytes, Layout::Extent, expected.kind(), expected.number())?;
        if header::check_of(&bytes) != expected.check() {
            return Err(Error::corrupt(&path, 0, "this is not the file that the manifest means"));
        }
        let bad = |e: wire::Error| Error::corrupt(&path, e.at, e.what);
        let (first_row, count) = (fields.u64().map_err(bad)?, fields.u64().map_err(bad)?);
        let (stride, array) = (fields.u32().map_err(bad)? as usize, fields.u32().map_err(bad)?);
        let len = count.checked_mul((stride + CRC) as u64).and_then(|rows| rows.checked_add(HEADER as u64));
        let last = first_row.checked_add(count);
        if !(1..=MAX_STRIDE).contains(&stride) || len != Some(real) || last.is_none_or(|last| last > u64::from(u32::MAX)) {
            let what = format!("{count} rows of {stride} bytes from row {first_row} on are not what {real} bytes can hold");
            return Err(Error::corrupt(&path, COMMON as u64, what));
        }
        let at = HEADER as u64 + count * stride as u64;
        let (checksums, crc) = read_checksums(&*file, &path, count as usize, at, task)?;
        if crc != array {
            return Err(Error::corrupt(&path, at, "the checksum of the rows' checksums is wrong"));
        }
        Ok(Self { file, path, stride, first_row: first_row as u32, salt, checksums })
    }

    /// What is left of an extent whose header or array of checksums is damaged: rows are told apart by their own checksums.
    /// Of a file that is missing or of another length nothing is: every row of it is damaged.
    pub(crate) fn salvage(
        file: Option<Arc<dyn File>>,
        path: PathBuf,
        expected: &FileRef,
        stride: usize,
        (first_row, end): (u32, u32),
        task: &Task,
    ) -> Result<Self> {
        let rows = expected.len().saturating_sub(HEADER as u64) / (stride + CRC) as u64;
        let len = rows * (stride + CRC) as u64 + HEADER as u64;
        if expected.len() != len || u64::from(first_row) + rows > u64::from(end) {
            let what = format!("{} bytes are not what rows of {stride} up to row {end} make", expected.len());
            return Err(Error::corrupt(&path, 0, what));
        }
        let salt = header::salt(expected.number(), VERSION);
        let whole = file.filter(|file| file.len().is_ok_and(|real| real == len));
        let (file, checksums) = match whole {
            Some(file) => {
                let at = HEADER as u64 + rows * stride as u64;
                let checksums = read_checksums(&*file, &path, rows as usize, at, task)?.0;
                (file, checksums)
            }
            None => {
                let mut checksums = room_for(rows as usize)?;
                checksums.resize(rows as usize, 0);
                (Arc::new(Lost) as Arc<dyn File>, checksums)
            }
        };
        Ok(Self { file, path, stride, first_row, salt, checksums })
    }

    /// Number of the first row.
    pub fn first_row(&self) -> u32 {
        self.first_row
    }

    /// Number of rows.
    pub fn rows(&self) -> u32 {
        self.checksums.len() as u32
    }

    /// Length of a record in bytes.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that this holds in memory.
    pub fn memory(&self) -> usize {
        self.checksums.capacity() * CRC
    }

    /// Offset in the file of the row, which must be one of the extent's.
    pub(crate) fn offset(&self, row: u32) -> u64 {
        HEADER as u64 + u64::from(row - self.first_row) * self.stride as u64
    }

    /// Reads every row and verifies it.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for the first that is damaged, [`Error::Io`], [`Error::Aborted`].
    pub fn check(&self, task: &Task) -> Result<()> {
        let rows = (BATCH / self.stride).max(1) as u32;
        let end = self.first_row + self.rows();
        let mut bytes = Vec::new();
        for first in (self.first_row..end).step_by(rows as usize) {
            task.check()?;
            bytes.resize(rows.min(end - first) as usize * self.stride, 0);
            read_exact_at(&*self.file, &mut bytes, self.offset(first)).map_err(Error::read(&self.path, self.offset(first)))?;
            for (row, record) in (first..).zip(bytes.chunks_exact(self.stride)) {
                self.verify(row, record)?;
            }
        }
        Ok(())
    }

    /// Whether `record` is what was written as `row`, which must be one of the extent's.
    #[inline]
    pub(crate) fn verify(&self, row: u32, record: &[u8]) -> Result<()> {
        if row_crc(self.salt, u64::from(row), record) == self.checksums[(row - self.first_row) as usize] {
            return Ok(());
        }
        Err(Error::corrupt(&self.path, self.offset(row), format!("the checksum of row {row} is wrong")))
    }
}

/// A file of which nothing is left.
#[derive(Debug)]
struct Lost;

impl File for Lost {
    fn len(&self) -> io::Result<u64> {
        Ok(0)
    }

    fn read_at(&self, _buf: &mut [u8], _at: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn write_at(&self, _bytes: &[u8], _at: u64) -> io::Result<usize> {
        Ok(0)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

fn room_for(count: usize) -> Result<Vec<u32>> {
    let mut checksums = Vec::new();
    checksums.try_reserve_exact(count).map_err(|_| Error::OutOfMemory { bytes: (count * CRC) as u64 })?;
    Ok(checksums)
}

/// The array of checksums, and its own.
fn read_checksums(file: &dyn File, path: &Path, count: usize, mut at: u64, task: &Task) -> Result<(Vec<u32>, u32)> {
    let (mut checksums, mut bytes) = (room_for(count)?, Vec::new());
    let mut crc = 0;
    while checksums.len() < count {
        task.check()?;
        bytes.resize(((count - checksums.len()) * CRC).min(BATCH), 0);
        read_exact_at(file, &mut bytes, at).map_err(Error::read(path, at))?;
        crc = crc32c_append(crc, &bytes);
        checksums.extend(bytes.as_chunks::<CRC>().0.iter().map(|crc| u32::from_le_bytes(*crc)));
        at += bytes.len() as u64;
    }
    Ok((checksums, crc))
}

/// Bound to the file, the format and the row's number.
#[inline]
fn row_crc(salt: u32, row: u64, record: &[u8]) -> u32 {
    crc32c_append(crc32c_append(salt, &row.to_le_bytes()), record)
}
