//! Seeded data for the tests.
#![allow(dead_code)]

use std::fs;
use std::path::{Path, PathBuf};

use engine::{Batch, Id, Index, PartialOptions, Query, SearchParams};
use task::Task;

/// SplitMix64.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, most: u64) -> u64 {
        self.next() % most
    }

    pub fn value(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32 - 0.5
    }

    pub fn vector(&mut self, dims: usize) -> Vec<f32> {
        (0..dims).map(|_| self.value()).collect()
    }
}

/// Rows around 30 centres, numbered from `first`.
pub fn clustered(count: usize, dims: usize, first: u64, seed: u64) -> Batch {
    let mut centres = Random(99);
    let centres: Vec<f32> = centres.vector(30 * dims).into_iter().map(|v| v * 4.0).collect();
    let mut random = Random(seed);
    let mut vectors = Vec::with_capacity(count * dims);
    for _ in 0..count {
        let centre = random.below(30) as usize * dims;
        vectors.extend((0..dims).map(|at| centres[centre + at] + random.value()));
    }
    Batch { ids: (first..first + count as u64).map(Id::Number).collect(), vectors, metadata: None }
}

pub fn dims(dims: usize) -> PartialOptions {
    PartialOptions { dimensions: Some(dims), ..PartialOptions::default() }
}

/// What an index answers to seeded questions.
pub fn answers(index: &Index, dims: usize, params: &SearchParams) -> Vec<Vec<(Id, u64)>> {
    let queries = clustered(40, dims, 0, 4321).vectors;
    let ask = |query: &[f32]| {
        let hits = index.search(&Query::vector(query), params, &Task::new()).unwrap();
        hits.into_iter().map(|hit| (hit.id, hit.distance.to_bits())).collect()
    };
    queries.chunks_exact(dims).map(ask).collect()
}

/// Waits until the background has linked all rows that it links.
pub fn linked(index: &Index) {
    linked_but(index, 1);
}

/// Waits until fewer than so many are left, which may be too few for a block.
pub fn linked_but(index: &Index, left: u64) {
    let started = std::time::Instant::now();
    while index.stats().unwrap().unlinked >= left {
        assert!(started.elapsed().as_secs() < 120, "rows stay unlinked");
        std::thread::yield_now();
    }
}

/// The newest file of a kind in an index's directory.
pub fn file(path: &Path, kind: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with(&format!("{kind}-")));
    // The newest: the one before it is kept for the manifest before.
    let number = |path: &PathBuf| -> u64 {
        path.to_str().unwrap().rsplit('-').next().unwrap().trim_end_matches(".grain").parse().unwrap()
    };
    found.sort_by_key(number);
    found.pop().unwrap()
}

/// Damages the byte `at`, or the last.
pub fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    let at = at.min(bytes.len() - 1);
    bytes[at] ^= 0x10;
    fs::write(path, bytes).unwrap();
}
