//! Codes to link and walk over, with every distance counted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use coarse::Space;
use coarse::hnsw::{Coder, Nodes};
use kernels::{Scorer, Strided};
use quant::{CodeScorer, CodeSet, Codec, Rabitq};

/// Rabitq codes of rows.
pub struct Coded {
    codec: Codec,
    bytes: Vec<u8>,
    /// Distances worked out through [`Space`].
    pub distances: AtomicU64,
}

impl Coded {
    pub fn new(codec: Codec, rows: &[f32]) -> Self {
        let mut bytes = vec![0; rows.len() / codec.dims() * codec.code_bytes()];
        codec.encode(rows, &mut bytes);
        Self { codec, bytes, distances: AtomicU64::new(0) }
    }

    pub fn len(&self) -> u32 {
        (self.bytes.len() / self.codec.code_bytes()) as u32
    }

    fn codes(&self) -> Strided<'_> {
        Strided::new(&self.bytes, self.codec.code_bytes(), self.len() as usize)
    }

    fn code(&self, row: u32) -> &[u8] {
        &self.bytes[row as usize * self.codec.code_bytes()..][..self.codec.code_bytes()]
    }

    pub fn code_bytes(&self) -> usize {
        self.codec.code_bytes()
    }

    /// A scorer of the rows' codes where they lie in nodes; it counts nothing.
    pub fn query<'a>(&'a self, query: &[f32], nodes: &'a Nodes) -> CodeScorer<'a> {
        self.codec.scorer(query, nodes.codes())
    }

    pub fn rabitq(&self) -> &Rabitq {
        match &self.codec {
            Codec::Rabitq(codec) => codec,
            _ => unreachable!("made with CodecSpec::Rabitq"),
        }
    }
}

/// A scorer that counts its distances.
pub struct Counted<'a> {
    inner: CodeScorer<'a>,
    distances: &'a AtomicU64,
}

impl Scorer for Counted<'_> {
    fn score(&mut self, rows: &[u32], out: &mut [f32]) {
        self.distances.fetch_add(rows.len() as u64, Relaxed);
        self.inner.score(rows, out);
    }

    fn score_range(&mut self, start: u32, out: &mut [f32]) {
        self.distances.fetch_add(out.len() as u64, Relaxed);
        self.inner.score_range(start, out);
    }
}

impl Space for Coded {
    type Scorer<'a> = Counted<'a>;
    type Set = CodeSet;

    fn scorer(&self, row: u32) -> Counted<'_> {
        Counted { inner: self.codec.scorer_of_code(self.code(row), self.codes()), distances: &self.distances }
    }

    fn gather(&self, rows: &[u32], set: &mut CodeSet) {
        self.codec.gather(rows.iter().map(|&row| self.code(row)), set);
    }

    fn between(&self, set: &mut CodeSet, one: u32, others: &[u32], out: &mut [f32]) {
        self.distances.fetch_add(others.len() as u64, Relaxed);
        self.codec.between(set, one, others, out);
    }
}

impl Coder for Coded {
    fn own(&self, row: u32) -> &[u8] {
        self.code(row)
    }

    fn subspaces(&self) -> usize {
        self.rabitq().subspaces()
    }

    fn code(&self, node: u32, others: &[u32], codes: &mut [u8], add: &mut [f32], mul: &mut [f32]) {
        let subspaces = self.rabitq().subspaces();
        let others = others.iter().map(|&other| self.code(other));
        self.rabitq().neighbours(self.code(node), others, |at, signs, seen| {
            codes[at * subspaces..][..subspaces].copy_from_slice(signs);
            (add[at], mul[at]) = (seen.add, seen.mul);
        });
    }

    fn middle(&self, rows: &[u32]) -> u32 {
        rows[self.codec.middle(rows.iter().map(|&row| self.code(row)))]
    }
}
