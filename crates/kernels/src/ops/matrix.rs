//! One query of bytes times a matrix of bytes: the products with all of its rows at once.

use crate::isa::ByteDot;

/// Rows of the matrix that lie together.
pub(crate) const ROWS: usize = 16;
/// Values of each of them.
pub(crate) const VALUES: usize = 4;

/// Four values each of 16 rows, as one cache line.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Line(pub [i8; ROWS * VALUES]);

/// `out[r] = Σ q[j] * row r [j]`, exact modulo 2^32. The lines of the first four values of all rows come first.
///
/// # Safety
/// `q` is whole fours, `out` whole sixteens, and `lines.len() * 64 == q.len() * out.len()`.
#[inline(always)]
pub(crate) unsafe fn multiply<S: ByteDot>(s: S, q: &[u8], lines: &[Line], out: &mut [i32]) {
    let blocks = out.len() / ROWS;
    // Passes of as many blocks as there are registers for, all about as wide.
    let width = blocks.div_ceil(blocks.div_ceil(S::BLOCKS).max(1));
    let mut block = 0;
    while block < blocks {
        let (lines, out) = (lines[block..].as_ptr(), out[block * ROWS..].as_mut_ptr());
        let taken = width.min(blocks - block);
        // SAFETY: `taken` blocks of rows are left from `block` on, in the lines of every four values and in out.
        unsafe {
            macro_rules! pass_of {
                ($($n:literal)+) => {
                    match taken {
                        $($n => pass::<S, $n>(s, q, lines, blocks, out),)+
                        _ => unreachable!("{taken} blocks in a pass"),
                    }
                };
            }
            pass_of!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16)
        }
        block += taken;
    }
}

/// # Safety
/// For every four values of `q`, `N` lines from its `blocks`-th line on must be readable at `lines`, and `N * 16` elements
/// writable at `out`.
#[inline(always)]
unsafe fn pass<S: ByteDot, const N: usize>(s: S, q: &[u8], lines: *const Line, blocks: usize, out: *mut i32) {
    let mut sums = [s.zero_lines(); N];
    for (at, four) in q.as_chunks::<VALUES>().0.iter().enumerate() {
        for (n, sum) in sums.iter_mut().enumerate() {
            // SAFETY: the caller answers for N lines of each four.
            *sum = unsafe { s.add_line(*sum, u32::from_le_bytes(*four), lines.add(at * blocks + n).cast()) };
        }
    }
    for (n, sum) in sums.into_iter().enumerate() {
        // SAFETY: the caller answers for 16 elements a block.
        unsafe { s.store_lines(sum, out.add(n * ROWS)) };
    }
}
