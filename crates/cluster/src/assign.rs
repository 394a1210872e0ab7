use crate::matrix::product;
use crate::{Centroids, transpose};
use kernels::{Kernels, Simd, kernels};
use rayon::prelude::*;
use task::{Aborted, Task};

/// Up to so many values a row, a table of distances row by row beats a matrix product (measured for 256 centroids).
fn table_dims(simd: Simd) -> usize {
    if simd >= Simd::Avx512 { 16 } else { 6 }
}

/// Rows of one block of the product, and centroids of one tile: their scores stay in the second-level cache.
const BLOCK: usize = 128;
const TILE: usize = 1024;
/// Rows of one parallel piece.
const PIECE: usize = 1024;

/// Finds the nearest (squared L2) of `k` fixed centroids for many rows. Ties go to the lower number.
pub struct Assigner {
    k: usize,
    d: usize,
    kernels: &'static Kernels,
    method: Method,
}

enum Method {
    /// The distances themselves, over transposed centroids.
    Table { transposed: Vec<f32> },
    /// `|x - c|^2 / 2` less what all centroids share is `bias[c] - x . c`. The centroids are shifted by
    /// their mean, so that rows far from the origin lose no digits to it; they lie transposed, tile by tile.
    Product { tiles: Vec<f32>, bias: Vec<f32> },
}

/// Buffers of one thread for [`Assigner::nearest`].
#[derive(Default)]
pub struct Scratch {
    scores: Vec<f32>,
    best: Vec<(f32, u32)>,
}

impl Assigner {
    /// For `centroids` of `k` x `d` values; `k` and `d` at least 1.
    pub fn new(centroids: &[f32], k: usize, d: usize) -> Self {
        assert!(k > 0 && d > 0 && centroids.len() == k * d, "centroids are not k x d");
        let kernels = kernels();
        let method = if d <= table_dims(kernels.simd()) {
            Method::Table { transposed: transpose(centroids, k, d) }
        } else {
            let (shifted, bias) = shift(centroids, k, d);
            let tiles = shifted.chunks(TILE * d).flat_map(|tile| transpose(tile, tile.len() / d, d)).collect();
            Method::Product { tiles, bias }
        };
        Self { k, d, kernels, method }
    }

    /// Calls `found(row, centroid)` for every row (`d` values each) in order. On the calling thread.
    pub fn nearest(&self, rows: &[f32], scratch: &mut Scratch, mut found: impl FnMut(usize, u32)) {
        assert_eq!(rows.len() % self.d, 0, "rows are not of d values");
        match &self.method {
            Method::Table { transposed } => {
                scratch.scores.resize(self.k, 0.0);
                for (i, row) in rows.chunks_exact(self.d).enumerate() {
                    self.kernels.table_l2(row, transposed, self.k, &mut scratch.scores);
                    found(i, self.kernels.argmin(&scratch.scores) as u32);
                }
            }
            Method::Product { tiles, bias } => {
                for (b, block) in rows.chunks(BLOCK * self.d).enumerate() {
                    self.best_of_block(block, tiles, bias, scratch);
                    for (i, &(_, centroid)) in scratch.best.iter().enumerate() {
                        found(b * BLOCK + i, centroid);
                    }
                }
            }
        }
    }

    /// Leaves the best centroid of every row of `block` in `scratch.best`.
    fn best_of_block(&self, block: &[f32], tiles: &[f32], bias: &[f32], scratch: &mut Scratch) {
        let Scratch { scores, best } = scratch;
        best.clear();
        best.resize(block.len() / self.d, (f32::INFINITY, 0));
        for (t, tile) in tiles.chunks(TILE * self.d).enumerate() {
            let first = t * TILE;
            let width = tile.len() / self.d;
            scores.resize(best.len() * width, 0.0);
            product(block, tile, self.d, scores);
            for (best, scores) in best.iter_mut().zip(scores.chunks_exact_mut(width)) {
                for (score, bias) in scores.iter_mut().zip(&bias[first..]) {
                    *score = bias - *score;
                }
                let at = self.kernels.argmin(scores);
                if scores[at] < best.0 {
                    *best = (scores[at], (first + at) as u32);
                }
            }
        }
    }
}

/// The centroids less their mean, and their biases (see [`Method::Product`]).
fn shift(centroids: &[f32], k: usize, d: usize) -> (Vec<f32>, Vec<f32>) {
    let mut mean = vec![0f64; d];
    for centroid in centroids.chunks_exact(d) {
        mean.iter_mut().zip(centroid).for_each(|(m, &c)| *m += f64::from(c) / k as f64);
    }
    let mut shifted = Vec::with_capacity(k * d);
    let mut bias = Vec::with_capacity(k);
    for centroid in centroids.chunks_exact(d) {
        let mut sum = 0f64;
        for (&c, &m) in centroid.iter().zip(&mean) {
            let off = f64::from(c) - m;
            sum += off * (0.5 * off + m);
            shifted.push(off as f32);
        }
        bias.push(sum as f32);
    }
    (shifted, bias)
}

/// The nearest centroid of each of `n` rows of `data`, into `out` (`n` numbers). On all threads of the current rayon pool.
pub fn assign(data: &[f32], n: usize, d: usize, centroids: &Centroids, out: &mut [u32], task: &Task) -> Result<(), Aborted> {
    assert!(data.len() == n * d && out.len() == n && d == centroids.d, "rows, centroids and labels differ in shape");
    assign_with(&Assigner::new(&centroids.centroids, centroids.k, d), data, out, task)
}

pub(crate) fn assign_with(assigner: &Assigner, data: &[f32], out: &mut [u32], task: &Task) -> Result<(), Aborted> {
    out.par_chunks_mut(PIECE).zip(data.par_chunks(PIECE * assigner.d)).try_for_each_init(
        Scratch::default,
        |scratch, (out, rows)| {
            task.check()?;
            assigner.nearest(rows, scratch, |row, centroid| out[row] = centroid);
            Ok(())
        },
    )
}
