use std::path::{Path, PathBuf};
use std::{error, fmt, io};

use task::Aborted;

/// What this crate's calls return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call failed; every variant names the file or directory.
#[derive(Debug)]
pub enum Error {
    /// The operating system refused or failed.
    Io {
        /// What was tried, as a verb: `"open"`, `"write"`, `"sync"`.
        op: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what was written to it, or is not there though a manifest names it.
    Corrupt {
        /// The file.
        file: PathBuf,
        /// Offset in bytes of the damaged part.
        at: u64,
        /// What was found and what was wanted.
        what: String,
    },
    /// A file is of a format, or needs a feature, that this version does not know.
    Unknown {
        /// The file.
        file: PathBuf,
        /// What it needs.
        what: String,
    },
    /// Another writer, in this or another process, has the index open.
    Locked {
        /// The index's directory.
        path: PathBuf,
    },
    /// There is no index at the path, and none was to be made.
    NotFound {
        /// The path.
        path: PathBuf,
    },
    /// There is something at the path that is no index, and is left alone.
    NotAnIndex {
        /// The path.
        path: PathBuf,
        /// What is there.
        why: String,
    },
    /// The path is a file; an index is a directory.
    IsFile {
        /// The path.
        path: PathBuf,
    },
    /// A write to a directory that was opened for reading.
    ReadOnly {
        /// The index's directory.
        path: PathBuf,
    },
    /// No memory for what was to be read.
    OutOfMemory {
        /// How much was asked for, in bytes.
        bytes: u64,
    },
    /// The caller's task was cancelled.
    Aborted,
}

impl Error {
    pub(crate) fn corrupt(file: &Path, at: u64, what: impl Into<String>) -> Self {
        Self::Corrupt { file: file.to_path_buf(), at, what: what.into() }
    }

    /// For use in `map_err`: the failure of `op` on `path`.
    pub(crate) fn io<'a>(op: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Io { op, path: path.to_path_buf(), source }
    }

    /// For use in `map_err`: a failed read at offset `at`. A file that ends early is damaged, not unreadable.
    pub(crate) fn read<'a>(path: &'a Path, at: u64) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| match source.kind() {
            io::ErrorKind::UnexpectedEof => Self::corrupt(path, at, "the file ends early"),
            _ => Self::Io { op: "read", path: path.to_path_buf(), source },
        }
    }

    /// A call that its caller should not have made.
    pub(crate) fn invalid(op: &'static str, path: &Path, why: &str) -> Self {
        Self::Io { op, path: path.to_path_buf(), source: io::Error::new(io::ErrorKind::InvalidInput, why) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { op, path, source } => write!(f, "cannot {op} {}: {source}", path.display()),
            Self::Corrupt { file, at, what } => write!(f, "{} is damaged at byte {at}: {what}", file.display()),
            Self::Unknown { file, what } => write!(f, "{} cannot be read by this version: {what}", file.display()),
            Self::Locked { path } => write!(f, "{} is open for writing elsewhere", path.display()),
            Self::NotFound { path } => write!(f, "there is no index at {}", path.display()),
            Self::NotAnIndex { path, why } => write!(f, "{} is not an index: {why}", path.display()),
            Self::IsFile { path } => write!(f, "{} is a file; an index is a directory", path.display()),
            Self::ReadOnly { path } => write!(f, "{} was opened for reading", path.display()),
            Self::OutOfMemory { bytes } => write!(f, "no memory for {bytes} bytes"),
            Self::Aborted => Aborted.fmt(f),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<Aborted> for Error {
    fn from(_: Aborted) -> Self {
        Self::Aborted
    }
}
