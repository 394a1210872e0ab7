//! Random operations against a map and naive distances in f64.

mod common;

use std::collections::HashMap;
use std::path::Path;

use common::Random;
use engine::{
    Batch, Coarse, Code, Codes, Id, Include, Index, Metric, Options, PartialOptions, Placement, Precision, Query, SearchParams,
};
use task::Task;

fn some_id(random: &mut Random) -> Id {
    let number = random.below(400);
    if random.below(3) == 0 { Id::Text(format!("item-{number}").into()) } else { Id::Number(number) }
}

fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    match metric {
        Metric::L2 => a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum(),
        Metric::Dot => 1.0 - dot(a, b),
        Metric::Cosine => 1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
    }
}

type Model = HashMap<Id, (Vec<f32>, Option<Box<str>>)>;

fn check(index: &Index, model: &Model, random: &mut Random, dims: usize, metric: Metric, exact: bool) {
    assert_eq!(index.len(), model.len());
    let all = Include { metadata: true, vector: true };
    let ids: Vec<Id> = (0..40).map(|_| some_id(random)).collect();
    let mut stored: HashMap<Id, Vec<f32>> = HashMap::new();
    for (id, item) in ids.iter().zip(index.get(&ids, all).unwrap()) {
        assert_eq!(index.has(id).unwrap(), model.contains_key(id));
        match (item, model.get(id)) {
            (None, None) => {}
            (Some(item), Some((vector, metadata))) => {
                assert_eq!(&item.metadata, metadata);
                if index.options().precision == Precision::F32 {
                    assert_eq!(item.vector.as_ref().unwrap(), vector);
                }
                stored.insert(id.clone(), item.vector.unwrap());
            }
            other => panic!("{id:?}: {other:?}"),
        }
    }
    let (mut listed, next) = index.ids(0, usize::MAX).unwrap();
    assert!(next.is_none());
    listed.sort();
    let mut expected: Vec<Id> = model.keys().cloned().collect();
    expected.sort();
    assert_eq!(listed, expected);

    let query = random.vector(dims);
    let k = 1 + random.below(12) as usize;
    let params = SearchParams { k, ef: Some(400), rerank: Some(400), include: all, ..SearchParams::default() };
    let hits = index.search(&Query::vector(&query), &params, &Task::new()).unwrap();
    let items = index.get(&expected, all).unwrap();
    let mut truth: Vec<(f64, Id)> =
        items.iter().flatten().map(|item| (distance(metric, &query, item.vector.as_ref().unwrap()), item.id.clone())).collect();
    truth.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    assert_eq!(hits.len(), k.min(model.len()));
    for (place, hit) in hits.iter().enumerate() {
        let (_, metadata) = &model[&hit.id];
        assert_eq!(&hit.metadata, metadata);
        let real = distance(metric, &query, hit.vector.as_ref().unwrap());
        assert!((hit.distance - real).abs() <= 1e-9 * (1.0 + real.abs()), "{} against {real}", hit.distance);
        if exact {
            assert!((hit.distance - truth[place].0).abs() <= 1e-6 * truth[place].0.abs().max(1e-9), "place {place}");
        }
    }
    assert!(hits.is_sorted_by(|a, b| (a.distance, &a.id) <= (b.distance, &b.id)));
}

fn batch(random: &mut Random, dims: usize, count: usize) -> Batch {
    let ids = (0..count).map(|_| some_id(random)).collect();
    let metadata = match random.below(3) {
        0 => None,
        _ => Some((0..count).map(|at| (at % 2 == 0).then(|| format!("{{\"n\":{}}}", random.below(9)).into())).collect()),
    };
    Batch { ids, vectors: random.vector(dims * count), metadata }
}

fn run(options: Options, path: Option<&Path>, seed: u64, steps: usize, exact: bool) {
    let mut random = Random(seed);
    let dims = options.dimensions;
    let given = || PartialOptions {
        dimensions: Some(dims),
        metric: Some(options.metric),
        coarse: Some(options.coarse),
        codes: Some(options.codes),
        vectors: Some(options.vectors),
        precision: Some(options.precision),
        m: Some(options.m),
        ..PartialOptions::default()
    };
    let mut index = match path {
        Some(path) => Index::open(path, given(), false, &Task::new()).unwrap(),
        None => Index::new(options.clone()).unwrap(),
    };
    let mut model = Model::new();
    for _ in 0..steps {
        match random.below(10) {
            0..=4 => {
                let count = 1 + random.below(60) as usize;
                let batch = batch(&mut random, dims, count);
                for (at, id) in batch.ids.iter().enumerate() {
                    let metadata = batch.metadata.as_ref().and_then(|all| all[at].clone());
                    model.insert(id.clone(), (batch.vectors[at * dims..][..dims].to_vec(), metadata));
                }
                index.add(batch, &Task::new()).unwrap();
            }
            5 | 6 => {
                let ids: Vec<Id> = (0..1 + random.below(20)).map(|_| some_id(&mut random)).collect();
                let there = ids.iter().filter(|id| model.remove(id).is_some()).count();
                assert_eq!(index.delete(&ids).unwrap(), there);
            }
            7 => index.optimize(&Task::new()).unwrap(),
            8 => index.flush().unwrap(),
            _ => {
                if let Some(path) = path {
                    index.close().unwrap();
                    drop(index);
                    index = Index::open(path, PartialOptions::default(), false, &Task::new()).unwrap();
                }
            }
        }
        check(&index, &model, &mut random, dims, options.metric, exact);
    }
    index.close().unwrap();
    assert_eq!(index.flush().unwrap_err().code, Code::Closed);
}

fn options(dims: usize) -> Options {
    PartialOptions { dimensions: Some(dims), m: Some(6), ..PartialOptions::default() }.complete(false).unwrap()
}

#[test]
fn in_memory_every_metric_and_precision() {
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        for precision in [Precision::F32, Precision::F16, Precision::I8] {
            for coarse in [Coarse::Auto, Coarse::Flat, Coarse::Hnsw] {
                let options = Options { metric, precision, coarse, ..options(11) };
                run(options, None, 7, 40, coarse != Coarse::Hnsw);
            }
        }
    }
}

#[test]
fn in_a_directory_with_every_codec_and_placement() {
    let [whole, most, one] = [8, 7, 1].map(|bits| Codes::Rabitq { bits });
    let pq = Codes::Pq { bytes: 3, rotate: true };
    let codes = [Codes::None, Codes::Sq8, Codes::Sq4, Codes::Binary, whole, most, one, pq, Codes::Auto];
    for vectors in [Placement::Memory, Placement::Disk] {
        for codes in codes {
            for coarse in [Coarse::Flat, Coarse::Hnsw] {
                let directory = tempfile::tempdir().unwrap();
                let options = Options { metric: Metric::L2, vectors, codes, coarse, ..options(8) };
                run(options, Some(&directory.path().join("index")), 11, 60, false);
            }
        }
    }
}

#[test]
fn over_codes_with_a_generous_budget_answers_are_exact() {
    for codes in [Codes::Sq8, Codes::Sq4, Codes::Rabitq { bits: 3 }, Codes::Pq { bytes: 4, rotate: false }] {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { codes, coarse: Coarse::Flat, vectors: Placement::Disk, ..options(8) };
        run(options, Some(&directory.path().join("index")), 3, 60, true);
    }
}
