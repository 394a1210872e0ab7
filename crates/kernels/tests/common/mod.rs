//! Seeded data, plain references in f64, and a walk over the instruction sets of this CPU.
#![allow(dead_code)] // Each test binary uses its part.

use half::f16;
use kernels::{Kernels, available, kernels_for};

/// Longest input that is walked through length by length: past two rounds of the widest unrolled loop and its tails.
pub const LONGEST: usize = if cfg!(miri) { 70 } else { 1100 };

/// Every instruction set there is here, the scalar one included.
pub fn sets() -> Vec<&'static Kernels> {
    available().into_iter().map(|simd| kernels_for(simd).expect("available")).collect()
}

/// A 64-bit generator (splitmix64, Steele et al. 2014).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// In -1..1.
    pub fn f32(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    pub fn floats(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.f32()).collect()
    }

    pub fn halves(&mut self, n: usize) -> Vec<u16> {
        (0..n).map(|_| f16::from_f32(self.f32()).to_bits()).collect()
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }

    pub fn signed(&mut self, n: usize) -> Vec<i8> {
        (0..n).map(|_| self.next() as i8).collect()
    }
}

/// A sum and the sum of its terms' magnitudes, both in f64.
#[derive(Clone, Copy, Debug)]
pub struct Sum {
    pub value: f64,
    pub scale: f64,
    terms: usize,
}

impl Sum {
    pub fn of(terms: impl Iterator<Item = f64>) -> Sum {
        terms.fold(Sum { value: 0.0, scale: 0.0, terms: 0 }, |sum, term| Sum {
            value: sum.value + term,
            scale: sum.scale + term.abs(),
            terms: sum.terms + 1,
        })
    }

    /// The same magnitude with another value.
    pub fn with_value(self, value: f64) -> Sum {
        Sum { value, ..self }
    }

    /// Asserts that `got` is this sum up to the rounding of sixteen or more running sums in f32: terms / 16 additions
    /// and a few more roundings, each at most eps of the magnitude, and half a denormal where a product underflows.
    #[track_caller]
    pub fn assert_f32(&self, got: f32, what: &str) {
        let bound = (self.terms as f64 / 16.0 + 8.0) * f64::from(f32::EPSILON) * self.scale
            + self.terms as f64 * f64::from(f32::from_bits(1));
        self.assert(f64::from(got), bound, what);
    }

    /// The same for sums in f64, of which this is one as well.
    #[track_caller]
    pub fn assert_f64(&self, got: f64, what: &str) {
        self.assert(got, (2.0 * self.terms as f64 + 8.0) * f64::EPSILON * self.scale, what);
    }

    #[track_caller]
    fn assert(&self, got: f64, bound: f64, what: &str) {
        let same = if self.value.is_finite() {
            (got - self.value).abs() <= bound
        } else if self.value.is_nan() {
            got.is_nan()
        } else {
            got == self.value
        };
        assert!(same, "{what}: {got}, not {} within {bound:e}", self.value);
    }
}

pub fn half(bits: u16) -> f32 {
    f16::from_bits(bits).to_f32()
}

/// `Σ q·x`
pub fn dot<X: Copy>(q: &[f32], x: &[X], value: impl Fn(X) -> f32) -> Sum {
    Sum::of(q.iter().zip(x).map(|(&q, &x)| f64::from(q) * f64::from(value(x))))
}

/// `Σ (q - x)²`
pub fn l2<X: Copy>(q: &[f32], x: &[X], value: impl Fn(X) -> f32) -> Sum {
    Sum::of(q.iter().zip(x).map(|(&q, &x)| (f64::from(q) - f64::from(value(x))).powi(2)))
}

/// `Σ (q - scale·x)²`; its magnitude counts the product's own rounding, which a small difference does not see.
pub fn scaled_l2(q: &[f32], x: &[i8], scale: f32) -> Sum {
    let part = |&x: &i8| f64::from(scale) * f64::from(x);
    let sum = Sum::of(q.iter().zip(x).map(|(&q, x)| (f64::from(q) - part(x)).powi(2)));
    let scale = q.iter().zip(x).map(|(&q, x)| (f64::from(q).abs() + part(x).abs()).powi(2)).sum();
    Sum { scale, ..sum }
}
