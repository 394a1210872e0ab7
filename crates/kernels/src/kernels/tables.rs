//! The inner loops of k-means and product quantisation, selecting, and prefetch.

use super::{Kernels, same_len};
use crate::ops::{picked, words};
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

    /// Chooses one of 16 words for each sub-space, so that the sum of `squares` of the chosen and `weight` times the square of the
    /// sum of their `along` is small: coordinate descent from the words of the least squares, `rounds` times over all sub-spaces or
    /// until none changes. Of equal ones the first. What is not a number is not chosen where anything else is.
    ///
    /// # Panics
    /// If `squares` or `along` have other than 16 numbers a sub-space.
    pub fn choose_words(&self, squares: &[f32], along: &[f32], weight: f32, rounds: usize, code: &mut [u8]) {
        same_len(squares.len(), code.len() * words::WORDS);
        same_len(along.len(), squares.len());
        // SAFETY: a Kernels is made only where the CPU has its instructions; the lengths are checked.
        unsafe { (self.floats.choose_words)(squares, along, weight, rounds, code) }
    }

    /// Writes the keys ([`sort_key`]) of the places that are marked, 32 a number, to `to`, in their order, and gives how many there
    /// are. Places with row `u32::MAX` are left out. What stands in `to` behind the keys does not matter.
    ///
    /// # Panics
    /// If `distances` and `rows` have other than 32 places a mark, or `to` fewer.
    #[inline]
    pub fn pick(&self, marks: &[u32], distances: &[f32], rows: &[u32], to: &mut [u64]) -> usize {
        let places = marks.len() * picked::PLACES;
        same_len(distances.len(), places);
        same_len(rows.len(), places);
        assert!(to.len() >= places, "room for {} keys of {places} places", to.len());
        // SAFETY: a Kernels is made only where the CPU has its instructions; the lengths are checked.
        unsafe { (self.floats.pick)(marks, distances, rows, to) }
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

/// A number that orders as (distance, row) do, distances by their total order; all that are not a number come last and are alike.
#[inline]
pub fn sort_key(distance: f32, row: u32) -> u64 {
    let bits = distance.to_bits();
    let ordered = if distance.is_nan() { u32::MAX } else { bits ^ ((bits.cast_signed() >> 31).cast_unsigned() | 1 << 31) };
    u64::from(ordered) << 32 | u64::from(row)
}

/// The distance and the row of a key.
#[inline]
pub fn of_sort_key(key: u64) -> (f32, u32) {
    let ordered = (key >> 32) as u32;
    let bits = ordered ^ (((!ordered).cast_signed() >> 31).cast_unsigned() | 1 << 31);
    (f32::from_bits(bits), key as u32)
}
