//! From floats to bytes of one step.

use super::{Kernels, same_len};

impl Kernels {
    /// The largest magnitude; not finite if one of the values is not, and 0 of none.
    #[inline]
    pub fn peak(&self, x: &[f32]) -> f32 {
        // SAFETY: a Kernels is made only where the CPU has its instructions.
        unsafe { (self.floats.peak)(x) }
    }

    /// `out[i] = (x[i] - centre[i]) * scale[i]`, and the [`peak`](Self::peak) of those.
    ///
    /// # Panics
    /// If the lengths differ.
    #[inline]
    pub fn centred(&self, x: &[f32], centre: &[f32], scale: &[f32], out: &mut [f32]) -> f32 {
        same_len(x.len(), centre.len());
        same_len(x.len(), scale.len());
        same_len(x.len(), out.len());
        // SAFETY: a Kernels is made only where the CPU has its instructions.
        unsafe { (self.floats.centred)(x, centre, scale, out) }
    }

    /// `out[i]` is `x[i] * per_unit`, rounded to the nearest whole number, and 128. Of what is not within -128 to 127,
    /// some byte.
    ///
    /// # Panics
    /// If the lengths differ.
    #[inline]
    pub fn levels(&self, x: &[f32], per_unit: f32, out: &mut [u8]) {
        same_len(x.len(), out.len());
        // SAFETY: a Kernels is made only where the CPU has its instructions.
        unsafe { (self.floats.levels)(x, per_unit, out) }
    }
}
