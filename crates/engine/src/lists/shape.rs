//! Centroids, and what rows are encoded by beside them.

use cluster::{Assigner, Centroids, KMeansOptions, Random, Scratch, assign, kmeans_two_level};
use coarse::ivf::nearest_lists;
use kernels::{Metric, Strided};
use quant::{Codec, CodecSpec, Residual, ResidualScratch};
use task::{Aborted, Task};

use super::part::Coded;
use crate::dense::to_unit;
use crate::options::Options;
use crate::state::Plan;
use crate::types::{Coarse, Codes};

/// Rounds of k-means for the centroids; more make no list better (measured on GloVe and SIFT).
const ITERATIONS: usize = 10;
/// Rows of the sample for every list.
const ROWS_A_LIST: usize = 64;
/// Fewer rows are compared one by one.
const LEAST_ROWS: usize = 2048;
/// The same where the number of lists is given: every word of the codes has 16 rows to be trained on.
const LEAST_NAMED: usize = 256;
/// Values of the sample at most: 256 MiB.
const SAMPLE_VALUES: usize = 1 << 26;
/// Dimensions that share half a byte. Two keep 0.96 of the ten nearest among the best 80 of GloVe's 336,000.
const WIDTH: usize = 2;

/// What lists are made by. Trained once, never changed.
///
/// A row is in one list. In two, the second across its residual in the first (SOAR: Sun, Simcha, Dopson, Guo & Kumar, NeurIPS 2023), fewer
/// rows are scanned for the nearest to be among them (GloVe 3 to 18 % fewer, MiniLM's text 35 to 50 %, images none), but codes of the longer
/// second residuals rank them worse, and what is met twice has to be told: recall 0.90 / 0.98 took 33.4 / 77.9 us a query on GloVe, and 26.0 /
/// 59.5 without, images 24.3 / 40.2 and 25.6 / 34.1. Text took 26.0 / 63.7, and 31.7 / 83.9 without, but there graphs take half of that.
pub struct Shape {
    pub(super) metric: Metric,
    pub(super) dims: usize,
    /// `lists` x `dims`, at unit length where the metric is cosine.
    pub(super) centroids: Vec<f32>,
    /// The centroids once more, to be compared with a query fast.
    coarse: Codec,
    coarse_codes: Vec<u8>,
    /// What rows are encoded by; `None` where lists hold rows alone.
    pub(super) residual: Option<Residual>,
    pub(super) seed: u64,
    /// Rows that were there when it was trained.
    pub trained_rows: u32,
    /// Rows of the sample; 0 where it was read from a file.
    pub sample_rows: u32,
}

impl Shape {
    /// How many lists suit so many rows. Twice as many take longer for the same recall: SIFT's million in 4,000 lists 416 us at 0.961 and in
    /// 2,000 lists 313 us at 0.977, GloVe's 336,000 in 2,320 and in 1,200 about a tenth more.
    pub fn lists_for(rows: usize) -> usize {
        (2.0 * (rows as f64).sqrt()) as usize
    }

    /// How many rows there must be before lists are trained.
    pub fn needed(lists: Option<usize>) -> usize {
        lists.map_or(LEAST_ROWS, |lists| (4 * lists).max(LEAST_NAMED))
    }

    /// Whether lists made by these options hold codes of their rows.
    pub fn is_encoded(options: &Options, plan: Plan) -> bool {
        options.coarse_of(plan) == Coarse::Ivf && options.codes == Codes::Auto
    }

    fn subspaces(dims: usize) -> usize {
        dims.div_ceil(WIDTH).min(Residual::MOST)
    }

    /// Bytes of such a code.
    pub fn code_bytes(dims: usize) -> usize {
        Self::subspaces(dims).div_ceil(2)
    }

    /// The rows of a sample for so many lists.
    pub fn sample(lists: usize, dims: usize) -> usize {
        (lists * ROWS_A_LIST).min(SAMPLE_VALUES / dims).max(lists)
    }

    /// Trains `lists` centroids on `rows`, and codes if `encoded`. On the threads of the current rayon pool.
    pub fn train(
        metric: Metric,
        dims: usize,
        lists: usize,
        encoded: bool,
        mut rows: Vec<f32>,
        seed: u64,
        task: &Task,
    ) -> Result<Self, Aborted> {
        prepare(metric, dims, &mut rows);
        let count = rows.len() / dims;
        task.report("train", 0, 1);
        let options = KMeansOptions { iterations: ITERATIONS };
        let mut found = kmeans_two_level(&rows, count, dims, lists, seed, options, task)?;
        // For cosine centroids are directions, and rows go with the nearest one: of GloVe's ten nearest, 19,000 rows in the
        // nearest lists hold 0.93 then, and 0.89 with centroids as short as the mean of their rows.
        prepare(metric, dims, &mut found.centroids);
        let residual = if encoded {
            let residuals = residuals(&rows, &found, seed, task)?;
            let seed = Random::stream(seed, 1).next_u64();
            Some(Residual::train(metric, dims, Self::subspaces(dims), &residuals, seed, task)?)
        } else {
            None
        };
        Self::of(metric, dims, found.centroids, residual, count as u32, seed, task)
    }

    pub(super) fn of(
        metric: Metric,
        dims: usize,
        centroids: Vec<f32>,
        residual: Option<Residual>,
        trained_rows: u32,
        seed: u64,
        task: &Task,
    ) -> Result<Self, Aborted> {
        let coarse = Codec::train(&CodecSpec::Sq8, metric, dims, &centroids, seed, task)?;
        let mut coarse_codes = vec![0; centroids.len() / dims * coarse.code_bytes()];
        coarse.encode(&centroids, &mut coarse_codes);
        Ok(Self { metric, dims, centroids, coarse, coarse_codes, residual, seed, trained_rows, sample_rows: 0 })
    }

    /// How many lists there are.
    pub fn lists(&self) -> usize {
        self.centroids.len() / self.dims
    }

    pub(super) fn centroid(&self, list: usize) -> &[f32] {
        &self.centroids[list * self.dims..][..self.dims]
    }

    /// The centroids, to be compared with many at a time.
    pub(super) fn rows(&self) -> Strided<'_> {
        Strided::new(bytemuck::cast_slice(&self.centroids), self.dims * size_of::<f32>(), self.lists())
    }

    /// The lists nearest to a prepared query.
    pub(super) fn nearest(&self, query: &[f32], count: usize) -> Vec<u32> {
        let codes = Strided::new(&self.coarse_codes, self.coarse.code_bytes(), self.lists());
        nearest_lists(&mut self.coarse.scorer(query, codes), self.lists(), count)
    }

    /// What `rows` (raw, `dims` values each) are by their codes; zeros without codes. On the calling thread.
    pub fn restored(&self, rows: &[f32], task: &Task) -> Result<Vec<f32>, Aborted> {
        let mut restored = vec![0.0; rows.len()];
        let Some(residual) = &self.residual else { return Ok(restored) };
        let mut coded: Vec<Coded> = (0..rows.len() / self.dims).map(|_| Coded { label: 0, term: 0.0 }).collect();
        let mut codes = vec![0; coded.len() * residual.subspaces()];
        let assigner = Assigner::new(&self.centroids, self.lists(), self.dims);
        task.check()?;
        self.put(&assigner, &mut rows.to_vec(), &mut coded, &mut codes, &mut Scratch::default());
        let codes = codes.chunks_exact(residual.subspaces());
        for ((row, coded), code) in restored.chunks_exact_mut(self.dims).zip(coded).zip(codes) {
            residual.decode(code, self.centroid(coded.label as usize), row);
        }
        Ok(restored)
    }

    /// Heap bytes held.
    pub fn memory(&self) -> usize {
        let words = self.residual.as_ref().map_or(0, Residual::memory);
        self.centroids.capacity() * size_of::<f32>() + self.coarse.memory() + self.coarse_codes.capacity() + words
    }
}

/// Some of `rows`, as many as it takes to train codes, less the centroids of their lists.
fn residuals(rows: &[f32], lists: &Centroids, seed: u64, task: &Task) -> Result<Vec<f32>, Aborted> {
    let dims = lists.d;
    let chosen = Random::stream(seed, 2).choose(rows.len() / dims, Residual::SAMPLE_ROWS);
    let mut residuals: Vec<f32> = chosen.iter().flat_map(|&row| &rows[row as usize * dims..][..dims]).copied().collect();
    let mut labels = vec![0; chosen.len()];
    assign(&residuals, chosen.len(), dims, lists, &mut labels, task)?;
    for (row, &label) in residuals.chunks_exact_mut(dims).zip(&labels) {
        let centroid = &lists.centroids[label as usize * dims..][..dims];
        row.iter_mut().zip(centroid).for_each(|(x, c)| *x -= c);
    }
    Ok(residuals)
}

/// Rows of unit length where the metric is cosine.
pub(super) fn prepare(metric: Metric, dims: usize, rows: &mut [f32]) {
    if metric == Metric::Cosine {
        rows.chunks_exact_mut(dims).for_each(to_unit);
    }
}

impl Shape {
    /// The list and the code of each of `rows`, raw ones, which it may change. On the calling thread.
    pub(super) fn put(
        &self,
        assigner: &Assigner,
        rows: &mut [f32],
        coded: &mut [Coded],
        codes: &mut [u8],
        scratch: &mut Scratch,
    ) {
        prepare(self.metric, self.dims, rows);
        assigner.nearest(rows, scratch, |at, label| coded[at].label = label);
        let Some(residual) = &self.residual else { return };
        let mut scratch = ResidualScratch::default();
        let codes = codes.chunks_exact_mut(residual.subspaces());
        for ((row, coded), code) in rows.chunks_exact(self.dims).zip(coded).zip(codes) {
            coded.term = residual.encode(row, self.centroid(coded.label as usize), &mut scratch, code);
        }
    }
}
