//! Rows in lists, with their codes, as scans want them.

use std::ops::Range;

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
    /// Puts `rows` into lists; `read` writes the raw values of some of them. On the threads of the current rayon pool.
    pub fn new(
        shape: &Shape,
        rows: Range<u32>,
        read: impl Fn(Range<u32>, &mut [f32]) -> Result<()> + Sync,
        task: &Task,
    ) -> Result<Self> {
        let subspaces = shape.residual.as_ref().map_or(0, Residual::subspaces);
        let count = rows.len();
        let assigner = Assigner::new(&shape.centroids, shape.lists(), shape.dims);
        let mut coded: Vec<Coded> = (0..count).map(|_| Coded { label: 0, term: 0.0 }).collect();
        // One byte a row where there are no codes, so that there is something to go through beside the rows.
        let width = subspaces.max(1);
        let mut codes = vec![0; count * width];
        let pieces = coded.par_chunks_mut(PIECE).zip(codes.par_chunks_mut(PIECE * width)).enumerate();
        pieces.try_for_each_init(<(Scratch, Vec<f32>)>::default, |(scratch, values), (piece, (coded, codes))| -> Result<()> {
            task.check()?;
            let start = rows.start + (piece * PIECE) as u32;
            values.resize(coded.len() * shape.dims, 0.0);
            read(start..start + coded.len() as u32, values)?;
            shape.put(&assigner, values, coded, codes, scratch);
            Ok(())
        })?;
        let labels: Vec<u32> = coded.iter().map(|coded| coded.label).collect();
        let terms: Vec<f32> = coded.iter().map(|coded| coded.term).collect();
        Ok(Self::laid_out(shape, Part::new(rows.start, &labels, shape.lists()), &codes, &terms)?)
    }

    /// `codes` and `terms` are in the order of the rows. On the threads of the current rayon pool.
    fn laid_out(shape: &Shape, part: Part, codes: &[u8], terms: &[f32]) -> Result<Self, OutOfMemory> {
        let Some(residual) = &shape.residual else { return Ok(Self { part, blocks: View::default(), terms: Vec::new() }) };
        let subspaces = residual.subspaces();
        let first = part.rows().start;
        let lay = |together: &mut Vec<u8>, number: usize, block: &mut [u8]| {
            together.clear();
            together.resize(BLOCK * subspaces, 0);
            let rows = part.members(number..number + 1).iter();
            for (to, &row) in together.chunks_exact_mut(subspaces).zip(rows).filter(|(_, row)| **row != u32::MAX) {
                to.copy_from_slice(&codes[(row - first) as usize * subspaces..][..subspaces]);
            }
            pack_nibbles(together, subspaces, block);
        };
        let mut blocks = Appender::new();
        blocks.reserve_exact(part.blocks() * block_bytes(subspaces))?;
        blocks.extend_in_place(part.blocks(), block_bytes(subspaces), Vec::new, lay)?;
        let term = |&row: &u32| if row == u32::MAX { 0.0 } else { terms[(row - first) as usize] };
        let placed = if residual.has_terms() { part.members(0..part.blocks()).iter().map(term).collect() } else { Vec::new() };
        Ok(Self { part, blocks: blocks.view(), terms: placed })
    }

    /// Rows in it.
    pub(super) fn len(&self) -> u32 {
        self.part.rows().end - self.part.rows().start
    }

    /// The rows of two parts that follow one another. On the threads of the current rayon pool.
    pub(super) fn merged(shape: &Shape, first: &Self, second: &Self) -> Result<Self, OutOfMemory> {
        let subspaces = shape.residual.as_ref().map_or(0, Residual::subspaces);
        let (mut codes, mut terms) = (Vec::new(), Vec::new());
        for part in [first, second].into_iter().filter(|_| subspaces > 0) {
            let (places, start) = (part.part.places(), codes.len());
            codes.resize(start + places.len() * subspaces, 0);
            let rows = codes[start..].par_chunks_exact_mut(subspaces).zip(&places).with_min_len(PIECE);
            rows.for_each(|(code, &place)| unpack_nibbles(&part.blocks, place as usize, code));
            terms.extend(places.iter().map(|&place| part.terms.get(place as usize).copied().unwrap_or(0.0)));
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
