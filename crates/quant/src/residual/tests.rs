use cluster::Random;
use kernels::{Metric, Near, NibbleTables, Strided, block_bytes, kernels, pack_nibbles};
use task::Task;
use wire::{Reader, Writer};

use super::{Residual, ResidualScratch};

const DIMS: usize = 11;
const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    (0..count).map(|_| random.unit() as f32 - 0.4).collect()
}

fn trained(metric: Metric, centroid: &[f32], rows: &[f32]) -> Residual {
    let residuals: Vec<f32> = rows.iter().zip(centroid.iter().cycle()).map(|(x, c)| x - c).collect();
    Residual::train(metric, DIMS, 6, &residuals, 3, &Task::new()).unwrap()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn less(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

/// What a scan of codes gives is what the decoded row stands for; for L2 with the residual's own length in place of the
/// decoded one's.
#[test]
fn estimates_are_those_of_decoded_rows() {
    let (centroid, rows, query) = (values(DIMS, 1), values(32 * DIMS, 2), values(DIMS, 3));
    for metric in METRICS {
        let residual = trained(metric, &centroid, &rows);
        let (mut codes, mut scratch) = (vec![0; 32 * residual.subspaces()], ResidualScratch::default());
        let encode = |(row, code): (&[f32], &mut [u8])| residual.encode(row, &centroid, &mut scratch, code);
        let terms: Vec<f32> = rows.chunks_exact(DIMS).zip(codes.chunks_exact_mut(residual.subspaces())).map(encode).collect();
        let mut blocks = vec![0; block_bytes(residual.subspaces())];
        pack_nibbles(&codes, residual.subspaces(), &mut blocks);
        let mut tables = NibbleTables::default();
        residual.tables(&query, &mut Vec::new(), &mut tables);
        let (mut estimates, mut marks) = (vec![0.0; 32], vec![0]);
        let found = Near { bound: 0.0, estimates: &mut estimates, marks: &mut marks };
        let centroids = Strided::new(bytemuck::cast_slice(&centroid), DIMS * size_of::<f32>(), 1);
        let mut bases = [0.0];
        residual.bases(&query, centroids, &[0], &mut bases);
        kernels().scan_nibbles(&tables, &blocks, bases[0], residual.factors(&terms), found);
        let mut decoded = vec![0.0; DIMS];
        for ((row, code), estimate) in rows.chunks_exact(DIMS).zip(codes.chunks_exact(residual.subspaces())).zip(&estimates) {
            residual.decode(code, &centroid, &mut decoded);
            let expected = match metric {
                Metric::Cosine | Metric::Dot => 1.0 - dot(&query, &decoded),
                Metric::L2 => {
                    let (near, far, rest) = (less(&query, &centroid), less(&decoded, &centroid), less(row, &centroid));
                    dot(&near, &near) - 2.0 * dot(&near, &far) + dot(&rest, &rest)
                }
            };
            let most = 0.5 * f64::from(tables.unit()) * residual.subspaces() as f64 + 1e-4;
            assert!((f64::from(*estimate) - expected).abs() <= most, "{metric:?}: {estimate}, not {expected}");
        }
    }
}

#[test]
fn what_is_written_is_read_to_the_bit() {
    for metric in METRICS {
        let (centroid, rows) = (values(DIMS, 4), values(200 * DIMS, 5));
        let residual = trained(metric, &centroid, &rows);
        let mut w = Writer::new();
        residual.write(&mut w);
        let bytes = w.into_bytes();
        assert_eq!(Reader::whole(&bytes, |r| Residual::read(metric, DIMS, r)).unwrap(), residual);
        for cut in [0, 3, bytes.len() - 1] {
            assert!(Reader::whole(&bytes[..cut], |r| Residual::read(metric, DIMS, r)).is_err());
        }
        assert!(Reader::whole(&bytes, |r| Residual::read(metric, DIMS - 1, r)).is_err());
    }
}

/// Words are nearer to what they stand for than the mean is, which is what one word would be.
#[test]
fn codes_say_something_of_every_row() {
    for metric in METRICS {
        let (centroid, rows) = (values(DIMS, 6), values(500 * DIMS, 7));
        let residual = trained(metric, &centroid, &rows);
        let (mut code, mut decoded, mut scratch) = (vec![0; residual.subspaces()], vec![0.0; DIMS], ResidualScratch::default());
        let mut mean = vec![0.0f32; DIMS];
        rows.iter().enumerate().for_each(|(at, value)| mean[at % DIMS] += value / 500.0);
        let (mut error, mut spread) = (0.0, 0.0);
        for row in rows.chunks_exact(DIMS) {
            residual.encode(row, &centroid, &mut scratch, &mut code);
            residual.decode(&code, &centroid, &mut decoded);
            let (off, from_mean) = (less(row, &decoded), less(row, &mean));
            error += dot(&off, &off);
            spread += dot(&from_mean, &from_mean);
        }
        assert!(error < 0.5 * spread, "{metric:?}: {error} of {spread}");
    }
}
