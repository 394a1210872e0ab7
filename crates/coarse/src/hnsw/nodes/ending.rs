//! When a walk over coarse estimates may end.

use super::Wanted;

/// So many times what estimates are off by, as a rule, the next estimate is above the `k`-th nearest row when the walk ends early.
/// On MNIST-784 recall 0.99 took 49 us, and 53 by the number of places alone; with 2 the walk ends too early for 0.99, and 3
/// saves half as much. More, in proportion, where `ef` is more than [`USUAL`] times `k`: any recall can be had.
const CERTAIN: f32 = 2.5;
const USUAL: f32 = 5.0;
/// Estimates looked at before that is known.
const TRIED: u32 = 4;
/// Where `ef` is no larger than so many times `k`, the walk is too short for it to end early.
const SHORT: usize = 2;

/// Whether the walk has gone on for long enough.
pub(super) struct Ending {
    watched: bool,
    certain: f32,
    squares: f32,
    seen: u32,
}

impl Ending {
    pub fn new(wanted: &Wanted<'_>) -> Self {
        let watched = wanted.rough && wanted.ef > wanted.k.saturating_mul(SHORT);
        let certain = CERTAIN * (wanted.ef as f32 / (USUAL * wanted.k as f32)).max(1.0);
        Self { watched, certain, squares: 0.0, seen: 0 }
    }

    /// Takes note of a row's estimate and distance; `kth` is that of the `k`-th nearest row so far.
    ///
    /// For a walk of which the next estimate is at least this one.
    #[inline]
    pub fn is_due(&mut self, estimate: f32, own: f32, kth: f32) -> bool {
        if !self.watched {
            return false;
        }
        self.squares += (estimate - own) * (estimate - own);
        self.seen += 1;
        let above = estimate - kth;
        // Squared: neither a root nor a division at every step.
        self.seen > TRIED && above > 0.0 && above * above * self.seen as f32 > self.certain * self.certain * self.squares
    }
}
