//! Many rows that come together are linked together: what that promises.

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use common::{answers, clustered, dims, file, flip, linked, linked_but};
use engine::{Coarse, Code, Codes, Id, Index, PartialOptions, Placement, SearchParams};
use task::{Cancel, Task};

const DIMS: usize = 8;
/// More than are linked at once at the least, and no whole number of blocks.
const ROWS: usize = 9_100;

fn given(codes: Codes, vectors: Placement) -> PartialOptions {
    PartialOptions { coarse: Some(Coarse::Hnsw), codes: Some(codes), vectors: Some(vectors), seed: Some(3), ..dims(DIMS) }
}

fn opened(path: &Path, given: PartialOptions) -> Index {
    Index::open(path, given, false, &Task::new()).unwrap()
}

fn few() -> SearchParams {
    SearchParams { ef: Some(12), ..SearchParams::default() }
}

/// Share of the truly nearest of the first [`ROWS`] rows that are found.
fn recall(index: &Index) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let flat = opened(folder.path(), PartialOptions { coarse: Some(Coarse::Flat), ..dims(DIMS) });
    flat.add(clustered(ROWS, DIMS, 0, 1), &Task::new()).unwrap();
    let truth = answers(&flat, DIMS, &SearchParams::default());
    let found = answers(index, DIMS, &SearchParams { ef: Some(60), ..SearchParams::default() });
    let hits = found.iter().zip(&truth).map(|(found, truth)| {
        let truth: BTreeSet<&Id> = truth.iter().map(|(id, _)| id).collect();
        found.iter().filter(|(id, _)| truth.contains(id)).count()
    });
    hits.sum::<usize>() as f64 / truth.iter().map(Vec::len).sum::<usize>() as f64
}

#[test]
fn a_large_batch_is_linked_in_the_background_as_by_optimize() {
    for codes in [Codes::None, Codes::Sq8, Codes::Rabitq { bits: 8 }] {
        let folder = tempfile::tempdir().unwrap();
        let [alone, asked, parts] = ["alone", "asked", "parts"].map(|name| {
            let index = opened(&folder.path().join(name), given(codes, Placement::Memory));
            let sizes = if name == "parts" { vec![ROWS / 4; 4] } else { vec![ROWS] };
            let mut first = 0;
            for rows in sizes {
                let whole = clustered(ROWS, DIMS, 0, 1);
                let part = engine::Batch {
                    ids: whole.ids[first..first + rows].to_vec(),
                    vectors: whole.vectors[first * DIMS..(first + rows) * DIMS].to_vec(),
                    metadata: None,
                };
                index.add(part, &Task::new()).unwrap();
                first += rows;
            }
            if name == "alone" {
                linked(&index)
            } else {
                index.optimize(&Task::new()).unwrap()
            }
            assert_eq!(index.stats().unwrap().unlinked, 0);
            index
        });
        let recall = recall(&alone);
        assert!(recall >= 0.95, "{codes:?}: recall {recall}");
        let answer = answers(&alone, DIMS, &few());
        assert!(answer == answers(&asked, DIMS, &few()), "{codes:?}: optimize linked otherwise");
        if codes == Codes::None {
            // Codes are trained on the rows that are there when they are many enough, which are others here.
            assert!(answer == answers(&parts, DIMS, &few()), "batches were linked otherwise");
        }
    }
}

#[test]
fn the_files_do_not_depend_on_the_number_of_threads() {
    let graph = |threads: usize| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let index = opened(&path, PartialOptions { threads: Some(threads), ..given(Codes::Sq8, Placement::Memory) });
        index.add(clustered(ROWS, DIMS, 0, 1), &Task::new()).unwrap();
        index.add(clustered(2 * ROWS, DIMS, ROWS as u64, 2), &Task::new()).unwrap();
        index.add(clustered(3_000, DIMS, 3 * ROWS as u64, 3), &Task::new()).unwrap();
        index.optimize(&Task::new()).unwrap();
        index.close().unwrap();
        std::fs::read(file(&path, "graph")).unwrap()
    };
    let one = graph(1);
    assert!(one == graph(2) && one == graph(3));
}

#[test]
fn damaged_links_are_made_again_as_they_were() {
    for (codes, vectors) in [(Codes::None, Placement::Memory), (Codes::Sq8, Placement::Disk)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let index = opened(&path, given(codes, vectors));
        index.add(clustered(ROWS, DIMS, 0, 1), &Task::new()).unwrap();
        index.add(clustered(3_000, DIMS, ROWS as u64, 2), &Task::new()).unwrap();
        linked_by_closing(&path, index);
        let index = opened(&path, PartialOptions::default());
        linked(&index);
        let before = answers(&index, DIMS, &few());
        index.close().unwrap();
        flip(&file(&path, "graph"), 5_000);
        let index = opened(&path, PartialOptions::default());
        linked(&index);
        assert!(answers(&index, DIMS, &few()) == before, "{codes:?}");
    }
}

/// Rows that were linked and saved a block at a time, as many again having come: `optimize` links them at once, and what was
/// made of the links before is made anew.
#[test]
fn links_made_at_once_take_the_place_of_those_that_were_saved() {
    for codes in [Codes::None, Codes::Rabitq { bits: 8 }] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let index = opened(&path, given(codes, Placement::Memory));
        for first in [0, 5_000] {
            index.add(clustered(5_000, DIMS, first, first), &Task::new()).unwrap();
        }
        linked_but(&index, 1_024);
        linked_by_closing(&path, index);
        let in_blocks = std::fs::read(file(&path, "graph")).unwrap();
        let index = opened(&path, PartialOptions::default());
        linked(&index);
        index.optimize(&Task::new()).unwrap();
        let before = answers(&index, DIMS, &few());
        index.close().unwrap();
        assert!(std::fs::read(file(&path, "graph")).unwrap() != in_blocks, "{codes:?}");
        let index = opened(&path, PartialOptions::default());
        index.optimize(&Task::new()).unwrap();
        assert!(answers(&index, DIMS, &few()) == before, "{codes:?}");
    }
}

/// Opened once more, so that what fills no block is linked and saved, too.
fn linked_by_closing(path: &Path, index: Index) {
    index.close().unwrap();
    let index = opened(path, PartialOptions::default());
    linked(&index);
    index.close().unwrap();
}

/// An index that is closed before its rows are linked links them at once when it is opened.
#[test]
fn closing_gives_up_and_opening_begins_again() {
    let folder = tempfile::tempdir().unwrap();
    let [closed, waited] = ["closed", "waited"].map(|name| {
        let path = folder.path().join(name);
        let index = opened(&path, given(Codes::None, Placement::Memory));
        index.add(clustered(ROWS, DIMS, 0, 1), &Task::new()).unwrap();
        if name == "waited" {
            linked(&index);
        }
        index.close().unwrap();
        let index = opened(&path, PartialOptions::default());
        linked(&index);
        answers(&index, DIMS, &few())
    });
    assert!(closed == waited);
}

#[test]
fn a_stopped_optimize_leaves_the_rest_to_the_background() {
    let folder = tempfile::tempdir().unwrap();
    let index = opened(&folder.path().join("index"), given(Codes::None, Placement::Memory));
    index.add(clustered(ROWS, DIMS, 0, 1), &Task::new()).unwrap();
    let stop = Cancel::new();
    stop.cancel();
    if let Err(error) = index.optimize(&Task::new().with_cancel(stop)) {
        assert_eq!(error.code, Code::Aborted);
    }
    linked(&index);
    assert!(recall(&index) >= 0.95);
}

/// Where every row would be read from a file many times, rows are linked a block at a time.
#[test]
fn rows_on_disk_are_linked_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let index = opened(&path, given(Codes::None, Placement::Disk));
    index.add(clustered(ROWS, DIMS, 0, 1), &Task::new()).unwrap();
    index.close().unwrap();
    let index = opened(&path, PartialOptions::default());
    linked(&index);
    assert!(recall(&index) >= 0.95);
}
