//! `engine::PartialOptions`: whatever is asked for, complete options within their ranges or `E_ARGUMENT`.

use engine::{Coarse, Code, Codes, Durability, MAX_DIMENSIONS, Metric, Options, PartialOptions, Placement, Precision, Result};

use super::input::{Input, random_bytes};
use crate::random::Random;

/// What is asked for, and what was asked for when the index was made.
pub fn run(bytes: &[u8]) -> bool {
    let mut input = Input::new(bytes);
    let on_disk = input.u8() & 1 == 1;
    let (given, other) = (asked(&mut input), asked(&mut input));
    let Some(options) = refused(given.complete(on_disk)) else { return false };
    assert!((1..=MAX_DIMENSIONS).contains(&options.dimensions), "{options:?}");
    assert!(options.thread_count() > 0);
    assert!(options.check(on_disk).is_ok() && given.agree(&options).is_ok(), "{given:?} does not agree with itself");
    if let Some(stored) = refused(other.complete(on_disk)) {
        agreement(&given, &stored, on_disk);
    }
    true
}

/// Everything but `E_ARGUMENT` with a message is a finding.
fn refused(completed: Result<Options>) -> Option<Options> {
    completed.inspect_err(|error| assert!(error.code == Code::Argument && error.message.contains(':'), "{error:?}")).ok()
}

/// Options agree with what is stored just when what is given, and may not differ, is the same.
fn agreement(given: &PartialOptions, stored: &Options, on_disk: bool) {
    let fill = PartialOptions {
        dimensions: given.dimensions.or(Some(stored.dimensions)),
        metric: given.metric.or(Some(stored.metric)),
        coarse: given.coarse.or(Some(stored.coarse)),
        codes: given.codes.or(Some(stored.codes)),
        vectors: given.vectors.or(Some(stored.vectors)),
        precision: given.precision.or(Some(stored.precision)),
        m: given.m.or(Some(stored.m)),
        ef_construction: given.ef_construction.or(Some(stored.ef_construction)),
        lists: given.lists.or(stored.lists),
        seed: given.seed.or(Some(stored.seed)),
        ..given.clone()
    };
    let filled = refused(fill.complete(on_disk)).map(|mut options| {
        (options.threads, options.durability) = (stored.threads, stored.durability);
        options
    });
    match given.agree(stored) {
        Ok(()) => assert_eq!(filled.as_ref(), Some(stored)),
        Err(error) => {
            assert!(error.code == Code::Argument && error.message.contains(" was given"), "{error:?}");
            assert_ne!(filled.as_ref(), Some(stored));
        }
    }
}

fn asked(input: &mut Input<'_>) -> PartialOptions {
    let rabitq = Codes::Rabitq { bits: input.u8() % 10 };
    let codes = [Codes::Auto, Codes::None, Codes::Sq8, Codes::Sq4, Codes::Binary, Codes::Rabitq { bits: 8 }, rabitq];
    PartialOptions {
        dimensions: number(input),
        metric: pick(input, &[Metric::Cosine, Metric::Dot, Metric::L2]),
        coarse: pick(input, &[Coarse::Auto, Coarse::Flat, Coarse::Hnsw, Coarse::Ivf]),
        codes: number(input).map(|bytes| Codes::Pq { bytes, rotate: bytes % 2 == 1 }).or_else(|| pick(input, &codes)),
        vectors: pick(input, &[Placement::Memory, Placement::Disk]),
        precision: pick(input, &[Precision::F32, Precision::F16, Precision::I8]),
        m: number(input),
        ef_construction: number(input),
        durability: pick(input, &[Durability::Sync, Durability::Os]),
        threads: number(input),
        seed: number(input).map(|seed| seed as u64),
        lists: number(input),
        ..PartialOptions::default()
    }
}

fn pick<T: Copy>(input: &mut Input<'_>, from: &[T]) -> Option<T> {
    from.get(usize::from(input.u8()) % (from.len() + 1)).copied()
}

/// Small, middling or any.
fn number(input: &mut Input<'_>) -> Option<usize> {
    match input.u8() % 4 {
        0 => None,
        1 => Some(usize::from(input.u8())),
        2 => Some(usize::from(input.u16())),
        _ => Some(input.u64() as usize),
    }
}

/// Options that are in their ranges.
pub fn seed(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let mut bytes = vec![1];
    for _ in 0..2 {
        bytes.push(1 + random.below(8) as u8);
        bytes.extend([1, 1 + random.below(255) as u8, random.word() as u8, random.word() as u8, 0, random.word() as u8]);
        bytes.extend([random.word() as u8, random.word() as u8]);
        bytes.extend([1, 2 + random.below(254) as u8, 1, 1 + random.below(255) as u8, random.word() as u8]);
        bytes.extend([1, random.word() as u8, 3]);
        bytes.extend(random_bytes(&mut random, 8));
        bytes.extend([random.word() as u8 & 1, 1 + random.below(255) as u8]);
    }
    bytes
}
