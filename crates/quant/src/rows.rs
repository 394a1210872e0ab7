//! What every codec does with raw rows: bring them to the metric's space, draw a sample, go through them in blocks.

use cluster::Random;
use kernels::{Metric, kernels};
use rayon::prelude::*;

/// Rows encoded at a time: one parallel piece, and few enough that their copies stay in the cache.
const BLOCK: usize = 256;

/// Divides `row` by its length. A row of zeros stays as it is.
pub(crate) fn to_unit(row: &mut [f32]) {
    let square = kernels().exact_dot_f32(row, row);
    if square > 0.0 {
        let share = 1.0 / square.sqrt();
        row.iter_mut().for_each(|x| *x = (f64::from(*x) * share) as f32);
    }
}

/// A copy of `rows` (`dims` values each) in the space that codes are about: for cosine every row of unit length.
pub(crate) fn prepared(metric: Metric, dims: usize, rows: &[f32]) -> Vec<f32> {
    let mut copy = rows.to_vec();
    prepare(metric, dims, &mut copy);
    copy
}

fn prepare(metric: Metric, dims: usize, rows: &mut [f32]) {
    if metric == Metric::Cosine {
        rows.chunks_exact_mut(dims).for_each(to_unit);
    }
}

/// At most `most` of the rows, chosen by `seed` and kept in order, prepared.
pub(crate) fn sample(metric: Metric, dims: usize, rows: &[f32], most: usize, seed: u64) -> Vec<f32> {
    let n = rows.len() / dims;
    let mut chosen = Vec::with_capacity(n.min(most) * dims);
    for row in Random::new(seed).choose(n, most) {
        chosen.extend_from_slice(&rows[row as usize * dims..][..dims]);
    }
    prepare(metric, dims, &mut chosen);
    chosen
}

/// The mean row, summed in `f64`; zeros for no rows.
pub(crate) fn mean(rows: &[f32], dims: usize) -> Vec<f32> {
    let mut sum = vec![0f64; dims];
    for row in rows.chunks_exact(dims) {
        sum.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
    }
    let share = 1.0 / (rows.len() / dims).max(1) as f64;
    sum.iter().map(|sum| (sum * share) as f32).collect()
}

/// Prepares `rows` block by block and hands each block to `encode` with its part of `out` (`code_bytes` a row).
/// Several blocks are encoded on all threads of the current rayon pool.
pub(crate) fn encode_blocks(
    metric: Metric,
    dims: usize,
    code_bytes: usize,
    rows: &[f32],
    out: &mut [u8],
    encode: impl Fn(&[f32], &mut [u8]) + Sync,
) {
    let n = rows.len() / dims;
    assert!(rows.len() == n * dims && out.len() == n * code_bytes, "rows and codes differ in shape");
    let block = |(rows, out): (&[f32], &mut [u8])| match metric {
        Metric::Cosine => encode(&prepared(metric, dims, rows), out),
        Metric::Dot | Metric::L2 => encode(rows, out),
    };
    if n <= BLOCK {
        // Handing a single block to another thread would cost more than encoding a few rows.
        block((rows, out));
    } else {
        rows.par_chunks(BLOCK * dims).zip(out.par_chunks_mut(BLOCK * code_bytes)).for_each(block);
    }
}
