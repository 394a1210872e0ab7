//! The index as the TypeScript facade sees it.

use std::path::PathBuf;
use std::sync::Arc;

use engine::{Id, Index, TrainParams};
use napi::bindgen_prelude::{Either, Float64Array, ObjectFinalize};
use napi::{Env, Result};
use napi_derive::napi;
use task::Task;

use crate::calls::{NativeCalls, NativeCancel, Value};
use crate::convert::{self, RawBatch};
use crate::error::{Thrown, guard, thrown};
use crate::options::NativeOptions;
use crate::shared::{Control, Shared};
use crate::stats::NativeStats;
use crate::table::Columns;
use crate::writes::Write;

/// One index. Methods with a `token` return at once; how they ended comes by `NativeCalls`. The others do their work on
/// the calling thread and throw errors with a code. Numbers and names were checked by the facade.
#[napi(custom_finalize)]
pub struct NativeIndex {
    shared: Arc<Shared>,
}

/// Some of the ids.
#[napi(object, object_from_js = false)]
pub struct NativePage {
    /// Ids; NaN for the next of `texts`.
    pub numbers: Float64Array,
    /// Text ids, in order.
    pub texts: Vec<String>,
    /// Where the next page starts, if there is one.
    pub next: Option<u32>,
}

#[napi]
impl NativeIndex {
    /// Not open yet: `create` or `open` comes next.
    #[napi(constructor)]
    pub fn new(calls: &NativeCalls) -> Self {
        Self { shared: Arc::new(Shared::new(calls.completions())) }
    }

    /// Makes an index in memory.
    #[napi]
    pub fn create(&self, options: NativeOptions) -> Result<(), Thrown> {
        let index = guard(|| Index::new(options.unpack()?.complete(false)?)).map_err(thrown)?;
        self.shared.set(index);
        Ok(())
    }

    /// Opens or creates the index in a directory.
    #[napi]
    pub fn open(&self, token: u32, path: String, options: NativeOptions, read_only: bool) {
        let open = move || Index::open(&PathBuf::from(path), options.unpack()?, read_only, &Task::new());
        self.shared.open(token, open);
    }

    /// As asked, defaults filled in.
    #[napi]
    pub fn options(&self) -> Result<NativeOptions, Thrown> {
        let live = self.shared.live().map_err(thrown)?;
        Ok(live.index.options().into())
    }

    /// Live items.
    #[napi]
    pub fn size(&self) -> f64 {
        self.shared.size() as f64
    }

    /// Inserts or replaces one atomic batch.
    #[napi]
    #[allow(clippy::too_many_arguments, reason = "plain arguments cross the boundary far cheaper than an object")]
    pub fn add(
        &self,
        token: u32,
        numbers: &[f64],
        texts: Vec<String>,
        vectors: &[f32],
        metadata: Option<Vec<Option<String>>>,
        cancel: Option<&NativeCancel>,
        watched: bool,
    ) -> Result<(), Thrown> {
        let raw = RawBatch { numbers: numbers.to_vec(), texts, vectors: vectors.to_vec(), metadata };
        self.shared.commit(control(token, cancel, watched), Write::Add(raw)).map_err(thrown)
    }

    /// Removes items.
    #[napi]
    pub fn delete(&self, token: u32, numbers: &[f64], texts: Vec<String>) -> Result<(), Thrown> {
        self.shared.commit(Control::plain(token), Write::Delete(numbers.to_vec(), texts)).map_err(thrown)
    }

    /// Whether there is an item of that id.
    #[napi]
    pub fn has(&self, id: Either<f64, String>) -> Result<bool, Thrown> {
        let id = match id {
            Either::A(number) => Id::Number(number as u64),
            Either::B(text) => Id::Text(text.into()),
        };
        let live = self.shared.live().map_err(thrown)?;
        guard(|| live.index.has(&id)).map_err(thrown)
    }

    /// Items by id.
    #[napi]
    pub fn get(&self, token: u32, numbers: &[f64], texts: Vec<String>, include: u32) -> Result<(), Thrown> {
        let (ids, include) = (convert::unpack_ids(numbers, texts), convert::include(include));
        let work = move |index: &Index, _: &Task| index.get(&ids, include).map(|items| Value::Table(Columns::of_items(items)));
        self.shared.search(Control::plain(token), work).map_err(thrown)
    }

    /// At most `limit` ids, from row `from` on.
    #[napi]
    pub fn ids(&self, from: u32, limit: u32) -> Result<NativePage, Thrown> {
        let live = self.shared.live().map_err(thrown)?;
        let (ids, next) = guard(|| live.index.ids(from, limit as usize)).map_err(thrown)?;
        let mut texts = Vec::new();
        let numbers: Vec<f64> = ids.into_iter().map(|id| convert::pack_id(id, &mut texts)).collect();
        Ok(NativePage { numbers: numbers.into(), texts, next })
    }

    /// The nearest items of each row of `queries`, as asked for in `words`.
    #[napi]
    pub fn search_batch(&self, queries: &[f32], words: &[f64], cancel: Option<&NativeCancel>) -> Result<(), Thrown> {
        let (token, params) = convert::asked(words);
        let queries = queries.to_vec();
        let work = move |index: &Index, task: &Task| {
            let parts = index.search_batch_into(&queries, &params, task, Columns::put)?;
            Ok(Value::Table(Columns::joined(parts)))
        };
        self.shared.search(control(token, cancel, false), work).map_err(thrown)
    }

    /// Fits the codes to the data.
    #[napi]
    pub fn train(&self, token: u32, sample: Option<f64>, cancel: Option<&NativeCancel>, watched: bool) -> Result<(), Thrown> {
        let params = TrainParams { sample: sample.map(|n| n as usize) };
        let work = move |index: &Index, task: &Task| index.train(&params, task).map(Value::Report);
        self.shared.write(control(token, cancel, watched), work).map_err(thrown)
    }

    /// Rebuilds for search speed.
    #[napi]
    pub fn optimize(&self, token: u32, cancel: Option<&NativeCancel>, watched: bool) -> Result<(), Thrown> {
        let work = |index: &Index, task: &Task| index.optimize(task).map(|()| Value::Nothing);
        self.shared.write(control(token, cancel, watched), work).map_err(thrown)
    }

    /// Saves.
    #[napi]
    pub fn flush(&self, token: u32) -> Result<(), Thrown> {
        self.shared.write(Control::plain(token), |index, _| index.flush().map(|()| Value::Nothing)).map_err(thrown)
    }

    /// Writes a copy of this moment to another directory, on a search thread: writes go on.
    #[napi]
    pub fn snapshot(&self, token: u32, path: String) -> Result<(), Thrown> {
        let work = move |index: &Index, task: &Task| index.snapshot(&PathBuf::from(path), task).map(|()| Value::Nothing);
        self.shared.search(Control::plain(token), work).map_err(thrown)
    }

    /// Checks everything, on a search thread.
    #[napi]
    pub fn verify(&self, token: u32) -> Result<(), Thrown> {
        let work = |index: &Index, task: &Task| index.verify(task).map(Value::Verified);
        self.shared.search(Control::plain(token), work).map_err(thrown)
    }

    /// Where the bytes are.
    #[napi]
    pub fn stats(&self) -> Result<NativeStats, Thrown> {
        let live = self.shared.live().map_err(thrown)?;
        guard(|| live.index.stats()).map(Into::into).map_err(thrown)
    }

    /// Ends waiting calls that were cancelled.
    #[napi]
    pub fn sweep(&self) {
        self.shared.sweep();
    }

    /// Refuses new calls at once; ends when everything is saved and freed.
    #[napi]
    pub fn close(&self, token: u32) -> Result<(), Thrown> {
        self.shared.close(token).map_err(thrown)
    }
}

impl NativeIndex {
    /// What it shares with its calls.
    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl ObjectFinalize for NativeIndex {
    fn finalize(self, env: Env) -> Result<()> {
        let reported = self.shared.abandon();
        if reported != 0 {
            env.adjust_external_memory(-reported)?;
        }
        Ok(())
    }
}

fn control(token: u32, cancel: Option<&NativeCancel>, watched: bool) -> Control {
    Control { token, cancel: cancel.map(NativeCancel::flag), watched }
}
