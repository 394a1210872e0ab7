//! Rotated codes with 1 to 8 bits a value, and a bit or two a value of what separates two rows.
//!
//! After RaBitQ (Gao & Long: *RaBitQ: quantizing high-dimensional vectors with a theoretical error bound*, 2024; and of more
//! bits, 2025): a row is turned at random, so that no value of it matters more than another, and then rounded with a
//! step of its own. Here the directions that matter are found first ([`Projection`]); what the others hold enters only as a
//! length.
//!
//! Levels of fewer than 8 bits lie at halves, as many above zero as below, and the step that a code holds is not the one that its
//! levels were rounded with but the one that leaves products with the row's values without bias (2025, section 4): the turn is
//! random, so what a code loses has no direction in common with a query.
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

use crate::levels::Levels;
use crate::rows::{encode_blocks, prepared};
use crate::scorer::{CHUNK, f32_at};
pub use neighbour::Bits;
use projection::Projection;
pub(crate) use projection::SAMPLE_ROWS;

/// What stands for zero.
const MIDDLE: i32 = 128;
/// The bit that makes a signed level one around [`MIDDLE`], and back.
const FLIP: u8 = 0x80;
/// The largest level on either side of it.
const LARGEST: f32 = 127.0;
/// The step that loses least of a normal distribution in levels of 1 to 7 bits, in standard deviations (Max, *Quantizing for
/// minimum distortion*, 1960; beyond 5 bits by his method).
const STEPS: [f32; 7] = [1.596, 0.9957, 0.5860, 0.3352, 0.1881, 0.1041, 0.0569];
/// What part of it the first step tried is, how many are tried, and how many times as large as the one before each is. A row's
/// values are never quite normal: MNIST's suffer from steps for the mean row.
const FIRST: f32 = 0.7;
const TRIED: usize = 9;
const GROWTH: f32 = 1.12;

/// A projection, then a few bits or a byte of every value with a step of the row's own.
///
/// A code row is the packed levels of [`kept`](Self::kept) values, the row's factor (`f32`) and its step (`f32`). With `y` the projected difference
/// from the centre, `distance(q, x) = base(q) + factor(x) + slope * y(q) . y(x)`, where the slope is -2 for
/// [`Metric::L2`] and -1 for the others: the factor of a row is exact, only the product is an estimate.
#[derive(Debug, Clone, PartialEq)]
pub struct Rabitq {
    metric: Metric,
    levels: Levels,
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
    pub(crate) fn train(
        levels: Levels,
        metric: Metric,
        dims: usize,
        rows: &[f32],
        seed: u64,
        task: &Task,
    ) -> Result<Self, Aborted> {
        Ok(Self { metric, levels, projection: Projection::train(metric, dims, rows, seed, task)? })
    }

    pub(crate) fn dims(&self) -> usize {
        self.projection.dims()
    }

    /// What distances are estimated of.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Values that are kept of a row: a multiple of 16.
    pub fn kept(&self) -> usize {
        self.projection.kept()
    }

    /// Whether [`neighbours`](Self::neighbours) are of use, which code what two codes say of a difference. Of MNIST-784 an `ef` of 40
    /// found 0.01 by them with 1 bit, 0.28 with 2 and 0.98 with 4, where walking the graph by the codes themselves found 0.97, 0.996 and
    /// 0.996.
    pub fn tells_neighbours(&self) -> bool {
        self.levels == Levels::BYTES
    }

    /// Half bytes of a neighbour's code.
    pub fn subspaces(&self) -> usize {
        self.kept() / self.bits().values()
    }

    /// Bits of each value of a neighbour.
    pub fn bits(&self) -> Bits {
        Bits::of(self.kept())
    }

    pub(crate) fn levels(&self) -> Levels {
        self.levels
    }

    pub(crate) fn code_bytes(&self) -> usize {
        self.level_bytes() + 2 * size_of::<f32>()
    }

    /// Bytes of a code's levels.
    fn level_bytes(&self) -> usize {
        self.levels.bytes(self.kept())
    }

    /// The row's factor and step behind its levels.
    fn factors(&self, code: &[u8]) -> [f32; 2] {
        factors(code, self.level_bytes())
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
            let levels = &mut *vec![0; kept];
            let rows = rows.chunks_exact(dims).zip(projected.chunks_exact(kept));
            for ((row, values), out) in rows.zip(out.chunks_exact_mut(width)) {
                let (packed, rest) = out.split_at_mut(self.level_bytes());
                let step = self.rounded(values, levels);
                self.levels.pack(levels, packed);
                rest[..4].copy_from_slice(&self.factor(row).to_le_bytes());
                rest[4..].copy_from_slice(&step.to_le_bytes());
            }
        });
    }

    /// Rounds `values` to `levels`, and gives the step that the code is to have.
    fn rounded(&self, values: &[f32], levels: &mut [u8]) -> f32 {
        if self.levels == Levels::BYTES {
            let step = step_of(values);
            kernels().levels(values, 1.0 / step, levels);
            return step;
        }
        let rms = (kernels().dot_f32(values, values) / values.len() as f32).sqrt();
        let first = FIRST * STEPS[usize::from(self.levels.bits()) - 1] * rms;
        if !first.is_normal() || !(1.0 / first).is_normal() {
            levels.fill(0);
            return 0.0;
        }
        // Of single bits any step makes the same.
        let tried = if self.levels.bits() == 1 { 1 } else { TRIED };
        let steps = (0..tried).scan(first, |step, _| Some(std::mem::replace(step, *step * GROWTH)));
        let nearness = |step: f32| {
            let [along, squares] = along(values, 1.0 / step, self.levels);
            along / squares.sqrt()
        };
        let best = steps.map(|step| (nearness(step), step)).max_by(|a, b| a.0.total_cmp(&b.0));
        let per_step = best.map_or(0.0, |(_, step)| 1.0 / step);
        let reach = reach(self.levels);
        for (level, &value) in levels.iter_mut().zip(values) {
            *level = (level_of(value * per_step, reach) + reach) as u8;
        }
        let [along, _] = along(values, per_step, self.levels);
        let step = kernels().dot_f32(values, values) / along;
        if step.is_finite() { step } else { 0.0 }
    }

    /// Projected values of a code.
    fn values(&self, code: &[u8], out: &mut [f32]) {
        let ([_, step], twice_middle) = (self.factors(code), twice_middle(self.levels));
        let mut levels = vec![0; out.len()];
        self.levels.unpack(code, &mut levels);
        for (value, level) in out.iter_mut().zip(levels) {
            *value = (2 * i32::from(level) - twice_middle) as f32 * (0.5 * step);
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
        let mut levels = vec![0; self.kept()];
        self.levels.unpack(code, &mut levels);
        let [factor, step] = self.factors(code);
        RabitqQuery::new(
            self,
            self.row_base() + factor,
            self.query_step(step),
            levels.iter().map(|&level| self.query_level(level)).collect(),
        )
    }

    /// A row's level as a query has it: less the middle, or twice that where the middle is no level.
    fn query_level(&self, level: u8) -> i8 {
        if self.levels == Levels::BYTES { signed(level) } else { (2 * i32::from(level) - twice_middle(self.levels)) as i8 }
    }

    /// What such a level is worth where a row's is worth `step`.
    fn query_step(&self, step: f32) -> f32 {
        if self.levels == Levels::BYTES { step } else { 0.5 * step }
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
            let factors = self.factors(other)[0] - self.factors(node)[0];
            let (add, mul) = (factors + self.slope() * (own_along - length * aside), self.slope() * length);
            seen(at, &codes, Neighbour { add, mul });
        }
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        self.projection.write(w);
    }

    pub(crate) fn read(levels: Levels, metric: Metric, dims: usize, r: &mut Reader) -> Result<Self, Error> {
        Ok(Self { metric, levels, projection: Projection::read(dims, r)? })
    }
}

/// The step with which the largest value still has a level.
fn step_of(values: &[f32]) -> f32 {
    let step = kernels().peak(values) / LARGEST;
    if step.is_normal() { step } else { 1.0 }
}

/// Twice what stands for zero: no level, where there are fewer than 256.
fn twice_middle(levels: Levels) -> i32 {
    if levels == Levels::BYTES { 2 * MIDDLE } else { i32::from(levels.last()) }
}

/// How far the lowest and the highest of fewer than 256 levels are from zero.
fn reach(levels: Levels) -> f32 {
    0.5 * f32::from(levels.last())
}

/// The half nearest to `value` that is a level.
#[inline]
fn level_of(value: f32, reach: f32) -> f32 {
    (value.floor() + 0.5).clamp(-reach, reach)
}

/// The product of `values` with their levels, and the squares of the levels.
fn along(values: &[f32], per_step: f32, levels: Levels) -> [f32; 2] {
    let reach = reach(levels);
    values.iter().fold([0.0, 0.0], |[along, squares], &value| {
        let level = level_of(value * per_step, reach);
        [along + value * level, squares + level * level]
    })
}

/// A query as signed bytes.
pub struct RabitqQuery {
    query: Vec<i8>,
    levels: Levels,
    terms: Terms,
    /// What a level of the query is worth.
    step: f32,
}

impl RabitqQuery {
    fn new(codec: &Rabitq, base: f32, step: f32, query: Vec<i8>) -> Self {
        Self { terms: Terms::new(codec, base, step, &query), levels: codec.levels, step, query }
    }

    /// The tables that sum up the query's values by the codes of [`Rabitq::neighbours`].
    pub(crate) fn neighbour_tables(&self, tables: &mut NibbleTables) {
        let values: Vec<f32> = self.query.iter().map(|&level| f32::from(level) * self.step).collect();
        Bits::of(values.len()).tables(&values, tables);
    }

    pub(crate) fn score(&self, codes: Strided, rows: &[u32], out: &mut [f32]) {
        let mut products = [0; CHUNK];
        for (rows, out) in rows.chunks(CHUNK).zip(out.chunks_mut(CHUNK)) {
            let products = &mut products[..rows.len()];
            self.levels.gather(&self.query, codes, rows, products);
            self.finish(codes, |i| rows[i] as usize, products, out);
        }
    }

    pub(crate) fn score_one(&self, code: &[u8]) -> f32 {
        let product = self.levels.product(&self.query, code);
        self.terms.distance(factors(code, self.level_bytes()), product)
    }

    pub(crate) fn score_range(&self, codes: Strided, start: u32, out: &mut [f32]) {
        let mut products = [0; CHUNK];
        let mut start = start as usize;
        for out in out.chunks_mut(CHUNK) {
            let products = &mut products[..out.len()];
            self.levels.scan(&self.query, codes, start, products);
            self.finish(codes, |i| start + i, products, out);
            start += out.len();
        }
    }

    fn level_bytes(&self) -> usize {
        self.levels.bytes(self.query.len())
    }

    fn finish(&self, codes: Strided, row: impl Fn(usize) -> usize, products: &[i32], out: &mut [f32]) {
        let level_bytes = self.level_bytes();
        for (i, (out, &product)) in out.iter_mut().zip(products).enumerate() {
            *out = self.terms.distance(factors(codes.row(row(i)), level_bytes), product);
        }
    }
}

/// What makes a distance of the product of a query's levels and a code's.
#[derive(Debug, Clone, Copy)]
struct Terms {
    base: f32,
    slope: f32,
    /// What the levels add to twice a product because a row's zero is the middle.
    shift: i32,
}

impl Terms {
    fn new(codec: &Rabitq, base: f32, step: f32, query: &[i8]) -> Self {
        let shift = twice_middle(codec.levels) * query.iter().map(|&level| i32::from(level)).sum::<i32>();
        Self { base, slope: 0.5 * codec.slope() * step, shift }
    }

    #[inline]
    fn distance(&self, [factor, step]: [f32; 2], product: i32) -> f32 {
        self.base + factor + self.slope * step * (2 * product - self.shift) as f32
    }
}

/// Codes brought together to be compared with one another.
#[derive(Default)]
pub(crate) struct RabitqSet {
    /// A byte a level.
    codes: Vec<u8>,
    /// What the codes hold behind their levels.
    factors: Vec<[f32; 2]>,
    /// The place of the one that is compared with others now, and what is to be known of it besides `query`.
    one: Option<(u32, Terms)>,
    /// Its levels as those of a query.
    query: Vec<i8>,
    products: Vec<i32>,
}

impl RabitqSet {
    pub(crate) fn gather<'a>(&mut self, codec: &Rabitq, codes: impl Iterator<Item = &'a [u8]>) {
        self.codes.clear();
        self.factors.clear();
        self.one = None;
        let kept = codec.kept();
        for code in codes {
            if codec.levels == Levels::BYTES {
                self.codes.extend_from_slice(&code[..kept]);
            } else {
                let at = self.codes.len();
                self.codes.resize(at + kept, 0);
                codec.levels.unpack(code, &mut self.codes[at..]);
            }
            self.factors.push(codec.factors(code));
        }
    }

    /// Makes a query of the row at place `one`, unless it is that already.
    fn ask(&mut self, codec: &Rabitq, one: u32) -> Terms {
        if let Some((_, terms)) = self.one.filter(|(asked, _)| *asked == one) {
            return terms;
        }
        let (kept, [factor, step]) = (codec.kept(), self.factors[one as usize]);
        let levels = &self.codes[one as usize * kept..][..kept];
        self.query.clear();
        self.query.extend(levels.iter().map(|&level| codec.query_level(level)));
        let terms = Terms::new(codec, codec.row_base() + factor, codec.query_step(step), &self.query);
        self.one = Some((one, terms));
        terms
    }

    pub(crate) fn between(&mut self, codec: &Rabitq, one: u32, others: &[u32], out: &mut [f32]) {
        let terms = self.ask(codec, one);
        let codes = Strided::new(&self.codes, codec.kept(), self.factors.len());
        self.products.resize(out.len(), 0);
        kernels().gather_dot_u8_i8(&self.query, codes, others, &mut self.products);
        for ((out, &other), &product) in out.iter_mut().zip(others).zip(&self.products) {
            *out = terms.distance(self.factors[other as usize], product);
        }
    }

    pub(crate) fn between_run(&mut self, codec: &Rabitq, one: u32, start: u32, out: &mut [f32]) {
        let (terms, start) = (self.ask(codec, one), start as usize);
        let codes = Strided::new(&self.codes, codec.kept(), self.factors.len());
        self.products.resize(out.len(), 0);
        kernels().scan_dot_u8_i8(&self.query, codes, start, &mut self.products);
        for ((out, &factors), &product) in out.iter_mut().zip(&self.factors[start..]).zip(&self.products) {
            *out = terms.distance(factors, product);
        }
    }
}

/// The row's factor and step behind so many bytes of levels.
#[inline]
fn factors(code: &[u8], level_bytes: usize) -> [f32; 2] {
    let factors = &code[level_bytes..][..2 * size_of::<f32>()];
    [f32_at(factors, 0), f32_at(factors, size_of::<f32>())]
}

fn signed(level: u8) -> i8 {
    (level ^ FLIP) as i8
}
