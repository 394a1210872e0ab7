//! The seam between what walks over rows and what knows how near they are.

/// Scores rows against a query that is already inside. Scores are (estimates of) distances: smaller is nearer.
pub trait Scorer {
    /// Writes the distance of row `rows[i]` to `out[i]`.
    ///
    /// # Panics
    /// If the lengths differ or a row does not exist.
    fn score(&mut self, rows: &[u32], out: &mut [f32]);

    /// The distance of one row.
    ///
    /// # Panics
    /// If it does not exist.
    fn score_one(&mut self, row: u32) -> f32 {
        let mut out = [0.0];
        self.score(&[row], &mut out);
        out[0]
    }

    /// Writes the distance of row `start + i` to `out[i]`.
    ///
    /// # Panics
    /// If a row of `start..start + out.len()` does not exist.
    fn score_range(&mut self, start: u32, out: &mut [f32]);
}
