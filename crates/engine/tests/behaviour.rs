//! What callers rely on: determinism, visibility, atomic replacement, the meaning of `auto`, aborting, closing.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{Random, answers, clustered, dims};
use engine::{Batch, Coarse, Code, Codes, Id, Index, Metric, PartialOptions, Placement, Query, SearchParams};
use task::{Cancel, Task};

fn small(ef: usize) -> SearchParams {
    SearchParams { ef: Some(ef), ..SearchParams::default() }
}

#[test]
fn the_same_seed_and_calls_give_the_same_index_on_any_number_of_threads() {
    for codes in [Codes::None, Codes::Pq { bytes: 5, rotate: true }] {
        let build = |threads: usize| {
            let folder = tempfile::tempdir().unwrap();
            let given = PartialOptions {
                coarse: Some(Coarse::Hnsw),
                codes: Some(codes),
                threads: Some(threads),
                seed: Some(5),
                ..dims(10)
            };
            let index = Index::open(&folder.path().join("index"), given, false, &Task::new()).unwrap();
            for part in 0..6 {
                index.add(clustered(2_000, 10, part * 2_000, part), &Task::new()).unwrap();
            }
            index.optimize(&Task::new()).unwrap();
            answers(&index, 10, &small(12))
        };
        let one = build(1);
        assert!(one == build(2) && one == build(5), "{codes:?}");
    }
}

#[test]
fn a_row_is_found_as_soon_as_it_is_added() {
    let folder = tempfile::tempdir().unwrap();
    let given = PartialOptions {
        coarse: Some(Coarse::Hnsw),
        codes: Some(Codes::Sq8),
        vectors: Some(Placement::Disk),
        metric: Some(Metric::L2),
        ..dims(6)
    };
    let index = Index::open(&folder.path().join("index"), given, false, &Task::new()).unwrap();
    for part in 0..40 {
        let batch = clustered(150, 6, part * 150, part);
        let last = batch.vectors[149 * 6..].to_vec();
        index.add(batch, &Task::new()).unwrap();
        let hits = index.search(&Query::vector(&last), &SearchParams { k: 1, ..small(60) }, &Task::new()).unwrap();
        assert_eq!((&hits[0].id, hits[0].distance), (&Id::Number(part * 150 + 149), 0.0));
    }
}

#[test]
fn a_replaced_item_is_always_there_as_it_was_or_as_it_is() {
    let index = Arc::new(Index::new(dims(4).complete(false).unwrap()).unwrap());
    index.add(clustered(300, 4, 0, 1), &Task::new()).unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let (watched, stop) = (index.clone(), done.clone());
    let watcher = std::thread::spawn(move || {
        let params = SearchParams { k: 300, ..SearchParams::default() };
        let mut rounds = 0;
        while !stop.load(Ordering::Relaxed) || rounds == 0 {
            let hits = watched.search(&Query::vector(&[0.1, 0.2, 0.3, 0.4]), &params, &Task::new()).unwrap();
            assert_eq!(hits.len(), 300);
            assert!(watched.has(&Id::Number(7)).unwrap());
            rounds += 1;
        }
    });
    for round in 0..400 {
        let mut batch = clustered(1, 4, 7, round);
        batch.ids = vec![Id::Number(7)];
        index.add(batch, &Task::new()).unwrap();
    }
    done.store(true, Ordering::Relaxed);
    watcher.join().unwrap();
}

#[test]
fn auto_scans_small_indexes_and_takes_what_suits_large_ones() {
    let rabitq = Codes::Rabitq { bits: 8 };
    for (wide, named, coarse, codes) in [
        (64, Codes::Auto, Coarse::Ivf, Codes::Pq { bytes: 16, rotate: false }),
        (256, Codes::Auto, Coarse::Hnsw, rabitq),
        (64, Codes::Sq8, Coarse::Hnsw, Codes::Sq8),
        (64, Codes::None, Coarse::Hnsw, Codes::None),
    ] {
        let given = PartialOptions { codes: Some(named), ..dims(wide) };
        let index = Index::new(given.complete(false).unwrap()).unwrap();
        index.add(clustered(1_500, wide, 0, 1), &Task::new()).unwrap();
        index.optimize(&Task::new()).unwrap();
        assert_eq!((index.stats().unwrap().coarse, index.stats().unwrap().codes), (Coarse::Flat, Codes::None));
        // More than 8 MiB of vectors.
        let rows = (9 << 20) / (4 * wide);
        index.add(clustered(rows, wide, 1_500, 2), &Task::new()).unwrap();
        assert_eq!((index.stats().unwrap().coarse, index.stats().unwrap().codes), (coarse, codes));
        assert_eq!((index.options().coarse, index.options().codes), (Coarse::Auto, named));
        index.optimize(&Task::new()).unwrap();
        let stats = index.stats().unwrap();
        assert_eq!((stats.unlinked, stats.memory.codes > 0), (0, codes != Codes::None));
        let all = SearchParams { k: index.len() / 3, ..SearchParams::default() };
        let more = SearchParams { ef: Some(400), probes: Some(300), rerank: Some(400), ..SearchParams::default() };
        let (mut found, mut wanted) = (0, 0);
        for (truth, hits) in answers(&index, wide, &all).iter().zip(answers(&index, wide, &more)) {
            found += hits.iter().filter(|hit| truth[..10].contains(hit)).count();
            wanted += 10;
        }
        assert!(found * 20 >= wanted * 19, "{wide} {named:?}: {found} of {wanted}");
    }
}

/// 64 numbers a row, but only 6 that vary: lists of them are not what finds them fastest.
#[test]
fn auto_takes_a_graph_where_rows_lie_in_few_dimensions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let wide = |batch: Batch| Batch { vectors: widened(&batch.vectors, 6, 64), ..batch };
    let given = PartialOptions { vectors: Some(Placement::Memory), ..dims(64) };
    let index = Index::open(&path, given, false, &Task::new()).unwrap();
    index.add(wide(clustered(40_000, 6, 0, 1)), &Task::new()).unwrap();
    index.optimize(&Task::new()).unwrap();
    let chosen = |index: &Index| (index.stats().unwrap().coarse, index.stats().unwrap().codes);
    assert_eq!(chosen(&index), (Coarse::Hnsw, Codes::Rabitq { bits: 8 }));
    let before = answers(&index, 64, &SearchParams::default());
    index.close().unwrap();
    let index = Index::open(&path, PartialOptions::default(), false, &Task::new()).unwrap();
    assert_eq!(chosen(&index), (Coarse::Hnsw, Codes::Rabitq { bits: 8 }));
    assert_eq!(index.stats().unwrap().unlinked, 0);
    index.optimize(&Task::new()).unwrap();
    assert!(answers(&index, 64, &SearchParams::default()) == before);
}

/// Rows of `dims` numbers as rows of `wide`, by sums of them that a seed draws.
fn widened(rows: &[f32], dims: usize, wide: usize) -> Vec<f32> {
    let axes = Random(5).vector(dims * wide);
    let sum = |row: &[f32], at: usize| row.iter().zip(axes[at * dims..].iter()).map(|(x, axis)| x * axis).sum();
    rows.chunks_exact(dims).flat_map(|row| (0..wide).map(|at| sum(row, at)).collect::<Vec<f32>>()).collect()
}

#[test]
fn an_aborted_batch_leaves_nothing() {
    let index = Index::new(dims(4).complete(false).unwrap()).unwrap();
    let stop = Cancel::new();
    stop.cancel();
    let error = index.add(clustered(10, 4, 0, 1), &Task::new().with_cancel(stop)).unwrap_err();
    assert_eq!((error.code, index.len()), (Code::Aborted, 0));
}

#[test]
fn a_bad_item_in_a_batch_refuses_all_of_it() {
    let index = Index::new(dims(3).complete(false).unwrap()).unwrap();
    for (vector, code, says) in [
        ([0.0, 0.0, 0.0], Code::Argument, "item 1"),
        ([0.0, f32::NAN, 1.0], Code::NotFinite, "position 1"),
        ([0.0, 1.0, f32::INFINITY], Code::NotFinite, "position 2"),
    ] {
        let vectors = [[1.0, 2.0, 3.0], vector].concat();
        let batch = Batch { ids: vec![Id::Number(1), Id::Number(2)], vectors, metadata: None };
        let error = index.add(batch, &Task::new()).unwrap_err();
        assert_eq!(error.code, code);
        assert!(error.message.contains(says), "{error}");
        assert_eq!(index.len(), 0);
    }
}

#[test]
fn closing_stops_searches_and_refuses_calls() {
    let index = Index::new(dims(4).complete(false).unwrap()).unwrap();
    index.add(clustered(50, 4, 0, 1), &Task::new()).unwrap();
    index.abort_searches();
    let query = [1.0, 0.0, 0.0, 0.0];
    assert_eq!(index.search(&Query::vector(&query), &small(10), &Task::new()).unwrap_err().code, Code::Closed);
    index.add(clustered(50, 4, 50, 2), &Task::new()).unwrap();
    index.close().unwrap();
    index.close().unwrap();
    assert_eq!(index.has(&Id::Number(1)).unwrap_err().code, Code::Closed);
    assert_eq!(index.add(clustered(1, 4, 0, 1), &Task::new()).unwrap_err().code, Code::Closed);
}

#[test]
fn training_says_what_it_did_and_what_it_cannot_do() {
    let given = PartialOptions { codes: Some(Codes::Pq { bytes: 4, rotate: true }), coarse: Some(Coarse::Hnsw), ..dims(16) };
    let index = Index::new(given.complete(false).unwrap()).unwrap();
    index.add(clustered(100, 16, 0, 1), &Task::new()).unwrap();
    assert_eq!(index.train(&Default::default(), &Task::new()).unwrap_err().code, Code::Argument);
    index.add(clustered(12_000, 16, 100, 2), &Task::new()).unwrap();
    let report = index.train(&Default::default(), &Task::new()).unwrap();
    assert_eq!((report.rows, report.bytes_per_row), (12_100, 4));
    assert!(report.error > 0.0 && report.error < 0.5, "{report:?}");
    assert_eq!(index.stats().unwrap().unlinked, 0);
    let plain = Index::new(PartialOptions { codes: Some(Codes::None), ..dims(3) }.complete(false).unwrap()).unwrap();
    assert_eq!(plain.train(&Default::default(), &Task::new()).unwrap_err().code, Code::Argument);
}

#[test]
fn codes_of_no_rows_have_no_error_to_report() {
    let given = PartialOptions { codes: Some(Codes::Sq8), coarse: Some(Coarse::Hnsw), ..dims(8) };
    let index = Index::new(given.complete(false).unwrap()).unwrap();
    let task = Task::new();
    index.add(clustered(300, 8, 0, 1), &task).unwrap();
    assert_eq!(index.train(&Default::default(), &task).unwrap().error_before, None);
    index.delete(&(0..300).map(Id::Number).collect::<Vec<_>>()).unwrap();
    index.optimize(&task).unwrap();
    // Fewer than a block, so that nothing has encoded them when they are trained on.
    index.add(clustered(300, 8, 0, 2), &task).unwrap();
    let report = index.train(&Default::default(), &task).unwrap();
    assert_eq!((report.rows, report.error_before), (300, None));
    assert!(index.train(&Default::default(), &task).unwrap().error_before.is_some());
}

#[test]
fn what_is_measured_does_not_depend_on_the_number_of_threads() {
    let measured = |threads: usize| {
        let given = PartialOptions { coarse: Some(Coarse::Hnsw), threads: Some(threads), m: Some(4), ..dims(12) };
        let index = Index::new(given.complete(false).unwrap()).unwrap();
        index.add(clustered(4_000, 12, 0, 1), &Task::new()).unwrap();
        assert_eq!(index.stats().unwrap().measured, []);
        index.optimize(&Task::new()).unwrap();
        index.stats().unwrap().measured
    };
    let one = measured(1);
    assert!(one.iter().any(|step| step.k == 10 && step.recall > 0.9) && one == measured(3));
}

#[test]
fn a_recall_is_between_nothing_and_all_and_comes_without_an_effort() {
    let index = Index::new(dims(4).complete(false).unwrap()).unwrap();
    index.add(clustered(10, 4, 0, 1), &Task::new()).unwrap();
    let code =
        |params: SearchParams| index.search(&Query::vector(&[1.0; 4]), &params, &Task::new()).map(|_| ()).map_err(|e| e.code);
    let recall = |recall| SearchParams { recall: Some(recall), ..SearchParams::default() };
    assert_eq!(code(recall(0.9)), Ok(()));
    assert!([0.0, 1.0, -1.0, f64::NAN].into_iter().all(|bad| code(recall(bad)) == Err(Code::Argument)));
    assert_eq!(code(SearchParams { ef: Some(20), ..recall(0.9) }), Err(Code::Argument));
    assert_eq!(code(SearchParams { rerank: Some(20), ..recall(0.9) }), Err(Code::Argument));
}
