//! Where candidates come from: an exhaustive scan ([`flat`]), a navigable graph ([`hnsw`]), or lists around centroids ([`ivf`]).
//!
//! Neither knows what a row is made of. A [`kernels::Scorer`] holds the query and scores rows; a [`Space`]
//! tells the graph's builder how far rows are from one another. What is live is the caller's business too, asked by row number.
#![forbid(unsafe_code)]

mod best;
pub mod flat;
pub mod hnsw;
pub mod ivf;

use std::cmp::Ordering;

use kernels::{Scorer, of_sort_key, sort_key};

/// A row and its estimated distance from the query. Ordered by (distance, row), what is not a number last.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// In the metric's terms: smaller is nearer.
    pub distance: f32,
    /// Row number.
    pub row: u32,
}

impl Candidate {
    /// A number that orders as the candidate does, so that sorting compares without a branch.
    #[inline]
    fn key(&self) -> u64 {
        sort_key(self.distance, self.row)
    }

    #[inline]
    fn of_key(key: u64) -> Self {
        let (distance, row) = of_sort_key(key);
        Self { distance, row }
    }
}

impl Eq for Candidate {}

impl Ord for Candidate {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Candidate {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a graph is linked over.
pub trait Space: Sync {
    /// Scores rows against one row.
    type Scorer<'a>: Scorer
    where
        Self: 'a;

    /// Rows being compared with one another, in whatever form suits; reused from one set to the next.
    type Set: Default + Send;

    /// A scorer whose query is the row itself.
    fn scorer(&self, row: u32) -> Self::Scorer<'_>;

    /// Brings `rows` (at most a few thousand) together for [`Space::between`].
    fn gather(&self, rows: &[u32], set: &mut Self::Set);

    /// Distances from the row at place `one` of the set to those at the places `others`.
    fn between(&self, set: &mut Self::Set, one: u32, others: &[u32], out: &mut [f32]);

    /// The same to the places from `start` on, as many as `out` is long.
    fn between_run(&self, set: &mut Self::Set, one: u32, start: u32, out: &mut [f32]) {
        let others: Vec<u32> = (start..).take(out.len()).collect();
        self.between(set, one, &others, out);
    }

    /// Whether a search looks at all places of a row at once ([`hnsw::Nodes`]), so that filling them costs it nothing. Rows
    /// then get more links, and those over longer ways.
    ///
    /// Only where distances are squared ones, or go as those do: they are weighed against one another.
    fn fills(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod testing;
