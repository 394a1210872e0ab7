use crate::wire_form::finite_row;
use cluster::{Centroids, KMeansOptions, Random, kmeans, refine, transpose};
use kernels::kernels;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use task::{Aborted, Task};
use wire::{Error, Reader};

/// Words of a sub-space: as many as a byte can name.
pub(crate) const WORDS: usize = 256;
/// Rows of one parallel piece.
const PIECE: usize = 256;

/// The words of all sub-spaces: `bytes` runs of dimensions whose lengths differ by at most 1, 256 words in each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Words {
    dims: usize,
    bytes: usize,
    /// Sub-space after sub-space, each transposed: value `j` of word `w` at `j * 256 + w`.
    values: Vec<f32>,
}

impl Words {
    /// `0 < bytes <= dims`.
    pub fn zeros(dims: usize, bytes: usize) -> Self {
        Self { dims, bytes, values: vec![0.0; dims * WORDS] }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn dims(&self) -> usize {
        self.dims
    }

    pub fn memory(&self) -> usize {
        self.values.capacity() * 4
    }

    pub fn values(&self) -> &[f32] {
        &self.values
    }

    pub fn read(dims: usize, bytes: usize, r: &mut Reader) -> Result<Self, Error> {
        Ok(Self { dims, bytes, values: finite_row(r, dims * WORDS, "pq words")? })
    }

    /// The dimensions of sub-space `s`.
    pub fn span(&self, s: usize) -> Range<usize> {
        span(self.dims, self.bytes, s)
    }

    /// The transposed words of sub-space `s`.
    pub fn table(&self, s: usize) -> &[f32] {
        let span = self.span(s);
        &self.values[span.start * WORDS..span.end * WORDS]
    }

    /// The nearest words of rows of `dims` values, `bytes` a row. On the calling thread: for blocks of a few hundred rows.
    pub fn encode(&self, rows: &[f32], out: &mut [u8]) {
        let kernels = kernels();
        let mut distances = [0.0; WORDS];
        for s in 0..self.bytes {
            let (span, table) = (self.span(s), self.table(s));
            for (row, out) in rows.chunks_exact(self.dims).zip(out.chunks_exact_mut(self.bytes)) {
                kernels.table_l2(&row[span.clone()], table, WORDS, &mut distances);
                out[s] = kernels.argmin(&distances) as u8;
            }
        }
    }

    /// [`encode`](Self::encode) on all threads of the current rayon pool.
    pub fn par_encode(&self, rows: &[f32], out: &mut [u8]) {
        rows.par_chunks(PIECE * self.dims)
            .zip(out.par_chunks_mut(PIECE * self.bytes))
            .for_each(|(rows, out)| self.encode(rows, out));
    }

    /// [`decode`](Self::decode) for many rows, on all threads of the current rayon pool.
    pub fn par_decode(&self, codes: &[u8], out: &mut [f32]) {
        out.par_chunks_mut(self.dims)
            .zip(codes.par_chunks(self.bytes))
            .with_min_len(PIECE)
            .for_each(|(row, code)| self.decode(code, row));
    }

    /// Squared error of `rows` at their nearest words.
    pub fn error(&self, rows: &[f32]) -> f64 {
        let mut codes = vec![0; rows.len() / self.dims * self.bytes];
        self.par_encode(rows, &mut codes);
        let mut decoded = vec![0.0; self.dims];
        let pairs = rows.chunks_exact(self.dims).zip(codes.chunks_exact(self.bytes));
        pairs
            .map(|(row, code)| {
                self.decode(code, &mut decoded);
                row.iter().zip(&decoded).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
            })
            .sum()
    }

    pub fn decode(&self, code: &[u8], out: &mut [f32]) {
        for (s, &word) in code[..self.bytes].iter().enumerate() {
            let values = self.table(s)[usize::from(word)..].iter().step_by(WORDS);
            out[self.span(s)].iter_mut().zip(values).for_each(|(out, &value)| *out = value);
        }
    }

    /// Fresh words for `rows`, by k-means.
    pub fn learn(&mut self, rows: &[f32], iterations: usize, stage: &'static str, seed: u64, task: &Task) -> Result<(), Aborted> {
        self.each(rows, stage, task, |s, d, rows, _| {
            let seed = Random::stream(seed, s as u64).next_u64();
            kmeans(rows, rows.len() / d, d, WORDS, seed, KMeansOptions { iterations }, task)
        })
    }

    /// Better words for `rows`, by more rounds of k-means.
    pub fn refine(
        &mut self,
        rows: &[f32],
        iterations: usize,
        stage: &'static str,
        seed: u64,
        task: &Task,
    ) -> Result<(), Aborted> {
        self.each(rows, stage, task, |s, d, rows, table| {
            // Transposing the other way round.
            let centroids = transpose(table, d, WORDS);
            let mut words = Centroids { k: WORDS, d, centroids, counts: Vec::new() };
            let seed = Random::stream(seed, s as u64).next_u64();
            refine(rows, rows.len() / d, &mut words, seed, KMeansOptions { iterations }, task)?;
            Ok(words)
        })
    }

    /// Replaces the words of every sub-space by what `find(sub-space, its dims, its part of the rows, its table)` gives.
    fn each<F>(&mut self, rows: &[f32], stage: &'static str, task: &Task, find: F) -> Result<(), Aborted>
    where
        F: Fn(usize, usize, &[f32], &[f32]) -> Result<Centroids, Aborted> + Sync,
    {
        let done = AtomicU64::new(0);
        let found: Result<Vec<Vec<f32>>, Aborted> = (0..self.bytes)
            .into_par_iter()
            .map(|s| {
                let span = self.span(s);
                let part: Vec<f32> = rows.chunks_exact(self.dims).flat_map(|row| row[span.clone()].iter().copied()).collect();
                let words = find(s, span.len(), &part, self.table(s))?;
                task.report(stage, done.fetch_add(1, Ordering::Relaxed) + 1, self.bytes as u64);
                Ok(transpose(&words.centroids, WORDS, words.d))
            })
            .collect();
        self.values = found?.concat();
        Ok(())
    }

    /// Moves every word to the mean of the rows that have it in their codes; words that none has stay.
    pub fn centre(&mut self, rows: &[f32], codes: &[u8]) {
        let moved: Vec<Vec<f32>> = (0..self.bytes)
            .into_par_iter()
            .map(|s| {
                let (span, mut table) = (self.span(s), self.table(s).to_vec());
                let mut sums = vec![0f64; table.len()];
                let mut counts = [0u32; WORDS];
                for (row, code) in rows.chunks_exact(self.dims).zip(codes.chunks_exact(self.bytes)) {
                    let word = usize::from(code[s]);
                    counts[word] += 1;
                    let sum = &mut sums[word * span.len()..][..span.len()];
                    sum.iter_mut().zip(&row[span.clone()]).for_each(|(sum, &x)| *sum += f64::from(x));
                }
                for (word, &count) in counts.iter().enumerate().filter(|(_, count)| **count > 0) {
                    for j in 0..span.len() {
                        table[j * WORDS + word] = (sums[word * span.len() + j] / f64::from(count)) as f32;
                    }
                }
                table
            })
            .collect();
        self.values = moved.concat();
    }

    /// Moves all words of every sub-space by its part of `by` (`dims` values). What is not finite then becomes 0: the
    /// squares of rows beyond 1e19 overflow, and even what they train must read back.
    pub fn shift(&mut self, by: &[f32]) {
        for (values, &by) in self.values.chunks_exact_mut(WORDS).zip(by) {
            values.iter_mut().for_each(|value| *value = Some(*value + by).filter(|value| value.is_finite()).unwrap_or(0.0));
        }
    }
}

/// The dimensions of sub-space `s` of `bytes`.
pub(crate) fn span(dims: usize, bytes: usize, s: usize) -> Range<usize> {
    s * dims / bytes..(s + 1) * dims / bytes
}
