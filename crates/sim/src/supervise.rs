//! A row runs in a process of its own: what kills that process is a finding, too, and the case that did it is known.

use std::env;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::process::{Command, ExitCode};
use std::sync::{Mutex, PoisonError};

/// Tells a process that it is the one that does the work, and which file to note in what it is doing.
const NOTES: &str = "SIM_NOTES";
/// A note is so long, with the spaces that fill it.
const NOTE: usize = 240;

/// Notes of what each thread is doing, for whoever finds this process dead.
#[derive(Debug, Default)]
pub struct Notes(Option<Mutex<File>>);

impl Notes {
    /// Those that the supervisor reads, if there is one.
    pub fn open() -> Self {
        let file = env::var_os(NOTES).and_then(|path| File::options().write(true).open(path).ok());
        Self(file.map(Mutex::new))
    }

    /// Notes what thread `thread` does now.
    pub fn write(&self, thread: usize, what: &str) {
        let Some(file) = &self.0 else { return };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        let place = file.seek(SeekFrom::Start((thread * (NOTE + 1)) as u64));
        // Without notes the row is as good as before.
        let _ = place.and_then(|_| file.write_all(format!("{what:NOTE$.NOTE$}\n").as_bytes()));
    }
}

/// Runs `row` in a process of its own, with the same arguments; in that process, just runs it.
pub fn supervise(row: impl FnOnce() -> ExitCode) -> ExitCode {
    if env::var_os(NOTES).is_some() {
        return row();
    }
    let path = env::temp_dir().join(format!("sim-{}", std::process::id()));
    let child = File::create_new(&path)
        .and_then(|_| env::current_exe())
        .and_then(|program| Command::new(program).args(env::args_os().skip(1)).env(NOTES, &path).status());
    let mut notes = String::new();
    let _ = File::open(&path).and_then(|mut file| file.read_to_string(&mut notes));
    let _ = std::fs::remove_file(&path);
    match child {
        Ok(status) if status.code().is_some_and(|code| code <= 2) => {
            // 0, 1 or 2: what the row said.
            ExitCode::from(status.code().unwrap_or(1) as u8)
        }
        Ok(status) => {
            let doing: Vec<&str> = notes.lines().map(str::trim_end).filter(|note| !note.is_empty()).collect();
            println!("the process ended by {status}; it was doing\n  {}", doing.join("\n  "));
            ExitCode::FAILURE
        }
        // Where no process can be started this one has to do.
        Err(_) => row(),
    }
}
