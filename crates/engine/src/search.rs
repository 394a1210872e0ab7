//! A query: plan, candidates, verification, hits.

use std::ops::Range;

use coarse::Candidate;
use coarse::flat::{self, Margin};
use coarse::hnsw::ScratchPool;
use kernels::{Scorer, kernels};
use quant::CodecSpec;
use task::Task;

use crate::error::{Code, Error, Result};
use crate::ids::Ids;
use crate::lists::{Lists, Look};
use crate::nodes::NEWER;
use crate::recall::{Step, Without};
use crate::record::Exact;
use crate::space::RowScorer;
use crate::state::{Plan, State};
use crate::types::{Hit, Metric, Query, SearchParams};

/// Effort where the caller names none.
const DEFAULT_EF: usize = 128;
/// Stored vectors read where codes are scanned and the caller names no number.
const DEFAULT_RERANK: usize = 256;

/// The same where lists are looked into.
const DEFAULT_LISTED: usize = 100;
/// Rows beyond the wanted ones that are compared before it is known what estimates are off by.
const TRIED: usize = 2;
/// So many times what estimates are off by, as a rule, an estimate may be off: for one row in some hundreds more.
const CERTAIN: f64 = 3.0;
/// One list in so many is looked into where the caller names no number.
const PROBES: usize = 16;

/// `E_DIMENSIONS`, `E_NOT_FINITE` or `E_ARGUMENT` if `vector` cannot be compared under `metric`.
pub fn check_vector(name: &str, vector: &[f32], dims: usize, metric: Metric) -> Result<()> {
    if vector.len() != dims {
        return Err(Error::new(Code::Dimensions, format!("{name} has {} dimensions, the index has {dims}", vector.len())));
    }
    // all at once, and one by one only to say which
    if !kernels().peak(vector).is_finite()
        && let Some(at) = vector.iter().position(|value| !value.is_finite())
    {
        return Err(Error::new(Code::NotFinite, format!("{name} has {} at position {at}", vector[at])));
    }
    if metric == Metric::Cosine && vector.iter().all(|&value| value == 0.0) {
        return Err(Error::argument(format!("{name} is zero: cosine distance needs a direction")));
    }
    Ok(())
}

/// The effort of one search, defaults filled in.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    pub k: usize,
    pub ef: usize,
    probes: usize,
    pub rerank: usize,
    /// Every row is compared.
    exact: bool,
}

impl Effort {
    /// `E_ARGUMENT` for a `k` or `ef` of 0, a `rerank` below `k`, or a `recall` that is none.
    pub fn of(params: &SearchParams, state: &State) -> Result<Self> {
        let k = params.k;
        if k == 0 {
            return Err(Error::argument("k: 0 was given, an integer of at least 1 is needed"));
        }
        if params.ef == Some(0) {
            return Err(Error::argument("ef: 0 was given, an integer of at least 1 is needed"));
        }
        if params.probes == Some(0) {
            return Err(Error::argument("probes: 0 was given, an integer of at least 1 is needed"));
        }
        if let Some(rerank) = params.rerank.filter(|&rerank| rerank < k) {
            return Err(Error::argument(format!("rerank: {rerank} was given, at least k ({k}) is needed")));
        }
        if let Some(recall) = params.recall {
            return Self::to_find(k, recall, params, state);
        }
        let default_ef = DEFAULT_EF.max(k.saturating_mul(2)).max(params.rerank.unwrap_or(0));
        let ef = params.ef.unwrap_or(default_ef).max(k);
        let probes = params.probes.unwrap_or_else(|| default_probes(state));
        let default_rerank = match state.plan {
            Plan::Ivf => DEFAULT_LISTED.max(k.saturating_mul(8)),
            Plan::Flat if !is_fine(state) => DEFAULT_RERANK.max(k.saturating_mul(10)),
            _ => rerank_of(k, ef, state),
        };
        Ok(Self { k, ef, probes, rerank: params.rerank.unwrap_or(default_rerank), exact: false })
    }

    /// What it takes to find a share of `recall`; everything is compared where that is not known.
    fn to_find(k: usize, recall: f64, params: &SearchParams, state: &State) -> Result<Self> {
        if !(recall > 0.0 && recall < 1.0) {
            return Err(Error::argument(format!("recall: {recall} was given, a number between 0 and 1 is needed")));
        }
        if params.ef.is_some() || params.probes.is_some() || params.rerank.is_some() {
            return Err(Error::argument("recall: it chooses the effort, so neither ef, probes nor rerank can be given with it"));
        }
        let effort = state.efforts.as_ref().and_then(|efforts| efforts.of(k, recall));
        Ok(effort.map_or(Self { k, ef: k, probes: 1, rerank: k, exact: true }, |step| Self::measured(k, step, state)))
    }

    /// An effort as [`crate::recall`] numbers them.
    pub fn measured(k: usize, step: Step, state: &State) -> Self {
        let effort = step.effort as usize;
        match state.plan {
            Plan::Ivf => Self::of_lists(k, effort, (step.rerank as usize).max(k)),
            Plan::Flat => Self { k, ef: effort, probes: 1, rerank: effort, exact: false },
            _ => Self { k, ef: effort, probes: 1, rerank: rerank_of(k, effort, state), exact: false },
        }
    }

    /// So many lists, and so many of their rows.
    pub fn of_lists(k: usize, probes: usize, rerank: usize) -> Self {
        Self { k, ef: k, probes, rerank, exact: false }
    }
}

/// Lists to look into where nobody says.
fn default_probes(state: &State) -> usize {
    state.lists.as_ref().map_or(1, |lists| (lists.shape().lists() / PROBES).max(8))
}

/// Whether codes have a byte a value.
fn is_fine(state: &State) -> bool {
    state.codes.as_ref().is_some_and(|codes| matches!(codes.codec.spec(), CodecSpec::Sq8 | CodecSpec::Rabitq { bits: 8 }))
}

/// Rows to verify of those that a pool of `ef` found by codes.
fn rerank_of(k: usize, ef: usize, state: &State) -> usize {
    // A byte a dimension misplaces a row by a few ranks only.
    if is_fine(state) { k.saturating_mul(2).saturating_add(16).min(ef) } else { ef }
}

/// One search in one state of the index.
pub struct Search<'a> {
    pub state: &'a State,
    pub query: &'a Query<'a>,
    pub effort: Effort,
    /// A row that is to be as if it had never been added.
    pub hidden: Option<u32>,
    pub scratch: &'a ScratchPool,
    pub task: &'a Task,
}

impl Search<'_> {
    /// The `k` nearest live rows, ascending by (distance, id), as (distance, row).
    pub fn nearest(&self) -> Result<Vec<(f64, u32)>> {
        let state = self.state;
        let live = state.live() as usize;
        let k = self.effort.k.min(live);
        let mut top = Top::new(k, &state.ids);
        if k == 0 {
            return Ok(Vec::new());
        }
        let exact = Exact::new(state.dense.format.metric, self.query.verify);
        // Where a large share of all rows is wanted, walking towards them is more work than comparing all.
        let covered = if self.effort.exact || k > live / 4 { 0 } else { state.covered() };
        if covered > 0 {
            let mut found = self.candidates(covered)?;
            if found.len() < k {
                return self.nearest_exactly(0..state.rows(), &exact, top);
            }
            self.verify(&mut found, &exact, &mut top)?;
        }
        self.nearest_exactly(covered..state.rows(), &exact, top)
    }

    #[inline]
    pub fn is_live(&self, row: u32) -> bool {
        self.hidden != Some(row) && self.state.is_live(row)
    }

    /// Compares candidates: where their estimates are fine, the most promising ones, and then those that could be among the
    /// nearest by what the estimates of the first were off by; else all of them.
    fn verify(&self, found: &mut [Candidate], exact: &Exact<'_>, top: &mut Top<'_>) -> Result<()> {
        let dense = &self.state.dense;
        let estimated = self.state.over_codes && is_fine(self.state) && std::ptr::eq(self.query.candidates, self.query.verify);
        let first = if estimated { (top.k + TRIED).min(found.len()) } else { found.len() };
        if first < found.len() {
            found.select_nth_unstable(first);
        }
        let mut rows: Vec<u32> = found[..first].iter().map(|c| c.row).collect();
        if !estimated {
            dense.contend(self.query.verify, top.k, &mut rows);
        }
        rows.iter().take(top.k).for_each(|&row| self.state.ids.prefetch(row));
        let mut squares = 0.0;
        dense.verify(exact, &rows, self.task, |at, distance| {
            squares += (distance - f64::from(found[at].distance)).powi(2);
            top.push(distance, rows[at]);
        })?;
        if first == found.len() {
            return Ok(());
        }
        // What the estimates of this query are off by, as those that are known by now say.
        let bound = top.kth() + CERTAIN * (squares / first as f64).sqrt();
        rows.clear();
        rows.extend(found[first..].iter().filter(|c| f64::from(c.distance) <= bound).map(|c| c.row));
        dense.verify(exact, &rows, self.task, |at, distance| top.push(distance, rows[at]))
    }

    /// Rows of 0 .. `covered` to verify, with estimated distances, in no order.
    pub fn candidates(&self, covered: u32) -> Result<Vec<Candidate>> {
        let (state, query) = (self.state, self.query);
        if let Some(lists) = state.lists.as_ref().filter(|_| state.plan == Plan::Ivf) {
            return self.listed(lists, covered);
        }
        if let Some(codes) = state.codes.as_ref().filter(|_| state.over_codes) {
            if let Some(nodes) = state.nodes.as_ref().filter(|nodes| covered <= nodes.len().saturating_add(NEWER)) {
                return self.by_nodes(nodes, codes, covered);
            }
            let mut found = self.find(&mut codes.scorer(query.candidates), covered)?;
            found.truncate(self.effort.rerank);
            return Ok(found);
        }
        let mut scorer = RowScorer::new(&state.dense, query.candidates, self.task);
        let found = self.find(&mut scorer, covered)?;
        if let Some(error) = scorer.failure() {
            return Err(error);
        }
        Ok(undecided(found, self.effort.k, state.dense.margin(query.candidates)))
    }

    /// The same of lists.
    fn listed(&self, lists: &Lists, covered: u32) -> Result<Vec<Candidate>> {
        let (state, query, effort) = (self.state, self.query.candidates, self.effort);
        let live = |row| row < covered && self.is_live(row);
        let look = Look { probes: effort.probes, keep: effort.rerank, margin: Margin::default() };
        if let Some(codes) = state.codes.as_ref().filter(|_| state.over_codes) {
            return Ok(lists.find(query, look, &mut codes.scorer(query), live, self.task)?);
        }
        let mut scorer = RowScorer::new(&state.dense, query, self.task);
        if lists.is_coded() {
            return Ok(lists.find(query, look, &mut scorer, live, self.task)?);
        }
        let margin = state.dense.margin(query);
        let found = lists.find(query, Look { keep: effort.k, margin, ..look }, &mut scorer, live, self.task)?;
        scorer.failure().map_or(Ok(()), Err)?;
        Ok(undecided(found, effort.k, margin))
    }

    /// A hidden row is as far away as can be, so that no walk goes through it.
    fn find(&self, scorer: &mut impl Scorer, covered: u32) -> Result<Vec<Candidate>> {
        match self.hidden {
            None => self.find_by(scorer, covered),
            Some(row) => self.find_by(&mut Without { scorer, row }, covered),
        }
    }

    /// What a walk or a scan over rows 0 .. `covered` finds.
    fn find_by(&self, scorer: &mut impl Scorer, covered: u32) -> Result<Vec<Candidate>> {
        let live = |row| row < covered && self.is_live(row);
        let (state, effort) = (self.state, self.effort);
        Ok(match state.plan {
            Plan::Hnsw => self.scratch.with(|scratch| state.graph.search(scorer, effort.ef, live, scratch, self.task))?,
            _ => flat::scan(scorer, 0..covered, effort.rerank, Margin::default(), live, self.task)?,
        })
    }

    /// Compares every live row of `range` and gives the nearest of those and of what `top` holds.
    fn nearest_exactly(&self, range: Range<u32>, exact: &Exact<'_>, mut top: Top<'_>) -> Result<Vec<(f64, u32)>> {
        let (dense, verify) = (&self.state.dense, self.query.verify);
        let in_file = range.start.min(dense.in_file)..range.end.min(dense.in_file);
        let in_memory = range.start.max(dense.in_file)..range.end.max(dense.in_file);
        if !in_file.is_empty() {
            let mut decoded = Vec::new();
            dense.scan(in_file, self.task, |row, stored| {
                if self.is_live(row) {
                    top.push(exact.distance(dense.format.values(stored, &mut decoded)), row);
                }
            })?;
        }
        if !in_memory.is_empty() {
            let (margin, mut scorer) = (dense.margin(verify), dense.scorer(verify));
            let found = flat::scan(&mut scorer, in_memory, top.k, margin, |row| self.is_live(row), self.task)?;
            let rows: Vec<u32> = found.iter().map(|c| c.row).collect();
            dense.verify(exact, &rows, self.task, |at, distance| top.push(distance, rows[at]))?;
        }
        Ok(top.finish())
    }
}

/// The best `k`, and what their estimates cannot tell from them.
fn undecided(mut found: Vec<Candidate>, k: usize, margin: Margin) -> Vec<Candidate> {
    found.sort_unstable();
    let bound = found.get(k - 1).map_or(f32::INFINITY, |kth| margin.bound(kth.distance));
    let sure = k.min(found.len());
    found.truncate(sure + found[sure..].iter().take_while(|c| c.distance <= bound).count());
    found
}

/// Turns rows into hits.
pub fn hits(state: &State, nearest: Vec<(f64, u32)>, params: &SearchParams) -> Result<Vec<Hit>> {
    let include = params.include;
    let hit = |(distance, row)| {
        if let Some(doubt) = &state.doubt {
            doubt.check_row(row)?;
            if include.metadata {
                doubt.check_text(row)?;
            }
        }
        let metadata = if include.metadata { state.metadata.get(row) } else { None };
        let vector = if include.vector { Some(state.dense.get(row)?) } else { None };
        Ok(Hit { id: state.ids.get(row), distance, metadata, vector })
    };
    nearest.into_iter().map(hit).collect()
}

/// The `k` best of what is pushed, by (distance, id).
struct Top<'a> {
    k: usize,
    ids: &'a Ids,
    best: Vec<(f64, u32)>,
    bound: f64,
}

impl<'a> Top<'a> {
    fn new(k: usize, ids: &'a Ids) -> Self {
        // of a usual k as many as there ever are; of a large one they may be fewer
        Self { k, ids, best: Vec::with_capacity(Self::most(k).min(1024)), bound: f64::INFINITY }
    }

    /// How many are held before the worse of them are dropped.
    fn most(k: usize) -> usize {
        k.saturating_mul(4).saturating_add(64)
    }

    #[inline]
    fn push(&mut self, distance: f64, row: u32) {
        if distance > self.bound {
            return;
        }
        self.best.push((distance, row));
        if self.best.len() >= Self::most(self.k) {
            self.cut();
            self.bound = self.best[self.k - 1].0;
        }
    }

    /// The `k`-th best distance so far.
    fn kth(&mut self) -> f64 {
        self.cut();
        self.best.last().filter(|_| self.best.len() == self.k).map_or(f64::INFINITY, |kth| kth.0)
    }

    fn cut(&mut self) {
        let ids = self.ids;
        self.best.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then_with(|| ids.compare(a.1, b.1)));
        self.best.truncate(self.k);
    }

    fn finish(mut self) -> Vec<(f64, u32)> {
        self.cut();
        self.best
    }
}
