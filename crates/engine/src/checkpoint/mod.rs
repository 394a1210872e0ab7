//! A whole index in files: what is written, and how it is read back without trust.
//!
//! Truth: the extents of rows, `ids`, `metadata`, `dead`. Derived: `codec`, `codes`, `graph`, `lists`, `efforts`; damage there costs
//! making them again. The manifest's body holds the options and counts.
//!
//! Rows are never changed, so what grows with them (rows, ids, metadata, codes) is written in segments: a checkpoint
//! writes the rows that came since the one before, together with those segments before them that are not much larger.
//! A row is thereby written about log2 n times at most, and there are about log2 n segments.

mod body;
mod load;
mod salvage;
mod save;

use std::ops::Range;

pub use body::{Body, read_body};
pub use load::load;
pub use save::{save, save_if_due, save_with, snapshot, write_rows};
use store::{FileRef, LogStart};

/// A file that holds some of the rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Segment {
    pub rows: Range<u32>,
    pub file: FileRef,
}

/// A file that is written whole, and what it held: the same content is not written twice.
#[derive(Debug, Clone, PartialEq)]
pub struct Whole {
    pub mark: u64,
    pub file: FileRef,
}

/// What the last checkpoint holds.
#[derive(Debug, Clone, Default)]
pub struct Saved {
    pub rows: Vec<Segment>,
    pub ids: Vec<Segment>,
    pub metadata: Vec<Segment>,
    /// Marked by how many there are.
    pub dead: Option<Whole>,
    /// Marked by the rows that it was trained on.
    pub codec: Option<Whole>,
    pub codes: Vec<Segment>,
    /// Marked by the rows that are linked.
    pub graph: Option<Whole>,
    /// Marked by the rows that are in them.
    pub lists: Option<Whole>,
    /// Marked by the checksum of what it holds.
    pub efforts: Option<Whole>,
    pub blocks: Vec<u32>,
    /// The writer's epoch: rows of another have other numbers.
    pub epoch: u64,
    /// The version of codes and links: those of another are others.
    pub version: u64,
    pub log: Option<LogStart>,
}

impl Saved {
    /// Every file, in the order in which manifests name them.
    fn files(&self) -> Vec<FileRef> {
        let segments = [&self.rows, &self.ids, &self.metadata].into_iter().flatten().map(|segment| &segment.file);
        let whole = [&self.dead, &self.codec].into_iter().flatten().map(|whole| &whole.file);
        let codes = self.codes.iter().map(|segment| &segment.file);
        let last = [&self.graph, &self.lists, &self.efforts].into_iter().flatten().map(|whole| &whole.file);
        segments.chain(whole).chain(codes).chain(last).cloned().collect()
    }
}
