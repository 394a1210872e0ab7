//! Codecs: a vector as a few bytes, and distances from a query to vectors known by their bytes only.
//!
//! A [`Codec`] is trained once on a sample, never changes, and then encodes rows of its `dims` into code rows of a
//! fixed number of bytes. [`Codec::scorer`] estimates distances of one query to many code rows. Codes find candidates;
//! exact distances are the business of whoever keeps the vectors.
//!
//! The same sample and seed give the same codec whatever the number of threads, and a row gets the same code in
//! whatever batch it comes.
#![forbid(unsafe_code)]

mod binary;
mod codec;
mod levels;
mod pq;
mod rabitq;
mod residual;
mod rotation;
mod rows;
mod scorer;
mod set;
mod sq;
mod wire_form;

#[cfg(test)]
mod tests;

pub use binary::Binary;
pub use codec::{Codec, CodecSpec, MAX_DIMS};
pub use pq::Pq;
pub use rabitq::{Bits, Neighbour, Rabitq};
pub use residual::{Residual, ResidualScratch};
pub use scorer::CodeScorer;
pub use set::CodeSet;
pub use sq::Sq;
