//! How much of the truth searches of growing effort find: measured by the index on its own rows, so that a caller can ask
//! for a recall and not for an effort.
//!
//! Some rows are drawn as queries and held out one by one: the search that asks for such a row neither compares nor gives
//! it, as if it had never been added. Their true neighbours come from comparing all rows. What is kept of each effort is
//! the mean recall less its standard error (twice that for lists), so that few queries make for more effort and not for broken promises.

mod efforts;
mod sweep;
mod truth;

use std::sync::Arc;

use coarse::hnsw::ScratchPool;
use kernels::Scorer;
use rayon::prelude::*;
use task::Task;

use crate::derived::draw;
use crate::error::Result;
use crate::search::{Effort, Search};
use crate::shared::Shared;
use crate::state::{Plan, State};
use crate::sync::atomic::Ordering;
use crate::types::Query;
use efforts::Ladder;
pub use efforts::{Efforts, Step};
use truth::Ranked;

/// Smaller indexes are not measured: comparing all of their rows takes no longer than walking to a few of them.
pub const LEAST_ROWS: u32 = 2048;
/// Hits that are measured; what is asked for in between takes the effort of the next.
const HITS: [usize; 3] = [1, 10, 100];
/// Queries, at most and at least.
const QUERIES: [u64; 2] = [200, 100];
/// Comparisons that the truth may take before there are fewer queries.
const DISTANCES: u64 = 1 << 27;
/// An effort that finds so much is the last that is measured.
const ENOUGH: f64 = 0.999;
/// Nor is more measured where nearly all is found, and two efforts on so little more was: the rest are rows that no walk reaches, and
/// the next efforts would take longer than all before. Of the 88 s that linking and measuring SIFT took on two cores, 28 were theirs.
const NEARLY: f64 = 0.99;
const STANDSTILL: f64 = 0.0025;
/// For more hits than this half of the queries are enough: each asks for many rows.
const SURE: usize = 10;
/// Once so much is found, the next efforts are measured by half of the queries: recall varies little between them then, and those efforts
/// take the most time. Text of MiniLM took 0.40 s with all of them, and 0.23 s with half.
const SETTLED: f64 = 0.98;
/// Efforts above one row in so many are not measured.
const SHARE: usize = 8;
/// Each effort is so many times the one before. As recall grows ever more slowly with the logarithm of the effort, what is
/// taken in between is rather more than it needs.
const GROWTH: usize = 2;
/// As many of the best rows as any of [`HITS`].
const TRUTH: usize = HITS[HITS.len() - 1];

/// Scores as another, but one row is as far away as can be.
pub struct Without<'a, S> {
    /// The other.
    pub scorer: &'a mut S,
    /// The row.
    pub row: u32,
}

impl<S: Scorer> Scorer for Without<'_, S> {
    fn score(&mut self, rows: &[u32], out: &mut [f32]) {
        self.scorer.score(rows, out);
        for (out, _) in out.iter_mut().zip(rows).filter(|(_, row)| **row == self.row) {
            *out = f32::INFINITY;
        }
    }

    fn score_range(&mut self, start: u32, out: &mut [f32]) {
        self.scorer.score_range(start, out);
        if let Some(out) = self.row.checked_sub(start).and_then(|at| out.get_mut(at as usize)) {
            *out = f32::INFINITY;
        }
    }
}

/// Whether there is something to measure: searches that are not exact anyway, and do not compare most rows.
pub fn is_measurable(state: &State) -> bool {
    state.plan != Plan::Exact && state.live() >= LEAST_ROWS && state.covered() >= state.rows() / 2 && state.doubt.is_none()
}

/// Measures an index of which what was measured, if anything, is not of its rows of now. To be called by whoever has the
/// codes and links.
pub fn measure_changed(shared: &Shared, task: &Task) -> Result<()> {
    let state = shared.state();
    if is_measurable(&state) && state.efforts.as_ref().is_none_or(|efforts| efforts.rows != state.live()) {
        let efforts = Arc::new(measure(shared, &state, task)?);
        shared.publish(|state| state.efforts = Some(efforts));
    }
    Ok(())
}

/// The same in the background, once somebody has asked. What fails is tried again when somebody asks again.
pub fn measure_if_wanted(shared: &Shared, task: &Task) {
    if !shared.efforts_wanted.load(Ordering::Acquire) {
        return;
    }
    let (state, version) = {
        let derived = shared.derived();
        (shared.state(), derived.version)
    };
    if !is_measurable(&state) {
        return;
    }
    if let Ok(efforts) = measure(shared, &state, task) {
        let derived = shared.derived();
        // Other codes and links find more or less.
        if derived.version == version {
            shared.publish(|state| state.efforts = Some(Arc::new(efforts)));
        }
    }
    shared.efforts_wanted.store(false, Ordering::Release);
}

fn measure(shared: &Shared, state: &State, task: &Task) -> Result<Efforts> {
    let live = state.live();
    task.report("measure", 0, 1);
    let pool = shared.build_pool()?;
    let held = pool.install(|| HeldOut::draw(state, shared.options.seed, task))?;
    let truth = pool.install(|| truth::nearest(state, &held, task))?;
    let hits: Vec<usize> = HITS.into_iter().filter(|&hits| hits <= live as usize / 8).collect();
    let ladders = if let (Plan::Ivf, Some(lists)) = (state.plan, &state.lists) {
        pool.install(|| sweep::ladders(&held, state, lists, &truth, &hits, &shared.scratch, task))?
    } else {
        let climb = |&hits: &usize| pool.install(|| held.climb(state, &truth, hits, &shared.scratch, task));
        hits.iter().map(climb).collect::<Result<_>>()?
    };
    task.report("measure", 1, 1);
    Ok(Efforts { rows: live, ladders })
}

/// Rows that serve as queries.
struct HeldOut {
    rows: Vec<u32>,
    values: Vec<f32>,
    dims: usize,
}

impl HeldOut {
    fn draw(state: &State, seed: u64, task: &Task) -> Result<Self> {
        let live = u64::from(state.live());
        let count = (DISTANCES / live).clamp(QUERIES[1], QUERIES[0]);
        // As many more as there are dead rows among them.
        let drawn = (count * u64::from(state.rows())).div_ceil(live) as usize;
        let mut rows = draw(state.rows(), drawn, seed ^ 2);
        rows.retain(|&row| state.is_live(row));
        let values = state.dense.decoded(&rows, task)?;
        Ok(Self { rows, values, dims: state.dense.format.dims })
    }

    fn queries(&self) -> impl IndexedParallelIterator<Item = (u32, &[f32])> {
        self.rows.par_iter().copied().zip(self.values.par_chunks_exact(self.dims))
    }

    /// Searches with more and more effort, until almost everything is found or comparing all rows takes no longer.
    fn climb(&self, state: &State, truth: &[Vec<Ranked>], hits: usize, scratch: &ScratchPool, task: &Task) -> Result<Ladder> {
        let most = state.covered() as usize / SHARE;
        let (mut effort, mut best, mut steps, mut before) = (hits, 0f32, Vec::new(), [0.0; 2]);
        let all = if hits > SURE { self.rows.len().div_ceil(2) } else { self.rows.len() };
        let half = all.div_ceil(2);
        while effort <= most {
            let queries = if before[1] < SETTLED { all } else { half };
            let one = |((row, query), truth): ((u32, &[f32]), &Vec<Ranked>)| -> Result<f64> {
                let query = Query::vector(query);
                let effort = Effort::measured(hits, Step { effort: effort as u32, rerank: 0, recall: 0.0 }, state);
                let found = Search { state, query: &query, effort, hidden: Some(row), scratch, task }.nearest()?;
                let bound = truth.get(hits - 1).map_or(f64::INFINITY, |kth| kth.0);
                Ok(found.iter().filter(|(distance, _)| *distance <= bound).count().min(hits) as f64 / hits as f64)
            };
            let recalls = self.queries().zip(truth).take(queries).map(one).collect::<Result<Vec<f64>>>()?;
            let (mean, error) = mean_and_error(&recalls);
            // Of queries that all efforts were measured by, so that what differs is the effort.
            let (alike, _) = mean_and_error(&recalls[..half]);
            // More effort never finds less, but for chance.
            best = best.max((mean - error).max(0.0) as f32);
            steps.push(Step { effort: effort as u32, rerank: 0, recall: best });
            if mean >= ENOUGH || alike >= NEARLY && alike - before[0] < STANDSTILL {
                break;
            }
            before = [before[1], alike];
            effort *= GROWTH;
        }
        Ok(Ladder { hits: hits as u32, steps })
    }
}

/// The mean, and its standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    (mean, (variance / count).sqrt())
}
