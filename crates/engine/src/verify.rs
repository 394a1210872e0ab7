//! Looking at everything: every checksum on disk, and what must be true of the index in memory.

use std::time::Instant;

use store::Directory;
use task::Task;

use crate::error::{Code, Error, Result};
use crate::shared::Shared;
use crate::state::State;
use crate::sync::lock;
use crate::types::VerifyReport;

/// Problems that are told one by one; more are only counted.
const TOLD: usize = 100;
/// The kind of the files of dense rows: their checksums are a row's, not a block's.
const ROWS: &str = "rows";

/// What was found so far.
struct Findings {
    report: VerifyReport,
    left_out: usize,
}

impl Findings {
    fn add(&mut self, problem: impl Into<String>) {
        if self.report.problems.len() < TOLD {
            self.report.problems.push(problem.into());
        } else {
            self.left_out += 1;
        }
    }

    /// Damage is a finding; that reading failed or was aborted ends the search for it.
    fn note(&mut self, checked: Result<()>) -> Result<()> {
        match checked {
            Err(error) if error.code == Code::Corrupt => {
                self.add(error.message);
                Ok(())
            }
            checked => checked,
        }
    }
}

/// Reads every file of the kept checkpoints and every log, and holds the columns, codes and links of this moment against
/// one another. Writes wait while the logs are read, and for nothing else.
pub fn verify(shared: &Shared, task: &Task) -> Result<VerifyReport> {
    let started = Instant::now();
    let mut findings = Findings { report: VerifyReport::default(), left_out: 0 };
    if let Some(directory) = shared.directory() {
        verify_files(shared, &directory, &mut findings, task)?;
        // The writer beside a reader removes files that it has replaced: then the newest checkpoint is what is looked at.
        while shared.read_only && !findings.report.problems.is_empty() && directory.refresh()? {
            findings = Findings { report: VerifyReport::default(), left_out: 0 };
            verify_files(shared, &directory, &mut findings, task)?;
        }
    }
    let state = {
        let map = shared.map_read();
        let state = shared.state();
        verify_ids(&state, &map, &mut findings);
        state
    };
    verify_columns(&state, &mut findings);
    verify_rows(&state, &mut findings, task)?;
    if let Some(fault) = state.graph.fault() {
        findings.add(format!("links: {fault}"));
    }
    if findings.left_out > 0 {
        findings.report.problems.push(format!("and {} more", findings.left_out));
    }
    findings.report.ms = started.elapsed().as_secs_f64() * 1e3;
    Ok(findings.report)
}

fn verify_files(shared: &Shared, directory: &Directory, findings: &mut Findings, task: &Task) -> Result<()> {
    // No checkpoint removes a file meanwhile; but a reader's may be overtaken by the writer beside it.
    let saved = lock(&shared.saved);
    for error in directory.check_manifests() {
        findings.note(Err(error.into()))?;
    }
    for file in directory.kept_files() {
        task.check()?;
        findings.report.files += 1;
        findings.report.bytes += file.len();
        let checked = if file.kind() == ROWS {
            directory.open_extent(&file, task).and_then(|extent| extent.check(task))
        } else {
            directory.check_file(&file, task)
        };
        findings.note(checked.map_err(Error::from))?;
    }
    drop(saved);
    if !shared.read_only {
        let writer = lock(&shared.writer);
        findings.report.bytes += directory.log_bytes();
        let checked = directory.check_logs(task).map_err(Error::from).and_then(|replayed| {
            let wanted = writer.next_seq;
            if replayed.next_seq == wanted {
                return Ok(());
            }
            let what = format!("the log ends before record {}, {wanted} was to come", replayed.next_seq);
            Err(Error::new(Code::Corrupt, format!("{}: {what}", directory.path().display())))
        });
        findings.note(checked)?;
    }
    Ok(())
}

/// Every live row is found by its id, and no other row is.
fn verify_ids(state: &State, map: &crate::ids::IdMap, findings: &mut Findings) {
    findings.report.rows = u64::from(state.live());
    if map.len() != state.live() as usize {
        findings.add(format!("ids: {} can be found, {} rows are live", map.len(), state.live()));
    }
    for row in (0..state.rows()).filter(|&row| state.is_live(row)) {
        let id = state.ids.get(row);
        if map.get(&id, &state.ids) != Some(row) {
            findings.add(format!("ids: {id:?} of row {row} leads to {:?}", map.get(&id, &state.ids)));
        }
    }
}

fn verify_columns(state: &State, findings: &mut Findings) {
    let rows = state.rows() as usize;
    let codes = state.codes.as_ref().map_or(0, |codes| codes.len() as usize);
    for (column, found) in [("metadata", state.metadata.len()), ("vectors", state.dense.len() as usize)] {
        if found != rows {
            findings.add(format!("{column}: {found} rows, of {rows}"));
        }
    }
    let listed = state.lists.as_ref().map_or(0, |lists| lists.len() as usize);
    for (derived, found) in [("codes", codes), ("links", state.graph.len() as usize), ("lists", listed)] {
        if found > rows {
            findings.add(format!("{derived}: {found} rows, of {rows}"));
        }
    }
}

/// Every stored vector is one that could have been added.
fn verify_rows(state: &State, findings: &mut Findings, task: &Task) -> Result<()> {
    let format = state.dense.format;
    let mut decoded = vec![0.0; format.dims];
    let scanned = state.dense.scan(0..state.dense.len(), task, |row, stored| {
        if !format.fits(stored, &mut decoded) {
            findings.add(format!("vectors: row {row} is no vector that can be added"));
        }
    });
    match scanned {
        // Told when its file was read.
        Err(error) if error.code == Code::Corrupt => Ok(()),
        scanned => scanned,
    }
}
