use crate::{Error, Result};

const ALIGN: usize = 64;

/// Reusable memory that begins at a multiple of 64 bytes, so that a record of `f32`s in it may be looked at
/// as such. Never shrinks.
#[derive(Debug, Default)]
pub struct Buffer {
    bytes: Vec<u8>,
}

impl Buffer {
    /// The first `len` bytes, with whatever they held before.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`].
    pub fn sized(&mut self, len: usize) -> Result<&mut [u8]> {
        let full = len.saturating_add(ALIGN);
        if self.bytes.len() < full {
            let more = full - self.bytes.len();
            self.bytes.try_reserve(more).map_err(|_| Error::OutOfMemory { bytes: len as u64 })?;
            self.bytes.resize(full, 0);
        }
        let start = self.start();
        Ok(&mut self.bytes[start..start + len])
    }

    /// Bytes held.
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    fn start(&self) -> usize {
        self.bytes.as_ptr().align_offset(ALIGN).min(ALIGN)
    }
}
