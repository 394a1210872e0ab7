use cluster::Random;
use task::Task;

use super::{MOST, NEAREST, Ranked, nearest};
use crate::recall::HeldOut;
use crate::state::State;
use crate::types::{Batch, Id, Metric, Precision};
use crate::{Index, PartialOptions};

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

fn index(metric: Metric, precision: Precision, dims: usize, vectors: Vec<f32>) -> Index {
    let given =
        PartialOptions { dimensions: Some(dims), metric: Some(metric), precision: Some(precision), ..PartialOptions::default() };
    let index = Index::new(given.complete(false).unwrap()).unwrap();
    let ids = (0..(vectors.len() / dims) as u64).map(Id::Number).collect();
    index.add(Batch { ids, vectors, metadata: None }, &Task::new()).unwrap();
    index
}

fn values(count: usize, seed: u64, offset: f32) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..count).map(|_| random.unit() as f32 - 0.5 + offset).collect()
}

fn held(state: &State, rows: &[u32]) -> HeldOut {
    let values = rows.iter().flat_map(|&row| state.dense.get(row).unwrap()).collect();
    HeldOut { rows: rows.to_vec(), values, dims: state.dense.format.dims }
}

/// Every live row by its distance in f64, the row that asks left out.
fn ranking(state: &State, row: u32) -> Vec<Ranked> {
    let query = state.dense.get(row).unwrap();
    let exact = crate::record::Exact::new(state.dense.format.metric, &query);
    let others = (0..state.rows()).filter(|&other| other != row && state.is_live(other));
    let mut all: Vec<Ranked> = others.map(|other| (exact.distance(&state.dense.get(other).unwrap()), other)).collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all
}

fn assert_true(state: &State, rows: &[u32], what: &str) {
    let held = held(state, rows);
    let found = nearest(state, &held, &Task::new()).unwrap();
    assert_eq!(found.len(), rows.len());
    for (&row, found) in rows.iter().zip(found) {
        let mut expected = ranking(state, row);
        let last = expected.get(NEAREST - 1).map_or(f64::INFINITY, |last| last.0);
        expected.retain(|one| one.0 <= last);
        expected.truncate(MOST);
        let wrong = found.iter().zip(&expected).position(|(a, b)| a != b);
        assert!(found == expected, "{what}, row {row}: {} rows, not {}, and place {wrong:?}", found.len(), expected.len());
    }
}

#[test]
fn the_nearest_are_those_of_exact_comparisons() {
    for metric in METRICS {
        for precision in [Precision::F32, Precision::F16, Precision::I8] {
            for (dims, offset) in [(1, 0.0), (7, 0.0), (40, 300.0)] {
                let index = index(metric, precision, dims, values(3_000 * dims, dims as u64, offset));
                index.delete(&(0..3_000).filter(|id| id % 5 == 0).map(Id::Number).collect::<Vec<_>>()).unwrap();
                let rows: Vec<u32> = (0..12).map(|at| at * 241 + 1).collect();
                assert_true(&index.shared().state(), &rows, &format!("{metric:?} {precision:?} {dims} {offset}"));
            }
        }
    }
}

#[test]
fn rows_at_the_ends_of_the_numbers_are_compared_too() {
    for metric in METRICS {
        for scale in [1e-30, 1e-20, 1e10, 1e18, 3e37] {
            let mut vectors = values(500 * 5, 3, 0.0);
            vectors.iter_mut().take(300 * 5).for_each(|value| *value *= scale);
            let index = index(metric, Precision::F32, 5, vectors);
            assert_true(&index.shared().state(), &[0, 7, 299, 300, 499], &format!("{metric:?} {scale}"));
        }
    }
}

#[test]
fn ties_are_kept_up_to_a_number() {
    for equal in [NEAREST + 20, MOST + 50] {
        let mut vectors = values(700 * 4, 9, 0.0);
        let one = vectors[..4].to_vec();
        vectors.chunks_exact_mut(4).take(equal).for_each(|row| row.copy_from_slice(&one));
        let index = index(Metric::L2, Precision::F32, 4, vectors);
        assert_true(&index.shared().state(), &[0, 2, 650], &format!("{equal} rows"));
    }
}
