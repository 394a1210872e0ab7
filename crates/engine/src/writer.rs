//! Writes: check, append, publish.

use std::collections::HashMap;
use std::sync::Arc;

use rayon::prelude::*;
use rows::Appender;
use store::FileRef;
use task::Task;

use crate::checkpoint::SavedFiles;
use crate::dense::Dense;
use crate::error::{Error, Result};
use crate::ids::{IdColumn, MAX_TEXT_ID};
use crate::metadata::{MAX_METADATA, MetadataColumn};
use crate::record::Format;
use crate::search::check_vector;
use crate::shared::{Shared, lock};
use crate::types::{Batch, Id, MAX_NUMBER_ID, Metric, Placement, Precision};

/// Rows kept on disk gather in memory until they are so many bytes.
const SPILL_BYTES: usize = 32 << 20;
/// Rows encoded between two looks at the task.
const CHUNK: usize = 4096;
/// The most rows of an index, dead ones included.
const MAX_ROWS: usize = coarse::hnsw::MAX_ROWS as usize;

/// The writing end of the columns.
#[derive(Default)]
pub struct Writer {
    pub ids: IdColumn,
    pub metadata: MetadataColumn,
    /// Rows `in_file` and on, as records.
    pub records: Appender<u8>,
    pub in_file: u32,
    pub longest: f64,
    /// Extents written so far: rows 0 .. `saved_rows`.
    pub extents: Vec<FileRef>,
    pub saved_rows: u32,
    /// Files of the last checkpoint.
    pub saved: SavedFiles,
    /// Counts compactions: rows of one number are the same row only within one.
    pub epoch: u64,
}

/// Inserts or replaces the items of `batch`, all or nothing.
pub fn add(shared: &Shared, batch: &Batch, task: &Task) -> Result<()> {
    let kept = check(shared, batch, task)?;
    let mut writer = lock(&shared.writer);
    shared.check_writable()?;
    let state = shared.state();
    if state.rows() as usize + kept.len() > MAX_ROWS {
        return Err(Error::argument(format!("items: {} more would make more than 2^30 rows", kept.len())));
    }
    reserve(&mut writer, shared, batch, &kept)?;
    task.check()?;
    // From here on nothing fails and nothing stops: the columns stay of one length.
    append(&mut writer, shared, batch, &kept, task)?;
    let first = state.rows();
    let (ids, metadata) = (writer.ids.view(), writer.metadata.view());
    let mut map = shared.map_write();
    shared.publish(|state| {
        for (row, &item) in (first..).zip(&kept) {
            if let Some(replaced) = map.insert(&batch.ids[item], row, &ids) {
                state.dead.insert(replaced);
            }
        }
        state.ids = ids;
        state.metadata = metadata;
        state.dense = Dense { records: writer.records.view(), longest: writer.longest, ..state.dense.clone() };
    });
    drop(map);
    if shared.options.vectors == Placement::Disk && writer.records.len() >= SPILL_BYTES {
        // A disk that refuses now is asked again by the next flush, which reports it; the rows stay in memory.
        let _ = spill(shared, &mut writer);
    }
    drop(writer);
    shared.decide(Some(kept.len()));
    shared.note_training();
    shared.wake();
    Ok(())
}

/// Deletes what is there of `ids`; how many were.
pub fn delete(shared: &Shared, ids: &[Id]) -> Result<usize> {
    let _writer = lock(&shared.writer);
    shared.check_writable()?;
    let mut map = shared.map_write();
    let column = shared.state().ids.clone();
    let rows: Vec<u32> = ids.iter().filter_map(|id| map.remove(id, &column)).collect();
    if !rows.is_empty() {
        shared.publish(|state| rows.iter().for_each(|&row| state.dead.insert(row)));
    }
    Ok(rows.len())
}

/// Writes the rows in memory to an extent, and forgets them where rows live on disk.
pub fn spill(shared: &Shared, writer: &mut Writer) -> Result<()> {
    let directory = lock(&shared.directory);
    let Some(directory) = directory.as_ref() else { return Ok(()) };
    let format = shared.format;
    let stride = format.memory_stride();
    let rows = writer.in_file + (writer.records.len() / stride) as u32;
    if writer.saved_rows == rows {
        return Ok(());
    }
    let mut extent = directory.write_extent("rows", format.stored_bytes(), writer.saved_rows)?;
    let unsaved = (writer.saved_rows - writer.in_file) as usize * stride;
    let mut stored = Vec::with_capacity(CHUNK * format.stored_bytes());
    for chunk in writer.records.as_slice()[unsaved..].chunks(CHUNK * stride) {
        stored.clear();
        chunk.chunks_exact(stride).for_each(|record| stored.extend_from_slice(&record[..format.stored_bytes()]));
        extent.append(&stored)?;
    }
    let file = extent.finish()?;
    if shared.options.vectors == Placement::Disk {
        let mut dense = store::DenseFile::clone(&shared.state().dense.file);
        dense.push(directory.open_extent(&file, &Task::new())?)?;
        let file = Arc::new(dense);
        writer.in_file = rows;
        writer.records = Appender::new();
        let records = writer.records.view();
        shared.publish(|state| state.dense = Dense { file, in_file: rows, records, ..state.dense.clone() });
    }
    writer.extents.push(file);
    writer.saved_rows = rows;
    Ok(())
}

/// The places in `batch` of the items to store: all of them, but of one id the last.
fn check(shared: &Shared, batch: &Batch, task: &Task) -> Result<Vec<usize>> {
    let (dims, count) = (shared.format.dims, batch.ids.len());
    if batch.vectors.len() != count * dims {
        let message = format!("vectors: {} numbers were given for {count} ids of {dims} dimensions", batch.vectors.len());
        return Err(Error::new(crate::error::Code::Dimensions, message));
    }
    if let Some(metadata) = &batch.metadata {
        if metadata.len() != count {
            return Err(Error::argument(format!("metadata: {} were given for {count} ids", metadata.len())));
        }
        if let Some((at, text)) =
            metadata.iter().enumerate().find_map(|(at, m)| m.as_ref().filter(|m| m.len() > MAX_METADATA).map(|m| (at, m)))
        {
            return Err(Error::argument(format!(
                "metadata: item {at} has {} bytes of JSON, at most {MAX_METADATA} are kept",
                text.len()
            )));
        }
    }
    for (at, id) in batch.ids.iter().enumerate() {
        check_id(id).map_err(|error| Error::argument(format!("item {at}: {}", error.message)))?;
    }
    let vectors = || batch.vectors.par_chunks_exact(dims).enumerate();
    shared.build_pool()?.install(|| {
        vectors().try_for_each_init(
            || Probe::new(shared.format),
            |probe, (at, vector)| {
                if at % CHUNK == 0 {
                    task.check()?;
                }
                probe.check(vector, at)
            },
        )
    })?;
    let mut last: HashMap<&Id, usize> = HashMap::with_capacity(count);
    for (at, id) in batch.ids.iter().enumerate() {
        last.insert(id, at);
    }
    if last.len() == count {
        return Ok((0..count).collect());
    }
    Ok((0..count).filter(|at| last[&batch.ids[*at]] == *at).collect())
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

/// Tries how a vector would be stored.
struct Probe {
    format: Format,
    stored: Vec<u8>,
    decoded: Vec<f32>,
}

impl Probe {
    fn new(format: Format) -> Self {
        Self { format, stored: vec![0; format.stored_bytes()], decoded: vec![0.0; format.dims] }
    }

    fn check(&mut self, vector: &[f32], at: usize) -> Result<()> {
        let Format { dims, metric, precision } = self.format;
        check_vector("vector", vector, dims, metric)
            .map_err(|error| Error { message: format!("item {at}: {}", error.message), ..error })?;
        if precision == Precision::F32 {
            return Ok(());
        }
        self.format.encode(vector, at, &mut self.stored)?;
        self.format.decode(&self.stored, &mut self.decoded);
        if metric == Metric::Cosine && self.decoded.iter().all(|&value| value == 0.0) {
            return Err(Error::argument(format!(
                "item {at}: the vector is too short for this precision: it would be stored as zero"
            )));
        }
        Ok(())
    }
}

/// Makes room in every column, so that appending cannot fail.
fn reserve(writer: &mut Writer, shared: &Shared, batch: &Batch, kept: &[usize]) -> Result<()> {
    let texts = batch.metadata.as_ref().map_or(0, |all| kept.iter().filter_map(|&at| all[at].as_deref()).map(str::len).sum());
    writer.ids.reserve(kept.iter().map(|&at| &batch.ids[at]))?;
    writer.metadata.reserve(kept.len(), texts)?;
    writer.records.reserve(kept.len() * shared.format.memory_stride())?;
    let ids = shared.state().ids.clone();
    shared.map_write().reserve(kept.len(), &ids)?;
    Ok(())
}

fn append(writer: &mut Writer, shared: &Shared, batch: &Batch, kept: &[usize], task: &Task) -> Result<()> {
    let format = shared.format;
    let stride = format.memory_stride();
    let mut records = vec![0u8; CHUNK.min(kept.len()) * stride];
    for (done, chunk) in kept.chunks(CHUNK).enumerate() {
        let records = &mut records[..chunk.len() * stride];
        let lengths: Vec<f64> = shared.build_pool()?.install(|| {
            let rows = records.par_chunks_exact_mut(stride).zip(chunk).with_min_len(256);
            let encode = |decoded: &mut Vec<f32>, (record, &at): (&mut [u8], &usize)| -> Result<f64> {
                record.fill(0);
                format.encode(&batch.vectors[at * format.dims..][..format.dims], at, record)?;
                format.decode(record, decoded);
                Ok(format.finish(record, decoded))
            };
            rows.map_init(|| vec![0.0; format.dims], encode).collect::<Result<_>>()
        })?;
        writer.longest = lengths.into_iter().fold(writer.longest, f64::max);
        writer.records.extend(records)?;
        task.report("add", ((done + 1) * CHUNK).min(kept.len()) as u64, kept.len() as u64);
    }
    for &at in kept {
        writer.ids.push(&batch.ids[at])?;
        let text = batch.metadata.as_ref().and_then(|all| all[at].as_deref());
        writer.metadata.push(text)?;
    }
    Ok(())
}
