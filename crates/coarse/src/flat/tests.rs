use task::{Cancel, Task};

use super::*;
use crate::testing::Plain;

#[test]
fn the_best_live_rows_come_in_order() {
    let plain = Plain::clustered(5_000, 9, 1);
    let query = plain.row(77).to_vec();
    let truth: Vec<u32> = plain.ranking(&query).into_iter().filter(|row| row % 3 != 0).collect();
    for keep in [1, 2, 10, 700, 6_000] {
        let found =
            scan(&mut plain.scorer_of(&query), 0..5_000, keep, Margin::default(), |row| row % 3 != 0, &Task::new()).unwrap();
        let rows: Vec<u32> = found.iter().map(|c| c.row).collect();
        assert_eq!(rows, truth[..keep.min(truth.len())], "keep {keep}");
    }
    assert!(scan(&mut plain.scorer_of(&query), 0..5_000, 0, Margin::default(), |_| true, &Task::new()).unwrap().is_empty());
}

#[test]
fn a_margin_keeps_whatever_could_still_be_among_the_best() {
    let plain = Plain::clustered(4_000, 6, 2);
    let query = plain.row(5).to_vec();
    let margin = Margin { absolute: 0.05, relative: 0.02 };
    let found = scan(&mut plain.scorer_of(&query), 0..4_000, 10, margin, |_| true, &Task::new()).unwrap();
    let mut all = vec![0.0; 4_000];
    plain.scorer_of(&query).score_range(0, &mut all);
    let mut sorted = all.clone();
    sorted.sort_by(f32::total_cmp);
    let error = |d: f32| 0.05 + 0.02 * f64::from(d);
    let highest = f64::from(sorted[9]) + error(sorted[9]);
    let must: Vec<u32> = (0..4_000).filter(|&row| f64::from(all[row as usize]) - error(all[row as usize]) <= highest).collect();
    let rows: std::collections::BTreeSet<u32> = found.iter().map(|c| c.row).collect();
    assert!(must.len() > 10 && must.iter().all(|row| rows.contains(row)));
    assert!(rows.len() <= must.len() + 2, "{} kept, {} needed", rows.len(), must.len());
}

struct Overflowing;
impl Scorer for Overflowing {
    fn score(&mut self, _: &[u32], _: &mut [f32]) {}
    fn score_range(&mut self, start: u32, out: &mut [f32]) {
        for (row, out) in (start..).zip(out) {
            *out = if row % 50 == 7 { f32::NAN } else { row as f32 };
        }
    }
}

#[test]
fn rows_whose_estimate_overflowed_are_never_lost() {
    let found = scan(&mut Overflowing, 0..200, 3, Margin { absolute: 0.1, relative: 0.0 }, |_| true, &Task::new()).unwrap();
    let mut rows: Vec<u32> = found.iter().map(|c| c.row).collect();
    rows.sort_unstable();
    assert_eq!(rows, [0, 1, 2, 7, 57, 107, 157]);
}

#[test]
fn a_stopped_task_stops_the_scan() {
    let plain = Plain::clustered(3_000, 3, 3);
    let stop = Cancel::new();
    stop.cancel();
    let stopped = scan(&mut plain.scorer_of(&[0.0; 3]), 0..3_000, 5, Margin::default(), |_| true, &Task::new().with_cancel(stop));
    assert_eq!(stopped, Err(Aborted));
}
