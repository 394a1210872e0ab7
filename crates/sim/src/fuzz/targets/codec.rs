//! `quant::Codec::read` for each codec, and all that a codec can be asked.

use kernels::{Metric, Scorer, Strided};
use quant::{CodeSet, Codec, CodecSpec};
use task::Task;
use wire::{Reader, Writer};

use super::input::{Input, put_part, random_bytes};
use crate::random::Random;

/// Rows that are encoded.
const ROWS: usize = 5;

/// A codec, then values of rows and codes that it is used with.
pub fn run(bytes: &[u8]) -> bool {
    let mut input = Input::new(bytes);
    let encoded = input.part();
    let mut reader = Reader::new(encoded);
    let Ok(codec) = Codec::read(&mut reader) else { return false };
    let read = encoded.len() - reader.remaining();
    let mut again = Writer::new();
    codec.write(&mut again);
    assert_eq!(again.as_slice(), &encoded[..read], "a codec is not written as it was read");
    let whole = reader.finish().is_ok();
    use_it(&codec, input);
    whole
}

fn use_it(codec: &Codec, mut input: Input<'_>) {
    let (dims, width) = (codec.dims(), codec.code_bytes());
    assert!(codec.memory() < 1 << 28 && (1..=quant::MAX_DIMS).contains(&dims));
    let _ = (codec.spec(), codec.metric());
    let query: Vec<f32> = (0..dims).map(|_| input.f32()).collect();
    let rows: Vec<f32> = (0..ROWS * dims).map(|_| input.f32()).collect();
    let mut codes = vec![0; ROWS * width];
    codec.encode(&rows, &mut codes);
    score(codec, &query, &codes);
    // Codes lie in a file of their own, under no rule but their length.
    for (byte, any) in codes.iter_mut().zip(input.rest()) {
        *byte = *any;
    }
    score(codec, &query, &codes);
}

fn score(codec: &Codec, query: &[f32], codes: &[u8]) {
    let (dims, width) = (codec.dims(), codec.code_bytes());
    let strided = Strided::new(codes, width, codes.len() / width);
    let mut decoded = vec![0.0; dims];
    for code in codes.chunks_exact(width) {
        codec.decode(code, &mut decoded);
        codec.expand(code, &mut decoded);
    }
    let mut set = CodeSet::default();
    codec.gather(codes.chunks_exact(width), &mut set);
    codec.between(&mut set, 1, &[0, 2, 1], &mut [0.0; 3]);
    codec.between_run(&mut set, 1, 1, &mut [0.0; 2]);
    if let Codec::Rabitq(codec) = codec {
        codec.neighbours(&codes[..width], codes.chunks_exact(width), |_, signs, _| assert_eq!(signs.len(), codec.subspaces()));
    }
    let (mut some, mut all) = ([0.0; 3], [0.0; ROWS]);
    for mut scorer in [codec.scorer(query, strided), codec.scorer_of_code(&codes[..width], strided)] {
        scorer.score(&[4, 0, 4], &mut some);
        scorer.score_range(0, &mut all);
        let one = scorer.score_one(4);
        assert!(one == some[2] || (one.is_nan() && some[2].is_nan()), "{one} and {some:?}");
    }
}

/// A trained codec and finite rows.
pub fn seed(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let dims = 1 + random.below(10);
    let metric = [Metric::Cosine, Metric::Dot, Metric::L2][random.below(3)];
    let pq = |rotate| CodecSpec::Pq { bytes: 1 + number as usize % dims, rotate };
    let rabitq = CodecSpec::Rabitq { bits: 1 + random.below(8) as u8 };
    let specs = [CodecSpec::Sq8, CodecSpec::Sq4, CodecSpec::Binary, pq(false), pq(true), CodecSpec::Rabitq { bits: 8 }, rabitq];
    let spec = specs[number as usize % specs.len()];
    let rows = random.below(40);
    let sample = random.vector(rows * dims);
    let codec = Codec::train(&spec, metric, dims, &sample, number, &Task::new()).expect("nobody stops it");
    let mut w = Writer::new();
    codec.write(&mut w);
    let mut bytes = Vec::new();
    put_part(&mut bytes, w.as_slice());
    let values = random.vector((1 + ROWS) * dims);
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes.extend(random_bytes(&mut random, ROWS * codec.code_bytes()));
    bytes
}
