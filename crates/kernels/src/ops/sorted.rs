//! Insertion into a short sorted list. Plain loops over arrays of a register's width, which every set compiles into its own.

/// Numbers moved at a time.
const RUN: usize = 8;
/// Runs moved before it is looked whether any below them move, too: a wrong guess costs as much as some runs do.
const BLIND: usize = 4;

/// Puts `new` where it belongs in `x`, which ascends but for its last place, which is free.
///
/// Nothing is searched for: what stands at a place afterwards is the largest of what stood before it and the smaller of
/// `new` and what stood there. No step depends on where `new` belongs, so that none is guessed wrong.
#[inline(always)]
pub(crate) fn insert(x: &mut [i64], new: i64) {
    let Some(free) = x.last_mut() else { return };
    *free = i64::MAX;
    let mut end = x.len();
    while end > RUN * BLIND {
        for _ in 0..BLIND {
            run::<RUN>(&mut x[end - RUN - 1..end], new);
            end -= RUN;
        }
        if x[end - 1] <= new {
            return;
        }
    }
    while end > RUN {
        run::<RUN>(&mut x[end - RUN - 1..end], new);
        end -= RUN;
    }
    for at in (1..end).rev() {
        x[at] = x[at - 1].max(x[at].min(new));
    }
    x[0] = x[0].min(new);
}

/// All places of `x` but the first, which is that of the number before them.
#[inline(always)]
fn run<const LEN: usize>(x: &mut [i64], new: i64) {
    let (before, at): ([i64; LEN], [i64; LEN]) = (std::array::from_fn(|i| x[i]), std::array::from_fn(|i| x[i + 1]));
    for i in 0..LEN {
        x[i + 1] = before[i].max(at[i].min(new));
    }
}
