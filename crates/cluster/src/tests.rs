use crate::matrix::{par_gram, par_product, par_product_tn, product};
use crate::{Assigner, Centroids, KMeansOptions, Random, Scratch, assign, kmeans, kmeans_two_level, refine, transpose};
use task::{Aborted, Cancel, Task};

/// Normal-ish values: sums of uniform ones.
fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..count).map(|_| ((0..4).map(|_| random.unit()).sum::<f64>() - 2.0) as f32).collect()
}

fn square(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum()
}

/// Squared distance of `row` to the nearest of `centroids`.
fn least(row: &[f32], centroids: &[f32]) -> f64 {
    centroids.chunks_exact(row.len()).map(|c| square(row, c)).fold(f64::INFINITY, f64::min)
}

fn inertia(data: &[f32], found: &Centroids) -> f64 {
    data.chunks_exact(found.d).map(|row| least(row, &found.centroids)).sum()
}

fn in_pool<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(work)
}

/// All small shapes, with fences around the result: the product underneath has a path of its own for them.
#[test]
fn products_of_every_small_shape_are_right_and_stay_in_their_place() {
    const FENCE: usize = 64;
    let fenced = |len: usize, compute: &dyn Fn(&mut [f32])| {
        let mut all = vec![7.5f32; len + 2 * FENCE];
        compute(&mut all[FENCE..FENCE + len]);
        assert!(all[..FENCE].iter().chain(&all[FENCE + len..]).all(|&x| x == 7.5), "wrote outside");
        all[FENCE..FENCE + len].to_vec()
    };
    for (n, k, m) in (1..18).flat_map(|n| (1..10).flat_map(move |k| (1..10).map(move |m| (n, k, m)))) {
        // Small integers: exact in any order.
        let a: Vec<f32> = (0..n * k).map(|i| (i % 7) as f32 - 3.0).collect();
        let b: Vec<f32> = (0..k * m).map(|i| (i % 5) as f32 - 2.0).collect();
        let b_tall: Vec<f32> = (0..n * m).map(|i| (i % 11) as f32 - 5.0).collect();
        let c = fenced(n * m, &|c| product(&a, &b, k, c));
        for (i, j) in (0..n).flat_map(|i| (0..m).map(move |j| (i, j))) {
            assert_eq!(c[i * m + j], (0..k).map(|l| a[i * k + l] * b[l * m + j]).sum::<f32>(), "{n} {k} {m}");
        }
        let c = fenced(k * m, &|c| par_product_tn(&a, &b_tall, n, c));
        for (i, j) in (0..k).flat_map(|i| (0..m).map(move |j| (i, j))) {
            assert_eq!(c[i * m + j], (0..n).map(|l| a[l * k + i] * b_tall[l * m + j]).sum::<f32>(), "tn {n} {k} {m}");
        }
    }
}

#[test]
fn products_over_several_pieces_agree_with_f64() {
    let (n, k, m) = (600, 150, 70);
    let (a, b, b_tall) = (values(n * k, 1), values(k * m, 2), values(n * m, 3));
    let mut c = vec![0.0; n * m];
    par_product(&a, &b, k, &mut c);
    for (i, j) in (0..n).step_by(7).flat_map(|i| (0..m).map(move |j| (i, j))) {
        let truth: f64 = (0..k).map(|l| f64::from(a[i * k + l]) * f64::from(b[l * m + j])).sum();
        assert!((f64::from(c[i * m + j]) - truth).abs() < 1e-4);
    }
    let mut c = vec![0.0; k * m];
    par_product_tn(&a, &b_tall, n, &mut c);
    for (i, j) in (0..k).flat_map(|i| (0..m).map(move |j| (i, j))) {
        let truth: f64 = (0..n).map(|l| f64::from(a[l * k + i]) * f64::from(b_tall[l * m + j])).sum();
        assert!((f64::from(c[i * m + j]) - truth).abs() < 2e-4);
    }
}

#[test]
fn the_product_of_blocks_with_themselves_is_that_of_the_whole() {
    let (n, widths) = (300, [40, 1, 17]);
    let k = widths.iter().sum();
    let blocks: Vec<Vec<f32>> = widths.iter().zip(7..).map(|(&width, seed)| values(n * width, seed)).collect();
    let row = |l: usize| blocks.iter().zip(widths).flat_map(move |(block, width)| block[l * width..][..width].to_vec());
    let whole: Vec<f32> = (0..n).flat_map(row).collect();
    let mut c = vec![f32::NAN; k * k];
    par_gram(&blocks, n, &mut c);
    for (i, j) in (0..k).flat_map(|i| (0..k).map(move |j| (i, j))) {
        let truth: f64 = (0..n).map(|l| f64::from(whole[l * k + i]) * f64::from(whole[l * k + j])).sum();
        assert!((f64::from(c[i * k + j]) - truth).abs() < 1e-4, "{i} {j}");
    }
}

#[test]
fn a_row_of_a_product_does_not_depend_on_its_company() {
    for (k, m) in [(3, 40), (33, 5), (300, 65)] {
        let (a, b) = (values(300 * k, 4), values(k * m, 5));
        let mut all = vec![0.0; 300 * m];
        par_product(&a, &b, k, &mut all);
        for (first, count) in [(0, 1), (77, 1), (5, 3), (250, 9), (290, 10)] {
            let mut some = vec![0.0; count * m];
            product(&a[first * k..][..count * k], &b, k, &mut some);
            assert_eq!(some, all[first * m..][..count * m]);
        }
    }
}

#[test]
fn assignment_finds_the_nearest() {
    // Tables and products, more centroids than a tile, more rows than a block, rows far from the origin.
    for (n, d, k, offset) in
        [(500, 2, 256, 0.0), (300, 16, 17, 0.0), (300, 17, 256, 0.0), (200, 24, 1500, 0.0), (300, 40, 60, 500.0), (3, 30, 9, 0.0)]
    {
        let data: Vec<f32> = values(n * d, 6).iter().map(|x| x + offset).collect();
        let centroids: Vec<f32> = values(k * d, 7).iter().map(|x| x + offset).collect();
        let found = Centroids { k, d, centroids, counts: Vec::new() };
        let mut labels = vec![0; n];
        assign(&data, n, d, &found, &mut labels, &Task::new()).unwrap();
        for (row, &label) in data.chunks_exact(d).zip(&labels) {
            let got = square(row, &found.centroids[label as usize * d..][..d]);
            assert!(got <= least(row, &found.centroids) * (1.0 + 1e-4) + 1e-4, "n {n} d {d} k {k} offset {offset}");
        }
        let mut again = vec![u32::MAX; n];
        Assigner::new(&found.centroids, k, d).nearest(&data, &mut Scratch::default(), |row, label| again[row] = label);
        assert_eq!(again, labels);
    }
}

#[test]
fn ties_go_to_the_lower_number() {
    for d in [2, 32] {
        let centroids = [vec![1.0; d], vec![0.0; d], vec![0.0; d]].concat();
        let mut label = None;
        Assigner::new(&centroids, 3, d).nearest(&vec![0.1; d], &mut Scratch::default(), |_, found| label = Some(found));
        assert_eq!(label, Some(1));
    }
}

#[test]
fn converged_centroids_are_the_means_of_their_rows() {
    for d in [2, 20] {
        let (n, k) = (900, 12);
        let data = values(n * d, 8);
        let found = kmeans(&data, n, d, k, 9, KMeansOptions { iterations: 500 }, &Task::new()).unwrap();
        let mut sums = vec![0f64; k * d];
        let mut counts = vec![0u32; k];
        for row in data.chunks_exact(d) {
            let c = (0..k).min_by(|&a, &b| {
                let to = |c: usize| square(row, &found.centroids[c * d..][..d]);
                to(a).total_cmp(&to(b))
            });
            let c = c.unwrap();
            counts[c] += 1;
            sums[c * d..][..d].iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        assert_eq!(found.counts, counts);
        for (at, &sum) in sums.iter().enumerate() {
            assert!((sum / f64::from(counts[at / d]) - f64::from(found.centroids[at])).abs() < 1e-5);
        }
    }
}

#[test]
fn more_rounds_give_less_error() {
    let (n, d, k) = (3000, 8, 40);
    let data = values(n * d, 10);
    let mut found = kmeans(&data, n, d, k, 11, KMeansOptions { iterations: 1 }, &Task::new()).unwrap();
    let first = inertia(&data, &found);
    refine(&data, n, &mut found, 1, KMeansOptions { iterations: 10 }, &Task::new()).unwrap();
    assert!(inertia(&data, &found) < 0.97 * first);
}

/// Nearly all rows are one: random first rows miss the others, and empty clusters must find them.
#[test]
fn empty_clusters_start_again_where_the_error_is() {
    for d in [3, 30] {
        let n = 2000;
        let mut data = vec![0f32; n * d];
        for rare in 0..7 {
            data[(rare * 250 + 13) * d..][..d].fill(10.0 * (rare + 1) as f32);
        }
        let found = kmeans(&data, n, d, 8, 3, KMeansOptions::default(), &Task::new()).unwrap();
        assert_eq!(inertia(&data, &found), 0.0);
        let mut counts = found.counts;
        counts.sort_unstable();
        assert_eq!(counts, [1, 1, 1, 1, 1, 1, 1, 1993]);
    }
}

#[test]
fn few_rows_are_repeated_and_none_give_zeros() {
    let data = values(3 * 5, 12);
    let found = kmeans(&data, 3, 5, 8, 0, KMeansOptions::default(), &Task::new()).unwrap();
    assert_eq!((found.centroids.len(), found.counts.iter().sum::<u32>()), (40, 3));
    assert_eq!(inertia(&data, &found), 0.0);
    for centroid in found.centroids.chunks_exact(5) {
        assert!(data.chunks_exact(5).any(|row| row == centroid));
    }
    let none = kmeans(&[], 0, 5, 8, 0, KMeansOptions::default(), &Task::new()).unwrap();
    assert_eq!((none.centroids, none.counts), (vec![0.0; 40], vec![0; 8]));
    let one = kmeans(&[2.0; 300], 300, 1, 4, 0, KMeansOptions::default(), &Task::new()).unwrap();
    assert_eq!(one.centroids, [2.0; 4]);
}

#[test]
fn the_number_of_threads_changes_nothing() {
    for d in [2, 33] {
        let n = 5000;
        let data = values(n * d, 13);
        let run = |seed| kmeans(&data, n, d, 64, seed, KMeansOptions { iterations: 6 }, &Task::new()).unwrap();
        let one = in_pool(1, || run(5));
        assert_eq!(one, in_pool(2, || run(5)));
        assert_eq!(one, in_pool(5, || run(5)));
        assert_ne!(one, run(6));
    }
}

#[test]
fn a_cancelled_task_ends_it() {
    let cancel = Cancel::new();
    let task = Task::new().with_cancel(cancel.clone());
    let data = values(1000, 14);
    let mut found = kmeans(&data, 100, 10, 4, 0, KMeansOptions::default(), &task).unwrap();
    cancel.cancel();
    assert_eq!(kmeans(&data, 100, 10, 4, 0, KMeansOptions::default(), &task), Err(Aborted));
    assert_eq!(assign(&data, 100, 10, &found, &mut [0; 100], &task), Err(Aborted));
    assert_eq!(refine(&data, 100, &mut found, 0, KMeansOptions::default(), &task), Err(Aborted));
}

#[test]
fn transposing_twice_gives_the_same() {
    let data = values(6 * 11, 15);
    let turned = transpose(&data, 6, 11);
    assert_eq!((turned[6], turned[2 * 6 + 5]), (data[1], data[5 * 11 + 2]));
    assert_eq!(transpose(&turned, 11, 6), data);
}

#[test]
fn choice_is_seeded_distinct_and_fair() {
    let chosen = Random::new(1).choose(1000, 100);
    assert_eq!(chosen, Random::new(1).choose(1000, 100));
    assert_ne!(chosen, Random::new(2).choose(1000, 100));
    assert_eq!(chosen.len(), 100);
    assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]) && *chosen.last().unwrap() < 1000);
    assert_eq!(Random::new(3).choose(4, 9), [0, 1, 2, 3]);
    let mut seen = [0u32; 10];
    let mut random = Random::new(4);
    (0..10_000).for_each(|_| random.choose(10, 3).iter().for_each(|&i| seen[i as usize] += 1));
    // 3000 expected, standard deviation 46.
    assert!(seen.iter().all(|count| (2750..3250).contains(count)), "{seen:?}");
}

/// Its squared error is near that of plain k-means, and nothing depends on the number of threads.
#[test]
fn two_levels_are_nearly_as_good_as_one() {
    let (n, d, k) = (6000, 8, 100);
    let data = values(n * d, 21);
    let options = KMeansOptions { iterations: 10 };
    let plain = kmeans(&data, n, d, k, 3, options, &Task::new()).unwrap();
    let found = kmeans_two_level(&data, n, d, k, 3, options, &Task::new()).unwrap();
    assert_eq!((found.k, found.d, found.centroids.len(), found.counts.len()), (k, d, k * d, k));
    assert_eq!(found.counts.iter().sum::<u32>(), n as u32);
    let (plain, two) = (inertia(&data, &plain), inertia(&data, &found));
    assert!(two < 1.1 * plain, "{two} against {plain}");
    for threads in [1, 3] {
        let again = in_pool(threads, || kmeans_two_level(&data, n, d, k, 3, options, &Task::new()).unwrap());
        assert_eq!(again, found);
    }
}

#[test]
fn two_levels_take_whatever_there_is() {
    for (n, k) in [(0, 5), (1, 1), (3, 20), (100, 30), (500, 100), (64, 16)] {
        let data: Vec<f32> = (0..n * 3).map(|i| (i % 5) as f32).collect();
        let found = kmeans_two_level(&data, n, 3, k, 1, KMeansOptions::default(), &Task::new()).unwrap();
        assert_eq!((found.centroids.len(), found.counts.len()), (3 * k, k), "{n} rows, {k} centroids");
        assert!(found.centroids.iter().all(|x| x.is_finite()));
    }
    let cancel = Cancel::new();
    cancel.cancel();
    let data = values(3000, 1);
    let task = Task::new().with_cancel(cancel);
    assert_eq!(kmeans_two_level(&data, 1000, 3, 100, 1, KMeansOptions::default(), &task), Err(Aborted));
}
