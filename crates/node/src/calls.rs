//! Finished calls and progress on their way back to one JavaScript environment.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::{Error, Hit, TrainReport, VerifyReport};
use napi::bindgen_prelude::{Either, Function};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi::{Env, Status};
use napi_derive::napi;
use task::{Cancel, Progress};

use crate::convert;
use crate::stats::{NativeReport, NativeVerified};
use crate::table::{Columns, NativeTable};

/// Rows of results that one [`NativeCalls::take`] hands over at most (and one event at least), so that a burst of
/// results does not hold up other events.
const ROWS_A_TAKE: usize = 8192;
/// Words that say how much was taken.
const TAKEN: usize = 2;

/// What a call gave.
pub enum Value {
    /// Only that it is done.
    Nothing,
    /// A number.
    Count(usize),
    /// The hits of one search, without anything included.
    Hits(Vec<Hit>),
    /// Hits or items with what is included.
    Table(Columns),
    /// What training did.
    Report(TrainReport),
    /// What was verified.
    Verified(VerifyReport),
}

enum Event {
    Done(u32, engine::Result<Value>),
    Progress(u32, Progress),
    /// The index holds so many bytes more (or fewer).
    Memory(i64),
}

/// The events of one environment. Any thread puts them in; the environment's own takes them out.
pub struct Completions {
    events: Mutex<VecDeque<Event>>,
    /// Whether the environment was told that there are events, and has not looked since.
    woken: AtomicBool,
    wake: ThreadsafeFunction<(), (), (), Status, false, true>,
}

impl Completions {
    /// The call `token` is over.
    pub fn done(&self, token: u32, outcome: engine::Result<Value>) {
        self.push(Event::Done(token, outcome));
    }

    /// The call `token` has come so far. Of one stage only the latest word waits.
    pub fn progress(&self, token: u32, progress: Progress) {
        if let Some(Event::Progress(last, waiting)) = self.lock().back_mut()
            && *last == token
            && waiting.stage == progress.stage
        {
            *waiting = progress;
            return;
        }
        self.push(Event::Progress(token, progress));
    }

    /// An index holds `change` bytes more; the garbage collector wants to know.
    pub fn memory(&self, change: i64) {
        if change != 0 {
            self.push(Event::Memory(change));
        }
    }

    /// Takes as many events as there is room for. Whether there are more.
    fn take(&self, taken: &mut Taker<'_>) -> bool {
        self.woken.store(false, Ordering::Release);
        let mut events = self.lock();
        while events.front().is_some_and(|event| taken.has_room(event)) {
            events.pop_front().into_iter().for_each(|event| taken.put(event));
        }
        let more = !events.is_empty();
        self.woken.fetch_or(more, Ordering::AcqRel);
        more
    }

    fn push(&self, event: Event) {
        self.lock().push_back(event);
        if !self.woken.swap(true, Ordering::AcqRel) {
            // An environment that is going away refuses; nobody waits there any more.
            self.wake.call((), ThreadsafeFunctionCallMode::NonBlocking);
        }
    }

    /// Nothing that can panic runs under this lock.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Event>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The queue of finished calls of one environment.
#[napi]
pub struct NativeCalls(Arc<Completions>);

/// What one look into the queue gave beside plain hits.
#[napi(object, object_from_js = false)]
pub struct NativeTaken {
    /// Text ids, in order.
    pub texts: Vec<String>,
    /// Everything else.
    pub done: Vec<NativeDone>,
}

/// A finished call, or news of a running one.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct NativeDone {
    /// Which call.
    pub token: u32,
    /// Why it failed.
    pub failure: Option<NativeFailure>,
    /// It is still running.
    pub progress: Option<NativeProgress>,
    /// Of `delete`.
    pub count: Option<f64>,
    /// Of searches and `get`.
    pub table: Option<NativeTable>,
    /// Of `train`.
    pub report: Option<NativeReport>,
    /// Of `verify`.
    pub verified: Option<NativeVerified>,
}

/// A failed call.
#[napi(object, object_from_js = false)]
pub struct NativeFailure {
    /// E.g. `E_CLOSED`.
    pub code: String,
    /// What was wrong.
    pub message: String,
}

impl From<Error> for NativeFailure {
    fn from(error: Error) -> Self {
        Self { code: error.code.as_str().into(), message: error.message }
    }
}

/// How far a call has come.
#[napi(object, object_from_js = false)]
pub struct NativeProgress {
    /// Units finished.
    pub done: f64,
    /// Units in all.
    pub total: f64,
    /// What is being done.
    pub stage: String,
}

#[napi]
impl NativeCalls {
    /// `wake` is called on the environment's thread when there is something to take. It does not keep the process alive.
    #[napi(constructor)]
    pub fn new(wake: Function<'_, (), ()>) -> napi::Result<Self> {
        let wake = wake.build_threadsafe_function().weak::<true>().build()?;
        Ok(Self(Arc::new(Completions { events: Mutex::default(), woken: AtomicBool::new(false), wake })))
    }

    /// A function that takes what is there, up to a limit. Plain hits with number ids go to `words`: behind the place where they end, and
    /// 1 if there is more to take (else 0), for each finished search its token, the number of hits, and that many pairs of
    /// id and distance. An id that is NaN is the next of the texts. Gives nothing where this is all.
    #[napi(ts_return_type = "(words: Float64Array) => NativeTaken | undefined")]
    pub fn taker<'env>(&self, env: &'env Env) -> napi::Result<Function<'env, (), Either<(), NativeTaken>>> {
        let completions = self.completions();
        env.create_function_from_closure("take", move |call| {
            let mut taken = Taker { words: call.get(0)?, used: TAKEN, texts: Vec::new(), done: Vec::new(), memory: 0, rows: 0 };
            let more = completions.take(&mut taken);
            if taken.memory != 0 {
                call.env.adjust_external_memory(taken.memory)?;
            }
            (taken.words[0], taken.words[1]) = (taken.used as f64, f64::from(u8::from(more)));
            let Taker { texts, done, .. } = taken;
            Ok(if texts.is_empty() && done.is_empty() { Either::A(()) } else { Either::B(NativeTaken { texts, done }) })
        })
    }
}

impl NativeCalls {
    /// For the calls of an index to end in.
    pub fn completions(&self) -> Arc<Completions> {
        self.0.clone()
    }
}

struct Taker<'a> {
    words: &'a mut [f64],
    used: usize,
    texts: Vec<String>,
    done: Vec<NativeDone>,
    memory: i64,
    rows: usize,
}

impl Taker<'_> {
    /// Whether the event may be put. The first one always may.
    fn has_room(&self, event: &Event) -> bool {
        let words = match event {
            Event::Done(_, Ok(Value::Hits(hits))) if self.fits(hits) => words_of(hits),
            _ => 0,
        };
        self.rows < ROWS_A_TAKE && self.used + words <= self.words.len()
    }

    /// Whether so many hits can be packed at all.
    fn fits(&self, hits: &[Hit]) -> bool {
        TAKEN + words_of(hits) <= self.words.len()
    }

    fn put(&mut self, event: Event) {
        self.rows += 1;
        match event {
            Event::Memory(change) => self.memory += change,
            Event::Progress(token, progress) => {
                self.done.push(NativeDone { token, progress: Some(progress.into()), ..NativeDone::default() });
            }
            Event::Done(token, Ok(Value::Hits(hits))) if self.fits(&hits) => self.put_hits(token, hits),
            Event::Done(token, Ok(Value::Hits(hits))) => self.put_value(token, Value::Table(Columns::of_hits(hits))),
            Event::Done(token, Ok(value)) => self.put_value(token, value),
            Event::Done(token, Err(error)) => {
                self.done.push(NativeDone { token, failure: Some(error.into()), ..NativeDone::default() });
            }
        }
    }

    fn put_hits(&mut self, token: u32, hits: Vec<Hit>) {
        let room = &mut self.words[self.used..][..words_of(&hits)];
        self.used += room.len();
        self.rows += hits.len();
        room[0] = f64::from(token);
        room[1] = hits.len() as f64;
        for (pair, hit) in room[2..].chunks_exact_mut(2).zip(hits) {
            pair[0] = convert::pack_id(hit.id, &mut self.texts);
            pair[1] = hit.distance;
        }
    }

    fn put_value(&mut self, token: u32, value: Value) {
        let mut done = NativeDone { token, ..NativeDone::default() };
        match value {
            Value::Nothing | Value::Hits(_) => {}
            Value::Count(count) => done.count = Some(count as f64),
            Value::Table(columns) => {
                self.rows += columns.rows();
                done.table = Some(columns.into());
            }
            Value::Report(report) => done.report = Some(report.into()),
            Value::Verified(report) => done.verified = Some(report.into()),
        }
        self.done.push(done);
    }
}

/// Token, number, and a pair a hit.
fn words_of(hits: &[Hit]) -> usize {
    2 + 2 * hits.len()
}

impl From<Progress> for NativeProgress {
    fn from(progress: Progress) -> Self {
        Self { done: progress.done as f64, total: progress.total as f64, stage: progress.stage.into() }
    }
}

/// A way to stop a call.
#[napi]
#[derive(Default)]
pub struct NativeCancel(Cancel);

#[napi]
impl NativeCancel {
    /// Not cancelled.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stops the calls that it was given to.
    #[napi]
    pub fn cancel(&self) {
        self.0.cancel();
    }
}

impl NativeCancel {
    /// For the call to look at.
    pub fn flag(&self) -> Cancel {
        self.0.clone()
    }
}
