//! The algorithms, once, over the registers of any instruction set.
//!
//! Everything here is `#[inline(always)]` and without closures over registers: the code must end up inside the
//! functions of `entry`, which carry the instruction set's features.

pub(crate) mod argmin;
pub(crate) mod bits;
pub(crate) mod bytes;
pub(crate) mod floats;
pub(crate) mod levels;
pub(crate) mod lookup;
pub(crate) mod matrix;
pub(crate) mod nibbles;
pub(crate) mod packed;
pub(crate) mod picked;
pub(crate) mod rows;
pub(crate) mod sorted;
pub(crate) mod table;
pub(crate) mod words;
