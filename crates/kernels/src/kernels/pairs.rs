//! One query, one row.

use super::{Kernels, same_len};

/// Methods over two slices of one length.
macro_rules! pairs {
    ($($(#[$doc:meta])* $name:ident($a:ident: &[$ta:ty], $b:ident: &[$tb:ty] $(, $more:ident: $tm:ty)?) -> $ret:ty = $group:ident;)*) => {
        impl Kernels {$(
            $(#[$doc])*
            ///
            /// # Panics
            /// If the lengths differ.
            #[inline]
            pub fn $name(&self, $a: &[$ta], $b: &[$tb] $(, $more: $tm)?) -> $ret {
                same_len($a.len(), $b.len());
                // SAFETY: a Kernels is made only where the CPU has its instructions; the lengths are the same.
                unsafe { (self.$group.$name)($a, $b $(, $more)?) }
            }
        )*}
    };
}

pairs! {
    /// `Σ q·x`, summed in f32.
    dot_f32(q: &[f32], x: &[f32]) -> f32 = floats;
    /// `Σ (q - x)²`, summed in f32.
    l2_f32(q: &[f32], x: &[f32]) -> f32 = floats;
    /// `Σ q·x`, summed in f32; `x` are the bits of IEEE 754 halves.
    dot_f16(q: &[f32], x: &[u16]) -> f32 = floats;
    /// `Σ (q - x)²`, summed in f32; `x` are the bits of IEEE 754 halves.
    l2_f16(q: &[f32], x: &[u16]) -> f32 = floats;
    /// `Σ q·x`, summed in f32; the row's scale is left to the caller.
    dot_i8(q: &[f32], x: &[i8]) -> f32 = floats;
    /// `Σ (q - scale·x)²`, summed in f32. `scale` must be finite for a meaning.
    l2_i8(q: &[f32], x: &[i8], scale: f32) -> f32 = floats;

    /// `Σ q·x` of exact products, summed in f64: the distances that users see.
    exact_dot_f32(q: &[f32], x: &[f32]) -> f64 = floats;
    /// `Σ (q - x)²` in f64: the distances that users see.
    exact_l2_f32(q: &[f32], x: &[f32]) -> f64 = floats;
    /// [`Kernels::exact_dot_f32`] of a row of halves.
    exact_dot_f16(q: &[f32], x: &[u16]) -> f64 = floats;
    /// [`Kernels::exact_l2_f32`] of a row of halves.
    exact_l2_f16(q: &[f32], x: &[u16]) -> f64 = floats;
    /// `Σ q·x` in f64; the row's scale is left to the caller. With scale 1 the same number as of a row in f32, to the last bit.
    exact_dot_i8(q: &[f32], x: &[i8]) -> f64 = floats;
    /// `Σ (q - scale·x)²` in f64. `scale` must be finite for a meaning.
    exact_l2_i8(q: &[f32], x: &[i8], scale: f32) -> f64 = floats;
    /// [`Kernels::exact_dot_f32`] of a row of whole numbers: the same number, to the last bit.
    exact_dot_u8(q: &[f32], x: &[u8]) -> f64 = floats;
    /// [`Kernels::exact_l2_f32`] of a row of whole numbers: the same number, to the last bit.
    exact_l2_u8(q: &[f32], x: &[u8]) -> f64 = floats;

    /// `Σ x·q` in integers: exact up to 65,793 elements, which is as many as i32 holds, and modulo 2^32 beyond.
    dot_u8_i8(x: &[u8], q: &[i8]) -> i32 = bytes;
    /// The bits in which the slices differ.
    hamming(a: &[u8], b: &[u8]) -> u32 = bits;
    /// The bits that are set in both slices.
    and_popcount(a: &[u8], b: &[u8]) -> u32 = bits;
}

impl Kernels {
    /// `Σ_m lut[m * 256 + codes[m]]`: the distance that a product quantiser's table gives a code.
    ///
    /// # Panics
    /// If `lut.len()` is not `codes.len() * 256`.
    #[inline]
    pub fn adc(&self, lut: &[f32], codes: &[u8]) -> f32 {
        same_len(lut.len(), codes.len().saturating_mul(256));
        // SAFETY: a Kernels is made only where the CPU has its instructions; the table has 256 floats a code.
        unsafe { (self.lookup.adc)(lut, codes) }
    }
}
