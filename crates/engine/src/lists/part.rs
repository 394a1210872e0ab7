//! Rows in lists, with their codes, as scans want them.

use cluster::{Assigner, Scratch};
use coarse::ivf::{BLOCK, Part};
use kernels::{block_bytes, pack_nibbles, unpack_nibbles};
use quant::Residual;
use rayon::prelude::*;
use rows::{Appender, OutOfMemory, View};
use task::Task;

use super::Shape;
use crate::error::Error;

type Result<T, E = Error> = std::result::Result<T, E>;

/// Rows assigned and encoded at a time, by one thread.
const PIECE: usize = 512;

/// Rows that were put into lists together, with their codes.
pub struct ListPart {
    pub(super) part: Part,
    /// Packed codes, block by block; empty without a [`Residual`].
    pub(super) blocks: View<u8>,
    /// A term a place, where the metric asks for it.
    pub(super) terms: Vec<f32>,
}

/// Where a row belongs, and its code.
pub(super) struct Coded {
    pub(super) label: u32,
    pub(super) term: f32,
}

impl ListPart {
    /// Puts `rows` (raw, `dims` values each), the first of which is number `first`, into lists. On the threads of the
    /// current rayon pool.
    pub fn new(shape: &Shape, first: u32, rows: &[f32], task: &Task) -> Result<Self> {
        let (dims, subspaces) = (shape.dims, shape.residual.as_ref().map_or(0, Residual::subspaces));
        let count = rows.len() / dims;
        let assigner = Assigner::new(&shape.centroids, shape.lists(), dims);
        let mut coded: Vec<Coded> = (0..count).map(|_| Coded { label: 0, term: 0.0 }).collect();
        // One byte a row where there are no codes, so that there is something to go through beside the rows.
        let width = subspaces.max(1);
        let mut codes = vec![0; count * width];
        rows.par_chunks(PIECE * dims)
            .zip(coded.par_chunks_mut(PIECE))
            .zip(codes.par_chunks_mut(PIECE * width))
            .try_for_each_init(Scratch::default, |scratch, ((rows, coded), codes)| {
                shape.put(&assigner, rows, coded, codes, scratch, task)
            })?;
        let labels: Vec<u32> = coded.iter().map(|coded| coded.label).collect();
        let terms: Vec<f32> = coded.iter().map(|coded| coded.term).collect();
        Ok(Self::laid_out(shape, Part::new(first, &labels, shape.lists()), &codes, &terms)?)
    }

    /// `codes` and `terms` are in the order of the rows.
    fn laid_out(shape: &Shape, part: Part, codes: &[u8], terms: &[f32]) -> Result<Self, OutOfMemory> {
        let Some(residual) = &shape.residual else { return Ok(Self { part, blocks: View::default(), terms: Vec::new() }) };
        let subspaces = residual.subspaces();
        let mut blocks = Vec::with_capacity(part.blocks() * block_bytes(subspaces));
        let mut placed = Vec::new();
        let mut block = vec![0; BLOCK * subspaces];
        let first = part.rows().start;
        for number in 0..part.blocks() {
            block.fill(0);
            for (place, &row) in part.members(number..number + 1).iter().enumerate().filter(|(_, row)| **row != u32::MAX) {
                let at = (row - first) as usize;
                block[place * subspaces..][..subspaces].copy_from_slice(&codes[at * subspaces..][..subspaces]);
            }
            pack_nibbles(&block, subspaces, &mut blocks);
            if residual.has_terms() {
                placed.extend(
                    part.members(number..number + 1)
                        .iter()
                        .map(|&row| if row == u32::MAX { 0.0 } else { terms[(row - first) as usize] }),
                );
            }
        }
        Ok(Self { part, blocks: on_huge_pages(&blocks)?, terms: placed })
    }

    /// Rows in it.
    pub(super) fn len(&self) -> u32 {
        self.part.rows().end - self.part.rows().start
    }

    /// The rows of two parts that follow one another.
    pub(super) fn merged(shape: &Shape, first: &Self, second: &Self) -> Result<Self, OutOfMemory> {
        let subspaces = shape.residual.as_ref().map_or(0, Residual::subspaces);
        let (mut codes, mut terms) = (Vec::new(), Vec::new());
        for part in [first, second].into_iter().filter(|_| subspaces > 0) {
            for place in part.part.places() {
                let at = codes.len();
                codes.resize(at + subspaces, 0);
                unpack_nibbles(&part.blocks, place as usize, &mut codes[at..]);
                terms.push(part.terms.get(place as usize).copied().unwrap_or(0.0));
            }
        }
        Self::laid_out(shape, Part::merged(&[&first.part, &second.part]), &codes, &terms)
    }
}

/// A copy where lists are read fastest: a query reads a few kilobytes here and there.
pub(super) fn on_huge_pages(bytes: &[u8]) -> Result<View<u8>, OutOfMemory> {
    let mut column = Appender::new();
    column.reserve_exact(bytes.len())?;
    column.extend(bytes)?;
    Ok(column.view())
}
