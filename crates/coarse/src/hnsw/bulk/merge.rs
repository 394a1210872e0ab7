//! From what leaves give to links.

use rayon::prelude::*;
use task::{Aborted, Task};

use super::super::NONE;
use super::super::layer::Layer;
use super::super::prune::Pruner;
use super::leaf::Leaf;
use crate::Space;

/// Where a member is: in which leaf, and there at which place.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct At {
    member: u32,
    leaf: u32,
    place: u32,
}

/// Links every member of `layer` to the best `m` of what its leaves give and of what it was linked to before.
pub(super) fn link_leaves<S: Space>(space: &S, layer: &Layer, leaves: &[Vec<u32>], m: usize, task: &Task) -> Result<(), Aborted> {
    let link = |leaf: &mut Leaf<S>, members: &Vec<u32>| -> Result<Vec<u32>, Aborted> {
        task.check()?;
        Ok(leaf.link(space, layer, members, m))
    };
    let chosen: Vec<Vec<u32>> = leaves.par_iter().map_init(Leaf::<S>::default, link).collect::<Result<_, _>>()?;
    let places = places(leaves);
    let members: Vec<&[At]> = places.chunk_by(|a, b| a.member == b.member).collect();
    members.par_iter().try_for_each_init(Pruner::<S>::default, |pruner, places| {
        task.check()?;
        let member = places[0].member;
        let given = |at: &At| &chosen[at.leaf as usize][at.place as usize * m..][..m];
        let mut near: Vec<u32> = places.iter().flat_map(given).copied().filter(|&l| l != NONE).collect();
        near.extend(layer.neighbours(member));
        near.sort_unstable();
        near.dedup();
        let links = pruner.choose_again(space, member, &near, |l| layer.row(l), m);
        layer.set_links(member, links.iter().map(|c| c.row));
        Ok(())
    })
}

/// Where every member is, those of one member side by side.
fn places(leaves: &[Vec<u32>]) -> Vec<At> {
    let mut places: Vec<At> = Vec::with_capacity(leaves.iter().map(Vec::len).sum());
    for (leaf, members) in (0..).zip(leaves) {
        places.extend(members.iter().zip(0..).map(|(&member, place)| At { member, leaf, place }));
    }
    places.par_sort_unstable();
    places
}
