//! A query: plan, candidates, verification, hits.

use std::ops::Range;

use coarse::Candidate;
use coarse::flat::{self, Margin};
use coarse::hnsw::ScratchPool;
use quant::CodecSpec;
use task::Task;

use crate::error::{Code, Error, Result};
use crate::ids::Ids;
use crate::record::Exact;
use crate::space::RowScorer;
use crate::state::{Plan, State};
use crate::types::{Hit, Metric, Query, SearchParams};

/// Effort where the caller names none.
const DEFAULT_EF: usize = 128;
/// Stored vectors read where codes are scanned and the caller names no number.
const DEFAULT_RERANK: usize = 256;

/// `E_DIMENSIONS`, `E_NOT_FINITE` or `E_ARGUMENT` if `vector` cannot be compared under `metric`.
pub fn check_vector(name: &str, vector: &[f32], dims: usize, metric: Metric) -> Result<()> {
    if vector.len() != dims {
        return Err(Error::new(Code::Dimensions, format!("{name} has {} dimensions, the index has {dims}", vector.len())));
    }
    if let Some(at) = vector.iter().position(|value| !value.is_finite()) {
        return Err(Error::new(Code::NotFinite, format!("{name} has {} at position {at}", vector[at])));
    }
    if metric == Metric::Cosine && vector.iter().all(|&value| value == 0.0) {
        return Err(Error::argument(format!("{name} is zero: cosine distance needs a direction")));
    }
    Ok(())
}

/// The effort of one search, defaults filled in.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    k: usize,
    ef: usize,
    rerank: usize,
}

impl Effort {
    /// `E_ARGUMENT` for a `k` or `ef` of 0, or a `rerank` below `k`.
    pub fn of(params: &SearchParams, state: &State) -> Result<Self> {
        let k = params.k;
        if k == 0 {
            return Err(Error::argument("k: 0 was given, an integer of at least 1 is needed"));
        }
        if params.ef == Some(0) {
            return Err(Error::argument("ef: 0 was given, an integer of at least 1 is needed"));
        }
        if let Some(rerank) = params.rerank.filter(|&rerank| rerank < k) {
            return Err(Error::argument(format!("rerank: {rerank} was given, at least k ({k}) is needed")));
        }
        let default_ef = DEFAULT_EF.max(k.saturating_mul(2)).max(params.rerank.unwrap_or(0));
        let ef = params.ef.unwrap_or(default_ef).max(k);
        let default_rerank = match state.codes.as_ref().map(|codes| codes.codec.spec()) {
            // A byte a dimension misplaces a row by a few ranks only.
            Some(CodecSpec::Sq8) => k.saturating_mul(2).saturating_add(16).min(ef),
            _ if state.plan == Plan::Flat => DEFAULT_RERANK.max(k.saturating_mul(10)),
            _ => ef,
        };
        Ok(Self { k, ef, rerank: params.rerank.unwrap_or(default_rerank) })
    }
}

/// The `k` nearest live rows, ascending by (distance, id), as (distance, row).
pub fn nearest(state: &State, query: &Query<'_>, effort: Effort, scratch: &ScratchPool, task: &Task) -> Result<Vec<(f64, u32)>> {
    let live = state.live() as usize;
    let k = effort.k.min(live);
    let mut top = Top::new(k, &state.ids);
    if k == 0 {
        return Ok(Vec::new());
    }
    let exact = Exact::new(state.dense.format.metric, query.verify);
    // Where a large share of all rows is wanted, walking towards them is more work than comparing all.
    let covered = if k > live / 4 { 0 } else { state.covered() };
    if covered > 0 {
        let rows = candidates(state, query, effort, covered, scratch, task)?;
        if rows.len() < k {
            return nearest_exactly(state, 0..state.rows(), query, &exact, top, task);
        }
        state.dense.verify(&exact, &rows, task, |at, distance| top.push(distance, rows[at]))?;
    }
    nearest_exactly(state, covered..state.rows(), query, &exact, top, task)
}

/// Rows to verify, most promising first.
fn candidates(
    state: &State,
    query: &Query<'_>,
    effort: Effort,
    covered: u32,
    scratch: &ScratchPool,
    task: &Task,
) -> Result<Vec<u32>> {
    let live = |row| row < covered && state.is_live(row);
    if let Some(codes) = state.codes.as_ref().filter(|_| state.over_codes) {
        let mut scorer = codes.scorer(query.candidates);
        let found = match state.plan {
            Plan::Hnsw => scratch.with(|scratch| state.graph.search(&mut scorer, effort.ef, live, scratch, task))?,
            _ => flat::scan(&mut scorer, 0..covered, effort.rerank, Margin::default(), live, task)?,
        };
        return Ok(found.iter().take(effort.rerank).map(|c| c.row).collect());
    }
    let mut scorer = RowScorer::new(&state.dense, query.candidates, task);
    let found = scratch.with(|scratch| state.graph.search(&mut scorer, effort.ef, live, scratch, task))?;
    if let Some(error) = scorer.failure() {
        return Err(error);
    }
    Ok(undecided(&found, effort.k, state.dense.margin(query.candidates)))
}

/// The best `k`, and what their estimates cannot tell from them.
fn undecided(found: &[Candidate], k: usize, margin: Margin) -> Vec<u32> {
    let bound = found.get(k - 1).map_or(f32::INFINITY, |kth| margin.bound(kth.distance));
    found.iter().enumerate().take_while(|(at, c)| *at < k || c.distance <= bound).map(|(_, c)| c.row).collect()
}

/// Compares every live row of `range` and gives the nearest of those and of what `top` holds.
fn nearest_exactly(
    state: &State,
    range: Range<u32>,
    query: &Query<'_>,
    exact: &Exact<'_>,
    mut top: Top<'_>,
    task: &Task,
) -> Result<Vec<(f64, u32)>> {
    let dense = &state.dense;
    let in_file = range.start.min(dense.in_file)..range.end.min(dense.in_file);
    let in_memory = range.start.max(dense.in_file)..range.end.max(dense.in_file);
    if !in_file.is_empty() {
        let mut decoded = vec![0.0; dense.format.dims];
        dense.scan(in_file, task, |row, stored| {
            if state.is_live(row) {
                dense.format.decode(stored, &mut decoded);
                top.push(exact.distance(&decoded), row);
            }
        })?;
    }
    if !in_memory.is_empty() {
        let margin = dense.margin(query.verify);
        let mut scorer = dense.scorer(query.verify);
        let found = flat::scan(&mut scorer, in_memory, top.k, margin, |row| state.is_live(row), task)?;
        let rows: Vec<u32> = found.iter().map(|c| c.row).collect();
        dense.verify(exact, &rows, task, |at, distance| top.push(distance, rows[at]))?;
    }
    Ok(top.finish())
}

/// Turns rows into hits.
pub fn hits(state: &State, nearest: Vec<(f64, u32)>, params: &SearchParams) -> Result<Vec<Hit>> {
    let include = params.include;
    let hit = |(distance, row)| {
        if let Some(doubt) = &state.doubt {
            doubt.check_row(row)?;
            if include.metadata {
                doubt.check_text(row)?;
            }
        }
        let metadata = if include.metadata { state.metadata.get(row) } else { None };
        let vector = if include.vector { Some(state.dense.get(row)?) } else { None };
        Ok(Hit { id: state.ids.get(row), distance, metadata, vector })
    };
    nearest.into_iter().map(hit).collect()
}

/// The `k` best of what is pushed, by (distance, id).
struct Top<'a> {
    k: usize,
    ids: &'a Ids,
    best: Vec<(f64, u32)>,
    bound: f64,
}

impl<'a> Top<'a> {
    fn new(k: usize, ids: &'a Ids) -> Self {
        Self { k, ids, best: Vec::new(), bound: f64::INFINITY }
    }

    #[inline]
    fn push(&mut self, distance: f64, row: u32) {
        if distance > self.bound {
            return;
        }
        self.best.push((distance, row));
        if self.best.len() >= self.k.saturating_mul(4).saturating_add(64) {
            self.cut();
            self.bound = self.best[self.k - 1].0;
        }
    }

    fn cut(&mut self) {
        let ids = self.ids;
        self.best.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then_with(|| ids.compare(a.1, b.1)));
        self.best.truncate(self.k);
    }

    fn finish(mut self) -> Vec<(f64, u32)> {
        self.cut();
        self.best
    }
}
