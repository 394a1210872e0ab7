//! What a reader of a damaged index does not know.

use crate::error::{Code, Error, Result};
use crate::tombstones::Tombstones;

/// Rows that a damaged file leaves open. They are searched like others; a call that would have to name one is refused.
#[derive(Clone, Default)]
pub struct Doubt {
    /// Whose id, or whether they live, is not known.
    pub rows: Tombstones,
    /// How many rows live: the manifest says so.
    pub live: u32,
    /// Whose metadata is not known.
    pub texts: Tombstones,
    /// What was damaged, and where.
    pub damage: Vec<String>,
}

impl Doubt {
    /// `E_CORRUPT` if the row may not be named.
    pub fn check_row(&self, row: u32) -> Result<()> {
        if self.rows.contains(row) { Err(self.error(&format!("row {row} is not known"))) } else { Ok(()) }
    }

    /// `E_CORRUPT` if the row's metadata is not known.
    pub fn check_text(&self, row: u32) -> Result<()> {
        if self.texts.contains(row) { Err(self.error(&format!("the metadata of row {row} is not known"))) } else { Ok(()) }
    }

    /// `E_CORRUPT` if an id that was not found may be that of a row that is not known.
    pub fn check_absent(&self) -> Result<()> {
        if self.rows.is_empty() { Ok(()) } else { Err(self.error("the id may be that of a row that is not known")) }
    }

    /// `E_CORRUPT`: a copy would hold as known what is not.
    pub fn check_copy(&self) -> Result<()> {
        Err(self.error("not all of the index is known, so it cannot be copied"))
    }

    fn error(&self, what: &str) -> Error {
        Error::new(Code::Corrupt, format!("{what}: {}", self.damage.join("; ")))
    }
}
