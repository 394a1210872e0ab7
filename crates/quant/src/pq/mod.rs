//! Product quantisation: a byte for every run of dimensions (Jégou, Douze, Schmid 2011), with or without a rotation
//! learned in front (OPQ: Ge, He, Ke, Sun 2013).

mod opq;
mod polar;
mod words;

#[cfg(test)]
mod tests;

use crate::rotation::Rotation;
use crate::rows::{encode_blocks, mean, prepared, sample};
use kernels::{Kernels, Metric, Strided, kernels};
use task::{Aborted, Task};
use wire::{Reader, Writer};
pub(crate) use words::span;
use words::{WORDS, Words};

/// Values of the training sample at most: bounds training's memory (twice 128 MiB) and time for wide rows.
const SAMPLE_VALUES: usize = 1 << 25;
/// Rows of the training sample at most: 256 for every word.
const SAMPLE_ROWS: usize = 1 << 16;
/// Rows of the training sample at least, where there are so many: 64 for every word.
const FEWEST_ROWS: usize = 1 << 14;
/// Rounds of k-means: from nothing, and after the rotation has been learned along with words.
const ITERATIONS: usize = 20;

/// 256 words in each of `bytes` sub-spaces; a code row is `bytes` bytes, the number of the nearest word in each.
#[derive(Debug, Clone, PartialEq)]
pub struct Pq {
    metric: Metric,
    rotation: Option<Rotation>,
    words: Words,
}

impl Pq {
    /// Rows of the training sample at most.
    pub(crate) fn sample_rows(dims: usize) -> usize {
        (SAMPLE_VALUES / dims).clamp(FEWEST_ROWS, SAMPLE_ROWS)
    }

    /// `bytes` of 1 to `dims`. A single sub-space is never rotated: that would change nothing.
    pub(crate) fn train(
        metric: Metric,
        dims: usize,
        bytes: usize,
        rotate: bool,
        rows: &[f32],
        seed: u64,
        task: &Task,
    ) -> Result<Self, Aborted> {
        task.check()?;
        let mut rows = sample(metric, dims, rows, Self::sample_rows(dims), seed);
        let mut words = Words::zeros(dims, bytes);
        if rows.is_empty() {
            return Ok(Self { metric, rotation: None, words });
        }
        // Around the mean the sums keep their digits. Words move by it afterwards, which the rotation allows.
        let mut centre = mean(&rows, dims);
        for row in rows.chunks_exact_mut(dims) {
            row.iter_mut().zip(&centre).for_each(|(x, &centre)| *x -= centre);
        }
        let rotation = if rotate && bytes > 1 {
            let rotation = opq::learn(&rows, &mut words, seed, task)?;
            task.check()?;
            let mut rotated = vec![0.0; rows.len()];
            opq::rotate(&rotation, dims, &rows, &mut rotated);
            words.refine(&rotated, ITERATIONS, "train", seed, task)?;
            centre = rotation.apply(&centre);
            Some(rotation)
        } else {
            words.learn(&rows, ITERATIONS, "train", seed, task)?;
            None
        };
        words.shift(&centre);
        Ok(Self { metric, rotation, words })
    }

    pub(crate) fn dims(&self) -> usize {
        self.words.dims()
    }

    pub(crate) fn metric(&self) -> Metric {
        self.metric
    }

    pub(crate) fn rotates(&self) -> bool {
        self.rotation.is_some()
    }

    pub(crate) fn code_bytes(&self) -> usize {
        self.words.bytes()
    }

    pub(crate) fn encode(&self, rows: &[f32], out: &mut [u8]) {
        encode_blocks(self.metric, self.dims(), self.code_bytes(), rows, out, |rows, out| match &self.rotation {
            None => self.words.encode(rows, out),
            Some(rotation) => {
                let mut rotated = vec![0.0; rows.len()];
                rotation.apply_many(rows, &mut rotated);
                self.words.encode(&rotated, out);
            }
        });
    }

    pub(crate) fn decode(&self, code: &[u8], out: &mut [f32]) {
        match &self.rotation {
            None => self.words.decode(code, out),
            Some(rotation) => {
                let mut rotated = vec![0.0; self.dims()];
                self.words.decode(code, &mut rotated);
                rotation.invert(&rotated, out);
            }
        }
    }

    pub(crate) fn memory(&self) -> usize {
        self.words.memory() + self.rotation.as_ref().map_or(0, Rotation::memory)
    }

    pub(crate) fn query(&self, query: &[f32]) -> PqQuery {
        let prepared = prepared(self.metric, self.dims(), query);
        match &self.rotation {
            None => self.query_turned(&prepared),
            Some(rotation) => self.query_turned(&rotation.apply(&prepared)),
        }
    }

    /// The values that a code stands for, before the rotation is undone: it changes no distance between two of them.
    pub(crate) fn expand(&self, code: &[u8], out: &mut [f32]) {
        self.words.decode(code, out);
    }

    /// A query that is prepared and rotated already.
    pub(crate) fn query_turned(&self, query: &[f32]) -> PqQuery {
        let kernels = kernels();
        let mut table = vec![0.0; self.code_bytes() * WORDS];
        for (s, out) in table.chunks_exact_mut(WORDS).enumerate() {
            let (part, words) = (&query[self.words.span(s)], self.words.table(s));
            match self.metric {
                Metric::Cosine | Metric::Dot => kernels.table_dot(part, words, WORDS, out),
                Metric::L2 => kernels.table_l2(part, words, WORDS, out),
            }
        }
        PqQuery { kernels, table, bytes: self.code_bytes(), product: self.metric != Metric::L2 }
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.u32(self.code_bytes() as u32);
        w.f32s(self.words.values());
        w.bool(self.rotation.is_some());
        if let Some(rotation) = &self.rotation {
            rotation.write(w);
        }
    }

    pub(crate) fn read(metric: Metric, dims: usize, r: &mut Reader) -> Result<Self, wire::Error> {
        let bytes = r.u32()? as usize;
        if bytes == 0 || bytes > dims {
            return Err(r.error(format!("pq of {bytes} bytes for {dims} dimensions")));
        }
        let words = Words::read(dims, bytes, r)?;
        let rotation = if r.bool()? { Some(Rotation::read(dims, r)?) } else { None };
        Ok(Self { metric, rotation, words })
    }
}

/// A query as a table of its distances to (or products with) every word: `bytes` x 256.
pub(crate) struct PqQuery {
    kernels: &'static Kernels,
    table: Vec<f32>,
    bytes: usize,
    /// The table holds products: a distance is 1 less their sum.
    product: bool,
}

impl PqQuery {
    pub(crate) fn score(&self, codes: Strided, rows: &[u32], out: &mut [f32]) {
        self.kernels.gather_adc(&self.table, self.bytes, codes, rows, out);
        self.finish(out);
    }

    pub(crate) fn score_range(&self, codes: Strided, start: u32, out: &mut [f32]) {
        self.kernels.scan_adc(&self.table, self.bytes, codes, start as usize, out);
        self.finish(out);
    }

    fn finish(&self, out: &mut [f32]) {
        if self.product {
            out.iter_mut().for_each(|out| *out = 1.0 - *out);
        }
    }
}
