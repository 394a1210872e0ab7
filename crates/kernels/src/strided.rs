//! Rows of one size in one buffer.

/// `rows` records of `stride` bytes each, one after the other in one buffer. Nothing is asked of its alignment.
#[derive(Debug, Clone, Copy)]
pub struct Strided<'a> {
    bytes: &'a [u8],
    stride: usize,
    rows: usize,
}

impl<'a> Strided<'a> {
    /// Views the first `rows * stride` bytes of `bytes` as rows.
    ///
    /// # Panics
    /// If `bytes` is shorter than that.
    pub fn new(bytes: &'a [u8], stride: usize, rows: usize) -> Self {
        let needed = rows.checked_mul(stride);
        assert!(
            needed.is_some_and(|needed| needed <= bytes.len()),
            "{rows} rows of {stride} bytes do not fit in {} bytes",
            bytes.len()
        );
        Strided { bytes, stride, rows }
    }

    /// Row `i`, all of its stride.
    ///
    /// # Panics
    /// If there is no row `i`.
    pub fn row(&self, i: usize) -> &'a [u8] {
        assert!(i < self.rows, "row {i} of {}", self.rows);
        &self.bytes[i * self.stride..][..self.stride]
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Bytes from one row's start to the next one's.
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// The whole buffer, as it was given to [`Strided::new`].
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }
}
