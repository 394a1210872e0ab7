//! What a long computation needs to know of its caller: whether to stop, and whom to tell how far it is.
//!
//! A [`Task`] is handed down through every loop that can take longer than a few milliseconds. It knows
//! nothing of indexes, files or JavaScript.
#![forbid(unsafe_code)]

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// How far a stage has come. `done` of `total` units (rows, iterations, bytes: the stage decides).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Units finished.
    pub done: u64,
    /// Units in all.
    pub total: u64,
    /// A short lower-case name, e.g. `"train"`, `"encode"`, `"link"`.
    pub stage: &'static str,
}

/// Called from any thread, at most a few times a second by convention of the callers' step sizes.
pub type ProgressFn = dyn Fn(Progress) + Send + Sync;

/// The computation was asked to stop. It left nothing half done that a reader could see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Aborted;

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("aborted")
    }
}

impl std::error::Error for Aborted {}

/// A flag that asks every task made from it to stop. Cloning shares the flag.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// A flag that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to stop. Cannot be taken back.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether somebody asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Cancellation (any of several flags) and progress of one call.
#[derive(Clone, Default)]
pub struct Task {
    flags: Vec<Cancel>,
    progress: Option<Arc<ProgressFn>>,
}

impl Task {
    /// A task nobody stops or watches.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same task, stopped by `flag` too.
    pub fn with_cancel(mut self, flag: Cancel) -> Self {
        self.flags.push(flag);
        self
    }

    /// The same task, reporting to `progress`.
    pub fn with_progress(mut self, progress: Arc<ProgressFn>) -> Self {
        self.progress = Some(progress);
        self
    }

    /// Whether any flag is set.
    pub fn is_cancelled(&self) -> bool {
        self.flags.iter().any(Cancel::is_cancelled)
    }

    /// `Err(Aborted)` once any flag is set.
    pub fn check(&self) -> Result<(), Aborted> {
        if self.is_cancelled() { Err(Aborted) } else { Ok(()) }
    }

    /// Tells the watcher, if there is one.
    pub fn report(&self, stage: &'static str, done: u64, total: u64) {
        if let Some(progress) = &self.progress {
            progress(Progress { done, total, stage });
        }
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("cancelled", &self.is_cancelled()).field("watched", &self.progress.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[test]
    fn any_flag_stops() {
        let (a, b) = (Cancel::new(), Cancel::new());
        let task = Task::new().with_cancel(a).with_cancel(b.clone());
        assert_eq!(task.check(), Ok(()));
        b.cancel();
        assert_eq!(task.check(), Err(Aborted));
    }

    #[test]
    fn progress_reaches_the_watcher() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let task = Task::new().with_progress(Arc::new(move |p: Progress| sink.lock().unwrap().push((p.stage, p.done, p.total))));
        task.report("link", 3, 9);
        assert_eq!(*seen.lock().unwrap(), [("link", 3, 9)]);
    }
}
