use std::ops::Range;
use std::sync::Arc;

use task::{Cancel, Task};

use super::{BLOCK, ListScorer, Part, nearest_lists, search};
use crate::flat::Margin;
use crate::testing::Plain;

const LISTS: usize = 13;

/// Rows put into the lists of the nearest of `LISTS` rows, in parts of uneven sizes.
struct Index {
    plain: Plain,
    centroids: Plain,
    labels: Vec<u32>,
    parts: Vec<Arc<Part>>,
}

impl Index {
    fn new(rows: usize, ends: &[usize]) -> Self {
        let plain = Plain::clustered(rows, 6, 5);
        let centroids = Plain { dims: 6, values: plain.values[..LISTS * 6].to_vec() };
        let labels: Vec<u32> =
            (0..plain.rows()).map(|row| nearest_lists(&mut centroids.scorer_of(plain.row(row)), LISTS, 1)[0]).collect();
        let mut start = 0;
        let parts = ends.iter().map(|&end| {
            let part = Arc::new(Part::new(start as u32, &labels[start..end], LISTS));
            start = end;
            part
        });
        let parts = parts.collect();
        Self { plain, centroids, labels, parts }
    }

    fn search(&self, query: &[f32], probes: usize, keep: usize, live: impl Fn(u32) -> bool) -> Vec<u32> {
        let lists = nearest_lists(&mut self.centroids.scorer_of(query), LISTS, probes);
        let mut scorer = Lists { index: self, query: query.to_vec(), probes: lists.clone() };
        let parts: Vec<&Part> = self.parts.iter().map(|part| &**part).collect();
        let mut found = search(&parts, &lists, &mut scorer, keep, Margin::default(), live, &Task::new()).expect("nobody aborts");
        found.sort_unstable();
        found.into_iter().map(|candidate| candidate.row).collect()
    }

    /// The same by looking at every row.
    fn expected(&self, query: &[f32], probes: usize, keep: usize, live: impl Fn(u32) -> bool) -> Vec<u32> {
        let lists = nearest_lists(&mut self.centroids.scorer_of(query), LISTS, probes);
        let ranking = self.plain.ranking(query).into_iter();
        ranking.filter(|&row| lists.contains(&self.labels[row as usize]) && live(row)).take(keep).collect()
    }
}

struct Lists<'a> {
    index: &'a Index,
    query: Vec<f32>,
    probes: Vec<u32>,
}

impl ListScorer for Lists<'_> {
    fn scan(&mut self, part: usize, probe: usize, blocks: Range<usize>, bound: f32, estimates: &mut [f32], marks: &mut [u32]) {
        marks.fill(0);
        for (at, &row) in self.index.parts[part].members(blocks).iter().enumerate() {
            estimates[at] = f32::NEG_INFINITY;
            if row == u32::MAX {
                // As of a row that is not there.
                marks[at / BLOCK] |= 1 << (at % BLOCK);
                continue;
            }
            assert_eq!(self.index.labels[row as usize], self.probes[probe]);
            let row = self.index.plain.row(row).iter().zip(&self.query);
            estimates[at] = row.map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2)).sum::<f64>() as f32;
            if estimates[at] <= bound {
                marks[at / BLOCK] |= 1 << (at % BLOCK);
            }
        }
    }
}

#[test]
fn what_the_probed_lists_hold_is_found_in_order() {
    for ends in [&[700][..], &[0, 3, 3, 400, 401, 700], &[32, 64, 700]] {
        let index = Index::new(700, ends);
        for (probes, keep) in [(1, 1), (1, 1000), (4, 10), (13, 1), (13, 10), (13, 699), (13, 1000), (3, 0)] {
            for query in 0..20 {
                let query: Vec<f32> = index.plain.row(query * 31).iter().map(|x| x + 0.01).collect();
                let live = |row: u32| row % 7 != 3;
                assert_eq!(
                    index.search(&query, probes, keep, live),
                    index.expected(&query, probes, keep, live),
                    "{probes} {keep}"
                );
            }
        }
    }
}

#[test]
fn parts_hold_every_row_once_and_merge_to_what_they_would_have_been() {
    let index = Index::new(500, &[100, 101, 300, 500]);
    let parts: Vec<&Part> = index.parts.iter().map(|part| &**part).collect();
    let whole = Part::new(0, &index.labels, LISTS);
    assert_eq!(Part::merged(&parts), whole);
    assert_eq!(whole.rows(), 0..500);
    let mut rows: Vec<u32> = (0..LISTS).flat_map(|list| whole.members_of(list)).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..500).collect::<Vec<u32>>());
    let members = whole.members(0..whole.blocks());
    assert!(whole.places().iter().zip(0..).all(|(&place, row)| members[place as usize] == row));
}

#[test]
fn lists_without_rows_do_no_harm() {
    let part = Arc::new(Part::new(7, &[2, 2, 2], 5));
    assert_eq!((part.lists(), part.blocks(), part.rows()), (5, 1, 7..10));
    assert_eq!(part.members_of(2).collect::<Vec<u32>>(), [7, 8, 9]);
    assert!(part.blocks_of(0).is_empty() && part.blocks_of(4).is_empty());
    let nothing = Part::new(3, &[], 5);
    assert_eq!((nothing.blocks(), nothing.rows()), (0, 3..3));
}

#[test]
fn a_search_stops_when_it_is_told_to() {
    let index = Index::new(100, &[100]);
    let cancel = Cancel::new();
    cancel.cancel();
    let mut scorer = Lists { index: &index, query: vec![0.0; 6], probes: vec![0, 1] };
    let task = Task::new().with_cancel(cancel);
    assert!(search(&[&index.parts[0]], &[0, 1], &mut scorer, 10, Margin::default(), |_| true, &task).is_err());
}
