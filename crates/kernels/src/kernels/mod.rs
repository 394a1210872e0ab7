//! The operations: what they compute, and the checks that make them safe to call.

mod levels;
mod matrix;
mod nibbles;
mod packed;
mod pairs;
mod rows;
mod tables;

use crate::Simd;
use crate::entry::{BitFns, ByteFns, FloatFns, LookupFns, NibbleFns};

pub use matrix::ByteMatrix;
pub use nibbles::{Factors, Near, NibbleTables, bf16, block_bytes, pack_nibbles, unpack_nibbles};
pub use packed::{pack_bits, packed_bytes, unpack_bits};
pub use tables::{of_sort_key, sort_key};

/// The operations of one instruction set. Get it from [`crate::kernels()`].
///
/// A `Kernels` exists only where the CPU has the instructions; its methods check lengths and row numbers and panic
/// where the caller got them wrong. NaN in gives NaN out, for the float sums; infinities and denormals are honest.
#[derive(Clone, Copy)]
pub struct Kernels {
    pub(crate) simd: Simd,
    pub(crate) floats: FloatFns,
    pub(crate) bytes: ByteFns,
    pub(crate) bits: BitFns,
    pub(crate) lookup: LookupFns,
    pub(crate) nibbles: NibbleFns,
}

impl Kernels {
    /// The instruction set these are written in.
    pub fn simd(&self) -> Simd {
        self.simd
    }
}

impl std::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Kernels").field(&self.simd).finish()
    }
}

/// Panics where two things that go together have different lengths.
#[track_caller]
#[inline(always)]
fn same_len(a: usize, b: usize) {
    assert!(a == b, "lengths differ: {a} and {b}");
}
