//! One index on disk: who may write, what is published, and which files may go.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use task::Task;

use crate::blob::{self, BlobWriter, Expected};
use crate::extent::{Extent, ExtentWriter};
use crate::manifest::{FileRef, Manifest};
use crate::names::{self, LOCK, NUMBERS, Name};
use crate::vfs::{File, Kind, LockGuard, Vfs};
use crate::{Error, Result};

/// The kind in a manifest's header.
const MANIFEST: &str = "manifest";

/// A reader beside a writer may find that what it was told of is gone: it looks again so many times.
const LOOKS: usize = 16;

/// What a directory is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Writing; made when nothing is there.
    Create,
    /// Writing what is there.
    Write,
    /// Reading what is there, beside a writer or not. Takes no lock and changes nothing.
    Read,
}

/// An open index directory. Writers hold its lock until this is dropped.
#[derive(Debug)]
pub struct Directory {
    shared: Arc<Shared>,
    current: Manifest,
    /// The one before: kept, with its files, until the next publication.
    previous: Option<Manifest>,
    failed: bool,
    lock: Option<Box<dyn LockGuard>>,
}

/// What writers of files need of the directory.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) path: PathBuf,
    /// Files made since the directory was opened that no manifest has named yet.
    pending: Mutex<BTreeSet<String>>,
    next_file: AtomicU64,
}

impl Shared {
    pub(crate) fn pending(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Directory {
    /// Opens the index at `path`.
    ///
    /// `Create` makes the directory (and those above it) when nothing is there, or takes an empty one; on an
    /// index it does what `Write` does. A directory is empty, too, when a creation was cut short in it.
    /// Leftovers of a crash are removed by `Create` and `Write`.
    ///
    /// # Errors
    /// [`Error::NotFound`] (`Write`, `Read`), [`Error::IsFile`], [`Error::NotAnIndex`] where other people's
    /// files are, [`Error::Locked`], [`Error::Corrupt`] when the newest manifest does not verify or there is
    /// none beside an index's files, [`Error::Io`].
    pub fn open(vfs: Arc<dyn Vfs>, path: &Path, mode: Mode) -> Result<Self> {
        match vfs.kind(path).map_err(Error::io("open", path))? {
            Some(Kind::Directory) => {}
            Some(Kind::File) => return Err(Error::IsFile { path: path.into() }),
            Some(Kind::Other) => return Err(Error::NotAnIndex { path: path.into(), why: "it is a device or a pipe".into() }),
            None if mode == Mode::Create => create_dirs(&*vfs, path)?,
            None => return Err(Error::NotFound { path: path.into() }),
        }
        if mode == Mode::Read {
            let (current, listing) = load_beside_writer(&*vfs, path)?;
            return Ok(Self::new(vfs, path, current, None, &listing, None));
        }
        // Looked at before the lock is taken, too, so that no LOCK is left where it does not belong.
        Listing::read(&*vfs, path)?.check(path, mode)?;
        let lock = vfs.try_lock(&path.join(LOCK)).map_err(Error::io("lock", path))?;
        let lock = Some(lock.ok_or_else(|| Error::Locked { path: path.into() })?);
        let listing = Listing::read(&*vfs, path)?;
        listing.check(path, mode)?;
        let Some((&newest, older)) = listing.manifests.split_last() else {
            return Self::create(vfs, path, &listing, lock);
        };
        let current = load(&*vfs, path, newest)?;
        if current.number == 0 && mode == Mode::Write {
            return Err(Error::NotFound { path: path.into() });
        }
        // What is seen now must not be unseen after a power loss, though its writer may have died before its sync.
        vfs.sync_dir(path).map_err(Error::io("sync", path))?;
        let previous = older.last().map(|&number| load(&*vfs, path, number));
        let known = !matches!(previous, Some(Err(_)));
        let directory = Self::new(vfs, path, current, previous.and_then(Result::ok), &listing, lock);
        if known {
            directory.clean();
        }
        Ok(directory)
    }

    /// The newest published state; `None` until the first publication of a new index.
    pub fn manifest(&self) -> Option<&Manifest> {
        (self.current.number > 0).then_some(&self.current)
    }

    /// Where the index is, as it was given to [`open`](Self::open).
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Whether this was opened for writing.
    pub fn is_writable(&self) -> bool {
        self.lock.is_some()
    }

    /// Writes a file of `kind` (1 to 16 lower-case letters or digits, a letter first) with what `fill` writes,
    /// and syncs it. It is part of the index once a publication names it; when `fill` fails it is removed.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::ReadOnly`], and what `fill` returns.
    pub fn write_file(&self, kind: &str, fill: impl FnOnce(&mut BlobWriter) -> Result<()>) -> Result<FileRef> {
        let number = self.claim(kind)?;
        let mut file = BlobWriter::create(&self.shared, names::data(kind, number), kind, number)?;
        fill(&mut file)?;
        file.finish()
    }

    /// Begins a file of dense rows: records of `stride` bytes (1 to [`MAX_STRIDE`](crate::MAX_STRIDE)), the first of
    /// which is row `first_row`. It is part of the index once a publication names it.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::ReadOnly`].
    pub fn write_extent(&self, kind: &str, stride: usize, first_row: u32) -> Result<ExtentWriter> {
        let number = self.claim(kind)?;
        ExtentWriter::create(&self.shared, names::data(kind, number), kind, number, stride, first_row)
    }

    /// All that was written to a file, every block verified.
    ///
    /// # Errors
    /// [`Error::Corrupt`] (also when the file is missing), [`Error::Io`], [`Error::OutOfMemory`], [`Error::Aborted`].
    pub fn read_file(&self, file: &FileRef, task: &Task) -> Result<Vec<u8>> {
        let (path, opened) = self.open_file(file)?;
        let expected = Expected { kind: file.kind(), number: file.number(), len_and_check: Some((file.len(), file.check())) };
        blob::read(&*opened, &path, &expected, task)
    }

    /// Opens a file of dense rows and verifies its header and its array of checksums.
    ///
    /// # Errors
    /// As [`read_file`](Self::read_file).
    pub fn open_extent(&self, file: &FileRef, task: &Task) -> Result<Extent> {
        let (path, opened) = self.open_file(file)?;
        Extent::open(opened, path, file, task)
    }

    /// Removes a finished file that was not published and will not be.
    pub fn discard(&self, file: &FileRef) {
        let name = file.name();
        if self.shared.pending().contains(&name) {
            self.shared.discard(&name);
        }
    }

    /// Makes `body` and `files` the state of the index: after this returns it survives power loss, and if it
    /// fails or the power fails, the index is in this state or in the one before, wholly. The state before and
    /// its files are kept; older ones, and leftovers, are removed.
    ///
    /// After an error no further publication succeeds: what the disk did is known only when the index is
    /// opened again. (A failed sync must not be repeated: Rebello et al., ATC 2020.)
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::ReadOnly`].
    pub fn publish(&mut self, body: &[u8], files: &[FileRef]) -> Result<()> {
        self.check_writable()?;
        if self.failed || self.current.number + 1 >= NUMBERS {
            return Err(Error::invalid("publish", &self.shared.path, "an earlier publication failed"));
        }
        for file in files.iter().map(FileRef::name) {
            if !self.current.names(&file) && !self.shared.pending().contains(&file) {
                return Err(Error::invalid("publish", &self.shared.path.join(file), "neither new nor in the state before"));
            }
        }
        let next_file = self.shared.next_file.load(Ordering::Relaxed);
        let manifest = Manifest { number: self.current.number + 1, next_file, files: files.to_vec(), body: body.to_vec() };
        self.failed = true;
        write_manifest(&self.shared, &manifest)?;
        self.failed = false;
        {
            let mut pending = self.shared.pending();
            for file in files {
                pending.remove(&file.name());
            }
        }
        self.previous = Some(std::mem::replace(&mut self.current, manifest));
        self.clean();
        Ok(())
    }

    /// Looks for a newer state than the one this reader has, and takes it. Files that a reader has not opened
    /// yet may be gone once the writer has published twice: then this says `true`, and the reader begins anew.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn refresh(&mut self) -> Result<bool> {
        if self.is_writable() {
            return Ok(false);
        }
        let (newest, _) = load_beside_writer(&*self.shared.vfs, &self.shared.path)?;
        let newer = newest.number > self.current.number;
        if newer {
            self.current = newest;
        }
        Ok(newer)
    }

    fn new(
        vfs: Arc<dyn Vfs>,
        path: &Path,
        current: Manifest,
        previous: Option<Manifest>,
        listing: &Listing,
        lock: Option<Box<dyn LockGuard>>,
    ) -> Self {
        let unused = listing.data.last().map_or(0, |number| number.saturating_add(1));
        let next_file = AtomicU64::new(unused.max(current.next_file));
        let shared = Arc::new(Shared { vfs, path: path.into(), pending: Mutex::default(), next_file });
        Self { shared, current, previous, failed: false, lock }
    }

    /// A first manifest, before any other file: files without a manifest are therefore always damage.
    fn create(vfs: Arc<dyn Vfs>, path: &Path, listing: &Listing, lock: Option<Box<dyn LockGuard>>) -> Result<Self> {
        let first = Manifest { number: 0, next_file: 0, files: Vec::new(), body: Vec::new() };
        // The directory may have been made by a creation that was cut short before it synced the name.
        let parent = parent(path);
        vfs.sync_dir(parent).map_err(Error::io("sync", parent))?;
        let directory = Self::new(vfs, path, first, None, listing, lock);
        directory.clean();
        write_manifest(&directory.shared, &directory.current)?;
        Ok(directory)
    }

    fn check_writable(&self) -> Result<()> {
        if self.is_writable() { Ok(()) } else { Err(Error::ReadOnly { path: self.shared.path.clone() }) }
    }

    fn claim(&self, kind: &str) -> Result<u64> {
        self.check_writable()?;
        if !names::is_kind(kind) || kind == MANIFEST {
            return Err(Error::invalid("create", &self.shared.path.join(kind), "a kind is 1 to 16 lower-case letters or digits"));
        }
        let number = self.shared.next_file.fetch_add(1, Ordering::Relaxed);
        if number >= NUMBERS {
            return Err(Error::invalid("create", &self.shared.path, "file numbers are used up"));
        }
        Ok(number)
    }

    fn open_file(&self, file: &FileRef) -> Result<(PathBuf, Arc<dyn File>)> {
        let path = self.shared.path.join(file.name());
        match self.shared.vfs.open(&path) {
            Ok(opened) => Ok((path, opened)),
            Err(e) if e.kind() == ErrorKind::NotFound => Err(Error::corrupt(&path, 0, "the file is missing")),
            Err(e) => Err(Error::io("open", &path)(e)),
        }
    }

    /// Removes what is ours and in no kept manifest. What cannot be removed now is tried again next time.
    fn clean(&self) {
        let Ok(names) = self.shared.vfs.list(&self.shared.path) else { return };
        let kept = [Some(&self.current), self.previous.as_ref()];
        let kept = || kept.into_iter().flatten();
        for name in names {
            let text = name.to_string_lossy();
            let goes = match Name::of(&name) {
                Name::Lock | Name::Other(_) => false,
                Name::Temporary => true,
                Name::Manifest(number) => !kept().any(|manifest| manifest.number == number),
                Name::Data(_) => !kept().any(|manifest| manifest.names(&text)) && !self.shared.pending().contains(&*text),
            };
            if goes {
                let _ = self.shared.vfs.remove(&self.shared.path.join(&name));
            }
        }
    }
}

/// What is in a directory, by its names.
struct Listing {
    /// Ascending.
    manifests: Vec<u64>,
    /// Numbers of the data files, ascending.
    data: Vec<u64>,
    foreign: Option<String>,
}

impl Listing {
    fn read(vfs: &dyn Vfs, path: &Path) -> Result<Self> {
        let mut listing = Self { manifests: Vec::new(), data: Vec::new(), foreign: None };
        for name in vfs.list(path).map_err(Error::io("list", path))? {
            match Name::of(&name) {
                Name::Manifest(number) => listing.manifests.push(number),
                Name::Data(number) => listing.data.push(number),
                Name::Other(text) => listing.foreign = Some(text.into_owned()),
                Name::Lock | Name::Temporary => {}
            }
        }
        listing.manifests.sort_unstable();
        listing.data.sort_unstable();
        Ok(listing)
    }

    /// Whether this can be opened in the mode.
    fn check(&self, path: &Path, mode: Mode) -> Result<()> {
        if !self.manifests.is_empty() {
            Ok(())
        } else if !self.data.is_empty() {
            Err(Error::corrupt(path, 0, "there are files of an index, but no manifest"))
        } else if let Some(name) = &self.foreign {
            Err(Error::NotAnIndex { path: path.into(), why: format!("it holds {name:?}, and no manifest") })
        } else if mode == Mode::Create {
            Ok(())
        } else {
            Err(Error::NotFound { path: path.into() })
        }
    }
}

fn load(vfs: &dyn Vfs, directory: &Path, number: u64) -> Result<Manifest> {
    let path = directory.join(names::manifest(number));
    let file = vfs.open(&path).map_err(Error::io("open", &path))?;
    let expected = Expected { kind: MANIFEST, number, len_and_check: None };
    let bytes = blob::read(&*file, &path, &expected, &Task::new())?;
    Manifest::decode(&path, number, &bytes)
}

fn load_beside_writer(vfs: &dyn Vfs, path: &Path) -> Result<(Manifest, Listing)> {
    let mut look = 1;
    loop {
        let found = Listing::read(vfs, path).and_then(|listing| {
            listing.check(path, Mode::Read)?;
            let newest = listing.manifests.last().map_or(0, |newest| *newest);
            Ok((load(vfs, path, newest)?, listing))
        });
        match found {
            Ok((manifest, _)) if manifest.number == 0 => return Err(Error::NotFound { path: path.into() }),
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound && look < LOOKS => look += 1,
            Err(Error::Corrupt { file, .. }) if file == path && look < LOOKS => look += 1,
            found => return found,
        }
    }
}

/// Publishes a manifest: the names of its files survive before it has its own, and it is whole before it has it.
fn write_manifest(shared: &Arc<Shared>, manifest: &Manifest) -> Result<()> {
    let (vfs, directory) = (&shared.vfs, &shared.path);
    let (temporary, path) = (names::temporary(manifest.number), directory.join(names::manifest(manifest.number)));
    let _ = vfs.remove(&directory.join(&temporary));
    let mut file = BlobWriter::create(shared, temporary.clone(), MANIFEST, manifest.number)?;
    file.write(&manifest.encode())?;
    file.finish()?;
    shared.pending().remove(&temporary);
    vfs.sync_dir(directory).map_err(Error::io("sync", directory))?;
    vfs.rename(&directory.join(&temporary), &path).map_err(Error::io("rename", &path))?;
    vfs.sync_dir(directory).map_err(Error::io("sync", directory))
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Makes a directory and those above it that are missing, and the names of them all durable.
fn create_dirs(vfs: &dyn Vfs, path: &Path) -> Result<()> {
    let above = parent(path);
    if above != path && vfs.kind(above).map_err(Error::io("open", above))?.is_none() {
        create_dirs(vfs, above)?;
    }
    match vfs.create_dir(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(Error::io("create", path)(e)),
        _ => {}
    }
    vfs.sync_dir(above).map_err(Error::io("sync", above))
}
