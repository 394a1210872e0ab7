//! Walking by the codes in the nodes.

use kernels::{Factors, Near, NibbleTables, Scorer, kernels};
use task::{Aborted, Task};

use super::super::Scratch;
use super::ending::Ending;
use super::{LINE, Nodes, marked};
use crate::Candidate;

/// Nodes asked for ahead. Beside two, three took 3 to 7 % less on a Zen 5 (images, text), and 2 % more on a Cascade Lake.
pub(super) const AHEAD: usize = 3;
/// From this step on, the node after this one is chosen before this one is scanned: it is mostly there by then, where one that was only just
/// found and asked for would be waited for. Before, every step comes much nearer. SIFT took 34.4 us a query at recall 0.984, and 37.4
/// without; images 12.5 and 12.9 at 0.98; text the same (a Zen 5).
const AT_ONCE: usize = 4;
/// Bytes of a node that are asked for where the processor sees where they lead, and brings what follows by itself. On text of MiniLM
/// (27 lines a node) recall 0.976 took 60.9 us, and 66.3 where all lines were asked for.
const HEAD: usize = 10 * LINE;

/// Places of the pool, and half of them at most, that are for rows which the walk never stands on, but looks up by their own codes
/// in the end: of a neighbour's code little is known, and many a near row is estimated a little too far away. Images took 15.1 us
/// a query at recall 0.99, 13.0 with 16 such rows, 12.9 with 32; text 36.2, 35.1 and 35.8 (a Zen 5).
const BEYOND: usize = 16;

/// What is looked for.
pub struct Wanted<'a> {
    /// Rows that matter in the end, at least 1: the walk may end where no more of them can be expected.
    pub k: usize,
    /// Places in the pool: at least 1.
    pub ef: usize,
    /// Whether estimates are so coarse that what they are off by says when the walk may end. Fine ones say so at the first
    /// local minimum: with two bits a value MNIST-784 was found 0.978 of, however large `ef` was, and 0.995 without an early end.
    pub rough: bool,
    /// What a query's sums over the neighbours' codes are.
    pub tables: &'a NibbleTables,
    /// A row that is to be as if it were not there.
    pub hidden: Option<u32>,
}

impl Nodes {
    /// Live rows near the query, in no order: all that the walk stood on and some behind them, with the distances that `scorer` gives, which is
    /// one over [`codes`](Self::codes).
    ///
    /// Rows for which `live` says no are walked through and never take a place. `expect` is told of each row that is among the `k`
    /// nearest by the time it is met: that memory is best asked for while the walk waits for nodes.
    pub fn search(
        &self,
        scorer: &mut impl Scorer,
        wanted: &Wanted<'_>,
        live: impl Fn(u32) -> bool,
        expect: impl Fn(u32),
        scratch: &mut Scratch,
        task: &Task,
    ) -> Result<Vec<Candidate>, Aborted> {
        let mut walk = Walk::new(self, scorer, wanted, live, scratch);
        if !self.is_empty() {
            walk.enter();
            walk.walk(expect, task)?;
            walk.look_behind();
        }
        Ok(walk.found)
    }

    /// Asks for a node that is looked at soon.
    #[inline]
    pub(super) fn ask(&self, row: u32) {
        kernels().prefetch_start(self.at(row), HEAD);
    }

    /// Asks for a row's own code.
    #[inline]
    pub(super) fn ask_own(&self, row: u32) {
        kernels().prefetch(&self.at(row)[..self.layout.own]);
    }
}

/// One search on its way.
pub(super) struct Walk<'a, S, L> {
    nodes: &'a Nodes,
    pub scorer: &'a mut S,
    wanted: &'a Wanted<'a>,
    live: L,
    scratch: &'a mut Scratch,
    found: Vec<Candidate>,
    asked: Asked,
}

impl<'a, S: Scorer, L: Fn(u32) -> bool> Walk<'a, S, L> {
    pub fn new(nodes: &'a Nodes, scorer: &'a mut S, wanted: &'a Wanted<'a>, live: L, scratch: &'a mut Scratch) -> Self {
        let found = Vec::with_capacity(wanted.ef + wanted.ef / 2);
        Self { nodes, scorer, wanted, live, scratch, found, asked: Asked::default() }
    }

    /// Finds the rows to begin with.
    pub fn enter(&mut self) {
        let Scratch { pool, few, visited, distances, marks, fresh, .. } = &mut *self.scratch;
        self.nodes.entrance.find(self.scorer, self.wanted, few, distances);
        pool.start(self.wanted.ef);
        visited.start(self.nodes.len() as usize);
        self.wanted.hidden.filter(|&row| row < self.nodes.len()).map(|row| visited.insert(row));
        for Candidate { distance, row } in few.live() {
            if distance < pool.bound() && visited.insert(row) {
                self.nodes.ask(row);
                pool.insert(distance, row, (self.live)(row));
            }
        }
        few.start(self.wanted.k);
        let (places, blocks) = (self.nodes.layout.places(), self.nodes.layout.blocks);
        distances.resize(places, 0.0);
        marks.resize(blocks, 0);
        fresh.resize(places + 1, Candidate { distance: 0.0, row: 0 });
    }

    /// Stands on one row after the other until no nearer ones can be expected.
    pub fn walk(&mut self, expect: impl Fn(u32), task: &Task) -> Result<(), Aborted> {
        let stands = self.wanted.ef - BEYOND.min(self.wanted.ef / 2);
        let mut ending = Ending::new(self.wanted);
        let (mut steps, mut chosen) = (0, None);
        while let Some(Candidate { distance: estimate, row }) = chosen.take().or_else(|| self.scratch.pool.next_estimated(stands))
        {
            let own = self.scorer.score_one(row);
            let mut expected = None;
            if (self.live)(row) && self.wanted.hidden != Some(row) {
                self.found.push(Candidate { distance: own, row });
                let few = &mut self.scratch.few;
                if own < few.bound() {
                    few.insert(own, row, true);
                    expected = Some(row);
                }
                if ending.is_due(estimate, own, few.bound()) && !self.scratch.pool.waits_below(estimate) {
                    break;
                }
            }
            steps += 1;
            if steps >= AT_ONCE {
                chosen = self.scratch.pool.next_estimated(stands);
            }
            self.look_around(row, own);
            // After the nodes, which are needed first.
            expected.into_iter().for_each(&expect);
            task.check()?;
        }
        Ok(())
    }

    /// Enters the neighbours of a row that come near, and asks for the nodes of the next to stand on.
    #[inline]
    fn look_around(&mut self, row: u32, own: f32) {
        let Scratch { pool, visited, distances, marks, fresh, .. } = &mut *self.scratch;
        let node = self.nodes.node(row);
        let near = Near { bound: pool.bound(), estimates: distances, marks };
        kernels().scan_nibbles(self.wanted.tables, node.codes, own, Factors::MulAdd { mul: node.mul, add: node.add }, near);
        // Which of them were met before is anyone's guess: without a branch on it the look-ups do not wait for each other.
        let mut count = 0;
        for at in marked(marks) {
            let row = node.rows[at];
            fresh[count] = Candidate { distance: distances[at], row };
            count += usize::from(visited.insert(row));
        }
        for &Candidate { distance, row } in &fresh[..count] {
            if distance < pool.bound() {
                pool.insert(distance, row, (self.live)(row));
            }
        }
        for next in pool.upcoming(AHEAD) {
            if self.asked.is_new(next) {
                self.nodes.ask(next);
            }
        }
    }

    /// Looks up the rows behind those that the walk stood on.
    pub fn look_behind(&mut self) {
        let pool = &self.scratch.pool;
        pool.upcoming(BEYOND).for_each(|row| self.nodes.ask_own(row));
        let behind = pool.upcoming(BEYOND).filter(|&row| (self.live)(row) && self.wanted.hidden != Some(row));
        self.found.extend(behind.map(|row| Candidate { distance: self.scorer.score_one(row), row }));
    }
}

/// The nodes asked for last.
struct Asked {
    rows: [u32; 4],
    turn: usize,
}

impl Default for Asked {
    fn default() -> Self {
        Self { rows: [u32::MAX; 4], turn: 0 }
    }
}

impl Asked {
    /// Whether `row` is not among them; it then is.
    #[inline]
    fn is_new(&mut self, row: u32) -> bool {
        let new = !self.rows.contains(&row);
        if new {
            self.rows[self.turn % self.rows.len()] = row;
            self.turn += 1;
        }
        new
    }
}
