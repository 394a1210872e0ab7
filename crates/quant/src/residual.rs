//! Rows as what is left of them beside the centroid of their list, in half bytes.

use crate::pq::span;
use crate::wire_form::finite_row;
use cluster::{KMeansOptions, Random, kmeans, transpose};
use kernels::{Factors, Kernels, Metric, NibbleTables, Strided, kernels};
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use task::{Aborted, Task};
use wire::{Error, Reader, Writer};

/// Words of a sub-space: as many as half a byte can name.
const WORDS: usize = 16;
/// Rounds of k-means for the words.
const ITERATIONS: usize = 15;
/// Rounds of coordinate descent at most when a row is encoded. Three are the rule until nothing changes, but the third finds no more: recall
/// was the same within 0.0005 with two as with ten (images, text, GloVe), and images took 1.57 s to build, not 1.66.
const ROUNDS: usize = 2;
/// Queries count that have a cosine of this or more with the row: decides how much more an error along the row costs than
/// one across it. The value is that of Guo et al.
const NEAR: f32 = 0.2;

/// Product quantisation of residuals with 16 words a sub-space, looked up 32 rows at a time.
///
/// A row `x` of a list with centroid `c` is `c + r`, and `r` is encoded. Words are chosen by the score-aware loss of Guo,
/// Sun, Lindgren, Geng, Simcha, Chern and Kumar (*Accelerating Large-Scale Inference with Anisotropic Vector Quantization*,
/// 2020): an error in the row's own direction changes the scores of the queries that find it, one across it hardly does.
///
/// For cosine rows and queries are of unit length here; whoever calls has made them so.
#[derive(Debug, Clone, PartialEq)]
pub struct Residual {
    metric: Metric,
    dims: usize,
    subspaces: usize,
    /// Value `j` of word `w` at `j * 16 + w`.
    words: Vec<f32>,
}

/// Buffers for encoding, of one thread.
#[derive(Debug, Default)]
pub struct ResidualScratch {
    residual: Vec<f32>,
    direction: Vec<f32>,
    /// What the code stands for of the residual.
    decoded: Vec<f32>,
    /// Squared error of every word.
    squares: Vec<f32>,
    /// Error of every word along the direction.
    along: Vec<f32>,
}

impl Residual {
    /// Sub-spaces at most, whatever the dimensions: see `kernels::Kernels::fit_tables`.
    pub const MOST: usize = 512;
    /// Rows that are looked at when training, at most: 256 for every word. With eight times as many, recall was the same within 0.003
    /// (GloVe; images and text within 0.0002), and images took 3.1 s to build, not 2.1.
    pub const SAMPLE_ROWS: usize = 1 << 12;

    /// Trains words on `residuals` (`dims` values each, finite, any number of them). Reports progress as stage `"train"`.
    ///
    /// # Errors
    /// [`Aborted`] once `task` is cancelled.
    ///
    /// # Panics
    /// If `residuals` is not whole rows, or `subspaces` not 1 to `dims`, or above [`Residual::MOST`].
    pub fn train(
        metric: Metric,
        dims: usize,
        subspaces: usize,
        residuals: &[f32],
        seed: u64,
        task: &Task,
    ) -> Result<Self, Aborted> {
        assert!((1..=dims.min(Self::MOST)).contains(&subspaces), "{subspaces} sub-spaces of {dims} dimensions");
        assert_eq!(residuals.len() % dims, 0, "residuals that are not whole rows");
        let chosen = Random::new(seed).choose(residuals.len() / dims, Self::SAMPLE_ROWS);
        let done = AtomicU64::new(0);
        let words: Result<Vec<Vec<f32>>, Aborted> = (0..subspaces)
            .into_par_iter()
            .map(|s| {
                let span = span(dims, subspaces, s);
                let rows = chosen.iter().map(|&row| &residuals[row as usize * dims..][span.clone()]);
                let part: Vec<f32> = rows.flatten().copied().collect();
                let seed = Random::stream(seed, s as u64).next_u64();
                let words = kmeans(&part, chosen.len(), span.len(), WORDS, seed, KMeansOptions { iterations: ITERATIONS }, task)?;
                task.report("train", done.fetch_add(1, Ordering::Relaxed) + 1, subspaces as u64);
                Ok(transpose(&words.centroids, WORDS, span.len()))
            })
            .collect();
        // The squares of rows beyond 1e19 overflow, and even what they train must read back.
        let finite = |value: f32| if value.is_finite() { value } else { 0.0 };
        Ok(Self { metric, dims, subspaces, words: words?.concat().into_iter().map(finite).collect() })
    }

    /// Half bytes of a code.
    pub fn subspaces(&self) -> usize {
        self.subspaces
    }

    /// Values of a row.
    pub fn dims(&self) -> usize {
        self.dims
    }

    /// Whether rows have a term beside their code: see [`Residual::encode`].
    pub fn has_terms(&self) -> bool {
        self.metric == Metric::L2
    }

    /// Heap bytes held.
    pub fn memory(&self) -> usize {
        self.words.capacity() * size_of::<f32>()
    }

    fn span(&self, s: usize) -> Range<usize> {
        span(self.dims, self.subspaces, s)
    }

    fn table(&self, s: usize) -> &[f32] {
        let span = self.span(s);
        &self.words[span.start * WORDS..span.end * WORDS]
    }

    /// Encodes a row of the list of `centroid`: a number below 16 a sub-space into `code`. Gives the row's term, which is
    /// what its estimates have besides what the query's tables give; 0 where the metric has none.
    ///
    /// # Panics
    /// If a length differs.
    pub fn encode(&self, row: &[f32], centroid: &[f32], scratch: &mut ResidualScratch, code: &mut [u8]) -> f32 {
        assert!(row.len() == self.dims && centroid.len() == self.dims, "row or centroid of other dimensions");
        assert_eq!(code.len(), self.subspaces, "a code of another length");
        scratch.residual.clear();
        scratch.residual.extend(row.iter().zip(centroid).map(|(x, c)| x - c));
        // Squared distances err by the error's part along the query less the centroid, which is near the residual.
        let along = if self.metric == Metric::L2 { scratch.residual.clone() } else { row.to_vec() };
        scratch.direction = unit(along);
        self.errors(scratch);
        self.choose(scratch, code);
        if self.has_terms() { self.term(scratch, centroid, code) } else { 0.0 }
    }

    /// The errors of every word of every sub-space.
    fn errors(&self, scratch: &mut ResidualScratch) {
        let kernels = kernels();
        scratch.squares.resize(self.subspaces * WORDS, 0.0);
        scratch.along.resize(self.subspaces * WORDS, 0.0);
        let pieces = scratch.squares.chunks_exact_mut(WORDS).zip(scratch.along.chunks_exact_mut(WORDS));
        for (s, (squares, along)) in pieces.enumerate() {
            let (span, table) = (self.span(s), self.table(s));
            let (residual, direction) = (&scratch.residual[span.clone()], &scratch.direction[span]);
            kernels.table_l2(residual, table, WORDS, squares);
            kernels.table_dot(direction, table, WORDS, along);
            let own: f32 = residual.iter().zip(direction).map(|(r, u)| r * u).sum();
            along.iter_mut().for_each(|along| *along = own - *along);
        }
    }

    /// The words of least loss, one sub-space after the other until none changes: coordinate descent from the nearest words.
    fn choose(&self, scratch: &ResidualScratch, code: &mut [u8]) {
        let weight = (self.dims as f32 - 1.0) * NEAR * NEAR / (1.0 - NEAR * NEAR) - 1.0;
        kernels().choose_words(&scratch.squares, &scratch.along, weight, ROUNDS, code);
    }

    /// `|r|^2 + 2 c . r'` with the decoded residual `r'`: then `|q - c|^2 - 2 q . r'` is all that depends on the query, and
    /// the estimate errs by `2 (q - c) . (r - r')`.
    fn term(&self, scratch: &mut ResidualScratch, centroid: &[f32], code: &[u8]) -> f32 {
        let ResidualScratch { residual, decoded, .. } = scratch;
        decoded.clear();
        for (s, &word) in code.iter().enumerate() {
            decoded.extend(self.table(s)[usize::from(word)..].iter().step_by(WORDS));
        }
        let sum = kernels().exact_dot_f32(residual, residual) + 2.0 * kernels().exact_dot_f32(centroid, decoded);
        // Beyond f32 a row is far, and must be found all the same where there is no nearer one.
        (sum as f32).clamp(f32::MIN, f32::MAX)
    }

    /// The row that a code of the list of `centroid` stands for.
    ///
    /// # Panics
    /// If a length differs.
    pub fn decode(&self, code: &[u8], centroid: &[f32], out: &mut [f32]) {
        assert!(out.len() == self.dims && centroid.len() == self.dims, "row or centroid of other dimensions");
        assert_eq!(code.len(), self.subspaces, "a code of another length");
        for (s, &word) in code.iter().enumerate() {
            for (j, at) in self.span(s).enumerate() {
                out[at] = centroid[at] + self.table(s)[j * WORDS + usize::from(word)];
            }
        }
    }

    /// Makes the tables of a query. Estimates are then `base + term + what the tables give`, with the base of a
    /// row's list: see [`bases`](Self::bases).
    ///
    /// # Panics
    /// If `query` is not of `dims` values.
    pub fn tables(&self, query: &[f32], values: &mut Vec<f32>, tables: &mut NibbleTables) {
        assert_eq!(query.len(), self.dims, "a query of other dimensions");
        let kernels: &Kernels = kernels();
        let weight = if self.metric == Metric::L2 { -2.0 } else { -1.0 };
        values.resize(self.subspaces * WORDS, 0.0);
        for (s, values) in values.chunks_exact_mut(WORDS).enumerate() {
            kernels.table_dot(&query[self.span(s)], self.table(s), WORDS, values);
            values.iter_mut().for_each(|value| *value *= weight);
        }
        kernels.fit_tables(values, tables);
    }

    /// What all rows of a list have in common, the distance of the query to its centroid, for each of `lists`. `centroids`
    /// are rows of `dims` f32.
    ///
    /// # Panics
    /// If there is no such list, or the lengths differ.
    pub fn bases(&self, query: &[f32], centroids: Strided<'_>, lists: &[u32], bases: &mut [f32]) {
        match self.metric {
            Metric::L2 => kernels().gather_l2_f32(query, centroids, lists, bases),
            Metric::Cosine | Metric::Dot => {
                kernels().gather_dot_f32(query, centroids, lists, bases);
                bases.iter_mut().for_each(|base| *base = 1.0 - *base);
            }
        }
    }

    /// The terms of rows as a scan wants them.
    pub fn factors<'a>(&self, terms: &'a [f32]) -> Factors<'a> {
        if self.has_terms() { Factors::Add(terms) } else { Factors::None }
    }

    /// Writes it so that [`read`](Self::read) gives it back to the bit.
    pub fn write(&self, w: &mut Writer) {
        w.u32(self.subspaces as u32);
        w.f32s(&self.words);
    }

    /// Reads what [`write`](Self::write) wrote, for rows of `dims` values.
    ///
    /// # Errors
    /// Where the bytes are not such a codec's.
    pub fn read(metric: Metric, dims: usize, r: &mut Reader) -> Result<Self, Error> {
        let subspaces = r.u32()? as usize;
        if !(1..=dims.min(Self::MOST)).contains(&subspaces) {
            return Err(r.error(format!("{subspaces} sub-spaces of {dims} dimensions")));
        }
        Ok(Self { metric, dims, subspaces, words: finite_row(r, dims * WORDS, "words of residuals")? })
    }
}

fn unit(mut row: Vec<f32>) -> Vec<f32> {
    crate::rows::to_unit(&mut row);
    row
}

#[cfg(test)]
mod tests;
