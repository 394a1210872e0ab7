//! One index on disk: who may write, what is published, and which files may go.

use std::collections::BTreeSet;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use task::Task;

use crate::blob::{self, BlobWriter, Expected};
use crate::extent::{Extent, ExtentWriter};
use crate::log::{LOG, Log, LogStart, Logs};
use crate::manifest::{FileRef, Manifest};
use crate::names::{self, LOCK, NUMBERS, Name};
use crate::replay::{self, Replayed};
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
    kept: Mutex<Kept>,
    lock: Option<Box<dyn LockGuard>>,
}

/// The manifests whose files stay.
#[derive(Debug)]
struct Kept {
    current: Arc<Manifest>,
    /// The one before: kept, with its files, until the next publication.
    previous: Option<Arc<Manifest>>,
    /// Those that somebody reads files of.
    pinned: Vec<Weak<Manifest>>,
    /// The number of the newest manifest that is there, whether it could be read or not.
    newest: u64,
    /// Whether a publication failed.
    failed: bool,
}

impl Kept {
    fn manifests(&self) -> Vec<Arc<Manifest>> {
        let pinned = self.pinned.iter().filter_map(Weak::upgrade);
        [self.current.clone()].into_iter().chain(self.previous.clone()).chain(pinned).collect()
    }
}

/// What writers of files need of the directory.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) vfs: Arc<dyn Vfs>,
    pub(crate) path: PathBuf,
    /// Files made since the directory was opened that no manifest has named yet.
    pending: Mutex<BTreeSet<String>>,
    next_file: AtomicU64,
    pub(crate) logs: Logs,
    /// Bytes written since the directory was opened.
    written: AtomicU64,
}

impl Shared {
    pub(crate) fn pending(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn note_written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
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
    /// files are, [`Error::Locked`], [`Error::Corrupt`] when no manifest verifies or there is none beside an
    /// index's files, [`Error::Io`].
    pub fn open(vfs: Arc<dyn Vfs>, path: &Path, mode: Mode) -> Result<Self> {
        match vfs.kind(path).map_err(Error::io("open", path))? {
            Some(Kind::Directory) => {}
            Some(Kind::File) => return Err(Error::IsFile { path: path.into() }),
            Some(Kind::Other) => return Err(Error::NotAnIndex { path: path.into(), why: "it is a device or a pipe".into() }),
            None if mode == Mode::Create => create_dirs(&*vfs, path)?,
            None => return Err(Error::NotFound { path: path.into() }),
        }
        if mode == Mode::Read {
            let (found, listing) = load_beside_writer(&*vfs, path)?;
            return Ok(Self::new(vfs, path, found, &listing, None));
        }
        // Looked at before the lock is taken, too, so that no LOCK is left where it does not belong.
        Listing::read(&*vfs, path)?.check(path, mode)?;
        let lock = vfs.try_lock(&path.join(LOCK)).map_err(Error::io("lock", path))?;
        let lock = Some(lock.ok_or_else(|| Error::Locked { path: path.into() })?);
        let listing = Listing::read(&*vfs, path)?;
        listing.check(path, mode)?;
        if listing.manifests.is_empty() {
            return Self::create(vfs, path, &listing, lock);
        }
        let found = Found::load(&*vfs, path, &listing)?;
        if found.current.number == 0 && mode == Mode::Write {
            return Err(Error::NotFound { path: path.into() });
        }
        // What is seen now must not be unseen after a power loss, though its writer may have died before its sync.
        vfs.sync_dir(path).map_err(Error::io("sync", path))?;
        let whole = found.whole;
        let directory = Self::new(vfs, path, found, &listing, lock);
        if whole {
            directory.clean(&directory.kept());
        }
        directory.measure_logs(&listing);
        Ok(directory)
    }

    /// The newest published state; `None` until the first publication of a new index.
    pub fn manifest(&self) -> Option<Arc<Manifest>> {
        Some(self.kept().current.clone()).filter(|current| current.number > 0)
    }

    /// The newest published state, whose files stay for as long as it is held.
    pub fn pin(&self) -> Option<Arc<Manifest>> {
        let mut kept = self.kept();
        let current = kept.current.clone();
        kept.pinned.retain(|pinned| pinned.strong_count() > 0);
        kept.pinned.push(Arc::downgrade(&current));
        Some(current).filter(|current| current.number > 0)
    }

    /// Where the index is, as it was given to [`open`](Self::open).
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Whether this was opened for writing.
    pub fn is_writable(&self) -> bool {
        self.lock.is_some()
    }

    /// Writes a file of `kind` (1 to 16 lower-case letters or digits, a letter first; not `manifest` or `log`) with what `fill` writes,
    /// and syncs it. It is part of the index once a publication names it; when `fill` fails it is removed.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::ReadOnly`], and what `fill` returns.
    pub fn write_file(&self, kind: &str, fill: impl FnOnce(&mut BlobWriter) -> Result<()>) -> Result<FileRef> {
        let number = self.claim_data(kind)?;
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
        let number = self.claim_data(kind)?;
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

    /// What can still be read of a file: the bytes that were written to it, zeros where they are not known, and where
    /// those are. A file that is missing is unknown as a whole.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::OutOfMemory`], [`Error::Aborted`].
    pub fn salvage_file(&self, file: &FileRef, task: &Task) -> Result<(Vec<u8>, Vec<Range<u64>>)> {
        match self.open_file(file) {
            Ok((path, opened)) => blob::salvage(&*opened, &path, file.number(), file.len(), task),
            Err(Error::Corrupt { .. }) => Ok((Vec::new(), Vec::new())),
            Err(error) => Err(error),
        }
    }

    /// Reads a file through, every block verified, and keeps nothing of it.
    ///
    /// # Errors
    /// As [`read_file`](Self::read_file).
    pub fn check_file(&self, file: &FileRef, task: &Task) -> Result<()> {
        let (path, opened) = self.open_file(file)?;
        let expected = Expected { kind: file.kind(), number: file.number(), len_and_check: Some((file.len(), file.check())) };
        blob::check(&*opened, &path, &expected, task)
    }

    /// Reads every log that is kept, back to what the older of the two kept states needs. Nothing may be written meanwhile.
    ///
    /// # Errors
    /// As [`replay`](Self::replay).
    pub fn check_logs(&self, task: &Task) -> Result<Replayed> {
        let starts = self.kept().manifests();
        let Some(start) = starts.iter().filter_map(|manifest| manifest.log).min_by_key(|start| start.number) else {
            return Ok(Replayed::default());
        };
        let (vfs, path) = (&*self.shared.vfs, &self.shared.path);
        replay::replay(vfs, path, &Listing::read(vfs, path)?.logs, start, task, &mut |_, _| Ok(()))
    }

    /// Reads the kept manifests again; gives what is wrong with any of them.
    pub fn check_manifests(&self) -> Vec<Error> {
        let kept = self.kept();
        let numbers = [Some(kept.newest), Some(kept.current.number), kept.previous.as_ref().map(|previous| previous.number)];
        let mut numbers: Vec<u64> = numbers.into_iter().flatten().collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers.into_iter().filter_map(|number| load(&*self.shared.vfs, &self.shared.path, number).err()).collect()
    }

    /// The files of the states that are kept, each once.
    pub fn kept_files(&self) -> Vec<FileRef> {
        let mut files: Vec<FileRef> = self.kept().manifests().iter().flat_map(|manifest| manifest.files().to_vec()).collect();
        files.sort_by_key(FileRef::number);
        files.dedup();
        files
    }

    /// Bytes of the kept states' files of `kind`; and of all their others, manifests included.
    pub fn kept_bytes(&self, kind: &str) -> (u64, u64) {
        let (of_kind, others): (Vec<_>, Vec<_>) = self.kept_files().into_iter().partition(|file| file.kind() == kind);
        let mut manifests: Vec<u64> = self.kept().manifests().iter().map(|manifest| manifest.number).collect();
        manifests.sort_unstable();
        manifests.dedup();
        let manifests = manifests.iter().filter_map(|&number| {
            self.shared.vfs.open(&self.shared.path.join(names::manifest(number))).and_then(|file| file.len()).ok()
        });
        let sum = |files: &[FileRef]| files.iter().map(FileRef::len).sum::<u64>();
        (sum(&of_kind), sum(&others) + manifests.sum::<u64>())
    }

    /// The disk that the directory lies on.
    pub fn vfs(&self) -> Arc<dyn Vfs> {
        self.shared.vfs.clone()
    }

    /// Opens a file of dense rows and verifies its header and its array of checksums.
    ///
    /// # Errors
    /// As [`read_file`](Self::read_file).
    pub fn open_extent(&self, file: &FileRef, task: &Task) -> Result<Extent> {
        let (path, opened) = self.open_file(file)?;
        Extent::open(opened, path, file, task)
    }

    /// What is left of a damaged file of rows of `stride` bytes, which begin with `first_row` and end before `end` at the
    /// latest. Damaged rows are errors when they are read.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where the manifest's own record of the file does not fit such rows, and as
    /// [`salvage_file`](Self::salvage_file).
    pub fn salvage_extent(&self, file: &FileRef, stride: usize, first_row: u32, end: u32, task: &Task) -> Result<Extent> {
        let opened = match self.open_file(file) {
            Err(Error::Corrupt { .. }) => None,
            opened => Some(opened?.1),
        };
        Extent::salvage(opened, self.shared.path.join(file.name()), file, stride, (first_row, end), task)
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
    /// its files are kept, and the log from where the older of the two needs it; what is older, and leftovers, are
    /// removed. `log` says where that begins which was written after this state.
    ///
    /// After an error no further publication succeeds: what the disk did is known only when the index is
    /// opened again. (A failed sync must not be repeated: Rebello et al., ATC 2020.)
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::ReadOnly`].
    pub fn publish(&self, body: &[u8], files: &[FileRef], log: Option<LogStart>) -> Result<()> {
        self.check_writable()?;
        let mut kept = self.kept();
        if kept.failed || kept.newest + 1 >= NUMBERS {
            return Err(Error::invalid("publish", &self.shared.path, "an earlier publication failed"));
        }
        for file in files.iter().map(FileRef::name) {
            if !kept.current.names(&file) && !self.shared.pending().contains(&file) {
                return Err(Error::invalid("publish", &self.shared.path.join(file), "neither new nor in the state before"));
            }
        }
        let next_file = self.shared.next_file.load(Ordering::Relaxed);
        let manifest = Manifest { number: kept.newest + 1, next_file, log, files: files.to_vec(), body: body.to_vec() };
        kept.failed = true;
        write_manifest(&self.shared, &manifest)?;
        kept.failed = false;
        kept.newest = manifest.number;
        {
            let mut pending = self.shared.pending();
            for file in files {
                pending.remove(&file.name());
            }
        }
        kept.previous = Some(std::mem::replace(&mut kept.current, Arc::new(manifest)));
        self.clean(&kept);
        Ok(())
    }

    /// Looks for a newer state than the one this reader has, and takes it. Files that a reader has not opened
    /// yet may be gone once the writer has published twice: then this says `true`, and the reader begins anew.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn refresh(&self) -> Result<bool> {
        if self.is_writable() {
            return Ok(false);
        }
        let (found, _) = load_beside_writer(&*self.shared.vfs, &self.shared.path)?;
        let mut kept = self.kept();
        let newer = found.current.number > kept.current.number;
        if newer {
            (kept.current, kept.newest) = (Arc::new(found.current), found.newest);
        }
        Ok(newer)
    }

    /// Whether the newest manifest could not be read, so that the one before it was taken.
    pub fn fell_back(&self) -> bool {
        let kept = self.kept();
        kept.newest != kept.current.number
    }

    /// Begins a log file: the first record will have the sequence number `seq`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::ReadOnly`].
    pub fn start_log(&self, seq: u64) -> Result<Log> {
        let number = self.claim()?;
        Log::create(&self.shared, LogStart { number, seq })
    }

    /// Gives `apply` every record that was written after the state of [`manifest`](Self::manifest), in order.
    ///
    /// What is seen now must not be unseen after a power loss. So a writer's directory repeats the records that are not known
    /// to be durable in a new log, which is given back to be gone on with. To sync the old one would not do: after a sync
    /// that failed, the system may take for written what is in its memory alone (Rebello et al., ATC 2020).
    ///
    /// A record at the end that is not whole was never acknowledged, and is left out.
    ///
    /// # Errors
    /// [`Error::Corrupt`] where a log is missing, does not follow the one before, or is damaged before its end; what
    /// `apply` returns; [`Error::Io`], [`Error::OutOfMemory`], [`Error::Aborted`].
    pub fn replay(&self, task: &Task, mut apply: impl FnMut(u64, &[u8]) -> Result<()>) -> Result<(Replayed, Option<Log>)> {
        let Some(start) = self.kept().current.log else { return Ok((Replayed::default(), None)) };
        let (vfs, path) = (&*self.shared.vfs, &self.shared.path);
        let logs = Listing::read(vfs, path)?.logs;
        let replayed = replay::replay(vfs, path, &logs, start, task, &mut apply)?;
        if !self.is_writable() || replayed.unproven == replayed.next_seq {
            return Ok((replayed, None));
        }
        let mut log = self.start_log(replayed.unproven)?;
        replay::replay(vfs, path, &logs, start, task, &mut |seq, payload| {
            if seq < replayed.unproven { Ok(()) } else { log.append(&[payload]) }
        })?;
        log.commit(true)?;
        Ok((replayed, Some(log)))
    }

    /// Bytes of the log files that are kept.
    pub fn log_bytes(&self) -> u64 {
        self.shared.logs.bytes()
    }

    /// Bytes written to files of this directory since it was opened.
    pub fn written(&self) -> u64 {
        self.shared.written.load(Ordering::Relaxed)
    }

    /// Notes how long the logs are that an earlier writer left.
    fn measure_logs(&self, listing: &Listing) {
        for &number in &listing.logs {
            let file = self.shared.vfs.open(&self.shared.path.join(names::data(LOG, number)));
            if let Ok(len) = file.and_then(|file| file.len()) {
                self.shared.logs.add(number, len);
            }
        }
    }

    fn new(vfs: Arc<dyn Vfs>, path: &Path, found: Found, listing: &Listing, lock: Option<Box<dyn LockGuard>>) -> Self {
        let unused = listing.data.last().map_or(0, |number| number.saturating_add(1));
        let next_file = AtomicU64::new(unused.max(found.current.next_file));
        let shared = Shared {
            vfs,
            path: path.into(),
            pending: Mutex::default(),
            next_file,
            logs: Logs::default(),
            written: AtomicU64::new(0),
        };
        let kept = Kept {
            current: Arc::new(found.current),
            previous: found.previous.map(Arc::new),
            pinned: Vec::new(),
            newest: found.newest,
            failed: false,
        };
        Self { shared: Arc::new(shared), kept: Mutex::new(kept), lock }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A first manifest, before any other file: files without a manifest are therefore always damage.
    fn create(vfs: Arc<dyn Vfs>, path: &Path, listing: &Listing, lock: Option<Box<dyn LockGuard>>) -> Result<Self> {
        let first = Manifest { number: 0, next_file: 0, log: None, files: Vec::new(), body: Vec::new() };
        let first = Found { current: first, previous: None, newest: 0, whole: true };
        // The directory may have been made by a creation that was cut short before it synced the name.
        let parent = parent(path);
        vfs.sync_dir(parent).map_err(Error::io("sync", parent))?;
        let directory = Self::new(vfs, path, first, listing, lock);
        directory.clean(&directory.kept());
        write_manifest(&directory.shared, &directory.kept().current)?;
        Ok(directory)
    }

    fn check_writable(&self) -> Result<()> {
        if self.is_writable() { Ok(()) } else { Err(Error::ReadOnly { path: self.shared.path.clone() }) }
    }

    fn claim_data(&self, kind: &str) -> Result<u64> {
        if !names::is_kind(kind) || kind == MANIFEST || kind == LOG {
            return Err(Error::invalid("create", &self.shared.path.join(kind), "a kind is 1 to 16 lower-case letters or digits"));
        }
        self.claim()
    }

    fn claim(&self) -> Result<u64> {
        self.check_writable()?;
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
    fn clean(&self, kept: &Kept) {
        let Ok(names) = self.shared.vfs.list(&self.shared.path) else { return };
        let kept = kept.manifests();
        let kept = || kept.iter();
        let first_log = kept().filter_map(|manifest| manifest.log).map(|log| log.number).min().unwrap_or(0);
        for name in names {
            let text = name.to_string_lossy();
            let goes = match Name::of(&name) {
                Name::Lock | Name::Other(_) => false,
                Name::Temporary => true,
                Name::Manifest(number) => !kept().any(|manifest| manifest.number == number),
                Name::Data(LOG, number) => number < first_log,
                Name::Data(..) => !kept().any(|manifest| manifest.names(&text)) && !self.shared.pending().contains(&*text),
            };
            if goes {
                let _ = self.shared.vfs.remove(&self.shared.path.join(&name));
                if let Name::Data(LOG, number) = Name::of(&name) {
                    self.shared.logs.remove(number);
                }
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
    /// Those of the log files among them, ascending.
    logs: Vec<u64>,
    foreign: Option<String>,
}

impl Listing {
    fn read(vfs: &dyn Vfs, path: &Path) -> Result<Self> {
        let mut listing = Self { manifests: Vec::new(), data: Vec::new(), logs: Vec::new(), foreign: None };
        for name in vfs.list(path).map_err(Error::io("list", path))? {
            match Name::of(&name) {
                Name::Manifest(number) => listing.manifests.push(number),
                Name::Data(kind, number) => {
                    listing.data.push(number);
                    if kind == LOG {
                        listing.logs.push(number);
                    }
                }
                Name::Other(text) => listing.foreign = Some(text.into_owned()),
                Name::Lock | Name::Temporary => {}
            }
        }
        listing.manifests.sort_unstable();
        listing.data.sort_unstable();
        listing.logs.sort_unstable();
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

/// What the manifests of a directory say.
struct Found {
    current: Manifest,
    previous: Option<Manifest>,
    newest: u64,
    /// Whether what is in neither of the two is known to be of no use.
    whole: bool,
}

impl Found {
    /// The newest manifest that verifies. The one before any data does not count beside one that is damaged.
    fn load(vfs: &dyn Vfs, directory: &Path, listing: &Listing) -> Result<Self> {
        let mut manifests = listing.manifests.iter().rev();
        let newest = manifests.next().copied().unwrap_or(0);
        match load(vfs, directory, newest) {
            Ok(current) => {
                let previous = manifests.next().map(|&number| load(vfs, directory, number));
                let whole = !matches!(previous, Some(Err(_)));
                Ok(Self { current, previous: previous.and_then(Result::ok), newest, whole })
            }
            Err(error @ Error::Corrupt { .. }) => {
                let older = manifests.filter(|&&number| number > 0).find_map(|&number| load(vfs, directory, number).ok());
                let current = older.filter(|manifest| manifest.log.is_some()).ok_or(error)?;
                Ok(Self { current, previous: None, newest, whole: false })
            }
            Err(error) => Err(error),
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

fn load_beside_writer(vfs: &dyn Vfs, path: &Path) -> Result<(Found, Listing)> {
    let mut look = 1;
    loop {
        let found = Listing::read(vfs, path).and_then(|listing| {
            listing.check(path, Mode::Read)?;
            // The one before is the writer's affair.
            Ok((Found::load(vfs, path, &listing)?, listing))
        });
        match found {
            Ok((found, _)) if found.current.number == 0 => return Err(Error::NotFound { path: path.into() }),
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
