//! Choosing links: near ones that do not cover one another.

use kernels::{Kernels, Metric, Strided, kernels};

use crate::{Candidate, Space};

/// Reusable memory for choosing links.
#[derive(Default)]
pub(super) struct Pruner {
    values: Vec<f32>,
    chosen: Vec<f32>,
    distances: Vec<f32>,
}

impl Pruner {
    /// The heuristic of the HNSW paper (algorithm 4, without extending or keeping the pruned): going
    /// outwards, a candidate is taken if nothing taken before is nearer to it than the centre is. Candidates
    /// that tie for the first place (copies of one vector) get at most half of the places: links among
    /// copies alone would lead nowhere else.
    ///
    /// `candidates` ascend; their distances are from the centre. Returns at most `most` of them.
    pub(super) fn choose(
        &mut self,
        space: &impl Space,
        candidates: &[Candidate],
        row_of: impl Fn(u32) -> u32,
        most: usize,
    ) -> Vec<Candidate> {
        let dims = space.dims();
        self.values.resize(dims, 0.0);
        self.chosen.resize(most * dims, 0.0);
        self.distances.resize(most, 0.0);
        let mut taken: Vec<Candidate> = Vec::with_capacity(most);
        for &candidate in candidates {
            if taken.len() == most {
                break;
            }
            if candidate.distance == candidates[0].distance && taken.len() >= most.div_ceil(2) {
                continue;
            }
            space.load(row_of(candidate.row), &mut self.values);
            let distances = &mut self.distances[..taken.len()];
            pairs(kernels(), space.metric(), &self.values, &self.chosen[..taken.len() * dims], distances);
            if distances.iter().all(|&d| candidate.distance <= d) {
                self.chosen[taken.len() * dims..][..dims].copy_from_slice(&self.values);
                taken.push(candidate);
            }
        }
        taken
    }

    /// Distances from the centre row to the rows of `members`.
    pub(super) fn measure(
        &mut self,
        space: &impl Space,
        centre: u32,
        members: &[u32],
        row_of: impl Fn(u32) -> u32,
    ) -> Vec<Candidate> {
        let dims = space.dims();
        self.values.resize(dims, 0.0);
        space.load(centre, &mut self.values);
        self.chosen.resize(members.len() * dims, 0.0);
        for (&member, values) in members.iter().zip(self.chosen.chunks_exact_mut(dims)) {
            space.load(row_of(member), values);
        }
        self.distances.resize(members.len(), 0.0);
        pairs(
            kernels(),
            space.metric(),
            &self.values,
            &self.chosen[..members.len() * dims],
            &mut self.distances[..members.len()],
        );
        members.iter().zip(&self.distances).map(|(&row, &distance)| Candidate { distance, row }).collect()
    }
}

/// Sorts by distance from the member `centre`, ties by how near their numbers are: copies of one vector then
/// form a chain, where any order by number alone would make all of them link to the same few.
pub(super) fn sort_around(centre: u32, candidates: &mut [Candidate]) {
    candidates.sort_unstable_by(|a, b| {
        let number = |c: &Candidate| (c.row.abs_diff(centre), c.row);
        a.distance.total_cmp(&b.distance).then_with(|| number(a).cmp(&number(b)))
    });
}

/// Distances from `centre` to the rows of `others`, contiguous.
fn pairs(kernels: &Kernels, metric: Metric, centre: &[f32], others: &[f32], out: &mut [f32]) {
    let rows = Strided::new(bytemuck::cast_slice(others), size_of_val(centre), out.len());
    if metric == Metric::L2 {
        kernels.scan_l2_f32(centre, rows, 0, out);
    } else {
        kernels.scan_dot_f32(centre, rows, 0, out);
        for distance in out {
            *distance = 1.0 - *distance;
        }
    }
}
