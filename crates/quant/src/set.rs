//! Code rows compared with one another, as building a graph does.

use kernels::{Metric, Strided, kernels};

use crate::{Codec, Rabitq};

/// Code rows brought together to be compared; reused from one set to the next.
#[derive(Default)]
pub struct CodeSet {
    /// Decoded rows, where that is what is compared.
    values: Vec<f32>,
    /// Codes, where they are compared as they are.
    codes: Vec<u8>,
}

impl Codec {
    /// Brings `codes` together.
    ///
    /// # Panics
    /// If a code is not of [`code_bytes`](Self::code_bytes).
    pub fn gather<'a>(&self, codes: impl ExactSizeIterator<Item = &'a [u8]>, set: &mut CodeSet) {
        if let Self::Rabitq(_) = self {
            set.codes.clear();
            codes.for_each(|code| set.codes.extend_from_slice(code));
            return;
        }
        set.values.resize(codes.len() * self.dims(), 0.0);
        for (code, values) in codes.zip(set.values.chunks_exact_mut(self.dims())) {
            self.expand(code, values);
        }
    }

    /// Estimated distances between the row at place `one` of the set and those at the places `others`.
    ///
    /// # Panics
    /// If there are no such places, or `out` is not as long as `others`.
    pub fn between(&self, set: &CodeSet, one: u32, others: &[u32], out: &mut [f32]) {
        if let Self::Rabitq(codec) = self {
            return between_codes(codec, &set.codes, one, others, out);
        }
        let dims = self.dims();
        let rows = Strided::new(bytemuck::cast_slice(&set.values), dims * size_of::<f32>(), set.values.len() / dims);
        let one = &set.values[one as usize * dims..][..dims];
        if self.metric() == Metric::L2 {
            kernels().gather_l2_f32(one, rows, others, out);
        } else {
            // Cosine's codes stand for rows of unit length.
            kernels().gather_dot_f32(one, rows, others, out);
            out.iter_mut().for_each(|distance| *distance = 1.0 - *distance);
        }
    }
}

fn between_codes(codec: &Rabitq, codes: &[u8], one: u32, others: &[u32], out: &mut [f32]) {
    let width = codec.code_bytes();
    let rows = Strided::new(codes, width, codes.len() / width);
    codec.query_of_code(rows.row(one as usize)).score(rows, others, out);
}
