//! Reading a log again after a stop, clean or not.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use task::Task;
use wire::crc32c_append;

use crate::header::{self, COMMON, Layout, VERSION};
use crate::log::{ALIGN, HEAD, HEADER, Head, LOG, LogStart};
use crate::names;
use crate::vfs::{File, Vfs, read_exact_at};
use crate::{Error, Result};

/// Bytes read at a time.
const WINDOW: usize = 1 << 20;

/// What a replay found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Records given to the caller.
    pub records: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Sequence number that the next record gets.
    pub next_seq: u64,
    /// The first record of which the log does not tell that the device has it: it may be in the system's memory alone.
    pub unproven: u64,
    /// Whether the log ended in the middle of a record: a write that nobody was told had succeeded.
    pub torn: bool,
}

/// Gives `apply` the payload of every record from `start` on, in order; `numbers` are those of the log files that are
/// there, ascending.
///
/// A log begins where the one before ends, or earlier: then it repeats what was not known to be durable when it was begun.
pub(crate) fn replay(
    vfs: &dyn Vfs,
    directory: &Path,
    numbers: &[u64],
    start: LogStart,
    task: &Task,
    apply: &mut dyn FnMut(u64, &[u8]) -> Result<()>,
) -> Result<Replayed> {
    let mut replayed = Replayed { next_seq: start.seq, unproven: start.seq, ..Replayed::default() };
    let numbers: Vec<u64> = numbers.iter().copied().filter(|&number| number >= start.number).collect();
    if numbers.first() != Some(&start.number) {
        return Err(Error::corrupt(&directory.join(names::data(LOG, start.number)), 0, "the file is missing"));
    }
    for number in numbers {
        let Some(mut log) = LogReader::open(vfs, directory, number, start.number, task)? else { continue };
        if log.first_seq > replayed.next_seq {
            let what = format!("it begins with record {}, but record {} is wanted", log.first_seq, replayed.next_seq);
            return Err(Error::corrupt(&log.bytes.path, HEADER as u64, what));
        }
        // Whoever began this log knew that everything before was durable.
        replayed.unproven = replayed.unproven.max(log.first_seq);
        let mut seq = log.first_seq;
        while let Some(head) = log.next(seq, task)? {
            replayed.unproven = replayed.unproven.max(log.proven(head.synced));
            if seq == replayed.next_seq {
                apply(seq, log.payload(&head)?)?;
                replayed.next_seq += 1;
                replayed.records += 1;
                replayed.bytes += head.len;
            }
            seq += 1;
        }
        replayed.torn = log.torn;
    }
    Ok(replayed)
}

/// One log file, read front to back.
struct LogReader {
    bytes: Window,
    salt: u32,
    first_seq: u64,
    last: u32,
    at: u64,
    /// Where records end that are not known to be durable, and the numbers of those that follow them.
    ends: VecDeque<(u64, u64)>,
    torn: bool,
}

impl LogReader {
    /// `None` for a file whose creation was cut short: it has no records. That can never be the one a manifest names.
    fn open(vfs: &dyn Vfs, directory: &Path, number: u64, named: u64, task: &Task) -> Result<Option<Self>> {
        let path = directory.join(names::data(LOG, number));
        let file = vfs.open(&path).map_err(Error::io("open", &path))?;
        let mut bytes = Window::new(file, path)?;
        let salt = header::salt(number, VERSION);
        match read_header(&mut bytes, number) {
            Ok((salt, first_seq, last)) => {
                Ok(Some(Self { bytes, salt, first_seq, last, at: HEADER as u64, ends: VecDeque::new(), torn: false }))
            }
            // A header is durable before the first record is written; one that is whole was not cut short.
            Err(error @ Error::Corrupt { .. })
                if number == named || bytes.is_headed()? || find_record(&mut bytes, salt, 0, 0, task)?.is_some() =>
            {
                Err(error)
            }
            Err(Error::Corrupt { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The head of the record at hand, whose payload has been checked; `None` at the end of the log.
    fn next(&mut self, seq: u64, task: &Task) -> Result<Option<Head>> {
        task.check()?;
        let Some(head) = self.whole_record()? else {
            self.torn = self.bytes.get(self.at, 1).is_ok_and(|next| next != [0]);
            return match find_record(&mut self.bytes, self.salt, self.at, self.at, task)? {
                Some(_) => Err(Error::corrupt(&self.bytes.path, self.at, "a record is damaged, and whole ones follow")),
                None => Ok(None),
            };
        };
        if head.seq != seq || head.before != self.last {
            let what = format!("record {} does not follow the one before it, {seq} was to come", head.seq);
            return Err(Error::corrupt(&self.bytes.path, self.at, what));
        }
        self.last = head.body;
        self.at += HEAD as u64 + head.len + head.padding() as u64;
        self.ends.push_back((self.at, seq + 1));
        Ok(Some(head))
    }

    /// The first record that is not durable when the first `synced` bytes are, as far as this log has been read.
    fn proven(&mut self, synced: u64) -> u64 {
        let mut first = self.first_seq;
        while let Some((_, next)) = self.ends.pop_front_if(|(end, _)| *end <= synced) {
            first = next;
        }
        first
    }

    fn whole_record(&mut self) -> Result<Option<Head>> {
        read_record(&mut self.bytes, self.salt, self.at)
    }

    /// The payload of the record that `next` gave.
    fn payload(&mut self, head: &Head) -> Result<&[u8]> {
        let at = self.at - head.padding() as u64 - head.len;
        self.bytes.get(at, head.len)
    }
}

/// Salt, first sequence number and checksum of the header.
fn read_header(bytes: &mut Window, number: u64) -> Result<(u32, u64, u32)> {
    let path = bytes.path.clone();
    if bytes.len < HEADER as u64 {
        return Err(Error::corrupt(&path, bytes.len, "the header is cut short"));
    }
    let header = bytes.get(0, HEADER as u64)?;
    let (salt, mut fields) = header::decode(&path, header, Layout::Log, LOG, number)?;
    let first_seq = fields.u64().map_err(|e| Error::corrupt(&path, e.at, e.what))?;
    if first_seq >= names::NUMBERS {
        return Err(Error::corrupt(&path, COMMON as u64, format!("record {first_seq} is above 2^53")));
    }
    Ok((salt, first_seq, header::check_of(header)))
}

/// The record at `at`, if head and payload are whole.
fn read_record(bytes: &mut Window, salt: u32, at: u64) -> Result<Option<Head>> {
    let left = bytes.len.saturating_sub(at);
    if left < HEAD as u64 {
        return Ok(None);
    }
    let Some(head) = Head::decode(salt, bytes.get(at, HEAD as u64)?) else { return Ok(None) };
    if head.len > left - HEAD as u64 {
        return Ok(None);
    }
    let whole = crc32c_append(head.check, bytes.get(at + HEAD as u64, head.len)?) == head.body;
    Ok(whole.then_some(head))
}

/// A whole record behind `from` that was written when more than `synced` bytes of the file had been synced.
fn find_record(bytes: &mut Window, salt: u32, from: u64, synced: u64, task: &Task) -> Result<Option<u64>> {
    let mut start = from.next_multiple_of(ALIGN as u64);
    while start + HEAD as u64 <= bytes.len {
        task.check()?;
        let last = bytes.len - HEAD as u64;
        let piece = bytes.get(start, (WINDOW as u64).min(bytes.len - start))?;
        let places = piece.chunks_exact(ALIGN).zip((start..).step_by(ALIGN));
        let begun: Vec<u64> = places.filter(|(bytes, _)| Head::begins(bytes)).map(|(_, at)| at).collect();
        for at in begun.into_iter().filter(|&at| at <= last) {
            let head = Head::decode(salt, bytes.get(at, HEAD as u64)?);
            if head.is_some_and(|head| head.synced > synced) && read_record(bytes, salt, at)?.is_some() {
                return Ok(Some(at));
            }
        }
        start += WINDOW as u64;
    }
    Ok(None)
}

/// Part of a file in memory.
struct Window {
    file: Arc<dyn File>,
    path: PathBuf,
    len: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl Window {
    fn new(file: Arc<dyn File>, path: PathBuf) -> Result<Self> {
        let len = file.len().map_err(Error::io("measure", &path))?;
        Ok(Self { file, path, len, start: 0, bytes: Vec::new() })
    }

    /// Whether there is a whole header, be it of another file.
    fn is_headed(&mut self) -> Result<bool> {
        Ok(self.len >= HEADER as u64 && header::is_whole(self.get(0, HEADER as u64)?))
    }

    /// Bytes of the file, which must be there.
    fn get(&mut self, at: u64, len: u64) -> Result<&[u8]> {
        let inside = at >= self.start && at + len <= self.start + self.bytes.len() as u64;
        if !inside {
            let wanted = len.max((WINDOW as u64).min(self.len.saturating_sub(at)));
            if at + len > self.len {
                return Err(Error::corrupt(&self.path, self.len, "the file ends early"));
            }
            self.bytes.clear();
            let room = self.bytes.try_reserve_exact(wanted as usize);
            room.map_err(|_| Error::OutOfMemory { bytes: wanted })?;
            self.bytes.resize(wanted as usize, 0);
            read_exact_at(&*self.file, &mut self.bytes, at).map_err(Error::read(&self.path, at))?;
            self.start = at;
        }
        let at = (at - self.start) as usize;
        Ok(&self.bytes[at..at + len as usize])
    }
}
