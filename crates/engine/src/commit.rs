//! Group commit: callers at the same time share one write to the log and one sync.
//!
//! A caller checks its write on its own thread, queues it, and waits for the writer's lock. Whoever gets the lock
//! first takes all that is queued, logs it, applies it, publishes one state and hands out the outcomes; the others
//! find theirs when they get the lock. Nothing is applied that is not logged, and nothing is shown to a reader that
//! could be lost by a crash that its writer was told it would survive.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use rayon::ThreadPool;
use task::Task;

use crate::change::{Change, MANY_VALUES};
use crate::error::{Code, Error, Result};
use crate::shared::Shared;
use crate::state::State;
use crate::sync::{Mutex, lock};
use crate::types::Durability;
use crate::writer::{Room, Writer};

/// Writes that wait for a leader.
#[derive(Default)]
pub struct Commits(Mutex<VecDeque<Arc<Slot>>>);

/// One write and, later, its outcome.
struct Slot {
    write: Mutex<Option<(Change, Task)>>,
    outcome: Mutex<Option<Result<usize>>>,
}

/// Logs, applies and publishes writes, each atomic by itself; gives how many ids each found there.
pub fn commit(shared: &Shared, writes: Vec<(Change, Task)>) -> Vec<Result<usize>> {
    if let Err(error) = shared.hold_back() {
        return writes.iter().map(|_| Err(error.clone())).collect();
    }
    let slot = |write| Arc::new(Slot { write: Mutex::new(Some(write)), outcome: Mutex::new(None) });
    let slots: Vec<_> = writes.into_iter().map(slot).collect();
    lock(&shared.commits.0).extend(slots.iter().cloned());
    let mut writer = lock(&shared.writer);
    // Ours are all queued still, or all done: a leader takes everything, and holds the lock until it has outcomes.
    let group = std::mem::take(&mut *lock(&shared.commits.0));
    if !group.is_empty() {
        lead(shared, &mut writer, &group);
    }
    drop(writer);
    slots.iter().map(|slot| lock(&slot.outcome).take().unwrap_or_else(|| Err(interrupted()))).collect()
}

fn interrupted() -> Error {
    Error::new(Code::Poisoned, "a failure in another write stopped this one; open the index again")
}

/// A write that has room and is about to be logged.
struct Accepted<'a> {
    slot: &'a Slot,
    change: Change,
}

fn lead(shared: &Shared, writer: &mut Writer, group: &VecDeque<Arc<Slot>>) {
    let accepted = accept(shared, writer, group);
    if accepted.is_empty() {
        return;
    }
    let outcomes = pool(shared, &accepted).and_then(|pool| {
        log(shared, writer, &accepted)?;
        apply(shared, writer, &accepted, pool)
    });
    match outcomes {
        Ok(outcomes) => accepted.iter().zip(outcomes).for_each(|(write, count)| *lock(&write.slot.outcome) = Some(Ok(count))),
        Err(error) => accepted.iter().for_each(|write| *lock(&write.slot.outcome) = Some(Err(error.clone()))),
    }
}

/// Takes the writes that can be carried out; the others get their error.
fn accept<'a>(shared: &Shared, writer: &mut Writer, group: &'a VecDeque<Arc<Slot>>) -> Vec<Accepted<'a>> {
    let mut room = Room::default();
    let mut accepted = Vec::with_capacity(group.len());
    for slot in group {
        let Some((change, task)) = lock(&slot.write).take() else { continue };
        let ready = shared.check_writable().and_then(|()| Ok(task.check()?));
        let ready = ready.and_then(|()| writer.reserve(shared.format, &mut shared.map_write(), &mut room, &change));
        match ready {
            Ok(()) => accepted.push(Accepted { slot, change }),
            Err(error) => *lock(&slot.outcome) = Some(Err(error)),
        }
    }
    accepted
}

/// Threads for large writes: they are there before anything is logged.
fn pool<'a>(shared: &'a Shared, accepted: &[Accepted<'_>]) -> Result<Option<&'a ThreadPool>> {
    let many = accepted.iter().any(|write| match &write.change {
        Change::Add(rows) => rows.ids.len() * shared.format.dims >= MANY_VALUES,
        Change::Delete(_) => false,
    });
    if many { shared.build_pool().map(Some) } else { Ok(None) }
}

fn log(shared: &Shared, writer: &mut Writer, accepted: &[Accepted<'_>]) -> Result<()> {
    let Some(directory) = shared.directory() else { return Ok(()) };
    let sync = shared.options.durability == Durability::Sync;
    // Deletions of nothing are logged as well: whether an id is there is known only once its turn has come.
    let logged = writer.log(&directory, accepted.iter().map(|write| &write.change), sync);
    match logged {
        Ok(bytes) => {
            shared.note_logged(bytes);
            Ok(())
        }
        Err(error) => {
            // What the log holds is not known any more.
            shared.poison();
            Err(error)
        }
    }
}

/// Brings logged writes into the columns and shows them to readers, all at once.
fn apply(shared: &Shared, writer: &mut Writer, accepted: &[Accepted<'_>], pool: Option<&ThreadPool>) -> Result<Vec<usize>> {
    let append = |write: &Accepted<'_>| writer.append(shared.format, &write.change, pool);
    let rows = accepted.iter().map(append).collect::<Result<Vec<_>>>().inspect_err(|_| shared.poison())?;
    let mut map = shared.map_write();
    let mut next = State::clone(&shared.state());
    let show = |(write, rows): (&Accepted<'_>, &Range<u32>)| writer.show(&mut map, &mut next, &write.change, rows.clone());
    let counts = accepted.iter().zip(&rows).map(show).collect();
    // Codes and links may have been published meanwhile: they stay.
    shared.publish(|state| {
        (state.ids, state.metadata, state.dense, state.dead) = (next.ids, next.metadata, next.dense, next.dead);
    });
    drop(map);
    let largest = rows.iter().map(|rows| rows.len()).max().unwrap_or(0);
    shared.decide(Some(largest));
    shared.note_training();
    rows.iter().for_each(|rows| shared.note_added(rows));
    if largest > 0 {
        shared.linking.wake(shared);
    }
    Ok(counts)
}
