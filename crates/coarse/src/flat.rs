//! The exhaustive scan: every live row is scored, the best are kept.

use std::ops::Range;

use kernels::Scorer;
use task::{Aborted, Task};

use crate::Candidate;

/// Rows scored between two looks at the bound: their distances stay in the first-level cache.
const BLOCK: usize = 1024;

/// How far an estimate may lie from the true distance: `absolute + relative * max(estimate, 0)`.
///
/// Zero means that the estimates themselves decide.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Margin {
    /// In distance units.
    pub absolute: f64,
    /// Share of the estimate.
    pub relative: f64,
}

impl Margin {
    /// The largest estimate that could still belong to a true distance at or below that of `kth`.
    pub fn bound(&self, kth: f32) -> f32 {
        if *self == Self::default() || !kth.is_finite() {
            return kth;
        }
        let kth = f64::from(kth);
        let highest = kth + self.absolute + self.relative * kth.max(0.0);
        let bound = (highest + self.absolute) / if highest > 0.0 { 1.0 - self.relative.min(0.5) } else { 1.0 };
        (bound as f32).next_up()
    }
}

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
    let mut best = Best { keep, margin, bound: f32::INFINITY, found: Vec::new(), unknown: Vec::new() };
    let mut distances = [0f32; BLOCK];
    let mut start = range.start;
    while start < range.end && keep > 0 {
        let block = &mut distances[..BLOCK.min((range.end - start) as usize)];
        scorer.score_range(start, block);
        for (row, &distance) in (start..).zip(block.iter()) {
            if (distance <= best.bound || distance.is_nan()) && live(row) {
                best.push(Candidate { distance, row });
            }
        }
        start += block.len() as u32;
        task.check()?;
    }
    Ok(best.finish())
}

struct Best {
    keep: usize,
    margin: Margin,
    bound: f32,
    found: Vec<Candidate>,
    unknown: Vec<Candidate>,
}

impl Best {
    fn push(&mut self, candidate: Candidate) {
        if candidate.distance.is_nan() {
            self.unknown.push(candidate);
            return;
        }
        self.found.push(candidate);
        if self.found.len() >= self.keep.saturating_mul(2).saturating_add(64) {
            self.shrink();
        }
    }

    /// Lowers the bound to what the `keep`-th best allows, and drops what lies above it.
    fn shrink(&mut self) {
        if self.found.len() <= self.keep {
            return;
        }
        let (_, kth, _) = self.found.select_nth_unstable(self.keep - 1);
        self.bound = self.margin.bound(kth.distance);
        if self.margin == Margin::default() {
            self.found.truncate(self.keep);
        } else {
            let bound = self.bound;
            self.found.retain(|c| c.distance <= bound);
        }
    }

    fn finish(mut self) -> Vec<Candidate> {
        self.shrink();
        self.found.sort_unstable();
        self.found.append(&mut self.unknown);
        self.found
    }
}

#[cfg(test)]
mod tests;
