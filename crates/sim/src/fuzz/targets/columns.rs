//! `engine`'s columns in files, and the records of its log: what is let in is written again as it was.

use engine::{Metric, Precision, decoders};
use wire::Writer;

use super::input::{Input, put_part};
use crate::random::Random;

/// The high bit of a slot that stands for a text.
const TEXT: u64 = 1 << 63;
const TEXTS: [&str; 5] = ["", "a", "ß", "日本語", "🐟 and a longer one"];
const JSON: [&str; 4] = ["", "{}", r#"{"a":1}"#, r#"{"b":["ß",null]}"#];

fn segments<'a>(mut input: Input<'a>) -> Vec<&'a [u8]> {
    let mut segments = Vec::new();
    while !input.is_empty() {
        segments.push(input.part());
    }
    segments
}

/// Segments of ids.
pub fn run_ids(bytes: &[u8]) -> bool {
    let segments = segments(Input::new(bytes));
    let Ok(again) = decoders::ids(&segments) else { return false };
    assert_eq!(again, segments, "ids are not written as they were read");
    true
}

/// A few segments of ids.
pub fn seed_ids(number: u64) -> Vec<u8> {
    seed_segments(number, |random, rows, w| {
        let mut texts = Writer::new();
        for _ in 0..rows {
            if random.once_in(2) {
                w.u64(TEXT | texts.len() as u64);
                texts.str(random.pick::<&str>(&TEXTS));
            } else {
                w.u64(random.word() >> (11 + random.below(50)));
            }
        }
        w.raw(texts.as_slice());
    })
}

/// Segments of metadata.
pub fn run_metadata(bytes: &[u8]) -> bool {
    let segments = segments(Input::new(bytes));
    let Ok(again) = decoders::metadata(&segments) else { return false };
    assert_eq!(again, segments, "metadata is not written as it was read");
    true
}

/// A few segments of metadata.
pub fn seed_metadata(number: u64) -> Vec<u8> {
    seed_segments(number, |random, rows, w| {
        let mut texts = Writer::new();
        for _ in 0..rows {
            texts.raw(random.pick::<&str>(&JSON).as_bytes());
            w.u64(texts.len() as u64);
        }
        w.raw(texts.as_slice());
    })
}

fn seed_segments(number: u64, fill: impl Fn(&mut Random, u32, &mut Writer)) -> Vec<u8> {
    let mut random = Random::new(number);
    let (mut bytes, mut start) = (Vec::new(), 0);
    for _ in 0..random.below(4) {
        let rows = random.below(12) as u32;
        let mut w = Writer::new();
        w.u32(start);
        w.u32(rows);
        fill(&mut random, rows, &mut w);
        start += rows;
        put_part(&mut bytes, w.as_slice());
    }
    bytes
}

/// A number of rows, and which of them are dead.
pub fn run_dead(bytes: &[u8]) -> bool {
    let mut input = Input::new(bytes);
    let rows = u32::from(input.u16()) << (input.u8() % 16);
    let Ok(again) = decoders::tombstones(input.rest(), rows) else { return false };
    // How many words lie behind the last row is left to the writer.
    let twice = decoders::tombstones(&again, rows).expect("what is written can be read");
    assert_eq!(twice, again, "the dead are not written as they were read");
    true
}

/// What was measured of searches.
pub fn run_efforts(bytes: &[u8]) -> bool {
    let Ok(again) = decoders::efforts(bytes) else { return false };
    assert_eq!(again, bytes, "efforts are not written as they were read");
    true
}

/// A few numbers of hits, and for each some efforts and recalls.
pub fn seed_efforts(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let mut w = Writer::new();
    w.u32(random.below(100_000) as u32);
    let ladders = random.below(4) as u8;
    w.u8(ladders);
    let (mut hits, mut reranks) = (0, Writer::new());
    for _ in 0..ladders {
        hits += 1 + random.below(100) as u32;
        w.u32(hits);
        let steps = random.below(20) as u32;
        reranks.u32s(&(0..steps).map(|step| hits + step / 3).collect::<Vec<_>>());
        w.u32s(&(0..steps).map(|step| hits + step * step).collect::<Vec<_>>());
        w.f32s(&(0..steps).map(|step| step as f32 / 20.0).collect::<Vec<_>>());
    }
    if number % 2 == 1 {
        w.raw(reranks.as_slice());
    }
    w.into_bytes()
}

/// Some of a few rows.
pub fn seed_dead(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let words: Vec<u64> = (0..random.below(70)).map(|_| if random.once_in(3) { random.word() } else { 0 }).collect();
    let mut w = Writer::new();
    w.u16(words.len() as u16);
    w.u8(6);
    w.u32(words.iter().map(|word| word.count_ones()).sum());
    words.iter().for_each(|word| w.u64(*word));
    w.into_bytes()
}

/// A format, and a record of the log.
pub fn run_change(bytes: &[u8]) -> bool {
    let mut input = Input::new(bytes);
    let dims = 1 + usize::from(input.u16() % 4096);
    let kinds = input.u8();
    let metric = [Metric::Cosine, Metric::Dot, Metric::L2][usize::from(kinds) % 3];
    let precision = [Precision::F32, Precision::F16, Precision::I8][usize::from(kinds) / 3 % 3];
    let payload = input.rest();
    let Ok(again) = decoders::change(dims, metric, precision, payload) else { return false };
    // A record of no items may say that they have metadata.
    let twice = decoders::change(dims, metric, precision, &again).expect("what is written can be read");
    assert!(again == payload || again.len() == payload.len() && twice == again, "a record is not written as it was read");
    true
}

/// A row of values that are finite and not all zero, as the precision stores it.
fn put_row(random: &mut Random, dims: usize, precision: usize, w: &mut Writer) {
    match precision {
        0 => random.vector(dims).iter().for_each(|value| w.f32(value.abs() + 0.1)),
        1 => (0..dims.next_multiple_of(2)).for_each(|_| w.u16(0x3000 | random.below(0x800) as u16)),
        _ => {
            let codes = 1 + random.below(127) as u8;
            w.raw(&vec![codes; dims]);
            w.raw(&[0; 3][..dims.next_multiple_of(4) - dims]);
            w.f32(0.5);
        }
    }
}

/// A few items, or ids to delete.
pub fn seed_change(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let (dims, rows, kinds) = (1 + random.below(6), random.below(8), random.below(9));
    let mut w = Writer::new();
    w.u16(dims as u16 - 1);
    w.u8(kinds as u8);
    w.u8((number % 2) as u8);
    w.u64(rows as u64);
    for _ in 0..rows {
        let text = random.once_in(2);
        w.bool(text);
        if text { w.str(random.pick::<&str>(&TEXTS)) } else { w.u64(random.word() >> (11 + random.below(50))) }
    }
    if number.is_multiple_of(2) {
        let some = random.once_in(2);
        w.bool(some);
        (0..if some { rows } else { 0 }).for_each(|_| w.str(random.pick::<&str>(&JSON)));
        (0..rows).for_each(|_| put_row(&mut random, dims, kinds / 3, &mut w));
    }
    w.into_bytes()
}
