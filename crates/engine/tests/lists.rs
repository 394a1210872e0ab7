//! Lists around centroids: what is found, by every kind of codes, through writes, reopening, deleting and damage.

mod common;

use std::path::Path;

use common::{clustered, dims};
use engine::{Batch, Coarse, Code, Codes, Id, Index, Metric, PartialOptions, Placement, Query, SearchParams, TrainParams};
use task::Task;

const DIMS: usize = 16;
const ROWS: u64 = 6_000;

fn open(path: &Path, given: PartialOptions) -> Index {
    Index::open(path, given, false, &Task::new()).unwrap()
}

fn options(codes: Codes, metric: Metric) -> PartialOptions {
    PartialOptions { coarse: Some(Coarse::Ivf), codes: Some(codes), metric: Some(metric), ..dims(DIMS) }
}

fn fill(index: &Index) {
    for part in 0..6 {
        index.add(clustered(ROWS as usize / 6, DIMS, part * ROWS / 6, part), &Task::new()).unwrap();
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

/// The share of what comparing all rows finds.
fn recall(index: &Index, params: &SearchParams) -> f64 {
    let all = SearchParams { k: index.len() / 3, ..SearchParams::default() };
    let (mut found, mut wanted) = (0, 0);
    for query in queries() {
        let truth = &ids(index, &query, &all)[..params.k];
        let hits = ids(index, &query, params);
        found += hits.iter().filter(|id| truth.contains(id)).count();
        wanted += params.k;
    }
    f64::from(found as u32) / f64::from(wanted as u32)
}

const CODES: [Codes; 7] = [
    Codes::Auto,
    Codes::None,
    Codes::Sq8,
    Codes::Sq4,
    Codes::Binary,
    Codes::Rabitq { bits: 2 },
    Codes::Pq { bytes: 8, rotate: false },
];

#[test]
fn the_nearest_are_found_by_every_kind_of_codes_and_metric() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        for codes in CODES {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("index");
            let index = open(&path, options(codes, metric));
            fill(&index);
            index.optimize(&Task::new()).unwrap();
            let stats = index.stats().unwrap();
            assert_eq!((stats.coarse, stats.unlinked), (Coarse::Ivf, 0), "{codes:?}");
            let some = recall(&index, &SearchParams::default());
            let more = recall(&index, &SearchParams { probes: Some(60), rerank: Some(400), ..SearchParams::default() });
            let all = recall(&index, &SearchParams { probes: Some(10_000), rerank: Some(1_000), ..SearchParams::default() });
            println!("{metric:?} {codes:?}: {some} {more} {all}");
            assert!(some > 0.5 && more >= some && more > 0.8 && all > 0.97, "{metric:?} {codes:?}: {some} {more} {all}");
            assert!(all == 1.0 || codes != Codes::None, "{metric:?}: {all}");
            let before: Vec<Vec<Id>> = queries().iter().map(|query| ids(&index, query, &SearchParams::default())).collect();
            index.close().unwrap();
            let index = open(&path, PartialOptions::default());
            let after: Vec<Vec<Id>> = queries().iter().map(|query| ids(&index, query, &SearchParams::default())).collect();
            assert_eq!(before, after, "{metric:?} {codes:?}");
            assert!(index.verify(&Task::new()).unwrap().problems.is_empty());
        }
    }
}

/// Verifying every row is comparing every row: those that rounding cannot tell apart, and those that have no estimate, too.
#[test]
fn rows_that_are_all_verified_are_found_as_if_all_were_compared() {
    let mut rows = clustered(4_000, DIMS, 0, 7);
    for (at, row) in rows.vectors.chunks_exact_mut(DIMS).enumerate() {
        match at % 8 {
            // Almost all the same: sums in f32 bring them into another order.
            1..=3 => (0..DIMS).for_each(|i| row[i] = 0.3 + f32::EPSILON * ((at * 31 + i * 17) % 13) as f32),
            4 => row.iter_mut().for_each(|value| *value *= 1e-36),
            5 if at % 16 == 5 => row.iter_mut().for_each(|value| *value *= 1e30),
            _ => {}
        }
    }
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let folder = tempfile::tempdir().unwrap();
        let given = PartialOptions { vectors: Some(Placement::Memory), ..options(Codes::Auto, metric) };
        let index = open(&folder.path().join("index"), given);
        index.add(rows.clone(), &Task::new()).unwrap();
        index.optimize(&Task::new()).unwrap();
        let exact = SearchParams { k: 2_000, ..SearchParams::default() };
        let listed = SearchParams { k: 30, probes: Some(10_000), rerank: Some(4_000), ..SearchParams::default() };
        let by_hand = vec![0.3; DIMS];
        for query in queries().iter().take(20).chain([&by_hand]) {
            assert_eq!(ids(&index, query, &listed), ids(&index, query, &exact)[..30], "{metric:?}");
        }
    }
}

#[test]
fn what_was_deleted_is_not_found_and_lists_are_made_anew() {
    for codes in CODES {
        let folder = tempfile::tempdir().unwrap();
        let index = open(&folder.path().join("index"), options(codes, Metric::L2));
        fill(&index);
        index.optimize(&Task::new()).unwrap();
        let gone: Vec<Id> = (0..ROWS).filter(|id| id % 3 == 0).map(Id::Number).collect();
        assert_eq!(index.delete(&gone).unwrap(), gone.len());
        for _ in 0..2 {
            for query in queries() {
                let found = ids(&index, &query, &SearchParams::default());
                assert!(found.len() == 10 && found.iter().all(|id| !gone.contains(id)), "{codes:?}");
            }
            let all = SearchParams { probes: Some(10_000), rerank: Some(1_000), ..SearchParams::default() };
            assert!(recall(&index, &all) > 0.97, "{codes:?}");
            // The second time without tombstones.
            index.optimize(&Task::new()).unwrap();
        }
        assert_eq!(index.stats().unwrap().deleted, 0);
    }
}

#[test]
fn rows_are_found_before_they_are_in_lists() {
    let folder = tempfile::tempdir().unwrap();
    let given = PartialOptions { vectors: Some(Placement::Disk), ..options(Codes::Auto, Metric::Cosine) };
    let index = open(&folder.path().join("index"), given);
    for part in 0..40 {
        let batch = clustered(150, DIMS, part * 150, part);
        let last = batch.vectors[149 * DIMS..].to_vec();
        index.add(batch, &Task::new()).unwrap();
        assert_eq!(ids(&index, &last, &SearchParams { k: 1, ..SearchParams::default() }), [Id::Number(part * 150 + 149)]);
    }
}

#[test]
fn lists_are_the_same_on_any_number_of_threads() {
    let build = |threads: usize| {
        let folder = tempfile::tempdir().unwrap();
        let given =
            PartialOptions { threads: Some(threads), seed: Some(5), lists: Some(50), ..options(Codes::Auto, Metric::Dot) };
        let index = open(&folder.path().join("index"), given);
        fill(&index);
        index.optimize(&Task::new()).unwrap();
        queries()
            .iter()
            .map(|query| ids(&index, query, &SearchParams { probes: Some(3), ..SearchParams::default() }))
            .collect::<Vec<_>>()
    };
    let one = build(1);
    assert!(one == build(2) && one == build(5));
}

#[test]
fn damaged_lists_are_made_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let index = open(&path, options(Codes::Auto, Metric::L2));
    fill(&index);
    index.optimize(&Task::new()).unwrap();
    index.close().unwrap();
    let lists = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
    let lists: Vec<_> = lists.filter(|path| path.to_string_lossy().contains("lists")).collect();
    assert_eq!(lists.len(), 1);
    let whole = std::fs::read(&lists[0]).unwrap();
    for at in [70, whole.len() / 2, whole.len() - 1] {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        std::fs::write(&lists[0], damaged).unwrap();
        let reader = Index::open(&path, PartialOptions::default(), true, &Task::new()).unwrap();
        assert!(recall(&reader, &SearchParams::default()) > 0.5);
    }
    let index = open(&path, PartialOptions::default());
    index.optimize(&Task::new()).unwrap();
    assert_eq!(index.stats().unwrap().unlinked, 0);
    assert!(recall(&index, &SearchParams::default()) > 0.5);
}

#[test]
fn training_fits_lists_to_the_rows_of_now() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let index = Index::new(options(Codes::Auto, metric).complete(false).unwrap()).unwrap();
        let task = Task::new();
        index.add(clustered(200, DIMS, 0, 1), &task).unwrap();
        assert_eq!(index.train(&TrainParams::default(), &task).unwrap_err().code, Code::Argument);
        index.add(clustered(3_000, DIMS, 200, 1), &task).unwrap();
        index.optimize(&task).unwrap();
        // Rows in other clusters, and hardly more of them than makes `optimize` train again.
        index.add(clustered(8_000, DIMS, 4_000, 9), &task).unwrap();
        index.optimize(&task).unwrap();
        let before = index.stats().unwrap();
        let report = index.train(&TrainParams::default(), &task).unwrap();
        assert_eq!((report.codes, report.rows), (Codes::Pq { bytes: DIMS / 4, rotate: false }, 11_200), "{metric:?}");
        assert_eq!(report.bytes_per_row, DIMS as u64 / 4);
        let error_before = report.error_before.unwrap();
        assert!(report.error > 0.0 && report.error < error_before && error_before < 1.0, "{metric:?}: {report:?}");
        let after = index.stats().unwrap();
        assert!(after.unlinked == 0 && before.lists.unwrap().0 < after.lists.unwrap().0);
        assert!(after.measured.iter().any(|step| step.recall > 0.9));
        let all = SearchParams { probes: Some(10_000), rerank: Some(20_000), ..SearchParams::default() };
        assert_eq!(recall(&index, &all), 1.0);
        let less = index.train(&TrainParams { sample: Some(3_000) }, &task).unwrap();
        assert_eq!((less.sample, less.error_before), (3_000, Some(report.error)));
    }
}

#[test]
fn lists_without_codes_have_nothing_to_train() {
    let index = Index::new(options(Codes::None, Metric::L2).complete(false).unwrap()).unwrap();
    fill(&index);
    assert_eq!(index.train(&TrainParams::default(), &Task::new()).unwrap_err().code, Code::Argument);
}

#[test]
fn what_is_measured_of_lists_does_not_depend_on_the_number_of_threads() {
    let measured = |threads: usize| {
        let given = PartialOptions { threads: Some(threads), ..options(Codes::Auto, Metric::L2) };
        let index = Index::new(given.complete(false).unwrap()).unwrap();
        fill(&index);
        index.optimize(&Task::new()).unwrap();
        index.stats().unwrap().measured
    };
    let one = measured(1);
    assert!(one.iter().any(|step| step.k == 10 && step.recall > 0.9) && one == measured(3));
}

#[test]
fn what_is_measured_of_lists_is_what_searches_find() {
    for metric in [Metric::Cosine, Metric::L2] {
        let index = Index::new(options(Codes::Auto, metric).complete(false).unwrap()).unwrap();
        fill(&index);
        index.optimize(&Task::new()).unwrap();
        let measured = index.stats().unwrap().measured;
        assert!(measured.iter().any(|step| step.k == 10), "{metric:?}");
        for step in measured.iter().filter(|step| step.k == 10) {
            let (probes, rerank) = (Some(step.effort as usize), step.rerank.map(|rerank| rerank as usize));
            let found = recall(&index, &SearchParams { probes, rerank, ..SearchParams::default() });
            // Two standard errors less than the mean are at most 0.07, and these queries are others.
            let above = found - f64::from(step.recall);
            assert!((-0.05..0.15).contains(&above), "{metric:?}: {step:?}, found {found}");
        }
    }
}
