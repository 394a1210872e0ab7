//! A matrix that queries of bytes are multiplied with.

use super::{Kernels, same_len};
use crate::ops::matrix::{Line, ROWS, VALUES};

/// Rows of signed bytes, laid out to be multiplied with one query after another: see [`Kernels::multiply`].
#[derive(Debug, Clone, PartialEq)]
pub struct ByteMatrix {
    lines: Vec<Line>,
    rows: usize,
    /// Values of a row, filled up to whole fours.
    values: usize,
}

impl ByteMatrix {
    /// Of rows of `values` bytes each, one after the other.
    ///
    /// # Panics
    /// If `rows` is not whole rows of at least one value.
    pub fn new(rows: &[i8], values: usize) -> Self {
        assert!(values > 0 && rows.len().is_multiple_of(values), "{} bytes in rows of {values}", rows.len());
        let (count, filled) = (rows.len() / values, values.next_multiple_of(VALUES));
        let blocks = count.div_ceil(ROWS);
        let mut lines = vec![Line([0; ROWS * VALUES]); blocks * filled / VALUES];
        for (r, row) in rows.chunks_exact(values).enumerate() {
            for (j, &value) in row.iter().enumerate() {
                lines[j / VALUES * blocks + r / ROWS].0[r % ROWS * VALUES + j % VALUES] = value;
            }
        }
        Self { lines, rows: count, values: filled }
    }

    /// Numbers that a query has: those of a row, filled up to a multiple of 4 with any.
    pub fn query_len(&self) -> usize {
        self.values
    }

    /// Numbers that a product has: the rows, filled up to a multiple of 16 with zeros.
    pub fn product_len(&self) -> usize {
        self.rows.next_multiple_of(ROWS)
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        self.lines.capacity() * size_of::<Line>()
    }
}

impl Kernels {
    /// `out[r] = Σ q[j] * row r [j]`, exact modulo 2^32.
    ///
    /// # Panics
    /// If `q` is not [`ByteMatrix::query_len`] long, or `out` not [`ByteMatrix::product_len`].
    #[inline]
    pub fn multiply(&self, q: &[u8], matrix: &ByteMatrix, out: &mut [i32]) {
        same_len(q.len(), matrix.query_len());
        same_len(out.len(), matrix.product_len());
        // SAFETY: a Kernels is made only where the CPU has its instructions; `new` makes whole lines for these lengths.
        unsafe { (self.bytes.multiply)(q, &matrix.lines, out) }
    }
}
