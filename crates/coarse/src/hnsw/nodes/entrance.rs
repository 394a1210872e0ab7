//! Where searches begin: one wide node more, whose neighbours lie all over the graph.
//!
//! Walking down the layers looks up some hundred rows wherever they lie, and took an eighth of a search. The codes of a few
//! hundred rows as seen from the middle of them are a few pages in a row, and one scan finds the nearest of them.

use kernels::{Factors, Near, Scorer, kernels};

use super::super::pool::Pool;
use super::{BLOCK, Coder, Layout, Making, Wanted, marked};

/// Rows to begin from. On MNIST-784 recall at the same effort was 0.9555 with 128, 0.9617 with 512 and 0.9612 with 2,048.
const ROWS: usize = 512;
/// The nearest of them, by estimate, that a search begins with. Each takes a step of the walk: on small clusters far apart, 4 found
/// 0.79 where 2 found 0.81. Taking the best of 8 or 16 by their own codes cost more than the steps it saved.
const BEGIN: usize = 2;
/// Blocks scanned before the bound is looked at again.
const SCANNED: usize = 4;

/// The middle of the rows, and codes of some hundred of them relative to it.
pub(super) struct Entrance {
    row: u32,
    layout: Layout,
    /// Whole words, so that factors can be read where they lie.
    words: Vec<u32>,
}

impl Entrance {
    /// Of a graph of `len` rows.
    pub fn make(len: u32, coder: &impl Coder) -> Self {
        let count = (len as usize).min(ROWS);
        let near: Vec<u32> = (0..count).map(|at| (at * len as usize / count) as u32).collect();
        let row = if near.is_empty() { 0 } else { coder.middle(&near) };
        let layout = Layout::new(0, count, coder.subspaces());
        let mut words = vec![0; layout.stride / size_of::<u32>()];
        Making { near, ..Making::default() }.pack(coder, layout, row, bytemuck::cast_slice_mut(&mut words));
        Self { row, layout, words }
    }

    pub fn memory(&self) -> usize {
        self.words.len() * size_of::<u32>()
    }

    /// Leaves in `pool` the rows to begin with, by estimated distance.
    pub fn find(&self, scorer: &mut impl Scorer, wanted: &Wanted<'_>, pool: &mut Pool, distances: &mut Vec<f32>) {
        pool.start(BEGIN);
        distances.resize(SCANNED * BLOCK, 0.0);
        let own = scorer.score_one(self.row);
        // Where the middle itself is hidden from the search, any base tells its neighbours apart.
        let base = if own.is_finite() { own } else { 0.0 };
        let node = self.layout.node(bytemuck::cast_slice(&self.words));
        for start in (0..self.layout.blocks).step_by(SCANNED) {
            let end = (start + SCANNED).min(self.layout.blocks);
            let (codes, places) = (start * self.layout.code_bytes..end * self.layout.code_bytes, start * BLOCK..end * BLOCK);
            let factors = Factors::MulAdd { mul: &node.mul[places.clone()], add: &node.add[places.clone()] };
            let mut marks = [0; SCANNED];
            let near = Near { bound: pool.bound(), estimates: &mut distances[..places.len()], marks: &mut marks[..end - start] };
            kernels().scan_nibbles(wanted.tables, &node.codes[codes], base, factors, near);
            for at in marked(&marks[..end - start]) {
                let (distance, row) = (distances[at], node.rows[places.start + at]);
                if distance < pool.bound() {
                    pool.insert(distance, row, true);
                }
            }
        }
    }
}
