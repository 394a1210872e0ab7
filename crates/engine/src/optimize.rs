//! Making an index as fast as it can be: tombstones reclaimed, codes trained on today's rows, everything linked.
//!
//! A new set of columns, codes and links is made beside the one in use; readers and writers go on. Only the
//! exchange at the end takes the writer's lock, to carry over what was written meanwhile.

use std::sync::Arc;

use quant::Codec;
use rows::{Appender, give_back};
use store::DenseFile;
use task::Task;

use crate::checkpoint::{Saved, Segment, save_with, write_rows};
use crate::dense::Dense;
use crate::derived::{self, CodeColumn, Derived, Piece, SAMPLE, block_rows};
use crate::error::{Code, Error, Result};
use crate::ids::{IdColumn, IdMap};
use crate::lists::{self, Shape};
use crate::metadata::MetadataColumn;
use crate::recall;
use crate::shared::Shared;
use crate::state::{Plan, State};
use crate::sync::lock;
use crate::tombstones::Tombstones;
use crate::types::{Placement, TrainParams, TrainReport};
use crate::writer::Writer;

/// Codes are trained anew once there are so many times the rows they were trained on.
const OUTGROWN: u32 = 4;
/// More extents than this are merged into one.
const EXTENTS: usize = 16;
/// A row that was not taken over.
const GONE: u32 = u32::MAX;

/// Decides what `auto` means, reclaims tombstones, retrains outgrown codes, and links every row.
pub fn optimize(shared: &Shared, task: &Task) -> Result<()> {
    let mut rebuild = shared.rebuild();
    let derived = &mut *rebuild.derived;
    shared.check_writable()?;
    shared.decide(None);
    shared.note_training();
    shared.note_outgrown_links();
    let state = shared.state();
    let outgrown = outgrown(shared, derived, &state);
    if !state.dead.is_empty() || state.dense.file.extents().len() > EXTENTS {
        compact(shared, derived, outgrown, task)?;
    } else {
        if outgrown {
            retrain(shared, derived, &state, SAMPLE, task)?;
        }
        if lists::are_outgrown(derived, &state) {
            lists::exchange(shared, derived, &state.dense, None, task)?;
        }
    }
    while derived::step(shared, derived, u32::MAX, task)? {}
    lists::unite(shared, derived)?;
    recall::measure_changed(shared, task)?;
    let saved = save_with(shared, Some(derived), true);
    give_back();
    saved
}

/// Trains the codes on the rows of now, encodes all rows anew and links them by the new codes; or the lists with the codes in
/// them.
pub fn train(shared: &Shared, params: &TrainParams, task: &Task) -> Result<TrainReport> {
    let started = std::time::Instant::now();
    let mut rebuild = shared.rebuild();
    let derived = &mut *rebuild.derived;
    shared.check_writable()?;
    let state = shared.state();
    let spec = shared.codec_spec();
    let needed = match &spec {
        Some(spec) => Codec::needed(spec, shared.format.dims),
        None if shared.lists_are_encoded() => Shape::needed(shared.options.lists),
        None => return Err(Error::argument("train: this index keeps no codes (codes: 'none'), there is nothing to train")),
    };
    if (state.live() as usize) < needed {
        return Err(Error::argument(format!("train: {} rows are too few, the codes need at least {needed}", state.live())));
    }
    if params.sample == Some(0) {
        return Err(Error::argument("sample: 0 was given, an integer of at least 1 is needed"));
    }
    let seed = shared.options.seed;
    let error_before = derived::code_error(&state, seed, task)?;
    let (sample, bytes_per_row) = if spec.is_some() {
        let sample = params.sample.unwrap_or(SAMPLE).max(needed);
        let codes = retrain(shared, derived, &state, sample, task)?;
        (sample.min(state.rows() as usize), codes.codec.code_bytes())
    } else {
        let sample = lists::exchange(shared, derived, &state.dense, params.sample, task)?;
        (sample as usize, Shape::code_bytes(shared.format.dims))
    };
    recall::measure_changed(shared, task)?;
    save_with(shared, Some(derived), true)?;
    give_back();
    Ok(TrainReport {
        codes: shared.chosen_codes(),
        rows: u64::from(state.live()),
        sample: sample as u64,
        bytes_per_row: bytes_per_row as u64,
        ms: started.elapsed().as_secs_f64() * 1e3,
        error_before,
        error: derived::code_error(&shared.state(), seed, task)?.unwrap_or(0.0),
    })
}

fn outgrown(shared: &Shared, derived: &Derived, state: &State) -> bool {
    state.plan != Plan::Exact
        && state.over_codes
        && shared.codec_spec().is_some()
        && derived.codes.as_ref().is_some_and(|codes| state.live() / OUTGROWN >= codes.trained_rows.max(1))
}

/// New codes, and links by them where there were links; published when both are there.
fn retrain(shared: &Shared, derived: &mut Derived, state: &State, sample: usize, task: &Task) -> Result<crate::state::Codes> {
    let Some(spec) = shared.codec_spec() else { return Err(Error::new(Code::Internal, "no codec to train")) };
    task.report("train", 0, 1);
    let codec = derived::train(shared, &state.dense, &spec, state.rows(), sample, task)?;
    task.report("train", 1, 1);
    let mut next = Derived::new(&shared.options);
    let mut column = CodeColumn::new(codec, state.rows());
    encode(shared, &mut column, &state.dense, task)?;
    let view = column.view();
    next.codes = Some(column);
    if state.plan == Plan::Hnsw {
        link(shared, &mut next, &state.dense, true, task)?;
        next.pack(shared, task)?;
    }
    next.version = derived.version + 1;
    let (graph, nodes) = (next.builder.graph(), next.nodes.clone());
    // Lists know nothing of these codes.
    next.lists = derived.lists.take();
    next.byte_rows = std::mem::take(&mut derived.byte_rows);
    *derived = next;
    shared.linked_at_once(derived.at_once());
    shared.trained(state.rows());
    let published = view.clone();
    shared.publish(|state| {
        (state.codes, state.graph, state.nodes, state.efforts) = (Some(published), graph, nodes, None);
    });
    Ok(view)
}

/// Encodes all rows of `dense`.
fn encode(shared: &Shared, column: &mut CodeColumn, dense: &Dense, task: &Task) -> Result<()> {
    let rows = dense.len();
    column.bytes.reserve_exact(rows as usize * column.codec.code_bytes())?;
    for end in (0..rows).step_by(8192).map(|start| rows.min(start + 8192)) {
        task.check()?;
        shared.build_pool()?.install(|| column.encode(dense, end, task))?;
        task.report("encode", u64::from(end), u64::from(rows));
    }
    Ok(())
}

/// Links all rows of `dense`.
fn link(shared: &Shared, derived: &mut Derived, dense: &Dense, over_codes: bool, task: &Task) -> Result<()> {
    let (rows, pool) = (dense.len(), shared.build_pool()?);
    if derived::links_at_once(shared, over_codes, rows) {
        return pool.install(|| derived.link(dense, over_codes, Piece::All(rows), task));
    }
    let block = block_rows(dense.format.dims);
    derived.builder.reserve(rows)?;
    for end in (0..rows).step_by(block as usize).map(|start| rows.min(start + block)) {
        pool.install(|| derived.link(dense, over_codes, Piece::Block(end), task))?;
        task.report("link", u64::from(end), u64::from(rows));
    }
    Ok(())
}

/// The live rows of a state, numbered anew.
struct Compacted {
    writer: Writer,
    /// Where they lie on disk, if that is where they live.
    extent: Option<Segment>,
    dense: Dense,
    dead: Tombstones,
    /// New number of each old row.
    numbers: Vec<u32>,
}

/// Exchanges the columns for ones without dead rows, with codes and links to match.
fn compact(shared: &Shared, derived: &mut Derived, retrain: bool, task: &Task) -> Result<()> {
    let before = shared.state();
    let mut compacted = copy_live(shared, &before, task)?;
    let mut next = Derived::new(&shared.options);
    next.version = derived.version + 1;
    let mut trained_rows = None;
    if let Some(codes) = &derived.codes {
        next.codes = Some(compact_codes(shared, codes, &before, &compacted, retrain, task)?);
        trained_rows = next.codes.as_ref().map(|codes| codes.trained_rows);
    }
    if before.plan == Plan::Hnsw && (!before.over_codes || next.codes.is_some()) {
        link(shared, &mut next, &compacted.dense, before.over_codes, task)?;
        next.pack(shared, task)?;
    }
    if let Some(lists) = derived.lists.as_ref().filter(|_| compacted.dense.len() > 0) {
        next.lists = Some(if lists::are_outgrown(derived, &before) {
            lists::anew(shared, &compacted.dense, None, task)?
        } else {
            lists::moved(shared, lists, &compacted.dense, task)?
        });
        trained_rows = trained_rows.or(next.lists.as_ref().map(|lists| lists.shape().trained_rows.min(compacted.dense.len())));
    }
    let mut saved = lock(&shared.saved);
    let mut writer = lock(&shared.writer);
    let now = shared.state();
    carry_over(shared, &before, &now, &mut compacted, task)?;
    task.check()?;
    let mut map = IdMap::default();
    let ids = compacted.writer.ids.view();
    map.reserve(ids.len(), &ids)?;
    for row in (0..ids.len() as u32).filter(|&row| !compacted.dead.contains(row)) {
        map.insert(&ids.get(row), row, &ids);
    }
    compacted.writer.epoch = writer.epoch + 1;
    (compacted.writer.log, compacted.writer.next_seq) = (writer.log.take(), writer.next_seq);
    *writer = compacted.writer;
    // The checkpoint there is goes on holding with its own numbers; the next one is written anew.
    let (epoch, log) = (writer.epoch, saved.log);
    *saved = Saved { rows: compacted.extent.into_iter().collect(), epoch, log, ..Saved::default() };
    let state = State {
        ids,
        metadata: writer.metadata.view(),
        dead: compacted.dead,
        codes: next.codes.as_ref().map(CodeColumn::view),
        graph: next.builder.graph(),
        nodes: next.nodes.clone(),
        lists: next.lists.clone(),
        dense: Dense { records: writer.records.view(), longest: writer.longest, ..compacted.dense },
        ..State::clone(&now)
    };
    *derived = next;
    shared.linked_at_once(derived.at_once());
    // Rows have new numbers: a training that was due is noted anew.
    shared.trained(trained_rows.unwrap_or(0));
    let mut shared_map = shared.map_write();
    *shared_map = map;
    shared.publish(|current| *current = state);
    drop(shared_map);
    shared.note_training();
    Ok(())
}

fn copy_live(shared: &Shared, before: &State, task: &Task) -> Result<Compacted> {
    let format = shared.format;
    let stride = format.memory_stride();
    let on_disk = shared.options.vectors == Placement::Disk;
    let mut numbers = vec![GONE; before.rows() as usize];
    let (mut ids, mut metadata, mut live) = (IdColumn::default(), MetadataColumn::default(), 0);
    for row in (0..before.rows()).filter(|&row| before.is_live(row)) {
        ids.push(&before.ids.get(row))?;
        metadata.push(before.metadata.get(row).as_deref())?;
        numbers[row as usize] = live;
        live += 1;
    }
    let mut records = Appender::new();
    let mut file = DenseFile::default();
    let mut extent = None;
    if let Some(directory) = shared.directory().filter(|_| on_disk && live > 0) {
        let written = write_rows(&directory, &before.dense, 0..before.rows(), |row| before.is_live(row), task)?;
        file.push(directory.open_extent(&written, task)?)?;
        extent = Some(Segment { rows: 0..live, file: written });
    } else {
        records.reserve_exact(live as usize * stride)?;
        let mut failed = None;
        before.dense.scan(0..before.rows(), task, |row, record| {
            if before.is_live(row) && failed.is_none() {
                failed = records.extend(&record[..stride]).err();
            }
        })?;
        failed.map_or(Ok(()), Err)?;
    }
    let in_file = if on_disk { live } else { 0 };
    let dense = Dense { file: Arc::new(file), in_file, records: records.view(), byte_rows: None, ..before.dense.clone() };
    let longest = before.dense.longest;
    let writer = Writer { ids, metadata, records, in_file, longest, ..Writer::default() };
    Ok(Compacted { writer, extent, dense, dead: Tombstones::default(), numbers })
}

fn compact_codes(
    shared: &Shared,
    codes: &CodeColumn,
    before: &State,
    compacted: &Compacted,
    retrain: bool,
    task: &Task,
) -> Result<CodeColumn> {
    let rows = compacted.dense.len();
    if let Some(spec) = shared.codec_spec().filter(|_| retrain) {
        task.report("train", 0, 1);
        let codec = derived::train(shared, &compacted.dense, &spec, rows, SAMPLE, task)?;
        task.report("train", 1, 1);
        let mut column = CodeColumn::new(codec, rows);
        encode(shared, &mut column, &compacted.dense, task)?;
        return Ok(column);
    }
    let view = codes.view();
    let mut column =
        CodeColumn { codec: codes.codec.clone(), bytes: Appender::new(), trained_rows: codes.trained_rows.min(rows) };
    column.bytes.reserve_exact(rows as usize * codes.codec.code_bytes())?;
    for row in (0..view.len()).filter(|&row| before.is_live(row)) {
        column.bytes.extend(view.row(row))?;
    }
    encode(shared, &mut column, &compacted.dense, task)?;
    Ok(column)
}

/// Brings what was written since `before` into the new columns.
fn carry_over(shared: &Shared, before: &State, now: &State, compacted: &mut Compacted, task: &Task) -> Result<()> {
    let format = shared.format;
    let newer: Vec<u32> = (before.rows()..now.rows()).filter(|&row| now.is_live(row)).collect();
    let stride = format.memory_stride();
    let mut records = vec![0; newer.len() * stride];
    let mut decoded = vec![0.0; format.dims];
    now.dense.read(&newer, task, |at, stored| {
        let record = &mut records[at * stride..][..stride];
        record[..format.stored_bytes()].copy_from_slice(&stored[..format.stored_bytes()]);
        format.decode(record, &mut decoded);
        format.finish(record, &decoded);
    })?;
    compacted.writer.records.extend(&records)?;
    for &row in &newer {
        compacted.writer.ids.push(&now.ids.get(row))?;
        compacted.writer.metadata.push(now.metadata.get(row).as_deref())?;
    }
    compacted.writer.longest = now.dense.longest;
    for row in (0..before.rows()).filter(|&row| before.is_live(row) && now.dead.contains(row)) {
        compacted.dead.insert(compacted.numbers[row as usize]);
    }
    Ok(())
}
