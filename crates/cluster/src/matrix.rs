//! Matrix products over row-major slices of `f32`.
//!
//! A row of [`product`] depends on that row alone and never on how many rows came with it, and no result depends on
//! the number of threads; so a vector gets the same code in whatever batch it arrives.
//!
//! The products themselves are matrixmultiply's, reached through nalgebra because this crate forbids unsafe code.
//! nalgebra 0.34.2 leaves the memory of a *first* factor whose columns are strided (its path for small shapes counts
//! their elements wrongly): every first factor and every result here has contiguous columns.

use nalgebra::{DMatrixView, DMatrixViewMut, Dyn};
use rayon::prelude::*;

/// Fewer rows than this take another path inside the product, with other rounding: they are padded.
const FEWEST_ROWS: usize = 8;
/// Rows of one parallel piece: enough to pay for packing the other factor.
const PIECE: usize = 256;
/// Result rows of one piece of `par_product_tn`.
const PANEL: usize = 64;

/// `c = a * b`: `a` is `n x k`, `b` is `k x m`, `c` becomes `n x m`. On the calling thread.
///
/// # Panics
/// If the shapes do not fit, or `k` is 0.
pub fn product(a: &[f32], b: &[f32], k: usize, c: &mut [f32]) {
    let (n, m) = shape(a, b, k, c);
    if n * m == 0 {
        return;
    }
    if n < FEWEST_ROWS {
        let mut padded = vec![0.0; FEWEST_ROWS * (k + m)];
        let (rows, out) = padded.split_at_mut(FEWEST_ROWS * k);
        rows[..a.len()].copy_from_slice(a);
        product(rows, b, k, out);
        c.copy_from_slice(&out[..c.len()]);
        return;
    }
    // nalgebra's matrices are column-major, so row-major slices are their transposes: c^T = b^T * a^T.
    let (a, b) = (DMatrixView::from_slice(a, k, n), DMatrixView::from_slice(b, m, k));
    DMatrixViewMut::from_slice(c, m, n).gemm(1.0, &b, &a, 0.0);
}

/// [`product`] on all threads of the current rayon pool.
///
/// # Panics
/// If the shapes do not fit, or `k` is 0.
pub fn par_product(a: &[f32], b: &[f32], k: usize, c: &mut [f32]) {
    let (n, m) = shape(a, b, k, c);
    if n * m == 0 {
        return;
    }
    a.par_chunks(PIECE * k).zip(c.par_chunks_mut(PIECE * m)).for_each(|(a, c)| product(a, b, k, c));
}

fn shape(a: &[f32], b: &[f32], k: usize, c: &[f32]) -> (usize, usize) {
    assert!(k > 0, "rows without values");
    let (n, m) = (a.len() / k, b.len() / k);
    assert!(a.len() == n * k && b.len() == m * k && c.len() == n * m, "shapes of a product differ");
    (n, m)
}

/// `c = a^T * b`: `a` is `n x k`, `b` is `n x m`, `c` becomes `k x m`. On all threads of the current rayon pool.
///
/// # Panics
/// If the shapes do not fit, or `n` is 0.
pub fn par_product_tn(a: &[f32], b: &[f32], n: usize, c: &mut [f32]) {
    assert!(n > 0, "no rows");
    let (k, m) = (a.len() / n, b.len() / n);
    assert!(a.len() == n * k && b.len() == n * m && c.len() == k * m, "shapes of a product differ");
    if k * m == 0 {
        return;
    }
    c.par_chunks_mut(PANEL * m).enumerate().for_each(|(panel, c)| {
        let (first, count) = (panel * PANEL, c.len() / m);
        // c^T = b^T * a, of which this panel is the columns `first..first + count`.
        let columns: DMatrixView<f32, Dyn, Dyn> = DMatrixView::from_slice_with_strides(&a[first..], n, count, k, 1);
        DMatrixViewMut::from_slice(c, m, count).gemm(1.0, &DMatrixView::from_slice(b, m, n), &columns, 0.0);
    });
}

/// `c = a^T * a` where `a`, of `n` rows, comes as `blocks` of neighbouring columns, each row-major: `c`, as wide as all of
/// them, is its own transpose. Little more than half of the work of [`par_product_tn`], on all threads of the current rayon
/// pool.
///
/// # Panics
/// If a block is not of `n` rows, or `c` of another width.
pub fn par_gram(blocks: &[Vec<f32>], n: usize, c: &mut [f32]) {
    let widths: Vec<usize> = blocks.iter().map(|block| block.len() / n).collect();
    let starts: Vec<usize> = (0..blocks.len()).map(|at| widths[..at].iter().sum()).collect();
    let k: usize = widths.iter().sum();
    assert!(blocks.iter().zip(&widths).all(|(block, width)| block.len() == n * width) && c.len() == k * k, "shapes differ");
    let pairs: Vec<(usize, usize)> = (0..blocks.len()).flat_map(|i| (i..blocks.len()).map(move |j| (i, j))).collect();
    let product = |&(i, j): &(usize, usize)| {
        let mut product = vec![0.0; widths[i] * widths[j]];
        // Its transpose is a_j^T * a_i.
        let a_j = DMatrixView::from_slice(&blocks[j], widths[j], n);
        let a_i: DMatrixView<f32, Dyn, Dyn> = DMatrixView::from_slice_with_strides(&blocks[i], n, widths[i], widths[i], 1);
        DMatrixViewMut::from_slice(&mut product, widths[j], widths[i]).gemm(1.0, &a_j, &a_i, 0.0);
        product
    };
    let products: Vec<Vec<f32>> = pairs.par_iter().map(product).collect();
    for (&(i, j), product) in pairs.iter().zip(&products) {
        for (row, values) in (starts[i]..).zip(product.chunks_exact(widths[j])) {
            for (column, &value) in (starts[j]..).zip(values) {
                (c[row * k + column], c[column * k + row]) = (value, value);
            }
        }
    }
}
