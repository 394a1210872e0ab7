//! What scores the rows of lists.

use std::ops::Range;

use coarse::ivf::{BLOCK, ListScorer};
use kernels::{Near, NibbleTables, Scorer, kernels};
use quant::Residual;

use super::Lists;

/// Lists scanned by the codes in them.
pub(super) struct CodedLists<'a> {
    pub(super) lists: &'a Lists,
    pub(super) residual: &'a Residual,
    pub(super) query: &'a [f32],
    pub(super) tables: NibbleTables,
}

impl ListScorer for CodedLists<'_> {
    fn scan(&mut self, part: usize, list: usize, blocks: Range<usize>, bound: f32, estimates: &mut [f32], marks: &mut [u32]) {
        let part = &self.lists.parts[part];
        let bytes = self.tables.block_bytes();
        let base = self.residual.base(self.query, self.lists.shape.centroid(list));
        let terms = if self.residual.has_terms() { &part.terms[blocks.start * BLOCK..blocks.end * BLOCK] } else { &[] };
        let codes = &part.blocks[blocks.start * bytes..blocks.end * bytes];
        let found = Near { bound, estimates, marks };
        kernels().scan_nibbles(&self.tables, codes, base, self.residual.factors(terms), found);
    }

    fn prefetch(&self, part: usize, blocks: Range<usize>) {
        let bytes = self.tables.block_bytes();
        kernels().prefetch(&self.lists.parts[part].blocks[blocks.start * bytes..blocks.end * bytes]);
    }
}

/// Lists whose rows are scored one by one, by what is kept of them elsewhere.
pub(super) struct ScoredLists<'a, S> {
    pub(super) lists: &'a Lists,
    pub(super) scorer: &'a mut S,
}

impl<S: Scorer> ListScorer for ScoredLists<'_, S> {
    fn scan(&mut self, part: usize, _: usize, blocks: Range<usize>, bound: f32, estimates: &mut [f32], marks: &mut [u32]) {
        marks.fill(0);
        let members = self.lists.parts[part].part.members(blocks);
        let rows = members.iter().position(|&row| row == u32::MAX).unwrap_or(members.len());
        self.scorer.score(&members[..rows], &mut estimates[..rows]);
        for (at, &estimate) in estimates[..rows].iter().enumerate() {
            if estimate <= bound || estimate.is_nan() {
                marks[at / BLOCK] |= 1 << (at % BLOCK);
            }
        }
    }
}
