//! Codes 'rabitq' under a graph: nodes with their neighbours' bits, through writes, deleting and reopening.

mod common;

use std::path::Path;

use common::{clustered, dims};
use engine::{Batch, Coarse, Codes, Id, Index, Metric, PartialOptions, Placement, Precision, Query, SearchParams};
use task::Task;

const DIMS: usize = 48;
const ROWS: u64 = 6_000;

fn open(path: &Path, given: PartialOptions) -> Index {
    Index::open(path, given, false, &Task::new()).unwrap()
}

fn options(metric: Metric) -> PartialOptions {
    let codes = Codes::Rabitq { bits: 8 };
    PartialOptions { coarse: Some(Coarse::Hnsw), codes: Some(codes), metric: Some(metric), ..dims(DIMS) }
}

fn fill(index: &Index) {
    for part in 0..3 {
        index.add(clustered(ROWS as usize / 3, DIMS, part * ROWS / 3, part), &Task::new()).unwrap();
    }
}

fn ids(index: &Index, query: &[f32], params: &SearchParams) -> Vec<Id> {
    index.search(&Query::vector(query), params, &Task::new()).unwrap().into_iter().map(|hit| hit.id).collect()
}

/// Queries near rows.
fn queries() -> Vec<Vec<f32>> {
    let Batch { vectors, .. } = clustered(60, DIMS, 0, 2);
    vectors.chunks_exact(DIMS).map(|row| row.iter().enumerate().map(|(at, x)| x + 0.02 * (at % 3) as f32).collect()).collect()
}

fn answers(index: &Index, params: &SearchParams) -> Vec<Vec<Id>> {
    queries().iter().map(|query| ids(index, query, params)).collect()
}

/// The share of what comparing all rows finds.
fn recall(index: &Index, params: &SearchParams) -> f64 {
    let truth = answers(index, &SearchParams { k: index.len() / 3, ..SearchParams::default() });
    let found = answers(index, params);
    let hits: usize =
        found.iter().zip(&truth).map(|(hits, truth)| hits.iter().filter(|id| truth[..10].contains(id)).count()).sum();
    hits as f64 / (10 * found.len()) as f64
}

fn ef(ef: usize) -> SearchParams {
    SearchParams { ef: Some(ef), ..SearchParams::default() }
}

#[test]
fn the_nearest_are_found_by_every_metric_place_and_precision() {
    let places = [(Placement::Memory, Precision::F32), (Placement::Disk, Precision::F32), (Placement::Memory, Precision::I8)];
    for (metric, (vectors, precision)) in
        [Metric::Cosine, Metric::Dot, Metric::L2].into_iter().flat_map(|metric| places.map(|place| (metric, place)))
    {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let given = PartialOptions { vectors: Some(vectors), precision: Some(precision), ..options(metric) };
        let index = open(&path, given);
        fill(&index);
        index.optimize(&Task::new()).unwrap();
        let stats = index.stats().unwrap();
        assert_eq!((stats.coarse, stats.codes, stats.unlinked), (Coarse::Hnsw, Codes::Rabitq { bits: 8 }, 0));
        // 32 neighbours of 64 values in half bytes of four, two factors and a number, beside the links.
        assert!(stats.memory.graph > ROWS * 32 * (64 / 8 + 12), "{}", stats.memory.graph);
        let (some, more) = (recall(&index, &ef(32)), recall(&index, &ef(250)));
        assert!(some > 0.8 && more >= some && more > 0.98, "{metric:?} {vectors:?} {precision:?}: {some} {more}");
        let before = answers(&index, &ef(64));
        index.close().unwrap();
        let index = open(&path, PartialOptions::default());
        assert!(recall(&index, &ef(250)) > 0.98, "before nodes are made again");
        index.optimize(&Task::new()).unwrap();
        assert!(index.stats().unwrap().memory.graph > ROWS * 32 * (64 / 8 + 12));
        assert_eq!(before, answers(&index, &ef(64)), "{metric:?} {vectors:?} {precision:?}");
        assert!(index.verify(&Task::new()).unwrap().problems.is_empty());
    }
}

/// Fewer bits are asked for to save memory, which nodes would take more of than anything else.
#[test]
fn fewer_bits_take_less_memory_and_the_graph_is_walked_by_them() {
    let mut memory = Vec::new();
    for bits in [1, 2, 4, 7, 8] {
        let codes = Some(Codes::Rabitq { bits });
        let given = PartialOptions { codes, vectors: Some(Placement::Disk), ..options(Metric::L2) };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let index = open(&path, given);
        fill(&index);
        index.optimize(&Task::new()).unwrap();
        let stats = index.stats().unwrap();
        assert_eq!((stats.coarse, stats.codes, stats.unlinked), (Coarse::Hnsw, Codes::Rabitq { bits }, 0));
        let more = recall(&index, &ef(250));
        assert!(more > 0.98, "{bits} bits: {more}");
        let before = answers(&index, &ef(40));
        index.close().unwrap();
        let index = open(&path, PartialOptions::default());
        assert_eq!(index.options().codes, Codes::Rabitq { bits });
        // What was read has no room to spare, where rows encoded as they came have more or less. Nodes are not kept on disk.
        let stats = if bits == 8 { stats } else { index.stats().unwrap() };
        memory.push(stats.memory.codes + stats.memory.graph);
        assert!(bits == 8 || before == answers(&index, &ef(40)), "{bits} bits, opened again");
        assert!(index.verify(&Task::new()).unwrap().problems.is_empty());
    }
    // 64 values are kept, each of which costs an eighth of a byte a bit.
    for (pair, bits) in memory.windows(2).zip([1, 2, 3]) {
        assert!(pair[0] + ROWS * 64 / 8 * bits <= pair[1], "{memory:?}");
    }
    assert!(memory[4] > memory[3] + ROWS * 32 * (64 / 8 + 12), "{memory:?}");
}

#[test]
fn what_is_written_after_the_nodes_were_made_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(&folder.path().join("index"), options(Metric::L2));
    fill(&index);
    index.optimize(&Task::new()).unwrap();
    for part in 0..12 {
        // More than are scanned by their codes, so that the graph is walked in between.
        let batch = clustered(500, DIMS, ROWS + part * 500, 20 + part);
        let last = batch.vectors[499 * DIMS..].to_vec();
        index.add(batch, &Task::new()).unwrap();
        let one = SearchParams { k: 1, ..SearchParams::default() };
        assert_eq!(ids(&index, &last, &one), [Id::Number(ROWS + part * 500 + 499)]);
        assert!(recall(&index, &ef(250)) > 0.98);
    }
}

#[test]
fn what_was_deleted_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(&folder.path().join("index"), options(Metric::Cosine));
    fill(&index);
    index.optimize(&Task::new()).unwrap();
    let gone: Vec<Id> = (0..ROWS).filter(|id| id % 3 == 0).map(Id::Number).collect();
    assert_eq!(index.delete(&gone).unwrap(), gone.len());
    for _ in 0..2 {
        assert!(answers(&index, &ef(40)).iter().all(|found| found.len() == 10 && found.iter().all(|id| !gone.contains(id))));
        assert!(recall(&index, &ef(250)) > 0.98);
        // The second time without tombstones.
        index.optimize(&Task::new()).unwrap();
    }
    assert_eq!(index.stats().unwrap().deleted, 0);
}

#[test]
fn nodes_are_the_same_on_any_number_of_threads() {
    let build = |threads: usize| {
        let folder = tempfile::tempdir().unwrap();
        let index = open(&folder.path().join("index"), PartialOptions { threads: Some(threads), ..options(Metric::Dot) });
        fill(&index);
        index.optimize(&Task::new()).unwrap();
        answers(&index, &ef(12))
    };
    let one = build(1);
    assert!(one == build(2) && one == build(5));
}

#[test]
fn a_recall_that_is_asked_for_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let index = open(&folder.path().join("index"), options(Metric::L2));
    fill(&index);
    index.optimize(&Task::new()).unwrap();
    for asked in [0.8, 0.9, 0.95, 0.99] {
        let found = recall(&index, &SearchParams { recall: Some(asked), ..SearchParams::default() });
        assert!(found >= asked - 0.01, "{found} of {asked}");
    }
}
