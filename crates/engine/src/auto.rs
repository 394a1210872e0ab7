//! What `coarse: 'auto'` becomes once comparing all rows takes too long: lists, or a graph.
//!
//! That hangs on how many dimensions rows have where they lie. Around each of some rows the number of neighbours grows with a power of the distance. That power is estimated by the
//! likelihood of the distances of the nearest (Levina & Bickel, *Maximum likelihood estimation of intrinsic dimension*, 2004),
//! and averaged over the rows as MacKay & Ghahramani correct it: the mean of its inverse.

use kernels::{Metric, kernels};

use crate::error::Result;
use crate::options::Options;
use crate::state::{Plan, State};

/// Rows of so many dimensions go into a graph.
const MANY_DIMENSIONS: usize = 160;
/// Rows of fewer go into a graph where they lie as if they had so many at most, else into lists. SIFT has 16 of its 128, GloVe 26 of
/// its 100.
const FEW_DIMENSIONS: f64 = 21.0;

/// Rows looked at, at most.
const ROWS: usize = 4096;
/// Rows whose neighbours are looked for among them.
const CENTRES: usize = 128;
/// Neighbours of each.
const NEAR: usize = 16;

/// What finds candidates in an index with `options` and these rows, where that is left to it.
///
/// Rows of many dimensions have few that matter, and are found in a few dozen steps of a graph with its neighbours' codes beside
/// the links. Of few dimensions, those that lie as if they had fewer still are, too; the others go into lists, whose codes hold
/// them well.
pub fn choose(options: &Options, state: &State) -> Result<Plan> {
    if !options.decides_codes() || options.dimensions >= MANY_DIMENSIONS {
        return Ok(Plan::Hnsw);
    }
    // Products tell nothing of how rows lie.
    let lists = options.metric == Metric::Dot || dimension(state)? > FEW_DIMENSIONS;
    Ok(if lists { Plan::Ivf } else { Plan::Hnsw })
}

/// The dimension of the live rows around one of them, about: infinite where too few of them differ to tell.
fn dimension(state: &State) -> Result<f64> {
    let rows = sample(state)?;
    let count = rows.len() / state.dense.format.dims;
    let centres = (0..count).step_by(count.div_ceil(CENTRES).max(1));
    let (mut logs, mut terms) = (0.0, 0);
    for centre in centres {
        let mut squares = squares_to(centre, &rows, state.dense.format.dims);
        squares.retain(|&square| square > 0.0);
        if squares.len() < NEAR {
            continue;
        }
        let (nearer, farthest, _) = squares.select_nth_unstable_by(NEAR - 1, f32::total_cmp);
        logs += nearer.iter().map(|&near| f64::from(*farthest / near).ln()).sum::<f64>();
        terms += NEAR - 1;
    }
    // The logarithm of a square is twice that of a distance.
    Ok(if logs > 0.0 { 2.0 * terms as f64 / logs } else { f64::INFINITY })
}

/// Some of the live rows, evenly drawn; those of the cosine distance at unit length, so that squares mean the same.
fn sample(state: &State) -> Result<Vec<f32>> {
    let live: Vec<u32> = (0..state.rows()).filter(|&row| state.is_live(row)).collect();
    let count = live.len().min(ROWS);
    let mut rows = Vec::with_capacity(count * state.dense.format.dims);
    for at in 0..count {
        let mut row = state.dense.get(live[at * live.len() / count])?;
        if state.dense.format.metric == Metric::Cosine {
            crate::dense::to_unit(&mut row);
        }
        rows.extend(row);
    }
    Ok(rows)
}

/// Squared distances of row `one` to the others.
fn squares_to(one: usize, rows: &[f32], dims: usize) -> Vec<f32> {
    let centre = &rows[one * dims..][..dims];
    let others = rows.chunks_exact(dims).enumerate().filter(|&(at, _)| at != one);
    others.map(|(_, row)| kernels().l2_f32(centre, row)).collect()
}
