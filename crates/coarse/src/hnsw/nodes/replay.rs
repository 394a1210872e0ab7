//! What a search does on its way, by one who knows the way: how much of a search is finding it.

use kernels::{Factors, Near, Scorer, kernels};
use task::{Aborted, Task};

use super::super::Scratch;
use super::search::{AHEAD, Walk};
use super::{Nodes, Wanted};

/// The rows that a search looked at, in that order.
pub struct Visits {
    /// Those that it stood on, to look at their neighbours.
    pub stood: Vec<u32>,
    /// Those behind them, of which it only looked up the own codes.
    pub behind: Vec<u32>,
}

impl Nodes {
    /// The visits of a search.
    pub fn visits(
        &self,
        scorer: &mut impl Scorer,
        wanted: &Wanted<'_>,
        scratch: &mut Scratch,
        task: &Task,
    ) -> Result<Visits, Aborted> {
        if self.is_empty() {
            return Ok(Visits { stood: Vec::new(), behind: Vec::new() });
        }
        let mut noted = Noted { inner: scorer, rows: Vec::new() };
        let mut walk = Walk::new(self, &mut noted, wanted, |_| true, scratch);
        walk.enter();
        walk.scorer.rows.clear();
        walk.walk(|_| (), task)?;
        let stood = std::mem::take(&mut walk.scorer.rows);
        walk.look_behind();
        Ok(Visits { stood, behind: noted.rows })
    }

    /// Takes the distances that a search of these visits takes, with each node asked for ahead, and neither chooses nor keeps any.
    /// Gives a number that all of it went into.
    ///
    /// # Panics
    /// If a visited row has no node.
    pub fn replay(&self, visits: &Visits, scorer: &mut impl Scorer, wanted: &Wanted<'_>, scratch: &mut Scratch) -> f32 {
        let Scratch { few, distances, marks, .. } = scratch;
        visits.stood.iter().take(AHEAD).for_each(|&row| self.ask(row));
        self.entrance.find(scorer, wanted, few, distances);
        distances.resize(self.layout.places(), 0.0);
        marks.resize(self.layout.blocks, 0);
        let mut sum = 0.0;
        for (at, &row) in visits.stood.iter().enumerate() {
            match visits.stood.get(at + AHEAD) {
                Some(&next) => self.ask(next),
                None => visits.behind.get(at + AHEAD - visits.stood.len()).into_iter().for_each(|&row| self.ask_own(row)),
            }
            let (own, node) = (scorer.score_one(row), self.node(row));
            let near = Near { bound: own, estimates: distances, marks };
            kernels().scan_nibbles(wanted.tables, node.codes, own, Factors::MulAdd { mul: node.mul, add: node.add }, near);
            sum += own + marks[0] as f32;
        }
        for (at, &row) in visits.behind.iter().enumerate() {
            visits.behind.get(at + AHEAD).into_iter().for_each(|&row| self.ask_own(row));
            sum += scorer.score_one(row);
        }
        sum
    }
}

/// Notes which rows are looked at.
struct Noted<'a, S> {
    inner: &'a mut S,
    rows: Vec<u32>,
}

impl<S: Scorer> Scorer for Noted<'_, S> {
    fn score(&mut self, rows: &[u32], out: &mut [f32]) {
        self.rows.extend(rows);
        self.inner.score(rows, out);
    }

    fn score_one(&mut self, row: u32) -> f32 {
        self.rows.push(row);
        self.inner.score_one(row)
    }

    fn score_range(&mut self, start: u32, out: &mut [f32]) {
        self.inner.score_range(start, out);
    }
}
