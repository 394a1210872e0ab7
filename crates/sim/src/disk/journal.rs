//! What was done to a disk, in order: enough to know what a power loss can leave of it.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

/// A file, whatever its name is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub u64);

/// What a name leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A regular file.
    File(FileId),
    /// A directory.
    Directory,
}

/// A change of the names in a directory; whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new name.
    Link(OsString, Target),
    /// A name goes.
    Unlink(OsString),
    /// A file gets another name, which replaces whatever had it.
    Move {
        /// The name before.
        from: OsString,
        /// The name after.
        to: OsString,
        /// The file that both stand for.
        file: FileId,
    },
}

/// One operation that changed something, or made something durable.
#[derive(Debug, Clone)]
pub enum Op {
    /// Bytes of a file.
    Write {
        /// Which.
        file: FileId,
        /// Offset.
        at: u64,
        /// What was taken.
        bytes: Arc<[u8]>,
    },
    /// The file's bytes were asked to be made durable. Where that failed they count as clean: no later sync writes
    /// them, and whether any of them arrived is anyone's guess (Rebello et al., ATC 2020).
    Sync {
        /// Which.
        file: FileId,
        /// Whether it succeeded.
        done: bool,
    },
    /// A name in a directory.
    Name {
        /// Where.
        directory: PathBuf,
        /// What.
        change: Change,
    },
    /// The names in a directory were asked to be made durable. Where that failed they stay for the next sync: file systems
    /// keep a log of names.
    SyncDir {
        /// Which.
        directory: PathBuf,
        /// Whether it succeeded.
        done: bool,
    },
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = |done: &bool| if *done { "" } else { " fails" };
        match self {
            Self::Write { file, at, bytes } => write!(f, "write file {}: {} bytes at {at}", file.0, bytes.len()),
            Self::Sync { file, done } => write!(f, "sync file {}{}", file.0, failed(done)),
            Self::Name { directory, change } => write!(f, "name in {}: {change:?}", directory.display()),
            Self::SyncDir { directory, done } => write!(f, "sync directory {}{}", directory.display(), failed(done)),
        }
    }
}
