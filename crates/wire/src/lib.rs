//! The only decoder of bytes from outside the process: a writer, a bounded reader, and the checksum.
//!
//! Numbers are little-endian and of fixed width. Arrays carry their element count as `u64`, short byte
//! strings and texts their length as `u32`. The reader holds every count against the bytes that are
//! left before it allocates, so a file can never make it take more memory than the file itself is long.
//! Reading never panics: whatever the bytes, the answer is a value or an [`Error`].
#![forbid(unsafe_code)]

mod error;
mod reader;
mod writer;

pub use error::Error;
pub use reader::Reader;
pub use writer::Writer;

/// CRC-32C (Castagnoli polynomial, as in iSCSI) of `bytes`; uses the CPU's instruction where there is one.
pub fn crc32c(bytes: &[u8]) -> u32 {
    ::crc32c::crc32c(bytes)
}

/// The CRC-32C of two byte strings in a row, given that of the first: `crc32c_append(crc32c(a), b)` is
/// `crc32c(a ++ b)`.
pub fn crc32c_append(crc: u32, bytes: &[u8]) -> u32 {
    ::crc32c::crc32c_append(crc, bytes)
}
