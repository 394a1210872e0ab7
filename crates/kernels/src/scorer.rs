//! The seam between what walks over rows and what knows how near they are.

/// Scores rows against a query that is already inside. Scores are (estimates of) distances: smaller is nearer.
pub trait Scorer {
    /// Writes the distance of row `rows[i]` to `out[i]`.
    ///
    /// # Panics
    /// If the lengths differ or a row does not exist.
    fn score(&mut self, rows: &[u32], out: &mut [f32]);

    /// Writes the distance of row `start + i` to `out[i]`.
    ///
    /// # Panics
    /// If a row of `start..start + out.len()` does not exist.
    fn score_range(&mut self, start: u32, out: &mut [f32]);

    /// A hint that `row` is likely to be scored soon.
    fn prefetch(&self, _row: u32) {}
}
