//! Distances between vectors, scans over codes, the inner loops of k-means, prefetch: all of the SIMD there is.
//!
//! [`kernels()`] gives the operations written for the best instruction set that this CPU has. They are plain
//! methods over slices: every length and every row number is checked before any `unsafe` code runs, unaligned
//! input is welcome, and for one instruction set the order of additions is fixed, so that the same input gives
//! the same bits on every run and on any thread. Between instruction sets float results differ by rounding.
//!
//! How it is built: an algorithm stands once, in `ops`, over the register traits of `isa`; an instruction set
//! is one file that implements those traits; `entry` makes the functions of one set with their
//! `#[target_feature]` and puts them into a [`Kernels`], which is handed out only after detection.
#[cfg(target_endian = "big")]
compile_error!("rows are read as little-endian: big-endian targets are not supported");

mod entry;
mod isa;
mod kernels;
mod metric;
mod ops;
mod prefetch;
mod scorer;
mod simd;
mod strided;
#[cfg(test)]
mod tests;

pub use kernels::{
    ByteMatrix, Factors, Kernels, Near, NibbleTables, bf16, block_bytes, of_sort_key, pack_bits, pack_nibbles, packed_bytes,
    sort_key, unpack_bits, unpack_nibbles,
};
pub use metric::Metric;
pub use prefetch::prefetch_at;
pub use scorer::Scorer;
pub use simd::{Simd, available, kernels, kernels_for};
pub use strided::Strided;
