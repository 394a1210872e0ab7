use crate::assign::assign_with;
use crate::kmeans::Members;
use crate::{Assigner, Centroids, KMeansOptions, Random, kmeans};
use rayon::prelude::*;
use task::{Aborted, Task};

/// Rows that the coarse centroids are found by, for each of them. Lists made with all rows found no more (images, text and GloVe, five seeds),
/// and took 1.2 to 1.5 times as long to build.
const COARSE_ROWS: usize = 256;

/// About `k` centroids of many rows in a fraction of [`kmeans`]'s time: the rows are clustered coarsely, and each of these
/// clusters is clustered by itself, into a share of `k` that goes with its size.
///
/// Every row is compared with some `2 * sqrt(k)` centroids a round and not with `k`. What is lost is that rows at the border of
/// a coarse cluster belong to the wrong side: a few per cent of the squared error. `counts` are those of the rows given.
///
/// # Errors
/// [`Aborted`] once `task` is cancelled, within one block of rows.
///
/// # Panics
/// If `data` is not `n` x `d`, or `d` or `k` is 0.
pub fn kmeans_two_level(
    data: &[f32],
    n: usize,
    d: usize,
    k: usize,
    seed: u64,
    options: KMeansOptions,
    task: &Task,
) -> Result<Centroids, Aborted> {
    assert!(d > 0 && k > 0 && data.len() == n * d, "data is not n x d");
    let coarse = (k as f64).sqrt().ceil() as usize;
    if coarse < 4 || n < 4 * k {
        return kmeans(data, n, d, k, seed, options, task);
    }
    let chosen = Random::stream(seed, 0).choose(n, coarse * COARSE_ROWS);
    let some = gather(data, d, &chosen);
    let top = kmeans(&some, chosen.len(), d, coarse, seed, options, task)?;
    drop(some);
    let mut labels = vec![0; n];
    assign_with(&Assigner::new(&top.centroids, coarse, d), data, &mut labels, task)?;
    let members = Members::new(&labels, coarse);
    let sizes: Vec<usize> = (0..coarse).map(|c| members.of(c).len()).collect();
    let found: Result<Vec<Centroids>, Aborted> = shares(&sizes, k)
        .into_par_iter()
        .enumerate()
        .filter(|&(_, share)| share > 0)
        .map(|(c, share)| {
            let rows = members.of(c);
            let part = gather(data, d, rows);
            let seed = Random::stream(seed, c as u64 + 1).next_u64();
            kmeans(&part, rows.len(), d, share, seed, options, task)
        })
        .collect();
    let found = found?;
    Ok(Centroids {
        k,
        d,
        centroids: found.iter().flat_map(|part| &part.centroids).copied().collect(),
        counts: found.iter().flat_map(|part| &part.counts).copied().collect(),
    })
}

fn gather(data: &[f32], d: usize, rows: &[u32]) -> Vec<f32> {
    rows.iter().flat_map(|&row| &data[row as usize * d..][..d]).copied().collect()
}

/// `k` as a sum of numbers that go with `sizes`, each at most its size (D'Hondt's way of rounding). The sizes add up to `k`
/// or more.
fn shares(sizes: &[usize], k: usize) -> Vec<usize> {
    let total: usize = sizes.iter().sum();
    let mut shares: Vec<usize> = sizes.iter().map(|&size| size * k / total).collect();
    let left = k - shares.iter().sum::<usize>();
    for _ in 0..left {
        let quotient = |c: &usize| sizes[*c] as f64 / (shares[*c] + 1) as f64;
        let open = (0..sizes.len()).filter(|&c| shares[c] < sizes[c]);
        // The first of equals.
        let next = open.max_by(|a, b| quotient(a).total_cmp(&quotient(b)).then(b.cmp(a)));
        if let Some(next) = next {
            shares[next] += 1;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn shares_add_up_and_go_with_the_sizes() {
        for (sizes, k) in
            [(vec![10, 20, 30], 6), (vec![1, 0, 99], 10), (vec![5, 5, 5], 7), (vec![3, 4], 7), (vec![1, 1, 1, 97], 50)]
        {
            let shares = shares(&sizes, k);
            assert_eq!(shares.iter().sum::<usize>(), k, "{sizes:?}");
            let total: usize = sizes.iter().sum();
            for (share, &size) in shares.iter().zip(&sizes) {
                let fair = size as f64 * k as f64 / total as f64;
                assert!(*share <= size && *share as f64 >= fair.floor() && (*share as f64) < fair + 2.0, "{sizes:?}: {shares:?}");
            }
        }
    }
}
