//! Lists around centroids, and the codes of their rows: what `coarse: 'ivf'` looks through.

use std::ops::Range;
use std::sync::Arc;

use cluster::{Assigner, KMeansOptions, Random, Scratch, kmeans_two_level};
use coarse::Candidate;
use coarse::flat::Margin;
use coarse::ivf::{BLOCK, ListScorer, Part, nearest_lists, search};
use kernels::{Metric, Near, NibbleTables, Scorer, Strided, block_bytes, kernels, pack_nibbles, unpack_nibbles};
use quant::{Codec, CodecSpec, Residual, ResidualScratch};
use rayon::prelude::*;
use rows::{Appender, View};
use task::{Aborted, Task};
use wire::{Error as Malformed, Reader, Writer};

use crate::dense::to_unit;
use crate::options::{MAX_LISTS, Options};
use crate::types::{Coarse, Codes};

/// Rounds of k-means for the centroids; more make no list better (measured on GloVe and SIFT).
const ITERATIONS: usize = 10;
/// Rows of the sample for every list.
const ROWS_A_LIST: usize = 64;
/// Fewer rows are compared one by one.
const LEAST_ROWS: usize = 2048;
/// Values of the sample at most: 256 MiB.
const SAMPLE_VALUES: usize = 1 << 26;
/// Dimensions that share half a byte. Two keep 0.96 of the ten nearest among the best 80 of GloVe's 336,000.
const WIDTH: usize = 2;
/// A part is at least so many times as large as the next.
const GROWTH: u32 = 4;
/// Rows assigned and encoded at a time, by one thread.
const PIECE: usize = 512;

/// What lists are made by. Trained once, never changed.
pub struct Shape {
    metric: Metric,
    dims: usize,
    /// `lists` x `dims`, at unit length where the metric is cosine.
    centroids: Vec<f32>,
    /// The centroids once more, to be compared with a query fast.
    coarse: Codec,
    coarse_codes: Vec<u8>,
    /// What rows are encoded by; `None` where lists hold rows alone.
    residual: Option<Residual>,
    seed: u64,
    /// Rows that were there when it was trained.
    pub trained_rows: u32,
}

impl Shape {
    /// How many lists suit so many rows: a query compares about as many centroids as rows of the lists it looks into.
    pub fn lists_for(rows: usize) -> usize {
        (4.0 * (rows as f64).sqrt()) as usize
    }

    /// How many rows there must be before lists are trained.
    pub fn needed(lists: Option<usize>) -> usize {
        lists.map_or(LEAST_ROWS, |lists| (4 * lists).max(LEAST_ROWS))
    }

    /// Whether lists made by these options hold codes of their rows.
    pub fn is_encoded(options: &Options) -> bool {
        options.coarse == Coarse::Ivf && options.codes == Codes::Auto
    }

    fn subspaces(dims: usize) -> usize {
        dims.div_ceil(WIDTH).min(Residual::MOST)
    }

    /// Bytes of such a code.
    pub fn code_bytes(dims: usize) -> usize {
        Self::subspaces(dims).div_ceil(2)
    }

    /// The rows of a sample for so many lists.
    pub fn sample(lists: usize, dims: usize) -> usize {
        (lists * ROWS_A_LIST).min(SAMPLE_VALUES / dims).max(lists)
    }

    /// Trains `lists` centroids on `rows`, and codes if `encoded`. On the threads of the current rayon pool.
    pub fn train(
        metric: Metric,
        dims: usize,
        lists: usize,
        encoded: bool,
        mut rows: Vec<f32>,
        seed: u64,
        task: &Task,
    ) -> Result<Self, Aborted> {
        prepare(metric, dims, &mut rows);
        let count = rows.len() / dims;
        task.report("train", 0, 1);
        let options = KMeansOptions { iterations: ITERATIONS };
        let mut centroids = kmeans_two_level(&rows, count, dims, lists, seed, options, task)?.centroids;
        // For cosine centroids are directions, and rows go with the nearest one: of GloVe's ten nearest, 19,000 rows in the
        // nearest lists hold 0.93 then, and 0.89 with centroids as short as the mean of their rows.
        prepare(metric, dims, &mut centroids);
        let residual = if encoded {
            let assigner = Assigner::new(&centroids, lists, dims);
            let mut residuals = rows;
            let mut labels = Vec::with_capacity(count);
            assigner.nearest(&residuals, &mut Scratch::default(), |_, label| labels.push(label));
            for (row, &label) in residuals.chunks_exact_mut(dims).zip(&labels) {
                let centroid = &centroids[label as usize * dims..][..dims];
                row.iter_mut().zip(centroid).for_each(|(x, c)| *x -= c);
            }
            let seed = Random::stream(seed, 1).next_u64();
            Some(Residual::train(metric, dims, Self::subspaces(dims), &residuals, seed, task)?)
        } else {
            None
        };
        Self::of(metric, dims, centroids, residual, count as u32, seed, task)
    }

    fn of(
        metric: Metric,
        dims: usize,
        centroids: Vec<f32>,
        residual: Option<Residual>,
        trained_rows: u32,
        seed: u64,
        task: &Task,
    ) -> Result<Self, Aborted> {
        let coarse = Codec::train(&CodecSpec::Sq8, metric, dims, &centroids, seed, task)?;
        let mut coarse_codes = vec![0; centroids.len() / dims * coarse.code_bytes()];
        coarse.encode(&centroids, &mut coarse_codes);
        Ok(Self { metric, dims, centroids, coarse, coarse_codes, residual, seed, trained_rows })
    }

    /// How many lists there are.
    pub fn lists(&self) -> usize {
        self.centroids.len() / self.dims
    }

    fn centroid(&self, list: usize) -> &[f32] {
        &self.centroids[list * self.dims..][..self.dims]
    }

    /// The lists nearest to a prepared query.
    fn nearest(&self, query: &[f32], count: usize) -> Vec<u32> {
        let codes = Strided::new(&self.coarse_codes, self.coarse.code_bytes(), self.lists());
        nearest_lists(&mut self.coarse.scorer(query, codes), self.lists(), count)
    }

    /// Heap bytes held.
    pub fn memory(&self) -> usize {
        let words = self.residual.as_ref().map_or(0, Residual::memory);
        self.centroids.capacity() * size_of::<f32>() + self.coarse.memory() + self.coarse_codes.capacity() + words
    }
}

fn prepare(metric: Metric, dims: usize, rows: &mut [f32]) {
    if metric == Metric::Cosine {
        rows.chunks_exact_mut(dims).for_each(to_unit);
    }
}

/// Rows that were put into lists together, with their codes.
pub struct ListPart {
    part: Part,
    /// Packed codes, block by block; empty without a [`Residual`].
    blocks: View<u8>,
    /// A term a place, where the metric asks for it.
    terms: Vec<f32>,
}

/// Where a row belongs, and its code.
struct Coded {
    label: u32,
    term: f32,
}

impl ListPart {
    /// Puts `rows` (raw, `dims` values each), the first of which is number `first`, into lists. On the threads of the
    /// current rayon pool.
    pub fn new(shape: &Shape, first: u32, rows: &[f32], task: &Task) -> Result<Self, Aborted> {
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
        Ok(Self::laid_out(shape, Part::new(first, &labels, shape.lists()), &codes, &terms))
    }

    /// `codes` and `terms` are in the order of the rows.
    fn laid_out(shape: &Shape, part: Part, codes: &[u8], terms: &[f32]) -> Self {
        let Some(residual) = &shape.residual else { return Self { part, blocks: View::default(), terms: Vec::new() } };
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
        Self { part, blocks: on_huge_pages(&blocks), terms: placed }
    }

    /// Rows in it.
    fn len(&self) -> u32 {
        self.part.rows().end - self.part.rows().start
    }

    /// The rows of two parts that follow one another.
    fn merged(shape: &Shape, first: &Self, second: &Self) -> Self {
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

impl Shape {
    /// The list and the code of each of `rows`, on the calling thread.
    fn put(
        &self,
        assigner: &Assigner,
        rows: &[f32],
        coded: &mut [Coded],
        codes: &mut [u8],
        scratch: &mut Scratch,
        task: &Task,
    ) -> Result<(), Aborted> {
        task.check()?;
        let mut rows = rows.to_vec();
        prepare(self.metric, self.dims, &mut rows);
        assigner.nearest(&rows, scratch, |at, label| coded[at].label = label);
        let Some(residual) = &self.residual else { return Ok(()) };
        let mut scratch = ResidualScratch::default();
        let codes = codes.chunks_exact_mut(residual.subspaces());
        for ((row, coded), code) in rows.chunks_exact(self.dims).zip(coded).zip(codes) {
            coded.term = residual.encode(row, self.centroid(coded.label as usize), &mut scratch, code);
        }
        Ok(())
    }
}

/// A copy where lists are read fastest: a query reads a few kilobytes here and there.
fn on_huge_pages(bytes: &[u8]) -> View<u8> {
    let mut column = Appender::new();
    // Without memory for it there are no codes, and searches find nothing by them; see the callers.
    let _ = column.reserve_exact(bytes.len()).and_then(|()| column.extend(bytes));
    column.view()
}

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

    /// Adds the rows that come next.
    pub fn push(&mut self, rows: &[f32], task: &Task) -> Result<(), Aborted> {
        self.add(ListPart::new(&self.shape, self.len(), rows, task)?);
        // A row is laid out anew only together with a third as many others: log4 n times at most.
        while let [.., before, last] = &self.parts[..]
            && before.len() < GROWTH * last.len()
        {
            let merged = ListPart::merged(&self.shape, before, last);
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
    ) -> Result<Vec<Candidate>, Aborted> {
        let Look { probes, keep, margin } = look;
        let mut query = query.to_vec();
        prepare(self.shape.metric, self.shape.dims, &mut query);
        let lists = self.shape.nearest(&query, probes);
        let parts: Vec<&Part> = self.parts.iter().map(|part| &part.part).collect();
        match &self.shape.residual {
            Some(residual) => {
                let mut tables = NibbleTables::default();
                residual.tables(&query, &mut Vec::new(), &mut tables);
                let mut scorer = CodedLists { lists: self, residual, query: &query, tables };
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
    pub fn write<E>(&self, write: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
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
    pub fn read(metric: Metric, dims: usize, rows: u32, r: &mut Reader<'_>) -> Result<Self, Malformed> {
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

    fn read_part(&self, rows: u32, r: &mut Reader<'_>) -> Result<ListPart, Malformed> {
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
        Ok(ListPart { part, blocks: on_huge_pages(&blocks), terms })
    }
}

/// Lists scanned by the codes in them.
struct CodedLists<'a> {
    lists: &'a Lists,
    residual: &'a Residual,
    query: &'a [f32],
    tables: NibbleTables,
}

impl ListScorer for CodedLists<'_> {
    fn scan(&mut self, part: usize, list: usize, blocks: Range<usize>, bound: f32, estimates: &mut [f32], marks: &mut [u32]) {
        let part = &self.lists.parts[part];
        let bytes = self.tables.block_bytes();
        let base = self.residual.base(self.query, self.lists.shape.centroid(list));
        let terms = if self.residual.has_terms() { &part.terms[blocks.start * BLOCK..blocks.end * BLOCK] } else { &[] };
        let codes = &part.blocks[blocks.start * bytes..blocks.end * bytes];
        let found = Near { bound, estimates, marks };
        kernels().scan_nibbles(&self.tables, codes, base, self.residual.factors(terms), found);
    }

    fn prefetch(&self, part: usize, blocks: Range<usize>) {
        let bytes = self.tables.block_bytes();
        kernels().prefetch(&self.lists.parts[part].blocks[blocks.start * bytes..blocks.end * bytes]);
    }
}

/// Lists whose rows are scored one by one, by what is kept of them elsewhere.
struct ScoredLists<'a, S> {
    lists: &'a Lists,
    scorer: &'a mut S,
}

impl<S: Scorer> ListScorer for ScoredLists<'_, S> {
    fn scan(&mut self, part: usize, _: usize, blocks: Range<usize>, bound: f32, estimates: &mut [f32], marks: &mut [u32]) {
        marks.fill(0);
        let members = self.lists.parts[part].part.members(blocks);
        let rows = members.iter().position(|&row| row == u32::MAX).unwrap_or(members.len());
        self.scorer.score(&members[..rows], &mut estimates[..rows]);
        for (at, &estimate) in estimates[..rows].iter().enumerate() {
            if estimate <= bound || estimate.is_nan() {
                marks[at / BLOCK] |= 1 << (at % BLOCK);
            }
        }
    }
}

#[cfg(test)]
mod tests;
