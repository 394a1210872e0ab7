//! Walking by the codes in the nodes.

use kernels::{Factors, Near, NibbleTables, Scorer, kernels};
use task::{Aborted, Task};

use super::super::Scratch;
use super::{LINE, Nodes, marked};
use crate::Candidate;

/// Nodes asked for ahead. Beside two, three took 3 to 7 % less on a Zen 5 (images, text), and 2 % more on a Cascade Lake.
const AHEAD: usize = 3;
/// Bytes of a node that are asked for where the processor sees where they lead, and brings what follows by itself. On text of MiniLM
/// (27 lines a node) recall 0.976 took 60.9 us, and 66.3 where all lines were asked for.
const HEAD: usize = 10 * LINE;

/// Places of the pool, and half of them at most, that are for rows which the walk never stands on, but looks up by their own codes
/// in the end: of a neighbour's code little is known, and many a near row is estimated a little too far away. Images took 15.1 us
/// a query at recall 0.99, 13.0 with 16 such rows, 12.9 with 32; text 36.2, 35.1 and 35.8 (a Zen 5).
const BEYOND: usize = 16;

/// So many times what estimates are off by, as a rule, the next estimate is above the `k`-th nearest row when the walk ends early.
/// On MNIST-784 recall 0.99 took 49 us, and 53 by the number of places alone; with 2 the walk ends too early for 0.99, and 3
/// saves half as much. More, in proportion, where `ef` is more than [`USUAL`] times `k`: any recall can be had.
const CERTAIN: f32 = 2.5;
const USUAL: f32 = 5.0;
/// Estimates looked at before that is known.
const TRIED: u32 = 4;
/// Where `ef` is no larger than so many times `k`, the walk is too short for it to end early.
const SHORT: usize = 2;

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
        let mut found = Vec::with_capacity(wanted.ef + wanted.ef / 2);
        if self.is_empty() {
            return Ok(found);
        }
        let Scratch { pool, few, visited, distances, marks, fresh, .. } = scratch;
        self.entrance.find(scorer, wanted, few, distances);
        pool.start(wanted.ef);
        let stands = wanted.ef - BEYOND.min(wanted.ef / 2);
        visited.start(self.len() as usize);
        wanted.hidden.filter(|&row| row < self.len()).map(|row| visited.insert(row));
        let mut ending = Ending::new(wanted);
        for Candidate { distance, row } in few.live() {
            if distance < pool.bound() && visited.insert(row) {
                self.ask(row);
                pool.insert(distance, row, live(row));
            }
        }
        distances.resize(self.layout.places(), 0.0);
        marks.resize(self.layout.blocks, 0);
        fresh.resize(self.layout.places() + 1, Candidate { distance: 0.0, row: 0 });
        few.start(wanted.k);
        let (mut asked, mut turn) = ([u32::MAX; 4], 0);
        while let Some(Candidate { distance: estimate, row }) = pool.next_estimated(stands) {
            let own = scorer.score_one(row);
            let mut expected = None;
            if live(row) && wanted.hidden != Some(row) {
                found.push(Candidate { distance: own, row });
                if own < few.bound() {
                    few.insert(own, row, true);
                    expected = Some(row);
                }
                if ending.is_due(estimate, own, few.bound()) {
                    break;
                }
            }
            let node = self.node(row);
            let near = Near { bound: pool.bound(), estimates: distances, marks };
            kernels().scan_nibbles(wanted.tables, node.codes, own, Factors::MulAdd { mul: node.mul, add: node.add }, near);
            // Which of them were met before is anyone's guess: without a branch on it the look-ups do not wait for each other.
            let mut count = 0;
            for at in marked(marks) {
                let row = node.rows[at];
                fresh[count] = Candidate { distance: distances[at], row };
                count += usize::from(visited.insert(row));
            }
            for &Candidate { distance, row } in &fresh[..count] {
                if distance < pool.bound() {
                    pool.insert(distance, row, live(row));
                }
            }
            for next in pool.upcoming(AHEAD) {
                if !asked.contains(&next) {
                    self.ask(next);
                    asked[turn % asked.len()] = next;
                    turn += 1;
                }
            }
            // After the nodes, which are needed first.
            expected.into_iter().for_each(&expect);
            task.check()?;
        }
        pool.upcoming(BEYOND).for_each(|row| kernels().prefetch(&self.at(row)[..self.layout.own]));
        let behind = pool.upcoming(BEYOND).filter(|&row| live(row) && wanted.hidden != Some(row));
        found.extend(behind.map(|row| Candidate { distance: scorer.score_one(row), row }));
        Ok(found)
    }

    /// What a search does on its way, by one who knows the way: looks at `visits` in that order, and at all their neighbours' codes,
    /// and asks for each ahead of time. For measuring how much of a search is finding the way. Gives a number that all of it went
    /// into.
    ///
    /// # Panics
    /// If a visited row has no node.
    pub fn replay(&self, visits: &[u32], scorer: &mut impl Scorer, tables: &NibbleTables, scratch: &mut Scratch) -> f32 {
        let Scratch { distances, marks, .. } = scratch;
        distances.resize(self.layout.places(), 0.0);
        marks.resize(self.layout.blocks, 0);
        let mut sum = 0.0;
        for (at, &row) in visits.iter().enumerate() {
            if let Some(&next) = visits.get(at + AHEAD) {
                self.ask(next);
            }
            let (own, node) = (scorer.score_one(row), self.node(row));
            let near = Near { bound: own, estimates: distances, marks };
            kernels().scan_nibbles(tables, node.codes, own, Factors::MulAdd { mul: node.mul, add: node.add }, near);
            sum += own + marks[0] as f32;
        }
        sum
    }

    /// Asks for a node that is looked at soon.
    #[inline]
    fn ask(&self, row: u32) {
        kernels().prefetch_start(self.at(row), HEAD);
    }
}

/// Whether the walk has gone on for long enough.
struct Ending {
    watched: bool,
    certain: f32,
    squares: f32,
    seen: u32,
}

impl Ending {
    fn new(wanted: &Wanted<'_>) -> Self {
        let watched = wanted.rough && wanted.ef > wanted.k.saturating_mul(SHORT);
        let certain = CERTAIN * (wanted.ef as f32 / (USUAL * wanted.k as f32)).max(1.0);
        Self { watched, certain, squares: 0.0, seen: 0 }
    }

    /// Takes note of a row's estimate and distance; `kth` is that of the `k`-th nearest row so far.
    ///
    /// The next estimate is at least this one, unless a nearer row was just met, and that would have been looked at first.
    #[inline]
    fn is_due(&mut self, estimate: f32, own: f32, kth: f32) -> bool {
        if !self.watched {
            return false;
        }
        self.squares += (estimate - own) * (estimate - own);
        self.seen += 1;
        let above = estimate - kth;
        // Squared: neither a root nor a division at every step.
        self.seen > TRIED && above > 0.0 && above * above * self.seen as f32 > self.certain * self.certain * self.squares
    }
}
