//! Walking the graph.

use std::sync::Mutex;

use kernels::Scorer;
use task::{Aborted, Task};

use super::layer::Layer;
use super::pool::{Pool, Visited};
use crate::Candidate;

/// A reader's view of the graph: the rows that were linked when it was published.
#[derive(Clone, Default)]
pub struct Graph {
    pub(super) layers: Vec<Layer>,
}

/// What one search works in. Comes from a [`ScratchPool`] and goes back to it.
#[derive(Default)]
pub struct Scratch {
    pub(super) pool: Pool,
    /// First the rows to begin from, then the nearest so far.
    pub(super) few: Pool,
    pub(super) visited: Visited,
    pub(super) fresh: Vec<Candidate>,
    members: Vec<u32>,
    rows: Vec<u32>,
    pub(super) distances: Vec<f32>,
    pub(super) marks: Vec<u32>,
}

/// Scratch memory of finished searches, for the next ones.
#[derive(Default)]
pub struct ScratchPool(Mutex<Vec<Scratch>>);

impl ScratchPool {
    /// Lends scratch memory to `work`.
    pub fn with<R>(&self, work: impl FnOnce(&mut Scratch) -> R) -> R {
        let mut scratch = self.lock().pop().unwrap_or_default();
        let result = work(&mut scratch);
        self.lock().push(scratch);
        result
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Scratch>> {
        // A panicking search never holds the lock: only `pop` and `push` run under it.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Graph {
    /// Rows linked: 0 .. `len`.
    pub fn len(&self) -> u32 {
        self.layers.first().map_or(0, Layer::len)
    }

    /// Whether no row is linked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        self.layers.iter().map(Layer::bytes).sum()
    }

    /// Up to `ef` live rows near the scorer's query, ascending by (distance, row). `ef` is at least 1.
    ///
    /// Rows for which `live` says no are walked through and never take a place.
    pub fn search(
        &self,
        scorer: &mut impl Scorer,
        ef: usize,
        live: impl Fn(u32) -> bool,
        scratch: &mut Scratch,
        task: &Task,
    ) -> Result<Vec<Candidate>, Aborted> {
        let Some(mut walk) = Walk::enter(self, scorer, scratch) else { return Ok(Vec::new()) };
        while walk.layer > 0 {
            walk.descend();
        }
        walk.expand(ef, live, task)?;
        Ok(scratch.pool.live().collect())
    }
}

/// A walk from the top: where it is, and on which layer.
pub(super) struct Walk<'a, S> {
    graph: &'a Graph,
    scorer: &'a mut S,
    scratch: &'a mut Scratch,
    pub(super) layer: usize,
    nearest: Candidate,
}

impl<'a, S: Scorer> Walk<'a, S> {
    /// Stands on the first member of the top layer; `None` in an empty graph.
    pub(super) fn enter(graph: &'a Graph, scorer: &'a mut S, scratch: &'a mut Scratch) -> Option<Self> {
        let layer = graph.layers.iter().rposition(|layer| layer.len() > 0)?;
        let mut distance = [0.0];
        scorer.score(&[graph.layers[layer].row(0)], &mut distance);
        Some(Self { graph, scorer, scratch, layer, nearest: Candidate { distance: distance[0], row: 0 } })
    }

    /// Goes to the locally nearest member of this layer, and down one.
    pub(super) fn descend(&mut self) {
        let layer = &self.graph.layers[self.layer];
        loop {
            let before = self.nearest;
            let Scratch { members, rows, distances, .. } = &mut *self.scratch;
            layer.collect_neighbours(before.row, members, |_| true);
            rows.clear();
            rows.extend(members.iter().map(|&m| layer.row(m)));
            distances.resize(rows.len(), 0.0);
            self.scorer.score(rows, distances);
            for (&member, &distance) in members.iter().zip(distances.iter()) {
                self.nearest = self.nearest.min(Candidate { distance, row: member });
            }
            if self.nearest.row == before.row {
                break;
            }
        }
        self.nearest.row = layer.down(self.nearest.row);
        self.layer -= 1;
    }

    /// Fills the scratch pool with up to `ef` live members of this layer; they are local numbers.
    pub(super) fn expand(&mut self, ef: usize, live: impl Fn(u32) -> bool, task: &Task) -> Result<(), Aborted> {
        let layer = &self.graph.layers[self.layer];
        let Scratch { pool, visited, members, rows, distances, .. } = &mut *self.scratch;
        pool.start(ef);
        visited.start(layer.len() as usize);
        visited.insert(self.nearest.row);
        pool.insert(self.nearest.distance, self.nearest.row, live(layer.row(self.nearest.row)));
        while let Some(member) = pool.next() {
            layer.collect_neighbours(member, members, |m| visited.insert(m));
            if let Some(next) = pool.peek() {
                kernels::prefetch_at(layer.links_at(next), layer.degree() * size_of::<u32>());
            }
            let rows: &[u32] = if self.layer == 0 {
                members
            } else {
                rows.clear();
                rows.extend(members.iter().map(|&m| layer.row(m)));
                rows
            };
            distances.resize(rows.len(), 0.0);
            self.scorer.score(rows, distances);
            for ((&member, &row), &distance) in members.iter().zip(rows).zip(distances.iter()) {
                if distance < pool.bound() {
                    pool.insert(distance, member, live(row));
                }
            }
            task.check()?;
        }
        Ok(())
    }

    /// Continues on the layer below from the nearest member that `expand` found.
    pub(super) fn descend_from_pool(&mut self) {
        if let Some(nearest) = self.scratch.pool.live().next() {
            self.nearest = nearest;
        }
        self.nearest.row = self.graph.layers[self.layer].down(self.nearest.row);
        self.layer -= 1;
    }

    /// What `expand` found, as local numbers.
    pub(super) fn found(&self) -> impl Iterator<Item = Candidate> + '_ {
        self.scratch.pool.live()
    }
}
