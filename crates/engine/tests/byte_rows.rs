//! Rows of small whole numbers: kept as bytes, and answered like any others.

mod common;

use common::{Random, dims};
use engine::{Batch, Coarse, Codes, Id, Index, Metric, PartialOptions, Query, SearchParams};
use task::Task;

/// Long enough to be worth it, and no whole number of cache lines.
const DIMS: usize = 300;
const ROWS: usize = 700;

fn whole(count: usize, first: u64, least: f32, random: &mut Random) -> Batch {
    let vectors = (0..count * DIMS).map(|_| least + random.below(256) as f32).collect();
    Batch { ids: (first..first + count as u64).map(Id::Number).collect(), vectors, metadata: None }
}

/// An index whose searches verify candidates, and one that compares all rows as they were given.
fn pair(metric: Metric) -> [Index; 2] {
    let given = PartialOptions { metric: Some(metric), coarse: Some(Coarse::Flat), ..dims(DIMS) };
    [Codes::Sq8, Codes::None]
        .map(|codes| Index::new(PartialOptions { codes: Some(codes), ..given.clone() }.complete(false).unwrap()).unwrap())
}

fn on_both(pair: &[Index; 2], work: impl Fn(&Index)) {
    pair.iter().for_each(work);
}

fn vectors(index: &Index) -> u64 {
    index.stats().unwrap().memory.vectors
}

/// Both answer the same ids at the same distances, to the last bit.
fn agree(pair: &[Index; 2], what: &str) {
    let mut random = Random(77);
    let all = SearchParams { k: 25, rerank: Some(2 * ROWS), ..SearchParams::default() };
    for _ in 0..20 {
        let query: Vec<f32> = random.vector(DIMS).into_iter().map(|value| value * 200.0).collect();
        let [found, truth] = [0, 1].map(|at| -> Vec<(Id, u64)> {
            let hits = pair[at].search(&Query::vector(&query), &all, &Task::new()).unwrap();
            hits.into_iter().map(|hit| (hit.id, hit.distance.to_bits())).collect()
        });
        assert_eq!(found, truth, "{what}");
    }
}

#[test]
fn bytes_answer_as_the_rows_do() {
    for metric in [Metric::L2, Metric::Dot, Metric::Cosine] {
        for least in [0.0, -128.0] {
            let what = |step: &str| format!("{metric:?} from {least}, {step}");
            let (pair, mut random) = (pair(metric), Random(5));
            let first = whole(ROWS, 0, least, &mut random);
            on_both(&pair, |index| index.add(first.clone(), &Task::new()).map(drop).unwrap());
            on_both(&pair, |index| index.optimize(&Task::new()).unwrap());
            assert!(vectors(&pair[0]) >= vectors(&pair[1]) + (ROWS * DIMS) as u64, "{}: no bytes are kept", what("added"));
            agree(&pair, &what("added"));

            let more = whole(60, ROWS as u64, least, &mut random);
            on_both(&pair, |index| index.add(more.clone(), &Task::new()).map(drop).unwrap());
            agree(&pair, &what("more added"));
            on_both(&pair, |index| index.optimize(&Task::new()).unwrap());
            agree(&pair, &what("optimized"));

            let gone: Vec<Id> = (0..ROWS as u64).step_by(3).map(Id::Number).collect();
            on_both(&pair, |index| index.delete(&gone).map(drop).unwrap());
            agree(&pair, &what("deleted"));
            on_both(&pair, |index| index.optimize(&Task::new()).unwrap());
            assert!(vectors(&pair[0]) > vectors(&pair[1]), "{}: no bytes are kept", what("compacted"));
            agree(&pair, &what("compacted"));

            let mut other = whole(1, 5000, least, &mut random);
            other.vectors[DIMS - 1] += 0.5;
            on_both(&pair, |index| index.add(other.clone(), &Task::new()).map(drop).unwrap());
            agree(&pair, &what("with a fraction"));
            on_both(&pair, |index| index.optimize(&Task::new()).unwrap());
            assert_eq!(vectors(&pair[0]), vectors(&pair[1]), "{}: bytes are kept", what("with a fraction"));
            agree(&pair, &what("with a fraction, optimized"));
        }
    }
}
