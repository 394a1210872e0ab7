//! A first-in, first-out queue of jobs and the threads that work it off. Threads are started when there is work.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use task::Cancel;

/// What becomes of a job.
pub enum Fate {
    /// It is its turn.
    Run,
    /// Its caller gave it up while it waited.
    Aborted,
    /// The queue was closed while it waited.
    Closed,
    /// The system gives no thread to run it.
    NoThread(io::Error),
}

/// Work for another thread. `run` is called exactly once, and must not panic.
pub struct Job {
    /// Set when the caller gives the job up.
    pub cancel: Option<Cancel>,
    /// Does the work, or tells the caller why not.
    pub run: Box<dyn FnOnce(Fate) + Send>,
}

/// See the module. Dropping it closes it.
pub struct Queue(Arc<Inner>);

struct Inner {
    name: &'static str,
    limit: usize,
    state: Mutex<State>,
    /// There is a job, or the queue was closed.
    work: Condvar,
    /// The last running job of a closed queue has ended.
    quiet: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    idle: usize,
    running: usize,
    closed: bool,
}

impl Queue {
    /// At most `limit` threads, called `name`.
    pub fn new(name: &'static str, limit: usize) -> Self {
        Self(Arc::new(Inner { name, limit, state: Mutex::default(), work: Condvar::new(), quiet: Condvar::new() }))
    }

    /// Puts a job at the end, and starts a thread for it if all are busy and there may be more.
    pub fn push(&self, job: Job) {
        let mut state = self.0.lock();
        if state.closed {
            drop(state);
            return (job.run)(Fate::Closed);
        }
        state.jobs.push_back(job);
        let (idle, more) = (state.idle > 0, state.idle < state.jobs.len() && state.threads < self.0.limit);
        state.threads += usize::from(more);
        // Whom this wakes needs the lock; and to wake nobody would cost as much.
        drop(state);
        if idle {
            self.0.work.notify_one();
        }
        if !more {
            return;
        }
        let inner = self.0.clone();
        if let Err(error) = thread::Builder::new().name(self.0.name.into()).spawn(move || inner.work_off()) {
            self.without_thread(error);
        }
    }

    /// The thread just counted did not start. Others will do its work; if there are none, the job fails.
    fn without_thread(&self, error: io::Error) {
        let mut state = self.0.lock();
        state.threads -= 1;
        let stranded = if state.threads == 0 { state.jobs.pop_back() } else { None };
        drop(state);
        if let Some(job) = stranded {
            (job.run)(Fate::NoThread(error));
        }
    }

    /// Ends waiting jobs whose callers gave them up.
    pub fn sweep(&self) {
        let mut given_up = Vec::new();
        let mut state = self.0.lock();
        for job in mem::take(&mut state.jobs) {
            if job.given_up() { given_up.push(job) } else { state.jobs.push_back(job) }
        }
        drop(state);
        given_up.into_iter().for_each(|job| (job.run)(Fate::Aborted));
    }

    /// Ends waiting jobs and refuses new ones. Threads end with the job they are at.
    pub fn close(&self) {
        let mut state = self.0.lock();
        state.closed = true;
        let waiting = mem::take(&mut state.jobs);
        drop(state);
        self.0.work.notify_all();
        waiting.into_iter().for_each(|job| (job.run)(Fate::Closed));
    }

    /// Waits until no job is running. Not for a job of this queue, and only after [`close`](Self::close).
    pub fn wait(&self) {
        let state = self.0.lock();
        drop(self.0.quiet.wait_while(state, |state| state.running > 0));
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.close();
    }
}

impl Job {
    fn given_up(&self) -> bool {
        self.cancel.as_ref().is_some_and(Cancel::is_cancelled)
    }
}

impl Inner {
    /// Nothing that can panic runs under this lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A thread's life.
    fn work_off(&self) {
        while let Some(job) = self.next() {
            let fate = if job.given_up() { Fate::Aborted } else { Fate::Run };
            (job.run)(fate);
            let mut state = self.lock();
            state.running -= 1;
            if state.running == 0 && state.closed {
                self.quiet.notify_all();
            }
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.running += 1;
                return Some(job);
            }
            if state.closed {
                state.threads -= 1;
                return None;
            }
            state.idle += 1;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }
}

#[cfg(test)]
mod tests;
