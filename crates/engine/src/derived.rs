//! What is made from the rows and can be made again: codes and links. Rows get them in the background.

use std::sync::Arc;

use coarse::hnsw::{Builder, HnswOptions};
use coarse::{
    Space,
    hnsw::{Graph, Nodes},
};
use quant::{Codec, CodecSpec};
use rayon::prelude::*;
use rows::{Appender, give_back};
use task::Task;

use crate::byte_rows::{ByteColumn, keep_some};
use crate::dense::Dense;
use crate::error::{Code, Result};
use crate::lists::{Lists, list_some};
use crate::nodes::pack_some;
use crate::options::Options;
use crate::recall;
use crate::shared::Shared;
use crate::space::{CodeSpace, DenseSpace};
use crate::state::{self, Plan, State};
use crate::sync::atomic::Ordering;
use crate::types::Placement;

/// Rows encoded at a time.
const ENCODE_BLOCK: u32 = 8192;
/// Of which so many by one thread.
const ENCODE_PIECE: usize = 256;
/// The fewest rows that are linked at once rather than a block at a time: those take half a second.
const LEAST_AT_ONCE: u32 = 8192;
/// Rows of a block, at most.
const MOST_ROWS: u32 = 1024;
/// Rows that training looks at, at most, unless told otherwise.
pub const SAMPLE: usize = 65_536;

/// The writing end of codes and links. Its holder is the only one who changes them.
pub struct Derived {
    pub builder: Builder,
    /// Where each block of the graph ended: linking again by the same blocks gives the same graph. A first block of more than
    /// [`MOST_ROWS`] was linked at once.
    pub blocks: Vec<u32>,
    pub codes: Option<CodeColumn>,
    /// The graph with codes beside the links, where the codes are such.
    pub nodes: Option<Nodes>,
    pub lists: Option<Lists>,
    /// Rows that fit in bytes.
    pub byte_rows: ByteColumn,
    /// Blocks to be followed when the graph is linked again after damage.
    pub replay: Vec<u32>,
    /// Counts how often codes or links were made anew.
    pub version: u64,
}

/// What is linked in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// All rows up to this one, anew and at once, whatever was linked before.
    All(u32),
    /// The rows up to this one that are not linked yet, as one block.
    Block(u32),
}

/// What was made so far, for readers and for files.
pub struct Made {
    /// With the rows that the codec was trained on.
    pub codes: Option<(state::Codes, u32)>,
    pub graph: Graph,
    pub lists: Option<Lists>,
    pub blocks: Vec<u32>,
    pub version: u64,
}

/// Codes and what makes them.
pub struct CodeColumn {
    pub codec: Arc<Codec>,
    pub bytes: Appender<u8>,
    /// Rows that were there when the codec was trained.
    pub trained_rows: u32,
}

impl CodeColumn {
    /// An empty column.
    pub fn new(codec: Codec, trained_rows: u32) -> Self {
        Self { codec: Arc::new(codec), bytes: Appender::new(), trained_rows }
    }

    /// For readers.
    pub fn view(&self) -> state::Codes {
        state::Codes { codec: self.codec.clone(), bytes: self.bytes.view() }
    }

    fn len(&self) -> u32 {
        (self.bytes.len() / self.codec.code_bytes()) as u32
    }

    /// Encodes rows up to `end` of `dense`, on all threads of the current rayon pool.
    pub fn encode(&mut self, dense: &Dense, end: u32, task: &Task) -> Result<()> {
        let (dims, width) = (dense.format.dims, self.codec.code_bytes());
        let start = self.len();
        let mut codes = vec![0; (end - start) as usize * width];
        let pieces = codes.par_chunks_mut(ENCODE_PIECE * width).enumerate();
        pieces.try_for_each_init(Vec::new, |values: &mut Vec<f32>, (piece, codes)| -> Result<()> {
            let first = start + (piece * ENCODE_PIECE) as u32;
            let count = codes.len() / width;
            values.resize(count * dims, 0.0);
            dense.scan(first..first + count as u32, task, |row, stored| {
                dense.format.decode(stored, &mut values[(row - first) as usize * dims..][..dims]);
            })?;
            self.codec.encode(values, codes);
            Ok(())
        })?;
        self.bytes.reserve(codes.len())?;
        Ok(self.bytes.extend(&codes)?)
    }
}

impl Derived {
    /// Nothing made yet.
    pub fn new(options: &Options) -> Self {
        Self {
            builder: Builder::new(hnsw_options(options)),
            blocks: Vec::new(),
            codes: None,
            nodes: None,
            lists: None,
            byte_rows: ByteColumn::default(),
            replay: Vec::new(),
            version: 0,
        }
    }

    /// What was made so far.
    pub fn made(&self) -> Made {
        Made {
            codes: self.codes.as_ref().map(|codes| (codes.view(), codes.trained_rows)),
            graph: self.builder.graph(),
            lists: self.lists.clone(),
            blocks: self.blocks.clone(),
            version: self.version,
        }
    }

    /// What is to be linked next of the first `rows` rows, if anything: all up to `at_once` if that was not done; a block,
    /// if there is a whole one. `drain` rows are linked even if they do not fill a block.
    fn next_piece(&self, rows: u32, at_once: u32, [block, drain]: [u32; 2]) -> Option<Piece> {
        if self.lacks(at_once) {
            return (at_once <= rows).then_some(Piece::All(at_once));
        }
        let linked = self.builder.graph().len();
        if let Some(&end) = self.replay.iter().find(|&&end| end > linked)
            && end <= rows
        {
            return Some(Piece::Block(end));
        }
        let rest = drain.min(rows).saturating_sub(linked);
        if rest == 0 && rows - linked < block {
            return None;
        }
        Some(Piece::Block(linked + if rest == 0 { block } else { rest.min(block) }))
    }

    /// Where the rows end that were linked at once, if any were or will be when the graph is linked again after damage; 0 if
    /// none.
    pub fn at_once(&self) -> u32 {
        self.blocks.first().or(self.replay.first()).copied().filter(|&end| end > MOST_ROWS).unwrap_or(0)
    }

    /// Whether rows up to `end` are yet to be linked at once.
    fn lacks(&self, end: u32) -> bool {
        end > self.blocks.first().copied().unwrap_or(0)
    }

    /// Links rows by codes or by the stored vectors.
    pub fn link(&mut self, dense: &Dense, over_codes: bool, piece: Piece, task: &Task) -> Result<()> {
        match self.codes.as_ref().filter(|_| over_codes) {
            Some(codes) => {
                let codes = codes.view();
                link_over(&mut self.builder, &CodeSpace::new(&codes), piece, task)?;
            }
            None => {
                let space = DenseSpace::new(dense);
                link_over(&mut self.builder, &space, piece, task)?;
                if let Some(error) = space.failure() {
                    return Err(error);
                }
            }
        }
        let (Piece::All(end) | Piece::Block(end)) = piece;
        if piece == Piece::All(end) && !self.blocks.is_empty() {
            // These are other links: what was made of those before, and saved of them, is of no use.
            self.blocks.clear();
            self.nodes = None;
            self.version += 1;
        }
        self.blocks.push(end);
        Ok(())
    }
}

fn link_over(builder: &mut Builder, space: &impl Space, piece: Piece, task: &Task) -> Result<()> {
    Ok(match piece {
        Piece::All(end) => builder.link_all(space, end, task),
        Piece::Block(end) => builder.link_block(space, end, task),
    }?)
}

/// Whether so many rows are better linked at once. Rows on disk are not: every one would be read many times.
pub fn links_at_once(shared: &Shared, over_codes: bool, rows: u32) -> bool {
    rows >= LEAST_AT_ONCE && (over_codes || shared.options.vectors == Placement::Memory)
}

/// How the graph of an index is linked.
pub fn hnsw_options(options: &Options) -> HnswOptions {
    HnswOptions { m: options.m, ef_construction: options.ef_construction, seed: options.seed }
}

/// Rows linked at a time, a function of the options alone: about a mebibyte of vectors, so that a block's
/// rows, which all look at one another, stay in the second-level cache.
pub fn block_rows(dims: usize) -> u32 {
    ((1 << 20) / (dims * size_of::<f32>())).clamp(128, MOST_ROWS as usize) as u32
}

/// Trains the codec on a seeded sample of rows 0 .. `rows`.
pub fn train(shared: &Shared, dense: &Dense, spec: &CodecSpec, rows: u32, sample: usize, task: &Task) -> Result<Codec> {
    let options = &shared.options;
    let dims = dense.format.dims;
    let chosen = draw(rows, sample.min(Codec::most(spec, dims)), options.seed);
    shared.build_pool()?.install(|| {
        let values = dense.decoded(&chosen, task)?;
        Ok(Codec::train(spec, options.metric, dims, &values, options.seed, task)?)
    })
}

/// `count` of the rows 0 .. `rows`, ascending, each set as likely as any other (Knuth 3.4.2, algorithm S).
pub fn draw(rows: u32, count: usize, seed: u64) -> Vec<u32> {
    let mut state = seed ^ 0x5851_f42d_4c95_7f2d;
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) >> 32
    };
    let mut wanted = count.min(rows as usize) as u64;
    let mut chosen = Vec::with_capacity(wanted as usize);
    for row in 0..rows {
        let left = u64::from(rows - row);
        if (next() * left) >> 32 < wanted {
            chosen.push(row);
            wanted -= 1;
        }
    }
    chosen
}

/// Does the next piece of work on codes or links, and publishes it; `false` when there is none.
///
/// `drain`: so many rows are encoded and linked even if they do not fill a block.
pub fn step(shared: &Shared, derived: &mut Derived, drain: u32, task: &Task) -> Result<bool> {
    let state = shared.state();
    if state.plan == Plan::Exact {
        return Ok(false);
    }
    let block = block_rows(shared.format.dims);
    if state.over_codes {
        if derived.codes.is_none() {
            return train_when_due(shared, derived, &state, task);
        }
        if encode_some(shared, derived, &state, drain.max(shared.at_once(&state)), block, task)? {
            return Ok(true);
        }
    }
    let rows = derived.codes.as_ref().filter(|_| state.over_codes).map_or(state.rows(), CodeColumn::len);
    let made = match state.plan {
        Plan::Ivf => list_some(shared, derived, &state, rows, [block, drain], task)?,
        Plan::Hnsw => link_some(shared, derived, &state, rows, [block, drain], task)? || pack_some(shared, derived, drain, task)?,
        Plan::Exact | Plan::Flat => false,
    };
    Ok(made || keep_some(shared, derived, &state, [block, drain], task)?)
}

/// Links a piece of the first `rows` rows.
fn link_some(shared: &Shared, derived: &mut Derived, state: &State, rows: u32, pace: [u32; 2], task: &Task) -> Result<bool> {
    let Some(piece) = derived.next_piece(rows, shared.at_once(state), pace) else { return Ok(false) };
    if let Piece::All(_) = piece {
        if !shared.is_rebuilding() {
            // It came up just now: whoever calls has to say first that this will take long.
            return Ok(true);
        }
    } else {
        derived.builder.reserve(rows)?;
    }
    shared.build_pool()?.install(|| derived.link(&state.dense, state.over_codes, piece, task))?;
    let graph = derived.builder.graph();
    task.report("link", u64::from(graph.len()), u64::from(state.rows()));
    shared.publish(|state| {
        if let Piece::All(_) = piece {
            // Measured with other links, if at all.
            state.efforts = None;
        }
        state.graph = graph;
    });
    Ok(true)
}

fn train_when_due(shared: &Shared, derived: &mut Derived, state: &State, task: &Task) -> Result<bool> {
    let (Some(spec), Some(rows)) = (shared.codec_spec(), shared.training_due()) else { return Ok(false) };
    task.report("train", 0, 1);
    let codec = train(shared, &state.dense, &spec, rows, SAMPLE, task)?;
    task.report("train", 1, 1);
    derived.codes = Some(CodeColumn::new(codec, rows));
    Ok(true)
}

fn encode_some(shared: &Shared, derived: &mut Derived, state: &State, drain: u32, block: u32, task: &Task) -> Result<bool> {
    let Some(codes) = &mut derived.codes else { return Ok(false) };
    let (coded, rows) = (codes.len(), state.rows());
    if rows - coded < block && drain.min(rows) <= coded {
        return Ok(false);
    }
    let additional = (rows - coded) as usize * codes.codec.code_bytes();
    codes.bytes.reserve(additional)?;
    let end = if rows - coded < block { drain.min(rows) } else { rows.min(coded + ENCODE_BLOCK) };
    shared.build_pool()?.install(|| codes.encode(&state.dense, end, task))?;
    task.report("encode", u64::from(end), u64::from(rows));
    let view = codes.view();
    shared.publish(|state| state.codes = Some(view));
    Ok(true)
}

/// Works until no whole block is left, and nothing of what was there when the index was opened; gives way between pieces.
pub fn catch_up(shared: &Shared) -> Result<()> {
    let task = Task::new().with_cancel(shared.closing.clone());
    while catch_up_some(shared, &task)? {}
    // A row that cannot be read now cannot be linked; whoever compares it gets the error.
    if !shared.linking.is_stopped() {
        recall::measure_if_wanted(shared, &task);
    }
    Ok(())
}

/// The next piece, if there is one and the index is not being closed. Rows that are linked at once take long: that is given up
/// for whoever else wants to make codes and links anew, and who does then not come too late.
fn catch_up_some(shared: &Shared, task: &Task) -> Result<bool> {
    let drain = shared.counters.rows_at_open.load(Ordering::Acquire);
    let mut derived = shared.derived();
    if shared.linking.is_stopped() {
        return Ok(false);
    }
    let state = shared.state();
    if state.plan != Plan::Hnsw || !derived.lacks(shared.at_once(&state)) {
        return step(shared, &mut derived, drain, task);
    }
    drop(derived);
    let (mut rebuild, given_up) = shared.rebuild_unless_wanted();
    let done = step(shared, &mut rebuild.derived, drain, &task.clone().with_cancel(given_up.clone()));
    give_back();
    match done {
        Err(error) if error.code == Code::Aborted && given_up.is_cancelled() => Ok(true),
        other => other,
    }
}

/// Rows' mean squared error under the codes of `state`, as a share of their variance; from a sample. `None` where no row has
/// a code yet, as after all rows were deleted.
pub fn code_error(state: &State, seed: u64, task: &Task) -> Result<Option<f64>> {
    let dense = &state.dense;
    let lists = state.lists.as_ref().filter(|lists| lists.is_coded());
    let coded = state.codes.as_ref().map_or(0, state::Codes::len).max(lists.map_or(0, Lists::len));
    if coded == 0 {
        return Ok(None);
    }
    let dims = dense.format.dims;
    let rows = draw(coded, 2_000, seed ^ 1);
    let mut values = dense.decoded(&rows, task)?;
    let mut mean = vec![0.0f64; dims];
    for row in values.chunks_exact_mut(dims) {
        if dense.format.metric == kernels::Metric::Cosine {
            crate::dense::to_unit(row);
        }
        mean.iter_mut().zip(&*row).for_each(|(mean, &value)| *mean += f64::from(value) / rows.len() as f64);
    }
    let mut decoded = vec![0.0; values.len()];
    if let Some(codes) = &state.codes {
        rows.iter().zip(decoded.chunks_exact_mut(dims)).for_each(|(&row, out)| codes.codec.decode(codes.row(row), out));
    } else if let Some(lists) = lists {
        decoded = lists.shape().restored(&values, task)?;
    }
    let error: f64 = values.iter().zip(&decoded).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    let from_mean = |row: &[f32]| row.iter().zip(&mean).map(|(&a, b)| (f64::from(a) - b).powi(2)).sum::<f64>();
    let variance: f64 = values.chunks_exact(dims).map(from_mean).sum();
    Ok(Some(if variance > 0.0 { error / variance } else { 0.0 }))
}

/// A graph read from a file goes on; without one it is linked anew by the blocks it had.
pub fn resume(
    options: &Options,
    graph: Option<Graph>,
    blocks: Vec<u32>,
    codes: Option<CodeColumn>,
    lists: Option<Lists>,
) -> Derived {
    let linked = graph.as_ref().map_or(0, Graph::len);
    let builder =
        graph.map_or_else(|| Builder::new(hnsw_options(options)), |graph| Builder::resume(hnsw_options(options), graph));
    let (blocks, replay) = blocks.into_iter().partition(|&end| end <= linked);
    Derived { builder, blocks, codes, nodes: None, lists, byte_rows: ByteColumn::default(), replay, version: 0 }
}
