//! One write, from the caller's items to the bytes that are logged, and back.

use std::collections::HashMap;

use rayon::prelude::*;
use task::Task;
use wire::{Reader, Writer};

use crate::error::{Code, Error, Result};
use crate::ids::{MAX_TEXT_ID, read_id, write_id};
use crate::metadata::MAX_METADATA;
use crate::record::Format;
use crate::search::check_vector;
use crate::shared::Shared;
use crate::types::{Batch, Id, MAX_NUMBER_ID, Metric, Op, Precision};

/// Rows checked between two looks at the task.
const CHUNK: usize = 4096;
/// Values from which on threads are worth waking.
pub const MANY_VALUES: usize = 1 << 17;
/// Least bytes of an id in a record of the log.
const ID: usize = 5;

/// A write that was found right: what is logged, applied, and applied again when the log is replayed.
#[derive(Debug, PartialEq)]
pub enum Change {
    /// Items to insert or replace; every id once.
    Add(Rows),
    /// Ids to remove, there or not.
    Delete(Vec<Id>),
}

/// Items as they are stored.
#[derive(Debug, PartialEq)]
pub struct Rows {
    /// One an item.
    pub ids: Vec<Id>,
    /// JSON text an item; empty where no item has any.
    pub metadata: Vec<Option<Box<str>>>,
    records: Records,
}

/// Stored rows, [`Format::stored_bytes`] each.
#[derive(Debug, PartialEq)]
enum Records {
    /// Rows that are stored as they came.
    Values(Vec<f32>),
    Bytes(Vec<u8>),
}

impl Rows {
    /// The stored rows, one after another.
    pub fn records(&self) -> &[u8] {
        match &self.records {
            Records::Values(values) => bytemuck::cast_slice(values),
            Records::Bytes(bytes) => bytes,
        }
    }

    /// Bytes of JSON text.
    pub fn text_bytes(&self) -> usize {
        self.metadata.iter().flatten().map(|text| text.len()).sum()
    }
}

impl Change {
    /// Checks what a caller gave, and brings it to the form that is stored.
    pub fn check(shared: &Shared, op: Op, task: &Task) -> Result<Self> {
        match op {
            Op::Delete(ids) => Ok(Self::Delete(ids)),
            Op::Add(batch) => Ok(Self::Add(check_batch(shared, batch, task)?)),
        }
    }

    /// The record of the log: these bytes, and the stored rows.
    pub fn encode(&self) -> (Vec<u8>, &[u8]) {
        let mut w = Writer::new();
        let ids = match self {
            Self::Add(rows) => {
                w.u8(0);
                &rows.ids
            }
            Self::Delete(ids) => {
                w.u8(1);
                ids
            }
        };
        w.u64(ids.len() as u64);
        ids.iter().for_each(|id| write_id(&mut w, id));
        let Self::Add(rows) = self else { return (w.into_bytes(), &[]) };
        w.bool(!rows.metadata.is_empty());
        rows.metadata.iter().for_each(|text| w.str(text.as_deref().unwrap_or_default()));
        (w.into_bytes(), rows.records())
    }

    /// Reads what [`Change::encode`] wrote.
    pub fn decode(format: Format, payload: &[u8]) -> std::result::Result<Self, wire::Error> {
        let mut r = Reader::new(payload);
        let add = r.variant(2)? == 0;
        let count = r.count(ID)?;
        let mut ids = r.vec(count)?;
        for _ in 0..count {
            ids.push(read_id(&mut r)?);
        }
        if !add {
            r.finish()?;
            return Ok(Self::Delete(ids));
        }
        let mut metadata = Vec::new();
        if r.bool()? {
            metadata = r.vec(count)?;
            for _ in 0..count {
                metadata.push(Some(r.str()?).filter(|text| !text.is_empty()).map(Box::from));
            }
        }
        let wanted = count.checked_mul(format.stored_bytes());
        if wanted != Some(r.remaining()) {
            return Err(r.error(format!("{} bytes of rows for {count} ids", r.remaining())));
        }
        let mut records = r.vec(r.remaining())?;
        records.extend_from_slice(r.raw(r.remaining())?);
        let mut decoded = vec![0.0; format.dims];
        if let Some(row) = records.chunks_exact(format.stored_bytes()).position(|stored| !format.fits(stored, &mut decoded)) {
            return Err(r.error(format!("row {row} is no vector that could have been added")));
        }
        Ok(Self::Add(Rows { ids, metadata, records: Records::Bytes(records) }))
    }
}

fn check_batch(shared: &Shared, batch: Batch, task: &Task) -> Result<Rows> {
    let format = shared.format;
    check_shape(format, &batch)?;
    let records = check_vectors(shared, &batch, task)?;
    let Batch { ids, vectors, metadata } = batch;
    let metadata = metadata.filter(|all| all.iter().any(Option::is_some)).unwrap_or_default();
    let records = records.map_or(Records::Values(vectors), Records::Bytes);
    let kept = last_of_each(&ids);
    if kept.len() == ids.len() {
        return Ok(Rows { ids, metadata, records });
    }
    let all = Rows { ids, metadata, records };
    let stride = format.stored_bytes();
    Ok(Rows {
        ids: kept.iter().map(|&at| all.ids[at].clone()).collect(),
        metadata: if all.metadata.is_empty() { Vec::new() } else { kept.iter().map(|&at| all.metadata[at].clone()).collect() },
        records: Records::Bytes(kept.iter().flat_map(|&at| &all.records()[at * stride..][..stride]).copied().collect()),
    })
}

/// The places of the items to store: all of them, but of one id the last.
fn last_of_each(ids: &[Id]) -> Vec<usize> {
    if ids.len() == 1 {
        return vec![0];
    }
    let mut last: HashMap<&Id, usize> = HashMap::with_capacity(ids.len());
    for (at, id) in ids.iter().enumerate() {
        last.insert(id, at);
    }
    (0..ids.len()).filter(|&at| last.len() == ids.len() || last[&ids[at]] == at).collect()
}

fn check_shape(format: Format, batch: &Batch) -> Result<()> {
    let (dims, count) = (format.dims, batch.ids.len());
    if batch.vectors.len() != count * dims {
        let message = format!("vectors: {} numbers were given for {count} ids of {dims} dimensions", batch.vectors.len());
        return Err(Error::new(Code::Dimensions, message));
    }
    if let Some(metadata) = &batch.metadata {
        if metadata.len() != count {
            return Err(Error::argument(format!("metadata: {} were given for {count} ids", metadata.len())));
        }
        let mut lengths = metadata.iter().map(|text| text.as_ref().map_or(0, |text| text.len())).enumerate();
        if let Some((at, len)) = lengths.find(|(_, len)| *len > MAX_METADATA) {
            return Err(Error::argument(format!("metadata: item {at} has {len} bytes of JSON, at most {MAX_METADATA} are kept")));
        }
    }
    for (at, id) in batch.ids.iter().enumerate() {
        check_id(id).map_err(|error| Error::argument(format!("item {at}: {}", error.message)))?;
    }
    Ok(())
}

/// Checks every vector; gives the stored rows where they are not the vectors themselves.
fn check_vectors(shared: &Shared, batch: &Batch, task: &Task) -> Result<Option<Vec<u8>>> {
    let format = shared.format;
    let (dims, stride) = (format.dims, format.stored_bytes());
    if format.precision == Precision::F32 {
        let one = |(at, vector): (usize, &[f32])| -> Result<()> {
            if at % CHUNK == 0 {
                task.check()?;
            }
            check_vector("vector", vector, dims, format.metric).map_err(|error| of_item(at, error))
        };
        if batch.vectors.len() < MANY_VALUES {
            batch.vectors.chunks_exact(dims).enumerate().try_for_each(one)?;
        } else {
            shared.build_pool()?.install(|| batch.vectors.par_chunks_exact(dims).enumerate().try_for_each(one))?;
        }
        return Ok(None);
    }
    let mut records = vec![0; batch.ids.len() * stride];
    let one = |decoded: &mut Vec<f32>, (at, (record, vector)): (usize, (&mut [u8], &[f32]))| -> Result<()> {
        if at % CHUNK == 0 {
            task.check()?;
        }
        encode(format, vector, at, record, decoded)
    };
    if batch.vectors.len() < MANY_VALUES {
        let mut decoded = vec![0.0; dims];
        let mut rows = records.chunks_exact_mut(stride).zip(batch.vectors.chunks_exact(dims)).enumerate();
        rows.try_for_each(|row| one(&mut decoded, row))?;
    } else {
        let rows = records.par_chunks_exact_mut(stride).zip(batch.vectors.par_chunks_exact(dims)).enumerate();
        shared.build_pool()?.install(|| rows.try_for_each_init(|| vec![0.0; dims], one))?;
    }
    Ok(Some(records))
}

fn of_item(at: usize, error: Error) -> Error {
    Error { message: format!("item {at}: {}", error.message), ..error }
}

fn encode(format: Format, vector: &[f32], at: usize, record: &mut [u8], decoded: &mut [f32]) -> Result<()> {
    check_vector("vector", vector, format.dims, format.metric).map_err(|error| of_item(at, error))?;
    format.encode(vector, at, record)?;
    format.decode(record, decoded);
    if format.metric == Metric::Cosine && decoded.iter().all(|&value| value == 0.0) {
        let message = format!("item {at}: the vector is too short for this precision: it would be stored as zero");
        return Err(Error::argument(message));
    }
    Ok(())
}

/// `E_ARGUMENT` for an id that cannot be kept.
pub fn check_id(id: &Id) -> Result<()> {
    match id {
        Id::Number(number) if *number > MAX_NUMBER_ID => Err(Error::argument(format!("id: {number} is above 2^53 - 1"))),
        Id::Text(text) if text.len() > MAX_TEXT_ID => {
            Err(Error::argument(format!("id: a text of {} bytes was given, at most {MAX_TEXT_ID} are kept", text.len())))
        }
        _ => Ok(()),
    }
}
