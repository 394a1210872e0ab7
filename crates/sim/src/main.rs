//! `sim <row> [--count N] [--seed S] [--threads T]`: runs one row and prints one line on what it found.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use sim::rows;
use sim::run::Args;
use sim::supervise::supervise;

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    if let Some((row, rest)) = given.split_first()
        && row == "fuzz"
    {
        return sim::fuzz::main(rest);
    }
    let args = match Args::parse(given.into_iter()) {
        Ok(args) => args,
        Err(why) => return usage(&why),
    };
    supervise(|| run(&args))
}

fn run(args: &Args) -> ExitCode {
    match args.row.as_str() {
        "power-loss" => rows::power_loss::run(args),
        "io-faults" => rows::io_faults::run(args),
        "damage" => rows::damage::run(args),
        "model" => rows::model::run(args),
        #[cfg(schedules)]
        "schedules" => rows::schedules::run(args),
        #[cfg(not(schedules))]
        "schedules" => usage("schedules: build with RUSTFLAGS='--cfg schedules', as `npm run reliability -- schedules` does"),
        "second-crash" => rows::second_crash::run(args),
        other => usage(&format!("{other}: no such row")),
    }
}

fn usage(why: &str) -> ExitCode {
    eprintln!("{why}\nusage: sim <power-loss|second-crash|io-faults|damage|model> [--count N] [--seed S] [--threads T]");
    ExitCode::from(2)
}
