//! Which lists, and which of their rows.

use std::ops::Range;

use kernels::Scorer;
use task::{Aborted, Task};

use super::{BLOCK, Part};
use crate::Candidate;
use crate::best::{Best, Margin};

/// Estimates the rows of lists for a query that is already inside, and so are the lists that it looks into.
pub trait ListScorer {
    /// Estimates the rows of `blocks` of the part number `part`, which belong to the list number `probe` of those looked into,
    /// and sets bit `i` of a block's mark where row `i` of the block has an estimate that is not above `bound`: one that is not
    /// a number, too. What stands in places without a row does not matter.
    ///
    /// `estimates` has 32 places a block, `marks` one.
    fn scan(&mut self, part: usize, probe: usize, blocks: Range<usize>, bound: f32, estimates: &mut [f32], marks: &mut [u32]);

    /// A hint that these blocks come next.
    fn prefetch(&self, _part: usize, _blocks: Range<usize>) {}
}

/// The `count` lists whose centroids, the rows of `scorer`, are nearest to its query, nearest first.
pub fn nearest_lists(scorer: &mut impl Scorer, lists: usize, count: usize) -> Vec<u32> {
    let mut distances = vec![0.0; lists];
    scorer.score_range(0, &mut distances);
    let mut order: Vec<Candidate> = (0..).zip(distances).map(|(row, distance)| Candidate { distance, row }).collect();
    if count < order.len() {
        order.select_nth_unstable(count);
        order.truncate(count);
    }
    order.sort_unstable();
    order.into_iter().map(|list| list.row).collect()
}

/// The best `keep` live rows of the lists `probes`, in no order; with a `margin` also every further one whose
/// true distance could be among the best `keep`. Those whose estimate is not a number come behind.
pub fn search(
    parts: &[&Part],
    probes: &[u32],
    scorer: &mut impl ListScorer,
    keep: usize,
    margin: Margin,
    live: impl Fn(u32) -> bool,
    task: &Task,
) -> Result<Vec<Candidate>, Aborted> {
    if keep == 0 {
        return Ok(Vec::new());
    }
    let mut best = Best::new(keep, margin);
    let (mut estimates, mut marks) = (Vec::new(), Vec::new());
    for (at, &list) in probes.iter().enumerate() {
        for (number, part) in parts.iter().enumerate() {
            if let Some(&next) = probes.get(at + 1) {
                scorer.prefetch(number, part.blocks_of(next as usize));
            }
            let blocks = part.blocks_of(list as usize);
            if blocks.is_empty() {
                continue;
            }
            estimates.resize(blocks.len() * BLOCK, 0.0);
            marks.resize(blocks.len(), 0);
            scorer.scan(number, at, blocks.clone(), best.bound(), &mut estimates, &mut marks);
            best.take(&marks, &estimates, part.members(blocks), &live);
        }
        task.check()?;
    }
    Ok(best.finish_unsorted())
}
