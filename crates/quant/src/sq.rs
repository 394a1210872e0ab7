//! Scalar quantisation: a byte or half a byte a dimension.

use crate::levels::Levels;
use crate::rows::{encode_blocks, prepared, sample};
use crate::wire_form::{finite, finite_row};
use kernels::{Metric, Strided, kernels};
use rayon::prelude::*;
use task::{Aborted, Task};
use wire::{Reader, Writer};

/// Rows looked at when training: quantiles of so many are steady.
pub(crate) const SAMPLE_ROWS: usize = 8192;
/// Shares of the values of a dimension that training tries to cut off on either side.
const TRIMS: [f64; 7] = [0.0, 1e-4, 1e-3, 4e-3, 1e-2, 2e-2, 4e-2];

/// A centre for every dimension and one step for all: `value = centre + step * (level - middle)`, where the middle of 256 levels
/// is 127.5 and that of 16 is 7.5.
///
/// One step keeps a product of codes an honest product of vectors, so a distance needs integers only; and for a given
/// squared error one step for all dimensions is what rate-distortion theory asks for.
///
/// A code row is the packed levels; under [`Metric::L2`] followed by the squared length of the decoded row from the centre (`f32`).
#[derive(Debug, Clone, PartialEq)]
pub struct Sq {
    metric: Metric,
    levels: Levels,
    centre: Vec<f32>,
    step: f32,
}

impl Sq {
    /// Chooses the range (with its rare extremes cut off or not) that gives the least error on the sample.
    pub(crate) fn train(
        levels: Levels,
        metric: Metric,
        dims: usize,
        rows: &[f32],
        seed: u64,
        task: &Task,
    ) -> Result<Self, Aborted> {
        let sample = sample(metric, dims, rows, SAMPLE_ROWS, seed);
        let n = sample.len() / dims;
        task.check()?;
        if n == 0 {
            return Ok(Self { metric, levels, centre: vec![0.0; dims], step: 1.0 });
        }
        let limits: Vec<[(f32, f32); TRIMS.len()]> = (0..dims).into_par_iter().map(|j| trimmed(&sample, dims, j)).collect();
        let mut best: Option<(f64, Self)> = None;
        for trim in 0..TRIMS.len() {
            task.check()?;
            let candidate = Self::covering(levels, metric, &limits, trim);
            let error = candidate.error(&sample);
            if best.as_ref().is_none_or(|(least, _)| error < *least) {
                best = Some((error, candidate));
            }
            task.report("train", trim as u64 + 1, TRIMS.len() as u64);
        }
        Ok(best.map(|(_, codec)| codec).expect("there is at least one trim"))
    }

    /// The codec whose step just covers the widest trimmed range; dimensions that fit whole are covered whole.
    fn covering(levels: Levels, metric: Metric, limits: &[[(f32, f32); TRIMS.len()]], trim: usize) -> Self {
        let steps = f32::from(levels.last());
        // The difference itself might overflow.
        let step_over = |(low, high): (f32, f32)| high / steps - low / steps;
        let mut step = limits.iter().map(|l| step_over(l[trim])).fold(0.0, f32::max);
        if !step.is_normal() {
            // All rows are one: whatever comes later is likely to be of its size.
            let size = limits.iter().map(|l| l[0].1.abs()).fold(0.0, f32::max) / steps;
            step = if size.is_normal() { size } else { 1.0 };
        }
        let middle = |l: &[(f32, f32); TRIMS.len()]| {
            let (low, high) = if step_over(l[0]) <= step { l[0] } else { l[trim] };
            low * 0.5 + high * 0.5
        };
        Self { metric, levels, centre: limits.iter().map(middle).collect(), step }
    }

    /// Lengths of the errors of prepared rows, summed. Not their squares: of those a few extreme rows would have most,
    /// and the step that suits them would be far too coarse for all others.
    fn error(&self, rows: &[f32]) -> f64 {
        let of_row = |row: &[f32]| {
            let pairs = row.iter().zip(&self.centre);
            pairs.map(|(&x, &centre)| f64::from(x - self.value(self.level(x, centre), centre)).powi(2)).sum::<f64>().sqrt()
        };
        rows.chunks_exact(self.dims()).map(of_row).sum()
    }

    fn level(&self, x: f32, centre: f32) -> u8 {
        // Saturates; NaN becomes 0.
        (((x - centre) / self.step + self.middle()).round() as u8).min(self.levels.last())
    }

    /// The middle of the levels.
    fn middle(&self) -> f32 {
        f32::from(self.levels.last()) / 2.0
    }

    pub(crate) fn levels(&self) -> Levels {
        self.levels
    }

    fn value(&self, level: u8, centre: f32) -> f32 {
        centre + self.step * (f32::from(level) - self.middle())
    }

    pub(crate) fn dims(&self) -> usize {
        self.centre.len()
    }

    pub(crate) fn metric(&self) -> Metric {
        self.metric
    }

    /// Bytes of a code's levels.
    fn level_bytes(&self) -> usize {
        self.levels.bytes(self.dims())
    }

    pub(crate) fn code_bytes(&self) -> usize {
        self.level_bytes() + if self.metric == Metric::L2 { 4 } else { 0 }
    }

    pub(crate) fn encode(&self, rows: &[f32], out: &mut [u8]) {
        let dims = self.dims();
        encode_blocks(self.metric, dims, self.code_bytes(), rows, out, |rows, out| {
            let mut levels = vec![0; dims];
            for (row, out) in rows.chunks_exact(dims).zip(out.chunks_exact_mut(self.code_bytes())) {
                let (packed, factor) = out.split_at_mut(self.level_bytes());
                for ((level, &x), &centre) in levels.iter_mut().zip(row).zip(&self.centre) {
                    *level = self.level(x, centre);
                }
                self.levels.pack(&levels, packed);
                if self.metric == Metric::L2 {
                    factor.copy_from_slice(&self.square(&levels).to_le_bytes());
                }
            }
        });
    }

    /// Squared length of the decoded row from the centre.
    fn square(&self, levels: &[u8]) -> f32 {
        // Twice the distances from the middle are whole numbers: their squares' sum is exact.
        let last = i64::from(self.levels.last());
        let sum: u64 = levels.iter().map(|&level| (2 * i64::from(level) - last).pow(2) as u64).sum();
        (sum as f64 * 0.25 * f64::from(self.step).powi(2)) as f32
    }

    pub(crate) fn decode(&self, code: &[u8], out: &mut [f32]) {
        let mut levels = vec![0; self.dims()];
        self.levels.unpack(code, &mut levels);
        for ((out, &level), &centre) in out.iter_mut().zip(&levels).zip(&self.centre) {
            *out = self.value(level, centre);
        }
    }

    pub(crate) fn memory(&self) -> usize {
        self.centre.capacity() * 4
    }

    pub(crate) fn query(&self, query: &[f32]) -> SqQuery {
        let mut values = prepared(self.metric, self.dims(), query);
        let centre_dot =
            |values: &[f32]| values.iter().zip(&self.centre).map(|(&q, &c)| f64::from(q) * f64::from(c)).sum::<f64>();
        let (base, factor) = match self.metric {
            Metric::Cosine | Metric::Dot => (1.0 - centre_dot(&values), -1.0),
            Metric::L2 => {
                values.iter_mut().zip(&self.centre).for_each(|(q, &c)| *q -= c);
                (values.iter().map(|&q| f64::from(q) * f64::from(q)).sum(), -2.0)
            }
        };
        let greatest = values.iter().fold(0f32, |most, q| most.max(q.abs()));
        let unit = if greatest > 0.0 { greatest / 127.0 } else { 1.0 };
        let query: Vec<i8> = values.iter().map(|q| (q / unit).round() as i8).collect();
        let sum: i64 = query.iter().map(|&q| i64::from(q)).sum();
        let slope = factor * f64::from(self.step) * f64::from(unit);
        let base = base - slope * f64::from(self.middle()) * sum as f64;
        let square_at = (self.metric == Metric::L2).then_some(self.level_bytes());
        SqQuery { levels: self.levels, query, base: base as f32, slope: slope as f32, square_at }
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.f32(self.step);
        w.f32s(&self.centre);
    }

    pub(crate) fn read(levels: Levels, metric: Metric, dims: usize, r: &mut Reader) -> Result<Self, wire::Error> {
        let step = finite(r, "sq step")?;
        let centre = finite_row(r, dims, "sq centre")?;
        Ok(Self { metric, levels, centre, step })
    }
}

/// The range of dimension `j` with each share of [`TRIMS`] cut off on either side.
fn trimmed(sample: &[f32], dims: usize, j: usize) -> [(f32, f32); TRIMS.len()] {
    let mut values: Vec<f32> = sample[j..].iter().step_by(dims).copied().collect();
    values.sort_unstable_by(f32::total_cmp);
    let last = values.len() - 1;
    TRIMS.map(|trim| {
        let cut = (last as f64 * trim) as usize;
        (values[cut], values[last - cut])
    })
}

/// A query as signed bytes: `distance = base + slope * (integer product) (+ the row's square for L2)`.
pub(crate) struct SqQuery {
    levels: Levels,
    query: Vec<i8>,
    base: f32,
    slope: f32,
    square_at: Option<usize>,
}

impl SqQuery {
    pub(crate) fn score(&self, codes: Strided, rows: &[u32], out: &mut [f32]) {
        let mut products = [0; super::scorer::CHUNK];
        for (rows, out) in rows.chunks(products.len()).zip(out.chunks_mut(products.len())) {
            let products = &mut products[..rows.len()];
            self.levels.gather(&self.query, codes, rows, products);
            self.finish(codes, |i| rows[i] as usize, products, out);
        }
    }

    pub(crate) fn score_range(&self, codes: Strided, start: u32, out: &mut [f32]) {
        let mut products = [0; super::scorer::CHUNK];
        let mut start = start as usize;
        for out in out.chunks_mut(products.len()) {
            let products = &mut products[..out.len()];
            self.levels.scan(&self.query, codes, start, products);
            self.finish(codes, |i| start + i, products, out);
            start += out.len();
        }
    }

    fn finish(&self, codes: Strided, row: impl Fn(usize) -> usize, products: &[i32], out: &mut [f32]) {
        for (i, (out, &product)) in out.iter_mut().zip(products).enumerate() {
            let square = self.square_at.map_or(0.0, |at| super::scorer::f32_at(codes.row(row(i)), at));
            *out = self.base + self.slope * product as f32 + square;
        }
    }
}

/// Codes brought together to be compared with one another: each as a query, too.
///
/// With `p` the product of one row's levels less half of how many there are and the other's, twice the product of both less their
/// [`middle`](Sq::middle) is `2 p - shift(one) + sum(other) - dims / 2`: whole numbers, whichever instructions work them out. The result fits in 32 bits
/// for any number of dimensions, what it is made of need not.
#[derive(Default)]
pub(crate) struct SqSet {
    /// A byte a level.
    codes: Vec<u8>,
    levels: Vec<i8>,
    /// What a distance has of either row alone.
    factors: Vec<f32>,
    /// Of 256 levels: 255 times the sum of the levels less 128, and 127 a dimension.
    shifts: Vec<i32>,
    /// Of the levels.
    sums: Vec<i32>,
    products: Vec<i32>,
    base: f32,
    slope: f32,
}

impl SqSet {
    pub(crate) fn gather<'a>(&mut self, codec: &Sq, codes: impl Iterator<Item = &'a [u8]>) {
        let dims = codec.dims();
        self.codes.clear();
        self.levels.clear();
        self.factors.clear();
        self.shifts.clear();
        self.sums.clear();
        let half = 0.5 * codec.centre.iter().sum::<f32>();
        let square = codec.step * codec.step;
        let (base, slope) = match codec.metric {
            Metric::L2 => (0.0, -square),
            Metric::Cosine | Metric::Dot => (1.0 - kernels().dot_f32(&codec.centre, &codec.centre), -0.5 * square),
        };
        (self.base, self.slope) = (base - slope * 0.5 * dims as f32, slope);
        let last = codec.levels.last();
        let half_way = last / 2 + 1;
        for code in codes {
            let at = self.levels.len();
            self.codes.resize(at + dims, 0);
            let levels = &mut self.codes[at..];
            codec.levels.unpack(code, levels);
            self.levels.extend(levels.iter().map(|&level| level.wrapping_sub(half_way) as i8));
            let sum = levels.iter().map(|&level| i32::from(level)).sum::<i32>();
            self.shifts.push(i32::from(last) * (sum - i32::from(half_way) * dims as i32) + i32::from(last / 2) * dims as i32);
            self.sums.push(sum);
            self.factors.push(match codec.metric {
                Metric::L2 => super::scorer::f32_at(code, codec.level_bytes()),
                Metric::Cosine | Metric::Dot => -codec.step * (kernels().dot_i8(&codec.centre, &self.levels[at..]) + half),
            });
        }
    }

    pub(crate) fn between(&mut self, codec: &Sq, one: u32, others: &[u32], out: &mut [f32]) {
        let (one, dims) = (one as usize, codec.dims());
        let codes = Strided::new(&self.codes, dims, self.factors.len());
        self.products.resize(out.len(), 0);
        kernels().gather_dot_u8_i8(&self.levels[one * dims..][..dims], codes, others, &mut self.products);
        let (base, shift) = (self.base + self.factors[one], self.shifts[one]);
        for ((out, &other), &product) in out.iter_mut().zip(others).zip(&self.products) {
            let (factor, sum) = (self.factors[other as usize], self.sums[other as usize]);
            *out = base + factor + self.slope * doubled(product, shift, sum) as f32;
        }
    }

    pub(crate) fn between_run(&mut self, codec: &Sq, one: u32, start: u32, out: &mut [f32]) {
        let (one, dims, start) = (one as usize, codec.dims(), start as usize);
        let codes = Strided::new(&self.codes, dims, self.factors.len());
        self.products.resize(out.len(), 0);
        kernels().scan_dot_u8_i8(&self.levels[one * dims..][..dims], codes, start, &mut self.products);
        let (base, shift) = (self.base + self.factors[one], self.shifts[one]);
        let others = self.factors[start..].iter().zip(&self.sums[start..]).zip(&self.products);
        for (out, ((&factor, &sum), &product)) in out.iter_mut().zip(others) {
            *out = base + factor + self.slope * doubled(product, shift, sum) as f32;
        }
    }
}

fn doubled(product: i32, shift: i32, sum: i32) -> i32 {
    product.wrapping_mul(2).wrapping_sub(shift).wrapping_add(sum)
}
