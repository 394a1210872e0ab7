//! Estimates against true distances, within what Cauchy and Schwarz allow.

use cluster::Random;
use kernels::{Metric, Scorer, Strided};
use task::Task;

use super::*;
use crate::tests::correlated;
use crate::{Codec, CodecSpec};

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

/// A codec of `rows`, and their codes.
fn made(bits: u8, metric: Metric, dims: usize, rows: &[f32]) -> (Codec, Vec<u8>) {
    let codec = Codec::train(&CodecSpec::Rabitq { bits }, metric, dims, rows, 5, &Task::new()).unwrap();
    let mut codes = vec![0; rows.len() / dims * codec.code_bytes()];
    codec.encode(rows, &mut codes);
    (codec, codes)
}

fn inner(codec: &Codec) -> &Rabitq {
    match codec {
        Codec::Rabitq(codec) => codec,
        _ => unreachable!("trained as such"),
    }
}

fn wide(metric: Metric, dims: usize, row: &[f32]) -> Vec<f64> {
    prepared(metric, dims, row).into_iter().map(f64::from).collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn apart(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn length(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn distance(metric: Metric, a: &[f64], b: &[f64]) -> f64 {
    match metric {
        Metric::Cosine | Metric::Dot => 1.0 - dot(a, b),
        Metric::L2 => dot(&apart(a, b), &apart(a, b)),
    }
}

#[test]
fn estimates_are_off_by_no_more_than_what_the_code_lost() {
    let cases = [(5, 8), (40, 8), (300, 8), (5, 1), (40, 1), (300, 2), (40, 3), (300, 4), (40, 5), (40, 6), (300, 7)];
    for ((dims, bits), metric) in cases.into_iter().flat_map(|case| METRICS.map(|metric| (case, metric))) {
        let (rows, queries) = (correlated(600, dims, 1), correlated(5, dims, 2));
        let (codec, codes) = made(bits, metric, dims, &rows);
        let centre: Vec<f64> = inner(&codec).projection.centre().iter().map(|&c| f64::from(c)).collect();
        for query in queries.chunks_exact(dims) {
            let mut scores = vec![0.0; 600];
            codec.scorer(query, Strided::new(&codes, codec.code_bytes(), 600)).score_range(0, &mut scores);
            let query = wide(metric, dims, query);
            let from_centre = length(&apart(&query, &centre));
            for ((row, code), &score) in rows.chunks_exact(dims).zip(codes.chunks_exact(codec.code_bytes())).zip(&scores) {
                let row = wide(metric, dims, row);
                let mut decoded = vec![0.0; dims];
                codec.decode(code, &mut decoded);
                let decoded: Vec<f64> = decoded.into_iter().map(f64::from).collect();
                let slope = if metric == Metric::L2 { 2.0 } else { 1.0 };
                // The row's part of the product that is lost, and the query's own rounding: a hundredth of its length.
                let lost = from_centre * length(&apart(&row, &decoded));
                let rounded = 0.03 * from_centre * length(&apart(&row, &centre));
                let (truth, allowed) = (distance(metric, &query, &row), slope * (lost + rounded) + 1e-4);
                assert!((f64::from(score) - truth).abs() <= allowed, "{metric} {dims} {bits}: {score}, not {truth} +- {allowed}");
            }
        }
    }
}

#[test]
fn codes_tell_how_much_nearer_a_neighbour_is() {
    let n = 300;
    let mut random = Random::new(3);
    for (metric, (dims, bits)) in
        METRICS.into_iter().flat_map(|metric| [(96, Bits::Two), (256, Bits::One)].map(|of| (metric, of)))
    {
        let rows = match bits {
            Bits::One => (0..n * dims).map(|_| random.unit() as f32).collect(),
            Bits::Two => correlated(n, dims, 4),
        };
        let (codec, codes) = made(8, metric, dims, &rows);
        assert_eq!(inner(&codec).bits(), bits, "{} values", inner(&codec).kept());
        let (rabitq, width) = (inner(&codec), codec.code_bytes());
        let code = |row: usize| &codes[row * width..][..width];
        let values = |row: usize| {
            let mut values = vec![0.0; rabitq.kept()];
            rabitq.values(code(row), &mut values);
            values.into_iter().map(f64::from).collect::<Vec<f64>>()
        };
        let slope = f64::from(rabitq.slope());
        let (mut errors, mut biases, mut count) = (0.0, 0.0, 0.0);
        for _ in 0..60 {
            let (query, node) = (random.below(n), random.below(n));
            let others: Vec<usize> = (0..20).map(|_| random.below(n)).filter(|&other| other != node && other != query).collect();
            let mut exact = vec![0.0; n];
            codec.scorer_of_code(code(query), Strided::new(&codes, width, n)).score_range(0, &mut exact);
            let (asked, own) = (values(query), values(node));
            rabitq.neighbours(code(node), others.iter().map(|&other| code(other)), |at, codes, seen| {
                let level = |at: usize| match bits {
                    Bits::One => f64::from(codes[at / 4] >> (at % 4) & 1) * 2.0 - 1.0,
                    Bits::Two => f64::from(codes[at / 2] >> (at % 2 * 2) & 3) - 1.5,
                };
                let sum: f64 = asked.iter().enumerate().map(|(at, x)| x * level(at)).sum();
                let estimate = f64::from(exact[node]) + f64::from(seen.add) + f64::from(seen.mul) * sum;
                let truth = f64::from(exact[others[at]]);
                // What the levels leave of the difference, along what the query is away from the node.
                let along = f64::from(seen.mul) / slope;
                let left: Vec<f64> =
                    apart(&values(others[at]), &own).iter().enumerate().map(|(at, x)| x - along * level(at)).collect();
                let reach = slope.abs() * length(&apart(&asked, &own)) * length(&left);
                assert!((estimate - truth).abs() <= reach * 1.001 + 1e-4, "{metric}: {estimate}, not {truth} +- {reach}");
                if reach > 0.0 {
                    errors += ((estimate - truth) / reach).powi(2);
                    biases += (estimate - truth) / reach;
                    count += 1.0;
                }
            });
        }
        // A random turn leaves the query no direction in common with what is left: errors are as of random directions.
        let (error, bias): (f64, f64) = ((errors / count).sqrt(), biases / count);
        assert!(error < 2.0 / (rabitq.kept() as f64).sqrt() && bias.abs() < error / 3.0, "{metric}: {error} {bias}");
    }
}

/// The bound of RaBitQ (2024, theorem 3.2; 2025, theorem 4.1): what a code lost of a row and a query have no direction in common, so
/// that the product of both is about what it is of random directions, and rarely more than a few times as much.
#[test]
fn estimates_are_off_as_by_random_directions_and_without_bias() {
    let (n, dims) = (500, 96);
    let mut random = Random::new(8);
    let rows: Vec<f32> = (0..n * dims).map(|_| random.unit() as f32).collect();
    for (bits, metric) in (1..=7).flat_map(|bits| METRICS.map(|metric| (bits, metric))) {
        let (codec, codes) = made(bits, metric, dims, &rows);
        let (rabitq, width) = (inner(&codec), codec.code_bytes());
        assert!(rabitq.kept() >= 96, "all directions of rows of any direction are kept");
        let values =
            |row: &[f32]| rabitq.projection.of_rows(&prepared(metric, dims, row)).into_iter().map(f64::from).collect::<Vec<_>>();
        let decoded = |row: usize| {
            let mut values = vec![0.0; rabitq.kept()];
            rabitq.values(&codes[row * width..][..width], &mut values);
            values.into_iter().map(f64::from).collect::<Vec<_>>()
        };
        let (mut squares, mut sum, mut far, mut count) = (0.0, 0.0, 0, 0);
        for query in (0..n).step_by(50).map(|at| &rows[at * dims..][..dims]) {
            let asked = values(query);
            for at in 0..n {
                let (row, code) = (values(&rows[at * dims..][..dims]), decoded(at));
                let lost = apart(&code, &row);
                // The code lies beyond the row, so that what it lost is at a right angle to the row.
                assert!(dot(&lost, &row).abs() <= 1e-4 * dot(&row, &row), "{metric} {bits}");
                let reach = length(&asked) * length(&lost) / (rabitq.kept() as f64).sqrt();
                let error = dot(&asked, &lost) / reach;
                (squares, sum, count) = (squares + error * error, sum + error, count + 1);
                far += usize::from(error.abs() > 4.0);
            }
        }
        let (error, bias) = ((squares / f64::from(count)).sqrt(), sum / f64::from(count));
        assert!(error < 1.5 && bias.abs() < 0.1 && far * 1000 < count as usize, "{metric} {bits}: {error} {bias} {far}");
    }
}

#[test]
fn more_bits_lose_less() {
    let (n, dims) = (400, 80);
    let rows = correlated(n, dims, 9);
    let lost = |bits: u8| {
        let (codec, codes) = made(bits, Metric::L2, dims, &rows);
        let (rabitq, width) = (inner(&codec), codec.code_bytes());
        let projected = rabitq.projection.of_rows(&rows);
        let of_row = |(values, code): (&[f32], &[u8])| {
            let mut decoded = vec![0.0; rabitq.kept()];
            rabitq.values(code, &mut decoded);
            let squares: f32 = values.iter().zip(&decoded).map(|(a, b)| (a - b).powi(2)).sum();
            f64::from(squares / values.iter().map(|x| x * x).sum::<f32>())
        };
        projected.chunks_exact(rabitq.kept()).zip(codes.chunks_exact(width)).map(of_row).sum::<f64>() / n as f64
    };
    let losses: Vec<f64> = (1..=8).map(lost).collect();
    // Each bit more is a quarter of the squares in theory, where levels are many.
    assert!(losses.windows(2).all(|pair| pair[1] < 0.5 * pair[0]), "{losses:?}");
    // Of one bit, what a normal value's sign leaves: pi / 2 - 1.
    assert!((losses[0] - 0.571).abs() < 0.1, "{losses:?}");
}

#[test]
fn a_query_unlike_all_rows_is_projected_as_well() {
    let dims = 64;
    let rows = correlated(500, dims, 6);
    let (codec, _) = made(8, Metric::L2, dims, &rows);
    let mut query = rows[..dims].to_vec();
    // Bytes of a scale that holds this value would leave nothing of the others.
    query[7] = 1e6;
    let projection = &inner(&codec).projection;
    let (once, exact) = (projection.of_query(&query), projection.of_rows(&query));
    assert_eq!(once, exact);
    query[7] = rows[7];
    let (bytes, exact) = (projection.of_query(&query), projection.of_rows(&query));
    let error: f32 = bytes.iter().zip(&exact).map(|(a, b)| (a - b).powi(2)).sum();
    let square: f32 = exact.iter().map(|x| x * x).sum();
    assert!(bytes != exact && error < 1e-3 * square, "{error} of {square}");
}
