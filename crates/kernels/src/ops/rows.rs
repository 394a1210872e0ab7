//! Scoring many rows: picked ones, with the memory asked for ahead of its use, or a run of them.

use crate::{Strided, prefetch};

/// Which rows are scored.
#[derive(Clone, Copy)]
pub(crate) enum Pick<'a> {
    /// These, in this order.
    Ids(&'a [u32]),
    /// As many as are asked for from this one on.
    From(usize),
}

/// How one row is scored. The query is inside.
pub(crate) trait RowKernel: Copy {
    type Out: Copy;
    /// Whether [`RowKernel::score4`] is faster than four scores.
    const FOUR: bool = false;

    /// Bytes that a score reads from the row's start on.
    fn bytes(self) -> usize;

    /// # Safety
    /// [`RowKernel::bytes`] bytes must be readable at `row`.
    unsafe fn score(self, row: *const u8) -> Self::Out;

    /// Four rows at once, with the same results as one at a time.
    ///
    /// # Safety
    /// As [`RowKernel::score`], for each row.
    #[inline(always)]
    unsafe fn score4(self, rows: [*const u8; 4]) -> [Self::Out; 4] {
        // SAFETY: the same contract.
        unsafe { [self.score(rows[0]), self.score(rows[1]), self.score(rows[2]), self.score(rows[3])] }
    }
}

/// Scores the picked rows.
///
/// # Safety
/// Where `out` is not empty, `kernel.bytes() <= rows.stride()`; ids are as many as `out` and below `rows.len()`;
/// `start + out.len() <= rows.len()`.
#[inline(always)]
pub(crate) unsafe fn score<R: RowKernel>(kernel: R, rows: Strided<'_>, pick: Pick<'_>, out: &mut [R::Out]) {
    // SAFETY: the same contract.
    unsafe {
        match pick {
            Pick::Ids(ids) => gather(kernel, rows, ids, out),
            Pick::From(start) => scan(kernel, rows, start, out),
        }
    }
}

/// Rows that are asked for ahead of the row that is being scored: a graph's whole list of neighbours. Measured (see
/// `prefetch`) for 448 bytes a row, ns a row: 1 ahead 111, 4 105, 8 102, 16 102, 32 99; for 3136 bytes 486, 481, 468,
/// 449, 419.
const ROWS_AHEAD: usize = 32;

/// Bytes that are asked for ahead at most: a part of the smallest L2 there is.
const BYTES_AHEAD: usize = 128 << 10;

/// # Safety
/// As [`score`].
#[inline(always)]
unsafe fn gather<R: RowKernel>(kernel: R, rows: Strided<'_>, ids: &[u32], out: &mut [R::Out]) {
    let (base, stride, bytes) = (rows.bytes().as_ptr(), rows.stride(), kernel.bytes());
    let at = |id: u32| base.wrapping_add(id as usize * stride);
    let ahead = (BYTES_AHEAD / bytes.max(1)).clamp(1, ROWS_AHEAD);
    for &id in ids.iter().take(ahead) {
        prefetch::span(at(id), bytes);
    }
    let mut i = 0;
    while R::FOUR && i + 4 <= ids.len() {
        for &id in ids.iter().skip(i + ahead).take(4) {
            prefetch::span(at(id), bytes);
        }
        let picked = [at(ids[i]), at(ids[i + 1]), at(ids[i + 2]), at(ids[i + 3])];
        // SAFETY: ids are below rows.len(), so each row lies in the buffer, and has bytes() bytes.
        let scores = unsafe { kernel.score4(picked) };
        out[i..i + 4].copy_from_slice(&scores);
        i += 4;
    }
    while i < ids.len() {
        if let Some(&id) = ids.get(i + ahead) {
            prefetch::span(at(id), bytes);
        }
        // SAFETY: the id is below rows.len(), so the row lies in the buffer, and has bytes() bytes.
        out[i] = unsafe { kernel.score(at(ids[i])) };
        i += 1;
    }
}

/// # Safety
/// As [`score`].
#[inline(always)]
unsafe fn scan<R: RowKernel>(kernel: R, rows: Strided<'_>, start: usize, out: &mut [R::Out]) {
    let (base, stride) = (rows.bytes().as_ptr(), rows.stride());
    let at = |i: usize| base.wrapping_add((start + i) * stride);
    let mut i = 0;
    while R::FOUR && i + 4 <= out.len() {
        // SAFETY: start + i + 3 is below rows.len(), so each row lies in the buffer, and has bytes() bytes.
        let scores = unsafe { kernel.score4([at(i), at(i + 1), at(i + 2), at(i + 3)]) };
        out[i..i + 4].copy_from_slice(&scores);
        i += 4;
    }
    while i < out.len() {
        // SAFETY: start + i is below rows.len(), so the row lies in the buffer, and has bytes() bytes.
        out[i] = unsafe { kernel.score(at(i)) };
        i += 1;
    }
}
