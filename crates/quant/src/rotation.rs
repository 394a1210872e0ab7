use cluster::matrix::product;
use kernels::kernels;
use wire::{Error, Reader, Writer};

use crate::wire_form::finite_row;

/// An orthogonal map of `dims` values: blocks of dimensions, each rotated by its own matrix.
///
/// One block as a rule; wide rows are cut into several, because time and memory grow with the square of a block.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Rotation {
    dims: usize,
    blocks: Vec<Block>,
}

/// `out[to[i]] = sum_j in[from[j]] * matrix[j][i]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Block {
    pub from: Vec<u32>,
    pub to: Vec<u32>,
    /// Row-major, orthogonal.
    pub matrix: Vec<f32>,
}

impl Rotation {
    /// From blocks whose `from` and whose `to` each name every dimension once.
    pub fn new(dims: usize, blocks: Vec<Block>) -> Self {
        debug_assert!(misfit(dims, &blocks).is_none());
        Self { dims, blocks }
    }

    /// One matrix over all dimensions.
    pub fn whole(dims: usize, matrix: Vec<f32>) -> Self {
        let all: Vec<u32> = (0..dims as u32).collect();
        Self::new(dims, vec![Block { from: all.clone(), to: all, matrix }])
    }

    /// The map as one row-major matrix `R` (`out = in R`), if it is a single block.
    pub fn as_whole(&self) -> Option<Vec<f32>> {
        let [block] = self.blocks.as_slice() else { return None };
        let mut matrix = vec![0.0; self.dims * self.dims];
        for (weights, &from) in block.matrix.chunks_exact(self.dims).zip(&block.from) {
            let row = &mut matrix[from as usize * self.dims..][..self.dims];
            for (&weight, &to) in weights.iter().zip(&block.to) {
                row[to as usize] = weight;
            }
        }
        Some(matrix)
    }

    /// Rotates rows of `dims` values. On the calling thread.
    pub fn apply_many(&self, rows: &[f32], out: &mut [f32]) {
        let n = rows.len() / self.dims;
        let mut taken = Vec::new();
        let mut turned = Vec::new();
        for block in &self.blocks {
            taken.clear();
            for row in rows.chunks_exact(self.dims) {
                taken.extend(block.from.iter().map(|&from| row[from as usize]));
            }
            turned.resize(n * block.to.len(), 0.0);
            product(&taken, &block.matrix, block.from.len(), &mut turned);
            for (out, turned) in out.chunks_exact_mut(self.dims).zip(turned.chunks_exact(block.to.len())) {
                for (&to, &value) in block.to.iter().zip(turned) {
                    out[to as usize] = value;
                }
            }
        }
    }

    /// Rotates one row: the quickest way for a single one, to rounding the same as [`apply_many`](Self::apply_many).
    pub fn apply(&self, row: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; self.dims];
        for block in &self.blocks {
            let taken: Vec<f32> = block.from.iter().map(|&from| row[from as usize]).collect();
            let mut turned = vec![0.0; taken.len()];
            kernels().table_dot(&taken, &block.matrix, taken.len(), &mut turned);
            block.to.iter().zip(turned).for_each(|(&to, value)| out[to as usize] = value);
        }
        out
    }

    /// Rotates one row back, with the transpose.
    pub fn invert(&self, turned: &[f32], out: &mut [f32]) {
        for block in &self.blocks {
            let taken: Vec<f32> = block.to.iter().map(|&to| turned[to as usize]).collect();
            for (&from, weights) in block.from.iter().zip(block.matrix.chunks_exact(taken.len())) {
                out[from as usize] = kernels().dot_f32(&taken, weights);
            }
        }
    }

    pub fn memory(&self) -> usize {
        self.blocks.iter().map(|b| (b.from.capacity() + b.to.capacity() + b.matrix.capacity()) * 4).sum()
    }

    pub fn write(&self, w: &mut Writer) {
        w.u64(self.blocks.len() as u64);
        for block in &self.blocks {
            w.u32s(&block.from);
            w.u32s(&block.to);
            w.f32s(&block.matrix);
        }
    }

    pub fn read(dims: usize, r: &mut Reader) -> Result<Self, Error> {
        // Three array counts are the least that a block can be.
        let count = r.count(24)?;
        let mut blocks = r.vec(count)?;
        for _ in 0..count {
            let (from, to) = (r.u32s()?, r.u32s()?);
            let matrix = finite_row(r, from.len() * from.len(), "rotation")?;
            blocks.push(Block { from, to, matrix });
        }
        match misfit(dims, &blocks) {
            None => Ok(Self { dims, blocks }),
            Some(what) => Err(r.error(what)),
        }
    }
}

/// What keeps `blocks` from being a map of `dims` values onto `dims` values.
fn misfit(dims: usize, blocks: &[Block]) -> Option<&'static str> {
    let mut taken = vec![false; dims];
    let mut given = vec![false; dims];
    let mark = |seen: &mut [bool], at: u32| seen.get_mut(at as usize).is_some_and(|seen| !std::mem::replace(seen, true));
    for block in blocks {
        if block.from.is_empty() || block.from.len() != block.to.len() || block.matrix.len() != block.from.len().pow(2) {
            return Some("a rotation block that is not square");
        }
        if !block.from.iter().all(|&at| mark(&mut taken, at)) || !block.to.iter().all(|&at| mark(&mut given, at)) {
            return Some("rotation blocks that overlap or leave the row");
        }
    }
    if taken.iter().all(|&seen| seen) { None } else { Some("rotation blocks that miss a dimension") }
}
