//! Learning the rotation in front of product quantisation.
//!
//! Ge, He, Ke, Sun: "Optimized Product Quantization" (2013). The non-parametric solution (words and rotation in turns)
//! starts from the parametric one (principal axes dealt out so that the sub-spaces have equal products of variances) or
//! from the dimensions as they are, whichever has the smaller error. Above [`WHOLE`] dimensions only the parametric
//! one is computed, in blocks of neighbouring dimensions.

use super::polar;
use super::words::{Words, span};
use crate::rotation::{Block, Rotation};
use cluster::matrix::{par_product, par_product_tn};
use nalgebra::{DMatrix, SymmetricEigen};
use rayon::prelude::*;
use task::{Aborted, Task};

/// Dimensions that are rotated by one matrix at most. Eigenvectors take 2 s at 1,024 and eight times as long for twice as many.
const WHOLE: usize = 1024;
/// Rows that starts and turns work with at most: enough for a rotation; words are trained on more rows afterwards.
pub(super) const ROWS: usize = 1 << 14;
/// Rounds of k-means that give a start its words.
const FIRST_ITERATIONS: usize = 6;
/// Turns at most; how many are worth their time for wide rows follows from the operations they take.
const TURNS: usize = 16;
/// Floating-point operations of all turns, about: 5 to 10 seconds of two cores.
const OPERATIONS: u64 = 500_000_000_000;
/// Rows of one parallel piece.
const PIECE: usize = 256;
/// Weight of the previous rotation in the next one, relative to the strongest direction. Directions without
/// variance (constant dimensions) have no rotation of their own; they keep the previous one.
const KEEP: f32 = 1e-3;

/// A rotation for centred `rows`, with `words` of its space that are a start for the final ones.
pub(super) fn learn(rows: &[f32], words: &mut Words, seed: u64, task: &Task) -> Result<Rotation, Aborted> {
    let dims = words.dims();
    let rows = thinned(rows, dims);
    task.check()?;
    let principal = parametric(&rows, dims, words.bytes(), task)?;
    let mut rotated = vec![0.0; rows.len()];
    rotate(&principal, dims, &rows, &mut rotated);
    task.check()?;
    words.learn(&rotated, FIRST_ITERATIONS, "start", seed, task)?;
    let Some(mut matrix) = principal.as_whole() else { return Ok(principal) };
    // Where neighbouring dimensions belong together already, as in images, turning nothing is the better start.
    let mut plain = Words::zeros(dims, words.bytes());
    plain.learn(&rows, FIRST_ITERATIONS, "start", seed, task)?;
    if plain.error(&rows) < words.error(&rotated) {
        *words = plain;
        matrix = identity(dims);
        rotated.copy_from_slice(&rows);
    }
    take_turns(&rows, &mut rotated, words, &mut matrix, task)?;
    Ok(Rotation::whole(dims, matrix))
}

/// At most [`ROWS`] of the rows, evenly spread.
fn thinned(rows: &[f32], dims: usize) -> Vec<f32> {
    let n = rows.len() / dims;
    let most = n.min(ROWS);
    (0..most).flat_map(|i| rows[i * n / most * dims..][..dims].iter().copied()).collect()
}

/// Improves words for the rotated rows, then the rotation for the words, and again.
fn take_turns(rows: &[f32], rotated: &mut [f32], words: &mut Words, matrix: &mut Vec<f32>, task: &Task) -> Result<(), Aborted> {
    let dims = words.dims();
    let n = rows.len() / dims;
    let mut codes = vec![0; n * words.bytes()];
    let turns = turns(n, dims);
    for turn in 0..turns {
        task.check()?;
        words.par_encode(rotated, &mut codes);
        words.centre(rotated, &codes);
        task.check()?;
        words.par_decode(&codes, rotated);
        let next = procrustes(rows, rotated, matrix, dims);
        let found = next.is_some();
        *matrix = next.unwrap_or_else(|| std::mem::take(matrix));
        task.check()?;
        par_product(rows, matrix, dims, rotated);
        task.report("rotate", turn as u64 + 1, turns as u64);
        if !found {
            break;
        }
    }
    Ok(())
}

/// As many turns as [`OPERATIONS`] pay for, 2 at least.
fn turns(n: usize, dims: usize) -> usize {
    // Two products with the rows, a distance to each of 256 words, and some 20 rounds of two products of rotations.
    let (n, dims) = (n as u64, dims as u64);
    let one = n * dims * (4 * dims + 3 * 256) + 80 * dims.pow(3);
    (OPERATIONS / one.max(1)).clamp(2, TURNS as u64) as usize
}

pub(super) fn rotate(rotation: &Rotation, dims: usize, rows: &[f32], out: &mut [f32]) {
    rows.par_chunks(PIECE * dims).zip(out.par_chunks_mut(PIECE * dims)).for_each(|(rows, out)| rotation.apply_many(rows, out));
}

/// The rotation `R` that brings `rows` nearest to `targets` (least `|targets - rows R|`): the orthogonal factor of
/// `rows^T targets`, pulled a little towards `previous`. `None` where no orthogonal factor was found.
fn procrustes(rows: &[f32], targets: &[f32], previous: &[f32], dims: usize) -> Option<Vec<f32>> {
    let mut product = vec![0.0; dims * dims];
    par_product_tn(rows, targets, rows.len() / dims, &mut product);
    let strongest = polar::norm_bound(&product, dims);
    if !(strongest.is_finite() && strongest > 0.0) {
        return None;
    }
    for (value, &previous) in product.iter_mut().zip(previous) {
        *value = *value / strongest + KEEP * previous;
    }
    polar::orthogonal_factor(product, dims)
}

/// One principal axis of a block.
struct Axis {
    variance: f64,
    block: usize,
    column: usize,
}

/// The parametric solution: principal axes of each block, all axes dealt out to the sub-spaces.
fn parametric(rows: &[f32], dims: usize, bytes: usize, task: &Task) -> Result<Rotation, Aborted> {
    let count = dims.div_ceil(WHOLE);
    let found: Result<Vec<_>, Aborted> = (0..count)
        .into_par_iter()
        .map(|b| {
            task.check()?;
            let span = span(dims, count, b);
            Ok((span.clone(), principal_axes(&columns(rows, dims, span.clone()), span.len())))
        })
        .collect();
    let mut axes = Vec::with_capacity(dims);
    let mut blocks = Vec::with_capacity(count);
    for (block, (span, (variances, matrix))) in found?.into_iter().enumerate() {
        axes.extend(variances.into_iter().enumerate().map(|(column, variance)| Axis { variance, block, column }));
        let from: Vec<u32> = (span.start as u32..span.end as u32).collect();
        blocks.push(Block { to: vec![0; from.len()], from, matrix });
    }
    for (axis, to) in deal(axes, dims, bytes) {
        blocks[axis.block].to[axis.column] = to as u32;
    }
    Ok(Rotation::new(dims, blocks))
}

/// A range of columns.
fn columns(rows: &[f32], dims: usize, span: std::ops::Range<usize>) -> Vec<f32> {
    rows.chunks_exact(dims).flat_map(|row| row[span.clone()].iter().copied()).collect()
}

/// Variances along, and directions of (as columns), the principal axes of centred `rows`. Where the decomposition
/// does not converge, the dimensions themselves.
fn principal_axes(rows: &[f32], dims: usize) -> (Vec<f64>, Vec<f32>) {
    let n = rows.len() / dims;
    let mut covariance = vec![0.0; dims * dims];
    par_product_tn(rows, rows, n, &mut covariance);
    let symmetric =
        |i: usize, j: usize| (f64::from(covariance[i * dims + j]) + f64::from(covariance[j * dims + i])) / (2.0 * n as f64);
    let matrix = DMatrix::from_fn(dims, dims, symmetric);
    let scale = (0..dims).map(|i| matrix[(i, i)]).fold(0.0, f64::max);
    let converged = if scale > 0.0 && scale.is_finite() {
        SymmetricEigen::try_new(matrix.clone() / scale, f64::EPSILON, 64 * dims)
            .filter(|eigen| eigen.eigenvectors.iter().all(|x| x.is_finite()))
    } else {
        None
    };
    match converged {
        // nalgebra is column-major, a block row-major.
        Some(eigen) => (
            eigen.eigenvalues.iter().map(|v| v * scale).collect(),
            eigen.eigenvectors.transpose().as_slice().iter().map(|&x| x as f32).collect(),
        ),
        None => (matrix.diagonal().iter().copied().collect(), identity(dims)),
    }
}

fn identity(dims: usize) -> Vec<f32> {
    (0..dims * dims).map(|at| if at % (dims + 1) == 0 { 1.0 } else { 0.0 }).collect()
}

/// Deals the axes, widest first, each to the sub-space with room whose product of variances is least ("eigenvalue
/// allocation", Ge et al., section 3.2); gives each its place among all dimensions.
fn deal(mut axes: Vec<Axis>, dims: usize, bytes: usize) -> Vec<(Axis, usize)> {
    axes.sort_by(|a, b| b.variance.total_cmp(&a.variance).then((a.block, a.column).cmp(&(b.block, b.column))));
    // Relative to the least variance that matters, so that every factor is at least 1 and products only grow.
    let least = axes.first().map_or(0.0, |axis| axis.variance * 1e-9).max(f64::MIN_POSITIVE);
    let mut logs = vec![0f64; bytes];
    let mut used = vec![0; bytes];
    let dealt = axes.into_iter().map(|axis| {
        let room = |&s: &usize| used[s] < span(dims, bytes, s).len();
        let s = (0..bytes).filter(room).min_by(|&a, &b| logs[a].total_cmp(&logs[b])).expect("as many places as axes");
        let place = span(dims, bytes, s).start + used[s];
        logs[s] += (axis.variance.max(least) / least).ln();
        used[s] += 1;
        (axis, place)
    });
    dealt.collect()
}
