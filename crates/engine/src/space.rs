//! What graphs are linked over and walked with: stored vectors, or codes.

use std::ops::Range;
use std::sync::Mutex;

use coarse::Space;
use coarse::hnsw::Coder;
use kernels::{Metric, Scorer};
use quant::{CodeScorer, CodeSet, Rabitq};
use task::Task;

use crate::dense::{Dense, RecordScorer};
use crate::error::Error;
use crate::record::Exact;
use crate::state::Codes;

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

    fn row(&self, row: u32) -> Vec<f32> {
        self.dense.get(row).unwrap_or_else(|error| {
            self.fail(error);
            vec![0.0; self.dense.format.dims]
        })
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

    type Set = DenseSet;

    fn scorer(&self, row: u32) -> RowScorer<'_> {
        RowScorer::new(self.dense, &self.row(row), &Task::new())
    }

    fn gather(&self, rows: &[u32], set: &mut DenseSet) {
        rows.clone_into(&mut set.rows);
    }

    fn between(&self, set: &mut DenseSet, one: u32, others: &[u32], out: &mut [f32]) {
        let one = set.rows[one as usize];
        set.others.clear();
        set.others.extend(others.iter().map(|&at| set.rows[at as usize]));
        if self.dense.in_file == 0 {
            self.dense.between(one, &set.others, &mut set.query, out);
            return;
        }
        let mut scorer = RowScorer::new(self.dense, &self.row(one), &Task::new());
        scorer.score(&set.others, out);
        if let Some(error) = scorer.failure() {
            self.fail(error);
        }
    }
}

/// Rows compared where they lie.
#[derive(Default)]
pub struct DenseSet {
    rows: Vec<u32>,
    others: Vec<u32>,
    query: Vec<f32>,
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

/// Codes.
pub struct CodeSpace<'a> {
    codes: &'a Codes,
}

impl<'a> CodeSpace<'a> {
    /// Over all encoded rows.
    pub fn new(codes: &'a Codes) -> Self {
        Self { codes }
    }
}

impl Space for CodeSpace<'_> {
    type Scorer<'a>
        = CodeScorer<'a>
    where
        Self: 'a;

    type Set = CodeSet;

    fn scorer(&self, row: u32) -> CodeScorer<'_> {
        self.codes.scorer_of(row)
    }

    fn gather(&self, rows: &[u32], set: &mut CodeSet) {
        self.codes.codec.gather(self.codes.in_turn(rows), set);
    }

    fn between(&self, set: &mut CodeSet, one: u32, others: &[u32], out: &mut [f32]) {
        self.codes.codec.between(set, one, others, out);
    }

    fn between_run(&self, set: &mut CodeSet, one: u32, start: u32, out: &mut [f32]) {
        self.codes.codec.between_run(set, one, start, out);
    }

    /// Nodes are made of these codes alone, and products are no squared distances.
    fn fills(&self) -> bool {
        self.codes.rabitq().is_some_and(|codec| codec.metric() != Metric::Dot)
    }
}

/// Codes of differences between codes.
pub struct NeighbourCoder<'a> {
    codes: &'a Codes,
    codec: &'a Rabitq,
}

impl<'a> NeighbourCoder<'a> {
    /// Over all encoded rows, if their codec has such.
    pub fn new(codes: &'a Codes) -> Option<Self> {
        codes.rabitq().map(|codec| Self { codes, codec })
    }
}

impl Coder for NeighbourCoder<'_> {
    fn own(&self, row: u32) -> &[u8] {
        self.codes.row(row)
    }

    fn middle(&self, rows: &[u32]) -> u32 {
        rows[self.codes.codec.middle(self.codes.in_turn(rows))]
    }

    fn subspaces(&self) -> usize {
        self.codec.subspaces()
    }

    fn code(&self, node: u32, others: &[u32], codes: &mut [u8], add: &mut [f32], mul: &mut [f32]) {
        let (rows, subspaces) = (self.codes, self.codec.subspaces());
        self.codec.neighbours(rows.row(node), rows.in_turn(others), |at, seen_code, seen| {
            codes[at * subspaces..][..subspaces].copy_from_slice(seen_code);
            (add[at], mul[at]) = (seen.add, seen.mul);
        });
    }
}
