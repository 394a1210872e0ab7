//! Scanning codes of half bytes, and just reading them.

use std::hint::black_box;

use kernels::{Factors, Near, NibbleTables, kernels};

use crate::{ROUNDS, timed};

/// Bytes of codes: more than any cache holds.
const BYTES: usize = 256 << 20;
/// Half bytes of a code: rows of 100 dimensions in pairs.
const SUBSPACES: usize = 50;
/// Blocks scanned at a time: a list of 1,024 rows.
const BLOCKS: usize = 32;

/// Gigabytes a second.
pub struct Rates {
    pub scan: f64,
    pub read: f64,
}

pub fn measure() -> Rates {
    let values: Vec<f32> = (0..SUBSPACES * 16).map(|at| (at * 37 % 101) as f32).collect();
    let mut tables = NibbleTables::default();
    kernels().fit_tables(&values, &mut tables);
    let list = BLOCKS * tables.block_bytes();
    let codes: Vec<u8> = (0..BYTES / list * list).map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect();
    let (mut estimates, mut marks) = (vec![0.0; BLOCKS * 32], vec![0; BLOCKS]);
    let (mut scan, mut read) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..ROUNDS {
        let took = timed(|| {
            for list in codes.chunks_exact(list) {
                let near = Near { bound: -1.0, estimates: &mut estimates, marks: &mut marks };
                kernels().scan_nibbles(&tables, list, 0.0, Factors::None, near);
                black_box(&mut marks);
            }
        });
        scan = scan.min(took.as_secs_f64());
        read = read.min(
            timed(|| {
                black_box(sum(&codes));
            })
            .as_secs_f64(),
        );
    }
    let gigabytes = codes.len() as f64 / 1e9;
    Rates { scan: gigabytes / scan, read: gigabytes / read }
}

/// Reads every byte, with nothing that a compiler could not do on many at once.
fn sum(bytes: &[u8]) -> [u64; 8] {
    let mut sums = [0u64; 8];
    for line in bytes.chunks_exact(64) {
        for (sum, word) in sums.iter_mut().zip(line.chunks_exact(8)) {
            *sum = sum.wrapping_add(u64::from_le_bytes([word[0], word[1], word[2], word[3], word[4], word[5], word[6], word[7]]));
        }
    }
    sums
}
