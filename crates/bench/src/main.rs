//! How fast the kernels are, on every instruction set of this CPU: `cargo run --profile bench -p bench`.
//!
//! Rows are scanned where they lie in the second-level cache, so the figure is the arithmetic's and not the
//! memory's. Each figure is the best of many short runs: what interrupts a run can only make it slower.
#![forbid(unsafe_code)]

use kernels::{Factors, Kernels, Near, NibbleTables, Strided, available, kernels_for};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Bytes of rows that one run goes over: inside the second-level cache of anything current.
const BLOCK: usize = 256 * 1024;
/// How long one figure may take.
const BUDGET: Duration = Duration::from_millis(150);
const DIMENSIONS: [usize; 3] = [100, 384, 768];

fn main() {
    println!("Kernels over {} KiB of rows, million rows a second (GB of rows a second)", BLOCK / 1024);
    for simd in available() {
        let Some(kernels) = kernels_for(simd) else { continue };
        println!("\n{}", simd.name());
        for dimensions in DIMENSIONS {
            floats(kernels, dimensions);
        }
        for bytes in [48, 96] {
            codes(kernels, bytes);
        }
    }
}

/// Bytes without a pattern that a branch predictor or a compressor could use.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// `count` floats in -1 ... 1 as bytes.
fn float_bytes(count: usize) -> Vec<u8> {
    noise(count).iter().flat_map(|byte| (f32::from(*byte) / 127.5 - 1.0).to_le_bytes()).collect()
}

fn floats(kernels: &Kernels, dimensions: usize) {
    let query: Vec<f32> = noise(dimensions).iter().map(|byte| f32::from(*byte) / 127.5 - 1.0).collect();
    let count = BLOCK / (dimensions * 4);
    let bytes = float_bytes(count * dimensions);
    let rows = Strided::new(&bytes, dimensions * 4, count);
    let mut out = vec![0.0; count];
    report("dot f32", dimensions, dimensions * 4, count, || kernels.scan_dot_f32(&query, rows, 0, black_box(&mut out)));
    report("l2 f32", dimensions, dimensions * 4, count, || kernels.scan_l2_f32(&query, rows, 0, black_box(&mut out)));

    let count = BLOCK / (dimensions * 2);
    // 0x3c00 is 1.0 in half precision, and the low byte only varies the mantissa
    let halves: Vec<u8> = noise(count * dimensions).iter().flat_map(|byte| [*byte, 0x3c]).collect();
    let rows = Strided::new(&halves, dimensions * 2, count);
    let mut out = vec![0.0; count];
    report("dot f16", dimensions, dimensions * 2, count, || kernels.scan_dot_f16(&query, rows, 0, black_box(&mut out)));

    let count = BLOCK / dimensions;
    let bytes = noise(count * dimensions);
    let rows = Strided::new(&bytes, dimensions, count);
    let mut out = vec![0.0; count];
    report("dot i8", dimensions, dimensions, count, || kernels.scan_dot_i8(&query, rows, 0, black_box(&mut out)));
    let query: Vec<i8> = noise(dimensions).iter().map(|byte| byte.cast_signed()).collect();
    let mut out = vec![0; count];
    report("dot u8 i8", dimensions, dimensions, count, || {
        kernels.scan_dot_u8_i8(&query, rows, 0, black_box(&mut out));
    });
}

fn codes(kernels: &Kernels, code_bytes: usize) {
    let count = BLOCK / code_bytes;
    let bytes = noise(count * code_bytes);
    let rows = Strided::new(&bytes, code_bytes, count);
    let table: Vec<f32> = noise(code_bytes * 256).iter().map(|byte| f32::from(*byte)).collect();
    let mut out = vec![0.0; count];
    report("pq table", code_bytes, code_bytes, count, || kernels.scan_adc(&table, code_bytes, rows, 0, black_box(&mut out)));
    let (mut nibbles, mut estimates, mut marks) = (NibbleTables::default(), vec![0.0; count], vec![0; count / 32]);
    kernels.fit_tables(&table[..code_bytes * 32], &mut nibbles);
    let blocks = &bytes[..count / 32 * nibbles.block_bytes()];
    report("half-byte tables", code_bytes, code_bytes, count / 32 * 32, || {
        let (estimates, marks) = (black_box(&mut estimates[..count / 32 * 32]), &mut marks[..]);
        kernels.scan_nibbles(&nibbles, blocks, 0.0, Factors::None, Near { bound: 0.0, estimates, marks });
    });
    let planes = noise(4 * code_bytes);
    let mut out = vec![0; count];
    report("and-popcount x4", code_bytes, code_bytes, count, || {
        kernels.scan_and_popcount4(&planes, code_bytes, rows, 0, black_box(&mut out));
    });
}

/// Runs `work`, which goes over `count` rows of `row_bytes` bytes, until the budget is used up, and prints the best run.
fn report(name: &str, length: usize, row_bytes: usize, count: usize, mut work: impl FnMut()) {
    let started = Instant::now();
    let mut best = Duration::MAX;
    while started.elapsed() < BUDGET {
        let run = Instant::now();
        work();
        best = best.min(run.elapsed());
    }
    let rows_per_second = count as f64 / best.as_secs_f64();
    let gigabytes = rows_per_second * row_bytes as f64 / 1e9;
    println!("  {name:<16} {length:>5}  {:>9.1}  ({gigabytes:.1} GB/s)", rows_per_second / 1e6);
}
