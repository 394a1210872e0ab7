//! Plain rows for tests, with distances worked out naively.

use kernels::Scorer;

use crate::Space;

/// Rows of `dims` floats under L2.
pub struct Plain {
    pub dims: usize,
    pub values: Vec<f32>,
}

impl Plain {
    /// `rows` seeded rows in clusters, so that neighbourhoods mean something.
    pub fn clustered(rows: usize, dims: usize, seed: u64) -> Self {
        let mut state = seed;
        let mut next = move || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32) / (1 << 24) as f32 - 0.5
        };
        let centres: Vec<f32> = (0..20 * dims).map(|_| next() * 3.0).collect();
        let values = (0..rows * dims).map(|at| centres[(at / dims % 20) * dims + at % dims] + next()).collect();
        Self { dims, values }
    }

    pub fn row(&self, row: u32) -> &[f32] {
        &self.values[row as usize * self.dims..][..self.dims]
    }

    pub fn rows(&self) -> u32 {
        (self.values.len() / self.dims) as u32
    }

    /// All rows by (f64 distance, row).
    pub fn ranking(&self, query: &[f32]) -> Vec<u32> {
        let distance = |row: &u32| -> f64 { query.iter().zip(self.row(*row)).map(|(a, b)| f64::from(a - b).powi(2)).sum() };
        let mut rows: Vec<u32> = (0..self.rows()).collect();
        rows.sort_by(|a, b| distance(a).total_cmp(&distance(b)).then(a.cmp(b)));
        rows
    }
}

pub struct PlainScorer<'a> {
    plain: &'a Plain,
    query: Vec<f32>,
    pub scored: usize,
}

impl Scorer for PlainScorer<'_> {
    fn score(&mut self, rows: &[u32], out: &mut [f32]) {
        assert_eq!(rows.len(), out.len());
        self.scored += rows.len();
        for (out, &row) in out.iter_mut().zip(rows) {
            *out = self.query.iter().zip(self.plain.row(row)).map(|(a, b)| (a - b) * (a - b)).sum();
        }
    }

    fn score_range(&mut self, start: u32, out: &mut [f32]) {
        let rows: Vec<u32> = (start..start + out.len() as u32).collect();
        self.score(&rows, out);
    }
}

impl Plain {
    pub fn scorer_of(&self, query: &[f32]) -> PlainScorer<'_> {
        PlainScorer { plain: self, query: query.to_vec(), scored: 0 }
    }
}

impl Space for Plain {
    type Scorer<'a>
        = PlainScorer<'a>
    where
        Self: 'a;
    type Set = Vec<u32>;

    fn scorer(&self, row: u32) -> PlainScorer<'_> {
        self.scorer_of(self.row(row))
    }

    fn gather(&self, rows: &[u32], set: &mut Vec<u32>) {
        rows.clone_into(set);
    }

    fn between(&self, set: &mut Vec<u32>, one: u32, others: &[u32], out: &mut [f32]) {
        let others: Vec<u32> = others.iter().map(|&at| set[at as usize]).collect();
        self.scorer(set[one as usize]).score(&others, out);
    }
}
