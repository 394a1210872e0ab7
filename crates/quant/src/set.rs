//! Code rows compared with one another, as building a graph does.

use kernels::{Metric, Strided, kernels};

use crate::Codec;
use crate::rabitq::RabitqSet;
use crate::sq::SqSet;

/// Code rows brought together to be compared; reused from one set to the next.
#[derive(Default)]
pub struct CodeSet {
    /// Decoded rows, where that is what is compared.
    values: Vec<f32>,
    /// Codes, where they are compared as they are.
    rabitq: RabitqSet,
    sq: SqSet,
}

impl Codec {
    /// Brings `codes` together.
    ///
    /// # Panics
    /// If a code is not of [`code_bytes`](Self::code_bytes).
    pub fn gather<'a>(&self, codes: impl ExactSizeIterator<Item = &'a [u8]>, set: &mut CodeSet) {
        match self {
            Self::Rabitq(codec) => return set.rabitq.gather(codec, codes),
            Self::Sq(codec) => return set.sq.gather(codec, codes),
            Self::Binary(_) | Self::Pq(_) => {}
        }
        set.values.resize(codes.len() * self.dims(), 0.0);
        for (code, values) in codes.zip(set.values.chunks_exact_mut(self.dims())) {
            self.expand(code, values);
        }
    }

    /// The place of the one of `codes` that is nearest to all of them together; 0 where there is none.
    ///
    /// # Panics
    /// If a code is not of [`code_bytes`](Self::code_bytes).
    pub fn middle<'a>(&self, codes: impl ExactSizeIterator<Item = &'a [u8]>) -> usize {
        let places: Vec<u32> = (0..codes.len() as u32).collect();
        let (mut set, mut distances) = (CodeSet::default(), vec![0.0; places.len()]);
        self.gather(codes, &mut set);
        let mut sum = |one| {
            self.between(&mut set, one, &places, &mut distances);
            distances.iter().sum::<f32>()
        };
        let sums = places.iter().map(|&one| (sum(one), one as usize));
        sums.min_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |(_, place)| place)
    }

    /// Estimated distances between the row at place `one` of the set and those at the places `others`.
    ///
    /// # Panics
    /// If there are no such places, or `out` is not as long as `others`.
    pub fn between(&self, set: &mut CodeSet, one: u32, others: &[u32], out: &mut [f32]) {
        match self {
            Self::Rabitq(codec) => return set.rabitq.between(codec, one, others, out),
            Self::Sq(codec) => return set.sq.between(codec, one, others, out),
            Self::Binary(_) | Self::Pq(_) => {}
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

    /// The same to the places from `start` on, as many as `out` is long.
    ///
    /// # Panics
    /// If there are no such places.
    pub fn between_run(&self, set: &mut CodeSet, one: u32, start: u32, out: &mut [f32]) {
        match self {
            Self::Rabitq(codec) => return set.rabitq.between_run(codec, one, start, out),
            Self::Sq(codec) => return set.sq.between_run(codec, one, start, out),
            Self::Binary(_) | Self::Pq(_) => {}
        }
        let dims = self.dims();
        let rows = Strided::new(bytemuck::cast_slice(&set.values), dims * size_of::<f32>(), set.values.len() / dims);
        let one = &set.values[one as usize * dims..][..dims];
        if self.metric() == Metric::L2 {
            kernels().scan_l2_f32(one, rows, start as usize, out);
        } else {
            kernels().scan_dot_f32(one, rows, start as usize, out);
            out.iter_mut().for_each(|distance| *distance = 1.0 - *distance);
        }
    }
}
