//! Reports by their public names.

use engine::{Codes, Measured, Stats, TrainReport, VerifyReport};
use napi_derive::napi;

use crate::options::{NativeCodes, coarse_name};

/// See `Stats` in `ts/types.ts`, which is this with `coarse` and `codes` under `chosen`.
#[napi(object, object_from_js = false)]
pub struct NativeStats {
    /// Live rows.
    pub size: f64,
    /// Tombstones.
    pub deleted: f64,
    /// Rows found by scan.
    pub unlinked: f64,
    /// What `auto` became.
    pub coarse: String,
    /// What `auto` became.
    pub codes: NativeCodes,
    /// Lists, once they are trained.
    pub lists: Option<u32>,
    /// Rows of the longest list, by the mean.
    pub imbalance: Option<f64>,
    /// Bytes in memory.
    pub memory: NativeMemory,
    /// Bytes on disk.
    pub disk: NativeDisk,
    /// Reads from disk.
    pub reads: NativeReads,
    /// The instruction set.
    pub simd: String,
    /// How files are read.
    pub io: String,
    /// What writing costs.
    pub writes: NativeWrites,
    /// How the index was opened.
    pub open: NativeOpen,
    /// What was measured of searches.
    pub measured: Vec<NativeMeasured>,
}

/// What searches of one effort find.
#[napi(object, object_from_js = false)]
pub struct NativeMeasured {
    /// Hits asked for.
    pub k: u32,
    /// `ef`, `probes` or `rerank`.
    pub effort: u32,
    /// Rows verified beside `probes`.
    pub rerank: Option<u32>,
    /// Mean share found, less its standard error.
    pub recall: f64,
}

/// Bytes written since the index was opened.
#[napi(object, object_from_js = false)]
pub struct NativeWrites {
    /// Acknowledged writes.
    pub accepted: f64,
    /// To all files.
    pub files: f64,
    /// In the log only.
    pub behind: f64,
}

/// How the index was opened.
#[napi(object, object_from_js = false)]
pub struct NativeOpen {
    /// Milliseconds.
    pub ms: f64,
    /// Writes taken from the log.
    pub replayed: f64,
}

/// Bytes in memory.
#[napi(object, object_from_js = false)]
pub struct NativeMemory {
    /// Codes and their code books.
    pub codes: f64,
    /// Links.
    pub graph: f64,
    /// Vectors.
    pub vectors: f64,
    /// Ids.
    pub ids: f64,
    /// JSON.
    pub metadata: f64,
    /// All of it.
    pub total: f64,
}

/// Bytes on disk.
#[napi(object, object_from_js = false)]
pub struct NativeDisk {
    /// Vectors.
    pub vectors: f64,
    /// The log.
    pub log: f64,
    /// Everything else.
    pub checkpoint: f64,
    /// All of it.
    pub total: f64,
}

/// Reads from disk since the index was opened.
#[napi(object, object_from_js = false)]
pub struct NativeReads {
    /// Vectors verified.
    pub vectors: f64,
    /// Bytes.
    pub bytes: f64,
}

/// What training did: `TrainReport` in `ts/types.ts`.
#[napi(object, object_from_js = false)]
pub struct NativeReport {
    /// The codec.
    pub codes: String,
    /// Rows encoded.
    pub rows: f64,
    /// Rows learnt from.
    pub sample: f64,
    /// Bytes a row.
    pub bytes_per_row: f64,
    /// Milliseconds.
    pub ms: f64,
    /// Relative error before, if there were codes.
    pub error_before: Option<f64>,
    /// Relative error now.
    pub error: f64,
}

/// What `verify` found: `VerifyReport` in `ts/types.ts`.
#[napi(object, object_from_js = false)]
pub struct NativeVerified {
    /// Files read.
    pub files: f64,
    /// Bytes read.
    pub bytes: f64,
    /// Live rows.
    pub rows: f64,
    /// What is wrong.
    pub problems: Vec<String>,
    /// Milliseconds.
    pub ms: f64,
}

impl From<VerifyReport> for NativeVerified {
    fn from(report: VerifyReport) -> Self {
        let VerifyReport { files, bytes, rows, problems, ms } = report;
        Self { files: files as f64, bytes: bytes as f64, rows: rows as f64, problems, ms }
    }
}

impl From<Stats> for NativeStats {
    fn from(stats: Stats) -> Self {
        let (memory, disk) = (stats.memory, stats.disk);
        Self {
            size: stats.size as f64,
            deleted: stats.deleted as f64,
            unlinked: stats.unlinked as f64,
            coarse: coarse_name(stats.coarse),
            codes: stats.codes.into(),
            lists: stats.lists.map(|(lists, _)| lists),
            imbalance: stats.lists.map(|(_, imbalance)| imbalance),
            memory: NativeMemory {
                codes: memory.codes as f64,
                graph: memory.graph as f64,
                vectors: memory.vectors as f64,
                ids: memory.ids as f64,
                metadata: memory.metadata as f64,
                total: memory.total as f64,
            },
            disk: NativeDisk {
                vectors: disk.vectors as f64,
                log: disk.log as f64,
                checkpoint: disk.checkpoint as f64,
                total: disk.total as f64,
            },
            reads: NativeReads { vectors: stats.reads_vectors as f64, bytes: stats.reads_bytes as f64 },
            simd: stats.simd.into(),
            io: stats.io.into(),
            writes: NativeWrites {
                accepted: stats.writes.accepted as f64,
                files: stats.writes.files as f64,
                behind: stats.writes.behind as f64,
            },
            open: NativeOpen { ms: stats.open.ms, replayed: stats.open.replayed as f64 },
            measured: stats.measured.into_iter().map(NativeMeasured::from).collect(),
        }
    }
}

impl From<Measured> for NativeMeasured {
    fn from(Measured { k, effort, rerank, recall }: Measured) -> Self {
        Self { k, effort, rerank, recall: f64::from(recall) }
    }
}

impl From<TrainReport> for NativeReport {
    fn from(report: TrainReport) -> Self {
        Self {
            codes: codes_name(report.codes),
            rows: report.rows as f64,
            sample: report.sample as f64,
            bytes_per_row: report.bytes_per_row as f64,
            ms: report.ms,
            error_before: report.error_before,
            error: report.error,
        }
    }
}

fn codes_name(codes: Codes) -> String {
    NativeCodes::from(codes).codes
}
