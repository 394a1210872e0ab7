//! The best of many candidates.

use crate::Candidate;

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

/// The best `keep` of the candidates that it is given; with a margin also every further one whose true distance could be
/// among the best `keep`, and those whose estimate is not a number (it overflowed).
pub(crate) struct Best {
    keep: usize,
    margin: Margin,
    bound: f32,
    found: Vec<Candidate>,
    unknown: Vec<Candidate>,
}

impl Best {
    pub(crate) fn new(keep: usize, margin: Margin) -> Self {
        Self { keep, margin, bound: f32::INFINITY, found: Vec::new(), unknown: Vec::new() }
    }

    /// Estimates above this are of no use any more.
    pub(crate) fn bound(&self) -> f32 {
        self.bound
    }

    /// Whether a candidate of this estimate is of use.
    #[inline]
    pub(crate) fn takes(&self, distance: f32) -> bool {
        distance <= self.bound || distance.is_nan()
    }

    #[inline]
    pub(crate) fn push(&mut self, candidate: Candidate) {
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

    /// Ascending by (estimate, row); those without a number at the end.
    pub(crate) fn finish(mut self) -> Vec<Candidate> {
        self.shrink();
        self.found.sort_unstable();
        self.found.append(&mut self.unknown);
        self.found
    }
}
