//! The inner loops of k-means and product quantisation, and prefetch.

use super::{Kernels, same_len};
use crate::prefetch;

#[track_caller]
fn check_table(q: &[f32], cent_t: &[f32], k: usize, out: &[f32]) {
    assert!(
        q.len().checked_mul(k) == Some(cent_t.len()),
        "{} centroid values for {} dimensions of {k} centroids",
        cent_t.len(),
        q.len()
    );
    same_len(out.len(), k);
}

impl Kernels {
    /// Squared distances of `q` to each of `k` centroids, which lie transposed: value `j` of centroid `c` is
    /// `cent_t[j * k + c]`. A centroid's terms are added in the order of `j`.
    ///
    /// # Panics
    /// If `cent_t.len()` is not `q.len() * k` or `out.len()` is not `k`.
    #[inline]
    pub fn table_l2(&self, q: &[f32], cent_t: &[f32], k: usize, out: &mut [f32]) {
        check_table(q, cent_t, k, out);
        // SAFETY: a Kernels is made only where the CPU has its instructions; the lengths are checked.
        unsafe { (self.floats.table_l2)(q, cent_t, k, out) }
    }

    /// Dot products of `q` and each of `k` centroids, laid out as for [`Kernels::table_l2`].
    ///
    /// # Panics
    /// If `cent_t.len()` is not `q.len() * k` or `out.len()` is not `k`.
    #[inline]
    pub fn table_dot(&self, q: &[f32], cent_t: &[f32], k: usize, out: &mut [f32]) {
        check_table(q, cent_t, k, out);
        // SAFETY: a Kernels is made only where the CPU has its instructions; the lengths are checked.
        unsafe { (self.floats.table_dot)(q, cent_t, k, out) }
    }

    /// The position of the smallest number, the first of equals. NaN never wins unless there is nothing else: then
    /// it is 0.
    ///
    /// # Panics
    /// If `x` is empty.
    #[inline]
    pub fn argmin(&self, x: &[f32]) -> usize {
        assert!(!x.is_empty(), "the smallest of no numbers");
        // SAFETY: a Kernels is made only where the CPU has its instructions.
        unsafe { (self.floats.argmin)(x) }
    }

    /// Makes every number of `x` infinite that is above the limit at its place, and gives the smallest that is left:
    /// infinity if none is. No number is above NaN, and NaN above none.
    ///
    /// # Panics
    /// If `limits` is not as long as `x`.
    #[inline]
    pub fn drop_above(&self, x: &mut [f32], limits: &[f32]) -> f32 {
        same_len(x.len(), limits.len());
        // SAFETY: a Kernels is made only where the CPU has its instructions; the lengths are checked.
        unsafe { (self.floats.drop_above)(x, limits) }
    }

    /// Puts `new` where it belongs in `x`, which ascends but for its last place: that is free, whatever stands there.
    #[inline]
    pub fn insert_sorted(&self, x: &mut [i64], new: i64) {
        // SAFETY: a Kernels is made only where the CPU has its instructions.
        unsafe { (self.floats.insert_sorted)(x, new) }
    }

    /// Asks for all cache lines of `bytes`, without waiting for them.
    #[inline]
    pub fn prefetch(&self, bytes: &[u8]) {
        prefetch::span(bytes.as_ptr(), bytes.len());
    }

    /// Asks for the start of `bytes`, which are about to be read in their order: `lead` of them, or all where the processor can
    /// have so many lines under way.
    #[inline]
    pub fn prefetch_start(&self, bytes: &[u8], lead: usize) {
        prefetch::start(bytes, lead);
    }
}
