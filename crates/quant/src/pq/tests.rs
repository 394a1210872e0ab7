//! The rotation and what it is for.

use super::Pq;
use super::opq::{self, ROWS};
use super::polar::orthogonal_factor;
use super::words::Words;
use crate::rotation::Rotation;
use crate::tests::correlated;
use cluster::Random;
use kernels::Metric;
use task::Task;

/// Greatest entry of `R^T R - 1`, through `apply` alone.
fn off_orthogonal(rotation: &Rotation, dims: usize) -> f64 {
    let images: Vec<Vec<f32>> = (0..dims)
        .map(|j| {
            let mut unit = vec![0.0; dims];
            unit[j] = 1.0;
            rotation.apply(&unit)
        })
        .collect();
    let mut most = 0f64;
    for (i, j) in (0..dims).flat_map(|i| (0..=i).map(move |j| (i, j))) {
        let dot: f64 = images[i].iter().zip(&images[j]).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        most = most.max((dot - if i == j { 1.0 } else { 0.0 }).abs());
    }
    most
}

fn learn(rows: &[f32], dims: usize, bytes: usize) -> Rotation {
    opq::learn(rows, &mut Words::zeros(dims, bytes), 1, &Task::new()).unwrap()
}

fn error(dims: usize, bytes: usize, rotate: bool, rows: &[f32]) -> f64 {
    let pq = Pq::train(Metric::L2, dims, bytes, rotate, rows, 3, &Task::new()).unwrap();
    let mut codes = vec![0; rows.len() / dims * bytes];
    pq.encode(rows, &mut codes);
    let mut decoded = vec![0.0; dims];
    let mut sum = 0.0;
    for (row, code) in rows.chunks_exact(dims).zip(codes.chunks_exact(bytes)) {
        pq.decode(code, &mut decoded);
        sum += row.iter().zip(&decoded).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>();
    }
    sum
}

#[test]
fn rotations_are_orthogonal_and_turn_back() {
    // Full, with dimensions that never change, with fewer rows than dimensions, and with unequal sub-spaces.
    let mut dead = correlated(900, 48, 1);
    dead.chunks_exact_mut(48).for_each(|row| row[10..30].fill(0.0));
    for (rows, dims, bytes) in
        [(correlated(900, 40, 1), 40, 8), (dead, 48, 6), (correlated(20, 40, 2), 40, 4), (correlated(500, 37, 3), 37, 5)]
    {
        let rotation = learn(&rows, dims, bytes);
        assert!(off_orthogonal(&rotation, dims) < 1e-4);
        let mut many = vec![0.0; rows.len()];
        rotation.apply_many(&rows, &mut many);
        let mut back = vec![0.0; dims];
        for (row, turned) in rows.chunks_exact(dims).zip(many.chunks_exact(dims)) {
            let one = rotation.apply(row);
            assert!(one.iter().zip(turned).all(|(a, b)| (a - b).abs() < 1e-4));
            rotation.invert(turned, &mut back);
            assert!(row.iter().zip(&back).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }
}

#[test]
fn wide_rows_are_rotated_in_blocks() {
    let dims = 1030;
    let rows = correlated(60, dims, 4);
    let rotation = learn(&rows, dims, 10);
    assert!(rotation.as_whole().is_none());
    assert!(off_orthogonal(&rotation, dims) < 1e-4);
}

#[test]
fn a_rotation_pays_on_correlated_dimensions() {
    let (dims, bytes) = (32, 8);
    let rows = correlated(4000, dims, 5);
    let (plain, rotated) = (error(dims, bytes, false, &rows), error(dims, bytes, true, &rows));
    assert!(rotated < 0.9 * plain, "{rotated} against {plain}");
}

/// Sub-spaces that belong together as they are: a principal axis of the whole is no help, and must do no harm.
#[test]
fn a_rotation_does_no_harm_where_there_is_nothing_to_turn() {
    let (dims, bytes) = (24, 6);
    let mut random = Random::new(6);
    let mut rows = Vec::new();
    for _ in 0..4000 * bytes {
        // One of 100 corners in each sub-space.
        let mut corner = Random::stream(8, random.below(100) as u64);
        rows.extend((0..dims / bytes).map(|_| (corner.unit() * 2.0 + random.unit() * 0.1) as f32));
    }
    let (plain, rotated) = (error(dims, bytes, false, &rows), error(dims, bytes, true, &rows));
    assert!(rotated < 1.02 * plain, "{rotated} against {plain}");
}

#[test]
fn constant_dimensions_stay_constant() {
    let dims = 30;
    let mut rows = correlated(2000, dims, 7);
    rows.chunks_exact_mut(dims).for_each(|row| {
        row[..8].fill(0.0);
        row[20..24].fill(5.0);
    });
    let pq = Pq::train(Metric::L2, dims, 6, true, &rows, 1, &Task::new()).unwrap();
    let mut codes = vec![0; 2000 * 6];
    pq.encode(&rows, &mut codes);
    let mut decoded = vec![0.0; dims];
    for code in codes.chunks_exact(6) {
        pq.decode(code, &mut decoded);
        assert!(decoded[..8].iter().all(|x| x.abs() < 1e-2), "{decoded:?}");
        assert!(decoded[20..24].iter().all(|x| (x - 5.0).abs() < 1e-2), "{decoded:?}");
    }
}

#[test]
fn more_rows_than_are_looked_at_are_thinned_out() {
    let dims = 4;
    let rows = correlated(ROWS + 1000, dims, 8);
    assert!(off_orthogonal(&learn(&rows, dims, 2), dims) < 1e-4);
}

/// A product of plane rotations: orthogonal to `f64`'s digits.
fn turned(dims: usize, seed: u64) -> Vec<f64> {
    let mut random = Random::new(seed);
    let mut matrix: Vec<f64> = (0..dims * dims).map(|at| if at % (dims + 1) == 0 { 1.0 } else { 0.0 }).collect();
    for _ in 0..dims * 4 {
        let (i, j) = (random.below(dims), random.below(dims));
        if i == j {
            continue;
        }
        let (sin, cos) = (random.unit() * 6.3).sin_cos();
        for column in 0..dims {
            let (a, b) = (matrix[i * dims + column], matrix[j * dims + column]);
            matrix[i * dims + column] = cos * a - sin * b;
            matrix[j * dims + column] = sin * a + cos * b;
        }
    }
    matrix
}

fn multiplied(a: &[f64], b: &[f64], dims: usize) -> Vec<f64> {
    (0..dims * dims).map(|at| (0..dims).map(|l| a[at / dims * dims + l] * b[l * dims + at % dims]).sum()).collect()
}

#[test]
fn the_orthogonal_factor_is_the_one_that_was_there() {
    for dims in [1, 2, 7, 40] {
        // U diag(s) V^T, whose orthogonal factor is U V^T.
        let (u, v) = (turned(dims, 1), turned(dims, 2));
        let scaled: Vec<f64> = u.iter().enumerate().map(|(at, x)| x * 10f64.powi(-3 * ((at % dims) as i32 % 2))).collect();
        let product: Vec<f32> = multiplied(&scaled, &v, dims).iter().map(|&x| (x * 50.0) as f32).collect();
        let found = orthogonal_factor(product, dims).unwrap();
        for (&found, &wanted) in found.iter().zip(&multiplied(&u, &v, dims)) {
            assert!((f64::from(found) - wanted).abs() < 1e-3, "{dims}");
        }
    }
}

#[test]
fn singular_matrices_have_no_orthogonal_factor() {
    assert_eq!(orthogonal_factor(vec![0.0; 9], 3), None);
    assert_eq!(orthogonal_factor(vec![1.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0], 3), None);
    assert_eq!(orthogonal_factor(vec![f32::NAN; 9], 3), None);
    assert_eq!(orthogonal_factor(vec![f32::INFINITY; 9], 3), None);
}
