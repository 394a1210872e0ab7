//! A thread of the index's own that sleeps until there is something to do. It is started when it is first woken.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use crate::error::Result;
use crate::shared::Shared;
use crate::sync::{Builder, Condvar, JoinHandle, Mutex, lock};

/// What the thread does each time it is woken.
pub type Work = fn(&Shared) -> Result<()>;

/// One thread, started or not.
pub struct Worker {
    name: &'static str,
    /// Where this one is found in the index.
    own: fn(&Shared) -> &Self,
    work: Work,
    state: Mutex<WorkerState>,
    changed: Condvar,
}

#[derive(Default)]
struct WorkerState {
    pending: bool,
    stopped: bool,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// A thread that will be called `name`.
    pub fn new(name: &'static str, own: fn(&Shared) -> &Self, work: Work) -> Self {
        Self { name, own, work, state: Mutex::default(), changed: Condvar::new() }
    }

    /// There may be something to do.
    pub fn wake(&self, shared: &Shared) {
        let mut state = lock(&self.state);
        state.pending = true;
        if state.thread.is_none() && !state.stopped {
            let (index, own) = (shared.own(), self.own);
            let run = move || index.iter().for_each(|index| own(index).run(index));
            // Without a thread rows are still found, and writes still logged; the next call tries again.
            state.thread = Builder::new().name(self.name.into()).spawn(run).ok();
        }
        self.changed.notify_one();
    }

    /// Ends the thread after the step it is at, and waits for that.
    pub fn stop(&self) {
        let thread = {
            let mut state = lock(&self.state);
            state.stopped = true;
            state.thread.take()
        };
        self.changed.notify_one();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    /// Whether [`Worker::stop`] was called.
    pub fn is_stopped(&self) -> bool {
        lock(&self.state).stopped
    }

    fn wait(&self) -> bool {
        let mut state = lock(&self.state);
        while !state.pending && !state.stopped {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.pending = false;
        !state.stopped
    }

    fn run(&self, shared: &Arc<Shared>) {
        while self.wait() {
            if catch_unwind(AssertUnwindSafe(|| (self.work)(shared))).is_err() {
                shared.poison();
                return;
            }
        }
    }
}
