//! The true neighbours of many queries at once.
//!
//! A block of rows is compared with all queries by one product of matrices in 32-bit floats. What that cannot tell from the
//! nearest, because its rounding has a bound, is compared exactly, so that the outcome is that of exact comparisons alone.

use cluster::matrix::product;
use cluster::transpose;
use kernels::{Metric, kernels};
use rayon::prelude::*;
use task::Task;

use super::HeldOut;
use crate::dense::to_unit;
use crate::error::Result;
use crate::record::Exact;
use crate::state::State;

/// Rows a query: as many as are ever asked for, and those that are as far as the last of them.
const NEAREST: usize = super::TRUTH;
/// The same with ties.
const MOST: usize = 4 * NEAREST;
/// As many estimates are kept at least: one may be the query's own row.
const KEPT: usize = NEAREST + 1;
/// Values of the rows that one piece of work decodes: 16 MiB.
const PIECE_VALUES: usize = 1 << 22;
/// Rows of a piece.
const PIECE_ROWS: [usize; 2] = [256, 8192];
/// Rows of one product: they and their scores stay in the second-level cache.
const BLOCK: usize = 128;
/// Sums beyond this may overflow: there everything is compared exactly.
const LARGEST: f64 = 1e36;

/// A row and its distance.
pub type Ranked = (f64, u32);

/// For each row that is held out its nearest rows, itself left out, ascending by (distance, row). One pass over the rows
/// serves all queries: they may lie on disk.
pub fn nearest(state: &State, held: &HeldOut, task: &Task) -> Result<Vec<Vec<Ranked>>> {
    let queries = Queries::new(state, held);
    let piece = (PIECE_VALUES / held.dims).clamp(PIECE_ROWS[0], PIECE_ROWS[1]);
    let pieces: Vec<u32> = (0..state.rows()).step_by(piece).collect();
    let none = || held.rows.iter().map(|_| Vec::new()).collect::<Vec<Vec<Ranked>>>();
    let merge = |mut a: Vec<Vec<Ranked>>, b: Vec<Vec<Ranked>>| {
        for (a, b) in a.iter_mut().zip(b) {
            a.extend(b);
            cut(a);
        }
        Ok(a)
    };
    let of_piece = |start: u32| queries.nearest_in(start..state.rows().min(start + piece as u32), task);
    pieces.into_par_iter().map(of_piece).try_reduce(none, merge)
}

/// All queries, as products want them and one by one.
struct Queries<'a> {
    state: &'a State,
    rows: &'a [u32],
    dims: usize,
    /// Value by value; of unit length for cosine.
    transposed: Vec<f32>,
    exact: Vec<Exact<'a>>,
    /// How far each one's estimates may be off.
    margins: Vec<f32>,
}

impl<'a> Queries<'a> {
    fn new(state: &'a State, held: &'a HeldOut) -> Self {
        let (dims, metric) = (held.dims, state.dense.format.metric);
        let mut prepared = held.values.clone();
        if metric == Metric::Cosine {
            prepared.chunks_exact_mut(dims).for_each(to_unit);
        }
        let margin = |query: &[f32]| margin(metric, kernels().exact_dot_f32(query, query).sqrt(), state.dense.longest, dims);
        Self {
            state,
            rows: &held.rows,
            dims,
            transposed: transpose(&prepared, held.rows.len(), dims),
            exact: held.values.chunks_exact(dims).map(|query| Exact::new(metric, query)).collect(),
            margins: prepared.chunks_exact(dims).map(margin).collect(),
        }
    }

    /// The nearest rows of a range, for each query.
    fn nearest_in(&self, range: std::ops::Range<u32>, task: &Task) -> Result<Vec<Vec<Ranked>>> {
        let (state, dims) = (self.state, self.dims);
        let mut values = vec![0.0; range.len() * dims];
        state.dense.scan(range.clone(), task, |row, stored| {
            state.dense.format.decode(stored, &mut values[(row - range.start) as usize * dims..][..dims]);
        })?;
        let mut near: Vec<Near> = self.margins.iter().map(|&margin| Near::new(margin)).collect();
        let (mut block, mut scores) = (Vec::new(), Vec::new());
        for (number, rows) in values.chunks(BLOCK * dims).enumerate() {
            task.check()?;
            block.clear();
            block.extend_from_slice(rows);
            self.estimate(range.start + (number * BLOCK) as u32, &mut block, &mut scores, &mut near);
        }
        let confirm = |((near, exact), &held): ((Near, &Exact<'_>), &u32)| {
            let exactly = |row: u32| (exact.distance(&values[(row - range.start) as usize * dims..][..dims]), row);
            let mut found: Vec<Ranked> = near.finish().filter(|&row| row != held).map(exactly).collect();
            cut(&mut found);
            found
        };
        Ok(near.into_iter().zip(&self.exact).zip(self.rows).map(confirm).collect())
    }

    /// Estimates the rows of a block, the first of which is number `first`, for all queries.
    fn estimate(&self, first: u32, block: &mut [f32], scores: &mut Vec<f32>, near: &mut [Near]) {
        let (metric, dims) = (self.state.dense.format.metric, self.dims);
        if metric == Metric::Cosine {
            block.chunks_exact_mut(dims).for_each(to_unit);
        }
        scores.resize(block.len() / dims * near.len(), 0.0);
        product(block, &self.transposed, dims, scores);
        let rows = (first..).zip(block.chunks_exact(dims)).zip(scores.chunks_exact(near.len()));
        for ((row, values), scores) in rows.filter(|((row, _), _)| self.state.is_live(*row)) {
            // What all distances of a query have in common is left out.
            let (square, weight) = match metric {
                Metric::L2 => (kernels().exact_dot_f32(values, values) as f32, 2.0),
                Metric::Dot | Metric::Cosine => (0.0, 1.0),
            };
            for (near, score) in near.iter_mut().zip(scores) {
                near.offer(square - weight * score, row);
            }
        }
    }
}

/// How far an estimate may be off, by the lengths of the query and of the longest row: one rounding an operation, in any order
/// of summation (Higham, *Accuracy and Stability*, 3.1), over products that sum up to the product of the lengths.
fn margin(metric: Metric, query: f64, longest: f64, dims: usize) -> f32 {
    let unit = f64::from(f32::EPSILON) / 2.0;
    let reach = match metric {
        Metric::Cosine => 1.0,
        Metric::Dot => query * longest,
        Metric::L2 => (query + longest).powi(2),
    };
    if reach.is_nan() || reach > LARGEST {
        return f32::INFINITY;
    }
    // Products below the normal numbers lose up to half of the least one each. And where exact distances are equal but for their
    // own rounding, they are ties.
    let estimate = (dims + 24) as f64 * (unit * reach + f64::from(f32::MIN_POSITIVE));
    (estimate + f64::EPSILON * (1.0 + reach)) as f32
}

/// Rows that may be among the nearest of one query, by their estimates.
struct Near {
    margin: f32,
    /// Estimates above this belong to none of them.
    bound: f32,
    found: Vec<(f32, u32)>,
    /// It is cut when there are so many.
    limit: usize,
}

impl Near {
    fn new(margin: f32) -> Self {
        Self { margin, bound: f32::INFINITY, found: Vec::new(), limit: 4 * KEPT }
    }

    #[inline]
    fn offer(&mut self, estimate: f32, row: u32) {
        if estimate <= self.bound || self.margin == f32::INFINITY {
            self.found.push((estimate, row));
            if self.found.len() >= self.limit {
                self.cut();
            }
        }
    }

    fn cut(&mut self) {
        if self.margin < f32::INFINITY && self.found.len() > KEPT {
            let (_, kept, _) = self.found.select_nth_unstable_by(KEPT - 1, |a, b| a.0.total_cmp(&b.0));
            self.bound = (kept.0 + 2.0 * self.margin).next_up();
            self.found.retain(|&(estimate, _)| estimate <= self.bound);
        }
        self.limit = (2 * self.found.len()).max(4 * KEPT);
    }

    fn finish(mut self) -> impl Iterator<Item = u32> {
        self.cut();
        self.found.into_iter().map(|(_, row)| row)
    }
}

/// Leaves the nearest, and those that are as far as the last of them, up to [`MOST`].
fn cut(found: &mut Vec<Ranked>) {
    found.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    if let Some(&(last, _)) = found.get(NEAREST - 1) {
        let ties = found[NEAREST..].iter().take_while(|(distance, _)| *distance <= last).count();
        found.truncate((NEAREST + ties).min(MOST));
    }
}

#[cfg(test)]
mod tests;
