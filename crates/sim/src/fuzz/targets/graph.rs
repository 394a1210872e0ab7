//! `coarse::hnsw::Graph::read`: what it lets in is walked, linked on, written and read again.

use coarse::Space;
use coarse::hnsw::{Builder, Graph, HnswOptions, Scratch};
use kernels::Scorer;
use task::Task;
use wire::Reader;

use super::input::Input;
use crate::random::Random;

/// Rows that are linked behind those of the graph.
const MORE: u32 = 6;
/// Rows that a graph may have: what is asked for is taken by this.
const ROWS: u16 = 600;

/// Options and a number of rows, then a graph.
pub fn run(bytes: &[u8]) -> bool {
    let mut input = Input::new(bytes);
    let options = HnswOptions {
        m: 2 + usize::from(input.u8() % 15),
        ef_construction: 1 + usize::from(input.u8()),
        seed: u64::from(input.u8()),
    };
    let (rows, kind) = (u32::from(input.u16() % ROWS), input.u8());
    let encoded = input.rest();
    let mut reader = Reader::new(encoded);
    let Ok(graph) = Graph::read(&mut reader, &options, rows) else { return false };
    let read = encoded.len() - reader.remaining();
    assert!(graph.len() <= rows, "{} rows where there are {rows}", graph.len());
    assert_eq!(write(&graph), &encoded[..read], "a graph is not written as it was read");
    let space = Ring { rows: rows + MORE, kind };
    search(&graph, &space, usize::from(kind) + 1);
    link_on(graph, options, &space);
    reader.finish().is_ok()
}

fn write(graph: &Graph) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written: Result<(), ()> = graph.write(&mut |piece| {
        bytes.extend_from_slice(piece);
        Ok(())
    });
    assert!(written.is_ok());
    bytes
}

fn search(graph: &Graph, space: &Ring, ef: usize) {
    let live = |row: u32| !row.is_multiple_of(3);
    let mut scratch = Scratch::default();
    let mut found = Vec::new();
    for query in [0, graph.len() / 2] {
        found = graph.search(&mut space.scorer(query), ef, live, &mut scratch, &Task::new()).expect("nobody stops it");
        assert!(found.len() <= ef && found.is_sorted(), "not the nearest {ef} in order");
        assert!(found.iter().all(|c| c.row < graph.len() && live(c.row)), "a row that is dead or not there");
    }
    found.dedup_by_key(|c| c.row);
    found.sort_by_key(|c| c.row);
    assert!(found.is_sorted_by(|a, b| a.row < b.row), "a row twice");
}

/// A graph from a file grows like any other, and what it becomes can be read again.
fn link_on(graph: Graph, options: HnswOptions, space: &Ring) {
    let rows = graph.len();
    let mut builder = Builder::resume(options, graph);
    let end = rows + MORE;
    builder.link_block(space, end, &Task::new()).expect("nobody stops it, and there is memory");
    let graph = builder.graph();
    assert_eq!(graph.len(), end);
    let encoded = write(&graph);
    let mut reader = Reader::new(&encoded);
    let again = Graph::read(&mut reader, &options, end).expect("what was linked on can be read");
    assert!(reader.finish().is_ok() && write(&again) == encoded, "what was linked on is not read as it was written");
    search(&again, space, 10);
}

/// Rows on a ring, by a distance that also knows ties, infinities and values that are no numbers.
struct Ring {
    rows: u32,
    kind: u8,
}

impl Ring {
    fn distance(&self, a: u32, b: u32) -> f32 {
        assert!(a < self.rows && b < self.rows, "row {a} or {b} of {}", self.rows);
        let apart = a.abs_diff(b).min(self.rows - a.abs_diff(b));
        match self.kind % 8 {
            6 => 0.0,
            7 if apart > 8 => f32::INFINITY,
            5 if apart == 9 => f32::NAN,
            _ => (apart * apart) as f32,
        }
    }
}

/// Distances from one row of a [`Ring`].
struct RingScorer<'a> {
    ring: &'a Ring,
    query: u32,
}

impl Scorer for RingScorer<'_> {
    fn score(&mut self, rows: &[u32], out: &mut [f32]) {
        assert_eq!(rows.len(), out.len());
        for (out, &row) in out.iter_mut().zip(rows) {
            *out = self.ring.distance(self.query, row);
        }
    }

    fn score_range(&mut self, start: u32, out: &mut [f32]) {
        for (row, out) in (start..).zip(out) {
            *out = self.ring.distance(self.query, row);
        }
    }
}

impl Space for Ring {
    type Scorer<'a> = RingScorer<'a>;
    type Set = Vec<u32>;

    fn scorer(&self, row: u32) -> RingScorer<'_> {
        RingScorer { ring: self, query: row }
    }

    fn gather(&self, rows: &[u32], set: &mut Vec<u32>) {
        rows.clone_into(set);
    }

    fn between(&self, set: &mut Vec<u32>, one: u32, others: &[u32], out: &mut [f32]) {
        let query = set[one as usize];
        for (out, &other) in out.iter_mut().zip(others) {
            *out = self.distance(query, set[other as usize]);
        }
    }
}

/// A linked graph.
pub fn seed(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let (m, ef, seed) = (random.below(4) as u8, random.below(30) as u8, random.word() as u8);
    let rows = random.below(60) as u32;
    let options = HnswOptions { m: 2 + usize::from(m), ef_construction: 1 + usize::from(ef), seed: u64::from(seed) };
    let mut builder = Builder::new(options);
    for end in [rows / 2, rows] {
        builder.link_block(&Ring { rows, kind: 0 }, end, &Task::new()).expect("nobody stops it, and there is memory");
    }
    let mut bytes = vec![m, ef, seed];
    bytes.extend_from_slice(&(rows as u16).to_le_bytes());
    bytes.push(random.word() as u8);
    bytes.extend(write(&builder.graph()));
    bytes
}
