//! Lists of an index: trained, filled as rows come, and made anew.

use std::ops::Range;

use task::Task;

use super::{Lists, Shape};
use crate::dense::Dense;
use crate::derived::{Derived, draw};
use crate::error::Result;
use crate::shared::Shared;
use crate::state::State;

/// Rows that are put into lists at a time.
const PIECE: u32 = 1 << 16;
/// Lists are trained anew once there are so many times the rows they were trained on.
const OUTGROWN: u32 = 4;

/// Puts a piece of the first `rows` rows into lists, which are trained first; `false` when there is none. See
/// [`crate::derived::step`].
pub fn list_some(
    shared: &Shared,
    derived: &mut Derived,
    state: &State,
    rows: u32,
    [block, drain]: [u32; 2],
    task: &Task,
) -> Result<bool> {
    let Some(lists) = &mut derived.lists else {
        let Some(rows) = shared.training_due() else { return Ok(false) };
        derived.lists = Some(Lists::new(trained(shared, &state.dense, rows, None, task)?));
        return Ok(true);
    };
    let listed = lists.len();
    if rows - listed < block && drain.min(rows) <= listed {
        return Ok(false);
    }
    let end = if rows - listed < block { drain.min(rows) } else { rows.min(listed + PIECE) };
    put(shared, lists, &state.dense, end, task)?;
    let lists = lists.clone();
    task.report("lists", u64::from(lists.len()), u64::from(state.rows()));
    shared.publish(|state| state.lists = Some(lists));
    Ok(true)
}

/// Trains lists on a seeded sample of rows 0 .. `rows`, of as many as suit the lists unless told otherwise.
fn trained(shared: &Shared, dense: &Dense, rows: u32, sample: Option<usize>, task: &Task) -> Result<Shape> {
    let options = &shared.options;
    let (dims, metric) = (dense.format.dims, options.metric);
    let lists = options.lists.unwrap_or_else(|| Shape::lists_for(rows as usize));
    let sample = sample.map_or(Shape::sample(lists, dims), |sample| sample.max(Shape::needed(Some(lists))));
    let chosen = draw(rows, sample, options.seed ^ 3);
    let encoded = shared.lists_are_encoded();
    let train = || -> Result<Shape> {
        let values = dense.decoded(&chosen, task)?;
        Ok(Shape::train(metric, dims, lists, encoded, values, options.seed, task)?)
    };
    let mut shape = shared.build_pool()?.install(train)?;
    (shape.trained_rows, shape.sample_rows) = (rows, chosen.len() as u32);
    Ok(shape)
}

/// Puts the rows up to `end` into lists.
fn put(shared: &Shared, lists: &mut Lists, dense: &Dense, end: u32, task: &Task) -> Result<()> {
    let dims = dense.format.dims;
    let read = |rows: Range<u32>, values: &mut [f32]| {
        let decode = |row, stored: &[u8]| dense.format.decode(stored, &mut values[(row - rows.start) as usize * dims..][..dims]);
        dense.scan(rows.clone(), task, decode)
    };
    let count = end - lists.len();
    shared.build_pool()?.install(|| lists.push(count, read, task))
}

fn fill(shared: &Shared, lists: &mut Lists, dense: &Dense, task: &Task) -> Result<()> {
    while lists.len() < dense.len() {
        let end = dense.len().min(lists.len() + PIECE);
        put(shared, lists, dense, end, task)?;
        task.report("lists", u64::from(end), u64::from(dense.len()));
    }
    Ok(())
}

/// Brings lists that came in parts together, where that makes scans of their codes faster.
pub fn unite(shared: &Shared, derived: &mut Derived) -> Result<()> {
    if let Some(lists) = derived.lists.as_mut().filter(|lists| lists.is_coded())
        && shared.build_pool()?.install(|| lists.unite())?
    {
        let lists = lists.clone();
        // They are saved anew. There are no other codes, nor links.
        derived.version += 1;
        shared.publish(|state| state.lists = Some(lists));
    }
    Ok(())
}

/// Whether there are many times the rows that the lists were trained on.
pub fn are_outgrown(derived: &Derived, state: &State) -> bool {
    derived.lists.as_ref().is_some_and(|lists| state.live() / OUTGROWN >= lists.shape().trained_rows.max(1))
}

/// All rows of `dense` in the lists there are, without those that are in them.
pub fn moved(shared: &Shared, lists: &Lists, dense: &Dense, task: &Task) -> Result<Lists> {
    let mut next = lists.emptied();
    fill(shared, &mut next, dense, task)?;
    Ok(next)
}

/// All rows of `dense` in lists that are trained on `sample` of them.
pub fn anew(shared: &Shared, dense: &Dense, sample: Option<usize>, task: &Task) -> Result<Lists> {
    let mut next = Lists::new(trained(shared, dense, dense.len(), sample, task)?);
    fill(shared, &mut next, dense, task)?;
    Ok(next)
}

/// Exchanges the lists for new ones; gives how many rows they were trained on.
pub fn exchange(shared: &Shared, derived: &mut Derived, dense: &Dense, sample: Option<usize>, task: &Task) -> Result<u32> {
    let lists = anew(shared, dense, sample, task)?;
    let sample = lists.shape().sample_rows;
    derived.lists = Some(lists.clone());
    derived.version += 1;
    // With codes of their own the rows that those were trained on are what counts.
    if derived.codes.is_none() {
        shared.trained(dense.len());
    }
    shared.publish(|state| (state.lists, state.efforts) = (Some(lists), None));
    Ok(sample)
}
