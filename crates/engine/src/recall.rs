//! How much of the truth searches of growing effort find: measured by the index on its own rows, so that a caller can ask
//! for a recall and not for an effort.
//!
//! Some rows are drawn as queries and held out one by one: the search that asks for such a row neither compares nor gives
//! it, as if it had never been added. Their true neighbours come from comparing all rows. What is kept of each effort is
//! the mean recall less its standard error, so that few queries make for more effort and not for broken promises.

use std::sync::Arc;

use coarse::hnsw::ScratchPool;
use kernels::Scorer;
use rayon::prelude::*;
use task::Task;
use wire::{Error as Malformed, Reader, Writer};

use crate::derived::draw;
use crate::error::Result;
use crate::record::Exact;
use crate::search::{Effort, Search};
use crate::shared::Shared;
use crate::state::{Plan, State};
use crate::sync::atomic::Ordering;
use crate::types::{Measured, Query};

/// Smaller indexes are not measured: comparing all of their rows takes no longer than walking to a few of them.
pub const LEAST_ROWS: u32 = 2048;
/// Hits that are measured; what is asked for in between takes the effort of the next.
const HITS: [usize; 3] = [1, 10, 100];
/// Queries, at most and at least.
const QUERIES: [u64; 2] = [200, 100];
/// Distances that the truth may take before there are fewer queries.
const DISTANCES: u64 = 1 << 27;
/// Rows compared with all queries in one piece of work.
const PIECE: u32 = 8192;
/// An effort that finds so much is the last that is measured.
const ENOUGH: f64 = 0.999;
/// Efforts above one row in so many are not measured.
const SHARE: usize = 8;
/// Each effort is so many times the one before. As recall grows ever more slowly with the logarithm of the effort, what is
/// taken in between is rather more than it needs.
const GROWTH: usize = 2;
/// As many of the best rows as any of [`HITS`].
const TRUTH: usize = HITS[HITS.len() - 1];

/// Recall by effort. The effort is `ef` of a graph, and `rerank` where codes are scanned.
#[derive(Debug, Clone, PartialEq)]
pub struct Efforts {
    /// Live rows when it was measured.
    pub rows: u32,
    ladders: Vec<Ladder>,
}

/// For one number of hits. Efforts and recalls ascend.
#[derive(Debug, Clone, PartialEq)]
struct Ladder {
    hits: u32,
    steps: Vec<(u32, f32)>,
}

impl Efforts {
    /// The least effort that finds a share of `recall` of the `hits` nearest, as far as is known; `None` where no effort
    /// that was measured does.
    pub fn of(&self, hits: usize, recall: f64) -> Option<usize> {
        let ladder = self.ladders.iter().find(|ladder| ladder.hits as usize >= hits).or(self.ladders.last())?;
        let at = ladder.steps.iter().position(|step| step.1 >= recall as f32)?;
        let (effort, reached) = ladder.steps[at];
        let effort = match at.checked_sub(1).map(|before| ladder.steps[before]) {
            // Between two efforts recall grows at least as the logarithm does.
            Some((less, short)) if reached > short => {
                let share = (recall - f64::from(short)) / f64::from(reached - short);
                f64::from(less) * (f64::from(effort) / f64::from(less)).powf(share)
            }
            _ => f64::from(effort),
        };
        let scale = (hits as f64 / f64::from(ladder.hits)).max(1.0);
        Some(((effort * scale).round() as usize).max(hits))
    }

    /// Every number of hits, effort and recall that was measured.
    pub fn steps(&self) -> impl Iterator<Item = Measured> + '_ {
        let of = |ladder: &Ladder, (effort, recall)| Measured { k: ladder.hits, effort, recall };
        self.ladders.iter().flat_map(move |ladder| ladder.steps.iter().map(move |&step| of(ladder, step)))
    }

    /// Whether an index of so many live rows should be measured again.
    pub fn is_outgrown(&self, live: u32) -> bool {
        live / 2 > self.rows || live < self.rows / 2
    }

    pub fn write(&self, w: &mut Writer) {
        w.u32(self.rows);
        w.u8(self.ladders.len() as u8);
        for Ladder { hits, steps } in &self.ladders {
            w.u32(*hits);
            w.u32s(&steps.iter().map(|step| step.0).collect::<Vec<_>>());
            w.f32s(&steps.iter().map(|step| step.1).collect::<Vec<_>>());
        }
    }

    pub fn read(r: &mut Reader<'_>) -> std::result::Result<Self, Malformed> {
        let rows = r.u32()?;
        let mut ladders: Vec<Ladder> = Vec::new();
        for _ in 0..r.u8()? {
            let (hits, efforts, recalls) = (r.u32()?, r.u32s()?, r.f32s()?);
            let fits = hits > ladders.last().map_or(0, |last| last.hits)
                && efforts.len() == recalls.len()
                && efforts.is_sorted_by(|a, b| a < b)
                && efforts.first().is_none_or(|&first| first >= hits)
                && recalls.is_sorted()
                && recalls.iter().all(|recall| (0.0..=1.0).contains(recall));
            if !fits {
                return Err(r.error("efforts and recalls do not ascend"));
            }
            ladders.push(Ladder { hits, steps: efforts.into_iter().zip(recalls).collect() });
        }
        Ok(Self { rows, ladders })
    }
}

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

    fn prefetch(&self, row: u32) {
        self.scorer.prefetch(row);
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
    let held = HeldOut::draw(state, shared.options.seed, task)?;
    let truth = pool.install(|| held.truth(state, task))?;
    let mut ladders = Vec::new();
    for hits in HITS.into_iter().filter(|&hits| hits <= live as usize / 8) {
        let ladder = pool.install(|| held.climb(state, &truth, hits, &shared.scratch, task))?;
        ladders.push(ladder);
    }
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
        let (live, dims) = (u64::from(state.live()), state.dense.format.dims);
        let count = (DISTANCES / live).clamp(QUERIES[1], QUERIES[0]);
        // As many more as there are dead rows among them.
        let drawn = (count * u64::from(state.rows())).div_ceil(live) as usize;
        let mut rows = draw(state.rows(), drawn, seed ^ 2);
        rows.retain(|&row| state.is_live(row));
        let mut values = vec![0.0; rows.len() * dims];
        let format = state.dense.format;
        state.dense.read(&rows, task, |at, stored| format.decode(stored, &mut values[at * dims..][..dims]))?;
        Ok(Self { rows, values, dims })
    }

    fn queries(&self) -> impl IndexedParallelIterator<Item = (u32, &[f32])> {
        self.rows.par_iter().copied().zip(self.values.par_chunks_exact(self.dims))
    }

    /// The distances of each query's nearest, itself left out, ascending. One pass over the rows serves all queries: they may
    /// lie on disk.
    fn truth(&self, state: &State, task: &Task) -> Result<Vec<Vec<f64>>> {
        let metric = state.dense.format.metric;
        let exact: Vec<Exact<'_>> = self.values.chunks_exact(self.dims).map(|query| Exact::new(metric, query)).collect();
        let none = || self.rows.iter().map(|_| Vec::new()).collect::<Vec<Vec<f64>>>();
        let pieces: Vec<u32> = (0..state.rows()).step_by(PIECE as usize).collect();
        let of_piece = |start: u32| -> Result<Vec<Vec<f64>>> {
            let (mut best, mut decoded) = (none(), vec![0.0; self.dims]);
            state.dense.scan(start..state.rows().min(start + PIECE), task, |row, stored| {
                if state.is_live(row) {
                    state.dense.format.decode(stored, &mut decoded);
                    for ((best, exact), _) in best.iter_mut().zip(&exact).zip(&self.rows).filter(|(_, held)| **held != row) {
                        push(best, exact.distance(&decoded));
                    }
                }
            })?;
            task.check()?;
            best.iter_mut().for_each(cut);
            Ok(best)
        };
        let merge = |mut a: Vec<Vec<f64>>, b: Vec<Vec<f64>>| {
            for (a, b) in a.iter_mut().zip(b) {
                a.extend(b);
                cut(a);
            }
            Ok(a)
        };
        pieces.into_par_iter().map(of_piece).try_reduce(none, merge)
    }

    /// Searches with more and more effort, until almost everything is found or comparing all rows takes no longer.
    fn climb(&self, state: &State, truth: &[Vec<f64>], hits: usize, scratch: &ScratchPool, task: &Task) -> Result<Ladder> {
        let most = state.covered() as usize / SHARE;
        let (mut effort, mut best, mut steps) = (hits, 0f32, Vec::new());
        while effort <= most {
            let one = |((row, query), truth): ((u32, &[f32]), &Vec<f64>)| -> Result<f64> {
                let query = Query::vector(query);
                let effort = Effort::measured(hits, effort, state);
                let found = Search { state, query: &query, effort, hidden: Some(row), scratch, task }.nearest()?;
                let bound = truth.get(hits - 1).copied().unwrap_or(f64::INFINITY);
                Ok(found.iter().filter(|(distance, _)| *distance <= bound).count().min(hits) as f64 / hits as f64)
            };
            let recalls = self.queries().zip(truth).map(one).collect::<Result<Vec<f64>>>()?;
            let (mean, error) = mean_and_error(&recalls);
            // More effort never finds less, but for chance.
            best = best.max((mean - error).max(0.0) as f32);
            steps.push((effort as u32, best));
            if mean >= ENOUGH {
                break;
            }
            effort *= GROWTH;
        }
        Ok(Ladder { hits: hits as u32, steps })
    }
}

fn push(best: &mut Vec<f64>, distance: f64) {
    best.push(distance);
    if best.len() == 4 * TRUTH {
        cut(best);
    }
}

fn cut(best: &mut Vec<f64>) {
    best.sort_unstable_by(f64::total_cmp);
    best.truncate(TRUTH);
}

/// The mean, and its standard error.
fn mean_and_error(values: &[f64]) -> (f64, f64) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / (count - 1.0).max(1.0);
    (mean, (variance / count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn efforts() -> Efforts {
        let ladder = |hits: u32, steps: &[(u32, f32)]| Ladder { hits, steps: steps.to_vec() };
        Efforts { rows: 5000, ladders: vec![ladder(1, &[(1, 0.5), (4, 0.9)]), ladder(10, &[(10, 0.4), (40, 0.8), (160, 0.95)])] }
    }

    #[test]
    fn efforts_lie_between_those_that_were_measured() {
        let efforts = efforts();
        assert_eq!(efforts.of(10, 0.8), Some(40));
        assert_eq!(efforts.of(10, 0.6), Some(20));
        assert_eq!(efforts.of(10, 0.1), Some(10));
        assert_eq!(efforts.of(10, 0.96), None);
        // Two hits are taken for ten, and fifty for ten with five times the effort.
        assert_eq!(efforts.of(2, 0.8), Some(40));
        assert_eq!(efforts.of(50, 0.8), Some(200));
        assert_eq!(efforts.of(1, 0.9), Some(4));
    }

    #[test]
    fn what_is_written_is_read_and_what_does_not_ascend_is_not() {
        let written = |efforts: &Efforts| {
            let mut w = Writer::new();
            efforts.write(&mut w);
            w.into_bytes()
        };
        let mut efforts = efforts();
        assert_eq!(Efforts::read(&mut Reader::new(&written(&efforts))).unwrap(), efforts);
        efforts.ladders[1].steps[1].1 = f32::NAN;
        assert!(Efforts::read(&mut Reader::new(&written(&efforts))).is_err());
        efforts.ladders[1].steps[1] = (5, 0.5);
        assert!(Efforts::read(&mut Reader::new(&written(&efforts))).is_err());
    }
}
