use crate::Random;
use crate::assign::{Assigner, assign_with};
use rayon::prelude::*;
use task::{Aborted, Task};

/// How to cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KMeansOptions {
    /// Rounds of assignment and update at most; it stops earlier when no row changes its cluster. Default 20.
    pub iterations: usize,
}

impl Default for KMeansOptions {
    fn default() -> Self {
        Self { iterations: 20 }
    }
}

/// `k` centroids of `d` values.
#[derive(Debug, Clone, PartialEq)]
pub struct Centroids {
    /// How many.
    pub k: usize,
    /// Values of each.
    pub d: usize,
    /// `k` x `d`, row-major.
    pub centroids: Vec<f32>,
    /// How many rows each had when rows were last assigned.
    pub counts: Vec<u32>,
}

/// Lloyd's k-means (squared L2) over `n` rows of `d` values, from `k` seeded random rows.
///
/// A cluster that loses all rows starts again at a row that is far from its own centroid. With fewer rows than `k` the
/// centroids repeat rows; with none they are zero. `d` and `k` are at least 1.
///
/// # Errors
/// [`Aborted`] once `task` is cancelled, within one block of rows.
pub fn kmeans(
    data: &[f32],
    n: usize,
    d: usize,
    k: usize,
    seed: u64,
    options: KMeansOptions,
    task: &Task,
) -> Result<Centroids, Aborted> {
    assert!(d > 0 && k > 0 && data.len() == n * d, "data is not n x d");
    let mut random = Random::new(seed);
    let mut found = Centroids { k, d, centroids: first_centroids(data, n, d, k, &mut random), counts: vec![0; k] };
    refine(data, n, &mut found, random.next_u64(), options, task)?;
    Ok(found)
}

/// Random distinct rows; all of them again and again when there are fewer than `k`.
fn first_centroids(data: &[f32], n: usize, d: usize, k: usize, random: &mut Random) -> Vec<f32> {
    let mut centroids = vec![0.0; k * d];
    let chosen = random.choose(n, k);
    if !chosen.is_empty() {
        for (c, centroid) in centroids.chunks_exact_mut(d).enumerate() {
            let row = chosen[c % chosen.len()] as usize;
            centroid.copy_from_slice(&data[row * d..][..d]);
        }
    }
    centroids
}

/// Goes on from given centroids: see [`kmeans`]. `seed` chooses the rows at which empty clusters start again.
///
/// # Errors
/// [`Aborted`] once `task` is cancelled; the centroids are then those of some earlier round.
pub fn refine(
    data: &[f32],
    n: usize,
    centroids: &mut Centroids,
    seed: u64,
    options: KMeansOptions,
    task: &Task,
) -> Result<(), Aborted> {
    let (k, d) = (centroids.k, centroids.d);
    assert!(data.len() == n * d && centroids.centroids.len() == k * d, "rows and centroids differ in shape");
    let mut random = Random::new(seed);
    let mut labels = vec![0; n];
    let mut before = vec![u32::MAX; n];
    for _ in 0..options.iterations {
        task.check()?;
        assign_with(&Assigner::new(&centroids.centroids, k, d), data, &mut labels, task)?;
        let members = Members::new(&labels, k);
        centroids.counts.clear();
        centroids.counts.extend((0..k).map(|c| members.of(c).len() as u32));
        if labels == before {
            break;
        }
        members.move_centroids(data, d, &mut centroids.centroids);
        restart_empty(data, &labels, centroids, &mut random);
        std::mem::swap(&mut labels, &mut before);
    }
    Ok(())
}

/// The rows of every cluster, in row order: sums over them do not depend on who computes them.
pub(crate) struct Members {
    starts: Vec<usize>,
    rows: Vec<u32>,
}

impl Members {
    /// A counting sort of the rows by label.
    pub(crate) fn new(labels: &[u32], k: usize) -> Self {
        let mut starts = vec![0; k + 1];
        for &label in labels {
            starts[label as usize + 1] += 1;
        }
        for c in 0..k {
            starts[c + 1] += starts[c];
        }
        let mut next = starts.clone();
        let mut rows = vec![0; labels.len()];
        for (row, &label) in labels.iter().enumerate() {
            let at = &mut next[label as usize];
            rows[*at] = row as u32;
            *at += 1;
        }
        Self { starts, rows }
    }

    pub(crate) fn of(&self, c: usize) -> &[u32] {
        &self.rows[self.starts[c]..self.starts[c + 1]]
    }

    /// Every centroid with rows goes to their mean.
    fn move_centroids(&self, data: &[f32], d: usize, centroids: &mut [f32]) {
        let mean_of = |sum: &mut Vec<f64>, (c, centroid): (usize, &mut [f32])| {
            let rows = self.of(c);
            if rows.is_empty() {
                return;
            }
            sum.clear();
            sum.resize(d, 0.0);
            for &row in rows {
                let row = &data[row as usize * d..][..d];
                sum.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
            }
            let share = 1.0 / rows.len() as f64;
            centroid.iter_mut().zip(&*sum).for_each(|(c, sum)| *c = (sum * share) as f32);
        };
        centroids.par_chunks_exact_mut(d).enumerate().with_min_len(16).for_each_init(Vec::new, mean_of);
    }
}

/// Every centroid without rows goes to a row drawn with a chance in proportion to its squared distance from its own
/// centroid, as k-means++ draws (Arthur, Vassilvitskii 2007): where many rows are alike, the rare others are found.
fn restart_empty(data: &[f32], labels: &[u32], centroids: &mut Centroids, random: &mut Random) {
    let d = centroids.d;
    let empty: Vec<usize> = (0..centroids.k).filter(|&c| centroids.counts[c] == 0).collect();
    if empty.is_empty() {
        return;
    }
    let square = |(row, &label): (&[f32], &u32)| {
        let centroid = &centroids.centroids[label as usize * d..][..d];
        row.iter().zip(centroid).map(|(&x, &c)| f64::from(x - c).powi(2)).sum::<f64>()
    };
    let mut sums: Vec<f64> = data.par_chunks_exact(d).zip(labels).with_min_len(1024).map(square).collect();
    let mut total = 0.0;
    for sum in &mut sums {
        total += *sum;
        *sum = total;
    }
    // Without any distance every row has its centroid already, and there is nothing to gain.
    if !(total > 0.0 && total.is_finite()) {
        return;
    }
    for c in empty {
        let drawn = random.unit() * total;
        let row = sums.partition_point(|&sum| sum <= drawn).min(labels.len() - 1);
        centroids.centroids[c * d..][..d].copy_from_slice(&data[row * d..][..d]);
    }
}
