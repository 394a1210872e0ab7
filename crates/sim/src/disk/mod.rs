//! A disk in memory that remembers what was done to it, fails when told to, and can lose its power.

mod bytes;
mod faults;
mod image;
mod journal;
mod pending;

pub use bytes::{Bytes, hash_bytes, mix};
pub use faults::{Call, Fault, Plan, WAYS, Way};
pub use image::Image;
pub use journal::{Change, FileId, Op, Target};
pub use pending::{Fate, Pending, Selection, Tear};

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use store::{Cached, File, Kind, LockGuard, Vfs};

/// The disk. Clones are the same disk. It behaves as a POSIX file system does: open files outlive their names.
#[derive(Debug, Clone, Default)]
pub struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// By whole paths, as bytes: comparing their components takes longer.
    entries: BTreeMap<OsString, Entry>,
    files: u64,
    locks: BTreeSet<PathBuf>,
    journal: Vec<Op>,
    recording: bool,
    changes: u64,
    plan: Option<Plan>,
    failed_files: BTreeSet<FileId>,
    failed_directories: BTreeSet<PathBuf>,
}

#[derive(Debug, Clone)]
enum Entry {
    Directory,
    File(Arc<Node>),
}

/// A file, with or without a name.
#[derive(Debug)]
struct Node {
    id: FileId,
    bytes: Mutex<Bytes>,
}

impl Node {
    fn bytes(&self) -> MutexGuard<'_, Bytes> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimDisk {
    /// A disk with what `image` holds. Its files have the ids 0, 1 … in the order of their paths.
    pub fn new(image: &Image) -> Self {
        let mut entries: BTreeMap<OsString, Entry> =
            image.directories.iter().map(|path| (path.into(), Entry::Directory)).collect();
        for (id, (path, bytes)) in (0..).zip(&image.files) {
            entries.insert(path.into(), Entry::File(Arc::new(Node { id: FileId(id), bytes: Mutex::new(bytes.clone()) })));
        }
        Self(Arc::new(Mutex::new(State { entries, files: image.files.len() as u64, ..State::default() })))
    }

    /// The same, keeping a journal.
    pub fn recording(image: &Image) -> Self {
        let disk = Self::new(image);
        disk.state().recording = true;
        disk
    }

    /// A disk on which `journal` was done after `image`; it keeps on writing that journal. So it is when a process was
    /// killed and another begins: what was not synced is there, and still not durable.
    pub fn resumed(image: &Image, journal: &[Op]) -> Self {
        let disk = Self::recording(image);
        let mut state = disk.state();
        let mut nodes: BTreeMap<FileId, Arc<Node>> = BTreeMap::new();
        for entry in state.entries.values() {
            if let Entry::File(node) = entry {
                nodes.insert(node.id, node.clone());
            }
        }
        for op in journal {
            match op {
                Op::Write { file, at, bytes } => {
                    nodes.get(file).iter().for_each(|node| node.bytes().put(*at, bytes));
                }
                Op::Name { directory, change } => state.redo(directory, change, &mut nodes),
                Op::Sync { .. } | Op::SyncDir { .. } => {}
            }
        }
        state.journal = journal.to_vec();
        drop(state);
        disk
    }

    /// All that was written, durable or not: what another process sees, also when this one was killed.
    pub fn image(&self) -> Image {
        let mut image = Image::default();
        for (path, entry) in &self.state().entries {
            match entry {
                Entry::Directory => {
                    image.directories.insert(path.into());
                }
                Entry::File(node) => {
                    image.files.insert(path.into(), node.bytes().clone());
                }
            }
        }
        image
    }

    /// What was done since the disk was made, if it keeps a journal.
    pub fn journal(&self) -> Vec<Op> {
        self.state().journal.clone()
    }

    /// Operations in the journal.
    pub fn position(&self) -> usize {
        self.state().journal.len()
    }

    /// How many operations changed something.
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Plans faults and begins to count calls.
    pub fn plan(&self, faults: Vec<Fault>) {
        self.state().plan = Some(Plan::new(faults));
    }

    /// What the plan has counted so far.
    pub fn planned(&self) -> Plan {
        self.state().plan.clone().unwrap_or_default()
    }

    /// How many calls have failed as planned.
    pub fn fired(&self) -> usize {
        self.state().plan.as_ref().map_or(0, |plan| plan.struck.len())
    }

    /// Ends all faults; gives the plan with what it counted.
    pub fn heal(&self) -> Plan {
        self.new_process();
        self.state().plan.take().unwrap_or_default()
    }

    /// What follows is another process's doing, which cannot know which syncs have failed.
    pub fn new_process(&self) {
        let mut state = self.state();
        state.failed_files.clear();
        state.failed_directories.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One call that happens or fails as a whole.
    fn call<T>(&self, call: Call, act: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.state();
        match state.meet(call) {
            None => act(&mut state),
            Some(Way::Eio) => {
                let _ = act(&mut state);
                Err(Way::Eio.error())
            }
            Some(way) => Err(way.error()),
        }
    }

    fn handle(&self, node: Arc<Node>) -> Arc<dyn File> {
        Arc::new(Handle { disk: self.clone(), node })
    }
}

impl State {
    fn meet(&mut self, call: Call) -> Option<Way> {
        self.plan.as_mut()?.meet(call)
    }

    fn note(&mut self, op: impl FnOnce() -> Op) {
        self.changes += 1;
        if self.recording {
            self.journal.push(op());
        }
    }

    fn name(&mut self, directory: &Path, change: Change) {
        self.note(|| Op::Name { directory: directory.into(), change });
    }

    fn redo(&mut self, directory: &Path, change: &Change, nodes: &mut BTreeMap<FileId, Arc<Node>>) {
        match change {
            Change::Link(name, Target::Directory) => {
                self.entries.insert(directory.join(name).into(), Entry::Directory);
            }
            Change::Link(name, Target::File(id)) => {
                let node = Arc::new(Node { id: *id, bytes: Mutex::default() });
                self.files = self.files.max(id.0 + 1);
                self.entries.insert(directory.join(name).into(), Entry::File(node.clone()));
                nodes.insert(*id, node);
            }
            Change::Unlink(name) => {
                self.entries.remove(directory.join(name).as_os_str());
            }
            Change::Move { from, to, .. } => {
                if let Some(entry) = self.entries.remove(directory.join(from).as_os_str()) {
                    self.entries.insert(directory.join(to).into(), entry);
                }
            }
        }
    }

    fn is_directory(&self, path: &Path) -> bool {
        path.parent().is_none() || matches!(self.entries.get(path.as_os_str()), Some(Entry::Directory))
    }

    fn node(&self, path: &Path) -> io::Result<Arc<Node>> {
        match self.entries.get(path.as_os_str()) {
            Some(Entry::File(node)) => Ok(node.clone()),
            Some(Entry::Directory) => Err(ErrorKind::InvalidInput.into()),
            None => Err(ErrorKind::NotFound.into()),
        }
    }

    /// The directory that a new name goes into, and the name.
    fn place<'a>(&self, path: &'a Path) -> io::Result<(&'a Path, OsString)> {
        match (path.parent(), path.file_name()) {
            (Some(directory), Some(name)) if self.is_directory(directory) => Ok((directory, name.into())),
            _ => Err(ErrorKind::NotFound.into()),
        }
    }

    fn link(&mut self, path: &Path) -> io::Result<Arc<Node>> {
        let (directory, name) = self.place(path)?;
        if self.entries.contains_key(path.as_os_str()) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let node = Arc::new(Node { id: FileId(self.files), bytes: Mutex::default() });
        self.files += 1;
        self.entries.insert(path.into(), Entry::File(node.clone()));
        self.name(directory, Change::Link(name, Target::File(node.id)));
        Ok(node)
    }

    fn sync(&mut self, id: FileId, call: Call) -> io::Result<()> {
        let way = self.meet(call);
        if self.failed_files.contains(&id) {
            self.plan.iter_mut().for_each(|plan| plan.retried_syncs += 1);
        }
        // After the vicious error the bytes are durable, and nobody knows.
        self.note(|| Op::Sync { file: id, done: matches!(way, None | Some(Way::Eio)) });
        let Some(way) = way else { return Ok(()) };
        self.failed_files.insert(id);
        Err(way.error())
    }
}

impl Vfs for SimDisk {
    fn kind(&self, path: &Path) -> io::Result<Option<Kind>> {
        self.call(Call::Kind, |state| match state.entries.get(path.as_os_str()) {
            Some(Entry::File(_)) => Ok(Some(Kind::File)),
            _ => Ok(state.is_directory(path).then_some(Kind::Directory)),
        })
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        self.call(Call::List, |state| {
            if !state.is_directory(directory) {
                return Err(ErrorKind::NotFound.into());
            }
            let below = directory.join("").into_os_string();
            let (below, paths) = (below.as_encoded_bytes(), state.entries.range(below.clone()..).map(|(path, _)| path));
            let names = paths.map_while(|path| path.as_encoded_bytes().strip_prefix(below));
            // Paths and names here are text.
            let direct = names.filter(|name| !name.contains(&b'/')).map(|name| String::from_utf8_lossy(name).into_owned().into());
            Ok(direct.collect())
        })
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.call(Call::CreateDir, |state| {
            let (directory, name) = state.place(path)?;
            if state.entries.contains_key(path.as_os_str()) {
                return Err(ErrorKind::AlreadyExists.into());
            }
            state.entries.insert(path.into(), Entry::Directory);
            state.name(directory, Change::Link(name, Target::Directory));
            Ok(())
        })
    }

    fn sync_dir(&self, directory: &Path) -> io::Result<()> {
        let mut state = self.state();
        let way = state.meet(Call::SyncDir);
        if !state.is_directory(directory) {
            return Err(ErrorKind::NotFound.into());
        }
        if state.failed_directories.contains(directory) {
            state.plan.iter_mut().for_each(|plan| plan.retried_syncs += 1);
        }
        state.note(|| Op::SyncDir { directory: directory.into(), done: matches!(way, None | Some(Way::Eio)) });
        let Some(way) = way else { return Ok(()) };
        state.failed_directories.insert(directory.into());
        Err(way.error())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let node = self.call(Call::Create, |state| state.link(path))?;
        Ok(self.handle(node))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let node = self.call(Call::Open, |state| state.node(path))?;
        Ok(self.handle(node))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.call(Call::Rename, |state| {
            let node = state.node(from)?;
            let ((directory, old), (there, new)) = (state.place(from)?, state.place(to)?);
            if directory != there || matches!(state.entries.get(to.as_os_str()), Some(Entry::Directory)) {
                return Err(ErrorKind::InvalidInput.into());
            }
            state.entries.remove(from.as_os_str());
            let file = node.id;
            state.entries.insert(to.into(), Entry::File(node));
            state.name(directory, Change::Move { from: old, to: new, file });
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.call(Call::Remove, |state| {
            state.node(path)?;
            let (directory, name) = state.place(path)?;
            state.entries.remove(path.as_os_str());
            state.name(directory, Change::Unlink(name));
            Ok(())
        })
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<Box<dyn LockGuard>>> {
        self.call(Call::TryLock, |state| {
            if !state.entries.contains_key(path.as_os_str()) {
                state.link(path)?;
            }
            Ok(())
        })?;
        let new = self.state().locks.insert(path.into());
        Ok(new.then(|| -> Box<dyn LockGuard> { Box::new(Held { disk: self.clone(), path: path.into() }) }))
    }
}

/// An open file.
#[derive(Debug)]
struct Handle {
    disk: SimDisk,
    node: Arc<Node>,
}

impl Handle {
    fn copy(&self, buf: &mut [u8], at: u64) -> usize {
        self.node.bytes().read(at, buf)
    }
}

impl File for Handle {
    fn len(&self) -> io::Result<u64> {
        self.disk.call(Call::Len, |_| Ok(self.node.bytes().len() as u64))
    }

    fn read_at(&self, buf: &mut [u8], at: u64) -> io::Result<usize> {
        match self.disk.state().meet(Call::ReadAt) {
            None => Ok(self.copy(buf, at)),
            Some(Way::ShortRead) => {
                let half = (buf.len() / 2).max(1).min(buf.len());
                Ok(self.copy(&mut buf[..half], at))
            }
            Some(way) => Err(way.error()),
        }
    }

    /// Everything is in memory, but a disk with faults does not say so: its reads shall go where they can fail.
    fn read_cached(&self, buf: &mut [u8], at: u64) -> Cached {
        if self.disk.state().plan.is_some() {
            return Cached::Unknown;
        }
        Cached::Bytes(self.copy(buf, at))
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        let way = state.meet(Call::WriteAt);
        let taken = match way {
            None => bytes.len(),
            Some(Way::Eio | Way::ShortWrite) => (bytes.len() / 2).max(1).min(bytes.len()),
            Some(_) => 0,
        };
        let bytes = &bytes[..taken];
        if !bytes.is_empty() {
            self.node.bytes().put(at, bytes);
            state.note(|| Op::Write { file: self.node.id, at, bytes: bytes.into() });
        }
        match way {
            None | Some(Way::ShortWrite) => Ok(taken),
            Some(way) => Err(way.error()),
        }
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.state().sync(self.node.id, Call::SyncData)
    }
}

/// The lock, while it is held.
#[derive(Debug)]
struct Held {
    disk: SimDisk,
    path: PathBuf,
}

impl LockGuard for Held {}

impl Drop for Held {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

#[cfg(test)]
mod tests;
