//! Bytes survive: the files of an index, written once and checked on every read.
//!
//! - [`Vfs`] is everything this crate may ask of a disk; [`OsVfs`] is the real one.
//! - [`Directory`] is one index on disk: its lock, its manifests and the files that they name.
//! - [`ExtentWriter`], [`Extent`] and [`DenseFile`] are the dense rows: records of one length, read a few at
//!   a time in any order, each with its own checksum.
//! - [`Log`] is what was written since the manifest: the one file that grows. [`Directory::replay`] reads it again.
//! - [`ReadPool`] overlaps the reads that have to wait for the device.
//!
//! Nothing that was written is ever modified. Every byte of every file is under a checksum, so damage is either
//! without effect or [`Error::Corrupt`]. `docs/format.md` draws the files byte by byte.
#![forbid(unsafe_code)]

mod blob;
mod buffer;
#[doc(hidden)]
pub mod decoders;
mod dense;
mod directory;
mod error;
mod extent;
mod header;
mod log;
mod manifest;
mod names;
mod os;
mod out;
mod pool;
mod replay;
mod vfs;

pub use blob::BlobWriter;
pub use buffer::Buffer;
pub use dense::{DenseFile, Reads};
pub use directory::{Directory, Mode};
pub use error::{Error, Result};
pub use extent::{Extent, ExtentWriter, MAX_STRIDE};
pub use header::VERSION;
pub use log::{Log, LogStart};
pub use manifest::{FileRef, Manifest};
pub use os::OsVfs;
pub use pool::{ReadPool, Request};
pub use replay::Replayed;
pub use vfs::{Cached, File, Kind, LockGuard, Vfs, read_exact_at, write_all_at};
