//! Making a checkpoint while reads and writes go on.
//!
//! Writers wait only while the log is exchanged for a new one, at whose beginning the checkpoint stands. The state
//! of that moment is then written at leisure, and published; the log before is thereby free to go, once the
//! checkpoint before this one is not kept any more.

use std::ops::Range;
use std::sync::Arc;

use rows::Appender;
use store::{Directory, FileRef, LogStart};
use task::Task;
use wire::Writer as Bytes;

use super::body::{self, Counts};
use super::{Saved, Segment, Whole};
use crate::dense::Dense;
use crate::derived::{Derived, Made};
use crate::error::{Code, Result};
use crate::shared::Shared;
use crate::state::State;
use crate::sync::atomic::Ordering;
use crate::sync::lock;
use crate::types::Placement;

/// Bytes gathered before they are written.
const PIECE: usize = 1 << 20;
/// Extents of rows are rewritten with those that follow until they are so long: their bytes are most of the index.
const SMALL_EXTENT: usize = 32 << 20;

/// Saves everything that was acknowledged so far, links included. Does nothing in an index without a directory.
pub fn save(shared: &Shared) -> Result<()> {
    let derived = shared.derived_to_save();
    save_with(shared, derived.as_deref(), true)
}

/// Saves if the log has grown long. Links are then written only when many are new: they can be made again.
pub fn save_if_due(shared: &Shared) -> Result<()> {
    if shared.counters.behind.load(Ordering::Acquire) < shared.options.log_bytes {
        return Ok(());
    }
    let derived = shared.derived_to_save();
    save_with(shared, derived.as_deref(), false)
}

/// Saves, with the codes and links of `derived`; without, those of the last checkpoint stay. `all`: however few links are new.
pub fn save_with(shared: &Shared, derived: Option<&Derived>, all: bool) -> Result<()> {
    let Some(directory) = shared.directory() else { return Ok(()) };
    let mut saved = lock(&shared.saved);
    shared.check_not_poisoned()?;
    match write_checkpoint(shared, &directory, &saved, derived, all) {
        Ok(None) => {}
        Ok(Some((next, rows))) => {
            let before = std::mem::replace(&mut *saved, next);
            shared.note_disk();
            if shared.options.vectors == Placement::Disk {
                // Rows that cannot be read back stay in memory, and what the checkpoint holds is not what is open.
                move_to_disk(shared, &directory, &before.rows, &saved.rows, rows).inspect_err(|_| shared.poison())?;
            }
        }
        Err(error) => {
            // What the disk holds is not known any more.
            shared.poison();
            return Err(error);
        }
    }
    shared.ease();
    Ok(())
}

/// One moment of the index, and where the log goes on from there.
struct Cut {
    state: Arc<State>,
    longest: f64,
    epoch: u64,
    log: LogStart,
}

fn cut(shared: &Shared, directory: &Directory, saved: &Saved) -> Result<Cut> {
    let mut writer = lock(&shared.writer);
    let seq = writer.next_seq;
    let log = match (&mut writer.log, saved.log) {
        (Some(log), _) if log.is_empty() => log.start(),
        (None, Some(start)) if start.seq == seq => start,
        (log, _) => {
            if let Some(log) = log {
                // Records of the next one must never survive what goes before them.
                log.commit(true)?;
            }
            log.insert(directory.start_log(seq)?).start()
        }
    };
    shared.counters.behind.store(0, Ordering::Release);
    Ok(Cut { state: shared.state(), longest: writer.longest, epoch: writer.epoch, log })
}

/// Writes what is new and publishes it; `None` where nothing is. Gives how many rows the checkpoint has, too.
fn write_checkpoint(
    shared: &Shared,
    directory: &Directory,
    saved: &Saved,
    derived: Option<&Derived>,
    all: bool,
) -> Result<Option<(Saved, u32)>> {
    let cut = cut(shared, directory, saved)?;
    let mut next = if saved.epoch == cut.epoch { saved.clone() } else { saved.compacted(cut.epoch) };
    next.log = Some(cut.log);
    write_columns(directory, &mut next, &cut.state)?;
    if let Some(derived) = derived {
        write_made(directory, &mut next, &derived.made(), all)?;
    }
    write_efforts(directory, &mut next, &cut.state)?;
    let body = body_of(shared, &cut.state, cut.longest, &next);
    let files = next.files();
    let same = |manifest: &store::Manifest| manifest.body() == body && manifest.files() == files && manifest.log() == next.log;
    if directory.manifest().is_some_and(|manifest| same(&manifest)) {
        return Ok(None);
    }
    directory.publish(&body, &files, next.log)?;
    Ok(Some((next, cut.state.rows())))
}

/// Writes the whole state of this moment to a directory of its own, without waiting for anybody and without keeping
/// anybody waiting. `task` may stop it.
pub fn snapshot(shared: &Shared, directory: &Directory, task: &Task) -> Result<()> {
    let state = shared.state();
    state.doubt.as_ref().map_or(Ok(()), |doubt| doubt.check_copy())?;
    let blocks = shared.derived_to_save().map(|derived| derived.blocks.clone()).unwrap_or_default();
    // Links and codes of the state, which later ones leave as they are.
    let linked = state.graph.len();
    let made = Made {
        codes: state.codes.clone().map(|codes| (codes, shared.training_due().unwrap_or(0).min(state.rows()))),
        graph: state.graph.clone(),
        lists: state.lists.clone(),
        blocks: blocks.into_iter().filter(|&end| end <= linked).collect(),
        version: 0,
    };
    let mut saved = Saved { log: Some(directory.start_log(1)?.start()), ..Saved::default() };
    write_columns(directory, &mut saved, &state)?;
    task.check()?;
    write_made(directory, &mut saved, &made, true)?;
    write_efforts(directory, &mut saved, &state)?;
    task.check()?;
    let body = body_of(shared, &state, state.dense.longest, &saved);
    Ok(directory.publish(&body, &saved.files(), saved.log)?)
}

fn body_of(shared: &Shared, state: &State, longest: f64, saved: &Saved) -> Vec<u8> {
    let rows = state.rows();
    let train_rows = shared.training_due().unwrap_or(0).min(rows);
    body::write(&shared.options, &Counts { rows, dead: state.dead.len(), plan: state.plan, longest, train_rows }, &saved.blocks)
}

/// Writes what came since `next` was saved: the truth.
fn write_columns(directory: &Directory, next: &mut Saved, state: &State) -> Result<()> {
    let rows = state.rows();
    save_rows(directory, &mut next.rows, &state.dense, rows)?;
    extend(&mut next.ids, rows, u32::MAX, |rows| {
        Ok(directory.write_file("ids", |file| state.ids.write(rows, &mut |bytes| file.write(bytes)))?)
    })?;
    extend(&mut next.metadata, rows, u32::MAX, |rows| {
        Ok(directory.write_file("metadata", |file| state.metadata.write(rows, &mut |bytes| file.write(bytes)))?)
    })?;
    keep(directory, &mut next.dead, "dead", u64::from(state.dead.len()), |w| state.dead.write(w))
}

impl Saved {
    /// What is still right after rows got new numbers: nothing, but the extents that the compaction wrote.
    fn compacted(&self, epoch: u64) -> Self {
        Self { rows: self.rows.clone(), epoch, ..Self::default() }
    }
}

/// Adds the rows up to `end` as one more segment, together with those before it that are not twice as long, nor longer
/// than `small`.
fn extend(segments: &mut Vec<Segment>, end: u32, small: u32, write: impl FnOnce(Range<u32>) -> Result<FileRef>) -> Result<()> {
    let mut start = segments.last().map_or(0, |last| last.rows.end);
    if start == end {
        return Ok(());
    }
    while let Some(last) = segments.last()
        && last.rows.len() <= (small as usize).min(2 * (end - start) as usize)
    {
        start = last.rows.start;
        segments.pop();
    }
    segments.push(Segment { rows: start..end, file: write(start..end)? });
    Ok(())
}

/// Writes a small file whole if what it holds has changed, as `mark` tells.
fn keep(directory: &Directory, kept: &mut Option<Whole>, kind: &str, mark: u64, fill: impl FnOnce(&mut Bytes)) -> Result<()> {
    if kept.as_ref().is_some_and(|kept| kept.mark == mark) {
        return Ok(());
    }
    let mut bytes = Bytes::new();
    fill(&mut bytes);
    *kept = Some(Whole { mark, file: directory.write_file(kind, |file| file.write(bytes.as_slice()))? });
    Ok(())
}

fn save_rows(directory: &Directory, segments: &mut Vec<Segment>, dense: &Dense, end: u32) -> Result<()> {
    let small = (SMALL_EXTENT / dense.format.stored_bytes()) as u32;
    let before = segments.clone();
    let all = |rows| write_rows(directory, dense, rows, |_| true, &Task::new());
    match extend(segments, end, small, all) {
        // A damaged row on disk stays where it is.
        Err(error) if error.code == Code::Corrupt => {
            *segments = before;
            extend(segments, end, 0, all)
        }
        written => written,
    }
}

/// Writes those of `rows` that are wanted to a new extent, numbered from the first of `rows` on without a gap.
pub fn write_rows(
    directory: &Directory,
    dense: &Dense,
    rows: Range<u32>,
    wanted: impl Fn(u32) -> bool,
    task: &Task,
) -> Result<FileRef> {
    let stored = dense.format.stored_bytes();
    let mut extent = directory.write_extent("rows", stored, rows.start)?;
    let mut piece: Vec<u8> = Vec::with_capacity(PIECE + stored);
    let mut written = Ok(());
    dense.scan(rows, task, |row, record| {
        if wanted(row) {
            piece.extend_from_slice(&record[..stored]);
        }
        if piece.len() >= PIECE && written.is_ok() {
            written = extent.append(&piece);
            piece.clear();
        }
    })?;
    written?;
    extent.append(&piece)?;
    Ok(extent.finish()?)
}

/// Writes codes, links and lists: graph and lists only if there is a quarter more of it, or if `all` are wanted.
fn write_made(directory: &Directory, next: &mut Saved, made: &Made, all: bool) -> Result<()> {
    if next.version != made.version {
        (next.codec, next.graph, next.lists, next.version) = (None, None, None, made.version);
        next.codes.clear();
    }
    if let Some((view, trained_rows)) = &made.codes {
        keep(directory, &mut next.codec, "codec", u64::from(*trained_rows), |w| view.codec.write(w))?;
        extend(&mut next.codes, view.len(), u32::MAX, |rows| {
            let head = [rows.start, rows.len() as u32].map(u32::to_le_bytes);
            Ok(directory.write_file("codes", |file| {
                file.write(head.as_flattened())?;
                file.write(view.rows(rows))
            })?)
        })?;
    }
    let grown = |before: &Option<Whole>, now: u32| {
        let (before, now) = (before.as_ref().map_or(0, |before| before.mark), u64::from(now));
        (now > before && (all || now >= before + before / 4)).then_some(now)
    };
    if let Some(mark) = grown(&next.graph, made.graph.len()) {
        let file = directory.write_file("graph", |file| made.graph.write(&mut |bytes| file.write(bytes)))?;
        next.graph = Some(Whole { mark, file });
    }
    if let Some(lists) = &made.lists
        && let Some(mark) = grown(&next.lists, lists.len())
    {
        let file = directory.write_file("lists", |file| lists.write(&mut |bytes| file.write(bytes)))?;
        next.lists = Some(Whole { mark, file });
    }
    next.blocks = made.blocks.clone();
    Ok(())
}

/// Writes what was measured of searches.
fn write_efforts(directory: &Directory, next: &mut Saved, state: &State) -> Result<()> {
    let Some(efforts) = &state.efforts else {
        next.efforts = None;
        return Ok(());
    };
    let mut bytes = Bytes::new();
    efforts.write(&mut bytes);
    let mark = u64::from(wire::crc32c(bytes.as_slice()));
    keep(directory, &mut next.efforts, "efforts", mark, |w| w.raw(bytes.as_slice()))
}

/// Reads rows that live on disk from the extents of the new checkpoint, and forgets them in memory.
fn move_to_disk(shared: &Shared, directory: &Directory, before: &[Segment], now: &[Segment], rows: u32) -> Result<()> {
    let same = before.iter().zip(now).take_while(|(before, now)| before == now).count();
    let mut file = shared.state().dense.file.first(same);
    for segment in &now[same..] {
        file.push(directory.open_extent(&segment.file, &Task::new())?)?;
    }
    let file = Arc::new(file);
    let mut writer = lock(&shared.writer);
    if writer.in_file == rows && same == now.len() {
        return Ok(());
    }
    let moved = (rows - writer.in_file) as usize * shared.format.memory_stride();
    let mut records = Appender::new();
    records.extend(&writer.records.as_slice()[moved..])?;
    (writer.records, writer.in_file) = (records, rows);
    let records = writer.records.view();
    shared.publish(|state| state.dense = Dense { file, in_file: rows, records, ..state.dense.clone() });
    Ok(())
}
