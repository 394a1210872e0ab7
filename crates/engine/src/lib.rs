//! The index: writes are checked, appended and published; queries are planned, their candidates found and
//! verified.
//!
//! ```text
//! write   check -> append to the columns -> publish a new state      (found at once: the tail is compared exactly)
//!         in the background: train -> encode -> link, a block at a time or many rows at once -> publish
//! query   take the published state -> candidates (graph or codes) + tail -> exact distances -> hits
//! save    extents of new rows, columns, codes, graph -> manifest
//! ```
//!
//! A published [`state::State`] never changes; searches hold one and need no lock. This crate knows nothing of
//! JavaScript.
#![forbid(unsafe_code)]

mod auto;
mod batch;
mod byte_rows;
mod change;
mod checkpoint;
mod commit;
#[doc(hidden)]
pub mod decoders;
mod dense;
mod derived;
mod doubt;
mod error;
mod ids;
mod index;
mod lists;
mod metadata;
mod nodes;
mod optimize;
mod options;
mod recall;
mod record;
mod search;
mod shared;
mod space;
mod state;
mod sync;
mod tombstones;
mod types;
mod verify;
mod worker;
mod writer;

pub use error::{Code, Error, Result};
pub use index::Index;
pub use options::{MAX_DIMENSIONS, Options, PartialOptions, RABITQ_BITS};
pub use types::*;
