//! One index, its two queues, and what becomes of a call.

use std::mem;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use engine::{Code, Error, Index};
use task::{Cancel, Task};

use crate::calls::{Completions, Value};
use crate::error::{aborted, closed, guard};
use crate::queue::{Fate, Job, Queue};
use crate::writes::{Waiting, Write, Writes};

/// What JavaScript's index and its running calls share.
pub struct Shared {
    calls: Arc<Completions>,
    phase: RwLock<Phase>,
    /// Adds and deletes that wait.
    waiting: Writes,
    /// One thread: writes are carried out in the order of their calls.
    writes: Queue,
    /// Bytes that the garbage collector was told of.
    reported: AtomicI64,
}

enum Phase {
    Unopened,
    Open(Arc<Live>),
    /// No new calls; accepted writes are being finished.
    Closing(Arc<Live>),
    /// How many items there were.
    Closed(usize),
}

/// An open index.
pub struct Live {
    /// The engine's.
    pub index: Index,
    searches: Queue,
    /// Stops all searches.
    stop: Cancel,
}

/// What a call may bring along.
pub struct Control {
    /// By which JavaScript knows it.
    pub token: u32,
    /// Stops it.
    pub cancel: Option<Cancel>,
    /// Whether somebody wants its progress.
    pub watched: bool,
}

impl Control {
    /// Of a call that nobody stops or watches.
    pub fn plain(token: u32) -> Self {
        Self { token, cancel: None, watched: false }
    }

    /// Whether its caller does not want it any more.
    pub fn given_up(&self) -> bool {
        self.cancel.as_ref().is_some_and(Cancel::is_cancelled)
    }
}

impl Shared {
    /// Nothing is open yet.
    pub fn new(calls: Arc<Completions>) -> Self {
        Self {
            calls,
            phase: RwLock::new(Phase::Unopened),
            waiting: Writes::default(),
            writes: Queue::new("bigrain-write", 1),
            reported: AtomicI64::new(0),
        }
    }

    /// Takes the index that was made or opened.
    pub fn set(&self, index: Index) {
        let searches = Queue::new("bigrain-search", index.options().thread_count());
        self.set_phase(Phase::Open(Arc::new(Live { index, searches, stop: Cancel::new() })));
        self.report_memory();
    }

    /// The open index, or `E_CLOSED`.
    pub fn live(&self) -> engine::Result<Arc<Live>> {
        match &*self.phase.read().unwrap_or_else(PoisonError::into_inner) {
            Phase::Open(live) => Ok(live.clone()),
            _ => Err(closed()),
        }
    }

    /// Live items; after closing the last count.
    pub fn size(&self) -> usize {
        match &*self.phase.read().unwrap_or_else(PoisonError::into_inner) {
            Phase::Open(live) | Phase::Closing(live) => live.index.len(),
            Phase::Closed(size) => *size,
            Phase::Unopened => 0,
        }
    }

    /// Has `work` done by one of the search threads. `close` cuts it off.
    pub fn search(
        &self,
        control: Control,
        work: impl FnOnce(&Index, &Task) -> engine::Result<Value> + Send + 'static,
    ) -> engine::Result<()> {
        let live = self.live()?;
        let (calls, token, cancel) = (self.calls.clone(), control.token, control.cancel.clone());
        let task = self.task(&control).with_cancel(live.stop.clone());
        let mine = live.clone();
        let run = move |fate: Fate| {
            let mut outcome = carry_out(fate, || work(&mine.index, &task));
            let given_up = control.cancel.is_some_and(|cancel| cancel.is_cancelled());
            if matches!(&outcome, Err(error) if error.code == Code::Aborted) && !given_up {
                outcome = Err(closed());
            }
            drop(mine);
            calls.done(token, outcome);
        };
        live.searches.push(Job { cancel, run: Box::new(run) });
        Ok(())
    }

    /// Has a write carried out by the writer's thread, together with those that wait beside it. `close` waits for it.
    pub fn commit(self: &Arc<Self>, control: Control, write: Write) -> engine::Result<()> {
        let live = self.live()?;
        let task = self.task(&control);
        self.waiting.push(Waiting { write, control, task });
        let shared = self.clone();
        let run = move |fate: Fate| {
            let done = carry_out(fate, || {
                shared.waiting.work_off(&live.index, &shared.calls);
                Ok(())
            });
            done.unwrap_or_else(|error| shared.waiting.fail(&shared.calls, &error));
            drop(live);
            shared.report_memory();
        };
        self.writes.push(Job { cancel: None, run: Box::new(run) });
        Ok(())
    }

    /// Has `work` done by the writer's thread, after all writes before it. `close` waits for it.
    pub fn write(
        self: &Arc<Self>,
        control: Control,
        work: impl FnOnce(&Index, &Task) -> engine::Result<Value> + Send + 'static,
    ) -> engine::Result<()> {
        let live = self.live()?;
        let (shared, task, token) = (self.clone(), self.task(&control), control.token);
        let run = move |fate: Fate| {
            let outcome = carry_out(fate, || work(&live.index, &task));
            drop(live);
            shared.report_memory();
            shared.calls.done(token, outcome);
        };
        self.writes.push(Job { cancel: control.cancel, run: Box::new(run) });
        Ok(())
    }

    /// Has `work` open the index on the writer's thread.
    pub fn open(self: &Arc<Self>, token: u32, work: impl FnOnce() -> engine::Result<Index> + Send + 'static) {
        let shared = self.clone();
        let run = move |fate: Fate| {
            let outcome = carry_out(fate, work).map(|index| {
                shared.set(index);
                Value::Nothing
            });
            shared.calls.done(token, outcome);
        };
        self.writes.push(Job { cancel: None, run: Box::new(run) });
    }

    /// Refuses new calls, cuts searches off, and has the index closed after the writes before.
    pub fn close(self: &Arc<Self>, token: u32) -> engine::Result<()> {
        let live = self.live()?;
        self.set_phase(Phase::Closing(live.clone()));
        live.stop.cancel();
        live.searches.close();
        let shared = self.clone();
        let run = move |fate: Fate| {
            live.searches.wait();
            let size = live.index.len();
            let outcome = carry_out(fate, || live.index.close().map(|()| Value::Nothing));
            shared.set_phase(Phase::Closed(size));
            drop(live);
            shared.report_memory();
            shared.writes.close();
            shared.calls.done(token, outcome);
        };
        self.writes.push(Job { cancel: None, run: Box::new(run) });
        Ok(())
    }

    /// Ends waiting calls that were cancelled. Running ones see it for themselves.
    pub fn sweep(&self) {
        self.waiting.sweep(&self.calls);
        self.writes.sweep();
        if let Ok(live) = self.live() {
            live.searches.sweep();
        }
    }

    /// Nobody in JavaScript holds the index any more. Gives the bytes that were reported for it.
    pub fn abandon(&self) -> i64 {
        if let Ok(live) = self.live() {
            live.stop.cancel();
            self.set_phase(Phase::Closed(0));
            // To free an index may take a while: not on this thread, which is JavaScript's.
            self.writes.push(Job { cancel: None, run: Box::new(move |_| drop(live)) });
        }
        self.reported.swap(0, Ordering::Relaxed)
    }

    fn task(&self, control: &Control) -> Task {
        let mut task = Task::new();
        if let Some(cancel) = &control.cancel {
            task = task.with_cancel(cancel.clone());
        }
        if control.watched {
            let (calls, token) = (self.calls.clone(), control.token);
            task = task.with_progress(Arc::new(move |progress| calls.progress(token, progress)));
        }
        task
    }

    /// Tells the garbage collector what the index holds now.
    fn report_memory(&self) {
        let held = match self.live() {
            Ok(live) => guard(|| live.index.stats()).map_or(0, |stats| stats.memory.total),
            Err(_) => 0,
        };
        let held = i64::try_from(held).unwrap_or(i64::MAX);
        self.calls.memory(held - self.reported.swap(held, Ordering::Relaxed));
    }

    fn set_phase(&self, phase: Phase) {
        let old = mem::replace(&mut *self.phase.write().unwrap_or_else(PoisonError::into_inner), phase);
        drop(old);
    }
}

/// Does the work, or says why it was not done.
fn carry_out<T>(fate: Fate, work: impl FnOnce() -> engine::Result<T>) -> engine::Result<T> {
    match fate {
        Fate::Run => guard(work),
        Fate::Aborted => Err(aborted()),
        Fate::Closed => Err(closed()),
        Fate::NoThread(error) => Err(Error::new(Code::Io, format!("no thread could be started: {error}"))),
    }
}
