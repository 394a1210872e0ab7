//! Values of fewer bits than a byte has.

use super::rows::check;
use super::{Kernels, same_len};
use crate::Strided;
use crate::ops::packed::{self, piece_bytes, widths};
use crate::ops::rows::Pick;

/// Bytes of `n` values of `bits` bits, packed.
///
/// # Panics
/// If `bits` is not 1 to 7.
#[inline]
pub fn packed_bytes(n: usize, bits: u32) -> usize {
    assert!((1..8).contains(&bits), "values of {bits} bits");
    packed::bytes(n, bits)
}

/// Packs the lowest `bits` bits of each of `values` into `out`.
///
/// Pieces of 4, 2 and 1 bits, those that add up to `bits`, hold a value's bits from the highest down, all values of one piece
/// before those of the next. Of `n` values of `w` bits a piece has `b = ceil(n * w / 8)` bytes, and value `i` lies in byte `i % b`
/// from bit `w * (i / b)` on.
///
/// # Panics
/// If `bits` is not 1 to 7, or `out` is not [`packed_bytes`] long.
pub fn pack_bits(values: &[u8], bits: u32, out: &mut [u8]) {
    same_len(out.len(), packed_bytes(values.len(), bits));
    out.fill(0);
    let (mut rest, mut below) = (out, bits);
    for width in widths(bits) {
        let (piece, others) = rest.split_at_mut(piece_bytes(values.len(), width));
        below -= width;
        for (part, values) in values.chunks(piece.len().max(1)).enumerate() {
            for (byte, value) in piece.iter_mut().zip(values) {
                *byte |= (value >> below & mask(width)) << (part as u32 * width);
            }
        }
        rest = others;
    }
}

/// The values that [`pack_bits`] packed.
///
/// # Panics
/// If `bits` is not 1 to 7, or `packed` is not as long as `out`'s values take.
pub fn unpack_bits(packed: &[u8], bits: u32, out: &mut [u8]) {
    same_len(packed.len(), packed_bytes(out.len(), bits));
    out.fill(0);
    let mut rest = packed;
    for width in widths(bits) {
        let (piece, others) = rest.split_at(piece_bytes(out.len(), width));
        for (part, values) in out.chunks_mut(piece.len().max(1)).enumerate() {
            for (value, byte) in values.iter_mut().zip(piece) {
                *value = *value << width | byte >> (part as u32 * width) & mask(width);
            }
        }
        rest = others;
    }
}

fn mask(width: u32) -> u8 {
    (1 << width) - 1
}

impl Kernels {
    /// `Σ x·q` of `q.len()` values of `bits` bits as [`pack_bits`] packs them, in integers: exact up to 130,560 values.
    ///
    /// # Panics
    /// If `bits` is not 1 to 7, or `x` is not as long as the values take.
    #[inline]
    pub fn dot_packed_i8(&self, x: &[u8], q: &[i8], bits: u32) -> i32 {
        same_len(x.len(), packed_bytes(q.len(), bits));
        // SAFETY: a Kernels is made only where the CPU has its instructions; x is as long as the values take.
        unsafe { (self.bytes.dot_packed_i8)(x, q, bits) }
    }

    /// [`dot_packed_i8`](Self::dot_packed_i8) of rows that begin with `q.len()` packed values: of row `ids[i]` into `out[i]`; asks for
    /// the memory of the rows ahead.
    ///
    /// # Panics
    /// If `bits` is not 1 to 7, `out` is not as long as `ids`, an id is not below `rows.len()`, or the values do not fit in the stride.
    #[inline]
    pub fn gather_dot_packed_i8(&self, q: &[i8], bits: u32, rows: Strided<'_>, ids: &[u32], out: &mut [i32]) {
        check(rows, packed_bytes(q.len(), bits), Pick::Ids(ids), out.len());
        // SAFETY: a Kernels is made only where the CPU has its instructions; the rows are there.
        unsafe { (self.bytes.rows_dot_packed_i8)(q, rows, Pick::Ids(ids), out, bits) }
    }

    /// The same of the rows `start..start + out.len()`.
    ///
    /// # Panics
    /// If `bits` is not 1 to 7, one of the rows does not exist, or the values do not fit in the stride.
    #[inline]
    pub fn scan_dot_packed_i8(&self, q: &[i8], bits: u32, rows: Strided<'_>, start: usize, out: &mut [i32]) {
        check(rows, packed_bytes(q.len(), bits), Pick::From(start), out.len());
        // SAFETY: a Kernels is made only where the CPU has its instructions; the rows are there.
        unsafe { (self.bytes.rows_dot_packed_i8)(q, rows, Pick::From(start), out, bits) }
    }
}
