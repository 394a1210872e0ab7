//! Linking all rows at once: partition, all pairs, prune, refine.
//!
//! Layer by layer from the top, members are cut into small overlapping leaves of near ones, all pairs of a leaf are
//! measured, and what each member would link to in its leaf is chosen from the table of their distances. What its leaves
//! gave is pruned like the candidates of one that comes alone, and linked back. Then every member searches that graph once
//! and chooses again (partitions whose pairs are pruned are PiPNN's, Rubel et al. 2026; the second pass over a graph is
//! Vamana's, Subramanya et al. 2019).
//!
//! Nearly all distances are taken between rows that lie side by side, where a row linked alone walks from one to the next.

mod leaf;
mod merge;
mod partition;

use kernels::Scorer;
use rayon::prelude::*;
use task::{Aborted, Task};

use super::build::{Builder, LinkError, link_back};
use super::layer::Layer;
use super::prune::Pruner;
use super::search::Walk;
use super::{HnswOptions, MAX_ROWS};
use crate::{Candidate, Space};

/// Partitions, each by other leaders. Two by halves of the leaves need half of the memory of one, and find as much.
const ROUNDS: u64 = 2;
/// The places of a search in the refining pass, as a share of those of a row that is linked alone.
const SHARE: usize = 5;
/// Members that search at a time, between reports.
const PIECE: usize = 1 << 14;

impl Builder {
    /// Links rows 0 .. `end` anew and at once, whatever was linked before, on the rayon pool of the calling thread. Views
    /// of the graph that was there before stay as they are.
    ///
    /// The result depends on the rows alone, not on the threads. Besides the links of the new graph this takes some 25 bytes
    /// for each of the `m` of a row.
    ///
    /// # Errors
    /// As [`Builder::link_block`]; the graph is then as it was.
    pub fn link_all<S: Space>(&mut self, space: &S, end: u32, task: &Task) -> Result<(), LinkError> {
        if end > MAX_ROWS {
            return Err(LinkError::TooManyRows);
        }
        let mut next = Self::new(self.options);
        let members = next.members(0..end);
        next.add_layers(members.len())?;
        for (layer, members) in next.graph.layers.iter_mut().zip(&members) {
            layer.reserve(members.rows.len())?;
        }
        next.enter(&members);
        drop(members);
        for number in (0..next.graph.layers.len()).rev() {
            next.graph.layers[number] = next.linked(space, number, task)?;
        }
        self.graph = next.graph;
        Ok(())
    }

    /// The layer `number` with links; those above have theirs.
    fn linked<S: Space>(&self, space: &S, number: usize, task: &Task) -> Result<Layer, LinkError> {
        let layer = &self.graph.layers[number];
        let HnswOptions { m, seed, .. } = self.options;
        let mut order = Vec::new();
        for round in 0..ROUNDS {
            let leaves = partition::leaves(space, layer, super::mix(seed ^ round), task)?;
            merge::link_leaves(space, layer, &leaves, m, task)?;
            if leaves.len() == 1 {
                break;
            }
            order = in_order(&leaves, layer.len());
            report(task, layer.len(), (round + 1) as f64 / (2 * ROUNDS) as f64);
        }
        link_all_back(space, layer);
        let refined = if order.is_empty() { layer.clone() } else { self.refined(space, number, &order, task)? };
        if let Some(above) = self.graph.layers.get(number + 1) {
            take_over(above, &refined);
        }
        Ok(refined)
    }

    /// The layer with links chosen anew, among what searches for its members find and the links that they have.
    fn refined<S: Space>(&self, space: &S, number: usize, order: &[u32], task: &Task) -> Result<Layer, LinkError> {
        let layer = &self.graph.layers[number];
        let refined = layer.without_links()?;
        let choose = |pruner: &mut Pruner<S>, &local: &u32| -> Result<(), Aborted> {
            let mut near = self.near(space, number, local, task)?;
            let links = pruner.choose(space, local, &mut near, |l| layer.row(l), self.options.links(number, space.fills()));
            refined.set_links(local, links.iter().map(|c| c.row));
            Ok(())
        };
        for (piece, members) in order.chunks(PIECE).enumerate() {
            report(task, layer.len(), 0.5 + (piece * PIECE) as f64 / (2 * order.len()) as f64);
            members.par_iter().try_for_each_init(Pruner::<S>::default, choose)?;
        }
        link_all_back(space, &refined);
        Ok(refined)
    }

    /// Members of a layer near `local`: those that a search finds, and those that it is linked to.
    fn near<S: Space>(&self, space: &S, number: usize, local: u32, task: &Task) -> Result<Vec<Candidate>, Aborted> {
        let layer = &self.graph.layers[number];
        let ef = (self.options.ef_construction / SHARE).max(self.options.m);
        let mut scorer = space.scorer(layer.row(local));
        let mut near = self.scratch.with(|scratch| {
            let Some(mut walk) = Walk::enter(&self.graph, &mut scorer, scratch) else { return Ok(Vec::new()) };
            while walk.layer > number {
                walk.descend();
            }
            walk.expand(ef, |_| true, task)?;
            Ok(walk.found().filter(|c| c.row != local).collect::<Vec<_>>())
        })?;
        let linked: Vec<u32> = layer.neighbours(local).filter(|&l| near.iter().all(|c| c.row != l)).collect();
        let rows: Vec<u32> = linked.iter().map(|&l| layer.row(l)).collect();
        let mut distances = vec![0.0; rows.len()];
        scorer.score(&rows, &mut distances);
        near.extend(linked.iter().zip(distances).map(|(&row, distance)| Candidate { distance, row }));
        Ok(near)
    }
}

/// How far the layer at the bottom is, which takes nearly all of the time, as rows.
fn report(task: &Task, rows: u32, share: f64) {
    task.report("link", (f64::from(rows) * share) as u64, u64::from(rows));
}

/// Every member once, members of a leaf together: what one looks at is then still in the cache for the next, which halves
/// the time of their searches.
fn in_order(leaves: &[Vec<u32>], len: u32) -> Vec<u32> {
    let mut met = vec![false; len as usize];
    let first = |local: &u32| !std::mem::replace(&mut met[*local as usize], true);
    leaves.iter().flatten().copied().filter(first).collect()
}

/// Gives every link of `layer` one back.
fn link_all_back<S: Space>(space: &S, layer: &Layer) {
    let back = (0..layer.len()).flat_map(|local| layer.neighbours(local).map(move |target| (target, local)));
    link_back(space, layer, back.collect());
}

/// Gives members that are on the layer `above`, too, the links that they have there, as far as there is room: what is
/// connected there, over long ways, is then connected here, as it is where early rows were linked for want of nearer ones.
fn take_over(above: &Layer, layer: &Layer) {
    for member in 0..above.len() {
        let local = above.down(member);
        let mut links: Vec<u32> = layer.neighbours(local).collect();
        for link in above.neighbours(member).map(|l| above.down(l)) {
            if links.len() < layer.degree() && !links.contains(&link) {
                links.push(link);
            }
        }
        layer.set_links(local, links.into_iter());
    }
}
