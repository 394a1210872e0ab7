use std::fmt;

/// What was wrong with the bytes, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// What was found and what was wanted.
    pub what: String,
    /// Offset in bytes from the start of what the reader was given (plus its base).
    pub at: u64,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

impl std::error::Error for Error {}
