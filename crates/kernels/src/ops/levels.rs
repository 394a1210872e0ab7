//! Floats rounded to bytes of one step. Plain loops, which every set compiles into its own registers: the same bits on all.

/// 1.5 * 2^23: what is added to it is rounded to a whole number, which lies in the lowest bits. No call, no branch, any width.
const TO_LOW_BITS: f32 = 12_582_912.0;

/// The largest magnitude: at least infinity where one of the values is infinite or no number. As integers the bits of
/// positive floats keep their order, and comparing those needs no rule for what is not a number.
#[inline(always)]
pub(crate) fn peak(x: &[f32]) -> f32 {
    f32::from_bits(x.iter().fold(0, |most: i32, x| most.max(x.abs().to_bits() as i32)) as u32)
}

/// `out[i] = (x[i] - centre[i]) * scale[i]`, and the peak of those.
#[inline(always)]
pub(crate) fn centred(x: &[f32], centre: &[f32], scale: &[f32], out: &mut [f32]) -> f32 {
    for (((out, x), centre), scale) in out.iter_mut().zip(x).zip(centre).zip(scale) {
        *out = (x - centre) * scale;
    }
    peak(out)
}

/// `out[i]` is `x[i] * per_unit`, rounded to the nearest whole number, and 128.
#[inline(always)]
pub(crate) fn levels(x: &[f32], per_unit: f32, out: &mut [u8]) {
    for (out, x) in out.iter_mut().zip(x) {
        *out = (x * per_unit + TO_LOW_BITS).to_bits() as u8 ^ 0x80;
    }
}
