//! Rotated codes with a byte a value, and a bit or two a value of what separates two rows.
//!
//! After RaBitQ (Gao & Long: *RaBitQ: quantizing high-dimensional vectors with a theoretical error bound*, 2024; and of more
//! bits, 2025): a row is turned at random, so that no value of it matters more than another, and then rounded with a
//! step of its own. Here the directions that matter are found first ([`Projection`]); what the others hold enters only as a
//! length.
//!
//! The codes of neighbours are those of SymphonyQG (Gou, Gao, Xu & Long, 2025): a bit or two of each value of a neighbour's
//! difference from a row ([`Bits`]) estimate how much nearer to a query it is, once the distance of the row itself is known.

mod neighbour;
mod projection;
#[cfg(test)]
mod tests;

use kernels::{Metric, NibbleTables, Strided, kernels};
use task::{Aborted, Task};
use wire::{Error, Reader, Writer};

use crate::rows::{encode_blocks, prepared};
use crate::scorer::{CHUNK, f32_at};
pub use neighbour::Bits;
use projection::Projection;

/// What stands for zero.
const MIDDLE: i32 = 128;
/// The bit that makes a signed level one around [`MIDDLE`], and back.
const FLIP: u8 = 0x80;
/// The largest level on either side of it.
const LARGEST: f32 = 127.0;
/// A projection, then a byte a value with a step of the row's own.
///
/// A code row is [`kept`](Self::kept) bytes, the row's factor (`f32`) and its step (`f32`). With `y` the projected difference
/// from the centre, `distance(q, x) = base(q) + factor(x) + slope * y(q) . y(x)`, where the slope is -2 for
/// [`Metric::L2`] and -1 for the others: the factor of a row is exact, only the product is an estimate.
#[derive(Debug, Clone, PartialEq)]
pub struct Rabitq {
    metric: Metric,
    projection: Projection,
}

/// What turns a query's sum over a neighbour's code into the neighbour's distance.
#[derive(Debug, Clone, Copy)]
pub struct Neighbour {
    /// To be added to the row's own distance.
    pub add: f32,
    /// To be multiplied with the sum.
    pub mul: f32,
}

impl Rabitq {
    pub(crate) fn train(metric: Metric, dims: usize, rows: &[f32], seed: u64, task: &Task) -> Result<Self, Aborted> {
        Ok(Self { metric, projection: Projection::train(metric, dims, rows, seed, task)? })
    }

    pub(crate) fn dims(&self) -> usize {
        self.projection.dims()
    }

    pub(crate) fn metric(&self) -> Metric {
        self.metric
    }

    /// Values that are kept of a row: a multiple of 16.
    pub fn kept(&self) -> usize {
        self.projection.kept()
    }

    /// Half bytes of a neighbour's code.
    pub fn subspaces(&self) -> usize {
        self.kept() / self.bits().values()
    }

    /// Bits of each value of a neighbour.
    pub fn bits(&self) -> Bits {
        Bits::of(self.kept())
    }

    pub(crate) fn code_bytes(&self) -> usize {
        self.kept() + 2 * size_of::<f32>()
    }

    fn slope(&self) -> f32 {
        if self.metric == Metric::L2 { -2.0 } else { -1.0 }
    }

    /// What the distances of a row have in common, whatever the query.
    fn factor(&self, row: &[f32]) -> f32 {
        let centre = self.projection.centre();
        let factor = match self.metric {
            Metric::Dot => kernels().exact_dot_f32(centre, centre) - kernels().exact_dot_f32(centre, row),
            Metric::L2 => kernels().exact_l2_f32(centre, row),
            Metric::Cosine => kernels().exact_l2_f32(centre, row) * 0.5,
        };
        factor as f32
    }

    /// What the distances of a query have in common, whatever the row.
    fn base(&self, query: &[f32]) -> f32 {
        match self.metric {
            Metric::Dot => (1.0 - kernels().exact_dot_f32(self.projection.centre(), query)) as f32,
            Metric::L2 | Metric::Cosine => self.factor(query),
        }
    }

    /// The base between two rows: that of a query that is a row, less its factor.
    fn row_base(&self) -> f32 {
        match self.metric {
            Metric::Dot => 1.0 - kernels().dot_f32(self.projection.centre(), self.projection.centre()),
            Metric::L2 | Metric::Cosine => 0.0,
        }
    }

    pub(crate) fn encode(&self, rows: &[f32], out: &mut [u8]) {
        let (dims, kept, width) = (self.dims(), self.kept(), self.code_bytes());
        encode_blocks(self.metric, dims, width, rows, out, |rows, out| {
            let projected = self.projection.of_rows(rows);
            let rows = rows.chunks_exact(dims).zip(projected.chunks_exact(kept));
            for ((row, values), out) in rows.zip(out.chunks_exact_mut(width)) {
                let (levels, rest) = out.split_at_mut(kept);
                let step = step_of(values);
                kernels().levels(values, 1.0 / step, levels);
                rest[..4].copy_from_slice(&self.factor(row).to_le_bytes());
                rest[4..].copy_from_slice(&step.to_le_bytes());
            }
        });
    }

    /// Projected values of a code.
    fn values(&self, code: &[u8], out: &mut [f32]) {
        let [_, step] = factors(code, self.kept());
        for (value, &level) in out.iter_mut().zip(code) {
            *value = (i32::from(level) - MIDDLE) as f32 * step;
        }
    }

    pub(crate) fn decode(&self, code: &[u8], out: &mut [f32]) {
        let mut values = vec![0.0; self.kept()];
        self.values(code, &mut values);
        self.projection.back(&values, out);
    }

    pub(crate) fn memory(&self) -> usize {
        self.projection.memory()
    }

    pub(crate) fn query(&self, query: &[f32]) -> RabitqQuery {
        let query = prepared(self.metric, self.dims(), query);
        let values = self.projection.of_query(&query);
        let mut levels = vec![0; values.len()];
        let step = step_of(&values);
        kernels().levels(&values, 1.0 / step, &mut levels);
        RabitqQuery::new(self, self.base(&query), step, levels.into_iter().map(signed).collect())
    }

    /// The query that is the row of `code`.
    pub(crate) fn query_of_code(&self, code: &[u8]) -> RabitqQuery {
        let levels = code[..self.kept()].iter().map(|&level| signed(level)).collect();
        let [factor, step] = factors(code, self.kept());
        RabitqQuery::new(self, self.row_base() + factor, step, levels)
    }

    /// Codes rows as seen from that of `node`: [`subspaces`](Self::subspaces) half bytes each, handed to `seen` with what
    /// they stand for.
    ///
    /// With `s` the sum of a query's values, each times its level ([`Bits`]), `distance(other)` is about
    /// `distance(node) + add + mul * s`.
    ///
    /// # Panics
    /// If a code is not as long as the codec's.
    pub fn neighbours<'a>(
        &self,
        node: &[u8],
        others: impl Iterator<Item = &'a [u8]>,
        mut seen: impl FnMut(usize, &[u8], Neighbour),
    ) {
        let (kept, bits) = (self.kept(), self.bits());
        let (mut own, mut apart, mut levels) = (vec![0.0; kept], vec![0.0; kept], vec![0.0; kept]);
        let mut codes = vec![0; self.subspaces()];
        self.values(node, &mut own);
        for (at, other) in others.enumerate() {
            self.values(other, &mut apart);
            apart.iter_mut().zip(&own).for_each(|(apart, own)| *apart -= own);
            let squares = kernels().dot_f32(&apart, &apart);
            bits.code(&apart, (squares / kept as f32).sqrt(), &mut codes, &mut levels);
            let [levels_along, own_along, aside] =
                [(&levels, &apart), (&own, &apart), (&own, &levels)].map(|(a, b)| kernels().dot_f32(a, b));
            // The length of the difference along its levels that leaves the estimate without bias.
            let length = if levels_along > 0.0 { squares / levels_along } else { 0.0 };
            let factors = f32_at(other, kept) - f32_at(node, kept);
            let (add, mul) = (factors + self.slope() * (own_along - length * aside), self.slope() * length);
            seen(at, &codes, Neighbour { add, mul });
        }
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        self.projection.write(w);
    }

    pub(crate) fn read(metric: Metric, dims: usize, r: &mut Reader) -> Result<Self, Error> {
        Ok(Self { metric, projection: Projection::read(dims, r)? })
    }
}

/// The step with which the largest value still has a level.
fn step_of(values: &[f32]) -> f32 {
    let step = kernels().peak(values) / LARGEST;
    if step.is_normal() { step } else { 1.0 }
}

/// A query as signed bytes.
pub struct RabitqQuery {
    levels: Vec<i8>,
    terms: Terms,
    /// What a level is worth.
    step: f32,
}

impl RabitqQuery {
    fn new(codec: &Rabitq, base: f32, step: f32, levels: Vec<i8>) -> Self {
        Self { terms: Terms::new(codec, base, step, &levels), step, levels }
    }

    /// The tables that sum up the query's values by the codes of [`Rabitq::neighbours`].
    pub(crate) fn neighbour_tables(&self, tables: &mut NibbleTables) {
        let values: Vec<f32> = self.levels.iter().map(|&level| f32::from(level) * self.step).collect();
        Bits::of(values.len()).tables(&values, tables);
    }

    pub(crate) fn score(&self, codes: Strided, rows: &[u32], out: &mut [f32]) {
        self.terms.score(&self.levels, codes, rows, out);
    }

    pub(crate) fn score_one(&self, code: &[u8]) -> f32 {
        let levels = &code[..self.levels.len()];
        self.terms.distance(self.levels.len(), code, kernels().dot_u8_i8(levels, &self.levels))
    }

    pub(crate) fn score_range(&self, codes: Strided, start: u32, out: &mut [f32]) {
        self.terms.score_range(&self.levels, codes, start, out);
    }
}

/// What makes a distance of the product of a query's levels and a code's.
#[derive(Debug, Clone, Copy)]
struct Terms {
    base: f32,
    slope: f32,
    /// What the levels add to a product because a row's zero is [`MIDDLE`].
    shift: i32,
}

impl Terms {
    fn new(codec: &Rabitq, base: f32, step: f32, levels: &[i8]) -> Self {
        let shift = MIDDLE * levels.iter().map(|&level| i32::from(level)).sum::<i32>();
        Self { base, slope: codec.slope() * step, shift }
    }

    fn score(&self, levels: &[i8], codes: Strided, rows: &[u32], out: &mut [f32]) {
        let mut products = [0; CHUNK];
        for (rows, out) in rows.chunks(CHUNK).zip(out.chunks_mut(CHUNK)) {
            let products = &mut products[..rows.len()];
            kernels().gather_dot_u8_i8(levels, codes, rows, products);
            self.finish(levels.len(), codes, |i| rows[i] as usize, products, out);
        }
    }

    fn score_range(&self, levels: &[i8], codes: Strided, start: u32, out: &mut [f32]) {
        let mut products = [0; CHUNK];
        let mut start = start as usize;
        for out in out.chunks_mut(CHUNK) {
            let products = &mut products[..out.len()];
            kernels().scan_dot_u8_i8(levels, codes, start, products);
            self.finish(levels.len(), codes, |i| start + i, products, out);
            start += out.len();
        }
    }

    fn finish(&self, kept: usize, codes: Strided, row: impl Fn(usize) -> usize, products: &[i32], out: &mut [f32]) {
        for (i, (out, &product)) in out.iter_mut().zip(products).enumerate() {
            *out = self.distance(kept, codes.row(row(i)), product);
        }
    }

    #[inline]
    fn distance(&self, kept: usize, code: &[u8], product: i32) -> f32 {
        let [factor, step] = factors(code, kept);
        self.base + factor + self.slope * step * (product - self.shift) as f32
    }
}

/// Codes brought together to be compared with one another: each as a query, too.
#[derive(Default)]
pub(crate) struct RabitqSet {
    codes: Vec<u8>,
    levels: Vec<i8>,
    terms: Vec<Terms>,
    /// What the codes hold behind their levels.
    factors: Vec<f32>,
    steps: Vec<f32>,
    products: Vec<i32>,
}

impl RabitqSet {
    pub(crate) fn gather<'a>(&mut self, codec: &Rabitq, codes: impl Iterator<Item = &'a [u8]>) {
        self.codes.clear();
        self.levels.clear();
        self.terms.clear();
        self.factors.clear();
        self.steps.clear();
        let (kept, row_base) = (codec.kept(), codec.row_base());
        for code in codes {
            let (at, [factor, step]) = (self.levels.len(), factors(code, kept));
            self.codes.extend_from_slice(code);
            self.levels.extend(code[..kept].iter().map(|&level| signed(level)));
            self.terms.push(Terms::new(codec, row_base + factor, step, &self.levels[at..]));
            self.factors.push(factor);
            self.steps.push(step);
        }
    }

    pub(crate) fn between(&self, codec: &Rabitq, one: u32, others: &[u32], out: &mut [f32]) {
        let (kept, width) = (codec.kept(), codec.code_bytes());
        let codes = Strided::new(&self.codes, width, self.terms.len());
        self.terms[one as usize].score(&self.levels[one as usize * kept..][..kept], codes, others, out);
    }

    pub(crate) fn between_run(&mut self, codec: &Rabitq, one: u32, start: u32, out: &mut [f32]) {
        let (kept, width, start) = (codec.kept(), codec.code_bytes(), start as usize);
        let codes = Strided::new(&self.codes, width, self.terms.len());
        self.products.resize(out.len(), 0);
        kernels().scan_dot_u8_i8(&self.levels[one as usize * kept..][..kept], codes, start, &mut self.products);
        let Terms { base, slope, shift } = self.terms[one as usize];
        let rows = self.factors[start..].iter().zip(&self.steps[start..]).zip(&self.products);
        for (out, ((&factor, &step), &product)) in out.iter_mut().zip(rows) {
            *out = base + factor + slope * step * (product - shift) as f32;
        }
    }
}

/// The row's factor and step behind its levels.
#[inline]
fn factors(code: &[u8], kept: usize) -> [f32; 2] {
    let factors = &code[kept..][..2 * size_of::<f32>()];
    [f32_at(factors, 0), f32_at(factors, size_of::<f32>())]
}

fn signed(level: u8) -> i8 {
    (level ^ FLIP) as i8
}
