//! The engine's lists: what is read is searched, takes more rows, and is written as it was.

use engine::{Metric, decoders};
use kernels::block_bytes;
use wire::Writer;

use super::input::{Input, random_bytes};
use crate::random::Random;

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::L2];

/// A metric, dimensions and rows that there are, then lists.
pub fn run(bytes: &[u8]) -> bool {
    let mut input = Input::new(bytes);
    let metric = METRICS[usize::from(input.u8()) % 3];
    let (dims, rows) = (1 + usize::from(input.u8() % 16), u32::from(input.u16() % 600));
    let encoded = input.rest();
    let Ok(again) = decoders::lists(metric, dims, rows, encoded) else { return false };
    assert_eq!(again, encoded, "lists are not written as they were read");
    true
}

/// Lists of up to so many rows.
pub fn put(random: &mut Random, metric: Metric, dims: usize, rows: usize, coded: bool, w: &mut Writer) {
    let lists = 1 + random.below(6);
    w.u32(lists as u32);
    w.u32(rows as u32);
    w.u64(random.word());
    w.f32s(&random.vector(lists * dims));
    w.bool(coded);
    let subspaces = 1 + random.below(dims);
    if coded {
        w.u32(subspaces as u32);
        w.f32s(&random.vector(16 * dims));
    }
    let ends = [rows / 2, rows];
    let parts: Vec<usize> = [ends[0], ends[1] - ends[0]].into_iter().filter(|&rows| rows > 0).collect();
    w.u32(parts.len() as u32);
    for rows in parts {
        let labels: Vec<u32> = (0..rows).map(|_| random.below(lists) as u32).collect();
        let of = |list: usize| labels.iter().filter(|&&label| label as usize == list).count();
        let blocks: usize = (0..lists).map(|list| of(list).div_ceil(32)).sum();
        w.u32s(&labels);
        w.u8s(&random_bytes(random, if coded { blocks * block_bytes(subspaces) } else { 0 }));
        w.f32s(&random.vector(if coded && metric == Metric::L2 { 32 * blocks } else { 0 }));
    }
}

/// Lists of a few rows.
pub fn seed(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let (metric, dims, rows) = (random.below(3), 1 + random.below(8), random.below(100));
    let mut w = Writer::new();
    w.u8(metric as u8);
    w.u8(dims as u8 - 1);
    w.u16(rows as u16);
    put(&mut random, METRICS[metric], dims, rows, number % 2 == 1, &mut w);
    w.into_bytes()
}
