//! The checks, each a command.

pub mod damage;
pub mod io_faults;
pub mod model;
pub mod power_loss;
#[cfg(schedules)]
pub mod schedules;
pub mod second_crash;
