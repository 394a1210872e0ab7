//! Cutting a layer into small overlapping leaves of members near one another.

use rayon::prelude::*;
use task::{Aborted, Task};

use super::super::layer::Layer;
use super::super::mix;
use crate::{Candidate, Space};

/// Members of a leaf, at most: their distances from one another take a mebibyte.
const LEAF: usize = 512;
/// Leaves that a member is in. Five in each of two partitions find on MiniLM's rows what 200 places do where rows are linked
/// one by one (0.972 of the ten nearest at `ef` 48, and 0.972), four 0.971; three of one partition 0.952.
const FANOUT: usize = 5;
/// Leaders that every member of a part is compared with, at most; 1,024 found as much in leaves that were no better.
const LEADERS: usize = 256;
/// Members compared with the leaders at a time.
const PIECE: usize = 512;
/// Parts within parts; deeper ones are cut anyhow.
const DEPTH: u32 = 6;

/// Leaves of members, ascending in each, that hold every member of `layer` at least once.
pub(super) fn leaves<S: Space>(space: &S, layer: &Layer, seed: u64, task: &Task) -> Result<Vec<Vec<u32>>, Aborted> {
    let mut leaves = Vec::new();
    let mut parts = vec![((0..layer.len()).collect::<Vec<u32>>(), 0)];
    while let Some((members, depth)) = parts.pop() {
        if members.len() <= LEAF {
            leaves.push(members);
        } else if depth == DEPTH {
            leaves.extend(members.chunks(LEAF).map(<[u32]>::to_vec));
        } else {
            let fanout = if depth == 0 { FANOUT } else { 1 };
            let split = split(space, layer, &members, fanout, mix(seed ^ u64::from(depth)), task)?;
            parts.extend(split.into_iter().filter(|part| !part.is_empty()).map(|part| (part, depth + 1)));
        }
    }
    Ok(leaves)
}

/// Parts of `members`: each goes to the `fanout` leaders that are nearest to it.
fn split<S: Space>(
    space: &S,
    layer: &Layer,
    members: &[u32],
    fanout: usize,
    seed: u64,
    task: &Task,
) -> Result<Vec<Vec<u32>>, Aborted> {
    let count = (members.len() * fanout * 2 / LEAF).clamp(2, LEADERS);
    let mut drawn: Vec<(u64, u32)> = members.iter().map(|&l| (mix(seed ^ u64::from(l)), l)).collect();
    drawn.select_nth_unstable(count - 1);
    let mut leaders: Vec<u32> = drawn[..count].iter().map(|&(_, l)| layer.row(l)).collect();
    leaders.sort_unstable();
    // A piece's rows and the leaders are brought together, so that all of these lie in one run.
    let nearest = |set: &mut S::Set, piece: &[u32]| -> Result<Vec<u32>, Aborted> {
        task.check()?;
        let rows: Vec<u32> = piece.iter().map(|&l| layer.row(l)).chain(leaders.iter().copied()).collect();
        space.gather(&rows, set);
        let (mut chosen, mut distances) = (Vec::with_capacity(piece.len() * fanout), vec![0.0; count]);
        for one in 0..piece.len() {
            space.between_run(set, one as u32, piece.len() as u32, &mut distances);
            chosen.extend(few_nearest(&distances, fanout));
        }
        Ok(chosen)
    };
    let chosen: Vec<Vec<u32>> = members.par_chunks(PIECE).map_init(S::Set::default, nearest).collect::<Result<_, _>>()?;
    let mut parts = vec![Vec::new(); count];
    let chosen = chosen.iter().flat_map(|piece| piece.chunks_exact(fanout));
    for (&local, chosen) in members.iter().zip(chosen) {
        chosen.iter().for_each(|&part| parts[part as usize].push(local));
    }
    Ok(parts)
}

/// The places of the `count` least of `distances`, of which there are as many.
fn few_nearest(distances: &[f32], count: usize) -> impl Iterator<Item = u32> {
    let mut near: Vec<Candidate> = Vec::with_capacity(count + 1);
    for (&distance, row) in distances.iter().zip(0..) {
        if near.len() < count || near.last().is_some_and(|last| distance < last.distance) {
            let candidate = Candidate { distance, row };
            near.insert(near.partition_point(|other| *other < candidate), candidate);
            near.truncate(count);
        }
    }
    near.into_iter().map(|c| c.row)
}
