//! What `npm run bench -- facade` holds the facade against: the engine's own calls, timed on this side of the boundary, and
//! a task that does nothing. The facade uses none of it.

use std::hint::{self, black_box};
use std::time::{Duration, Instant};

use engine::{Query, SearchParams};
use napi::bindgen_prelude::AsyncTask;
use napi::{Env, Result, Task as NapiTask};
use napi_derive::napi;
use task::Task;

use crate::error::{Thrown, guard, thrown};
use crate::index::NativeIndex;

/// Nanoseconds that searches for the rows of `queries` take, one after another on this thread.
#[napi]
pub fn time_searches(index: &NativeIndex, queries: &[f32], k: u32, ef: Option<u32>) -> Result<f64, Thrown> {
    let live = index.shared().live().map_err(thrown)?;
    let (params, dimensions) = (params(k, ef, 0), live.index.options().dimensions);
    let started = Instant::now();
    for query in queries.chunks_exact(dimensions) {
        black_box(guard(|| live.index.search(&Query::vector(query), &params, &Task::new())).map_err(thrown)?);
    }
    Ok(started.elapsed().as_nanos() as f64)
}

/// Nanoseconds that one batch of searches takes, called from this thread.
#[napi]
pub fn time_batch(index: &NativeIndex, queries: &[f32], k: u32, ef: Option<u32>, threads: u32) -> Result<f64, Thrown> {
    let live = index.shared().live().map_err(thrown)?;
    let started = Instant::now();
    black_box(guard(|| live.index.search_batch(queries, &params(k, ef, threads), &Task::new())).map_err(thrown)?);
    Ok(started.elapsed().as_nanos() as f64)
}

fn params(k: u32, ef: Option<u32>, threads: u32) -> SearchParams {
    SearchParams { k: k as usize, ef: ef.map(|ef| ef as usize), threads: threads as usize, ..SearchParams::default() }
}

/// A promise of nothing, by way of another thread, which is busy with nothing for so many microseconds: none, unless told a length of time.
#[napi]
pub fn do_nothing(microseconds: Option<f64>) -> AsyncTask<Nothing> {
    AsyncTask::new(Nothing(Duration::try_from_secs_f64(microseconds.unwrap_or(0.0) / 1e6).unwrap_or_default()))
}

/// Does nothing, for a while.
pub struct Nothing(Duration);

impl NapiTask for Nothing {
    type Output = ();
    type JsValue = ();

    fn compute(&mut self) -> Result<()> {
        let started = Instant::now();
        while started.elapsed() < self.0 {
            hint::spin_loop();
        }
        Ok(())
    }

    fn resolve(&mut self, _: Env, (): ()) -> Result<()> {
        Ok(())
    }
}
