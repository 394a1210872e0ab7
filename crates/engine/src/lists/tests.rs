use coarse::flat::Margin;
use kernels::{Metric, Scorer};
use task::Task;

use super::{Lists, Look, Shape};

const DIMS: usize = 20;

/// Rows in clusters.
fn rows(count: usize, seed: u64) -> Vec<f32> {
    let mut random = cluster::Random::new(seed);
    let mut next = || random.unit() as f32 - 0.5;
    let centres: Vec<f32> = (0..30 * DIMS).map(|_| next() * 4.0).collect();
    (0..count * DIMS).map(|at| centres[(at / DIMS * 7 % 30) * DIMS + at % DIMS] + next()).collect()
}

fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    match metric {
        Metric::L2 => a.iter().zip(b).map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum(),
        Metric::Dot => 1.0 - dot(a, b),
        Metric::Cosine => 1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
    }
}

/// Scores rows by their distance.
struct Plain<'a>(Metric, &'a [f32], &'a [f32]);

impl Scorer for Plain<'_> {
    fn score(&mut self, rows: &[u32], out: &mut [f32]) {
        for (out, &row) in out.iter_mut().zip(rows) {
            *out = distance(self.0, self.2, &self.1[row as usize * DIMS..][..DIMS]) as f32;
        }
    }

    fn score_range(&mut self, start: u32, out: &mut [f32]) {
        let rows: Vec<u32> = (start..start + out.len() as u32).collect();
        self.score(&rows, out);
    }
}

fn lists(metric: Metric, values: &[f32], encoded: bool, ends: &[usize]) -> Lists {
    let shape = Shape::train(metric, DIMS, 40, encoded, values.to_vec(), 9, &Task::new()).expect("nobody aborts");
    let mut lists = Lists::new(shape);
    let mut start = 0;
    for &end in ends {
        let read = |rows: std::ops::Range<u32>, out: &mut [f32]| {
            out.copy_from_slice(&values[rows.start as usize * DIMS..rows.end as usize * DIMS]);
            Ok(())
        };
        lists.push((end - start) as u32, read, &Task::new()).expect("nobody aborts");
        start = end;
    }
    lists
}

/// All lists, and so many rows.
fn all(keep: usize) -> Look {
    Look { probes: 40, keep, margin: Margin::default() }
}

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

/// Looking into all lists is looking at all rows, by exact scores.
#[test]
fn all_lists_hold_all_rows() {
    let values = rows(900, 1);
    for metric in METRICS {
        let lists = lists(metric, &values, false, &[700, 701, 900]);
        assert_eq!(lists.len(), 900);
        for query in rows(20, 2).chunks_exact(DIMS) {
            let mut scorer = Plain(metric, &values, query);
            let mut found = lists.find(query, all(25), &mut scorer, |row| row != 5, &Task::new()).unwrap();
            found.sort_unstable();
            let mut expected: Vec<(f64, u32)> = (0..900)
                .filter(|&row| row != 5)
                .map(|row| (distance(metric, query, &values[row as usize * DIMS..][..DIMS]), row))
                .collect();
            expected.sort_by(|a, b| a.0.total_cmp(&b.0));
            let found: Vec<u32> = found.iter().map(|candidate| candidate.row).collect();
            assert_eq!(found, expected[..25].iter().map(|(_, row)| *row).collect::<Vec<u32>>(), "{metric:?}");
        }
    }
}

/// Estimates are near the distances, and the nearest rows are among the first by them.
#[test]
fn codes_rank_as_distances_do() {
    let values = rows(4000, 3);
    for metric in METRICS {
        let lists = lists(metric, &values, true, &[1000, 4000]);
        let (mut hits, mut error, mut spread) = (0, 0.0, 0.0);
        let queries = rows(50, 4);
        for query in queries.chunks_exact(DIMS) {
            let mut scorer = Plain(metric, &values, query);
            let found = lists.find(query, all(100), &mut scorer, |_| true, &Task::new()).unwrap();
            let mut ranking: Vec<(f64, u32)> =
                (0..4000).map(|row| (distance(metric, query, &values[row as usize * DIMS..][..DIMS]), row)).collect();
            for candidate in &found {
                error += (f64::from(candidate.distance) - ranking[candidate.row as usize].0).abs();
            }
            let mean = ranking.iter().map(|(distance, _)| distance).sum::<f64>() / 4000.0;
            spread += ranking.iter().map(|(distance, _)| (distance - mean).abs()).sum::<f64>() / 40.0;
            ranking.sort_by(|a, b| a.0.total_cmp(&b.0));
            hits += ranking[..10].iter().filter(|(_, row)| found.iter().any(|candidate| candidate.row == *row)).count();
        }
        assert!(hits >= 490, "{metric:?}: {hits} of 500 among the first 100");
        assert!(error < 0.1 * spread, "{metric:?}: {error} in {spread}");
    }
}

/// Nothing depends on the number of threads.
#[test]
fn threads_change_nothing() {
    let values = rows(3000, 5);
    let make = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| lists(Metric::L2, &values, true, &[100, 3000]))
    };
    let (one, three) = (make(1), make(3));
    for (a, b) in one.parts.iter().zip(&three.parts) {
        assert!(a.part == b.part && *a.blocks == *b.blocks && a.terms == b.terms);
    }
}

/// Rows whose squares overflow are found where there is nothing nearer, and harm nobody.
#[test]
fn rows_beyond_the_range_of_squares_do_no_harm() {
    let mut values = rows(500, 6);
    values[7 * DIMS..8 * DIMS].fill(1e30);
    for metric in METRICS {
        let lists = lists(metric, &values, true, &[500]);
        let query: Vec<f32> = values[DIMS..2 * DIMS].to_vec();
        let mut scorer = Plain(metric, &values, &query);
        let found = lists.find(&query, all(500), &mut scorer, |_| true, &Task::new()).unwrap();
        let mut found: Vec<u32> = found.iter().map(|candidate| candidate.row).collect();
        found.sort_unstable();
        assert_eq!(found, (0..500).collect::<Vec<u32>>(), "{metric:?}");
    }
}

/// However rows came, lists hold the same.
#[test]
fn parts_change_nothing() {
    let values = rows(2000, 7);
    for metric in METRICS {
        let (mut one, many) =
            (lists(metric, &values, true, &[2000]), lists(metric, &values, true, &[1500, 1600, 1610, 1900, 1999, 2000]));
        assert!(many.parts.len() > 1 && many.parts.len() < 6);
        let mut united = many.clone();
        assert!(united.unite().unwrap() && !united.unite().unwrap() && !one.unite().unwrap());
        assert_eq!((united.parts.len(), united.len(), united.counts == many.counts), (1, 2000, true));
        for query in rows(20, 8).chunks_exact(DIMS) {
            let mut scorer = Plain(metric, &values, query);
            let mut find = |lists: &Lists| {
                let mut found = lists.find(query, all(300), &mut scorer, |_| true, &Task::new()).unwrap();
                found.sort_unstable();
                found
            };
            let expected = find(&one);
            assert!(find(&many) == expected && find(&united) == expected, "{metric:?}");
        }
    }
}
