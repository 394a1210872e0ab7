//! The exhaustive scan: every live row is scored, the best are kept.

use std::ops::Range;

use kernels::Scorer;
use task::{Aborted, Task};

use crate::Candidate;
use crate::best::Best;
pub use crate::best::Margin;

/// Rows scored between two looks at the bound: their distances stay in the first-level cache.
const BLOCK: usize = 1024;

/// The best `keep` live rows of `range`, ascending by (estimate, row); with a `margin` also every further row whose
/// true distance could be among the best `keep`, and rows whose estimate is not a number (it overflowed).
pub fn scan(
    scorer: &mut impl Scorer,
    range: Range<u32>,
    keep: usize,
    margin: Margin,
    live: impl Fn(u32) -> bool,
    task: &Task,
) -> Result<Vec<Candidate>, Aborted> {
    let mut best = Best::new(keep, margin);
    let mut distances = [0f32; BLOCK];
    let mut start = range.start;
    while start < range.end && keep > 0 {
        let block = &mut distances[..BLOCK.min((range.end - start) as usize)];
        scorer.score_range(start, block);
        for (row, &distance) in (start..).zip(block.iter()) {
            if best.takes(distance) && live(row) {
                best.push(Candidate { distance, row });
            }
        }
        start += block.len() as u32;
        task.check()?;
    }
    Ok(best.finish())
}

#[cfg(test)]
mod tests;
