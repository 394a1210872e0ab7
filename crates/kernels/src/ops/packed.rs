//! Integer products of values of 1 to 7 bits.
//!
//! Packed values are pieces of 4, 2 and 1 bits, one for each bit that is set in the number of bits, the widest first; they hold a
//! value's bits from the highest down. Of `n` values of `w` bits a piece has `b = ceil(n * w / 8)` bytes, and value `i` lies in byte
//! `i % b` from bit `w * (i / b)` on: one mask and one shift bring as many values into place as a register has bytes, on every set.

use super::rows::RowKernel;
use crate::isa::ByteDot;

/// Bytes of `n` values of `bits` bits.
#[inline]
pub(crate) fn bytes(n: usize, bits: u32) -> usize {
    widths(bits).map(|width| piece_bytes(n, width)).sum()
}

/// The pieces of `bits` bits, from the highest on.
#[inline(always)]
pub(crate) fn widths(bits: u32) -> impl Iterator<Item = u32> {
    [4, 2, 1].into_iter().filter(move |width| bits & width != 0)
}

/// Bytes of `n` values of `width` bits, which divides 8.
#[inline(always)]
pub(crate) fn piece_bytes(n: usize, width: u32) -> usize {
    n.div_ceil(8 / width as usize)
}

/// `Σ x·q` of `q.len()` packed values, exact modulo 2^32.
///
/// # Safety
/// `bytes(q.len(), bits)` bytes must be readable at `x`.
#[inline(always)]
pub(crate) unsafe fn dot<S: ByteDot>(s: S, x: *const u8, q: &[i8], bits: u32) -> i32 {
    let (mut sum, mut at) = (0i32, 0);
    for width in widths(bits) {
        // SAFETY: the pieces lie one after another, and take as many bytes together as the caller answers for.
        let product = unsafe { piece(s, x.add(at), q, width) };
        sum = (sum << width).wrapping_add(product);
        at += piece_bytes(q.len(), width);
    }
    sum
}

/// The same of one piece.
///
/// # Safety
/// `piece_bytes(q.len(), width)` bytes must be readable at `x`.
#[inline(always)]
unsafe fn piece<S: ByteDot>(s: S, x: *const u8, q: &[i8], width: u32) -> i32 {
    let (bytes, mask) = (piece_bytes(q.len(), width), (1u8 << width) - 1);
    let mut sum = s.zero_acc();
    for (part, q) in q.chunks(bytes.max(1)).enumerate() {
        let (shift, n, q) = (part as u32 * width, q.len(), q.as_ptr());
        let (mut acc, mut at) = (s.zero_acc(), 0);
        // SAFETY: a part is no longer than the piece has bytes; all loads end at n or before.
        unsafe {
            while at + S::STEP <= n {
                acc = s.step_bits(acc, x.add(at), q.add(at), shift, mask);
                at += S::STEP;
            }
            if at < n {
                acc = s.step_first_bits(acc, x.add(at), q.add(at), n - at, shift, mask);
            }
        }
        sum = s.add_acc(sum, acc);
    }
    s.sum_acc(sum)
}

/// A query of i8 against rows that begin with `q.len()` packed values.
#[derive(Clone, Copy)]
pub(crate) struct PackedRow<'a, S> {
    pub s: S,
    pub q: &'a [i8],
    pub bits: u32,
}

impl<S: ByteDot> RowKernel for PackedRow<'_, S> {
    type Out = i32;

    #[inline(always)]
    fn bytes(self) -> usize {
        bytes(self.q.len(), self.bits)
    }
    #[inline(always)]
    unsafe fn score(self, row: *const u8) -> i32 {
        // SAFETY: bytes() bytes are readable at row.
        unsafe { dot(self.s, row, self.q, self.bits) }
    }
}
