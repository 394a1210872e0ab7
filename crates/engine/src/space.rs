//! What graphs are linked over and walked with: stored vectors, or codes.

use std::ops::Range;
use std::sync::Mutex;

use coarse::Space;
use kernels::{Metric, Scorer};
use quant::{CodeScorer, Codec};
use task::Task;

use crate::dense::{Dense, RecordScorer, to_unit};
use crate::error::Error;
use crate::record::Exact;
use crate::state::Codes;

/// Distances between two loaded rows: inner products at unit length serve cosine.
fn pair_metric(metric: Metric) -> Metric {
    if metric == Metric::L2 { Metric::L2 } else { Metric::Dot }
}

/// The stored vectors themselves.
pub struct DenseSpace<'a> {
    dense: &'a Dense,
    failed: Mutex<Option<Error>>,
}

impl<'a> DenseSpace<'a> {
    /// Over all rows of `dense`.
    pub fn new(dense: &'a Dense) -> Self {
        Self { dense, failed: Mutex::new(None) }
    }

    /// What went wrong when reading rows; the distances of those rows were infinite.
    pub fn failure(self) -> Option<Error> {
        self.failed.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn fail(&self, error: Error) {
        self.failed.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(error);
    }
}

impl Space for DenseSpace<'_> {
    type Scorer<'a>
        = RowScorer<'a>
    where
        Self: 'a;

    fn dims(&self) -> usize {
        self.dense.format.dims
    }

    fn metric(&self) -> Metric {
        pair_metric(self.dense.format.metric)
    }

    fn load(&self, row: u32, out: &mut [f32]) {
        let read = self.dense.read(&[row], &Task::new(), |_, stored| self.dense.format.decode(stored, out));
        if let Err(error) = read {
            self.fail(error);
            out.fill(0.0);
        }
        if self.dense.format.metric == Metric::Cosine {
            to_unit(out);
        }
    }

    fn scorer<'a>(&'a self, values: &[f32]) -> RowScorer<'a> {
        RowScorer::new(self.dense, values, &Task::new())
    }
}

/// Scores stored vectors, in memory by estimates and on disk exactly.
pub enum RowScorer<'a> {
    /// All rows are in memory.
    Memory(RecordScorer<'a>),
    /// Some rows are read from files.
    File(FileScorer<'a>),
}

impl<'a> RowScorer<'a> {
    /// For any row of `dense`.
    pub fn new(dense: &'a Dense, query: &[f32], task: &Task) -> Self {
        if dense.in_file == 0 {
            return Self::Memory(dense.scorer(query));
        }
        Self::File(FileScorer { dense, query: query.to_vec(), task: task.clone(), failed: None })
    }

    /// What went wrong when reading rows, once.
    pub fn failure(&mut self) -> Option<Error> {
        match self {
            Self::Memory(_) => None,
            Self::File(scorer) => scorer.failed.take(),
        }
    }
}

impl Scorer for RowScorer<'_> {
    fn score(&mut self, rows: &[u32], out: &mut [f32]) {
        match self {
            Self::Memory(scorer) => scorer.score(rows, out),
            Self::File(scorer) => scorer.score(rows, out),
        }
    }

    fn score_range(&mut self, start: u32, out: &mut [f32]) {
        match self {
            Self::Memory(scorer) => scorer.score_range(start, out),
            Self::File(scorer) => scorer.range(start..start + out.len() as u32, out),
        }
    }
}

/// Scores rows that it reads from files. After a failed read every distance is infinite.
pub struct FileScorer<'a> {
    dense: &'a Dense,
    query: Vec<f32>,
    task: Task,
    failed: Option<Error>,
}

impl FileScorer<'_> {
    fn range(&mut self, rows: Range<u32>, out: &mut [f32]) {
        let rows: Vec<u32> = rows.collect();
        self.score(&rows, out);
    }

    fn score(&mut self, rows: &[u32], out: &mut [f32]) {
        out.fill(f32::INFINITY);
        if self.failed.is_some() {
            return;
        }
        let exact = Exact::new(self.dense.format.metric, &self.query);
        let read = self.dense.verify(&exact, rows, &self.task, |at, distance| out[at] = distance as f32);
        self.failed = read.err();
    }
}

/// Codes, decoded where two rows meet.
pub struct CodeSpace<'a> {
    codes: &'a Codes,
}

impl<'a> CodeSpace<'a> {
    /// Over all encoded rows.
    pub fn new(codes: &'a Codes) -> Self {
        Self { codes }
    }

    fn codec(&self) -> &Codec {
        &self.codes.codec
    }
}

impl Space for CodeSpace<'_> {
    type Scorer<'a>
        = CodeScorer<'a>
    where
        Self: 'a;

    fn dims(&self) -> usize {
        self.codec().dims()
    }

    fn metric(&self) -> Metric {
        pair_metric(self.codec().metric())
    }

    fn load(&self, row: u32, out: &mut [f32]) {
        self.codec().decode(self.codes.row(row), out);
    }

    fn scorer<'a>(&'a self, values: &[f32]) -> CodeScorer<'a> {
        self.codes.scorer(values)
    }
}
