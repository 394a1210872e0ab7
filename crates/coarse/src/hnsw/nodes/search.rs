//! Walking by the codes in the nodes.

use kernels::{Factors, Near, NibbleTables, Scorer, kernels};
use task::{Aborted, Task};

use super::super::{NONE, Scratch};
use super::Nodes;
use super::entrance::marked;
use crate::Candidate;

/// Nodes asked for ahead: the next one, and the one after it.
const AHEAD: usize = 2;

/// What is looked for.
pub struct Wanted<'a> {
    /// Places in the pool: at least 1.
    pub ef: usize,
    /// What a query's sums over the neighbours' codes are.
    pub tables: &'a NibbleTables,
    /// A row that is to be as if it were not there.
    pub hidden: Option<u32>,
}

impl Nodes {
    /// Live rows near the query, in no order: all that the walk stood on, with the distances that `scorer` gives.
    ///
    /// Rows for which `live` says no are walked through and never take a place.
    pub fn search(
        &self,
        scorer: &mut impl Scorer,
        wanted: &Wanted<'_>,
        live: impl Fn(u32) -> bool,
        scratch: &mut Scratch,
        task: &Task,
    ) -> Result<Vec<Candidate>, Aborted> {
        let mut found = Vec::with_capacity(wanted.ef + wanted.ef / 2);
        if self.is_empty() {
            return Ok(found);
        }
        let Scratch { pool, entries, visited, distances, marks, .. } = scratch;
        self.entrance.find(scorer, wanted, entries, distances);
        pool.start(wanted.ef);
        visited.start(self.len() as usize);
        wanted.hidden.filter(|&row| row < self.len()).map(|row| visited.insert(row));
        for Candidate { distance, row } in entries.live() {
            if distance < pool.bound() && visited.insert(row) {
                kernels().prefetch(self.at(row));
                scorer.prefetch(row);
                pool.insert(distance, row, live(row));
            }
        }
        distances.resize(self.layout.places(), 0.0);
        marks.resize(self.layout.blocks, 0);
        while let Some(row) = pool.next() {
            let mut own = [0.0];
            scorer.score(&[row], &mut own);
            if live(row) && wanted.hidden != Some(row) {
                found.push(Candidate { distance: own[0], row });
            }
            let node = self.node(row);
            let near = Near { bound: pool.bound(), estimates: distances, marks };
            kernels().scan_nibbles(wanted.tables, node.codes, own[0], Factors::MulAdd { mul: node.mul, add: node.add }, near);
            for at in marked(marks) {
                let (neighbour, distance) = (node.rows[at], distances[at]);
                if neighbour != NONE && distance < pool.bound() && visited.insert(neighbour) {
                    pool.insert(distance, neighbour, live(neighbour));
                }
            }
            for next in pool.upcoming(AHEAD) {
                kernels().prefetch(self.at(next));
                scorer.prefetch(next);
            }
            task.check()?;
        }
        Ok(found)
    }
}
