//! Clustering: k-means, and the two small tools it shares with the quantisers, [`matrix`] products and seeded [`Random`] choice.
//!
//! Everything here gives the same bits for the same input and seed, whatever the number of threads: rows are
//! cut into blocks whose size depends on the problem only, and sums are taken in row order.
#![forbid(unsafe_code)]

mod assign;
mod kmeans;
pub mod matrix;
mod random;
mod two_level;

#[cfg(test)]
mod tests;

pub use assign::{Assigner, Scratch, assign};
pub use kmeans::{Centroids, KMeansOptions, kmeans, refine};
pub use random::Random;
pub use two_level::kmeans_two_level;

/// The transpose (`d` x `k`) of `k` centroids of `d` values, as `kernels::Kernels::table_l2` wants them:
/// `out[j * k + c] = centroids[c * d + j]`.
pub fn transpose(centroids: &[f32], k: usize, d: usize) -> Vec<f32> {
    assert_eq!(centroids.len(), k * d, "centroids are not k x d");
    let mut out = vec![0.0; k * d];
    for (c, centroid) in centroids.chunks_exact(d.max(1)).enumerate() {
        for (j, &value) in centroid.iter().enumerate() {
            out[j * k + c] = value;
        }
    }
    out
}
