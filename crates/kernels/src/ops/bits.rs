//! Counts of ones: Hamming distance, common bits, common bits with a query of four planes.

use super::rows::RowKernel;
use crate::isa::Bits;

/// How two registers of bits are joined before the count.
pub(crate) trait Join: Copy {
    fn join<S: Bits>(self, s: S, a: S::V, b: S::V) -> S::V;
}

/// Bits that differ.
#[derive(Clone, Copy)]
pub(crate) struct Xor;

impl Join for Xor {
    #[inline(always)]
    fn join<S: Bits>(self, s: S, a: S::V, b: S::V) -> S::V {
        s.xor(a, b)
    }
}

/// Bits set in both.
#[derive(Clone, Copy)]
pub(crate) struct And;

impl Join for And {
    #[inline(always)]
    fn join<S: Bits>(self, s: S, a: S::V, b: S::V) -> S::V {
        s.and(a, b)
    }
}

/// The ones of the joined bytes.
///
/// # Safety
/// `a.len()` bytes must be readable at `b`.
#[inline(always)]
pub(crate) unsafe fn count<S: Bits, J: Join>(s: S, join: J, a: &[u8], b: *const u8) -> u32 {
    let n = a.len();
    let a = a.as_ptr();
    let mut acc = s.zero_count();
    let mut at = 0;
    // SAFETY: all loads end at n or before, in a's slice and in what the caller answers for.
    unsafe {
        while at + S::WIDTH <= n {
            acc = s.count(acc, join.join(s, s.load(a.add(at)), s.load(b.add(at))));
            at += S::WIDTH;
        }
        if at < n {
            acc = s.count(acc, join.join(s, s.first(a.add(at), n - at), s.first(b.add(at), n - at)));
        }
    }
    s.sum_count(acc)
}

/// `Σ_b 2^b · ones(plane_b & code)`: the dot product of a query of 4-bit numbers, held as four planes one after the
/// other, and a code of bits.
#[derive(Clone, Copy)]
pub(crate) struct PlanesRow<'a, S> {
    pub s: S,
    pub planes: &'a [u8],
}

impl<S: Bits> RowKernel for PlanesRow<'_, S> {
    type Out = u32;

    #[inline(always)]
    fn bytes(self) -> usize {
        self.planes.len() / 4
    }
    #[inline(always)]
    unsafe fn score(self, row: *const u8) -> u32 {
        let PlanesRow { s, planes } = self;
        let n = planes.len() / 4;
        let plane = planes.as_ptr();
        let mut acc = s.zero_count();
        let mut at = 0;
        // SAFETY: all loads of the row end at n or before, which the caller answers for, and those of plane b at
        // (b + 1) * n or before, in the slice.
        unsafe {
            while at + S::WIDTH <= n {
                let code = s.load(row.add(at));
                let p = plane.add(at);
                let bits = [
                    s.and(code, s.load(p)),
                    s.and(code, s.load(p.add(n))),
                    s.and(code, s.load(p.add(2 * n))),
                    s.and(code, s.load(p.add(3 * n))),
                ];
                acc = s.count4(acc, bits);
                at += S::WIDTH;
            }
            if at < n {
                let code = s.first(row.add(at), n - at);
                let p = plane.add(at);
                let bits = [
                    s.and(code, s.first(p, n - at)),
                    s.and(code, s.first(p.add(n), n - at)),
                    s.and(code, s.first(p.add(2 * n), n - at)),
                    s.and(code, s.first(p.add(3 * n), n - at)),
                ];
                acc = s.count4(acc, bits);
            }
        }
        s.sum_count(acc)
    }
}
