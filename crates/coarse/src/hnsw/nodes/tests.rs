use std::collections::BTreeSet;

use kernels::{NibbleTables, Scorer, kernels};
use task::{Cancel, Task};

use super::*;
use crate::hnsw::{Builder, HnswOptions, Scratch};
use crate::testing::{Plain, PlainScorer};
use crate::{Candidate, Space};

const DIMS: usize = 32;

/// Signs of plain rows' differences, worked out naively.
struct Signed(Plain);

impl Space for Signed {
    type Scorer<'a>
        = PlainScorer<'a>
    where
        Self: 'a;
    type Set = Vec<u32>;

    fn scorer(&self, row: u32) -> PlainScorer<'_> {
        self.0.scorer(row)
    }

    fn gather(&self, rows: &[u32], set: &mut Vec<u32>) {
        self.0.gather(rows, set);
    }

    fn between(&self, set: &mut Vec<u32>, one: u32, others: &[u32], out: &mut [f32]) {
        self.0.between(set, one, others, out);
    }
}

impl Coder for Signed {
    fn own(&self, row: u32) -> &[u8] {
        bytemuck::cast_slice(self.0.row(row))
    }

    fn middle(&self, rows: &[u32]) -> u32 {
        rows[rows.len() / 2]
    }

    fn subspaces(&self) -> usize {
        DIMS / 4
    }

    fn code(&self, node: u32, others: &[u32], codes: &mut [u8], add: &mut [f32], mul: &mut [f32]) {
        let own = self.0.row(node);
        for (at, &other) in others.iter().enumerate() {
            let apart: Vec<f32> = self.0.row(other).iter().zip(own).map(|(other, own)| other - own).collect();
            let squares: f32 = apart.iter().map(|x| x * x).sum();
            let length = squares / apart.iter().map(|x| x.abs()).sum::<f32>();
            let aside: f32 = apart.iter().zip(own).map(|(apart, own)| own * apart.signum()).sum();
            for (code, apart) in codes[at * DIMS / 4..].iter_mut().zip(apart.chunks(4)) {
                *code = (0..4).map(|at| u8::from(apart[at] >= 0.0) << at).sum();
            }
            // |q - o|^2 = |q - c|^2 + |o - c|^2 - 2 (q - c) . (o - c)
            (add[at], mul[at]) = (squares + 2.0 * length * aside, -2.0 * length);
        }
    }
}

fn tables(query: &[f32]) -> NibbleTables {
    let sum = |four: &[f32], code: usize| -> f32 {
        four.iter().enumerate().map(|(at, x)| if code >> at & 1 == 1 { *x } else { -x }).sum()
    };
    let values: Vec<f32> = query.chunks(4).flat_map(|four| (0..16).map(move |code| sum(four, code))).collect();
    let mut tables = NibbleTables::default();
    kernels().fit_tables(&values, &mut tables);
    tables
}

fn linked(signed: &Signed, rows: u32, m: usize) -> Graph {
    let mut builder = Builder::new(HnswOptions { m, ef_construction: 80, seed: 3 });
    while builder.graph().len() < rows {
        let end = (builder.graph().len() + 500).min(rows);
        builder.link_block(signed, end, &Task::new()).unwrap();
    }
    builder.graph()
}

fn found(nodes: &Nodes, signed: &Signed, query: &[f32], ef: usize, hidden: Option<u32>, live: impl Fn(u32) -> bool) -> Vec<u32> {
    let (tables, mut scratch) = (tables(query), Scratch::default());
    let wanted = Wanted { k: ef, ef, rough: true, tables: &tables, hidden };
    let mut scorer = signed.0.scorer_of(query);
    let mut found = nodes.search(&mut scorer, &wanted, live, |_| (), &mut scratch, &Task::new()).unwrap();
    found.sort_unstable();
    let mut truth = vec![0.0; found.len()];
    let rows: Vec<u32> = found.iter().map(|c| c.row).collect();
    signed.0.scorer_of(query).score(&rows, &mut truth);
    assert!(found.iter().zip(&truth).all(|(c, &distance)| c.distance == distance), "distances are the scorer's");
    rows
}

fn queries(plain: &Plain) -> impl Iterator<Item = Vec<f32>> {
    (0..plain.rows()).step_by(97).map(|row| plain.row(row).iter().map(|v| v + 0.01).collect())
}

fn recall(nodes: &Nodes, signed: &Signed, ef: usize, live: impl Fn(u32) -> bool + Copy) -> f64 {
    let (mut hits, mut wanted) = (0, 0);
    for query in queries(&signed.0) {
        let truth: BTreeSet<u32> = signed.0.ranking(&query).into_iter().filter(|&r| live(r)).take(10).collect();
        let found = found(nodes, signed, &query, ef, None, live);
        assert!(found.iter().all(|&row| live(row)), "a dead row was found");
        assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len(), "a row was found twice");
        hits += found.iter().take(10).filter(|row| truth.contains(row)).count();
        wanted += 10;
    }
    f64::from(hits as u32) / f64::from(wanted)
}

#[test]
fn the_nearest_are_found_with_one_block_a_node_and_with_several() {
    let signed = Signed(Plain::clustered(3_000, DIMS, 1));
    for m in [4, 16, 24] {
        let graph = linked(&signed, 3_000, m);
        let nodes = Nodes::build(&graph, &signed, &Task::new()).unwrap();
        assert_eq!((nodes.len(), nodes.memory() >= 3_000 * DIMS), (3_000, true));
        let (some, more) = (recall(&nodes, &signed, 40, |_| true), recall(&nodes, &signed, 200, |_| true));
        assert!(more >= some && more > 0.97, "m {m}: {some} {more}");
    }
}

#[test]
fn the_dead_are_walked_through_and_take_no_place() {
    let signed = Signed(Plain::clustered(2_000, DIMS, 2));
    let graph = linked(&signed, 2_000, 16);
    let nodes = Nodes::build(&graph, &signed, &Task::new()).unwrap();
    assert!(recall(&nodes, &signed, 150, |row| row % 3 != 0) > 0.97);
    assert!(found(&nodes, &signed, &[0.5; DIMS], 20, None, |_| false).is_empty());
}

#[test]
fn a_hidden_row_is_not_there() {
    let signed = Signed(Plain::clustered(1_000, DIMS, 3));
    let graph = linked(&signed, 1_000, 16);
    let nodes = Nodes::build(&graph, &signed, &Task::new()).unwrap();
    // the middle of those that searches begin from, too
    for row in (0..1_000).step_by(83).chain([500]) {
        let rows = found(&nodes, &signed, signed.0.row(row), 50, Some(row), |_| true);
        assert!(rows.len() >= 50 && !rows.contains(&row));
    }
}

#[test]
fn nothing_is_found_in_nothing_and_aborted_work_ends() {
    let signed = Signed(Plain::clustered(600, DIMS, 5));
    let (none, graph) = (Graph::default(), linked(&signed, 600, 16));
    let nodes = Nodes::build(&none, &signed, &Task::new()).unwrap();
    assert!(nodes.is_empty() && found(&nodes, &signed, &[0.0; DIMS], 5, None, |_| true).is_empty());
    assert!(found(&nodes, &signed, &[0.0; DIMS], 5, None, |_| true).is_empty());
    let cancel = Cancel::new();
    cancel.cancel();
    let task = Task::new().with_cancel(cancel);
    assert!(matches!(Nodes::build(&graph, &signed, &task), Err(LinkError::Aborted)));
    let nodes = Nodes::build(&graph, &signed, &Task::new()).unwrap();
    let (tables, mut scratch) = (tables(&[0.0; DIMS]), Scratch::default());
    let wanted = Wanted { k: 5, ef: 5, rough: true, tables: &tables, hidden: None };
    let mut scorer = signed.0.scorer_of(&[0.0; DIMS]);
    let searched = nodes.search(&mut scorer, &wanted, |_| true, |_| (), &mut scratch, &task);
    assert_eq!(searched.map(|found: Vec<Candidate>| found.len()), Err(task::Aborted));
}
