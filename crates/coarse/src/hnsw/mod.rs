//! Hierarchical navigable small world graph (Malkov & Yashunin, 2016), linked in deterministic batches.
//!
//! The layer at the bottom holds every row; each layer above holds a 1/m share of the one below, found by
//! local numbers of its own, so that the links of all layers are flat arrays. A search descends greedily
//! and walks the bottom layer with a sorted pool of `ef` places.
//!
//! Linking takes all rows at once ([`bulk`]), or goes by blocks of consecutive rows. All rows of a block look for
//! neighbours in the graph as it was before the block, and exhaustively among the rows of the block that came before
//! them; then links are written, and the rows they point to take the reverse links, each pruned on its own. Nothing
//! depends on the number of threads or on their timing, and no lock is taken (the batch idea is ParlayANN's, Manohar et
//! al. 2024; looking inside the block is what keeps the graph as good as one linked row by row).
//!
//! Readers walk the same arrays meanwhile: a [`Graph`] ignores every link to a row that it does not know.

mod build;
mod bulk;
mod file;
mod layer;
mod nodes;
mod pool;
mod prune;
mod search;

pub use build::{Builder, LinkError};
pub use nodes::{Coder, Nodes, Visits, Wanted};
pub use search::{Graph, Scratch, ScratchPool};

/// Rows a graph can hold: two bits of a row number serve the search as marks.
pub const MAX_ROWS: u32 = 1 << 30;
/// An empty place in a list of links.
const NONE: u32 = u32::MAX;
/// Layers above this one would hold less than one row in a billion.
const MAX_LAYERS: usize = 16;

/// How a graph is linked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HnswOptions {
    /// Links a new row makes; the bottom layer keeps up to twice as many a row, and a row there makes as many at once where
    /// the space [fills](crate::Space::fills) them. 2 to 256, default 16.
    pub m: usize,
    /// Places in the pool when looking for a new row's neighbours. At least 1, default 200.
    pub ef_construction: usize,
    /// Decides which rows rise to higher layers.
    pub seed: u64,
}

impl Default for HnswOptions {
    fn default() -> Self {
        Self { m: 16, ef_construction: 200, seed: 0 }
    }
}

impl HnswOptions {
    fn degree(&self, layer: usize) -> usize {
        if layer == 0 { self.m * 2 } else { self.m }
    }

    /// Links that a row makes on a layer.
    fn links(&self, layer: usize, fills: bool) -> usize {
        if fills { self.degree(layer) } else { self.m }
    }

    /// The highest layer that `row` belongs to: geometric with ratio 1/m, a function of seed and row alone.
    fn level(&self, row: u32) -> usize {
        let uniform = (mix(self.seed ^ mix(u64::from(row) + 1)) >> 11) as f64 / (1u64 << 53) as f64;
        let level = -(1.0 - uniform).ln() / (self.m as f64).ln();
        (level as usize).min(MAX_LAYERS - 1)
    }
}

/// SplitMix64's finaliser (Steele, Lea & Flood 2014).
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests;
