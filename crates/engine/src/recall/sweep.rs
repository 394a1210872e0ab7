//! Of lists two efforts matter: how many are looked into, and how many of the rows found there are verified.
//!
//! One search says for every number of rows verified what it would find: the candidates come in the order of their
//! estimates. So a sweep over the lists alone gives recall by both, and a ladder goes up there, each time by the effort
//! that finds more for its price.

use coarse::hnsw::ScratchPool;
use hashbrown::HashMap;
use rayon::prelude::*;
use task::Task;

use super::{ENOUGH, HeldOut, Ladder, Ranked, SHARE, Step, mean_and_error};
use crate::error::Result;
use crate::lists::{Lists, Shape};
use crate::search::{Effort, Search};
use crate::state::State;
use crate::types::Query;

/// Rows verified at most: so many a hit, and so many besides.
const VERIFIED: [usize; 2] = [32, 256];
/// Each number of lists or rows is so many halves of the one before.
const HALVES: usize = 3;
/// Where lists have no codes of their own, looking into more of them than one in so many is comparing all rows.
const UNCODED_SHARE: usize = 2;
/// So many standard errors less than the mean is what is promised. Rows of the index took part in making its lists, and find more
/// there than strangers: with the same effort 0.910 on MNIST-784, where rows left out found 0.902, and queries of other hands 0.894.
const DOUBT: f64 = 2.0;
/// What a row costs that lies anywhere, in bytes that a scan reads in the same time: in memory, and on disk.
const SEEK: [usize; 2] = [2048, 1 << 16];

/// A ladder for each number of `hits`.
pub fn ladders(
    held: &HeldOut,
    state: &State,
    lists: &Lists,
    truth: &[Vec<Ranked>],
    hits: &[usize],
    scratch: &ScratchPool,
    task: &Task,
) -> Result<Vec<Ladder>> {
    let most = lists.shape().lists() / if lists.is_coded() { 1 } else { UNCODED_SHARE };
    let reranks: Vec<Vec<usize>> = hits.iter().map(|&hits| reranks(hits, state)).collect();
    let sweep = Sweep { held, state, truth, hits, reranks: &reranks, scratch, task };
    let mut rungs: Vec<Rung> = Vec::new();
    for probes in numbers(1, most.max(1)) {
        rungs.push(sweep.rung(probes)?);
        if rungs.last().is_some_and(Rung::is_enough) {
            break;
        }
    }
    let price = Price::of(state, lists);
    Ok(hits.iter().enumerate().map(|(at, &hits)| climb(hits, at, &rungs, &reranks[at], &price)).collect())
}

/// Numbers from one to another, each half as large again as the one before.
fn numbers(from: usize, to: usize) -> Vec<usize> {
    let next = |&number: &usize| (number < to).then(|| (number * HALVES / 2).max(number + 1).min(to));
    std::iter::successors(Some(from), next).collect()
}

/// Numbers of rows to verify. Without codes estimates are as good as distances.
fn reranks(hits: usize, state: &State) -> Vec<usize> {
    let exact = state.lists.as_ref().is_none_or(|lists| !lists.is_coded()) && !state.over_codes;
    let most = (VERIFIED[0] * hits + VERIFIED[1]).min(state.covered() as usize / SHARE).max(hits);
    numbers(hits, if exact { hits } else { most })
}

/// What looking into so many lists finds.
struct Rung {
    probes: usize,
    /// For each number of hits and of rows verified: mean recall, and its standard error.
    recalls: Vec<Vec<(f64, f64)>>,
}

impl Rung {
    /// Whether more lists would hardly find more.
    fn is_enough(&self) -> bool {
        self.recalls.iter().all(|recalls| recalls.last().is_some_and(|(mean, _)| *mean >= ENOUGH))
    }
}

/// What a search costs, in bytes read one after another.
struct Price {
    list: f64,
    row: f64,
}

impl Price {
    fn of(state: &State, lists: &Lists) -> Self {
        let format = state.dense.format;
        let seek = SEEK[usize::from(state.dense.in_file > 0)];
        let row = format.stored_bytes() + seek;
        let scanned = match &state.codes {
            Some(codes) if state.over_codes => codes.codec.code_bytes(),
            _ if lists.is_coded() => Shape::code_bytes(format.dims) + size_of::<f32>(),
            _ => row,
        };
        Self { list: scanned as f64 * f64::from(lists.len()) / lists.shape().lists() as f64, row: row as f64 }
    }

    fn of_search(&self, probes: usize, rerank: usize) -> f64 {
        self.list * probes as f64 + self.row * rerank as f64
    }
}

/// Goes up the rungs of one number of hits (number `at`), by lists or by rows verified.
fn climb(hits: usize, at: usize, rungs: &[Rung], reranks: &[usize], price: &Price) -> Ladder {
    let (mut list, mut row, mut best, mut steps) = (0, 0, 0f64, Vec::new());
    loop {
        let (mean, error) = rungs[list].recalls[at][row];
        // More effort never finds less, but for chance.
        best = best.max((mean - DOUBT * error).max(0.0));
        steps.push(Step { effort: rungs[list].probes as u32, rerank: reranks[row] as u32, recall: best as f32 });
        if mean >= ENOUGH {
            break;
        }
        let cost = |list: usize, row: usize| price.of_search(rungs[list].probes, reranks[row]);
        let gain = |to: (usize, usize)| (rungs[to.0].recalls[at][to.1].0 - mean) / (cost(to.0, to.1) - cost(list, row));
        // The best that going on in one direction can do: a step that gains nothing by itself may lead to one that does.
        let more_lists = (list + 1..rungs.len()).map(|list| gain((list, row))).max_by(f64::total_cmp);
        let more_rows = (row + 1..reranks.len()).map(|row| gain((list, row))).max_by(f64::total_cmp);
        match (more_lists, more_rows) {
            (None, None) => break,
            (Some(lists), Some(rows)) if lists < rows => row += 1,
            (None, Some(_)) => row += 1,
            (Some(_), _) => list += 1,
        }
    }
    Ladder { hits: hits as u32, steps }
}

/// Searches of the rows held out.
struct Sweep<'a> {
    held: &'a HeldOut,
    state: &'a State,
    truth: &'a [Vec<Ranked>],
    hits: &'a [usize],
    /// For each number of hits.
    reranks: &'a [Vec<usize>],
    scratch: &'a ScratchPool,
    task: &'a Task,
}

impl Sweep<'_> {
    fn rung(&self, probes: usize) -> Result<Rung> {
        let all = self.held.queries().zip(self.truth).map(|((row, query), truth)| self.found(probes, row, query, truth));
        let all = all.collect::<Result<Vec<Vec<Vec<f64>>>>>()?;
        let of = |at: usize, rerank: usize| mean_and_error(&all.iter().map(|found| found[at][rerank]).collect::<Vec<f64>>());
        let recalls = self.reranks.iter().enumerate().map(|(at, reranks)| (0..reranks.len()).map(|row| of(at, row)).collect());
        Ok(Rung { probes, recalls: recalls.collect() })
    }

    /// The share of its nearest that one query finds, for each number of hits and of rows verified.
    fn found(&self, probes: usize, held: u32, query: &[f32], truth: &[Ranked]) -> Result<Vec<Vec<f64>>> {
        let (state, covered) = (self.state, self.state.covered());
        let most = self.reranks.iter().flatten().copied().max().unwrap_or(1);
        let query = Query::vector(query);
        let effort = Effort::of_lists(most, probes, most);
        let search = Search { state, query: &query, effort, hidden: Some(held), scratch: self.scratch, task: self.task };
        let mut candidates = search.candidates(covered)?;
        candidates.sort_unstable();
        let distances: HashMap<u32, f64> = truth.iter().map(|&(distance, row)| (row, distance)).collect();
        // Where among the candidates the true neighbours are; those in no list yet are always found.
        let places = candidates.iter().enumerate().filter_map(|(place, c)| Some((place, *distances.get(&c.row)?)));
        let tail = truth.iter().filter(|(_, row)| *row >= covered).map(|&(distance, _)| (0, distance));
        let places: Vec<(usize, f64)> = tail.chain(places).collect();
        let share = |hits: usize, rerank: usize| {
            let bound = truth.get(hits - 1).map_or(f64::INFINITY, |kth| kth.0);
            let found = places.iter().filter(|(place, distance)| *place < rerank && *distance <= bound).count();
            found.min(hits) as f64 / hits as f64
        };
        let shares = |(&hits, reranks): (&usize, &Vec<usize>)| reranks.iter().map(|&rerank| share(hits, rerank)).collect();
        Ok(self.hits.iter().zip(self.reranks).map(shares).collect())
    }
}
