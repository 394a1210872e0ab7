//! How near searching and building come to what the machine can do: `npm run bench -- limits`, or
//! `cargo run --profile bench -p bench --bin limits -- BASE.f32 QUERIES.f32 DIMENSIONS cosine|l2`.
//!
//! - **replay**: what a walk over nodes would take if it knew its way, over what it takes: the same visits, each asked for ahead.
//! - **scan**: bytes of half-byte codes scanned a second, over bytes of the same memory just read.
//! - **build**: distances a second while a graph is linked, over the same kernel's on rows that lie in the second-level cache.
#![forbid(unsafe_code)]

mod build;
mod scan;
mod space;
mod walk;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use kernels::Metric;
use quant::{Codec, CodecSpec};
use space::Coded;
use task::Task;

/// Goals of the project for the first two ratios.
const REPLAY_GOAL: f64 = 0.6;
const SCAN_GOAL: f64 = 0.8;
/// Rounds of which the best counts.
const ROUNDS: usize = 15;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [base, queries, dimensions, metric] = arguments.as_slice() else {
        eprintln!("limits BASE.f32 QUERIES.f32 DIMENSIONS cosine|l2");
        return ExitCode::FAILURE;
    };
    match measure(base, queries, dimensions, metric) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("limits: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the goals were met.
fn measure(base: &str, queries: &str, dimensions: &str, metric: &str) -> Result<bool, Box<dyn std::error::Error>> {
    let dims: usize = dimensions.parse()?;
    let metric = match metric {
        "cosine" => Metric::Cosine,
        "l2" => Metric::L2,
        _ => return Err(format!("metric: {metric} was given, cosine or l2 is needed").into()),
    };
    let (rows, queries) = (floats(base)?, floats(queries)?);
    if dims == 0 || rows.is_empty() || queries.is_empty() || rows.len() % dims + queries.len() % dims > 0 {
        return Err(format!("the files do not hold rows of {dims} dimensions").into());
    }
    let task = Task::new();
    let codec = Codec::train(&CodecSpec::Rabitq { bits: 8 }, metric, dims, &rows, 1, &task).map_err(|_| "aborted")?;
    let coded = Coded::new(codec, &rows);
    let linked = build::link(&coded, &task).map_err(|error| format!("{error:?}"))?;
    println!(
        "build: {:.1} million distances a second and thread, the kernel {:.1}: {:.2}",
        linked.rate,
        linked.peak,
        linked.rate / linked.peak
    );
    let walk = walk::measure(&coded, &linked.graph, queries.chunks_exact(dims), &task).map_err(|error| format!("{error:?}"))?;
    println!(
        "replay: {:.1} us of {:.1} us, {:.1} visits: {:.2} (goal {REPLAY_GOAL})",
        walk.replay,
        walk.search,
        walk.visits,
        walk.replay / walk.search
    );
    let scan = scan::measure();
    println!("scan: {:.1} GB/s, reading {:.1} GB/s: {:.2} (goal {SCAN_GOAL})", scan.scan, scan.read, scan.scan / scan.read);
    Ok(walk.replay / walk.search >= REPLAY_GOAL && scan.scan / scan.read >= SCAN_GOAL)
}

fn floats(path: &str) -> Result<Vec<f32>, std::io::Error> {
    let bytes = std::fs::read(path)?;
    Ok(bytes.chunks_exact(4).map(|value| f32::from_le_bytes([value[0], value[1], value[2], value[3]])).collect())
}

/// What `work` takes.
fn timed(work: impl FnOnce()) -> Duration {
    let started = Instant::now();
    work();
    started.elapsed()
}
