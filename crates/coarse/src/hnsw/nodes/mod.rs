//! The graph once more, with the codes of every row's neighbours beside it.
//!
//! A search that stands on a row wants the distances of all its neighbours, which lie anywhere in memory. Here half-byte codes of
//! them lie in the row's own node, in blocks of 32 that one scan estimates at once, and the few that come near are all that is
//! ever looked up (NGT-QG, Iwasaki 2021; SymphonyQG, Gou, Gao, Xu & Long 2025). The codes are relative to the row: what they are is
//! the caller's business, a [`Coder`]'s. The row's own code, which tells its distance, stands before them.
//!
//! Nodes are made of a graph and its rows' codes at one time and never change. They lie in the order of the rows: in that of neighbourhoods
//! (breadth first, 256 together) searches were slower by a fifth and more (SIFT, GloVe), for having to look up whose node lies where.

mod ending;
mod entrance;
mod replay;
mod search;
#[cfg(test)]
mod tests;

pub use replay::Visits;
pub use search::Wanted;

use std::sync::Arc;

use entrance::Entrance;
use kernels::{Strided, bf16, block_bytes, pack_nibbles};
use rows::{Appender, View};
use task::Task;

use super::{Graph, LinkError};

/// Neighbours of a block.
const BLOCK: usize = 32;
/// Bytes of a cache line.
const LINE: usize = 64;
/// Nodes made at a time.
const PIECE: u32 = 4096;

/// What codes neighbours.
pub trait Coder: Sync {
    /// A row's own code. All are as long.
    fn own(&self, row: u32) -> &[u8];

    /// Half bytes of a neighbour's code: at least 1.
    fn subspaces(&self) -> usize;

    /// Codes rows as seen from `node`: [`subspaces`](Self::subspaces) numbers below 16 each, and what makes a distance of
    /// the sum that a query's tables give for them: `distance(node) + add + mul * sum`.
    fn code(&self, node: u32, others: &[u32], codes: &mut [u8], add: &mut [f32], mul: &mut [f32]);

    /// The one of `rows`, of which there is at least one, that is nearest to all of them together.
    fn middle(&self, rows: &[u32]) -> u32;
}

/// Where the parts of a node lie: the row's own code, the blocks of its neighbours' codes, factors, rows.
#[derive(Debug, Clone, Copy)]
struct Layout {
    /// Bytes before the blocks: whole cache lines.
    own: usize,
    blocks: usize,
    /// Bytes of a block's codes.
    code_bytes: usize,
    /// Bytes from one node to the next: whole cache lines.
    stride: usize,
}

impl Layout {
    fn new(own: usize, degree: usize, subspaces: usize) -> Self {
        let (own, blocks, code_bytes) = (own.next_multiple_of(LINE), degree.div_ceil(BLOCK), block_bytes(subspaces));
        let bytes = own + blocks * (code_bytes + BLOCK * (2 * size_of::<u16>() + size_of::<u32>()));
        Self { own, blocks, code_bytes, stride: bytes.next_multiple_of(LINE) }
    }

    fn places(&self) -> usize {
        self.blocks * BLOCK
    }

    /// The parts of the node that `bytes` are.
    #[inline]
    fn node(self, bytes: &[u8]) -> Node<'_> {
        let (codes, rest) = bytes[self.own..].split_at(self.blocks * self.code_bytes);
        let halves: &[u16] = bytemuck::cast_slice(rest);
        let (add, rest) = halves.split_at(self.places());
        let (mul, rest) = rest.split_at(self.places());
        Node { codes, add, mul, rows: &bytemuck::cast_slice(rest)[..self.places()] }
    }
}

/// One node's parts.
struct Node<'a> {
    codes: &'a [u8],
    add: &'a [u16],
    mul: &'a [u16],
    /// Rows; the node's own where no neighbour is, which every walk that stands there has met.
    rows: &'a [u32],
}

/// Nodes of rows 0 .. [`Nodes::len`]. Cheap to clone.
#[derive(Clone)]
pub struct Nodes {
    bytes: View<u8>,
    layout: Layout,
    entrance: Arc<Entrance>,
}

impl Nodes {
    /// Nodes of all rows of `graph`, on all threads of the current rayon pool.
    ///
    /// # Errors
    /// Where memory does not suffice, or `task` is cancelled.
    pub fn build(graph: &Graph, coder: &impl Coder, task: &Task) -> Result<Self, LinkError> {
        let degree = graph.layers.first().map_or(BLOCK, |layer| layer.degree());
        let own = if graph.is_empty() { 0 } else { coder.own(0).len() };
        let layout = Layout::new(own, degree, coder.subspaces());
        let mut bytes = Appender::new();
        bytes.reserve_exact(graph.len() as usize * layout.stride)?;
        for start in (0..graph.len()).step_by(PIECE as usize) {
            task.check()?;
            let end = graph.len().min(start + PIECE);
            bytes.extend_in_place((end - start) as usize, layout.stride, Making::default, |making, at, node| {
                making.make(graph, coder, layout, start + at as u32, node);
            })?;
            task.report("nodes", u64::from(end), u64::from(graph.len()));
        }
        Ok(Self { bytes: bytes.view(), layout, entrance: Arc::new(Entrance::make(graph.len(), coder)) })
    }

    /// Rows that have a node.
    pub fn len(&self) -> u32 {
        (self.bytes.len() / self.layout.stride) as u32
    }

    /// Whether no row has.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        self.bytes.bytes() + self.entrance.memory()
    }

    /// The rows' own codes, where a search by nodes comes by them: what its scorer is to score.
    pub fn codes(&self) -> Strided<'_> {
        Strided::new(&self.bytes, self.layout.stride, self.len() as usize)
    }

    fn at(&self, row: u32) -> &[u8] {
        &self.bytes[row as usize * self.layout.stride..][..self.layout.stride]
    }

    #[inline]
    fn node(&self, row: u32) -> Node<'_> {
        self.layout.node(self.at(row))
    }
}

/// Places whose bit is set, 32 to a number.
#[inline]
fn marked(marks: &[u32]) -> impl Iterator<Item = usize> + '_ {
    marks.iter().enumerate().flat_map(|(block, &marks)| {
        std::iter::successors(Some(marks), |left| Some(left & left.wrapping_sub(1)))
            .take_while(|&left| left != 0)
            .map(move |left| block * BLOCK + left.trailing_zeros() as usize)
    })
}

/// What one thread makes nodes in.
#[derive(Default)]
struct Making {
    near: Vec<u32>,
    codes: Vec<u8>,
    add: Vec<f32>,
    mul: Vec<f32>,
    halves: Vec<u16>,
}

impl Making {
    fn make(&mut self, graph: &Graph, coder: &impl Coder, layout: Layout, row: u32, node: &mut [u8]) {
        self.near.clear();
        self.near.extend(graph.layers[0].neighbours(row).take(layout.places()));
        let own = coder.own(row);
        node[..own.len()].copy_from_slice(own);
        self.pack(coder, layout, row, node);
    }

    /// Writes the node of `row` with the neighbours that are in `near`.
    fn pack(&mut self, coder: &impl Coder, layout: Layout, row: u32, node: &mut [u8]) {
        let (places, subspaces) = (layout.places(), coder.subspaces());
        self.codes.clear();
        self.codes.resize(places * subspaces, 0);
        self.add.clear();
        // No estimate of an empty place is below any bound.
        self.add.resize(places, f32::INFINITY);
        self.mul.clear();
        self.mul.resize(places, 0.0);
        let count = self.near.len();
        coder.code(row, &self.near, &mut self.codes[..count * subspaces], &mut self.add[..count], &mut self.mul[..count]);
        self.near.resize(places, row);
        self.halves.clear();
        self.halves.extend(self.add.iter().chain(&self.mul).map(|&factor| bf16(factor)));
        let (blocks, mut rest) = node[layout.own..].split_at_mut(layout.blocks * layout.code_bytes);
        pack_nibbles(&self.codes, subspaces, blocks);
        for part in [bytemuck::cast_slice(&self.halves), bytemuck::cast_slice(&self.near)] {
            let (place, others) = rest.split_at_mut(part.len());
            place.copy_from_slice(part);
            rest = others;
        }
    }
}
