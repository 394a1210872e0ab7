//! The index: every call a user can make.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Instant;

use coarse::hnsw::{Graph, Nodes};
use store::{Directory, Mode, OsVfs, Vfs};
use task::Task;

use crate::batch;
use crate::byte_rows::ByteRows;
use crate::change::Change;
use crate::checkpoint::{self, Saved};
use crate::commit::commit;
use crate::dense::Dense;
use crate::derived::Derived;
use crate::error::{Code, Error, Result};
use crate::ids::IdMap;
use crate::lists::{Lists, Shape};
use crate::optimize;
use crate::options::{Options, PartialOptions};
use crate::record::Format;
use crate::search::{Effort, Search, check_vector, hits};
use crate::shared::{Parts, Shared, first_plan};
use crate::state::{Plan, State};
use crate::sync::atomic::Ordering;
use crate::tombstones::Tombstones;
use crate::types::{
    Batch, Coarse, Codes, DiskStats, Hit, Id, Include, Item, MemoryStats, Op, OpenStats, Query, SearchParams, Stats, TrainParams,
    TrainReport, VerifyReport, WriteStats,
};
use crate::verify::verify;
use crate::writer::Writer;

/// An index. All calls are blocking and may come from any thread.
pub struct Index {
    shared: Arc<Shared>,
}

impl Index {
    /// For the tests of what is inside.
    #[cfg(test)]
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// An index that lives in memory only.
    pub fn new(options: Options) -> Result<Self> {
        options.check(false)?;
        let parts = empty(&options, None);
        Ok(Self::start(options, false, parts))
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
        let mut newest = None;
        loop {
            match Self::open_once(vfs.clone(), path, &given, read_only, task) {
                // The writer beside a reader may have replaced files that were about to be read.
                Err(error) if read_only && error.code == Code::Corrupt => {
                    let now = Directory::open(vfs.clone(), path, Mode::Read)?.manifest().map(|manifest| manifest.number());
                    if now == newest {
                        return Err(error);
                    }
                    newest = now;
                }
                opened => return opened,
            }
        }
    }

    fn open_once(vfs: Arc<dyn Vfs>, path: &Path, given: &PartialOptions, read_only: bool, task: &Task) -> Result<Self> {
        let started = Instant::now();
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
        let Some(manifest) = directory.manifest() else {
            let options = given.complete(true)?;
            let parts = empty(&options, Some(directory));
            let index = Self::start(options, read_only, parts);
            checkpoint::save(&index.shared)?;
            return Ok(index);
        };
        let body = checkpoint::read_body(&directory, manifest.body())?;
        given.agree(&body.options)?;
        let mut options = body.options.clone();
        options.threads = given.threads.unwrap_or(0);
        options.durability = given.durability.unwrap_or(options.durability);
        options.log_bytes = given.log_bytes.unwrap_or(options.log_bytes);
        options.check(true)?;
        let (parts, replayed) = checkpoint::load(directory, body, options.clone(), read_only, task)?;
        let index = Self::start(options, read_only, parts);
        index.opened(started, replayed);
        Ok(index)
    }

    fn start(options: Options, read_only: bool, parts: Parts) -> Self {
        Self { shared: Arc::new_cyclic(|me| Shared::new(me.clone(), options, read_only, parts)) }
    }

    /// Notes what opening took, and has made what the checkpoint lacks.
    fn opened(&self, started: Instant, replayed: u64) {
        let shared = &self.shared;
        shared.note_disk();
        shared.counters.open_us.store(started.elapsed().as_micros() as u64, Ordering::Relaxed);
        shared.counters.replayed.store(replayed, Ordering::Relaxed);
        if replayed > 0 {
            shared.decide(None);
            shared.note_training();
        }
        // Links that were damaged are made again as they were.
        if shared.state().covered() == 0 && shared.derived().replay.is_empty() {
            shared.note_outgrown_links();
        }
        let state = shared.state();
        shared.counters.rows_at_open.store(state.rows(), Ordering::Release);
        if state.plan != Plan::Exact && (state.covered() < state.rows() || state.lacks_nodes()) {
            shared.linking.wake(shared);
        }
        if !self.is_read_only() {
            shared.note_logged(0);
        }
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
    ///
    /// Once this returns, the batch is in the log as `durability` says. Callers at the same time share one sync.
    pub fn add(&self, batch: Batch, task: &Task) -> Result<()> {
        self.commit_one(Op::Add(batch), task).map(|_| ())
    }

    /// Several writes at once, each atomic by itself, in this order, with one sync for all. Gives how many ids each found.
    pub fn commit(&self, ops: Vec<(Op, Task)>) -> Vec<Result<usize>> {
        let mut outcomes = Vec::with_capacity(ops.len());
        let mut writes = Vec::with_capacity(ops.len());
        for (op, task) in ops {
            match self.write(|shared| Change::check(shared, op, &task)) {
                Ok(change) => {
                    writes.push((change, task));
                    outcomes.push(None);
                }
                Err(error) => outcomes.push(Some(Err(error))),
            }
        }
        let count = writes.len();
        let committed = guard(&self.shared, || Ok(commit(&self.shared, writes)));
        let committed = committed.unwrap_or_else(|error| vec![Err(error); count]);
        let mut committed = committed.into_iter().map(|outcome| outcome.map_err(|error| self.shared.aborted(error)));
        outcomes.into_iter().filter_map(|outcome| outcome.or_else(|| committed.next())).collect()
    }

    /// Deletes items; gives how many were there.
    pub fn delete(&self, ids: &[Id]) -> Result<usize> {
        self.commit_one(Op::Delete(ids.to_vec()), &Task::new())
    }

    fn commit_one(&self, op: Op, task: &Task) -> Result<usize> {
        let mut outcomes = self.commit(vec![(op, task.clone())]);
        outcomes.pop().unwrap_or_else(|| Err(Error::new(Code::Internal, "a write without an outcome")))
    }

    /// Whether there is an item of that id.
    pub fn has(&self, id: &Id) -> Result<bool> {
        self.shared.check_open()?;
        let map = self.shared.map_read();
        let state = self.shared.state();
        let found = map.get(id, &state.ids).is_some();
        match &state.doubt {
            Some(doubt) if !found => doubt.check_absent().map(|()| false),
            _ => Ok(found),
        }
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
                let Some(row) = row else {
                    state.doubt.as_ref().map_or(Ok(()), |doubt| doubt.check_absent())?;
                    return Ok(None);
                };
                if let Some(doubt) = state.doubt.as_ref().filter(|_| include.metadata) {
                    doubt.check_text(row)?;
                }
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
                state.doubt.as_ref().map_or(Ok(()), |doubt| doubt.check_row(row))?;
                ids.push(state.ids.get(row));
            }
        }
        Ok((ids, None))
    }

    /// The nearest items, ascending by (distance, id).
    pub fn search(&self, query: &Query<'_>, params: &SearchParams, task: &Task) -> Result<Vec<Hit>> {
        self.read(|shared| search_one(shared, &shared.state(), query, params, &shared.task(task)))
    }

    /// `E_DIMENSIONS`, `E_NOT_FINITE` or `E_ARGUMENT` if the query's vectors cannot be compared with those of the index.
    pub fn check_query(&self, query: &Query<'_>) -> Result<()> {
        check_query(&self.shared, query)
    }

    /// One search a row of `queries`, all in the same state of the index, on all threads.
    pub fn search_batch(&self, queries: &[f32], params: &SearchParams, task: &Task) -> Result<Vec<Vec<Hit>>> {
        Ok(self.search_batch_into(queries, params, task, Vec::push)?.into_iter().flatten().collect())
    }

    /// The same, but that the hits of each query are `put` where they are wanted by the thread that found them, while they are still in
    /// its cache. Gives what they were put into, of some queries each, in the order of the queries.
    pub fn search_batch_into<T: Default + Send>(
        &self,
        queries: &[f32],
        params: &SearchParams,
        task: &Task,
        put: impl Fn(&mut T, Vec<Hit>) + Sync,
    ) -> Result<Vec<T>> {
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
                return Ok(vec![batch::answered(queries, dims, &one, &put)?]);
            }
            batch::answers(shared.search_pool()?, threads, queries, dims, one, put)
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

    /// Writes the state of this moment, with codes and links, to the directory `path`, which must be new or empty. Reads and
    /// writes go on; an index in memory can be saved so, and one that takes no more writes.
    ///
    /// # Errors
    /// `E_ARGUMENT` where something is at `path`; `E_CORRUPT`, `E_IO`; `E_ABORTED`, `E_CLOSED`. What was written until then is
    /// no index, and a later snapshot may take its place.
    pub fn snapshot(&self, path: &Path, task: &Task) -> Result<()> {
        self.read(|shared| {
            let task = shared.task(task);
            let vfs = shared.directory().map_or_else(|| Arc::new(OsVfs) as Arc<dyn Vfs>, |directory| directory.vfs());
            let taken = || Error::argument(format!("path: there is an index at {} already", path.display()));
            let directory = match Directory::open(vfs, path, Mode::Create) {
                Ok(directory) if directory.manifest().is_none() => directory,
                Ok(_) | Err(store::Error::Locked { .. } | store::Error::Corrupt { .. }) => return Err(taken()),
                Err(error) => return Err(error.into()),
            };
            checkpoint::snapshot(shared, &directory, &task)
        })
    }

    /// Reads every file and every log, and checks what must be true of the index.
    ///
    /// # Errors
    /// `E_IO`, `E_ABORTED`, `E_CLOSED`. Damage is no error here but what is looked for.
    pub fn verify(&self, task: &Task) -> Result<VerifyReport> {
        self.read(|shared| verify(shared, &shared.task(task)))
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
        byte_rows: None,
        verified: Arc::new(AtomicU64::new(0)),
    };
    let state = State {
        dense,
        ids: Default::default(),
        metadata: Default::default(),
        dead: Tombstones::default(),
        codes: None,
        graph: Graph::default(),
        nodes: None,
        lists: None,
        plan: first_plan(options),
        over_codes: options.codec_of(first_plan(options)).is_some(),
        efforts: None,
        doubt: None,
    };
    Parts {
        derived: Derived::new(options),
        saved: Saved::default(),
        // Sequence numbers begin at 1.
        writer: Writer { next_seq: 1, ..Writer::default() },
        directory,
        behind: 0,
        map: IdMap::default(),
        state,
        train_rows: 0,
    }
}

fn check_query(shared: &Shared, query: &Query<'_>) -> Result<()> {
    let Format { dims, metric, .. } = shared.format;
    check_vector("query", query.verify, dims, metric)?;
    if std::ptr::eq(query.verify, query.candidates) {
        return Ok(());
    }
    check_vector("query.candidates", query.candidates, dims, metric)
}

fn search_one(shared: &Shared, state: &State, query: &Query<'_>, params: &SearchParams, task: &Task) -> Result<Vec<Hit>> {
    let effort = Effort::of(params, state)?;
    if params.recall.is_some() {
        shared.want_efforts(state);
    }
    check_query(shared, query)?;
    task.check()?;
    let search = Search { state, query, effort, hidden: None, scratch: &shared.scratch, task };
    hits(state, search.nearest()?, params)
}

fn stats(shared: &Shared) -> Stats {
    let state = shared.state();
    let [lists, list_codes] = state.lists.as_ref().map_or([0; 2], Lists::memory);
    let graph = (state.graph.memory() + state.nodes.as_ref().map_or(0, Nodes::memory) + lists) as u64;
    let codes = list_codes as u64 + state.codes.as_ref().map_or(0, |codes| codes.bytes.bytes() + codes.codec.memory()) as u64;
    let vectors = (state.dense.records.bytes()
        + state.dense.byte_rows.as_ref().map_or(0, ByteRows::memory)
        + state.dense.file.memory()) as u64;
    let ids = (state.ids.bytes() + shared.map_read().bytes() + state.dead.bytes()) as u64;
    let metadata = state.metadata.bytes() as u64;
    let memory = MemoryStats { codes, graph, vectors, ids, metadata, total: codes + graph + vectors + ids + metadata };
    let reads = state.dense.file.reads();
    Stats {
        size: u64::from(state.live()),
        deleted: u64::from(state.dead.len()),
        unlinked: u64::from(if state.plan == Plan::Exact { 0 } else { state.rows() - state.covered() }),
        coarse: match state.plan {
            Plan::Exact | Plan::Flat => Coarse::Flat,
            Plan::Hnsw => Coarse::Hnsw,
            Plan::Ivf => Coarse::Ivf,
        },
        codes: shared.chosen_codes(),
        lists: state.lists.as_ref().map(|lists| (lists.shape().lists() as u32, lists.imbalance())),
        memory,
        disk: shared.disk(),
        reads_vectors: shared.verified.load(Ordering::Relaxed),
        reads_bytes: reads.bytes,
        simd: kernels::kernels().simd().name(),
        io: "pread",
        writes: shared.writes(),
        open: OpenStats {
            ms: shared.counters.open_us.load(Ordering::Relaxed) as f64 / 1e3,
            replayed: shared.counters.replayed.load(Ordering::Relaxed),
        },
        measured: state.efforts.iter().flat_map(|efforts| efforts.steps()).collect(),
    }
}

impl Shared {
    /// What `codes` became: none where vectors are compared one by one.
    pub(crate) fn chosen_codes(&self) -> Codes {
        match self.codec_spec() {
            _ if self.state().plan == Plan::Exact => Codes::None,
            None if self.lists_are_encoded() => Codes::Pq { bytes: Shape::code_bytes(self.format.dims), rotate: false },
            None => Codes::None,
            Some(quant::CodecSpec::Sq8) => Codes::Sq8,
            Some(quant::CodecSpec::Sq4) => Codes::Sq4,
            Some(quant::CodecSpec::Binary) => Codes::Binary,
            Some(quant::CodecSpec::Rabitq { bits }) => Codes::Rabitq { bits },
            Some(quant::CodecSpec::Pq { bytes, rotate }) => Codes::Pq { bytes, rotate },
        }
    }

    /// Notes how long the files of the kept checkpoints are: asked for by `stats`, which waits for no disk.
    pub(crate) fn note_disk(&self) {
        let Some(directory) = self.directory() else { return };
        let (vectors, others) = directory.kept_bytes("rows");
        self.counters.vectors.store(vectors, Ordering::Relaxed);
        self.counters.checkpoint.store(others, Ordering::Relaxed);
    }

    fn disk(&self) -> DiskStats {
        let counters = &self.counters;
        let [vectors, checkpoint] = [&counters.vectors, &counters.checkpoint].map(|count| count.load(Ordering::Relaxed));
        let log = self.directory().map_or(0, |directory| directory.log_bytes());
        DiskStats { vectors, log, checkpoint, total: vectors + log + checkpoint }
    }

    fn writes(&self) -> WriteStats {
        WriteStats {
            accepted: self.counters.accepted.load(Ordering::Relaxed),
            files: self.directory().map_or(0, |directory| directory.written()),
            behind: self.counters.behind.load(Ordering::Relaxed),
        }
    }
}
