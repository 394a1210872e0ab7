//! The best of many candidates.

use kernels::kernels;

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

/// Keys from this on are of estimates that are not a number: no other has all of these bits.
const UNKNOWN: u64 = (u32::MAX as u64) << 32;

/// The best `keep` of the candidates that it is given; with a margin also every further one whose true distance could be
/// among the best `keep`, and those whose estimate is not a number (it overflowed).
pub(crate) struct Best {
    keep: usize,
    margin: Margin,
    bound: f32,
    /// As keys, which compare in one step.
    found: Vec<u64>,
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
        self.found.push(candidate.key());
        self.shrink_if_many();
    }

    /// Takes the marked places that have a row which is `live`, as [`kernels::Kernels::pick`] does. Nothing is decided while they are
    /// looked up, so that no step waits for the one before it.
    #[inline]
    pub(crate) fn take(&mut self, marks: &[u32], estimates: &[f32], rows: &[u32], live: impl Fn(u32) -> bool) {
        let start = self.found.len();
        self.found.resize(start + estimates.len(), 0);
        let picked = start + kernels().pick(marks, estimates, rows, &mut self.found[start..]);
        let mut end = start;
        for at in start..picked {
            let key = self.found[at];
            let alive = live(key as u32);
            self.found[end] = key;
            end += usize::from(alive && key < UNKNOWN);
            if key >= UNKNOWN && alive {
                self.unknown.push(Candidate::of_key(key));
            }
        }
        self.found.truncate(end);
        self.shrink_if_many();
    }

    #[inline]
    fn shrink_if_many(&mut self) {
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
        self.bound = self.margin.bound(Candidate::of_key(*kth).distance);
        if self.margin == Margin::default() {
            self.found.truncate(self.keep);
        } else {
            let bound = self.bound;
            self.found.retain(|&key| Candidate::of_key(key).distance <= bound);
        }
    }

    /// Ascending by (estimate, row); those without a number at the end.
    pub(crate) fn finish(mut self) -> Vec<Candidate> {
        self.shrink();
        self.found.sort_unstable();
        self.unsorted()
    }

    /// The same in no order, but for those without a number.
    pub(crate) fn finish_unsorted(mut self) -> Vec<Candidate> {
        self.shrink();
        self.unsorted()
    }

    fn unsorted(mut self) -> Vec<Candidate> {
        let mut found: Vec<Candidate> = self.found.iter().map(|&key| Candidate::of_key(key)).collect();
        found.append(&mut self.unknown);
        found
    }
}
