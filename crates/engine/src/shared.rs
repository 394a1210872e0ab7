//! What the threads of one index share, and the order in which its locks are taken.
//!
//! Locks, always in this order: `gate`, `derived` (or `given_up`), `saved`, `writer`, `map`, `state`. A search takes `state` alone and
//! for a clone of an `Arc`; nothing that waits for a disk or computes for long holds `map` or `state`, and the
//! writer's lock is held for no more than a group of writes and their sync.

use std::ops::Range;
use std::sync::{Arc, OnceLock, PoisonError, Weak};

use coarse::hnsw::ScratchPool;
use quant::{Codec, CodecSpec};
use rayon::{ThreadPool, ThreadPoolBuilder};
use store::Directory;
use task::{Cancel, Task};

use crate::auto;
use crate::checkpoint::{self, Saved};
use crate::commit::Commits;
use crate::derived::{self, Derived};
use crate::error::{Code, Error, Result};
use crate::ids::IdMap;
use crate::lists::Shape;
use crate::options::Options;
use crate::recall;
use crate::record::Format;
use crate::state::{Plan, State};
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, lock};
use crate::types::{Coarse, Codes};
use crate::worker::Worker;
use crate::writer::Writer;

/// With `coarse: 'auto'`, vectors of up to so many bytes in all are compared one by one: about a millisecond.
const EXACT_BYTES: usize = 8 << 20;
/// A batch of so many rows may change what `auto` means; smaller ones never do.
const LARGE_BATCH: usize = 1_000;
/// Writers wait for the checkpoint when the log behind it is so many times as long as it should be.
const HOLD_BACK: u64 = 4;

/// One index, seen by callers and by its own thread.
pub struct Shared {
    me: Weak<Self>,
    pub options: Options,
    pub format: Format,
    pub read_only: bool,
    /// Passed by everyone on the way to `derived`, so that who waits there is next.
    gate: Mutex<()>,
    derived: Mutex<Derived>,
    /// Whether `derived` is held for longer than a block takes.
    rebuilding: AtomicBool,
    /// Ends what the background has begun that takes long.
    given_up: Mutex<Cancel>,
    /// What the last checkpoint holds. Whoever has this makes the only checkpoint.
    pub saved: Mutex<Saved>,
    pub commits: Commits,
    pub writer: Mutex<Writer>,
    /// `None` for an index in memory only, and once closed.
    directory: Mutex<Option<Arc<Directory>>>,
    pub map: RwLock<IdMap>,
    state: RwLock<Arc<State>>,
    pub scratch: ScratchPool,
    pub verified: Arc<std::sync::atomic::AtomicU64>,
    /// Rows that were there when training became due; 0 before.
    train_rows: AtomicU32,
    /// The rows that are to be linked at once: the first so many. A function of the calls, as `train_rows` is.
    at_once: AtomicU32,
    /// Whether somebody asks for a recall that only measuring can promise.
    pub efforts_wanted: AtomicBool,
    /// Makes codes and links.
    pub linking: Worker,
    /// Makes checkpoints.
    pub saving: Worker,
    pub counters: Counters,
    /// Tells writers that are held back that a checkpoint was made.
    eased: (Mutex<()>, Condvar),
    /// Set when the index closes: searches under way stop.
    pub closing: Cancel,
    pub closed: AtomicBool,
    poisoned: AtomicBool,
    build_pool: OnceLock<ThreadPool>,
    search_pool: OnceLock<ThreadPool>,
}

/// What `stats` says of the disk.
#[derive(Default)]
pub struct Counters {
    /// Bytes of extents.
    pub vectors: AtomicU64,
    /// Bytes of the other files of the last checkpoint.
    pub checkpoint: AtomicU64,
    /// Bytes of the log that no checkpoint holds.
    pub behind: AtomicU64,
    /// Bytes of the writes that were acknowledged since opening, as they were logged.
    pub accepted: AtomicU64,
    /// How long opening took, in microseconds.
    pub open_us: AtomicU64,
    /// Rows that were there then.
    pub rows_at_open: AtomicU32,
    /// Writes that opening took from the log.
    pub replayed: AtomicU64,
}

impl Shared {
    pub fn new(me: Weak<Self>, options: Options, read_only: bool, parts: Parts) -> Self {
        let format = Format::of(&options);
        let verified = parts.state.dense.verified.clone();
        let at_once = parts.derived.at_once();
        let counters = Counters::default();
        counters.behind.store(parts.behind, Ordering::Relaxed);
        Self {
            me,
            options,
            format,
            read_only,
            gate: Mutex::default(),
            derived: Mutex::new(parts.derived),
            rebuilding: AtomicBool::new(false),
            given_up: Mutex::default(),
            saved: Mutex::new(parts.saved),
            commits: Commits::default(),
            writer: Mutex::new(parts.writer),
            directory: Mutex::new(parts.directory.map(Arc::new)),
            map: RwLock::new(parts.map),
            state: RwLock::new(Arc::new(parts.state)),
            scratch: ScratchPool::default(),
            verified,
            train_rows: AtomicU32::new(parts.train_rows),
            at_once: AtomicU32::new(at_once),
            efforts_wanted: AtomicBool::new(false),
            linking: Worker::new("bigrain-link", |shared| &shared.linking, derived::catch_up),
            saving: Worker::new("bigrain-save", |shared| &shared.saving, checkpoint::save_if_due),
            counters,
            eased: Default::default(),
            closing: Cancel::new(),
            closed: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
            build_pool: OnceLock::new(),
            search_pool: OnceLock::new(),
        }
    }

    /// This index, for a thread of its own; `None` when it is going.
    pub fn own(&self) -> Option<Arc<Self>> {
        self.me.upgrade()
    }

    /// The directory of an index that has one.
    pub fn directory(&self) -> Option<Arc<Directory>> {
        lock(&self.directory).clone()
    }

    /// Codes and links, for a piece of work that is soon done.
    pub fn derived(&self) -> MutexGuard<'_, Derived> {
        let _gate = lock(&self.gate);
        lock(&self.derived)
    }

    /// Codes and links, for as long as they are made anew: checkpoints do without them meanwhile.
    ///
    /// What the background has begun that takes long is given up.
    pub fn rebuild(&self) -> Rebuild<'_> {
        let _gate = lock(&self.gate);
        // Behind the gate: nothing begins between this and the lock.
        lock(&self.given_up).cancel();
        self.rebuild_now()
    }

    /// The same for the background, with what tells it that somebody else wants them.
    pub fn rebuild_unless_wanted(&self) -> (Rebuild<'_>, Cancel) {
        let _gate = lock(&self.gate);
        let rebuild = self.rebuild_now();
        let given_up = Cancel::new();
        *lock(&self.given_up) = given_up.clone();
        (rebuild, given_up)
    }

    fn rebuild_now(&self) -> Rebuild<'_> {
        let derived = lock(&self.derived);
        self.rebuilding.store(true, Ordering::Release);
        Rebuild { shared: self, derived }
    }

    /// Whether codes and links are being made anew.
    pub fn is_rebuilding(&self) -> bool {
        self.rebuilding.load(Ordering::Acquire)
    }

    /// Codes and links, unless they are being made anew.
    pub fn derived_to_save(&self) -> Option<MutexGuard<'_, Derived>> {
        let _gate = lock(&self.gate);
        if self.is_rebuilding() { None } else { Some(lock(&self.derived)) }
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
        self.check_not_poisoned()
    }

    /// `E_POISONED` after a failure.
    pub fn check_not_poisoned(&self) -> Result<()> {
        if !self.is_poisoned() {
            return Ok(());
        }
        Err(Error::new(Code::Poisoned, "an earlier failure stopped writing; open the index again"))
    }

    /// Whether writes are refused after a failure.
    pub fn is_poisoned(&self) -> bool {
        self.poisoned.load(Ordering::Acquire)
    }

    /// Refuses writes from now on.
    pub fn poison(&self) {
        self.poisoned.store(true, Ordering::Release);
        self.ease();
    }

    /// Counts what a group of writes added to the log.
    pub fn note_logged(&self, bytes: u64) {
        self.counters.accepted.fetch_add(bytes, Ordering::Relaxed);
        if self.counters.behind.fetch_add(bytes, Ordering::AcqRel) + bytes >= self.options.log_bytes {
            self.saving.wake(self);
        }
    }

    /// Lets writers go on that were held back.
    pub fn ease(&self) {
        drop(lock(&self.eased.0));
        self.eased.1.notify_all();
    }

    /// Waits while checkpoints are far behind: the log stays bounded. `E_POISONED` and the like if nothing may be written.
    pub fn hold_back(&self) -> Result<()> {
        let most = self.options.log_bytes.saturating_mul(HOLD_BACK);
        let mut eased = lock(&self.eased.0);
        loop {
            self.check_writable()?;
            if self.counters.behind.load(Ordering::Acquire) < most || self.saving.is_stopped() {
                return Ok(());
            }
            eased = self.eased.1.wait(eased).unwrap_or_else(PoisonError::into_inner);
        }
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

    /// Threads for training, encoding and linking; apart from those that search.
    pub fn build_pool(&self) -> Result<&ThreadPool> {
        pool(&self.build_pool, self.options.thread_count(), "bigrain-build")
    }

    /// Threads for batches of queries.
    pub fn search_pool(&self) -> Result<&ThreadPool> {
        pool(&self.search_pool, self.options.thread_count(), "bigrain-search")
    }

    /// Ends the index's own threads.
    pub fn stop(&self) {
        self.linking.stop();
        self.saving.stop();
        self.ease();
    }

    /// Lets go of the directory and of the memory that searches needed.
    pub fn release(&self) {
        lock(&self.directory).take();
        *self.derived() = Derived::new(&self.options);
        *lock(&self.writer) = Writer::default();
        self.publish(|state| {
            (state.dense.records, state.dense.byte_rows) = (Default::default(), None);
            state.dense.file = Arc::default();
            (state.codes, state.graph, state.lists) = (None, Default::default(), None);
        });
    }

    /// The codec that the options ask for, if any.
    pub fn codec_spec(&self) -> Option<CodecSpec> {
        self.options.codec_of(self.state().plan)
    }

    /// Whether lists hold codes of their rows.
    pub fn lists_are_encoded(&self) -> bool {
        Shape::is_encoded(&self.options, self.state().plan)
    }

    /// Notes, once codes are wanted and can be trained, from which rows. Called when rows have been added, so that it
    /// depends on the calls and not on when the background gets to it.
    pub fn note_training(&self) {
        let state = self.state();
        let codec = self.codec_spec().filter(|_| state.over_codes && state.plan != Plan::Exact);
        let codec = codec.map(|spec| Codec::needed(&spec, self.format.dims));
        let lists = (state.plan == Plan::Ivf).then(|| Shape::needed(self.options.lists));
        let Some(needed) = codec.max(lists) else { return };
        if state.live() as usize >= needed {
            let _ = self.train_rows.compare_exchange(0, state.rows(), Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// Notes a batch that became the rows `added`: where it is as large as all that was there before, all is linked at once.
    pub fn note_added(&self, added: &Range<u32>) {
        let state = self.state();
        if added.len() >= added.start as usize && derived::links_at_once(self, state.over_codes, added.len() as u32) {
            self.at_once.fetch_max(added.end, Ordering::AcqRel);
        }
    }

    /// Notes that all rows are to be linked at once if those that were are no more than half of them.
    pub fn note_outgrown_links(&self) {
        let state = self.state();
        if derived::links_at_once(self, state.over_codes, state.rows()) && self.at_once(&state) <= state.rows() / 2 {
            self.at_once.store(state.rows(), Ordering::Release);
        }
    }

    /// The rows 0 .. `at_once` are to be linked at once; none if that is 0.
    pub fn at_once(&self, state: &State) -> u32 {
        Some(self.at_once.load(Ordering::Acquire)).filter(|&end| end <= state.rows()).unwrap_or(0)
    }

    /// Codes and links were made anew, and so many rows linked at once.
    pub fn linked_at_once(&self, rows: u32) {
        self.at_once.store(rows, Ordering::Release);
    }

    /// The rows to draw a training sample from, once there are enough.
    pub fn training_due(&self) -> Option<u32> {
        Some(self.train_rows.load(Ordering::Acquire)).filter(|&rows| rows > 0)
    }

    /// Has the background measure what searches find, if that is not known of an index like this.
    pub fn want_efforts(&self, state: &State) {
        let known = state.efforts.as_ref().is_some_and(|efforts| !efforts.is_outgrown(state.live()));
        if !known && !self.read_only && recall::is_measurable(state) && !self.efforts_wanted.swap(true, Ordering::AcqRel) {
            self.linking.wake(self);
        }
    }

    /// Codes were trained anew on a sample of the first `rows` rows.
    pub fn trained(&self, rows: u32) {
        self.train_rows.store(rows, Ordering::Release);
    }

    /// Turns `auto` into a graph or lists where the rows are many. `added`: rows of the batch that arrived, or `None` to
    /// decide in any case. Never turns back by itself.
    pub fn decide(&self, added: Option<usize>) {
        let state = self.state();
        let large = added.is_none_or(|rows| rows >= LARGE_BATCH);
        if self.options.coarse == Coarse::Auto && state.plan == Plan::Exact && large {
            let bytes = state.live() as usize * self.format.dims * size_of::<f32>();
            if bytes > EXACT_BYTES {
                // Rows in memory can be read.
                let plan = auto::choose(&self.options, &state).unwrap_or(Plan::Hnsw);
                let over_codes = self.options.codec_of(plan).is_some();
                self.publish(|state| (state.plan, state.over_codes) = (plan, over_codes));
            }
        }
    }
}

/// Codes and links, while they are made anew.
pub struct Rebuild<'a> {
    shared: &'a Shared,
    pub derived: MutexGuard<'a, Derived>,
}

impl Drop for Rebuild<'_> {
    fn drop(&mut self) {
        self.shared.rebuilding.store(false, Ordering::Release);
    }
}

/// The pieces an index starts from.
pub struct Parts {
    pub derived: Derived,
    pub saved: Saved,
    pub writer: Writer,
    pub directory: Option<Directory>,
    /// Bytes of the log that the checkpoint does not hold.
    pub behind: u64,
    pub map: IdMap,
    pub state: State,
    /// Rows that codes were or are to be trained on; 0 if none.
    pub train_rows: u32,
}

/// The plan before any row has come.
pub fn first_plan(options: &Options) -> Plan {
    match options.coarse {
        Coarse::Auto => Plan::Exact,
        Coarse::Flat if options.codec_of(Plan::Exact).is_none() || options.codes == Codes::Auto => Plan::Exact,
        Coarse::Flat => Plan::Flat,
        Coarse::Hnsw => Plan::Hnsw,
        Coarse::Ivf => Plan::Ivf,
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
