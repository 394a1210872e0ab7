//! A file being written, from its creation until it is synced.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::directory::Shared;
use crate::vfs::{File, write_all_at};
use crate::{Error, Result};

/// Small writes are gathered up to so many bytes.
const GATHER: usize = 1 << 20;

/// Appends to a new file. Dropped before [`finish`](Self::finish) it takes the file away again.
pub(crate) struct OutFile {
    shared: Arc<Shared>,
    file: Arc<dyn File>,
    name: String,
    path: PathBuf,
    gathered: Vec<u8>,
    written: u64,
    finished: bool,
}

impl OutFile {
    /// A new file `name`, which the directory keeps, though no manifest names it, while it is open for writing.
    pub(crate) fn create(shared: &Arc<Shared>, name: String) -> Result<Self> {
        let path = shared.path.join(&name);
        shared.pending().insert(name.clone());
        let created = shared.vfs.create(&path).map_err(Error::io("create", &path));
        if created.is_err() {
            shared.pending().remove(&name);
        }
        Ok(Self { shared: shared.clone(), file: created?, name, path, gathered: Vec::new(), written: 0, finished: false })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        if self.gathered.len() + bytes.len() > GATHER {
            self.flush()?;
        }
        if bytes.len() > GATHER / 4 && self.gathered.is_empty() {
            return self.put(bytes);
        }
        let room = self.gathered.try_reserve(bytes.len());
        room.map_err(|_| Error::OutOfMemory { bytes: bytes.len() as u64 })?;
        self.gathered.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes over bytes that were written (a header whose contents are known last).
    pub(crate) fn write_at(&mut self, bytes: &[u8], at: u64) -> Result<()> {
        self.flush()?;
        write_all_at(&*self.file, bytes, at).map_err(Error::io("write", &self.path))
    }

    /// Bytes written so far.
    pub(crate) fn len(&self) -> u64 {
        self.written + self.gathered.len() as u64
    }

    pub(crate) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// Writes what is left and waits until the device has it.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.flush()?;
        self.file.sync_data().map_err(Error::io("sync", &self.path))?;
        self.finished = true;
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        let gathered = std::mem::take(&mut self.gathered);
        self.put(&gathered)?;
        self.gathered = gathered;
        self.gathered.clear();
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        write_all_at(&*self.file, bytes, self.written).map_err(Error::io("write", &self.path))?;
        self.written += bytes.len() as u64;
        self.shared.note_written(bytes.len());
        Ok(())
    }
}

impl Drop for OutFile {
    fn drop(&mut self) {
        if !self.finished {
            self.shared.discard(&self.name);
        }
    }
}

impl fmt::Debug for OutFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutFile").field("path", &self.path).field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Shared {
    /// Removes a file that no manifest names. That it cannot be removed does no harm: the next cleaning tries again.
    pub(crate) fn discard(&self, name: &str) {
        let _ = self.vfs.remove(&self.path.join(name));
        self.pending().remove(name);
    }
}
