//! What the threads of one index share, and the order in which its locks are taken.
//!
//! Locks, always in this order: `derived`, `writer`, `directory`, `map`, `state`. A search takes `state` alone and
//! for a clone of an `Arc`; nothing that waits for a disk or computes for long holds `map` or `state`.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use coarse::hnsw::ScratchPool;
use quant::{Codec, CodecSpec};
use rayon::{ThreadPool, ThreadPoolBuilder};
use store::Directory;
use task::{Cancel, Task};

use crate::derived::Derived;
use crate::error::{Code, Error, Result};
use crate::ids::IdMap;
use crate::options::Options;
use crate::record::Format;
use crate::state::{Plan, State};
use crate::types::{Coarse, Codes, Placement};
use crate::writer::Writer;

/// With `coarse: 'auto'`, vectors of up to so many bytes in all are compared one by one: about a millisecond.
const EXACT_BYTES: usize = 8 << 20;
/// A batch of so many rows may change what `auto` means; smaller ones never do.
const LARGE_BATCH: usize = 1_000;

/// One index, seen by callers and by its own thread.
pub struct Shared {
    pub options: Options,
    pub format: Format,
    pub read_only: bool,
    pub derived: Mutex<Derived>,
    pub writer: Mutex<Writer>,
    /// `None` for an index in memory only, and once closed.
    pub directory: Mutex<Option<Directory>>,
    /// Bytes of extents, and of the other files of the last checkpoint.
    pub disk: [AtomicU64; 2],
    pub map: RwLock<IdMap>,
    state: RwLock<Arc<State>>,
    pub scratch: ScratchPool,
    pub verified: Arc<AtomicU64>,
    /// Rows that were there when training became due; 0 before.
    train_rows: AtomicU32,
    work: Mutex<Work>,
    wake: Condvar,
    /// Set when the index closes: searches under way stop.
    pub closing: Cancel,
    pub closed: AtomicBool,
    poisoned: AtomicBool,
    build_pool: OnceLock<ThreadPool>,
    search_pool: OnceLock<ThreadPool>,
}

/// What the index's own thread is told.
#[derive(Default)]
struct Work {
    pending: bool,
    stop: bool,
}

/// Locks, also after a panic elsewhere: what was being written is refused by `poisoned`, not by the lock.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub fn new(options: Options, read_only: bool, parts: Parts) -> Self {
        let format = Format::of(&options);
        let verified = parts.state.dense.verified.clone();
        Self {
            options,
            format,
            read_only,
            derived: Mutex::new(parts.derived),
            writer: Mutex::new(parts.writer),
            directory: Mutex::new(parts.directory),
            disk: Default::default(),
            map: RwLock::new(parts.map),
            state: RwLock::new(Arc::new(parts.state)),
            scratch: ScratchPool::default(),
            verified,
            train_rows: AtomicU32::new(parts.train_rows),
            work: Mutex::default(),
            wake: Condvar::new(),
            closing: Cancel::new(),
            closed: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            build_pool: OnceLock::new(),
            search_pool: OnceLock::new(),
        }
    }

    /// The state of this moment.
    pub fn state(&self) -> Arc<State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Replaces the state by a changed copy.
    pub fn publish(&self, change: impl FnOnce(&mut State)) {
        let mut current = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = State::clone(&current);
        change(&mut next);
        *current = Arc::new(next);
    }

    pub fn map_read(&self) -> RwLockReadGuard<'_, IdMap> {
        self.map.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn map_write(&self) -> RwLockWriteGuard<'_, IdMap> {
        self.map.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// `E_CLOSED` once closing began.
    pub fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) { Err(Error::new(Code::Closed, "the index is closed")) } else { Ok(()) }
    }

    /// `E_CLOSED`, `E_READ_ONLY` or `E_POISONED` if nothing may be written.
    pub fn check_writable(&self) -> Result<()> {
        self.check_open()?;
        if self.read_only {
            return Err(Error::new(Code::ReadOnly, "the index was opened with readOnly"));
        }
        if self.is_poisoned() {
            return Err(Error::new(Code::Poisoned, "an earlier failure stopped writing; open the index again"));
        }
        Ok(())
    }

    /// Whether writes are refused after a failure.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// Refuses writes from now on.
    pub fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
    }

    /// `task`, stopped by closing too.
    pub fn task(&self, task: &Task) -> Task {
        task.clone().with_cancel(self.closing.clone())
    }

    /// What an aborted call reports: closing outranks the caller's own wish.
    pub fn aborted(&self, error: Error) -> Error {
        if error.code == Code::Aborted && self.closing.is_cancelled() {
            return Error::new(Code::Closed, "the index was closed during the call");
        }
        error
    }

    /// Tells the index's own thread that there may be something to do.
    pub fn wake(&self) {
        lock(&self.work).pending = true;
        self.wake.notify_one();
    }

    /// Ends the index's own thread after the step it is at.
    pub fn stop(&self) {
        lock(&self.work).stop = true;
        self.wake.notify_one();
    }

    /// Waits for [`Shared::wake`]; `false` once stopped.
    pub fn wait(&self) -> bool {
        let mut work = lock(&self.work);
        while !work.pending && !work.stop {
            work = self.wake.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
        work.pending = false;
        !work.stop
    }

    pub fn is_stopped(&self) -> bool {
        lock(&self.work).stop
    }

    /// Threads for training, encoding and linking; apart from those that search.
    pub fn build_pool(&self) -> Result<&ThreadPool> {
        pool(&self.build_pool, self.options.thread_count(), "bigrain-build")
    }

    /// Threads for batches of queries.
    pub fn search_pool(&self) -> Result<&ThreadPool> {
        pool(&self.search_pool, self.options.thread_count(), "bigrain-search")
    }

    /// Notes how many bytes the files take.
    pub fn note_disk(&self, vectors: u64, checkpoint: u64) {
        self.disk[0].store(vectors, Ordering::Relaxed);
        self.disk[1].store(checkpoint, Ordering::Relaxed);
    }

    /// Lets go of the directory and of the memory that searches needed.
    pub fn release(&self) {
        lock(&self.directory).take();
        *lock(&self.derived) = Derived::new(&self.options);
        *lock(&self.writer) = Writer::default();
        self.publish(|state| {
            state.dense.records = Default::default();
            state.dense.file = Arc::default();
            (state.codes, state.graph) = (None, Default::default());
        });
    }

    /// The codec that the options ask for, if any.
    pub fn codec_spec(&self) -> Option<CodecSpec> {
        codec_spec(&self.options)
    }

    /// Notes, once codes are wanted and can be trained, from which rows. Called when rows have been added, so that it
    /// depends on the calls and not on when the background gets to it.
    pub fn note_training(&self) {
        let state = self.state();
        let Some(spec) = self.codec_spec().filter(|_| state.over_codes && state.plan != Plan::Exact) else { return };
        if state.live() as usize >= Codec::needed(&spec, self.format.dims) {
            let _ = self.train_rows.compare_exchange(0, state.rows(), Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// The rows to draw a training sample from, once there are enough.
    pub fn training_due(&self) -> Option<u32> {
        Some(self.train_rows.load(Ordering::Acquire)).filter(|&rows| rows > 0)
    }

    /// Codes were trained anew on a sample of the first `rows` rows.
    pub fn trained(&self, rows: u32) {
        self.train_rows.store(rows, Ordering::Release);
    }

    /// Turns `auto` into a graph where the rows are many. `added`: rows of the batch that arrived, or `None` to
    /// decide in any case. Never turns back by itself.
    pub fn decide(&self, added: Option<usize>) {
        let state = self.state();
        let large = added.is_none_or(|rows| rows >= LARGE_BATCH);
        if self.options.coarse == Coarse::Auto && state.plan == Plan::Exact && large {
            let bytes = state.live() as usize * self.format.dims * size_of::<f32>();
            if bytes > EXACT_BYTES {
                self.publish(|state| state.plan = Plan::Hnsw);
            }
        }
    }
}

/// The pieces an index starts from.
pub struct Parts {
    pub derived: Derived,
    pub writer: Writer,
    pub directory: Option<Directory>,
    pub map: IdMap,
    pub state: State,
    /// Rows that codes were or are to be trained on; 0 if none.
    pub train_rows: u32,
}

/// The plan before any row has come.
pub fn first_plan(options: &Options) -> Plan {
    match options.coarse {
        Coarse::Auto => Plan::Exact,
        Coarse::Flat if codec_spec(options).is_none() || options.codes == Codes::Auto => Plan::Exact,
        Coarse::Flat => Plan::Flat,
        Coarse::Hnsw => Plan::Hnsw,
    }
}

/// See [`Shared::codec_spec`]. With rows on disk `auto` is PQ with half a byte a dimension or 64 bytes, whichever is less.
pub fn codec_spec(options: &Options) -> Option<CodecSpec> {
    match options.codes {
        Codes::Auto if options.vectors == Placement::Disk => {
            Some(CodecSpec::Pq { bytes: options.dimensions.div_ceil(2).min(64), rotate: true })
        }
        Codes::Auto | Codes::None => None,
        Codes::Sq8 => Some(CodecSpec::Sq8),
        Codes::Binary => Some(CodecSpec::Binary),
        Codes::Pq { bytes, rotate } => Some(CodecSpec::Pq { bytes, rotate }),
    }
}

fn pool<'a>(cell: &'a OnceLock<ThreadPool>, threads: usize, name: &'static str) -> Result<&'a ThreadPool> {
    if let Some(pool) = cell.get() {
        return Ok(pool);
    }
    let built = ThreadPoolBuilder::new().num_threads(threads).thread_name(move |at| format!("{name}-{at}")).build();
    let built = built.map_err(|error| Error::new(Code::Io, format!("threads: {threads} could not be started: {error}")))?;
    Ok(cell.get_or_init(|| built))
}
