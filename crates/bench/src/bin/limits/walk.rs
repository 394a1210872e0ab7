//! Walks over nodes, and the same visits again by one who knows the way.

use std::hint::black_box;
use std::slice::ChunksExact;

use coarse::hnsw::{Graph, LinkError, Nodes, Scratch, Wanted};
use kernels::NibbleTables;
use quant::{Bits, CodeScorer};
use task::Task;

use crate::space::Coded;
use crate::{ROUNDS, timed};

/// Queries at most, and how far they look.
const QUERIES: usize = 1000;
const EF: usize = 24;
const K: usize = 10;

/// Microseconds a query, and visits.
pub struct Walks {
    pub search: f64,
    pub replay: f64,
    pub visits: f64,
}

pub fn measure(coded: &Coded, graph: &Graph, queries: ChunksExact<'_, f32>, task: &Task) -> Result<Walks, LinkError> {
    let nodes = Nodes::build(graph, coded, task)?;
    let prepare = |query| prepare(coded, &nodes, query);
    let mut prepared: Vec<(CodeScorer<'_>, NibbleTables)> = queries.take(QUERIES).map(prepare).collect();
    let mut scratch = Scratch::default();
    let mut visits = Vec::new();
    for (scorer, tables) in &mut prepared {
        visits.push(nodes.visits(scorer, &wanted(coded, tables), &mut scratch, task)?);
    }
    let (mut search, mut replay) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        let took = timed(|| {
            for (scorer, tables) in &mut prepared {
                let _ = black_box(nodes.search(scorer, &wanted(coded, tables), |_| true, |_| (), &mut scratch, task));
            }
        });
        search = search.min(took.as_secs_f64());
        let took = timed(|| {
            for ((scorer, tables), visits) in prepared.iter_mut().zip(&visits) {
                black_box(nodes.replay(visits, scorer, &wanted(coded, tables), &mut scratch));
            }
        });
        replay = replay.min(took.as_secs_f64());
    }
    let count = prepared.len() as f64;
    let visits = visits.iter().map(|visits| visits.stood.len()).sum::<usize>() as f64 / count;
    Ok(Walks { search: search / count * 1e6, replay: replay / count * 1e6, visits })
}

fn prepare<'a>(coded: &'a Coded, nodes: &'a Nodes, query: &[f32]) -> (CodeScorer<'a>, NibbleTables) {
    let scorer = coded.query(query, nodes);
    let mut tables = NibbleTables::default();
    scorer.neighbour_tables(&mut tables);
    (scorer, tables)
}

fn wanted<'a>(coded: &Coded, tables: &'a NibbleTables) -> Wanted<'a> {
    let rough = coded.rabitq().bits() == Bits::One;
    Wanted { k: K, ef: EF, rough, tables, hidden: None }
}
