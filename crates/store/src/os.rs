//! The real disk.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{self, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

#[cfg(target_os = "linux")]
use crate::vfs::Cached;
use crate::vfs::{File, Kind, LockGuard, Vfs};

/// The operating system's file systems.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsVfs;

#[derive(Debug)]
struct OsFile(fs::File);

impl File for OsFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::read_at(&self.0, buf, at);
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_read(&self.0, buf, at);
    }

    /// `preadv2` with `RWF_NOWAIT` (Linux 4.14): whatever it does not succeed with, the plain read decides.
    #[cfg(target_os = "linux")]
    fn read_cached(&self, buf: &mut [u8], at: u64) -> Cached {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        match preadv2(&self.0, &mut [io::IoSliceMut::new(buf)], at, ReadWriteFlags::NOWAIT) {
            Ok(n) => Cached::Bytes(n),
            Err(Errno::AGAIN | Errno::INTR) => Cached::Absent,
            Err(_) => Cached::Unknown,
        }
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        #[cfg(unix)]
        return std::os::unix::fs::FileExt::write_at(&self.0, bytes, at);
        #[cfg(windows)]
        return std::os::windows::fs::FileExt::seek_write(&self.0, bytes, at);
    }

    /// `fdatasync`, `F_FULLFSYNC` on macOS, `FlushFileBuffers` on Windows.
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}

impl Vfs for OsVfs {
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        match fs::metadata(path) {
            Ok(data) if data.is_file() => Ok(Some(Kind::File)),
            Ok(data) if data.is_dir() => Ok(Some(Kind::Directory)),
            Ok(_) => Ok(Some(Kind::Other)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    /// Directories cannot be synced on Windows; NTFS writes names through its own log.
    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        if cfg!(windows) {
            return Ok(());
        }
        fs::File::open(directory)?.sync_all()
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(Arc::new(OsFile(OpenOptions::new().read(true).write(true).create_new(true).open(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        // Opening a pipe would wait for its other end.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
        }
        Ok(Arc::new(OsFile(fs::File::open(path)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn LockGuard>>> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let key = fs::canonicalize(parent)?.join(path.file_name().unwrap_or_default());
        let Some(held) = Held::take(key) else { return Ok(None) };
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(OsLock { file, _held: held }))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(e),
        }
    }
}

/// The system's lock, which dies with the process, and the process's own note of it: not every system
/// keeps two handles of one process apart.
#[derive(Debug)]
struct OsLock {
    file: fs::File,
    _held: Held,
}

impl LockGuard for OsLock {}

impl Drop for OsLock {
    fn drop(&mut self) {
        // Closing the file unlocks it too, but Windows may take its time over that.
        let _ = self.file.unlock();
    }
}

static HELD: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

#[derive(Debug)]
struct Held(PathBuf);

impl Held {
    fn take(path: PathBuf) -> Option<Self> {
        let new = HELD.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
        new.then_some(Self(path))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}
