//! The writing end of an index: its columns, its log, and how a write is applied to both.

use std::ops::Range;

use rayon::ThreadPool;
use rayon::prelude::*;
use rows::Appender;
use store::{Directory, Log};

use crate::change::{Change, MANY_VALUES, Rows};
use crate::dense::Dense;
use crate::error::{Error, Result};
use crate::ids::{IdColumn, IdMap};
use crate::metadata::MetadataColumn;
use crate::record::Format;
use crate::state::State;
use crate::types::Id;

/// Rows brought to their form in memory at a time.
const CHUNK: usize = 4096;
/// The most rows of an index, dead ones included.
const MAX_ROWS: usize = coarse::hnsw::MAX_ROWS as usize;

/// The columns that writes append to, and the log that they go through first.
#[derive(Default)]
pub struct Writer {
    pub ids: IdColumn,
    pub metadata: MetadataColumn,
    /// Rows `in_file` and on, as records.
    pub records: Appender<u8>,
    pub in_file: u32,
    pub longest: f64,
    /// Counts compactions: rows of one number are the same row only within one.
    pub epoch: u64,
    /// `None` until the first write after opening.
    pub log: Option<Log>,
    /// Sequence number of the next write.
    pub next_seq: u64,
}

/// Room that the writes of one group need.
#[derive(Default)]
pub struct Room {
    rows: usize,
    texts: usize,
    ids: usize,
}

impl Writer {
    /// Rows, dead ones included.
    pub fn rows(&self) -> u32 {
        self.ids.len() as u32
    }

    /// Makes room in every column for one more write of a group, so that applying it cannot fail.
    pub fn reserve(&mut self, format: Format, map: &mut IdMap, room: &mut Room, change: &Change) -> Result<()> {
        let Change::Add(rows) = change else { return Ok(()) };
        room.rows += rows.ids.len();
        if self.ids.len() + room.rows > MAX_ROWS {
            return Err(Error::argument(format!("items: {} more would make more than 2^30 rows", rows.ids.len())));
        }
        room.texts += rows.text_bytes();
        room.ids += rows.ids.iter().map(IdColumn::text_bytes).sum::<usize>();
        self.ids.reserve(room.rows, room.ids)?;
        self.metadata.reserve(room.rows, room.texts)?;
        self.records.reserve(room.rows * format.memory_stride())?;
        map.reserve(room.rows, &self.ids.view())?;
        Ok(())
    }

    /// Writes changes to the log, one record each, all or nothing as far as the caller may believe.
    pub fn log<'a>(&mut self, directory: &Directory, changes: impl Iterator<Item = &'a Change>, sync: bool) -> Result<u64> {
        let log = match &mut self.log {
            Some(log) => log,
            none => none.insert(directory.start_log(self.next_seq)?),
        };
        let before = log.len();
        for change in changes {
            let (head, rows) = change.encode();
            log.append(&[&head, rows])?;
        }
        log.commit(sync)?;
        self.next_seq = log.next_seq();
        Ok(log.len() - before)
    }

    /// Appends the rows of a change to the columns; gives which they are. `pool` brings many to their form faster.
    ///
    /// # Errors
    /// Only if [`Writer::reserve`] was not asked before.
    pub fn append(&mut self, format: Format, change: &Change, pool: Option<&ThreadPool>) -> Result<Range<u32>> {
        let first = self.rows();
        if let Change::Add(rows) = change {
            self.append_records(format, rows, pool)?;
            for (at, id) in rows.ids.iter().enumerate() {
                self.ids.push(id)?;
                self.metadata.push(rows.metadata.get(at).and_then(Option::as_deref))?;
            }
        }
        Ok(first..self.rows())
    }

    fn append_records(&mut self, format: Format, rows: &Rows, pool: Option<&ThreadPool>) -> Result<()> {
        let (stored, stride) = (format.stored_bytes(), format.memory_stride());
        let mut records = vec![0u8; CHUNK.min(rows.ids.len()) * stride];
        let one = |decoded: &mut Vec<f32>, (record, bytes): (&mut [u8], &[u8])| -> f64 {
            record.fill(0);
            record[..stored].copy_from_slice(bytes);
            format.decode(bytes, decoded);
            format.finish(record, decoded)
        };
        for chunk in rows.records().chunks(CHUNK * stored) {
            let records = &mut records[..chunk.len() / stored * stride];
            let zeros = || vec![0.0; format.dims];
            let longest = match pool.filter(|_| chunk.len() / stored * format.dims >= MANY_VALUES) {
                Some(pool) => {
                    let rows = records.par_chunks_exact_mut(stride).zip(chunk.par_chunks_exact(stored)).with_min_len(256);
                    pool.install(|| rows.map_init(zeros, one).reduce(|| 0.0, f64::max))
                }
                None => {
                    let mut decoded = zeros();
                    let rows = records.chunks_exact_mut(stride).zip(chunk.chunks_exact(stored));
                    rows.map(|row| one(&mut decoded, row)).fold(0.0, f64::max)
                }
            };
            self.longest = self.longest.max(longest);
            self.records.extend(records)?;
        }
        Ok(())
    }

    /// Makes `state` and `map` show a change whose rows have been appended as `rows`. Gives how many ids were there.
    pub fn show(&self, map: &mut IdMap, state: &mut State, change: &Change, rows: Range<u32>) -> usize {
        state.ids = self.ids.view();
        state.metadata = self.metadata.view();
        state.dense = Dense { records: self.records.view(), longest: self.longest, ..state.dense.clone() };
        let gone: Vec<u32> = match change {
            Change::Add(added) => rows.zip(&added.ids).filter_map(|(row, id)| map.insert(id, row, &state.ids)).collect(),
            Change::Delete(ids) => ids.iter().filter_map(|id: &Id| map.remove(id, &state.ids)).collect(),
        };
        gone.iter().for_each(|&row| state.dead.insert(row));
        gone.len()
    }

    /// Applies a change that an earlier process logged.
    pub fn replay(&mut self, format: Format, map: &mut IdMap, state: &mut State, change: &Change) -> Result<()> {
        self.reserve(format, map, &mut Room::default(), change)?;
        let rows = self.append(format, change, None)?;
        self.show(map, state, change, rows);
        Ok(())
    }
}
