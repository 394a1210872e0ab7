//! The orthogonal factor of a square matrix, by matrix products alone.

use cluster::matrix::{par_product, par_product_tn};

/// Rounds of Newton-Schulz at most: singular values grow by half a round until they are near 1, so that 40 rounds
/// lift those down to 1e-7 of the greatest.
const ROUNDS: usize = 40;
/// Greatest entry of `X^T X - 1` at which `X` counts as orthogonal and the rounds end.
const DONE: f32 = 3e-6;
/// The same, for a result that is still good enough when rounding keeps it from [`DONE`].
const GOOD: f32 = 5e-5;

/// An upper bound of the greatest singular value: `sqrt(greatest row sum * greatest column sum)` of magnitudes.
pub(super) fn norm_bound(matrix: &[f32], dims: usize) -> f32 {
    let mut columns = vec![0f32; dims];
    let mut greatest = 0f32;
    for row in matrix.chunks_exact(dims) {
        greatest = greatest.max(row.iter().map(|x| x.abs()).sum());
        columns.iter_mut().zip(row).for_each(|(sum, x)| *sum += x.abs());
    }
    (greatest * columns.iter().copied().fold(0.0, f32::max)).sqrt()
}

/// The orthogonal matrix nearest to `matrix` (`dims` x `dims`): `U V^T` of its singular value decomposition.
/// `None` where it is not found, as for a singular matrix.
///
/// Newton-Schulz: `X <- X (3 - X^T X) / 2` takes every singular value of at most `sqrt(3)` to 1 and leaves the
/// singular vectors as they are (Higham, "Functions of Matrices", 2008, section 8.3).
pub(super) fn orthogonal_factor(mut matrix: Vec<f32>, dims: usize) -> Option<Vec<f32>> {
    let bound = norm_bound(&matrix, dims);
    if !(bound.is_finite() && bound > 0.0) {
        return None;
    }
    matrix.iter_mut().for_each(|x| *x /= bound);
    let mut gram = vec![0.0; dims * dims];
    let mut next = vec![0.0; dims * dims];
    for _ in 0..ROUNDS {
        par_product_tn(&matrix, &matrix, dims, &mut gram);
        if off_identity(&gram, dims) < DONE {
            return Some(matrix);
        }
        for (at, value) in gram.iter_mut().enumerate() {
            *value *= -0.5;
            if at % (dims + 1) == 0 {
                *value += 1.5;
            }
        }
        // The bracket is its own transpose.
        par_product(&matrix, &gram, dims, &mut next);
        std::mem::swap(&mut matrix, &mut next);
    }
    par_product_tn(&matrix, &matrix, dims, &mut gram);
    (off_identity(&gram, dims) < GOOD).then_some(matrix)
}

/// The greatest distance of an entry from the identity's.
fn off_identity(gram: &[f32], dims: usize) -> f32 {
    let off = |(at, &value): (usize, &f32)| (value - if at % (dims + 1) == 0 { 1.0 } else { 0.0 }).abs();
    // Written so that NaN is as far as can be.
    gram.iter().enumerate().map(off).fold(0.0, |most, off| if off <= most { most } else { off })
}
