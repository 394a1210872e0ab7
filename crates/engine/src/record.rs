//! How one vector is stored, and what its exact distance is.
//!
//! A stored row is `values | scale` (the scale for i8 only), padded to four bytes: that is what files
//! hold. In memory a cosine row carries its inverse length behind that, and rows are padded to whole cache
//! lines where it costs little.

use kernels::kernels;

use crate::byte_rows::Bytes;
use crate::error::{Code, Error, Result};
use crate::options::Options;
use crate::types::{Metric, Precision};

/// Lengths outside this range are too close to the ends of f32 to divide by: such rows get no estimate and
/// are always verified.
const TRUSTED_LENGTH: std::ops::RangeInclusive<f64> = 1e-30..=1e30;

/// Shape of a stored row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    /// Numbers a row.
    pub dims: usize,
    /// What distance means.
    pub metric: Metric,
    /// How numbers are stored.
    pub precision: Precision,
}

impl Format {
    /// The format that `options` ask for.
    pub fn of(options: &Options) -> Self {
        Self { dims: options.dimensions, metric: options.metric, precision: options.precision }
    }

    fn value_bytes(&self) -> usize {
        match self.precision {
            Precision::F32 => self.dims * 4,
            Precision::F16 => self.dims * 2,
            Precision::I8 => self.dims,
        }
    }

    /// Where an i8 row's scale lies.
    pub fn scale_at(&self) -> usize {
        self.value_bytes().next_multiple_of(4)
    }

    /// Bytes of a stored row: what files hold.
    pub fn stored_bytes(&self) -> usize {
        self.scale_at() + if self.precision == Precision::I8 { 4 } else { 0 }
    }

    /// Where a row in memory keeps its inverse length (cosine only).
    pub fn inverse_at(&self) -> usize {
        self.stored_bytes()
    }

    /// Bytes of a row in memory: whole cache lines, unless that would cost more than an eighth.
    pub fn memory_stride(&self) -> usize {
        let bytes = self.stored_bytes() + if self.metric == Metric::Cosine { 4 } else { 0 };
        let lines = bytes.next_multiple_of(64);
        if lines - bytes <= bytes / 8 { lines } else { bytes.next_multiple_of(16) }
    }

    /// Writes a vector as a stored row to the front of `out`. Errors name `row` of the caller's batch.
    pub fn encode(&self, vector: &[f32], row: usize, out: &mut [u8]) -> Result<()> {
        match self.precision {
            Precision::F32 => {
                for (bytes, value) in out.chunks_exact_mut(4).zip(vector) {
                    bytes.copy_from_slice(&value.to_le_bytes());
                }
            }
            Precision::F16 => self.encode_f16(vector, row, out)?,
            Precision::I8 => self.encode_i8(vector, out),
        }
        Ok(())
    }

    fn encode_f16(&self, vector: &[f32], row: usize, out: &mut [u8]) -> Result<()> {
        for (at, (bytes, &value)) in out.chunks_exact_mut(2).zip(vector).enumerate() {
            let half = half::f16::from_f32(value);
            if half.is_infinite() {
                let message = format!("vector {row}: {value} at position {at} is too large for precision 'f16' (at most 65504)");
                return Err(Error::new(Code::NotFinite, message));
            }
            bytes.copy_from_slice(&half.to_le_bytes());
        }
        Ok(())
    }

    fn encode_i8(&self, vector: &[f32], out: &mut [u8]) {
        let largest = vector.iter().fold(0f32, |most, value| most.max(value.abs()));
        let scale = coarse_scale(largest);
        for (byte, &value) in out.iter_mut().zip(vector) {
            let code = if scale > 0.0 { (f64::from(value) / f64::from(scale)).round().clamp(-127.0, 127.0) } else { 0.0 };
            *byte = (code as i8) as u8;
        }
        out[self.scale_at()..][..4].copy_from_slice(&scale.to_le_bytes());
    }

    /// The values of a stored row where they lie, if they can be used so; else decoded into `memory`.
    pub fn values<'a>(&self, stored: &'a [u8], memory: &'a mut Vec<f32>) -> &'a [f32] {
        let as_stored = self.precision == Precision::F32 && cfg!(target_endian = "little");
        if let (true, Ok(values)) = (as_stored, bytemuck::try_cast_slice(&stored[..self.value_bytes()])) {
            return values;
        }
        memory.resize(self.dims, 0.0);
        self.decode(stored, memory);
        memory
    }

    /// Reads a stored row: for f32 what went in, for f16 and i8 the decoded values.
    pub fn decode(&self, stored: &[u8], out: &mut [f32]) {
        match self.precision {
            Precision::F32 => {
                for (value, bytes) in out.iter_mut().zip(stored.chunks_exact(4)) {
                    *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                }
            }
            Precision::F16 => {
                for (value, bytes) in out.iter_mut().zip(stored.chunks_exact(2)) {
                    *value = half::f16::from_le_bytes([bytes[0], bytes[1]]).to_f32();
                }
            }
            Precision::I8 => {
                let scale = self.scale(stored);
                for (value, &byte) in out.iter_mut().zip(&stored[..self.dims]) {
                    *value = f32::from(byte as i8) * scale;
                }
            }
        }
    }

    /// Whether a stored row is one that `add` takes: of numbers, and for cosine not zero. It is decoded on the way.
    pub fn fits(&self, stored: &[u8], decoded: &mut [f32]) -> bool {
        self.decode(stored, decoded);
        let zero = self.metric == Metric::Cosine && decoded.iter().all(|&value| value == 0.0);
        !zero && decoded.iter().all(|value| value.is_finite())
    }

    fn scale(&self, stored: &[u8]) -> f32 {
        let at = self.scale_at();
        f32::from_le_bytes([stored[at], stored[at + 1], stored[at + 2], stored[at + 3]])
    }

    /// Completes a row in memory whose stored part is in place. Gives the length of the decoded vector.
    pub fn finish(&self, record: &mut [u8], decoded: &[f32]) -> f64 {
        let length = kernels().exact_dot_f32(decoded, decoded).sqrt();
        if self.metric == Metric::Cosine {
            let inverse = if TRUSTED_LENGTH.contains(&length) { (1.0 / length) as f32 } else { f32::NAN };
            record[self.inverse_at()..][..4].copy_from_slice(&inverse.to_le_bytes());
        }
        length
    }
}

/// The scale that brings `largest` to 127, with 16 significant bits and rounded up: its products with
/// codes of 8 bits are exact in f32, so that decoding loses nothing and estimates err as for f32 rows.
fn coarse_scale(largest: f32) -> f32 {
    if largest == 0.0 {
        return 0.0;
    }
    let scale = (f64::from(largest) / 127.0).max(f64::from(f32::MIN_POSITIVE));
    let bits = (scale as f32).next_up().to_bits();
    f32::from_bits((bits + 0xff) & !0xff)
}

/// A query and the exact distances from it to decoded rows, accumulated in f64.
pub struct Exact<'a> {
    metric: Metric,
    query: &'a [f32],
    /// Of the query, for cosine.
    length: f64,
}

impl<'a> Exact<'a> {
    /// For `query`, finite and of the right length.
    pub fn new(metric: Metric, query: &'a [f32]) -> Self {
        let length = if metric == Metric::Cosine { kernels().exact_dot_f32(query, query).sqrt() } else { 0.0 };
        Self { metric, query, length }
    }

    /// 1 - cos in [0, 2], 1 - dot, or squared L2.
    pub fn distance(&self, row: &[f32]) -> f64 {
        match self.metric {
            Metric::L2 => kernels().exact_l2_f32(self.query, row),
            Metric::Dot => 1.0 - kernels().exact_dot_f32(self.query, row),
            Metric::Cosine => self.cosine(kernels().exact_dot_f32(self.query, row), kernels().exact_dot_f32(row, row)),
        }
    }

    /// The same number of a row of bytes.
    pub fn distance_of_bytes(&self, row: Bytes<'_>) -> f64 {
        let dot = || match row {
            Bytes::Unsigned(row) => kernels().exact_dot_u8(self.query, row),
            Bytes::Signed(row) => kernels().exact_dot_i8(self.query, row),
        };
        match (self.metric, row) {
            (Metric::L2, Bytes::Unsigned(row)) => kernels().exact_l2_u8(self.query, row),
            (Metric::L2, Bytes::Signed(row)) => kernels().exact_l2_i8(self.query, row, 1.0),
            (Metric::Dot, _) => 1.0 - dot(),
            // A sum of whole numbers below 2^53 is the same in any order, and exact in f64.
            (Metric::Cosine, Bytes::Unsigned(row)) => {
                self.cosine(dot(), row.iter().map(|&x| u64::from(x).pow(2)).sum::<u64>() as f64)
            }
            (Metric::Cosine, Bytes::Signed(row)) => {
                self.cosine(dot(), row.iter().map(|&x| i64::from(x).pow(2)).sum::<i64>() as f64)
            }
        }
    }

    /// `square`: of the row's length.
    fn cosine(&self, dot: f64, square: f64) -> f64 {
        (1.0 - dot / (self.length * square.sqrt())).clamp(0.0, 2.0)
    }
}
