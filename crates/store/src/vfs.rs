//! The seam to the disk. Everything the product does to a file system goes through these traits, so that
//! a test can put a disk underneath that fails, forgets and tears.

use std::ffi::OsString;
use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What a path leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A device, a socket, a pipe.
    Other,
}

/// What a read that must not wait came back with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cached {
    /// So many bytes were in memory and have been copied (0 and up, not more than the buffer).
    Bytes(usize),
    /// The first byte is not in memory, or could not be had without waiting.
    Absent,
    /// This disk cannot tell.
    Unknown,
}

/// An open file. All methods are positional, and may be called from many threads.
pub trait File: Debug + Send + Sync {
    /// Length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reads at most `buf.len()` bytes from offset `at`: as many as the system gives at once, 0 at the end.
    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize>;

    /// As [`read_at`](Self::read_at), but only what is in memory already.
    fn read_cached(&self, _buf: &mut [u8], _at: u64) -> Cached {
        Cached::Unknown
    }

    /// Writes at most `bytes.len()` bytes to offset `at`, and says how many were taken.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize>;

    /// Makes the file's bytes and length survive a power loss. After an error nothing is known of what did.
    fn sync_data(&self) -> io::Result<()>;
}

/// Held while the lock is; dropping it releases the lock.
pub trait LockGuard: Debug + Send + Sync {}

/// A disk.
pub trait Vfs: Debug + Send + Sync {
    /// What `path` leads to; `None` where nothing is there.
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>>;

    /// Names in a directory, in no particular order.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;

    /// Makes one directory in an existing one. An error where something of the name is there.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory survive a power loss.
    fn sync_dir(&self, directory: &Path) -> io::Result<()>;

    /// Makes a file, open for writing and reading. An error where something of the name is there.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Opens a regular file for reading.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;

    /// Gives a file a name that is not in use.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Those who have it open may go on reading.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Takes the exclusive lock that the file at `path` (made if need be) stands for, without waiting; `None`
    /// where another holds it, in this process or another.
    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn LockGuard>>>;
}

/// Fills `buf` from offset `at`; `UnexpectedEof` where the file ends before.
pub fn read_exact_at(file: &dyn File, mut buf: &mut [u8], mut at: u64) -> io::Result<()> {
    while !buf.is_empty() {
        match file.read_at(buf, at) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                buf = &mut buf[n..];
                at += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Writes all of `bytes` to offset `at`.
pub fn write_all_at(file: &dyn File, mut bytes: &[u8], mut at: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, at) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(n) => {
                bytes = &bytes[n..];
                at += n as u64;
            }
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(())
}
