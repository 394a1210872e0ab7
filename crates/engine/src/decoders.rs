//! What this crate decodes, within reach of fuzzing. Not part of the API.
//!
//! Each function reads bytes and gives those that are written for what was read.

use coarse::flat::Margin;
use kernels::Scorer;
use task::Task;
use wire::{Error, Reader, Writer};

use crate::change::Change;
use crate::ids::{IdColumn, read_ids};
use crate::lists::{Lists, Look};
use crate::metadata::{MetadataColumn, read_metadata};
use crate::recall::{Efforts, Step};
use crate::record::Format;
use crate::tombstones::Tombstones;
use crate::types::{Metric, Precision};

/// The segments of the ids of all rows.
pub fn ids(segments: &[&[u8]]) -> Result<Vec<Vec<u8>>, Error> {
    let mut column = IdColumn::default();
    let mut ends = Vec::new();
    for segment in segments {
        Reader::whole(segment, |r| read_ids(r, &mut column))?;
        ends.push(column.len() as u32);
    }
    let ids = column.view();
    let all = (0..ids.len() as u32).map(|row| ids.get(row)).collect::<Vec<_>>().len();
    debug_assert_eq!(all, column.len());
    written(&ends, |rows, out| ids.write(rows, out))
}

/// The segments of the metadata of all rows.
pub fn metadata(segments: &[&[u8]]) -> Result<Vec<Vec<u8>>, Error> {
    let mut column = MetadataColumn::default();
    let mut ends = Vec::new();
    for segment in segments {
        Reader::whole(segment, |r| read_metadata(r, &mut column))?;
        ends.push(column.len() as u32);
    }
    let metadata = column.view();
    let all = (0..column.len() as u32).map(|row| metadata.get(row)).collect::<Vec<_>>().len();
    debug_assert_eq!(all, column.len());
    written(&ends, |rows, out| metadata.write(rows, out))
}

/// Which of so many rows are dead.
pub fn tombstones(bytes: &[u8], rows: u32) -> Result<Vec<u8>, Error> {
    let dead = Reader::whole(bytes, |r| Tombstones::read(r, rows))?;
    let mut w = Writer::new();
    dead.write(&mut w);
    Ok(w.into_bytes())
}

/// What was measured of searches; asked for efforts, too.
pub fn efforts(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let efforts = Reader::whole(bytes, Efforts::read)?;
    for hits in [1, 7, 10, 1000] {
        let least = [0.1, 0.5, 0.99].map(|recall| efforts.of(hits, recall));
        let key = |step: &Option<Step>| step.map_or([u32::MAX; 2], |step| [step.effort, step.rerank]);
        let more = |a: &Option<Step>, b: &Option<Step>| key(a)[0] <= key(b)[0] && key(a)[1] <= key(b)[1];
        debug_assert!(least.is_sorted_by(more), "more recall for less effort");
        debug_assert!(least.iter().flatten().all(|step| step.effort.max(step.rerank) as usize >= hits));
    }
    let mut w = Writer::new();
    efforts.write(&mut w);
    Ok(w.into_bytes())
}

/// Lists of an index of `rows` rows; they are searched, filled further, and searched again.
pub fn lists(metric: Metric, dims: usize, rows: u32, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut lists = Reader::whole(bytes, |r| Lists::read(metric, dims, rows, r))?;
    let mut written = Vec::new();
    lists.write(&mut |piece: &[u8]| {
        written.extend_from_slice(piece);
        Ok(())
    })?;
    debug_assert!(lists.len() <= rows);
    search(&lists, dims);
    let len = lists.len();
    let more = |_, values: &mut [f32]| {
        values.iter_mut().enumerate().for_each(|(at, value)| *value = 1.0 - (at % 7) as f32);
        Ok(())
    };
    let pushed = lists.push(40, more, &Task::new());
    debug_assert!(pushed.is_ok() && lists.len() == len + 40);
    search(&lists, dims);
    Ok(written)
}

/// What all lists hold is found once, if it lives.
fn search(lists: &Lists, dims: usize) {
    let query: Vec<f32> = (0..dims).map(|at| 1.5 - (at % 3) as f32).collect();
    let live = |row: u32| !row.is_multiple_of(3);
    for keep in [1, 4, lists.len() as usize] {
        let look = Look { probes: lists.shape().lists(), keep, margin: Margin::default() };
        let found = lists.find(&query, look, &mut ByNumber, live, &Task::new()).unwrap_or_default();
        let mut rows: Vec<u32> = found.iter().map(|candidate| candidate.row).collect();
        rows.sort_unstable();
        rows.dedup();
        let most = (0..lists.len()).filter(|&row| live(row)).count();
        debug_assert!(rows.len() == found.len() && rows.iter().all(|&row| row < lists.len() && live(row)));
        debug_assert!(found.len() >= keep.min(most), "{} of {most} rows", found.len());
    }
}

/// The distance of a row is its number.
struct ByNumber;

impl Scorer for ByNumber {
    fn score(&mut self, rows: &[u32], out: &mut [f32]) {
        out.iter_mut().zip(rows).for_each(|(out, &row)| *out = row as f32);
    }

    fn score_range(&mut self, start: u32, out: &mut [f32]) {
        out.iter_mut().zip(start..).for_each(|(out, row)| *out = row as f32);
    }
}

/// A record of the log.
pub fn change(dims: usize, metric: Metric, precision: Precision, payload: &[u8]) -> Result<Vec<u8>, Error> {
    let change = Change::decode(Format { dims, metric, precision }, payload)?;
    let (mut bytes, records) = change.encode();
    bytes.extend_from_slice(records);
    Ok(bytes)
}

type Out<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Error>;

/// The segments that end at the rows `ends`.
fn written(ends: &[u32], write: impl Fn(std::ops::Range<u32>, &mut Out<'_>) -> Result<(), Error>) -> Result<Vec<Vec<u8>>, Error> {
    let mut start = 0;
    let one = |&end: &u32| {
        let mut bytes = Vec::new();
        let mut out = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        };
        write(std::mem::replace(&mut start, end)..end, &mut (&mut out as Out<'_>))?;
        Ok(bytes)
    };
    ends.iter().map(one).collect()
}
