//! Searches, with as little between JavaScript and the engine as there can be.
//!
//! A method of a class costs near a microsecond before it begins, because its receiver is looked up and checked, and every
//! argument costs more. These are plain functions that hold their index, take their numbers from an array that is there
//! already, and leave hits in it.

use engine::{Hit, Id, Index, Query, SearchParams};
use napi::bindgen_prelude::{ClassInstance, Either3, Function, FunctionCallContext};
use napi::{Env, Result};
use napi_derive::napi;
use task::Task;

use crate::calls::{NativeCancel, NativeFailure, Value};
use crate::convert;
use crate::error::guard;
use crate::index::NativeIndex;
use crate::shared::{Control, Live};
use crate::table::{Columns, NativeTable};

/// Nothing where all went well and the hits are in the words.
type Answer = Either3<(), NativeTable, NativeFailure>;

#[napi]
impl NativeIndex {
    /// A function that searches now, as asked for in `words`. `verify` is given where another vector than `query` gives the
    /// distances. Plain hits with number ids are written to `words`: how many, and pairs of id and distance. Others, and those
    /// for which `words` has no room, come as a table.
    #[napi(
        ts_return_type = "(query: Float32Array, words: Float64Array, verify?: Float32Array) => NativeTable | NativeFailure | undefined"
    )]
    pub fn searcher<'env>(&self, env: &'env Env) -> Result<Function<'env, (), Answer>> {
        let shared = self.shared().clone();
        env.create_function_from_closure("search", move |call| {
            let (query, words): (&[f32], &mut [f64]) = (call.get(0)?, call.get(1)?);
            let query = Query { candidates: query, verify: verify(&call)?.unwrap_or(query) };
            let (_, params) = convert::asked(words);
            let found = shared.live().and_then(|live| guard(|| live.index.search(&query, &params, &Task::new())));
            Ok(match found {
                Ok(hits) => answer(hits, &params, words),
                Err(error) => Either3::C(error.into()),
            })
        })
    }

    /// A function that does the same on another thread: how it ends comes by `NativeCalls`. A query that cannot be compared fails
    /// at once. The call may be stopped by `cancel`.
    #[napi(
        ts_return_type = "(query: Float32Array, words: Float64Array, verify?: Float32Array, cancel?: NativeCancel) => NativeFailure | undefined"
    )]
    pub fn starter<'env>(&self, env: &'env Env) -> Result<Function<'env, (), Answer>> {
        let shared = self.shared().clone();
        env.create_function_from_closure("startSearch", move |call| {
            let (query, words): (&[f32], &[f64]) = (call.get(0)?, call.get(1)?);
            let verify = verify(&call)?;
            let cancel = if call.length() > 3 { call.get::<Option<ClassInstance<'_, NativeCancel>>>(3)? } else { None };
            let (token, params) = convert::asked(words);
            let control = Control { token, cancel: cancel.map(|cancel| cancel.flag()), watched: false };
            let checked = shared.live().and_then(|live| check(&live, query, verify));
            let (query, verify) = (query.to_vec(), verify.map(<[f32]>::to_vec));
            let work = move |index: &Index, task: &Task| {
                let query = Query { candidates: &query, verify: verify.as_deref().unwrap_or(&query) };
                let hits = index.search(&query, &params, task)?;
                Ok(if is_plain(&params) { Value::Hits(hits) } else { Value::Table(Columns::of_hits(hits)) })
            };
            Ok(match checked.and_then(|()| shared.search(control, work)) {
                Ok(()) => Either3::A(()),
                Err(error) => Either3::C(error.into()),
            })
        })
    }
}

fn verify<'a>(call: &'a FunctionCallContext<'_>) -> Result<Option<&'a [f32]>> {
    if call.length() > 2 { call.get(2) } else { Ok(None) }
}

fn check(live: &Live, query: &[f32], verify: Option<&[f32]>) -> engine::Result<()> {
    live.index.check_query(&Query { candidates: query, verify: verify.unwrap_or(query) })
}

fn is_plain(params: &SearchParams) -> bool {
    params.include == engine::Include::default()
}

fn answer(hits: Vec<Hit>, params: &SearchParams, words: &mut [f64]) -> Answer {
    let fits = 2 * hits.len() < words.len();
    if !(fits && is_plain(params) && hits.iter().all(|hit| matches!(hit.id, Id::Number(_)))) {
        return Either3::B(Columns::of_hits(hits).into());
    }
    words[0] = hits.len() as f64;
    for (pair, hit) in words[1..].chunks_exact_mut(2).zip(hits) {
        pair[0] = convert::pack_id(hit.id, &mut Vec::new());
        pair[1] = hit.distance;
    }
    Either3::A(())
}
