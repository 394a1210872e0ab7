//! Sums of table entries (asymmetric distances of product quantisation, Jégou et al. 2011).
//!
//! One version for all instruction sets: plain loads of four rows in turn. Measured on a Cascade Lake (codes in L2, ns a
//! row of 8 / 50 / 112 codes): these loads 4.5 / 25 / 63; AVX-512 gathers of 16 15 / 51 / 88; AVX2 gathers of 8
//! 15 / 73 / 157; codes read eight at a time and shifted 28 / 170 / 386.

use super::rows::RowKernel;

/// `Σ lut[m * 256 + row[m]]` over `m < len` for each of `N` rows. The even and the odd positions of a row have a sum
/// each, so that additions do not wait for each other; the order of a row's sum does not depend on `N`.
///
/// # Safety
/// `len` bytes must be readable at each row.
#[inline(always)]
pub(crate) unsafe fn adc<const N: usize>(lut: &[f32], rows: [*const u8; N]) -> [f32; N] {
    let len = lut.len() / 256;
    let lut = lut.as_ptr();
    // SAFETY: m < len, so the code byte is in its row, and m * 256 + code < len * 256, in the table.
    let at = |row: *const u8, m: usize| unsafe { *lut.add(m * 256 + usize::from(*row.add(m))) };
    let (mut even, mut odd) = ([0.0f32; N], [0.0f32; N]);
    let mut m = 0;
    while m + 2 <= len {
        for r in 0..N {
            even[r] += at(rows[r], m);
            odd[r] += at(rows[r], m + 1);
        }
        m += 2;
    }
    if m < len {
        for (even, row) in even.iter_mut().zip(rows) {
            *even += at(row, m);
        }
    }
    std::array::from_fn(|r| even[r] + odd[r])
}

/// A query's table of `m * 256` floats against rows that begin with `m` code bytes.
#[derive(Clone, Copy)]
pub(crate) struct LookupRow<'a> {
    pub lut: &'a [f32],
}

impl RowKernel for LookupRow<'_> {
    type Out = f32;
    const FOUR: bool = true;

    #[inline(always)]
    fn bytes(self) -> usize {
        self.lut.len() / 256
    }
    #[inline(always)]
    unsafe fn score(self, row: *const u8) -> f32 {
        // SAFETY: bytes() codes are readable at row.
        unsafe { adc(self.lut, [row])[0] }
    }
    #[inline(always)]
    unsafe fn score4(self, rows: [*const u8; 4]) -> [f32; 4] {
        // SAFETY: as in score, for each row.
        unsafe { adc(self.lut, rows) }
    }
}
