//! All pairs of a few hundred members.

use kernels::kernels;

use super::super::NONE;
use super::super::layer::Layer;
use crate::Space;

/// Rows and columns mirrored at a time.
const TILE: usize = 16;
/// Distances looked through at a time.
const RUN: usize = 32;
/// The distance of what can no longer be chosen.
const GONE: f32 = f32::INFINITY;

/// Memory for one leaf after the other.
pub(super) struct Leaf<S: Space> {
    set: S::Set,
    rows: Vec<u32>,
    /// Of each member from each: one row of as many distances after the other.
    distances: Vec<f32>,
    /// Of the members that can still be chosen.
    left: Vec<f32>,
}

impl<S: Space> Default for Leaf<S> {
    fn default() -> Self {
        Self { set: S::Set::default(), rows: Vec::new(), distances: Vec::new(), left: Vec::new() }
    }
}

impl<S: Space> Leaf<S> {
    /// At most `m` links for each of `members` (ascending) among all the others, chosen as the pruner does:
    /// `m` places each, [`NONE`] behind the last.
    pub(super) fn link(&mut self, space: &S, layer: &Layer, members: &[u32], m: usize) -> Vec<u32> {
        self.rows.clear();
        self.rows.extend(members.iter().map(|&l| layer.row(l)));
        space.gather(&self.rows, &mut self.set);
        self.measure(space);
        let mut links = vec![NONE; members.len() * m];
        for (centre, links) in links.chunks_exact_mut(m).enumerate() {
            self.choose(centre, links);
            links.iter_mut().filter(|link| **link != NONE).for_each(|link| *link = members[*link as usize]);
        }
        links
    }

    /// Distances of all pairs, each measured once.
    fn measure(&mut self, space: &S) {
        let len = self.rows.len();
        self.distances.resize(len * len, 0.0);
        for one in 0..len {
            let start = one + 1;
            space.between_run(&mut self.set, one as u32, start as u32, &mut self.distances[one * len + start..(one + 1) * len]);
            self.distances[one * len + one] = GONE;
        }
        for top in (0..len).step_by(TILE) {
            for left in (0..=top).step_by(TILE) {
                for row in top..len.min(top + TILE) {
                    for column in left..row.min(left + TILE) {
                        self.distances[row * len + column] = self.distances[column * len + row];
                    }
                }
            }
        }
    }

    /// Places of the links of `centre`. What [`spread`](super::super::prune::spread) asks of every candidate is asked
    /// here of all at once, whenever one was taken: no order is needed, and no end to the candidates.
    fn choose(&mut self, centre: usize, links: &mut [u32]) {
        let len = self.rows.len();
        self.left.clear();
        self.left.extend_from_slice(&self.distances[centre * len..][..len]);
        let half = links.len().div_ceil(2);
        let mut least = self.left[kernels().argmin(&self.left)];
        let first = least;
        for (taken, link) in links.iter_mut().enumerate() {
            if taken == half && least == first {
                self.left.iter_mut().filter(|distance| **distance == first).for_each(|distance| *distance = GONE);
                least = self.left[kernels().argmin(&self.left)];
            }
            if least == GONE {
                return;
            }
            let Some(place) = nearest(&self.left, least, centre) else { return };
            *link = place as u32;
            self.left[place] = GONE;
            least = kernels().drop_above(&mut self.left, &self.distances[place * len..][..len]);
        }
    }
}

/// The place of `distance` that is nearest to `centre`.
fn nearest(distances: &[f32], distance: f32, centre: usize) -> Option<usize> {
    let above = first(&distances[centre..], distance).map(|apart| centre + apart);
    let below = last(&distances[..centre], distance);
    match (below, above) {
        (Some(below), Some(above)) => Some(if centre - below <= above - centre { below } else { above }),
        (below, above) => below.or(above),
    }
}

/// The first place of `wanted`. A run is looked through as a whole, by instructions for many at once.
fn first(distances: &[f32], wanted: f32) -> Option<usize> {
    let run = distances.chunks(RUN).position(|run| holds(run, wanted))?;
    distances[run * RUN..].iter().position(|&distance| distance == wanted).map(|at| run * RUN + at)
}

/// The last place of `wanted`.
fn last(distances: &[f32], wanted: f32) -> Option<usize> {
    let skipped = distances.rchunks(RUN).position(|run| holds(run, wanted))?;
    distances[..distances.len() - skipped * RUN].iter().rposition(|&distance| distance == wanted)
}

fn holds(run: &[f32], wanted: f32) -> bool {
    run.iter().fold(false, |holds, &distance| holds | (distance == wanted))
}
