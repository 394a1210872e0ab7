//! Codes of 4 bits, looked up in registers: the "fast scan" of André, Kermarrec and Le Scouarnec (*Cache locality is not
//! enough: high-performance nearest neighbor search with product quantization fast scan*, 2015).
//!
//! A block holds the codes of 32 rows. Four sub-spaces make a group of 64 bytes; byte `16 * s + i` of a group has the code
//! of row `i` in sub-space `s` in its low half and that of row `16 + i` in its high half. A table of 16 bytes a sub-space
//! lies the same way, so that one shuffle of a register looks up as many codes as it has bytes.

use crate::isa::{Floats, Nibbles};
use crate::kernels::{Factors, Near};

/// Rows of a block.
pub(crate) const ROWS: usize = 32;
/// Bytes of a group.
pub(crate) const GROUP: usize = 64;
/// 2^23.
const TO_LOW_BITS: f32 = 8_388_608.0;
/// The largest entry of a table: two fit in a byte.
const LARGEST: f32 = 127.0;

/// The sums of one block, in the order of its rows.
///
/// # Safety
/// `tables.len()` is whole groups, and as many bytes are readable at `block`.
#[inline(always)]
unsafe fn sum<S: Nibbles>(s: S, tables: &[u8], block: *const u8) -> [u16; ROWS] {
    let (mut sums, mut at) = (s.zero_sums(), 0);
    let mut out = [0; ROWS];
    // SAFETY: at + 64, or at + 128, is at most the length of both.
    unsafe {
        while at + 2 * GROUP <= tables.len() {
            sums = s.look_up_two(sums, block.add(at), tables.as_ptr().add(at));
            at += 2 * GROUP;
        }
        if at < tables.len() {
            sums = s.look_up(sums, block.add(at), tables.as_ptr().add(at));
        }
        s.store_sums(sums, out.as_mut_ptr());
    }
    out
}

/// Blocks of codes, what looks them up, and where the estimates go.
pub(crate) struct Scan<'a> {
    pub tables: &'a [u8],
    pub blocks: &'a [u8],
    pub base: f32,
    pub low: f32,
    pub unit: f32,
    pub factors: Factors<'a>,
    pub found: Near<'a>,
}

/// `base + add[i] + mul[i] * (low + unit * sum)` of every row; `add` and `mul` where there are any.
///
/// # Safety
/// `tables.len()` is whole groups, at least one; `blocks` is as many times that as `found.marks` is long; factors and
/// `found.estimates` have 32 values a block.
#[inline(always)]
pub(crate) unsafe fn scan<S: Floats + Nibbles>(s: S, what: Scan<'_>) {
    let Scan { tables, blocks, base, low, unit, factors, found } = what;
    let both = s.splat(base + low);
    let (base, low, unit, bound) = (s.splat(base), s.splat(low), s.splat(unit), s.splat(found.bound));
    for (b, marks) in found.marks.iter_mut().enumerate() {
        // SAFETY: there are as many blocks as marks, each as long as the tables.
        let sums = unsafe { sum(s, tables, blocks.as_ptr().add(b * tables.len())) };
        let mut bits = 0;
        for lane in (0..ROWS).step_by(S::LANES) {
            let row = b * ROWS + lane;
            // SAFETY: LANES divides 32, so that lanes of the block are left from `lane` on, and its rows from `row` on.
            unsafe {
                let value = s.load_u16(sums.as_ptr().add(lane));
                let estimate = match factors {
                    Factors::None => s.mul_add(unit, value, both),
                    Factors::Add(add) => s.add(s.mul_add(unit, value, both), s.load_f32(add.as_ptr().add(row))),
                    Factors::MulAdd { mul, add } => {
                        let product = s.mul_add(unit, value, low);
                        let offset = s.add(base, s.load_bf16(add.as_ptr().add(row)));
                        s.mul_add(s.load_bf16(mul.as_ptr().add(row)), product, offset)
                    }
                };
                s.store(found.estimates.as_mut_ptr().add(row), estimate);
                bits |= s.not_above(estimate, bound) << lane;
            }
        }
        *marks = bits;
    }
}

/// Makes `tables` of `values`, 16 a sub-space: `value = low of its sub-space + unit * entry`, rounded. Gives the sum of the
/// lows, and the unit.
///
/// # Safety
/// `values.len() == tables.len()`, a multiple of 16.
#[inline(always)]
pub(crate) unsafe fn fit<S: Floats>(s: S, values: &[f32], tables: &mut [u8]) -> (f32, f32) {
    let (mut sum, mut range) = (0.0, 0f32);
    for values in values.chunks_exact(16) {
        // SAFETY: 16 values, and LANES divides 16.
        let (low, high) = unsafe { bounds(s, values.as_ptr()) };
        sum += low;
        range = range.max(high - low);
    }
    let unit = if range > 0.0 { range / LARGEST } else { 1.0 };
    let per_unit = 1.0 / unit;
    for (values, entries) in values.chunks_exact(16).zip(tables.chunks_exact_mut(16)) {
        // SAFETY: as above.
        let (low, _) = unsafe { bounds(s, values.as_ptr()) };
        for (entry, &value) in entries.iter_mut().zip(values) {
            // Added to 2^23 a small number is rounded into the lowest bits: no call, no branch, any width.
            *entry = ((value - low) * per_unit + TO_LOW_BITS).to_bits() as u8;
        }
    }
    (sum, unit)
}

/// What the bits of a code say of four values: 1 where the bit is set, -1 where it is not.
const SIGNS: [[f32; 16]; 4] = {
    let mut signs = [[-1.0; 16]; 4];
    let mut code = 0;
    while code < 16 {
        let mut bit = 0;
        while bit < 4 {
            if code >> bit & 1 == 1 {
                signs[bit][code] = 1.0;
            }
            bit += 1;
        }
        code += 1;
    }
    signs
};

/// [`fit`] of the sums of four values each, negative where a code's bit is not set: the same entries, without the 16 sums
/// of each sub-space ever being stored. Plain loops over arrays of a register's width.
#[inline(always)]
pub(crate) fn signs(values: &[f32], tables: &mut [u8]) -> (f32, f32) {
    let size = |v: &[f32; 4]| v[0].abs() + v[1].abs() + v[2].abs() + v[3].abs();
    let (values, _) = values.as_chunks::<4>();
    let (mut sum, mut most) = (0.0, 0f32);
    for v in values {
        sum -= size(v);
        most = most.max(size(v));
    }
    let unit = if most > 0.0 { 2.0 * most / LARGEST } else { 1.0 };
    let per_unit = 1.0 / unit;
    for (v, entries) in values.iter().zip(tables.as_chunks_mut::<16>().0) {
        let high = size(v);
        *entries = std::array::from_fn(|code| {
            let sum = v[0] * SIGNS[0][code] + v[1] * SIGNS[1][code] + v[2] * SIGNS[2][code] + v[3] * SIGNS[3][code];
            ((sum + high) * per_unit + TO_LOW_BITS).to_bits() as u8
        });
    }
    (sum, unit)
}

/// The smallest and the largest of 16 values.
///
/// # Safety
/// 16 values must be readable at `values`.
#[inline(always)]
unsafe fn bounds<S: Floats>(s: S, values: *const f32) -> (f32, f32) {
    let (mut low, mut negative) = (s.splat(f32::INFINITY), s.splat(f32::INFINITY));
    for at in (0..16).step_by(S::LANES) {
        // SAFETY: LANES divides 16.
        let v = unsafe { s.load_f32(values.add(at)) };
        low = s.min(v, low);
        negative = s.min(s.sub(s.splat(0.0), v), negative);
    }
    (s.min_lane(low), -s.min_lane(negative))
}
