//! Scalar quantisation: one byte a dimension.

use crate::rows::{encode_blocks, prepared, sample};
use crate::wire_form::{finite, finite_row};
use kernels::{Kernels, Metric, Strided, kernels};
use rayon::prelude::*;
use task::{Aborted, Task};
use wire::{Reader, Writer};

/// Rows looked at when training: quantiles of so many are steady.
const SAMPLE_ROWS: usize = 8192;
/// Shares of the values of a dimension that training tries to cut off on either side.
const TRIMS: [f64; 5] = [0.0, 1e-4, 1e-3, 4e-3, 1e-2];
/// The middle of the 256 levels.
const MIDDLE: f32 = 127.5;

/// A centre for every dimension and one step for all: `value = centre + step * (code - 127.5)`.
///
/// One step keeps a product of codes an honest product of vectors, so a distance needs integers only; and for a given
/// squared error one step for all dimensions is what rate-distortion theory asks for.
///
/// A code row is `dims` bytes; under [`Metric::L2`] followed by the squared length of the decoded row from the centre (`f32`).
#[derive(Debug, Clone, PartialEq)]
pub struct Sq8 {
    metric: Metric,
    centre: Vec<f32>,
    step: f32,
}

impl Sq8 {
    /// Chooses the range (with its rare extremes cut off or not) that gives the least error on the sample.
    pub(crate) fn train(metric: Metric, dims: usize, rows: &[f32], seed: u64, task: &Task) -> Result<Self, Aborted> {
        let sample = sample(metric, dims, rows, SAMPLE_ROWS, seed);
        let n = sample.len() / dims;
        task.check()?;
        if n == 0 {
            return Ok(Self { metric, centre: vec![0.0; dims], step: 1.0 });
        }
        let limits: Vec<[(f32, f32); TRIMS.len()]> = (0..dims).into_par_iter().map(|j| trimmed(&sample, dims, j)).collect();
        let mut best: Option<(f64, Self)> = None;
        for trim in 0..TRIMS.len() {
            task.check()?;
            let candidate = Self::covering(metric, &limits, trim);
            let error = candidate.error(&sample);
            if best.as_ref().is_none_or(|(least, _)| error < *least) {
                best = Some((error, candidate));
            }
            task.report("train", trim as u64 + 1, TRIMS.len() as u64);
        }
        Ok(best.map(|(_, codec)| codec).expect("there is at least one trim"))
    }

    /// The codec whose step just covers the widest trimmed range; dimensions that fit whole are covered whole.
    fn covering(metric: Metric, limits: &[[(f32, f32); TRIMS.len()]], trim: usize) -> Self {
        let mut step = limits.iter().map(|l| step_over(l[trim])).fold(0.0, f32::max);
        if !step.is_normal() {
            // All rows are one: whatever comes later is likely to be of its size.
            let size = limits.iter().map(|l| l[0].1.abs()).fold(0.0, f32::max) / 255.0;
            step = if size.is_normal() { size } else { 1.0 };
        }
        let middle = |l: &[(f32, f32); TRIMS.len()]| {
            let (low, high) = if step_over(l[0]) <= step { l[0] } else { l[trim] };
            low * 0.5 + high * 0.5
        };
        Self { metric, centre: limits.iter().map(middle).collect(), step }
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
        ((x - centre) / self.step + MIDDLE).round() as u8
    }

    fn value(&self, level: u8, centre: f32) -> f32 {
        centre + self.step * (f32::from(level) - MIDDLE)
    }

    pub(crate) fn dims(&self) -> usize {
        self.centre.len()
    }

    pub(crate) fn metric(&self) -> Metric {
        self.metric
    }

    pub(crate) fn code_bytes(&self) -> usize {
        self.dims() + if self.metric == Metric::L2 { 4 } else { 0 }
    }

    pub(crate) fn encode(&self, rows: &[f32], out: &mut [u8]) {
        let dims = self.dims();
        encode_blocks(self.metric, dims, self.code_bytes(), rows, out, |rows, out| {
            for (row, out) in rows.chunks_exact(dims).zip(out.chunks_exact_mut(self.code_bytes())) {
                let (levels, factor) = out.split_at_mut(dims);
                for ((level, &x), &centre) in levels.iter_mut().zip(row).zip(&self.centre) {
                    *level = self.level(x, centre);
                }
                if self.metric == Metric::L2 {
                    factor.copy_from_slice(&self.square(levels).to_le_bytes());
                }
            }
        });
    }

    /// Squared length of the decoded row from the centre.
    fn square(&self, levels: &[u8]) -> f32 {
        // (2 * level - 255)^2 summed in integers is exact.
        let sum: u64 = levels.iter().map(|&level| (2 * i64::from(level) - 255).pow(2) as u64).sum();
        (sum as f64 * 0.25 * f64::from(self.step).powi(2)) as f32
    }

    pub(crate) fn decode(&self, code: &[u8], out: &mut [f32]) {
        for ((out, &level), &centre) in out.iter_mut().zip(code).zip(&self.centre) {
            *out = self.value(level, centre);
        }
    }

    pub(crate) fn memory(&self) -> usize {
        self.centre.capacity() * 4
    }

    pub(crate) fn query(&self, query: &[f32]) -> Sq8Query {
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
        let levels: Vec<i8> = values.iter().map(|q| (q / unit).round() as i8).collect();
        let sum: i64 = levels.iter().map(|&q| i64::from(q)).sum();
        let slope = factor * f64::from(self.step) * f64::from(unit);
        let base = base - slope * f64::from(MIDDLE) * sum as f64;
        let square_at = (self.metric == Metric::L2).then_some(self.dims());
        Sq8Query { kernels: kernels(), levels, base: base as f32, slope: slope as f32, square_at }
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.f32(self.step);
        w.f32s(&self.centre);
    }

    pub(crate) fn read(metric: Metric, dims: usize, r: &mut Reader) -> Result<Self, wire::Error> {
        let step = finite(r, "sq8 step")?;
        let centre = finite_row(r, dims, "sq8 centre")?;
        Ok(Self { metric, centre, step })
    }
}

/// The step whose 255 cover a range; the difference itself might overflow.
fn step_over((low, high): (f32, f32)) -> f32 {
    high / 255.0 - low / 255.0
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
pub(crate) struct Sq8Query {
    kernels: &'static Kernels,
    levels: Vec<i8>,
    base: f32,
    slope: f32,
    square_at: Option<usize>,
}

impl Sq8Query {
    pub(crate) fn score(&self, codes: Strided, rows: &[u32], out: &mut [f32]) {
        let mut products = [0; super::scorer::CHUNK];
        for (rows, out) in rows.chunks(products.len()).zip(out.chunks_mut(products.len())) {
            let products = &mut products[..rows.len()];
            self.kernels.gather_dot_u8_i8(&self.levels, codes, rows, products);
            self.finish(codes, |i| rows[i] as usize, products, out);
        }
    }

    pub(crate) fn score_range(&self, codes: Strided, start: u32, out: &mut [f32]) {
        let mut products = [0; super::scorer::CHUNK];
        let mut start = start as usize;
        for out in out.chunks_mut(products.len()) {
            let products = &mut products[..out.len()];
            self.kernels.scan_dot_u8_i8(&self.levels, codes, start, products);
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
