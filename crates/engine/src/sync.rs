//! The locks and threads that the engine uses. With `--cfg schedules` they are those of a model checker, which
//! tries the orders in which threads may run.

#[cfg(schedules)]
pub use shuttle::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};
#[cfg(schedules)]
pub use shuttle::thread::{Builder, JoinHandle};
#[cfg(not(schedules))]
pub use std::sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic};
#[cfg(not(schedules))]
pub use std::thread::{Builder, JoinHandle};

use std::sync::PoisonError;

/// Locks, also after a panic elsewhere: what was being written is refused by `poisoned`, not by the lock.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
