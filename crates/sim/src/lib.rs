//! The whole engine over a disk that is simulated: what a power loss, a failing call or a damaged byte may do to an index,
//! done to it, and the answers held against what they must be.
//!
//! - [`disk`] is the disk: it keeps a journal, fails as planned, and knows what a power loss can leave.
//! - [`crash`] numbers the images of one moment.
//! - [`workload`] are the operations, [`oracle`] is what must be there after them.
//! - [`rows`] are the checks, each a command: `cargo run --profile sim -p sim -- <row> [--count N] [--seed S]`.
//!
//! Nothing that is shipped may use this.
#![forbid(unsafe_code)]

pub mod crash;
pub mod disk;
pub mod fuzz;
pub mod memory;
pub mod mutate;
pub mod oracle;
pub mod random;
pub mod rows;
pub mod run;
pub mod supervise;
pub mod workload;
