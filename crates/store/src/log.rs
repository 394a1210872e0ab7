//! The write-ahead log: what was written since the checkpoint, record after record.
//!
//! A log is the one kind of file that grows after its creation, and only at its end. Each record carries its
//! sequence number, the checksum of the record before it, and how much of the file the device had when it was
//! written. The last is what tells damage from a torn tail when the log is read again: a record that is whole
//! and says that what lies before it had been synced leaves no excuse for a hole there.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wire::{Reader, Writer, crc32c_append};

use crate::directory::Shared;
use crate::header::{self, Layout, VERSION};
use crate::names;
use crate::vfs::{File, write_all_at};
use crate::{Error, Result};

/// The kind of log files.
pub(crate) const LOG: &str = "log";
pub(crate) const HEADER: usize = 64;
/// Bytes of a record before its payload.
pub(crate) const HEAD: usize = 40;
/// Records begin at multiples of this.
pub(crate) const ALIGN: usize = 8;
const MAGIC: u32 = u32::from_le_bytes(*b"\xB1LOG");

/// Small groups that are synced write zeros ahead of them up to the next multiple of this, so that the syncs of
/// those that follow need not make a new length durable.
const AHEAD: u64 = 256 << 10;
/// Groups up to so many bytes are small.
const SMALL: usize = 64 << 10;
/// Payloads from this size on are written as they are, not gathered first.
const LARGE: usize = 1 << 20;

/// Where the replay of the log begins that belongs to a published state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogStart {
    /// Number of the first log file that matters.
    pub number: u64,
    /// Sequence number of its first record.
    pub seq: u64,
}

/// What stands before a record's payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head {
    /// Checksum of the record before, or of the file's header.
    pub(crate) before: u32,
    pub(crate) len: u64,
    pub(crate) seq: u64,
    /// Bytes of this file that were synced before the record was written.
    pub(crate) synced: u64,
    /// Over the head alone: a length can be trusted before its payload was read.
    pub(crate) check: u32,
    /// Over head and payload.
    pub(crate) body: u32,
}

impl Head {
    fn of(salt: u32, before: u32, seq: u64, synced: u64, parts: &[&[u8]]) -> Self {
        let len = parts.iter().map(|part| part.len() as u64).sum();
        let mut head = Self { before, len, seq, synced, check: 0, body: 0 };
        head.check = crc32c_append(salt, &head.encode()[..HEAD - 8]);
        head.body = parts.iter().fold(head.check, |crc, part| crc32c_append(crc, part));
        head
    }

    fn encode(&self) -> [u8; HEAD] {
        let mut w = Writer::with_capacity(HEAD);
        w.u32(MAGIC);
        w.u32(self.before);
        w.u64(self.len);
        w.u64(self.seq);
        w.u64(self.synced);
        w.u32(self.check);
        w.u32(self.body);
        let mut bytes = [0; HEAD];
        bytes.copy_from_slice(w.as_slice());
        bytes
    }

    /// Whether `bytes` may be the first of a head.
    pub(crate) fn begins(bytes: &[u8]) -> bool {
        bytes.starts_with(&MAGIC.to_le_bytes())
    }

    /// `None` if `bytes` do not begin with a whole head of the file with `salt`.
    pub(crate) fn decode(salt: u32, bytes: &[u8]) -> Option<Self> {
        let bytes = bytes.get(..HEAD)?;
        let mut r = Reader::new(bytes);
        if r.u32().ok()? != MAGIC {
            return None;
        }
        let (before, len, seq, synced) = (r.u32().ok()?, r.u64().ok()?, r.u64().ok()?, r.u64().ok()?);
        let (check, body) = (r.u32().ok()?, r.u32().ok()?);
        (check == crc32c_append(salt, &bytes[..HEAD - 8])).then_some(Self { before, len, seq, synced, check, body })
    }

    /// Zeros behind the payload, so that the next record is aligned.
    pub(crate) fn padding(&self) -> usize {
        (self.len.wrapping_neg() % ALIGN as u64) as usize
    }
}

/// The end of the log that is written to.
pub struct Log {
    shared: Arc<Shared>,
    file: Arc<dyn File>,
    path: PathBuf,
    start: LogStart,
    salt: u32,
    next_seq: u64,
    /// Checksum of the last record, or of the header.
    last: u32,
    /// Bytes that are in the file, zeros ahead left out.
    written: u64,
    /// What follows them, once it is committed.
    gathered: Vec<u8>,
    /// Bytes that the device has.
    synced: u64,
    /// Set while the outcome of a write or sync is open, and for ever when it failed.
    failed: bool,
    /// Length of the file, for those who add up what the index takes.
    len: Arc<AtomicU64>,
}

impl Log {
    /// A new log, its header and its name durable.
    pub(crate) fn create(shared: &Arc<Shared>, start: LogStart) -> Result<Self> {
        let path = shared.path.join(names::data(LOG, start.number));
        let header = header::encode(Layout::Log, LOG, start.number, &start.seq.to_le_bytes(), HEADER);
        let file = shared.vfs.create(&path).map_err(Error::io("create", &path))?;
        let mut log = Self {
            shared: shared.clone(),
            file,
            path,
            start,
            salt: header::salt(start.number, VERSION),
            next_seq: start.seq,
            last: header::check_of(&header),
            written: 0,
            gathered: header,
            synced: 0,
            failed: false,
            len: shared.logs.add(start.number, 0),
        };
        log.write(0)?;
        log.sync()?;
        shared.vfs.sync_dir(&shared.path).map_err(Error::io("sync", &shared.path))?;
        Ok(log)
    }

    /// Where a replay of this file begins.
    pub fn start(&self) -> LogStart {
        self.start
    }

    /// Sequence number of the next record.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Whether there is no record in it.
    pub fn is_empty(&self) -> bool {
        self.next_seq == self.start.seq
    }

    /// Bytes of records.
    pub fn len(&self) -> u64 {
        (self.written + self.gathered.len() as u64).saturating_sub(HEADER as u64)
    }

    /// Adds one record: `parts`, one after another. It is in the file once [`commit`](Self::commit) has said so.
    ///
    /// # Errors
    /// [`Error::Io`]: much is written at once. After an error every call fails.
    pub fn append(&mut self, parts: &[&[u8]]) -> Result<()> {
        self.check()?;
        let head = Head::of(self.salt, self.last, self.next_seq, self.synced, parts);
        self.put(&head.encode())?;
        for part in parts {
            self.put(part)?;
        }
        self.put(&[0; ALIGN][..head.padding()])?;
        self.last = head.body;
        self.next_seq += 1;
        Ok(())
    }

    /// Hands all records to the system, and with `sync` waits until the device has them.
    ///
    /// # Errors
    /// [`Error::Io`]: what the file holds is known only when it is read again. After an error every call fails;
    /// above all a failed sync is not repeated (Rebello et al., ATC 2020).
    pub fn commit(&mut self, sync: bool) -> Result<()> {
        self.check()?;
        let end = self.written + self.gathered.len() as u64;
        let small = sync && self.gathered.len() <= SMALL && end > self.len.load(Ordering::Relaxed);
        self.write(if small { (end.next_multiple_of(AHEAD) - end) as usize } else { 0 })?;
        if sync { self.sync() } else { Ok(()) }
    }

    fn check(&self) -> Result<()> {
        if self.failed { Err(Error::invalid("write", &self.path, "an earlier write failed")) } else { Ok(()) }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.len() < LARGE {
            self.gathered.extend_from_slice(bytes);
            return if self.gathered.len() < LARGE { Ok(()) } else { self.write(0) };
        }
        self.write(0)?;
        self.write_bytes(bytes)?;
        self.written += bytes.len() as u64;
        Ok(())
    }

    /// Writes what is gathered, and zeros behind it.
    fn write(&mut self, ahead: usize) -> Result<()> {
        let mut gathered = std::mem::take(&mut self.gathered);
        let records = gathered.len();
        gathered.resize(records + ahead, 0);
        self.write_bytes(&gathered)?;
        self.written += records as u64;
        gathered.clear();
        self.gathered = gathered;
        Ok(())
    }

    fn write_bytes(&mut self, bytes: &[u8]) -> Result<()> {
        self.failed = true;
        write_all_at(&*self.file, bytes, self.written).map_err(Error::io("write", &self.path))?;
        self.failed = false;
        self.shared.note_written(bytes.len());
        self.len.fetch_max(self.written + bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        if self.synced == self.written {
            return Ok(());
        }
        self.failed = true;
        self.file.sync_data().map_err(Error::io("sync", &self.path))?;
        self.failed = false;
        self.synced = self.written;
        Ok(())
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("path", &self.path).field("next_seq", &self.next_seq).finish_non_exhaustive()
    }
}

/// The log files of a directory and their lengths.
#[derive(Debug, Default)]
pub(crate) struct Logs(Mutex<BTreeMap<u64, Arc<AtomicU64>>>);

impl Logs {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<AtomicU64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a file; gives where its length is kept.
    pub(crate) fn add(&self, number: u64, len: u64) -> Arc<AtomicU64> {
        let noted = Arc::new(AtomicU64::new(len));
        self.lock().insert(number, noted.clone());
        noted
    }

    pub(crate) fn remove(&self, number: u64) {
        self.lock().remove(&number);
    }

    /// Bytes of all of them.
    pub(crate) fn bytes(&self) -> u64 {
        self.lock().values().map(|len| len.load(Ordering::Relaxed)).sum()
    }
}
