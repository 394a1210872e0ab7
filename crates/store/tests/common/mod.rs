//! A disk that tells what was done to it, and fails when told to.
#![allow(dead_code)]

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use store::{Cached, Directory, File, FileRef, Kind, LockGuard, Mode, OsVfs, Vfs};
use task::Task;

/// How long a test waits for other threads before it fails instead of hanging.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Marsaglia's xorshift, so that every case has a seed.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    pub fn below(&mut self, n: usize) -> usize {
        (self.next() >> 16) as usize % n
    }

    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }
}

/// What `read_cached` of a [`Disk`]'s files says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    Real,
    Absent,
    Unknown,
    /// Half of what was asked for is there.
    Half,
}

/// Called before a read with its offset and length.
pub type OnRead = dyn Fn(u64, usize) -> io::Result<()> + Send + Sync;

pub struct Disk {
    inner: OsVfs,
    pub state: Arc<State>,
}

pub struct State {
    pub log: Mutex<Vec<String>>,
    /// Counts down at every call that may fail; that which finds 1 fails.
    pub fuse: AtomicI64,
    pub fired: AtomicBool,
    /// Reads and writes take at most so many bytes at a time (0: all).
    pub short: AtomicUsize,
    pub cache: Cache,
    pub on_read: Box<OnRead>,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Disk")
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("State")
    }
}

impl Disk {
    pub fn new() -> Self {
        Self::with(Cache::Real, |_, _| Ok(()))
    }

    pub fn with(cache: Cache, on_read: impl Fn(u64, usize) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let state = State {
            log: Mutex::default(),
            fuse: AtomicI64::new(0),
            fired: AtomicBool::new(false),
            short: AtomicUsize::new(0),
            cache,
            on_read: Box::new(on_read),
        };
        Self { inner: OsVfs, state: Arc::new(state) }
    }
}

impl State {
    fn note(&self, op: &str, path: &Path) -> io::Result<()> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        self.log.lock().unwrap().push(format!("{op} {name}"));
        if self.fuse.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.fired.store(true, Ordering::Relaxed);
            return Err(io::Error::other(format!("injected: {op}")));
        }
        Ok(())
    }

    fn some(&self, len: usize) -> usize {
        match self.short.load(Ordering::Relaxed) {
            0 => len,
            most => len.min(most),
        }
    }

    /// What was done since the last call, reads and looks left out.
    pub fn changes(&self) -> Vec<String> {
        let log = std::mem::take(&mut *self.log.lock().unwrap());
        let looks = ["read", "len", "open", "list", "kind"];
        log.into_iter().filter(|line| !looks.iter().any(|look| line.starts_with(look))).collect()
    }
}

#[derive(Debug)]
struct Watched {
    inner: Arc<dyn File>,
    path: PathBuf,
    state: Arc<State>,
}

impl File for Watched {
    fn len(&self) -> io::Result<u64> {
        self.state.note("len", &self.path)?;
        self.inner.len()
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        self.state.note("read", &self.path)?;
        (self.state.on_read)(at, buf.len())?;
        let len = self.state.some(buf.len());
        self.inner.read_at(&mut buf[..len], at)
    }

    fn read_cached(&self, buf: &mut [u8], at: u64) -> Cached {
        match self.state.cache {
            Cache::Real => self.inner.read_cached(buf, at),
            Cache::Absent => Cached::Absent,
            Cache::Unknown => Cached::Unknown,
            Cache::Half => {
                let half = buf.len() / 2;
                Cached::Bytes(self.inner.read_at(&mut buf[..half], at).unwrap())
            }
        }
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        self.state.note("write", &self.path)?;
        self.inner.write_at(&bytes[..self.state.some(bytes.len())], at)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.state.note("sync", &self.path)?;
        self.inner.sync_data()
    }
}

impl Disk {
    fn watch(&self, inner: Arc<dyn File>, path: &Path) -> Arc<dyn File> {
        Arc::new(Watched { inner, path: path.into(), state: self.state.clone() })
    }
}

impl Vfs for Disk {
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        self.state.note("kind", path)?;
        self.inner.kind(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.state.note("list", directory)?;
        self.inner.list(directory)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.state.note("mkdir", path)?;
        self.inner.create_dir(path)
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        self.state.note("syncdir", directory)?;
        self.inner.sync_dir(directory)
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.state.note("create", path)?;
        Ok(self.watch(self.inner.create(path)?, path))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        self.state.note("open", path)?;
        Ok(self.watch(self.inner.open(path)?, path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.state.note("rename", to)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state.note("remove", path)?;
        self.inner.remove(path)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn LockGuard>>> {
        self.state.note("lock", path)?;
        self.inner.try_lock(path)
    }
}

/// Threads that wait until `wanted` of them are there together.
#[derive(Debug, Default)]
pub struct Meeting {
    inside: Mutex<usize>,
    changed: Condvar,
}

impl Meeting {
    pub fn join(&self, wanted: usize) -> io::Result<()> {
        let mut inside = self.inside.lock().unwrap();
        *inside += 1;
        self.changed.notify_all();
        let (_inside, out) = self.changed.wait_timeout_while(inside, PATIENCE, |inside| *inside < wanted).unwrap();
        if out.timed_out() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

pub fn real() -> Arc<dyn Vfs> {
    Arc::new(OsVfs)
}

pub fn create(path: &Path) -> Directory {
    Directory::open(real(), path, Mode::Create).unwrap()
}

pub fn write(directory: &Directory, kind: &str, bytes: &[u8]) -> FileRef {
    directory.write_file(kind, |file| file.write(bytes)).unwrap()
}

/// Record of row `row`: its number, then bytes that follow from it.
pub fn record(row: u32, stride: usize) -> Vec<u8> {
    let mut random = Random(u64::from(row) + 1);
    let mut bytes = row.to_le_bytes().to_vec();
    bytes.extend(random.bytes(stride.saturating_sub(4)));
    bytes.truncate(stride);
    bytes
}

pub fn records(rows: std::ops::Range<u32>, stride: usize) -> Vec<u8> {
    rows.flat_map(|row| record(row, stride)).collect()
}

pub fn extent(directory: &Directory, rows: std::ops::Range<u32>, stride: usize) -> FileRef {
    let mut writer = directory.write_extent("dense", stride, rows.start).unwrap();
    writer.append(&records(rows, stride)).unwrap();
    writer.finish().unwrap()
}

pub fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

pub fn task() -> Task {
    Task::new()
}
