//! Binary quantisation: one bit a dimension.

use crate::rows::{encode_blocks, mean, prepared, sample};
use crate::scorer::{CHUNK, f32_at};
use crate::wire_form::finite_row;
use kernels::{Kernels, Metric, Strided, kernels};
use task::{Aborted, Task};
use wire::{Reader, Writer};

/// Rows averaged for the centre.
pub(crate) const SAMPLE_ROWS: usize = 1 << 16;
/// Planes of the query: its values have 4 bits.
const PLANES: usize = 4;
/// Factors of a code row after its bits: the scale (`f32`) and the number of ones (`u16`).
const FACTORS: usize = 6;

/// The signs of a row around a centre, with the row's own scale: `value = centre + scale` where the bit is 1,
/// `centre - scale` where it is 0. The scale `mean |x - centre|` is the one of least squared error.
///
/// A code row is `dims` bits (lowest bit of the first byte first, unused bits zero), the scale (`f32`), and the number
/// of ones (`u16`). The query keeps 4 bits a dimension, so that scores are estimates of an asymmetric distance.
#[derive(Debug, Clone, PartialEq)]
pub struct Binary {
    metric: Metric,
    centre: Vec<f32>,
}

impl Binary {
    /// The centre is the mean of the sample.
    pub(crate) fn train(metric: Metric, dims: usize, rows: &[f32], seed: u64, task: &Task) -> Result<Self, Aborted> {
        task.check()?;
        let sample = sample(metric, dims, rows, SAMPLE_ROWS, seed);
        task.report("train", 1, 1);
        Ok(Self { metric, centre: mean(&sample, dims) })
    }

    pub(crate) fn dims(&self) -> usize {
        self.centre.len()
    }

    pub(crate) fn metric(&self) -> Metric {
        self.metric
    }

    fn bit_bytes(&self) -> usize {
        self.dims().div_ceil(8)
    }

    pub(crate) fn code_bytes(&self) -> usize {
        self.bit_bytes() + FACTORS
    }

    pub(crate) fn encode(&self, rows: &[f32], out: &mut [u8]) {
        let (dims, code_bytes) = (self.dims(), self.code_bytes());
        encode_blocks(self.metric, dims, code_bytes, rows, out, |rows, out| {
            for (row, out) in rows.chunks_exact(dims).zip(out.chunks_exact_mut(code_bytes)) {
                self.encode_row(row, out);
            }
        });
    }

    fn encode_row(&self, row: &[f32], out: &mut [u8]) {
        let (bits, factors) = out.split_at_mut(self.bit_bytes());
        bits.fill(0);
        let (mut sum, mut ones) = (0f64, 0u16);
        for (j, (&x, &centre)) in row.iter().zip(&self.centre).enumerate() {
            let off = x - centre;
            sum += f64::from(off.abs());
            if off >= 0.0 {
                bits[j / 8] |= 1 << (j % 8);
                ones += 1;
            }
        }
        let scale = (sum / self.dims() as f64) as f32;
        factors[..4].copy_from_slice(&scale.to_le_bytes());
        factors[4..].copy_from_slice(&ones.to_le_bytes());
    }

    pub(crate) fn decode(&self, code: &[u8], out: &mut [f32]) {
        let scale = f32_at(code, self.bit_bytes());
        for (j, (out, &centre)) in out.iter_mut().zip(&self.centre).enumerate() {
            *out = centre + if code[j / 8] >> (j % 8) & 1 == 1 { scale } else { -scale };
        }
    }

    pub(crate) fn memory(&self) -> usize {
        self.centre.capacity() * 4
    }

    pub(crate) fn query(&self, query: &[f32]) -> BinaryQuery {
        let mut values = prepared(self.metric, self.dims(), query);
        let (base, slope, square) = match self.metric {
            Metric::Cosine | Metric::Dot => {
                let dot: f64 = values.iter().zip(&self.centre).map(|(&q, &c)| f64::from(q) * f64::from(c)).sum();
                (1.0 - dot, -1.0, 0.0)
            }
            Metric::L2 => {
                values.iter_mut().zip(&self.centre).for_each(|(q, &c)| *q -= c);
                (values.iter().map(|&q| f64::from(q) * f64::from(q)).sum(), -2.0, self.dims() as f32)
            }
        };
        let low = values.iter().copied().fold(f32::INFINITY, f32::min);
        let high = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let unit = if high > low { (high - low) / 15.0 } else { 1.0 };
        let mut planes = vec![0; PLANES * self.bit_bytes()];
        for (j, &q) in values.iter().enumerate() {
            let level = ((q - low) / unit).round() as u8;
            for plane in 0..PLANES {
                planes[plane * self.bit_bytes() + j / 8] |= (level >> plane & 1) << (j % 8);
            }
        }
        let sum: f64 = values.iter().map(|&q| f64::from(q)).sum();
        BinaryQuery {
            kernels: kernels(),
            planes,
            bit_bytes: self.bit_bytes(),
            low,
            unit,
            sum: sum as f32,
            base: base as f32,
            slope,
            square,
        }
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.f32s(&self.centre);
    }

    pub(crate) fn read(metric: Metric, dims: usize, r: &mut Reader) -> Result<Self, wire::Error> {
        Ok(Self { metric, centre: finite_row(r, dims, "binary centre")? })
    }
}

/// A query of 4 bits a dimension. With `s` the signs of a row, `q . s = 2 (low * ones + unit * S) - sum`, where `S` is
/// the weighted count of common ones; then `distance = base + slope * scale * (q . s) + square * scale^2`.
pub(crate) struct BinaryQuery {
    kernels: &'static Kernels,
    planes: Vec<u8>,
    bit_bytes: usize,
    low: f32,
    unit: f32,
    sum: f32,
    base: f32,
    slope: f32,
    square: f32,
}

impl BinaryQuery {
    pub(crate) fn score(&self, codes: Strided, rows: &[u32], out: &mut [f32]) {
        let mut counts = [0; CHUNK];
        for (rows, out) in rows.chunks(CHUNK).zip(out.chunks_mut(CHUNK)) {
            let counts = &mut counts[..rows.len()];
            self.kernels.gather_and_popcount4(&self.planes, self.bit_bytes, codes, rows, counts);
            for ((out, &count), &row) in out.iter_mut().zip(&*counts).zip(rows) {
                *out = self.distance(codes.row(row as usize), count);
            }
        }
    }

    pub(crate) fn score_range(&self, codes: Strided, start: u32, out: &mut [f32]) {
        let mut counts = [0; CHUNK];
        let mut start = start as usize;
        for out in out.chunks_mut(CHUNK) {
            let counts = &mut counts[..out.len()];
            self.kernels.scan_and_popcount4(&self.planes, self.bit_bytes, codes, start, counts);
            for (i, (out, &count)) in out.iter_mut().zip(&*counts).enumerate() {
                *out = self.distance(codes.row(start + i), count);
            }
            start += out.len();
        }
    }

    fn distance(&self, row: &[u8], count: u32) -> f32 {
        let at = self.bit_bytes;
        let scale = f32_at(row, at);
        let ones = f32::from(u16::from_le_bytes([row[at + 4], row[at + 5]]));
        let product = 2.0 * (self.low * ones + self.unit * count as f32) - self.sum;
        self.base + scale * (self.slope * product + self.square * scale)
    }
}
