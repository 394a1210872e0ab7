//! Integer products of codes.

use super::rows::RowKernel;
use crate::isa::ByteDot;

/// `Σ x·q` over `q.len()` bytes, exact modulo 2^32.
///
/// # Safety
/// `q.len()` bytes must be readable at `x`.
#[inline(always)]
pub(crate) unsafe fn dot<S: ByteDot>(s: S, x: *const u8, q: &[i8]) -> i32 {
    let n = q.len();
    let q = q.as_ptr();
    let mut acc = [s.zero_acc(); 2];
    let mut at = 0;
    // SAFETY: all loads end at n or before, in q's slice and in what the caller answers for.
    unsafe {
        while at + 2 * S::STEP <= n {
            acc[0] = s.step(acc[0], x.add(at), q.add(at));
            acc[1] = s.step(acc[1], x.add(at + S::STEP), q.add(at + S::STEP));
            at += 2 * S::STEP;
        }
        if at + S::STEP <= n {
            acc[0] = s.step(acc[0], x.add(at), q.add(at));
            at += S::STEP;
        }
        if at < n {
            acc[1] = s.step_first(acc[1], x.add(at), q.add(at), n - at);
        }
    }
    s.sum_acc(s.add_acc(acc[0], acc[1]))
}

/// [`dot`] of four rows at once: each part of the query is loaded once for all of them.
///
/// # Safety
/// As [`dot`], for each row.
#[inline(always)]
pub(crate) unsafe fn dot4<S: ByteDot>(s: S, rows: [*const u8; 4], q: &[i8]) -> [i32; 4] {
    let n = q.len();
    let q = q.as_ptr();
    let mut acc = [s.zero_acc(); 4];
    let mut at = 0;
    // SAFETY: all loads end at n or before, in q's slice and in what the caller answers for.
    unsafe {
        while at + S::STEP <= n {
            for (acc, row) in acc.iter_mut().zip(rows) {
                *acc = s.step(*acc, row.add(at), q.add(at));
            }
            at += S::STEP;
        }
        if at < n {
            for (acc, row) in acc.iter_mut().zip(rows) {
                *acc = s.step_first(*acc, row.add(at), q.add(at), n - at);
            }
        }
    }
    acc.map(|acc| s.sum_acc(acc))
}

/// A query of i8 against rows that begin with `q.len()` u8.
#[derive(Clone, Copy)]
pub(crate) struct ByteRow<'a, S> {
    pub s: S,
    pub q: &'a [i8],
}

impl<S: ByteDot> RowKernel for ByteRow<'_, S> {
    type Out = i32;
    const FOUR: bool = true;

    #[inline(always)]
    fn bytes(self) -> usize {
        self.q.len()
    }
    #[inline(always)]
    unsafe fn score(self, row: *const u8) -> i32 {
        // SAFETY: bytes() bytes are readable at row.
        unsafe { dot(self.s, row, self.q) }
    }
    #[inline(always)]
    unsafe fn score4(self, rows: [*const u8; 4]) -> [i32; 4] {
        // SAFETY: bytes() bytes are readable at each row.
        unsafe { dot4(self.s, rows, self.q) }
    }
}
