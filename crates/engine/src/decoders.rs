//! What this crate decodes, within reach of fuzzing. Not part of the API.
//!
//! Each function reads bytes and gives those that are written for what was read.

use wire::{Error, Reader, Writer};

use crate::change::Change;
use crate::ids::{IdColumn, read_ids};
use crate::metadata::{MetadataColumn, read_metadata};
use crate::recall::Efforts;
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
        debug_assert!(least.is_sorted_by_key(|effort| effort.unwrap_or(usize::MAX)), "more recall for less effort");
        debug_assert!(least.iter().flatten().all(|&effort| effort >= hits));
    }
    let mut w = Writer::new();
    efforts.write(&mut w);
    Ok(w.into_bytes())
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
