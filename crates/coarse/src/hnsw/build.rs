//! Linking rows, a block at a time.

use std::ops::Range;

use kernels::Scorer;
use rayon::prelude::*;
use rows::OutOfMemory;
use task::{Aborted, Task};

use super::layer::Layer;
use super::prune::{Pruner, keep_nearest};
use super::search::{Graph, ScratchPool, Walk};
use super::{HnswOptions, MAX_LAYERS, MAX_ROWS};
use crate::{Candidate, Space};

/// Why a block was not linked. The graph is as it was before the block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkError {
    /// The task was stopped.
    Aborted,
    /// No memory for the links.
    OutOfMemory(OutOfMemory),
    /// More than [`MAX_ROWS`] rows.
    TooManyRows,
}

impl From<Aborted> for LinkError {
    fn from(_: Aborted) -> Self {
        Self::Aborted
    }
}

impl From<OutOfMemory> for LinkError {
    fn from(error: OutOfMemory) -> Self {
        Self::OutOfMemory(error)
    }
}

/// The linker's end of a graph. There is one; readers hold [`Graph`]s that it published.
pub struct Builder {
    pub(super) options: HnswOptions,
    pub(super) graph: Graph,
    pub(super) scratch: ScratchPool,
}

/// What one row of a block found: for each of its layers, the links it will make, nearest first.
/// On every layer the links are numbers local to it, members of the block included.
struct Found {
    links: Vec<Vec<Candidate>>,
}

/// The rows of a block that belong to a layer, and the local numbers they will get.
pub(super) struct Members {
    first: u32,
    pub(super) rows: Vec<u32>,
}

impl Builder {
    /// An empty graph.
    pub fn new(options: HnswOptions) -> Self {
        Self::of(options, Graph::default())
    }

    pub(super) fn of(options: HnswOptions, graph: Graph) -> Self {
        Self { options, graph, scratch: ScratchPool::default() }
    }

    /// What readers may see of the rows linked so far.
    pub fn graph(&self) -> Graph {
        self.graph.clone()
    }

    /// How this graph is linked.
    pub fn options(&self) -> HnswOptions {
        self.options
    }

    /// Makes room for `rows` rows in all, so that linking them does not move the links.
    pub fn reserve(&mut self, rows: u32) -> Result<(), LinkError> {
        self.add_layers(1)?;
        let bottom = &mut self.graph.layers[0];
        bottom.reserve(rows.saturating_sub(bottom.len()) as usize)?;
        Ok(())
    }

    /// Links the next rows up to `end`, as one block, on the rayon pool of the calling thread.
    ///
    /// The result depends on the graph, the rows and the block's bounds, not on the threads.
    pub fn link_block<S: Space>(&mut self, space: &S, end: u32, task: &Task) -> Result<(), LinkError> {
        let start = self.graph.len();
        if end <= start {
            return Ok(());
        }
        if end > MAX_ROWS {
            return Err(LinkError::TooManyRows);
        }
        let members = self.members(start..end);
        self.add_layers(members.len())?;
        for (layer, members) in self.graph.layers.iter_mut().zip(&members) {
            layer.reserve(members.rows.len())?;
        }
        let found = (start..end)
            .into_par_iter()
            .map_init(Pruner::<S>::default, |pruner, row| self.find(space, row, &members, pruner, task));
        let found: Vec<Found> = found.collect::<Result<_, Aborted>>()?;
        // From here on nothing can fail: readers see the block only once it is whole.
        self.enter(&members);
        for layer in 0..members.len() {
            self.write_links(layer, &members, &found);
            self.link_back(space, layer, &members, &found);
        }
        Ok(())
    }

    pub(super) fn members(&self, block: Range<u32>) -> Vec<Members> {
        let mut members: Vec<Members> = Vec::new();
        for row in block {
            for layer in 0..=self.options.level(row) {
                if layer == members.len() {
                    let first = self.graph.layers.get(layer).map_or(0, Layer::len);
                    members.push(Members { first, rows: Vec::new() });
                }
                members[layer].rows.push(row);
            }
        }
        members
    }

    pub(super) fn add_layers(&mut self, count: usize) -> Result<(), OutOfMemory> {
        while self.graph.layers.len() < count.min(MAX_LAYERS) {
            let layer = self.graph.layers.len();
            self.graph.layers.push(Layer::new(self.options.degree(layer), layer == 0)?);
        }
        Ok(())
    }

    /// The links that `row` will make, looking at the graph before the block and at the block itself.
    fn find<S: Space>(
        &self,
        space: &S,
        row: u32,
        members: &[Members],
        pruner: &mut Pruner<S>,
        task: &Task,
    ) -> Result<Found, Aborted> {
        let level = self.options.level(row);
        let mut scorer = space.scorer(row);
        let mut links = vec![Vec::new(); level + 1];
        let mut near = self.near_in_graph(&mut scorer, level, task)?;
        for (layer, members) in members.iter().enumerate().take(level + 1) {
            let mut candidates = std::mem::take(&mut near[layer]);
            let local = members.local(row).unwrap_or(row);
            near_in_block(&mut scorer, row, members, &mut candidates, self.options.ef_construction);
            keep_nearest(local, &mut candidates, self.options.ef_construction.max(self.options.m));
            let row_of = |local: u32| members.row(local, &self.graph.layers[layer]);
            links[layer] = pruner.choose(space, local, &mut candidates, row_of, self.options.links(layer, space.fills()));
        }
        Ok(Found { links })
    }

    /// Candidates from the graph for each layer up to `level`.
    fn near_in_graph(&self, scorer: &mut impl Scorer, level: usize, task: &Task) -> Result<Vec<Vec<Candidate>>, Aborted> {
        let mut near = vec![Vec::new(); level + 1];
        self.scratch.with(|scratch| {
            let Some(mut walk) = Walk::enter(&self.graph, scorer, scratch) else { return Ok(()) };
            while walk.layer > level {
                walk.descend();
            }
            loop {
                walk.expand(self.options.ef_construction, |_| true, task)?;
                near[walk.layer] = walk.found().collect();
                if walk.layer == 0 {
                    return Ok(());
                }
                walk.descend_from_pool();
            }
        })?;
        Ok(near)
    }

    /// Gives the block's rows their local numbers.
    pub(super) fn enter(&mut self, members: &[Members]) {
        let mut below: Option<&Members> = None;
        for (layer, members) in self.graph.layers.iter_mut().zip(members) {
            for &row in &members.rows {
                let down = below.map_or(row, |below| below.local(row).unwrap_or(row));
                layer.push(row, down);
            }
            below = Some(members);
        }
    }

    fn write_links(&self, layer: usize, members: &[Members], found: &[Found]) {
        let block = members[0].first;
        for (&row, local) in members[layer].rows.iter().zip(members[layer].first..) {
            let links = &found[(row - block) as usize].links[layer];
            self.graph.layers[layer].set_links(local, links.iter().map(|c| c.row));
        }
    }

    fn link_back<S: Space>(&self, space: &S, layer: usize, members: &[Members], found: &[Found]) {
        let block = members[0].first;
        let mut back: Vec<(u32, u32)> = Vec::new();
        for (&row, local) in members[layer].rows.iter().zip(members[layer].first..) {
            back.extend(found[(row - block) as usize].links[layer].iter().map(|c| (c.row, local)));
        }
        link_back(space, &self.graph.layers[layer], back);
    }
}

/// Gives every member that was linked to, the first of a pair, a link back to the second, pruning where there is no room.
pub(super) fn link_back<S: Space>(space: &S, layer: &Layer, mut back: Vec<(u32, u32)>) {
    back.par_sort_unstable();
    let groups: Vec<&[(u32, u32)]> = back.chunk_by(|a, b| a.0 == b.0).collect();
    // Each group changes the links of its own target only.
    groups.into_par_iter().for_each_init(Pruner::<S>::default, |pruner, group| {
        let target = group[0].0;
        let mut links: Vec<u32> = layer.neighbours(target).collect();
        for &(_, source) in group {
            if !links.contains(&source) {
                links.push(source);
            }
        }
        if links.len() > layer.degree() {
            let chosen = pruner.choose_again(space, target, &links, |l| layer.row(l), layer.degree());
            links = chosen.iter().map(|c| c.row).collect();
        }
        layer.set_links(target, links.into_iter());
    });
}

impl Members {
    fn local(&self, row: u32) -> Option<u32> {
        self.rows.binary_search(&row).ok().map(|at| self.first + at as u32)
    }

    /// Row of a local number, whether it is in the graph already or in this block.
    fn row(&self, local: u32, layer: &Layer) -> u32 {
        if local >= self.first { self.rows[(local - self.first) as usize] } else { layer.row(local) }
    }
}

/// The earlier members of the block that are not farther than the `keep`-th candidate that is there already.
///
/// Only the earlier ones, as if rows were linked one by one: the first rows of a graph then link far, for want of near
/// ones, and those links are what holds clusters together. Later ones link to this row themselves, and are linked back.
fn near_in_block(scorer: &mut impl Scorer, row: u32, members: &Members, candidates: &mut Vec<Candidate>, keep: usize) {
    let earlier = members.rows.partition_point(|&other| other < row);
    let mut distances = vec![0.0; earlier];
    scorer.score(&members.rows[..earlier], &mut distances);
    // What the graph gave ascends.
    let bound = candidates.get(keep - 1).map_or(f32::INFINITY, |last| last.distance);
    let near = (members.first..).zip(distances).filter(|&(_, distance)| distance <= bound);
    candidates.extend(near.map(|(local, distance)| Candidate { distance, row: local }));
}
