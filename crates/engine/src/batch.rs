//! Many searches at once.

use std::sync::{Mutex, OnceLock, PoisonError};

use rayon::ThreadPool;

use crate::error::Result;
use crate::types::Hit;

/// Pieces of a batch for each thread.
const PIECES: usize = 16;

/// What `one` answers to each row of `queries`, `put` together.
///
/// # Errors
/// The first of those of `one`.
pub fn answered<T: Default>(
    queries: &[f32],
    dims: usize,
    one: &impl Fn(&[f32]) -> Result<Vec<Hit>>,
    put: &impl Fn(&mut T, Vec<Hit>),
) -> Result<T> {
    let mut answers = T::default();
    queries.chunks_exact(dims).try_for_each(|query| one(query).map(|hits| put(&mut answers, hits)))?;
    Ok(answers)
}

/// The same, in their order, on the calling thread and as many of the pool's that `threads` work in all. Each takes some rows at a time, so
/// that one that is held up leaves the rest to the others, and puts their answers together.
///
/// The caller works, too, rather than sleep while others are woken. A thread answers one query after the other: walks through nodes that
/// took turns were slower the more of them there were, by 5 % (GloVe-100) or not at all (MNIST-784) for two, and 8 to 33 % for eight, since a
/// search by itself already asks for memory as fast as it comes (a Zen 5, ef 32 to 256).
///
/// # Errors
/// One of those of `one`; what was not begun by then is left.
pub fn answers<T: Default + Send>(
    pool: &ThreadPool,
    threads: usize,
    queries: &[f32],
    dims: usize,
    one: impl Fn(&[f32]) -> Result<Vec<Hit>> + Sync,
    put: impl Fn(&mut T, Vec<Hit>) + Sync,
) -> Result<Vec<T>> {
    let piece = (queries.len() / dims).div_ceil(threads * PIECES);
    let queries = queries.chunks(piece * dims);
    let mut answers: Vec<T> = (0..queries.len()).map(|_| T::default()).collect();
    let pieces = Mutex::new(queries.zip(&mut answers));
    let failed = OnceLock::new();
    let work = || {
        while failed.get().is_none() {
            // Only `next` runs under this lock, which cannot panic.
            let Some((queries, answer)) = pieces.lock().unwrap_or_else(PoisonError::into_inner).next() else { return };
            match answered(queries, dims, &one, &put) {
                Ok(put) => *answer = put,
                Err(error) => return drop(failed.set(error)),
            }
        }
    };
    pool.in_place_scope(|scope| {
        (1..threads).for_each(|_| scope.spawn(|_| work()));
        work();
    });
    failed.into_inner().map_or(Ok(answers), Err)
}
