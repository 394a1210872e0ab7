//! What of a disk is durable at a moment, what is not, and what a power loss makes of both.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::bytes::Bytes;
use super::image::Image;
use super::journal::{Change, FileId, Op, Target};

/// What a power loss does to one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// All of it is there.
    Whole,
    /// Nothing of it is.
    Absent,
    /// Some of its sectors are.
    Torn(Tear),
}

/// A write in parts. Sectors lie at multiples of `sector` in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tear {
    /// 512 or 4096.
    pub sector: u64,
    /// Which sectors that the write touches are there: bit n (modulo 64) for the n-th.
    pub kept: u64,
    /// Whether those that are not there are zeros where the file was made longer, or make it shorter if they are its last.
    pub zeros: bool,
}

/// What becomes of everything that was not durable.
#[derive(Debug, Clone)]
pub struct Selection {
    /// One for each of [`Pending::writes`], in that order.
    pub writes: Vec<Fate>,
    /// One for each of [`Pending::names`]: whether the change happened.
    pub names: Vec<bool>,
    /// How many bytes the lengths of the files that grew fall short, as a share of their growth in 1/256.
    pub short: u8,
}

/// Durable state and pending changes, after some operations of a journal.
#[derive(Debug, Clone, Default)]
pub struct Pending {
    files: BTreeMap<FileId, FileState>,
    directories: BTreeMap<PathBuf, DirectoryState>,
}

#[derive(Debug, Clone, Default)]
struct FileState {
    durable: Bytes,
    later: Vec<Later<(u64, Arc<[u8]>)>>,
}

#[derive(Debug, Clone, Default)]
struct DirectoryState {
    durable: BTreeMap<OsString, Target>,
    later: Vec<Later<Change>>,
}

/// A change that came after the last that is durable for certain.
#[derive(Debug, Clone)]
struct Later<T> {
    change: T,
    certainty: Certainty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certainty {
    /// The next sync makes it durable.
    Dirty,
    /// A sync failed over it: it may be durable or not, for ever.
    Doubtful,
    /// Durable, but it came after something doubtful.
    Durable,
}

/// Notes a sync, and folds into the durable state what is certain. `rest`: what changes are if it failed.
fn settle<T>(later: &mut Vec<Later<T>>, done: bool, rest: Certainty, mut fold: impl FnMut(&T)) {
    for one in later.iter_mut().filter(|one| one.certainty == Certainty::Dirty) {
        one.certainty = if done { Certainty::Durable } else { rest };
    }
    let certain = later.iter().take_while(|one| one.certainty == Certainty::Durable).count();
    later.drain(..certain).for_each(|one| fold(&one.change));
}

fn apply(names: &mut BTreeMap<OsString, Target>, change: &Change) {
    match change {
        Change::Link(name, target) => {
            names.insert(name.clone(), *target);
        }
        Change::Unlink(name) => {
            names.remove(name);
        }
        Change::Move { from, to, file } => {
            if names.get(from) == Some(&Target::File(*file)) {
                names.remove(from);
            }
            names.insert(to.clone(), Target::File(*file));
        }
    }
}

impl Pending {
    /// A disk with what `image` holds, all of it durable. Ids as [`SimDisk::new`](super::SimDisk::new) gives them.
    pub fn new(image: &Image) -> Self {
        let mut pending = Self::default();
        pending.directories.insert(PathBuf::from("/"), DirectoryState::default());
        for path in &image.directories {
            pending.directories.insert(path.clone(), DirectoryState::default());
            pending.link(path, Target::Directory);
        }
        for (id, (path, bytes)) in (0..).map(FileId).zip(&image.files) {
            pending.files.insert(id, FileState { durable: bytes.clone(), later: Vec::new() });
            pending.link(path, Target::File(id));
        }
        pending
    }

    fn link(&mut self, path: &Path, target: Target) {
        if let (Some(parent), Some(name)) = (path.parent(), path.file_name()) {
            self.directories.entry(parent.into()).or_default().durable.insert(name.into(), target);
        }
    }

    /// Takes in one more operation.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Write { file, at, bytes } => {
                let change = (*at, bytes.clone());
                self.files.entry(*file).or_default().later.push(Later { change, certainty: Certainty::Dirty });
            }
            Op::Sync { file, done } => {
                let FileState { durable, later } = self.files.entry(*file).or_default();
                settle(later, *done, Certainty::Doubtful, |(at, bytes)| durable.put(*at, bytes));
            }
            Op::Name { directory, change } => {
                if let Change::Link(name, Target::Directory) = change {
                    self.directories.entry(directory.join(name)).or_default();
                }
                let later = &mut self.directories.entry(directory.clone()).or_default().later;
                later.push(Later { change: change.clone(), certainty: Certainty::Dirty });
            }
            Op::SyncDir { directory, done } => {
                let DirectoryState { durable, later } = self.directories.entry(directory.clone()).or_default();
                settle(later, *done, Certainty::Dirty, |change| apply(durable, change));
            }
        }
    }

    /// Offset and length of every write that may or may not survive, of files that may have a name then.
    pub fn writes(&self) -> Vec<(u64, u64)> {
        let reachable = self.reachable();
        let files = self.files.iter().filter(|(id, _)| reachable.contains(id));
        let open = files.flat_map(|(_, file)| file.later.iter().filter(|one| one.certainty != Certainty::Durable));
        open.map(|one| (one.change.0, one.change.1.len() as u64)).collect()
    }

    /// Number of changes of names that may or may not survive.
    pub fn names(&self) -> usize {
        let all = self.directories.values().flat_map(|directory| &directory.later);
        all.filter(|one| one.certainty != Certainty::Durable).count()
    }

    fn reachable(&self) -> BTreeSet<FileId> {
        let targets = self.directories.values().flat_map(|directory| {
            let later = directory.later.iter().filter_map(|one| match &one.change {
                Change::Link(_, target) => Some(*target),
                Change::Move { file, .. } => Some(Target::File(*file)),
                Change::Unlink(_) => None,
            });
            directory.durable.values().copied().chain(later)
        });
        targets.filter_map(|target| if let Target::File(id) = target { Some(id) } else { None }).collect()
    }

    /// What lies on the disk when the power has come back.
    pub fn image(&self, selection: &Selection) -> Image {
        let mut names = selection.names.iter().copied();
        let mut survives = |certainty| certainty == Certainty::Durable || names.next().unwrap_or(false);
        let mut listings: BTreeMap<&Path, BTreeMap<OsString, Target>> = BTreeMap::new();
        for (path, directory) in &self.directories {
            let mut listing = directory.durable.clone();
            for one in &directory.later {
                if survives(one.certainty) {
                    apply(&mut listing, &one.change);
                }
            }
            listings.insert(path, listing);
        }
        let contents = self.contents(selection);
        let mut image = Image::default();
        let mut todo = vec![PathBuf::from("/")];
        while let Some(directory) = todo.pop() {
            for (name, target) in listings.get(directory.as_path()).into_iter().flatten() {
                let path = directory.join(name);
                match target {
                    Target::Directory => {
                        image.directories.insert(path.clone());
                        todo.push(path);
                    }
                    Target::File(id) => {
                        image.files.insert(path, contents.get(id).cloned().unwrap_or_default());
                    }
                }
            }
        }
        image
    }

    fn contents(&self, selection: &Selection) -> BTreeMap<FileId, Bytes> {
        let mut fates = selection.writes.iter().copied();
        let mut contents = BTreeMap::new();
        for id in self.reachable() {
            let Some(file) = self.files.get(&id) else { continue };
            let mut bytes = file.durable.clone();
            for one in &file.later {
                let certain = one.certainty == Certainty::Durable;
                let fate = if certain { Fate::Whole } else { fates.next().unwrap_or(Fate::Absent) };
                put(&mut bytes, one.change.0, &one.change.1, fate);
            }
            let (least, most) = (file.certain_len(), bytes.len());
            if selection.short > 0 && most > least {
                let cut = (most - least) * usize::from(selection.short) / 256;
                bytes.truncate(most - cut);
            }
            contents.insert(id, bytes);
        }
        contents
    }
}

impl FileState {
    fn certain_len(&self) -> usize {
        let certain = self.later.iter().filter(|one| one.certainty == Certainty::Durable);
        let ends = certain.map(|one| one.change.0 as usize + one.change.1.len());
        ends.fold(self.durable.len(), usize::max)
    }
}

/// Writes as much of `new` at `at` as its fate leaves of it.
fn put(file: &mut Bytes, at: u64, new: &[u8], fate: Fate) {
    let tear = match fate {
        Fate::Absent => return,
        Fate::Whole => return file.put(at, new),
        Fate::Torn(tear) => tear,
    };
    let (mut start, mut number) = (0, 0);
    while start < new.len() {
        let next = ((at + start as u64) / tear.sector + 1) * tear.sector - at;
        let end = new.len().min(next as usize);
        if tear.kept >> (number % 64) & 1 == 1 {
            file.put(at + start as u64, &new[start..end]);
        }
        (start, number) = (end, number + 1);
    }
    if tear.zeros {
        file.grow(at as usize + new.len());
    }
}
