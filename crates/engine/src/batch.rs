//! Many searches at once.

use std::sync::{Mutex, OnceLock, PoisonError};

use rayon::ThreadPool;

use crate::error::Result;
use crate::types::Hit;

/// Pieces of a batch for each thread.
const PIECES: usize = 16;

/// What `one` answers to each row of `queries`, in their order, on the calling thread and as many of the pool's that `threads` work in all.
/// Each takes some rows at a time, so that one that is held up leaves the rest to the others.
///
/// The caller works, too, rather than sleep while others are woken. A thread answers one query after the other: walks through nodes that
/// took turns were slower the more of them there were, by 5 % (GloVe-100) or not at all (MNIST-784) for two, and 8 to 33 % for eight, since a
/// search by itself already asks for memory as fast as it comes (a Zen 5, ef 32 to 256).
///
/// # Errors
/// One of those of `one`; what was not begun by then is left.
pub fn answers(
    pool: &ThreadPool,
    threads: usize,
    queries: &[f32],
    dims: usize,
    one: impl Fn(&[f32]) -> Result<Vec<Hit>> + Sync,
) -> Result<Vec<Vec<Hit>>> {
    let mut answers = vec![Vec::new(); queries.len() / dims];
    let piece = answers.len().div_ceil(threads * PIECES);
    let pieces = Mutex::new(queries.chunks(piece * dims).zip(answers.chunks_mut(piece)));
    let failed = OnceLock::new();
    let work = || {
        while failed.get().is_none() {
            // Only `next` runs under this lock, which cannot panic.
            let Some((queries, answers)) = pieces.lock().unwrap_or_else(PoisonError::into_inner).next() else { return };
            for (query, answer) in queries.chunks_exact(dims).zip(answers) {
                match one(query) {
                    Ok(hits) => *answer = hits,
                    Err(error) => return drop(failed.set(error)),
                }
            }
        }
    };
    pool.in_place_scope(|scope| {
        (1..threads).for_each(|_| scope.spawn(|_| work()));
        work();
    });
    failed.into_inner().map_or(Ok(answers), Err)
}
