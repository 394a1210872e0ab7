//! The N-API boundary: converts, schedules, catches. No algorithms, and no validation that the engine does itself.
//!
//! A call copies its arguments, becomes a job of one of its index's two queues (one thread for writes, several for
//! searches) and ends as an event in the `calls` queue of its JavaScript environment, which JavaScript empties many at
//! a time. No reference to a JavaScript value ever leaves the thread it belongs to, so an environment (a worker) may go
//! away while calls are running: they end, and nobody hears of it.

mod calls;
mod convert;
mod error;
mod index;
#[cfg(not(test))] // only JavaScript calls it
mod measure;
mod options;
mod queue;
mod searches;
mod shared;
mod stats;
mod table;
mod writes;
