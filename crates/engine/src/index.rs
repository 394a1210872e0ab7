//! The index: every call a user can make.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use coarse::hnsw::Graph;
use rayon::prelude::*;
use store::{Directory, Mode, OsVfs, Vfs};
use task::Task;

use crate::checkpoint;
use crate::dense::Dense;
use crate::derived::{self, Derived};
use crate::error::{Code, Error, Result};
use crate::ids::IdMap;
use crate::optimize;
use crate::options::{Options, PartialOptions};
use crate::record::Format;
use crate::search::{Effort, check_vector, hits, nearest};
use crate::shared::{Parts, Shared, codec_spec, first_plan, lock};
use crate::state::{Plan, State};
use crate::tombstones::Tombstones;
use crate::types::{
    Batch, Coarse, Codes, DiskStats, Hit, Id, Include, Item, MemoryStats, Query, SearchParams, Stats, TrainParams, TrainReport,
};
use crate::writer::{self, Writer};

/// Values that `open` links or encodes before it resolves; what is more follows in the background.
const CATCH_UP_VALUES: usize = 2_000_000;

/// An index. All calls are blocking and may come from any thread.
pub struct Index {
    shared: Arc<Shared>,
    background: Mutex<Option<JoinHandle<()>>>,
}

impl Index {
    /// An index that lives in memory only.
    pub fn new(options: Options) -> Result<Self> {
        options.check(false)?;
        let parts = empty(&options, None);
        Self::start(options, false, parts)
    }

    /// The index in the directory `path`; made when nothing is there and `given` names the dimensions.
    ///
    /// Options that are given must be those the index was made with, but for `threads` and `durability`. With
    /// `read_only` the last checkpoint is served, beside a writer or not.
    pub fn open(path: &Path, given: PartialOptions, read_only: bool, task: &Task) -> Result<Self> {
        Self::open_on(Arc::new(OsVfs), path, given, read_only, task)
    }

    /// As [`Index::open`], on another disk than the system's: tests put one underneath that fails and forgets.
    pub fn open_on(vfs: Arc<dyn Vfs>, path: &Path, given: PartialOptions, read_only: bool, task: &Task) -> Result<Self> {
        let create = given.dimensions.is_some() && !read_only;
        if create {
            // Before anything is made on disk.
            given.complete(true)?;
        }
        let mode = if read_only { Mode::Read } else { Mode::Write };
        let directory = match Directory::open(vfs.clone(), path, mode) {
            Err(store::Error::NotFound { .. }) if create => Directory::open(vfs, path, Mode::Create),
            opened => opened,
        };
        let directory = directory.map_err(|error| explain(error, create))?;
        let Some(manifest) = directory.manifest().cloned() else {
            let options = given.complete(true)?;
            let parts = empty(&options, Some(directory));
            let index = Self::start(options, read_only, parts)?;
            checkpoint::save(&index.shared)?;
            return Ok(index);
        };
        let body = checkpoint::read_body(&directory, manifest.body())?;
        given.agree(&body.options)?;
        let mut options = body.options.clone();
        options.threads = given.threads.unwrap_or(0);
        options.durability = given.durability.unwrap_or(options.durability);
        options.check(true)?;
        let parts = checkpoint::load(directory, body, options.clone(), read_only, task)?;
        let index = Self::start(options, read_only, parts)?;
        let bytes = |rows: bool| manifest.files().iter().filter(|f| (f.kind() == "rows") == rows).map(store::FileRef::len).sum();
        index.shared.note_disk(bytes(true), bytes(false));
        index.catch_up()?;
        Ok(index)
    }

    fn start(options: Options, read_only: bool, parts: Parts) -> Result<Self> {
        let shared = Arc::new(Shared::new(options, read_only, parts));
        let own = shared.clone();
        let background = std::thread::Builder::new().name("bigrain-index".into()).spawn(move || derived::run(&own));
        let background = background.map_err(|error| Error::new(Code::Io, format!("no thread could be started: {error}")))?;
        Ok(Self { shared, background: Mutex::new(Some(background)) })
    }

    /// Makes the codes and links that a checkpoint lacks, at once if they are few.
    fn catch_up(&self) -> Result<()> {
        let state = self.shared.state();
        let missing = state.rows() - if state.plan == Plan::Exact { state.rows() } else { state.covered() };
        if missing > 0 {
            if missing as usize * self.shared.format.dims <= CATCH_UP_VALUES {
                match derived::catch_up(&self.shared, true) {
                    // Whoever touches the damaged row gets the error.
                    Err(error) if error.code != Code::Corrupt => return Err(error),
                    _ => {}
                }
            } else {
                self.shared.wake();
            }
        }
        Ok(())
    }

    /// Options as asked, defaults filled in.
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Live items.
    pub fn len(&self) -> usize {
        self.shared.state().live() as usize
    }

    /// Whether there is no live item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether it was opened for reading.
    pub fn is_read_only(&self) -> bool {
        self.shared.read_only
    }

    /// Inserts or replaces the items of a batch, all or nothing. Found by every search that starts afterwards.
    pub fn add(&self, batch: Batch, task: &Task) -> Result<()> {
        self.write(|shared| writer::add(shared, &batch, task))
    }

    /// Deletes items; gives how many were there.
    pub fn delete(&self, ids: &[Id]) -> Result<usize> {
        self.write(|shared| writer::delete(shared, ids))
    }

    /// Whether there is an item of that id.
    pub fn has(&self, id: &Id) -> Result<bool> {
        self.shared.check_open()?;
        let map = self.shared.map_read();
        Ok(map.get(id, &self.shared.state().ids).is_some())
    }

    /// The items of the ids, `None` where there is none.
    pub fn get(&self, ids: &[Id], include: Include) -> Result<Vec<Option<Item>>> {
        self.read(|shared| {
            // One moment for all ids: rows are looked up and the state is taken under the map's lock.
            let map = shared.map_read();
            let state = shared.state();
            let rows: Vec<Option<u32>> = ids.iter().map(|id| map.get(id, &state.ids)).collect();
            drop(map);
            let item = |(row, id): (Option<u32>, &Id)| {
                let Some(row) = row else { return Ok(None) };
                let vector = if include.vector { Some(state.dense.get(row)?) } else { None };
                let metadata = if include.metadata { state.metadata.get(row) } else { None };
                Ok(Some(Item { id: id.clone(), vector, metadata }))
            };
            rows.into_iter().zip(ids).map(item).collect()
        })
    }

    /// Up to `limit` ids from row `from` on, and the row to go on from.
    pub fn ids(&self, from: u32, limit: usize) -> Result<(Vec<Id>, Option<u32>)> {
        self.shared.check_open()?;
        let state = self.shared.state();
        let mut ids = Vec::new();
        for row in from..state.rows() {
            if ids.len() == limit {
                return Ok((ids, Some(row)));
            }
            if state.is_live(row) {
                ids.push(state.ids.get(row));
            }
        }
        Ok((ids, None))
    }

    /// The nearest items, ascending by (distance, id).
    pub fn search(&self, query: &Query<'_>, params: &SearchParams, task: &Task) -> Result<Vec<Hit>> {
        self.read(|shared| search_one(shared, &shared.state(), query, params, &shared.task(task)))
    }

    /// One search a row of `queries`, all in the same state of the index, on all threads.
    pub fn search_batch(&self, queries: &[f32], params: &SearchParams, task: &Task) -> Result<Vec<Vec<Hit>>> {
        self.read(|shared| {
            let dims = shared.format.dims;
            if !queries.len().is_multiple_of(dims) {
                let message = format!("queries: {} numbers are not whole rows of {dims} dimensions", queries.len());
                return Err(Error::new(Code::Dimensions, message));
            }
            let (state, task) = (shared.state(), shared.task(task));
            let one = |query: &[f32]| search_one(shared, &state, &Query::vector(query), params, &task);
            let count = queries.len() / dims;
            let threads = if params.threads == 0 { usize::MAX } else { params.threads };
            let threads = threads.min(shared.options.thread_count()).min(count);
            if threads <= 1 {
                return queries.chunks_exact(dims).map(one).collect();
            }
            // At most `threads` pieces run at a time, each long enough to be worth handing out.
            let least = if params.threads == 0 { 1 } else { count.div_ceil(threads) };
            shared.search_pool()?.install(|| queries.par_chunks_exact(dims).with_min_len(least).map(one).collect())
        })
    }

    /// Trains the codes on the rows of now, and encodes and links all rows by them.
    pub fn train(&self, params: &TrainParams, task: &Task) -> Result<TrainReport> {
        self.write(|shared| optimize::train(shared, params, &shared.task(task)))
    }

    /// Rebuilds for search speed: reclaims tombstones, retrains outgrown codes, links every row.
    pub fn optimize(&self, task: &Task) -> Result<()> {
        self.write(|shared| optimize::optimize(shared, &shared.task(task)))
    }

    /// Saves everything acknowledged so far. Nothing to do for an index in memory only.
    pub fn flush(&self) -> Result<()> {
        self.write(checkpoint::save)
    }

    /// Where the rows and bytes are.
    pub fn stats(&self) -> Result<Stats> {
        self.shared.check_open()?;
        Ok(stats(&self.shared))
    }

    /// Makes searches under way fail with `E_CLOSED`; writes go on until [`Index::close`].
    pub fn abort_searches(&self) {
        self.shared.closing.cancel();
    }

    /// Saves, stops the background and lets go of the directory. A second call does nothing.
    pub fn close(&self) -> Result<()> {
        if self.shared.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.abort_searches();
        self.shared.stop();
        if let Some(background) = lock(&self.background).take() {
            let _ = background.join();
        }
        let saved = if self.shared.read_only || self.shared.is_poisoned() {
            Ok(())
        } else {
            guard(&self.shared, || checkpoint::save(&self.shared))
        };
        self.shared.release();
        saved
    }

    /// Runs a call that only reads. A panic in it is an error to the caller and nothing more.
    fn read<T>(&self, call: impl FnOnce(&Shared) -> Result<T>) -> Result<T> {
        self.shared.check_open()?;
        let result = catch_unwind(AssertUnwindSafe(|| call(&self.shared))).unwrap_or_else(|panic| Err(internal(&*panic)));
        result.map_err(|error| self.shared.aborted(error))
    }

    fn write<T>(&self, call: impl FnOnce(&Shared) -> Result<T>) -> Result<T> {
        self.shared.check_writable()?;
        guard(&self.shared, || call(&self.shared)).map_err(|error| self.shared.aborted(error))
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        // Without `close` nothing is saved, as if the process had ended here; the thread still has to.
        self.shared.closing.cancel();
        self.shared.stop();
        if let Some(background) = lock(&self.background).take() {
            let _ = background.join();
        }
    }
}

/// Runs a call that writes; after a panic in it no further write is accepted.
fn guard<T>(shared: &Shared, call: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        shared.poison();
        Err(internal(&*panic))
    })
}

fn internal(panic: &(dyn std::any::Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::new(Code::Internal, format!("a bug in bigrain: {}", text.unwrap_or("it panicked")))
}

fn explain(error: store::Error, create: bool) -> Error {
    let missing = matches!(error, store::Error::NotFound { .. }) && !create;
    let mut error = Error::from(error);
    if missing {
        error.message.push_str(" (give options with `dimensions` to make one)");
    }
    error
}

fn empty(options: &Options, directory: Option<Directory>) -> Parts {
    let dense = Dense {
        format: Format::of(options),
        file: Arc::default(),
        in_file: 0,
        records: Default::default(),
        longest: 0.0,
        verified: Arc::new(AtomicU64::new(0)),
    };
    let state = State {
        dense,
        ids: Default::default(),
        metadata: Default::default(),
        dead: Tombstones::default(),
        codes: None,
        graph: Graph::default(),
        plan: first_plan(options),
        over_codes: codec_spec(options).is_some(),
    };
    Parts { derived: Derived::new(options), writer: Writer::default(), directory, map: IdMap::default(), state, train_rows: 0 }
}

fn search_one(shared: &Shared, state: &State, query: &Query<'_>, params: &SearchParams, task: &Task) -> Result<Vec<Hit>> {
    let (dims, metric) = (shared.format.dims, shared.format.metric);
    let effort = Effort::of(params, state)?;
    check_vector("query", query.verify, dims, metric)?;
    if !std::ptr::eq(query.verify, query.candidates) {
        check_vector("query.candidates", query.candidates, dims, metric)?;
    }
    task.check()?;
    let nearest = nearest(state, query, effort, &shared.scratch, task)?;
    hits(state, nearest, params)
}

fn stats(shared: &Shared) -> Stats {
    let state = shared.state();
    let graph = state.graph.memory() as u64;
    let codes = state.codes.as_ref().map_or(0, |codes| codes.bytes.bytes() + codes.codec.memory()) as u64;
    let vectors = (state.dense.records.bytes() + state.dense.file.memory()) as u64;
    let ids = (state.ids.bytes() + shared.map_read().bytes() + state.dead.bytes()) as u64;
    let metadata = state.metadata.bytes() as u64;
    let memory = MemoryStats { codes, graph, vectors, ids, metadata, total: codes + graph + vectors + ids + metadata };
    let reads = state.dense.file.reads();
    Stats {
        size: u64::from(state.live()),
        deleted: u64::from(state.dead.len()),
        unlinked: u64::from(if state.plan == Plan::Exact { 0 } else { state.rows() - state.covered() }),
        coarse: if state.plan == Plan::Hnsw { Coarse::Hnsw } else { Coarse::Flat },
        codes: shared.chosen_codes(),
        memory,
        disk: shared.disk(),
        reads_vectors: shared.verified.load(Ordering::Relaxed),
        reads_bytes: reads.bytes,
        simd: kernels::kernels().simd().name(),
        io: "pread",
    }
}

impl Shared {
    /// What `codes` became: none where vectors are compared one by one.
    pub(crate) fn chosen_codes(&self) -> Codes {
        match self.codec_spec() {
            _ if self.state().plan == Plan::Exact => Codes::None,
            None => Codes::None,
            Some(quant::CodecSpec::Sq8) => Codes::Sq8,
            Some(quant::CodecSpec::Binary) => Codes::Binary,
            Some(quant::CodecSpec::Pq { bytes, rotate }) => Codes::Pq { bytes, rotate },
        }
    }

    fn disk(&self) -> DiskStats {
        let [vectors, checkpoint] = [0, 1].map(|at: usize| self.disk[at].load(Ordering::Relaxed));
        DiskStats { vectors, log: 0, checkpoint, total: vectors + checkpoint }
    }
}
