//! Behaviour of all codecs, against `decode` and naive `f64` distances.

use crate::{CodeSet, Codec, CodecSpec};
use cluster::Random;
use kernels::{Metric, Scorer, Strided};
use std::sync::{Arc, Mutex};
use task::{Aborted, Cancel, Progress, Task};
use wire::{Reader, Writer};

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

fn pq(bytes: usize, rotate: bool) -> CodecSpec {
    CodecSpec::Pq { bytes, rotate }
}

/// Every kind of codec, for rows of at least 7 dimensions.
fn specs() -> [CodecSpec; 10] {
    let [eight, one, three, four] = [8, 1, 3, 4].map(rabitq);
    [CodecSpec::Sq8, CodecSpec::Sq4, CodecSpec::Binary, pq(5, false), pq(7, true), pq(1, false), eight, one, three, four]
}

fn rabitq(bits: u8) -> CodecSpec {
    CodecSpec::Rabitq { bits }
}

fn is_rabitq(spec: CodecSpec) -> bool {
    matches!(spec, CodecSpec::Rabitq { .. })
}

/// Those whose estimates are distances to decoded rows: a rabitq row keeps its own length besides.
fn plain_specs() -> impl Iterator<Item = CodecSpec> {
    specs().into_iter().filter(|&spec| !is_rabitq(spec))
}

/// `n` rows with correlated dimensions of unequal width around a centre: a few hidden values mixed, and noise.
pub(crate) fn correlated(n: usize, dims: usize, seed: u64) -> Vec<f32> {
    let mut random = Random::new(seed);
    let mut normal = || (0..6).map(|_| random.unit()).sum::<f64>() - 3.0;
    let hidden = dims.div_ceil(3);
    let mut mixing = Random::new(99);
    let mix: Vec<f64> = (0..hidden * dims).map(|i| (mixing.unit() - 0.5) * 3.0 / (1 + i / dims) as f64).collect();
    let mut rows = Vec::with_capacity(n * dims);
    for _ in 0..n {
        let source: Vec<f64> = (0..hidden).map(|_| normal()).collect();
        for j in 0..dims {
            let value: f64 = source.iter().enumerate().map(|(h, s)| s * mix[h * dims + j]).sum();
            rows.push((value + 0.1 * normal() + 0.3) as f32);
        }
    }
    rows
}

fn train(spec: CodecSpec, metric: Metric, dims: usize, rows: &[f32]) -> Codec {
    Codec::train(&spec, metric, dims, rows, 7, &Task::new()).unwrap()
}

fn encode(codec: &Codec, rows: &[f32]) -> Vec<u8> {
    let mut codes = vec![0; rows.len() / codec.dims() * codec.code_bytes()];
    codec.encode(rows, &mut codes);
    codes
}

fn decode(codec: &Codec, code: &[u8]) -> Vec<f32> {
    let mut row = vec![f32::NAN; codec.dims()];
    codec.decode(code, &mut row);
    row
}

/// The row in the space that codes are about.
fn in_space(metric: Metric, row: &[f32]) -> Vec<f64> {
    let length = row.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let share = if metric == Metric::Cosine && length > 0.0 { 1.0 / length } else { 1.0 };
    row.iter().map(|&x| f64::from(x) * share).collect()
}

fn distance(metric: Metric, query: &[f64], row: &[f32]) -> f64 {
    let pairs = query.iter().zip(row).map(|(&q, &x)| (q, f64::from(x)));
    match metric {
        Metric::Cosine | Metric::Dot => 1.0 - pairs.map(|(q, x)| q * x).sum::<f64>(),
        Metric::L2 => pairs.map(|(q, x)| (q - x).powi(2)).sum(),
    }
}

/// Squared error of decoded codes over squared distance of the rows from their mean.
fn relative_error(codec: &Codec, rows: &[f32]) -> f64 {
    let dims = codec.dims();
    let spaced: Vec<Vec<f64>> = rows.chunks_exact(dims).map(|row| in_space(codec.metric(), row)).collect();
    let n = spaced.len() as f64;
    let mean: Vec<f64> = (0..dims).map(|j| spaced.iter().map(|row| row[j]).sum::<f64>() / n).collect();
    let (mut error, mut spread) = (0.0, 0.0);
    for (row, code) in spaced.iter().zip(encode(codec, rows).chunks_exact(codec.code_bytes())) {
        for (j, x) in decode(codec, code).into_iter().enumerate() {
            error += (row[j] - f64::from(x)).powi(2);
            spread += (row[j] - mean[j]).powi(2);
        }
    }
    error / spread
}

/// How far a score may be from the distance to the decoded row: what rounding the query to its levels can do.
fn tolerance(codec: &Codec, query: &[f64], row: &[f32]) -> f64 {
    // With all bits clear, or the middle of two extremes, a decoded row shows the centre.
    let bytes = codec.code_bytes();
    let (low, high) = (decode(codec, &vec![0; bytes]), decode(codec, &vec![255; bytes]));
    let centre: Vec<f64> = match codec.spec() {
        CodecSpec::Sq8 | CodecSpec::Sq4 => low.iter().zip(&high).map(|(&a, &b)| (f64::from(a) + f64::from(b)) / 2.0).collect(),
        _ => low.iter().map(|&x| f64::from(x)).collect(),
    };
    let query: Vec<f64> = query.iter().zip(&centre).map(|(q, c)| if codec.metric() == Metric::L2 { q - c } else { *q }).collect();
    let reach: f64 = row.iter().zip(&centre).map(|(&x, c)| (f64::from(x) - c).abs()).sum();
    let span = query.iter().copied().fold(f64::NEG_INFINITY, f64::max) - query.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = query.iter().fold(0.0, |most: f64, q| most.max(q.abs()));
    let half_unit = match codec.spec() {
        CodecSpec::Sq8 | CodecSpec::Sq4 => greatest / 127.0 / 2.0,
        CodecSpec::Binary => span / 15.0 / 2.0,
        CodecSpec::Pq { .. } | CodecSpec::Rabitq { .. } => 0.0,
    };
    let factor = if codec.metric() == Metric::L2 { 2.0 } else { 1.0 };
    let magnitude: f64 = query.iter().zip(row).map(|(q, &x)| q.powi(2) + f64::from(x).powi(2)).sum();
    factor * half_unit * reach + 1e-4 * (1.0 + magnitude)
}

#[test]
fn scores_are_distances_to_decoded_rows() {
    let (n, dims) = (700, 37);
    let rows = correlated(n, dims, 1);
    let queries = correlated(5, dims, 2);
    for (metric, spec) in METRICS.into_iter().flat_map(|metric| plain_specs().map(move |spec| (metric, spec))) {
        let codec = train(spec, metric, dims, &rows);
        let (bytes, stride) = (codec.code_bytes(), codec.code_bytes() + 3);
        let mut codes = vec![0xAA; n * stride];
        for (place, code) in codes.chunks_exact_mut(stride).zip(encode(&codec, &rows).chunks_exact(bytes)) {
            place[..bytes].copy_from_slice(code);
        }
        for query in queries.chunks_exact(dims) {
            let mut scorer = codec.scorer(query, Strided::new(&codes, stride, n));
            let mut scan = vec![0.0; n - 5];
            scorer.score_range(5, &mut scan);
            // Backwards, so that rows come in another order.
            let ids: Vec<u32> = (5..n as u32).rev().collect();
            let mut gathered = vec![0.0; ids.len()];
            scorer.score(&ids, &mut gathered);
            gathered.reverse();
            assert_eq!(scan, gathered, "{spec:?} {metric}");
            let query = in_space(metric, query);
            for (i, &score) in scan.iter().enumerate() {
                let row = decode(&codec, &codes[(i + 5) * stride..][..bytes]);
                let (truth, allowed) = (distance(metric, &query, &row), tolerance(&codec, &query, &row));
                assert!((f64::from(score) - truth).abs() <= allowed, "{spec:?} {metric}: {score}, not {truth} +- {allowed}");
            }
        }
    }
}

#[test]
fn candidates_hold_the_nearest_rows() {
    let (n, dims) = (2000, 40);
    let rows = correlated(n, dims, 3);
    let queries = correlated(20, dims, 4);
    for metric in METRICS {
        // Share of the exact 10 among the best 20 estimates (100 for one bit), at least.
        for (spec, best, least) in [
            (CodecSpec::Sq8, 20, 0.99),
            (CodecSpec::Sq4, 20, 0.8),
            (rabitq(8), 20, 0.99),
            (rabitq(6), 20, 0.99),
            (rabitq(4), 20, 0.9),
            (rabitq(2), 50, 0.9),
            (rabitq(1), 100, 0.9),
            (CodecSpec::Binary, 100, 0.6),
            (pq(10, false), 100, 0.9),
            (pq(10, true), 100, 0.9),
        ] {
            let codec = train(spec, metric, dims, &rows);
            let codes = encode(&codec, &rows);
            let mut found = 0;
            for query in queries.chunks_exact(dims) {
                let spaced = in_space(metric, query);
                let truth: Vec<f64> = rows
                    .chunks_exact(dims)
                    .map(|row| distance(metric, &spaced, &in_space(metric, row).iter().map(|&x| x as f32).collect::<Vec<_>>()))
                    .collect();
                let mut scores = vec![0.0; n];
                codec.scorer(query, Strided::new(&codes, codec.code_bytes(), n)).score_range(0, &mut scores);
                let mut nearest: Vec<usize> = (0..n).collect();
                nearest.sort_by(|&a, &b| truth[a].total_cmp(&truth[b]));
                let mut guessed: Vec<usize> = (0..n).collect();
                guessed.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
                found += nearest[..10].iter().filter(|row| guessed[..best].contains(row)).count();
            }
            assert!(found as f64 >= least * 200.0, "{spec:?} {metric}: {found} of 200");
        }
    }
}

#[test]
fn error_falls_with_bytes() {
    let dims = 24;
    let rows = correlated(1500, dims, 5);
    for metric in METRICS {
        for rotate in [false, true] {
            let errors: Vec<f64> =
                [1, 4, 12, 24].map(|bytes| relative_error(&train(pq(bytes, rotate), metric, dims, &rows), &rows)).to_vec();
            assert!(errors.windows(2).all(|pair| pair[1] < 0.9 * pair[0]), "{metric} {rotate}: {errors:?}");
        }
        let [eight, four, one] = [CodecSpec::Sq8, CodecSpec::Sq4, CodecSpec::Binary].map(|spec| train(spec, metric, dims, &rows));
        assert!(relative_error(&eight, &rows) < 1e-3);
        assert!((1e-3..0.05).contains(&relative_error(&four, &rows)));
        assert!((0.05..0.6).contains(&relative_error(&one, &rows)));
    }
}

#[test]
fn bytes_survive_sq8_unchanged() {
    // What images are: whole numbers of 0 to 255. One step for all dimensions fits them exactly.
    let mut random = Random::new(6);
    let mut rows: Vec<f32> = (0..300 * 20).map(|_| random.below(256) as f32).collect();
    rows[..20].fill(0.0);
    rows[20..40].fill(255.0);
    let codec = train(CodecSpec::Sq8, Metric::L2, 20, &rows);
    for (row, code) in rows.chunks_exact(20).zip(encode(&codec, &rows).chunks_exact(24)) {
        assert_eq!(decode(&codec, code), row);
    }
}

#[test]
fn sq8_gives_rare_extremes_up_for_precision() {
    let mut rows = correlated(4000, 8, 7);
    let plain = relative_error(&train(CodecSpec::Sq8, Metric::L2, 8, &rows), &rows);
    rows[12] = 60.0;
    rows[10_003] = -60.0;
    let codec = train(CodecSpec::Sq8, Metric::L2, 8, &rows);
    let spoiled: Vec<f32> = rows.chunks_exact(8).filter(|row| row.iter().all(|x| x.abs() < 50.0)).flatten().copied().collect();
    // Covering them would make the step some ten times and the error a hundred times as large.
    assert!(relative_error(&codec, &spoiled) < 10.0 * plain);
}

#[test]
fn codes_do_not_depend_on_the_batch_or_the_threads() {
    let (n, dims) = (1500, 29);
    let rows = correlated(n, dims, 8);
    let pools = [1, 2, 5].map(|threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap());
    for (metric, spec) in [Metric::Cosine, Metric::L2].into_iter().flat_map(|metric| specs().map(|spec| (metric, spec))) {
        let made: Vec<_> = pools
            .iter()
            .map(|pool| {
                pool.install(|| {
                    let codec = train(spec, metric, dims, &rows);
                    let codes = encode(&codec, &rows);
                    (written(&codec), codes)
                })
            })
            .collect();
        assert!(made[0] == made[1] && made[0] == made[2], "{spec:?} {metric}");
        let codec = train(spec, metric, dims, &rows);
        for (row, code) in rows.chunks_exact(dims).zip(made[0].1.chunks_exact(codec.code_bytes())) {
            assert_eq!(encode(&codec, row), code, "{spec:?} {metric}");
        }
    }
}

#[test]
fn cosine_does_not_see_lengths() {
    let dims = 16;
    let rows = correlated(600, dims, 9);
    // Powers of two change no digit.
    let longer: Vec<f32> = rows.iter().map(|x| x * 1024.0).collect();
    for spec in specs() {
        let codec = train(spec, Metric::Cosine, dims, &rows);
        let codes = encode(&codec, &rows);
        assert_eq!(codes, encode(&codec, &longer));
        let score = |query: &[f32]| {
            let mut out = vec![0.0; 600];
            codec.scorer(query, Strided::new(&codes, codec.code_bytes(), 600)).score_range(0, &mut out);
            out
        };
        assert_eq!(score(&rows[..dims]), score(&longer[..dims]));
    }
}

#[test]
fn degenerate_samples_train_codecs_that_work() {
    let dims = 9;
    let samples: [Vec<f32>; 7] = [
        vec![],
        correlated(1, dims, 1),
        correlated(3, dims, 1),
        vec![0.0; dims * 300],
        vec![-2.5; dims * 300],
        [vec![1e30; dims], vec![-1e30; dims], vec![1e-30; dims * 20]].concat(),
        [vec![f32::MAX; dims * 3], vec![f32::MIN; dims], vec![1e-45; dims * 20]].concat(),
    ];
    for (sample, metric) in samples.iter().flat_map(|sample| METRICS.map(|metric| (sample, metric))) {
        for spec in specs() {
            let codec = train(spec, metric, dims, sample);
            assert_eq!(codec.code_bytes() >= 1, codec.memory() > 0);
            exercise(&codec);
            let bytes = written(&codec);
            assert_eq!(written(&Codec::read(&mut Reader::new(&bytes)).unwrap()), bytes, "{spec:?} {metric}");
        }
    }
    let rows = vec![-2.5; dims * 300];
    for spec in specs() {
        let codec = train(spec, Metric::L2, dims, &rows);
        let row = decode(&codec, &encode(&codec, &rows[..dims]));
        // Half a step, where half bytes have 15 for what may come later.
        let off = if spec == CodecSpec::Sq4 { 2.5 / 15.0 * 0.51 } else { 1e-2 };
        assert!(row.iter().all(|x| (x + 2.5).abs() < off), "{spec:?}: {row:?}");
    }
}

/// Encodes, decodes and scores a few rows: none of it may panic.
fn exercise(codec: &Codec) {
    let dims = codec.dims();
    let mut rows = vec![0.0; dims];
    rows.extend((0..dims).map(|i| i as f32 - 1.5));
    rows.extend((0..dims).map(|i| if i % 2 == 0 { 1e38 } else { -1e38 }));
    let codes = encode(codec, &rows);
    for (row, code) in rows.chunks_exact(dims).zip(codes.chunks_exact(codec.code_bytes())) {
        decode(codec, code);
        let mut out = [0.0; 3];
        let mut scorer = codec.scorer(row, Strided::new(&codes, codec.code_bytes(), 3));
        scorer.score(&[2, 0, 1], &mut out);
        scorer.score_range(1, &mut out[..2]);
        assert_eq!(scorer.score_one(2).to_bits(), out[1].to_bits());
    }
}

fn written(codec: &Codec) -> Vec<u8> {
    let mut writer = Writer::new();
    codec.write(&mut writer);
    writer.into_bytes()
}

#[test]
fn written_codecs_read_back_to_the_bit() {
    let dims = 11;
    let rows = correlated(500, dims, 10);
    for (metric, spec) in METRICS.into_iter().flat_map(|metric| specs().map(|spec| (metric, spec))) {
        let codec = train(spec, metric, dims, &rows);
        let bytes = written(&codec);
        let mut reader = Reader::new(&bytes);
        let again = Codec::read(&mut reader).unwrap();
        reader.finish().unwrap();
        assert_eq!(again, codec);
        assert_eq!((again.spec(), again.metric(), again.dims()), (spec, metric, dims));
        assert_eq!(written(&again), bytes);
        assert_eq!(encode(&again, &rows), encode(&codec, &rows));
    }
}

#[test]
fn damaged_bytes_are_errors_or_harmless() {
    let dims = 8;
    let rows = correlated(300, dims, 11);
    let mut random = Random::new(12);
    for spec in [CodecSpec::Sq8, CodecSpec::Sq4, CodecSpec::Binary, pq(3, false), pq(4, true), rabitq(8), rabitq(5)] {
        let bytes = written(&train(spec, Metric::L2, dims, &rows));
        for cut in 0..bytes.len() {
            assert!(Codec::read(&mut Reader::new(&bytes[..cut])).is_err(), "{spec:?} cut at {cut}");
        }
        for _ in 0..3000 {
            let mut damaged = bytes.clone();
            for _ in 0..=random.below(4) {
                // Half of the blows fall on the head, where the shapes are.
                let at = if random.below(2) == 0 { random.below(40.min(bytes.len())) } else { random.below(bytes.len()) };
                damaged[at] = random.next_u64() as u8;
            }
            if let Ok(codec) = Codec::read(&mut Reader::new(&damaged)) {
                exercise(&codec);
            }
        }
    }
}

#[test]
fn impossible_parameters_are_refused() {
    let dims = 8;
    let good = written(&train(pq(4, true), Metric::L2, dims, &correlated(300, dims, 11)));
    let read = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        Codec::read(&mut Reader::new(&bytes)).map_err(|error| error.what)
    };
    assert!(read(&|_| ()).is_ok());
    // kind, metric, dims u32, bytes u32, count u64, words, flag, count u64 of blocks, count u64 of inputs, inputs ...
    let inputs = 6 + 4 + 8 + dims * 256 * 4 + 1 + 8 + 8;
    let number = |at: usize, value: u32| move |bytes: &mut Vec<u8>| bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    for (change, wanted) in [
        (number(2, 0), "0 dimensions"),
        (number(2, u32::MAX), "dimensions"),
        (number(2, 9), "pq words has"),
        (number(6, 0), "pq of 0 bytes"),
        (number(6, 9), "pq of 9 bytes"),
        (number(18, f32::NAN.to_bits()), "not finite"),
        (number(18 + 400, f32::INFINITY.to_bits()), "not finite"),
        (number(inputs, 1), "overlap"),
        (number(inputs, 8), "leave the row"),
        (number(inputs - 16, 0), "miss a dimension"),
    ] {
        let error = read(&change).unwrap_err();
        assert!(error.contains(wanted), "{error}, not {wanted}");
    }
}

#[test]
fn a_cancelled_task_ends_training_and_progress_is_told() {
    let rows = correlated(600, 12, 13);
    for spec in specs() {
        let cancel = Cancel::new();
        cancel.cancel();
        let task = Task::new().with_cancel(cancel);
        assert_eq!(Codec::train(&spec, Metric::L2, 12, &rows, 0, &task), Err(Aborted));
    }
    // Cancelled from within, at each stage that it goes through.
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let task = Task::new().with_progress(Arc::new(move |progress: Progress| {
        assert!(progress.done <= progress.total);
        sink.lock().unwrap().push(progress.stage);
    }));
    Codec::train(&pq(4, true), Metric::L2, 12, &rows, 0, &task).unwrap();
    let mut stages = seen.lock().unwrap().clone();
    stages.dedup();
    assert_eq!(stages, ["start", "rotate", "train"]);
    for stage in ["start", "rotate"] {
        let cancel = Cancel::new();
        let flag = cancel.clone();
        let progress = move |progress: Progress| {
            if progress.stage == stage {
                flag.cancel()
            }
        };
        let task = Task::new().with_cancel(cancel).with_progress(Arc::new(progress));
        assert_eq!(Codec::train(&pq(4, true), Metric::L2, 12, &rows, 0, &task), Err(Aborted), "{stage}");
    }
}

#[test]
fn sizes_are_what_the_formats_say() {
    let rows = correlated(300, 21, 14);
    for (spec, metric, bytes) in [
        (CodecSpec::Sq8, Metric::Cosine, 21),
        (CodecSpec::Sq8, Metric::L2, 25),
        (CodecSpec::Binary, Metric::Dot, 3 + 6),
        (pq(20, false), Metric::L2, 20),
        (pq(21, true), Metric::Dot, 21),
        (CodecSpec::Sq4, Metric::Cosine, 11),
        (CodecSpec::Sq4, Metric::L2, 11 + 4),
        (rabitq(8), Metric::L2, 32 + 8),
        (rabitq(7), Metric::L2, 28 + 8),
        (rabitq(2), Metric::Dot, 8 + 8),
        (rabitq(1), Metric::Cosine, 4 + 8),
    ] {
        let codec = train(spec, metric, 21, &rows);
        assert_eq!((codec.code_bytes(), codec.spec()), (bytes, spec));
    }
    // One sub-space is not worth a rotation.
    assert_eq!(train(pq(1, true), Metric::L2, 21, &rows).spec(), pq(1, false));
    assert!(Codec::needed(&pq(8, true), 784) >= 2 * 784 && Codec::needed(&CodecSpec::Sq8, 784) <= 4096);
}

#[test]
fn expanded_codes_keep_every_distance_between_codes() {
    let (n, dims) = (600, 12);
    let rows = correlated(n, dims, 5);
    for (metric, spec) in METRICS.into_iter().flat_map(|metric| plain_specs().map(move |spec| (metric, spec))) {
        let codec = train(spec, metric, dims, &rows);
        let (codes, width) = (encode(&codec, &rows), codec.code_bytes());
        let code = |row: usize| &codes[row * width..][..width];
        let expand = |row: usize| {
            let mut values = vec![f32::NAN; dims];
            codec.expand(code(row), &mut values);
            values
        };
        let (one, one_expanded) = (decode(&codec, code(7)), expand(7));
        let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|&x| f64::from(x)).collect() };
        // A query is brought to unit length for cosine; a PQ code's values are taken as they are.
        let unlike = metric == Metric::Cosine && matches!(spec, CodecSpec::Pq { .. });
        let query = if unlike { wide(&one) } else { in_space(metric, &one) };
        let mut scores = vec![0.0; n];
        codec.scorer_of_code(code(7), Strided::new(&codes, width, n)).score_range(0, &mut scores);
        for (row, &score) in scores.iter().enumerate() {
            let other = decode(&codec, code(row));
            let apart = |a: &[f32], b: &[f32]| distance(Metric::L2, &wide(a), b);
            let (kept, plain) = (apart(&one_expanded, &expand(row)), apart(&one, &other));
            assert!((kept - plain).abs() <= 1e-4 * (1.0 + plain), "{spec:?} {metric}: {kept}, not {plain}");
            let (truth, allowed) = (distance(metric, &query, &other), tolerance(&codec, &query, &other));
            assert!((f64::from(score) - truth).abs() <= allowed, "{spec:?} {metric}: {score}, not {truth} +- {allowed}");
        }
    }
}

/// Against the distances of decoded rows, which for some codecs are not what is compared.
#[test]
fn codes_compared_with_one_another_are_as_far_apart_as_their_rows() {
    let (dims, n) = (43, 60u32);
    let rows = correlated(n as usize, dims, 11);
    let places: Vec<u32> = (0..n).collect();
    for (metric, spec) in METRICS.into_iter().flat_map(|metric| specs().map(|spec| (metric, spec))) {
        let codec = train(spec, metric, dims, &rows);
        let codes = encode(&codec, &rows);
        let decoded: Vec<Vec<f32>> = codes.chunks_exact(codec.code_bytes()).map(|code| decode(&codec, code)).collect();
        let mut set = CodeSet::default();
        codec.gather(codes.chunks_exact(codec.code_bytes()), &mut set);
        let (mut picked, mut run) = (vec![0.0; n as usize], vec![0.0; n as usize - 3]);
        for (one, row) in (0..n).zip(&decoded) {
            codec.between(&mut set, one, &places, &mut picked);
            codec.between_run(&mut set, one, 3, &mut run);
            assert_eq!(picked[3..], run, "{spec:?} {metric}: the same places, other distances");
            // A rabitq row keeps its own length besides what it decodes to.
            for (other, &distance) in decoded.iter().zip(&picked).filter(|_| !is_rabitq(spec)) {
                let pairs = row.iter().zip(other).map(|(&a, &b)| (f64::from(a), f64::from(b)));
                let truly: f64 = match metric {
                    Metric::L2 => pairs.map(|(a, b)| (a - b).powi(2)).sum(),
                    Metric::Dot | Metric::Cosine => 1.0 - pairs.map(|(a, b)| a * b).sum::<f64>(),
                };
                let error = (f64::from(distance) - truly).abs();
                assert!(error <= 1e-4 * (1.0 + truly.abs()), "{spec:?} {metric}: {distance}, truly {truly}");
            }
        }
    }
}
