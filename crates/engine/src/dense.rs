//! The stored vectors: where they lie, how they are estimated and how they are verified.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use kernels::{Kernels, Metric, Scorer, Strided, kernels};
use rayon::prelude::*;
use rows::View;
use store::DenseFile;
use task::Task;

use coarse::flat::Margin;

use crate::byte_rows::ByteRows;
use crate::error::Result;
use crate::record::{Exact, Format};
use crate::types::Precision;

/// Rows in memory that are asked for ahead of the one being verified.
const ROWS_AHEAD: usize = 4;
/// Bytes of each of them: once some lines of a row were read, some processors fetch the next ones by themselves.
const BYTES_AHEAD: usize = 8 * 64;
/// Rows that one thread decodes at a time.
const ROWS_DECODED: usize = 512;

/// Rows 0 .. `in_file` lie in extents on disk, those behind in memory. With rows kept in memory `in_file` is 0.
#[derive(Clone)]
pub struct Dense {
    /// How rows are stored.
    pub format: Format,
    /// Rows on disk.
    pub file: Arc<DenseFile>,
    /// How many of them, from row 0, are read from there.
    pub in_file: u32,
    /// The rows behind, as records of [`Format::memory_stride`] bytes.
    pub records: View<u8>,
    /// The length of the longest vector so far: bounds the error of inner products.
    pub longest: f64,
    /// The first rows once more, where they fit in bytes.
    pub byte_rows: Option<ByteRows>,
    /// Vectors verified since the index was opened.
    pub verified: Arc<AtomicU64>,
}

impl Dense {
    /// Rows in all.
    pub fn len(&self) -> u32 {
        self.in_file + (self.records.len() / self.format.memory_stride()) as u32
    }

    /// The rows in memory.
    fn strided(&self) -> Strided<'_> {
        let stride = self.format.memory_stride();
        Strided::new(&self.records, stride, self.records.len() / stride)
    }

    /// Estimates for rows in memory.
    pub fn scorer<'a>(&'a self, query: &[f32]) -> RecordScorer<'a> {
        RecordScorer::new(self.format, query, self.strided(), self.in_file)
    }

    /// Estimated distances from one row in memory to others; for rows that all lie in memory.
    ///
    /// `memory` serves to decode a row that is not stored as f32.
    pub fn between(&self, one: u32, others: &[u32], memory: &mut Vec<f32>, out: &mut [f32]) {
        let (format, records) = (self.format, self.strided());
        let record = records.row(one as usize);
        let query = format.values(record, memory);
        sums(kernels(), format, query, records, Some(others), 0, out);
        let inverse = if format.metric == Metric::Cosine { factor(record, format.inverse_at()) } else { 1.0 };
        for (out, &row) in out.iter_mut().zip(others) {
            *out = finish(format, records.row(row as usize), *out, inverse);
        }
    }

    /// How far those estimates may be off.
    pub fn margin(&self, query: &[f32]) -> Margin {
        // One rounding an operation, in any order of summation (Higham, Accuracy and Stability, 3.1).
        let unit = f64::from(f32::EPSILON) / 2.0;
        let sum = (self.format.dims + 24) as f64 * unit;
        match self.format.metric {
            Metric::Cosine => Margin { absolute: sum, relative: 0.0 },
            Metric::L2 => Margin { absolute: f64::from(f32::MIN_POSITIVE), relative: sum },
            Metric::Dot => {
                let length = kernels().exact_dot_f32(query, query).sqrt();
                Margin { absolute: sum * (1.0 + length * self.longest) + f64::from(f32::MIN_POSITIVE), relative: unit }
            }
        }
    }

    /// Calls `found` with the place in `rows` and the exact distance of each row. `rows` may come in any order.
    pub fn verify(&self, exact: &Exact<'_>, rows: &[u32], task: &Task, mut found: impl FnMut(usize, f64)) -> Result<()> {
        let mut decoded = Vec::new();
        self.verified.fetch_add(rows.len() as u64, Relaxed);
        let Some(bytes) = &self.byte_rows else {
            return self.read(rows, task, |at, stored| found(at, exact.distance(self.format.values(stored, &mut decoded))));
        };
        let (mut others, mut places) = (Vec::new(), Vec::new());
        for (at, row) in self.in_turn(rows) {
            if row < bytes.len() {
                found(at, exact.distance_of_bytes(bytes.row(row)));
            } else {
                others.push(row);
                places.push(at);
            }
        }
        self.read(&others, task, |at, stored| found(places[at], exact.distance(self.format.values(stored, &mut decoded))))
    }

    /// Leaves those of `rows` that may be among the `k` nearest of them as far as estimates in f32 tell: almost always `k`, so
    /// that few have to be compared exactly. Where rows are read from disk, or as bytes, all are left.
    pub fn contend(&self, query: &[f32], k: usize, rows: &mut Vec<u32>) {
        if self.in_file > 0 || self.byte_rows.is_some() || rows.len() <= k {
            return;
        }
        let mut estimates = vec![0.0; rows.len()];
        self.scorer(query).score(rows, &mut estimates);
        // What is not a number says nothing: such rows stay.
        let mut ranking: Vec<f32> = estimates.iter().map(|e| if e.is_nan() { f32::INFINITY } else { *e }).collect();
        let (_, kth, _) = ranking.select_nth_unstable_by(k - 1, f32::total_cmp);
        let (all, bound) = (rows.len(), self.margin(query).bound(*kth));
        let mut at = 0..all;
        rows.retain(|_| at.next().is_some_and(|at| estimates[at] <= bound || estimates[at].is_nan()));
        self.verified.fetch_add((all - rows.len()) as u64, Relaxed);
    }

    /// Asks for a row that may soon be verified, if it is in memory.
    #[inline]
    pub fn expect(&self, row: u32) {
        if let Some(bytes) = self.byte_rows.as_ref().filter(|bytes| row < bytes.len()) {
            kernels().prefetch_start(bytes.at(row), BYTES_AHEAD);
        } else if row >= self.in_file {
            kernels().prefetch_start(self.strided().row((row - self.in_file) as usize), BYTES_AHEAD);
        }
    }

    /// Rows and their places, each asked for some turns before its own.
    fn in_turn<'a>(&'a self, rows: &'a [u32]) -> impl Iterator<Item = (usize, u32)> {
        rows.iter().take(ROWS_AHEAD).for_each(|&row| self.expect(row));
        rows.iter().enumerate().map(|(at, &row)| {
            rows.get(at + ROWS_AHEAD).into_iter().for_each(|&next| self.expect(next));
            (at, row)
        })
    }

    /// Calls `found` with the place in `rows` and the stored bytes of each row, in the order that suits the disk.
    pub fn read(&self, rows: &[u32], task: &Task, mut found: impl FnMut(usize, &[u8])) -> Result<()> {
        let records = self.strided();
        let mut on_disk = Vec::new();
        let mut places = Vec::new();
        for (at, row) in self.in_turn(rows) {
            if row >= self.in_file {
                found(at, records.row((row - self.in_file) as usize));
            } else {
                on_disk.push(row);
                places.push(at);
            }
        }
        if !on_disk.is_empty() {
            self.file.read(&on_disk, task, |at, stored| found(places[at], stored))?;
        }
        Ok(())
    }

    /// Calls `found` with every row of `range` and its stored bytes, ascending.
    pub fn scan(&self, range: Range<u32>, task: &Task, mut found: impl FnMut(u32, &[u8])) -> Result<()> {
        let stored = self.format.stored_bytes();
        let disk = range.start.min(self.in_file)..range.end.min(self.in_file);
        if !disk.is_empty() {
            self.file.scan(disk, task, |first, bytes| {
                for (row, record) in (first..).zip(bytes.chunks_exact(stored)) {
                    found(row, record);
                }
            })?;
        }
        let records = self.strided();
        for row in range.start.max(self.in_file)..range.end {
            found(row, records.row((row - self.in_file) as usize));
        }
        Ok(())
    }

    /// The decoded vectors of `rows`, one behind the other. On the threads of the current rayon pool.
    pub fn decoded(&self, rows: &[u32], task: &Task) -> Result<Vec<f32>> {
        let dims = self.format.dims;
        let mut values = vec![0.0; rows.len() * dims];
        rows.par_chunks(ROWS_DECODED).zip(values.par_chunks_mut(ROWS_DECODED * dims)).try_for_each(|(rows, values)| {
            self.read(rows, task, |at, stored| self.format.decode(stored, &mut values[at * dims..][..dims]))
        })?;
        Ok(values)
    }

    /// The decoded vector of one row.
    pub fn get(&self, row: u32) -> Result<Vec<f32>> {
        let mut decoded = vec![0.0; self.format.dims];
        self.read(&[row], &Task::new(), |_, stored| self.format.decode(stored, &mut decoded))?;
        Ok(decoded)
    }
}

/// Estimates distances in f32 over rows in memory. The query of a cosine scorer is brought to unit length.
pub struct RecordScorer<'a> {
    kernels: &'static Kernels,
    format: Format,
    query: Vec<f32>,
    records: Strided<'a>,
    first: u32,
    local: Vec<u32>,
}

impl<'a> RecordScorer<'a> {
    fn new(format: Format, query: &[f32], records: Strided<'a>, first: u32) -> Self {
        let mut query = query.to_vec();
        if format.metric == Metric::Cosine {
            to_unit(&mut query);
        }
        Self { kernels: kernels(), format, query, records, first, local: Vec::new() }
    }
}

/// A factor that a record carries.
#[inline]
fn factor(record: &[u8], at: usize) -> f32 {
    f32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]])
}

/// Makes a distance of a sum of products or squares. `inverse` is one over the query's length, where that matters.
#[inline]
fn finish(format: Format, record: &[u8], sum: f32, inverse: f32) -> f32 {
    if format.metric == Metric::L2 {
        return sum;
    }
    let sum = if format.precision == Precision::I8 { sum * factor(record, format.scale_at()) } else { sum };
    if format.metric == Metric::Cosine { 1.0 - sum * factor(record, format.inverse_at()) * inverse } else { 1.0 - sum }
}

/// Sums of products (or of squared differences, for L2) of the query and rows: those given, or those from `start` on.
fn sums(k: &Kernels, format: Format, q: &[f32], records: Strided<'_>, rows: Option<&[u32]>, start: usize, out: &mut [f32]) {
    let scale_at = format.scale_at();
    match (format.metric == Metric::L2, format.precision, rows) {
        (true, Precision::F32, Some(rows)) => k.gather_l2_f32(q, records, rows, out),
        (true, Precision::F16, Some(rows)) => k.gather_l2_f16(q, records, rows, out),
        (true, Precision::I8, Some(rows)) => k.gather_l2_i8(q, records, rows, out, scale_at),
        (false, Precision::F32, Some(rows)) => k.gather_dot_f32(q, records, rows, out),
        (false, Precision::F16, Some(rows)) => k.gather_dot_f16(q, records, rows, out),
        (false, Precision::I8, Some(rows)) => k.gather_dot_i8(q, records, rows, out),
        (true, Precision::F32, None) => k.scan_l2_f32(q, records, start, out),
        (true, Precision::F16, None) => k.scan_l2_f16(q, records, start, out),
        (true, Precision::I8, None) => k.scan_l2_i8(q, records, start, out, scale_at),
        (false, Precision::F32, None) => k.scan_dot_f32(q, records, start, out),
        (false, Precision::F16, None) => k.scan_dot_f16(q, records, start, out),
        (false, Precision::I8, None) => k.scan_dot_i8(q, records, start, out),
    }
}

impl Scorer for RecordScorer<'_> {
    fn score(&mut self, rows: &[u32], out: &mut [f32]) {
        let rows = if self.first == 0 {
            rows
        } else {
            self.local.clear();
            self.local.extend(rows.iter().map(|row| row - self.first));
            &self.local
        };
        sums(self.kernels, self.format, &self.query, self.records, Some(rows), 0, out);
        if self.format.metric != Metric::L2 {
            for (out, &row) in out.iter_mut().zip(rows) {
                *out = finish(self.format, self.records.row(row as usize), *out, 1.0);
            }
        }
    }

    fn score_range(&mut self, start: u32, out: &mut [f32]) {
        let start = (start - self.first) as usize;
        sums(self.kernels, self.format, &self.query, self.records, None, start, out);
        for (row, out) in (start..).zip(out) {
            *out = finish(self.format, self.records.row(row), *out, 1.0);
        }
    }
}

/// Brings a vector to unit length, whatever its scale.
pub fn to_unit(vector: &mut [f32]) {
    let length = kernels().exact_dot_f32(vector, vector).sqrt();
    if length > 0.0 {
        for value in vector {
            *value = (f64::from(*value) / length) as f32;
        }
    }
}
