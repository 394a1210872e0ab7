//! Adds and deletes on their way to the index: those that wait together are carried out together, and share one sync.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};

use engine::{Error, Index, Op};
use task::Task;

use crate::calls::{Completions, Value};
use crate::convert::RawBatch;
use crate::error::aborted;
use crate::shared::Control;

/// Writes carried out together at most: the first of them waits for the last.
const GROUP: usize = 1024;

/// A write as JavaScript gave it: it is converted on the writer's thread.
pub enum Write {
    /// Items.
    Add(RawBatch),
    /// Numbers and texts of ids.
    Delete(Vec<f64>, Vec<String>),
}

/// A write that waits.
pub struct Waiting {
    /// What to do.
    pub write: Write,
    /// Whose it is.
    pub control: Control,
    /// Stops it, and hears how far it is.
    pub task: Task,
}

/// Writes in the order of their calls.
#[derive(Default)]
pub struct Writes(Mutex<VecDeque<Waiting>>);

impl Writes {
    /// One more.
    pub fn push(&self, waiting: Waiting) {
        self.lock().push_back(waiting);
    }

    /// Carries out what waits; nothing if an earlier call has done so.
    pub fn work_off(&self, index: &Index, calls: &Completions) {
        loop {
            let group: Vec<Waiting> = {
                let mut waiting = self.lock();
                let count = waiting.len().min(GROUP);
                waiting.drain(..count).collect()
            };
            if group.is_empty() {
                return;
            }
            let mut answers = Vec::with_capacity(group.len());
            let mut ops = Vec::with_capacity(group.len());
            for Waiting { write, control, task } in group {
                let (op, counts) = match write {
                    Write::Add(raw) => (Op::Add(raw.into()), false),
                    Write::Delete(numbers, texts) => (Op::Delete(crate::convert::unpack_ids(&numbers, texts)), true),
                };
                answers.push((control.token, counts));
                ops.push((op, task));
            }
            for ((token, counts), outcome) in answers.into_iter().zip(index.commit(ops)) {
                calls.done(token, outcome.map(|count| if counts { Value::Count(count) } else { Value::Nothing }));
            }
        }
    }

    /// Ends those whose callers gave them up.
    pub fn sweep(&self, calls: &Completions) {
        let mut waiting = self.lock();
        let (given_up, kept) = mem::take(&mut *waiting).into_iter().partition(|one| one.control.given_up());
        *waiting = kept;
        drop(waiting);
        let given_up: VecDeque<Waiting> = given_up;
        given_up.into_iter().for_each(|one| calls.done(one.control.token, Err(aborted())));
    }

    /// Ends all of them.
    pub fn fail(&self, calls: &Completions, error: &Error) {
        let waiting = mem::take(&mut *self.lock());
        waiting.into_iter().for_each(|one| calls.done(one.control.token, Err(error.clone())));
    }

    /// Nothing that can panic runs under this lock.
    fn lock(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
