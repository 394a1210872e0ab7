//! What is made from the rows and can be made again: codes and links. Rows get them in the background.

use std::sync::Arc;

use coarse::hnsw::{Builder, HnswOptions};
use coarse::{
    Space,
    hnsw::{Graph, Nodes},
};
use quant::{Codec, CodecSpec};
use rows::Appender;
use task::Task;

use crate::dense::Dense;
use crate::error::Result;
use crate::lists::{Lists, list_some};
use crate::nodes::pack_some;
use crate::options::Options;
use crate::recall;
use crate::shared::Shared;
use crate::space::{CodeSpace, DenseSpace};
use crate::state::{self, Plan, State};
use crate::sync::atomic::Ordering;

/// Rows encoded at a time.
const ENCODE_BLOCK: u32 = 8192;
/// Rows that training looks at, at most, unless told otherwise.
pub const SAMPLE: usize = 65_536;

/// The writing end of codes and links. Its holder is the only one who changes them.
pub struct Derived {
    pub builder: Builder,
    /// Where each block of the graph ended: linking again by the same blocks gives the same graph.
    pub blocks: Vec<u32>,
    pub codes: Option<CodeColumn>,
    /// The graph with codes beside the links, where the codes are such.
    pub nodes: Option<Nodes>,
    pub lists: Option<Lists>,
    /// Blocks to be followed when the graph is linked again after damage.
    pub replay: Vec<u32>,
    /// Counts how often codes or links were made anew.
    pub version: u64,
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

    /// Encodes rows up to `end` of `dense`.
    pub fn encode(&mut self, dense: &Dense, end: u32, task: &Task) -> Result<()> {
        let (dims, width) = (dense.format.dims, self.codec.code_bytes());
        let start = self.len();
        let count = (end - start) as usize;
        let mut values = vec![0.0; count * dims];
        dense.scan(start..end, task, |row, stored| {
            dense.format.decode(stored, &mut values[(row - start) as usize * dims..][..dims]);
        })?;
        let mut codes = vec![0; count * width];
        self.codec.encode(&values, &mut codes);
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

    /// Where the next block of links ends, if there is one to be made of the first `rows` rows; `drain` of them are linked
    /// even if they do not fill a block.
    fn next_block(&self, rows: u32, block: u32, drain: u32) -> Option<u32> {
        let linked = self.builder.graph().len();
        if let Some(&end) = self.replay.iter().find(|&&end| end > linked)
            && end <= rows
        {
            return Some(end);
        }
        let rest = drain.min(rows).saturating_sub(linked);
        if rest == 0 && rows - linked < block { None } else { Some(linked + if rest == 0 { block } else { rest.min(block) }) }
    }

    /// Links the rows up to `end`, by codes or by the stored vectors.
    pub fn link(&mut self, dense: &Dense, over_codes: bool, end: u32, task: &Task) -> Result<()> {
        match self.codes.as_ref().filter(|_| over_codes) {
            Some(codes) => {
                let codes = codes.view();
                link_over(&mut self.builder, &CodeSpace::new(&codes), end, task)?;
            }
            None => {
                let space = DenseSpace::new(dense);
                link_over(&mut self.builder, &space, end, task)?;
                if let Some(error) = space.failure() {
                    return Err(error);
                }
            }
        }
        self.blocks.push(end);
        Ok(())
    }
}

fn link_over(builder: &mut Builder, space: &impl Space, end: u32, task: &Task) -> Result<()> {
    Ok(builder.link_block(space, end, task)?)
}

/// How the graph of an index is linked.
pub fn hnsw_options(options: &Options) -> HnswOptions {
    HnswOptions { m: options.m, ef_construction: options.ef_construction, seed: options.seed }
}

/// Rows linked at a time, a function of the options alone: about a mebibyte of vectors, so that a block's
/// rows, which all look at one another, stay in the second-level cache.
pub fn block_rows(dims: usize) -> u32 {
    ((1 << 20) / (dims * size_of::<f32>())).clamp(128, 1024) as u32
}

/// Trains the codec on a seeded sample of rows 0 .. `rows`.
pub fn train(shared: &Shared, dense: &Dense, spec: &CodecSpec, rows: u32, sample: usize, task: &Task) -> Result<Codec> {
    let options = &shared.options;
    let chosen = draw(rows, sample, options.seed);
    let dims = dense.format.dims;
    let mut values = vec![0.0; chosen.len() * dims];
    dense.read(&chosen, task, |at, stored| dense.format.decode(stored, &mut values[at * dims..][..dims]))?;
    let codec = shared.build_pool()?.install(|| Codec::train(spec, options.metric, dims, &values, options.seed, task))?;
    Ok(codec)
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
        if encode_some(shared, derived, &state, drain, block, task)? {
            return Ok(true);
        }
    }
    let rows = derived.codes.as_ref().filter(|_| state.over_codes).map_or(state.rows(), CodeColumn::len);
    match state.plan {
        Plan::Ivf => list_some(shared, derived, &state, rows, [block, drain], task),
        Plan::Hnsw => {
            Ok(link_some(shared, derived, &state, rows, [block, drain], task)? || pack_some(shared, derived, drain, task)?)
        }
        Plan::Exact | Plan::Flat => Ok(false),
    }
}

/// Links a block of the first `rows` rows.
fn link_some(
    shared: &Shared,
    derived: &mut Derived,
    state: &State,
    rows: u32,
    [block, drain]: [u32; 2],
    task: &Task,
) -> Result<bool> {
    let Some(end) = derived.next_block(rows, block, drain) else { return Ok(false) };
    derived.builder.reserve(rows)?;
    shared.build_pool()?.install(|| derived.link(&state.dense, state.over_codes, end, task))?;
    let graph = derived.builder.graph();
    task.report("link", u64::from(graph.len()), u64::from(state.rows()));
    shared.publish(|state| state.graph = graph);
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
    let drain = shared.counters.rows_at_open.load(Ordering::Acquire);
    let task = Task::new().with_cancel(shared.closing.clone());
    loop {
        let mut derived = shared.derived();
        // A row that cannot be read now cannot be linked; whoever compares it gets the error.
        if shared.linking.is_stopped() {
            return Ok(());
        }
        if !step(shared, &mut derived, drain, &task)? {
            break;
        }
    }
    recall::measure_if_wanted(shared, &task);
    Ok(())
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
    let mut values = vec![0.0; rows.len() * dims];
    dense.read(&rows, task, |at, stored| dense.format.decode(stored, &mut values[at * dims..][..dims]))?;
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
    Derived { builder, blocks, codes, nodes: None, lists, replay, version: 0 }
}
