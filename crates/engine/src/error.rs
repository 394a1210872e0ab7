//! The one error that leaves the engine: a code to act on, and a message that names what was wrong.

use std::fmt;

use task::Aborted;

/// What a caller can act on. The texts are part of the public contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// An argument or option is not what it must be.
    Argument,
    /// A vector of another length than the index holds.
    Dimensions,
    /// A vector with NaN or an infinity.
    NotFinite,
    /// Nothing there to open.
    NotFound,
    /// Another writer has the directory.
    Locked,
    /// A write to an index opened for reading.
    ReadOnly,
    /// A file does not hold what was written to it.
    Corrupt,
    /// The system refused to read, write or give memory.
    Io,
    /// An earlier failure left writes refused until the index is opened again.
    Poisoned,
    /// The index is closed.
    Closed,
    /// The caller asked to stop.
    Aborted,
    /// A bug: a panic inside was caught.
    Internal,
}

impl Code {
    /// The text that users see, e.g. `E_ARGUMENT`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Argument => "E_ARGUMENT",
            Self::Dimensions => "E_DIMENSIONS",
            Self::NotFinite => "E_NOT_FINITE",
            Self::NotFound => "E_NOT_FOUND",
            Self::Locked => "E_LOCKED",
            Self::ReadOnly => "E_READ_ONLY",
            Self::Corrupt => "E_CORRUPT",
            Self::Io => "E_IO",
            Self::Poisoned => "E_POISONED",
            Self::Closed => "E_CLOSED",
            Self::Aborted => "E_ABORTED",
            Self::Internal => "E_INTERNAL",
        }
    }
}

/// A failed call. Unless its documentation says otherwise the index is unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure.
    pub code: Code,
    /// What was wrong: the argument, what was given, what was wanted; or the file and the place.
    pub message: String,
}

/// What every call gives.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `code`.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(Code::Argument, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code.as_str(), self.message)
    }
}

impl std::error::Error for Error {}

impl From<Aborted> for Error {
    fn from(_: Aborted) -> Self {
        Self::new(Code::Aborted, "the operation was aborted")
    }
}

impl From<rows::OutOfMemory> for Error {
    fn from(error: rows::OutOfMemory) -> Self {
        Self::new(Code::Io, error.to_string())
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        let code = match &error {
            store::Error::Io { .. } | store::Error::OutOfMemory { .. } => Code::Io,
            store::Error::Corrupt { .. } | store::Error::Unknown { .. } => Code::Corrupt,
            store::Error::Locked { .. } => Code::Locked,
            store::Error::NotFound { .. } => Code::NotFound,
            store::Error::NotAnIndex { .. } | store::Error::IsFile { .. } => Code::Argument,
            store::Error::ReadOnly { .. } => Code::ReadOnly,
            store::Error::Aborted => Code::Aborted,
        };
        Self::new(code, error.to_string())
    }
}

impl From<coarse::hnsw::LinkError> for Error {
    fn from(error: coarse::hnsw::LinkError) -> Self {
        match error {
            coarse::hnsw::LinkError::Aborted => task::Aborted.into(),
            coarse::hnsw::LinkError::OutOfMemory(error) => error.into(),
            coarse::hnsw::LinkError::TooManyRows => Self::argument("an index holds at most 2^30 rows"),
        }
    }
}
