//! Where candidates come from: an exhaustive scan ([`flat`]) or a navigable graph ([`hnsw`]).
//!
//! Neither knows what a row is made of. A [`kernels::Scorer`] holds the query and scores rows; a [`Space`]
//! gives the graph's builder the rows themselves, in a form in which distances between two of them mean
//! what the metric means. What is live is the caller's business too, asked by row number.
#![forbid(unsafe_code)]

pub mod flat;
pub mod hnsw;

use std::cmp::Ordering;

use kernels::{Metric, Scorer};

/// A row and its estimated distance from the query. Ordered by (distance, row).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// In the metric's terms: smaller is nearer.
    pub distance: f32,
    /// Row number.
    pub row: u32,
}

impl Eq for Candidate {}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        self.distance.total_cmp(&other.distance).then(self.row.cmp(&other.row))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What a graph is linked over.
pub trait Space: Sync {
    /// Scores rows against one row's values.
    type Scorer<'a>: Scorer
    where
        Self: 'a;

    /// Values a row.
    fn dims(&self) -> usize;

    /// How two loaded rows are compared: [`Metric::L2`], or [`Metric::Dot`] for inner products and for
    /// cosine (whose rows are loaded at unit length).
    fn metric(&self) -> Metric;

    /// The row's values, `dims` of them.
    fn load(&self, row: u32, out: &mut [f32]);

    /// A scorer whose query is a row's values as [`Space::load`] gives them.
    fn scorer<'a>(&'a self, values: &[f32]) -> Self::Scorer<'a>;
}

#[cfg(test)]
mod testing;
