//! Levels of some number of bits as codes hold them: a byte each, or packed.

use kernels::{Strided, kernels, pack_bits, packed_bytes, unpack_bits};

/// Levels of so many bits: 1 to 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Levels(u32);

impl Levels {
    pub const BYTES: Self = Self(8);
    pub const NIBBLES: Self = Self(4);

    /// # Panics
    /// If `bits` is not 1 to 8.
    pub fn of_bits(bits: u8) -> Self {
        assert!((1..=8).contains(&bits), "levels of {bits} bits");
        Self(u32::from(bits))
    }

    pub fn bits(self) -> u8 {
        self.0 as u8
    }

    /// The highest level; the lowest is 0.
    pub fn last(self) -> u8 {
        u8::MAX >> (8 - self.0)
    }

    fn are_bytes(self) -> bool {
        self == Self::BYTES
    }

    /// Bytes of `n` levels.
    #[inline]
    pub fn bytes(self, n: usize) -> usize {
        if self.are_bytes() { n } else { packed_bytes(n, self.0) }
    }

    pub fn pack(self, levels: &[u8], out: &mut [u8]) {
        if self.are_bytes() {
            out.copy_from_slice(levels);
        } else {
            pack_bits(levels, self.0, out);
        }
    }

    /// The first levels of `code`, as many as `out` is long.
    pub fn unpack(self, code: &[u8], out: &mut [u8]) {
        let code = &code[..self.bytes(out.len())];
        if self.are_bytes() {
            out.copy_from_slice(code);
        } else {
            unpack_bits(code, self.0, out);
        }
    }

    /// The product of `query` and the levels of `code`.
    #[inline]
    pub fn product(self, query: &[i8], code: &[u8]) -> i32 {
        let levels = &code[..self.bytes(query.len())];
        if self.are_bytes() { kernels().dot_u8_i8(levels, query) } else { kernels().dot_packed_i8(levels, query, self.0) }
    }

    /// The same of `rows` of `codes`.
    pub fn gather(self, query: &[i8], codes: Strided, rows: &[u32], out: &mut [i32]) {
        if self.are_bytes() {
            kernels().gather_dot_u8_i8(query, codes, rows, out);
        } else {
            kernels().gather_dot_packed_i8(query, self.0, codes, rows, out);
        }
    }

    /// The same of the rows from `start` on.
    pub fn scan(self, query: &[i8], codes: Strided, start: usize, out: &mut [i32]) {
        if self.are_bytes() {
            kernels().scan_dot_u8_i8(query, codes, start, out);
        } else {
            kernels().scan_dot_packed_i8(query, self.0, codes, start, out);
        }
    }
}
