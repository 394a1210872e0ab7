//! One query, many rows.

use super::{Kernels, same_len};
use crate::Strided;
use crate::ops::rows::Pick;

/// Panics where a row is picked that does not exist or is shorter than what is read of it.
#[track_caller]
#[inline]
pub(super) fn check(rows: Strided<'_>, bytes: usize, pick: Pick<'_>, out: usize) {
    match pick {
        Pick::Ids(ids) => {
            same_len(ids.len(), out);
            // No early way out: this loop is one of vectors.
            let outside = ids.iter().fold(false, |outside, &id| outside | (id as usize >= rows.len()));
            assert!(!outside, "a row number is not below {}", rows.len());
        }
        Pick::From(start) => {
            assert!(start.checked_add(out).is_some_and(|end| end <= rows.len()), "{out} rows from {start} on, of {}", rows.len())
        }
    }
    assert!(out == 0 || bytes <= rows.stride(), "{bytes} bytes to read in rows of {}", rows.stride());
}

/// `gather_*` and `scan_*` of one operation.
macro_rules! many {
    ($($(#[$doc:meta])* $gather:ident, $scan:ident = $group:ident.$entry:ident
        ($q:ident: &[$tq:ty] $(, $m:ident: usize = $len:expr)?; $bytes:expr $(; $at:ident)?) -> $ret:ty;)*) => {
        impl Kernels {$(
            $(#[$doc])*
            ///
            /// Scores row `ids[i]` into `out[i]`, and asks for the memory of the rows ahead.
            ///
            /// # Panics
            /// If `out` is not as long as `ids`, an id is not below `rows.len()`, what is read of a row does not
            /// fit in the stride, or the query's length is not the one stated.
            #[inline]
            pub fn $gather(&self, $q: &[$tq] $(, $m: usize)?, rows: Strided<'_>, ids: &[u32], out: &mut [$ret] $(, $at: usize)?) {
                $(same_len($q.len(), $len);)?
                check(rows, $bytes, Pick::Ids(ids), out.len());
                // SAFETY: a Kernels is made only where the CPU has its instructions; the rows are there.
                unsafe { (self.$group.$entry)($q, rows, Pick::Ids(ids), out $(, $at)?) }
            }

            $(#[$doc])*
            ///
            /// Scores the rows `start..start + out.len()`.
            ///
            /// # Panics
            /// If one of them does not exist, what is read of a row does not fit in the stride, or the query's
            /// length is not the one stated.
            #[inline]
            pub fn $scan(&self, $q: &[$tq] $(, $m: usize)?, rows: Strided<'_>, start: usize, out: &mut [$ret] $(, $at: usize)?) {
                $(same_len($q.len(), $len);)?
                check(rows, $bytes, Pick::From(start), out.len());
                // SAFETY: a Kernels is made only where the CPU has its instructions; the rows are there.
                unsafe { (self.$group.$entry)($q, rows, Pick::From(start), out $(, $at)?) }
            }
        )*}
    };
}

many! {
    /// [`Kernels::dot_f32`] of rows that begin with `q.len()` f32; the rest of the stride is ignored.
    gather_dot_f32, scan_dot_f32 = floats.rows_dot_f32(q: &[f32]; size_of_val(q)) -> f32;
    /// [`Kernels::l2_f32`] of rows that begin with `q.len()` f32; the rest of the stride is ignored.
    gather_l2_f32, scan_l2_f32 = floats.rows_l2_f32(q: &[f32]; size_of_val(q)) -> f32;
    /// [`Kernels::dot_f16`] of rows that begin with `q.len()` halves; the rest of the stride is ignored.
    gather_dot_f16, scan_dot_f16 = floats.rows_dot_f16(q: &[f32]; size_of_val(q) / 2) -> f32;
    /// [`Kernels::l2_f16`] of rows that begin with `q.len()` halves; the rest of the stride is ignored.
    gather_l2_f16, scan_l2_f16 = floats.rows_l2_f16(q: &[f32]; size_of_val(q) / 2) -> f32;
    /// [`Kernels::dot_i8`] of rows that begin with `q.len()` i8; the rest of the stride is ignored.
    gather_dot_i8, scan_dot_i8 = floats.rows_dot_i8(q: &[f32]; q.len()) -> f32;
    /// [`Kernels::l2_i8`] of rows that begin with `q.len()` i8 and hold their f32 scale at the byte `scale_at`.
    gather_l2_i8, scan_l2_i8 = floats.rows_l2_i8(q: &[f32]; q.len().max(scale_at.saturating_add(4)); scale_at) -> f32;
    /// [`Kernels::dot_u8_i8`] of rows that begin with `q.len()` u8; the rest of the stride is ignored.
    gather_dot_u8_i8, scan_dot_u8_i8 = bytes.rows_dot_u8_i8(q: &[i8]; q.len()) -> i32;
    /// [`Kernels::adc`] of rows that begin with `m` code bytes; `lut` is `m * 256` floats.
    gather_adc, scan_adc = lookup.rows_adc(lut: &[f32], m: usize = m.saturating_mul(256); m) -> f32;
    /// `Σ_b 2^b · popcount(plane_b & code)`, `b` in `0..4`, of rows that begin with `code_len` bytes of bits;
    /// `planes` is four planes of `code_len` bytes, the lowest bit's first.
    gather_and_popcount4, scan_and_popcount4 =
        bits.rows_and_popcount4(planes: &[u8], code_len: usize = code_len.saturating_mul(4); code_len) -> u32;
}
