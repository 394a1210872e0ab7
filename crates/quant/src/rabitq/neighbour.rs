//! Levels of one bit or two for the values of a neighbour's difference from a row.

use kernels::{NibbleTables, kernels};

/// Fewer values than this have two bits each. SIFT (96 values, 250,000 rows) at recall 0.94 took 43 us with two and 78 with
/// one; text of 288 values about the same with both, and MNIST (224 values) less with one: fewer bytes are read then. Four bits
/// won nowhere.
const FINE: usize = 160;
/// The step between the four levels that loses least of a normal distribution, in standard deviations (Max, *Quantizing for
/// minimum distortion*, 1960).
const STEP: f32 = 0.9957;

/// How a neighbour's values are coded: where there are many of them, their errors cancel out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bits {
    /// Levels -1 and 1.
    One,
    /// Levels -1.5, -0.5, 0.5 and 1.5.
    Two,
}

impl Bits {
    /// For so many values.
    pub(super) fn of(kept: usize) -> Self {
        if kept < FINE { Self::Two } else { Self::One }
    }

    /// Values of a half byte, the first in its lowest bits.
    pub(super) fn values(self) -> usize {
        match self {
            Self::One => 4,
            Self::Two => 2,
        }
    }

    /// Codes `values` whose root of the mean square is `rms`: half bytes, and the levels they stand for.
    pub(super) fn code(self, values: &[f32], rms: f32, codes: &mut [u8], levels: &mut [f32]) {
        match self {
            Self::One => code::<4>(values, codes, levels, |value| {
                let above = value >= 0.0;
                (u8::from(above), if above { 1.0 } else { -1.0 })
            }),
            Self::Two => {
                let per_step = if rms > 0.0 { 1.0 / (STEP * rms) } else { 0.0 };
                // Comparisons: rounding down is a call where the processor of the build has no instruction for it.
                code::<2>(values, codes, levels, |value| {
                    let steps = value * per_step;
                    let level = u8::from(steps >= -1.0) + u8::from(steps >= 0.0) + u8::from(steps >= 1.0);
                    (level, f32::from(level) - 1.5)
                });
            }
        }
    }

    /// The tables that sum up `values`, each times its level.
    pub(super) fn tables(self, values: &[f32], tables: &mut NibbleTables) {
        match self {
            Self::One => kernels().fit_signs(values, tables),
            Self::Two => {
                let level = |bits: u8| f32::from(bits) - 1.5;
                let sums = |v: &[f32; 2]| {
                    let [a, b] = *v;
                    (0..16).map(move |code| a * level(code & 3) + b * level(code >> 2))
                };
                let sums: Vec<f32> = values.as_chunks().0.iter().flat_map(sums).collect();
                kernels().fit_tables(&sums, tables);
            }
        }
    }
}

/// `VALUES` values a half byte.
fn code<const VALUES: usize>(values: &[f32], codes: &mut [u8], levels: &mut [f32], of: impl Fn(f32) -> (u8, f32)) {
    let (values, levels) = (values.as_chunks::<VALUES>().0, levels.as_chunks_mut::<VALUES>().0);
    for ((values, levels), code) in values.iter().zip(levels).zip(codes) {
        *code = 0;
        for at in 0..VALUES {
            let (bits, level) = of(values[at]);
            *code |= bits << (at * (4 / VALUES));
            levels[at] = level;
        }
    }
}
