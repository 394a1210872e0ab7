//! What was marked, as numbers that sort.

use crate::isa::Floats;
use crate::kernels::sort_key;

/// Places a mark says something of.
pub(crate) const PLACES: usize = 32;
/// Places looked at in one step.
pub(crate) const STEP: usize = 8;

/// Writes the keys of the places that are marked and have a row to `to`, in their order, and gives how many there are.
///
/// # Safety
/// `distances`, `rows` and `to` have 32 places for each of `marks`.
#[inline(always)]
pub(crate) unsafe fn pick<S: Floats>(s: S, marks: &[u32], distances: &[f32], rows: &[u32], to: &mut [u64]) -> usize {
    let (distances, rows, to) = (distances.as_ptr(), rows.as_ptr(), to.as_mut_ptr());
    let mut count = 0;
    for (block, &marks) in marks.iter().enumerate().filter(|&(_, &marks)| marks != 0) {
        for step in 0..PLACES / STEP {
            let (at, marks) = (block * PLACES + step * STEP, (marks >> (step * STEP)) as u8);
            // SAFETY: `at + 8` is at most 32 times the marks, and so is `count + 8`: no more keys are written than places were looked at.
            count += unsafe { s.pick(marks, distances.add(at), rows.add(at), to.add(count)) };
        }
    }
    count
}

/// [`Floats::pick`], one place after the other.
///
/// # Safety
/// As there.
#[inline(always)]
pub(crate) unsafe fn each(mut marks: u8, distances: *const f32, rows: *const u32, to: *mut u64) -> usize {
    let mut count = 0;
    while marks != 0 {
        let at = marks.trailing_zeros() as usize;
        marks &= marks - 1;
        // SAFETY: the caller answers for eight places of each, and `count` is below eight.
        unsafe {
            let row = *rows.add(at);
            to.add(count).write(sort_key(*distances.add(at), row));
            count += usize::from(row != u32::MAX);
        }
    }
    count
}
