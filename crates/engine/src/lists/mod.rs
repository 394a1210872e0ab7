//! Lists around centroids, and the codes of their rows: what `coarse: 'ivf'` looks through.

mod make;
mod part;
mod score;
mod shape;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use coarse::Candidate;
use coarse::flat::Margin;
use coarse::ivf::{BLOCK, Part, search};
use kernels::{Metric, Scorer, block_bytes};
use quant::Residual;
use task::{Aborted, Task};
use wire::{Error as Malformed, Reader, Writer};

use crate::error::Result;
use crate::options::MAX_LISTS;
use part::{ListPart, on_huge_pages};
use score::{CodedLists, ScoredLists};

pub use make::{anew, are_outgrown, exchange, list_some, moved, unite};
pub use shape::Shape;
use shape::prepare;

/// A part is at least so many times as large as the next.
const GROWTH: u32 = 4;

/// How much is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// Lists.
    pub probes: usize,
    /// Rows wanted.
    pub keep: usize,
    /// How far the scorer's estimates may be off; those of codes in the lists decide by themselves.
    pub margin: Margin,
}

/// The lists of an index: rows 0 .. [`Lists::len`] are in them. Cheap to clone.
#[derive(Clone)]
pub struct Lists {
    shape: Arc<Shape>,
    parts: Vec<Arc<ListPart>>,
    /// Rows of every list.
    counts: Vec<u32>,
}

impl Lists {
    /// Lists without rows.
    pub fn new(shape: Shape) -> Self {
        Self::of(Arc::new(shape))
    }

    fn of(shape: Arc<Shape>) -> Self {
        let counts = vec![0; shape.lists()];
        Self { shape, parts: Vec::new(), counts }
    }

    fn add(&mut self, part: ListPart) {
        self.counts.iter_mut().enumerate().for_each(|(list, count)| *count += part.part.members_of(list).count() as u32);
        self.parts.push(Arc::new(part));
    }

    /// Lists of the same shape, without rows.
    pub fn emptied(&self) -> Self {
        Self::of(self.shape.clone())
    }

    /// What they are made by.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Rows that are in them.
    pub fn len(&self) -> u32 {
        self.parts.last().map_or(0, |part| part.part.rows().end)
    }

    /// Adds the `count` rows that come next. `read` writes the raw values of some of them, and is called on the threads of the current
    /// rayon pool.
    pub fn push(&mut self, count: u32, read: impl Fn(Range<u32>, &mut [f32]) -> Result<()> + Sync, task: &Task) -> Result<()> {
        let first = self.len();
        self.add(ListPart::new(&self.shape, first..first + count, read, task)?);
        // A row is laid out anew only together with a third as many others: log4 n times at most.
        self.merge(GROWTH)
    }

    /// Makes one part of all: a list then lies in one piece, and only its last block is not full. `false` if it is so.
    pub fn unite(&mut self) -> Result<bool> {
        let parts = self.parts.len();
        self.merge(u32::MAX)?;
        Ok(parts > 1)
    }

    /// Merges the last part with the one before while that is not `growth` times as large.
    fn merge(&mut self, growth: u32) -> Result<()> {
        while let [.., before, last] = &self.parts[..]
            && before.len() < last.len().saturating_mul(growth)
        {
            let merged = ListPart::merged(&self.shape, before, last)?;
            self.parts.truncate(self.parts.len() - 2);
            self.parts.push(Arc::new(merged));
        }
        Ok(())
    }

    /// Whether their rows have codes here.
    pub fn is_coded(&self) -> bool {
        self.shape.residual.is_some()
    }

    /// Rows of the longest list, by the mean.
    pub fn imbalance(&self) -> f64 {
        let longest = self.counts.iter().copied().max().unwrap_or(0);
        f64::from(longest) * self.shape.lists() as f64 / f64::from(self.len().max(1))
    }

    /// Heap bytes held: centroids and members, and codes.
    pub fn memory(&self) -> [usize; 2] {
        let members = self.parts.iter().map(|part| part.part.memory()).sum::<usize>();
        let codes = self.parts.iter().map(|part| part.blocks.bytes() + part.terms.capacity() * size_of::<f32>()).sum();
        [self.shape.memory() + members, codes]
    }

    /// The best live rows of the lists nearest to `query`, ascending by (estimate, row). Without codes in the lists their rows
    /// are scored by `scorer`.
    pub fn find(
        &self,
        query: &[f32],
        look: Look,
        scorer: &mut impl Scorer,
        live: impl Fn(u32) -> bool,
        task: &Task,
    ) -> std::result::Result<Vec<Candidate>, Aborted> {
        let Look { probes, keep, margin } = look;
        let mut query = query.to_vec();
        prepare(self.shape.metric, self.shape.dims, &mut query);
        let lists = self.shape.nearest(&query, probes);
        let parts: Vec<&Part> = self.parts.iter().map(|part| &part.part).collect();
        match &self.shape.residual {
            Some(residual) => {
                let mut scorer = CodedLists::new(self, residual, &query, &lists);
                search(&parts, &lists, &mut scorer, keep, margin, live, task)
            }
            None => {
                let mut scorer = ScoredLists { lists: self, scorer };
                search(&parts, &lists, &mut scorer, keep, margin, live, task)
            }
        }
    }
}

impl Lists {
    /// Writes them so that [`Lists::read`] gives the same back.
    pub fn write<E>(&self, write: &mut impl FnMut(&[u8]) -> std::result::Result<(), E>) -> std::result::Result<(), E> {
        let mut w = Writer::new();
        let shape = &self.shape;
        w.u32(shape.lists() as u32);
        w.u32(shape.trained_rows);
        w.u64(shape.seed);
        w.f32s(&shape.centroids);
        w.bool(shape.residual.is_some());
        shape.residual.iter().for_each(|residual| residual.write(&mut w));
        w.u32(self.parts.len() as u32);
        write(w.as_slice())?;
        for part in &self.parts {
            let mut w = Writer::new();
            w.u32s(&part.part.labels());
            w.u8s(&part.blocks);
            w.f32s(&part.terms);
            write(w.as_slice())?;
        }
        Ok(())
    }

    /// Reads what [`Lists::write`] wrote, for an index of `rows` rows.
    pub fn read(metric: Metric, dims: usize, rows: u32, r: &mut Reader<'_>) -> std::result::Result<Self, Malformed> {
        let (lists, trained_rows, seed) = (r.u32()? as usize, r.u32()?, r.u64()?);
        let centroids = r.f32s()?;
        let fits = (1..=MAX_LISTS).contains(&lists) && centroids.len() == lists * dims;
        if !fits || centroids.iter().any(|value| !value.is_finite()) {
            return Err(r.error(format!("{} values of {lists} centroids", centroids.len())));
        }
        let residual = if r.bool()? { Some(Residual::read(metric, dims, r)?) } else { None };
        let shape = Shape::of(metric, dims, centroids, residual, trained_rows, seed, &Task::new());
        let mut found = Self::new(shape.map_err(|_| r.error("aborted"))?);
        for _ in 0..r.u32()? {
            let part = found.read_part(rows, r)?;
            found.add(part);
        }
        Ok(found)
    }

    fn read_part(&self, rows: u32, r: &mut Reader<'_>) -> std::result::Result<ListPart, Malformed> {
        let (labels, blocks, terms) = (r.u32s()?, r.u8s()?.to_vec(), r.f32s()?);
        let lists = self.shape.lists();
        if labels.is_empty() || labels.len() > (rows - self.len()) as usize || labels.iter().any(|&label| label as usize >= lists)
        {
            return Err(r.error(format!("{} rows do not fit {lists} lists, or {rows} rows in all", labels.len())));
        }
        let part = Part::new(self.len(), &labels, lists);
        let residual = self.shape.residual.as_ref();
        let bytes = residual.map_or(0, |residual| part.blocks() * block_bytes(residual.subspaces()));
        let places = residual.filter(|residual| residual.has_terms()).map_or(0, |_| part.blocks() * BLOCK);
        if blocks.len() != bytes || terms.len() != places || terms.iter().any(|term| !term.is_finite()) {
            return Err(r.error(format!("{} bytes of codes and {} terms, for {bytes} and {places}", blocks.len(), terms.len())));
        }
        // Without memory for them they are as good as damaged: whoever opens the index makes them again.
        let blocks = on_huge_pages(&blocks).map_err(|error| r.error(error.to_string()))?;
        Ok(ListPart { part, blocks, terms })
    }
}
