//! What goes into an index and what comes out.

use std::cmp::Ordering;

pub use kernels::Metric;

/// The largest number id: 2^53 - 1, JavaScript's largest safe integer.
pub const MAX_NUMBER_ID: u64 = (1 << 53) - 1;

/// A caller's name for an item. Numbers come before texts, numbers by value, texts by their UTF-8 bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Id {
    /// 0 to [`MAX_NUMBER_ID`].
    Number(u64),
    /// Any text.
    Text(Box<str>),
}

impl Ord for Id {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Number(a), Self::Number(b)) => a.cmp(b),
            (Self::Text(a), Self::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
            (Self::Number(_), Self::Text(_)) => Ordering::Less,
            (Self::Text(_), Self::Number(_)) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Items to insert or replace: one atomic batch. Of one id twice the last wins.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// One an item.
    pub ids: Vec<Id>,
    /// `ids.len() * dimensions` numbers, row after row.
    pub vectors: Vec<f32>,
    /// JSON text an item, or none for all.
    pub metadata: Option<Vec<Option<Box<str>>>>,
}

/// A write.
#[derive(Debug, Clone)]
pub enum Op {
    /// Insert or replace items.
    Add(Batch),
    /// Remove those of the ids that are there.
    Delete(Vec<Id>),
}

/// What to give along with ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Include {
    /// The item's JSON text.
    pub metadata: bool,
    /// The stored vector.
    pub vector: bool,
}

/// A stored item.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its id.
    pub id: Id,
    /// The stored vector, if asked for: for `f32` what went in, for `f16` and `i8` the decoded row.
    pub vector: Option<Vec<f32>>,
    /// Its JSON text, if asked for and there.
    pub metadata: Option<Box<str>>,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The item's id.
    pub id: Id,
    /// Exact distance between the query and the stored vector.
    pub distance: f64,
    /// Its JSON text, if asked for and there.
    pub metadata: Option<Box<str>>,
    /// The stored vector, if asked for.
    pub vector: Option<Vec<f32>>,
}

/// One vector for finding and one for verifying; usually the same.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Against the codes and the graph.
    pub candidates: &'a [f32],
    /// Against the stored vectors: the distances that are returned.
    pub verify: &'a [f32],
}

impl<'a> Query<'a> {
    /// The same vector for both.
    pub fn vector(vector: &'a [f32]) -> Self {
        Self { candidates: vector, verify: vector }
    }
}

/// How to search.
#[derive(Debug, Clone, Copy)]
pub struct SearchParams {
    /// Hits wanted, at least 1. Above the size: all.
    pub k: usize,
    /// Places in the graph search's pool; raised to `k`. Default 128, or 2 `k` where that is more.
    pub ef: Option<usize>,
    /// Lists looked into. Default: a 24th of them, and at least 8.
    pub probes: Option<usize>,
    /// Stored vectors read at most to verify what codes found; at least `k`. Default: `2 k + 16` for sq8, which is
    /// hardly ever wrong by more; else as many as `ef`, or 256 and at least `10 k` where codes are scanned.
    pub rerank: Option<usize>,
    /// In place of an effort: the share of the nearest to find, between 0 and 1. The effort follows from what the index has
    /// measured on its own rows (see `optimize`); until then, and where no effort is known to find so much, all rows are compared.
    pub recall: Option<f64>,
    /// What to give along.
    pub include: Include,
    /// For batches: at most so many threads; 0 for all of the index's.
    pub threads: usize,
}

impl Default for SearchParams {
    fn default() -> Self {
        Self { k: 10, ef: None, probes: None, rerank: None, recall: None, include: Include::default(), threads: 0 }
    }
}

/// How to train the codes.
#[derive(Debug, Clone, Copy, Default)]
pub struct TrainParams {
    /// Rows to learn from, at most, but not fewer than the codec needs; drawn at random by the index's seed. Default:
    /// what the codec makes use of.
    pub sample: Option<usize>,
}

/// What training did.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainReport {
    /// The codec, e.g. `pq`.
    pub codes: Codes,
    /// Live rows encoded anew.
    pub rows: u64,
    /// Rows learnt from.
    pub sample: u64,
    /// Bytes a row in memory.
    pub bytes_per_row: u64,
    /// Milliseconds.
    pub ms: f64,
    /// Mean squared error of a row's code before, as a share of the rows' variance; `None` if there were no codes.
    pub error_before: Option<f64>,
    /// The same afterwards.
    pub error: f64,
}

/// How candidates are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coarse {
    /// Scan for small indexes, else graph.
    Auto,
    /// Scan.
    Flat,
    /// Graph.
    Hnsw,
    /// Lists around centroids.
    Ivf,
}

/// What stays in memory of every vector to find candidates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codes {
    /// None with rows in memory, PQ with rows on disk.
    Auto,
    /// The vectors themselves are walked.
    None,
    /// A byte a dimension.
    Sq8,
    /// Half a byte a dimension.
    Sq4,
    /// A bit a dimension.
    Binary,
    /// Product quantisation.
    Pq {
        /// Bytes a vector, 1 to `dimensions`.
        bytes: usize,
        /// Rotate first (OPQ).
        rotate: bool,
    },
    /// A few bits of every value of the turned row.
    Rabitq {
        /// Bits a value, 1 to 8.
        bits: u8,
    },
}

/// Where the vectors live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placement {
    /// In memory (and, for an index with a directory, saved there).
    Memory,
    /// In the directory only.
    Disk,
}

/// How vectors are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// As they came.
    F32,
    /// Half precision.
    F16,
    /// A signed byte a dimension and a scale a vector.
    I8,
}

/// When a write resolves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// When it would survive power loss.
    Sync,
    /// When the operating system has it.
    Os,
}

/// Where the bytes and rows are.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// Live rows.
    pub size: u64,
    /// Tombstones not reclaimed yet.
    pub deleted: u64,
    /// Rows found by scan until their links or codes are made.
    pub unlinked: u64,
    /// What `coarse` became.
    pub coarse: Coarse,
    /// What `codes` became.
    pub codes: Codes,
    /// How many lists there are, and the rows of the longest by the mean, once they are trained.
    pub lists: Option<(u32, f64)>,
    /// Bytes in memory.
    pub memory: MemoryStats,
    /// Bytes in the directory: of the two checkpoints that are kept, which share most of their files, and of the log.
    pub disk: DiskStats,
    /// Stored vectors verified since the index was opened.
    pub reads_vectors: u64,
    /// Bytes of vectors read from files since the index was opened.
    pub reads_bytes: u64,
    /// The instruction set in use.
    pub simd: &'static str,
    /// How files are read.
    pub io: &'static str,
    /// What writing costs.
    pub writes: WriteStats,
    /// What opening took.
    pub open: OpenStats,
    /// What searches of growing effort find, as measured; empty before.
    pub measured: Vec<Measured>,
}

/// What searches of one effort find.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Hits asked for.
    pub k: u32,
    /// `ef` of a graph, `rerank` where codes are scanned, `probes` of lists.
    pub effort: u32,
    /// Of lists: rows verified beside it.
    pub rerank: Option<u32>,
    /// Mean share of the true nearest found, less its standard error, twice that for lists.
    pub recall: f32,
}

/// Bytes in memory, spare room included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MemoryStats {
    /// Codes and code books.
    pub codes: u64,
    /// Links.
    pub graph: u64,
    /// Vectors, and what checks those on disk.
    pub vectors: u64,
    /// Ids, both ways, and tombstones.
    pub ids: u64,
    /// JSON texts.
    pub metadata: u64,
    /// Everything the index holds.
    pub total: u64,
}

/// Bytes in the directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskStats {
    /// Vectors and their checksums.
    pub vectors: u64,
    /// The log files that are kept: what came since the older of the two kept checkpoints.
    pub log: u64,
    /// Ids, metadata, codes, graph, manifests.
    pub checkpoint: u64,
    /// All of it.
    pub total: u64,
}

/// Bytes written since the index was opened: `files / accepted` is the write amplification.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WriteStats {
    /// Acknowledged writes, as they were logged.
    pub accepted: u64,
    /// To all files: log, checkpoints, rebuilds.
    pub files: u64,
    /// In the log, and in no checkpoint yet: what an opening would replay now.
    pub behind: u64,
}

/// How the index was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OpenStats {
    /// Milliseconds.
    pub ms: f64,
    /// Writes taken from the log.
    pub replayed: u64,
}

/// What `verify` found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct VerifyReport {
    /// Files read, logs left out.
    pub files: u64,
    /// Bytes of them, and of the logs.
    pub bytes: u64,
    /// Live rows.
    pub rows: u64,
    /// What is wrong, each with its file and place; empty if nothing is.
    pub problems: Vec<String>,
    /// Milliseconds.
    pub ms: f64,
}
