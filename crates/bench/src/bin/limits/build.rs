//! Linking a graph, and the kernel that it spends its time in.

use std::hint::black_box;
use std::sync::atomic::Ordering::Relaxed;

use coarse::hnsw::{Builder, Graph, HnswOptions, LinkError};
use kernels::Scorer;
use task::Task;

use crate::space::Coded;
use crate::{ROUNDS, timed};

/// Rows linked at a time.
const BLOCK: u32 = 4096;
/// Bytes of codes that stay in the second-level cache.
const CACHED: usize = 256 << 10;

pub struct Linked {
    pub graph: Graph,
    /// Million distances a second and thread.
    pub rate: f64,
    /// The same of the kernel alone.
    pub peak: f64,
}

pub fn link(coded: &Coded, task: &Task) -> Result<Linked, LinkError> {
    let mut builder = Builder::new(HnswOptions::default());
    let mut result = Ok(());
    let took = timed(|| {
        while result.is_ok() && builder.graph().len() < coded.len() {
            let linked = builder.graph().len();
            // As many as there are already, so that those of a block do not lack each other.
            let end = linked.saturating_add(linked.clamp(64, BLOCK)).min(coded.len());
            result = builder.link_block(coded, end, task);
        }
    });
    result?;
    let threads = rayon::current_num_threads() as f64;
    let rate = coded.distances.load(Relaxed) as f64 / took.as_secs_f64() / threads / 1e6;
    Ok(Linked { graph: builder.graph(), rate, peak: peak(coded) })
}

fn peak(coded: &Coded) -> f64 {
    let count = (CACHED / coded.code_bytes()).clamp(1, coded.len() as usize);
    let mut scorer = coarse::Space::scorer(coded, 0);
    let mut out = vec![0.0; count];
    let best = (0..20 * ROUNDS).map(|_| timed(|| scorer.score_range(0, black_box(&mut out)))).min().unwrap_or_default();
    count as f64 / best.as_secs_f64() / 1e6
}
