//! Row `io-faults`: each call to the disk in three workloads fails in each of the ways that it can, once or from then on.
//!
//! Every call of the engine gives what it must or an error that says `E_IO`; after a failed write there are no more writes,
//! and reads go on; no failed sync is tried again; and whoever opens the index then, on a disk that works, finds an exact
//! prefix with everything that was acknowledged, and can build on it.

use std::process::ExitCode;
use std::sync::Arc;

use engine::{Code, Index, Op};
use task::Task;

use crate::crash::{Images, Recording};
use crate::disk::{Fault, Image, Pending, SimDisk, WAYS, Way};
use crate::oracle::{Checked, Contents, Crash, Finding, History, Kind, check_search, read_back, read_some};
use crate::random::Random;
use crate::rows::power_loss::{KINDS, PATIENCE, recover};
use crate::run::{Args, Case, Runner, Title};
use crate::workload::{Config, Letter, Maker, Step, configs};

/// A workload whose calls fail.
struct Script {
    config: Config,
    steps: Vec<Step>,
    /// Number of calls, and all faults that can strike one of them.
    calls: usize,
    faults: Vec<Fault>,
}

/// Checks every single fault, and with a `--count` above their number two at a time.
pub fn run(args: &Args) -> ExitCode {
    let scripts = match scripts() {
        Ok(scripts) => scripts,
        Err(finding) => {
            eprintln!("without faults: {finding:?}");
            return ExitCode::FAILURE;
        }
    };
    let single: usize = scripts.iter().map(|script| script.faults.len()).sum();
    let count = args.count.unwrap_or(single as u64);
    let runner = Runner::new(args, Title { things: "faults", kinds: KINDS, patience: PATIENCE }, count);
    runner.run(count, |case| {
        let mut random = Random::of(case.seed(), case.number);
        let (script, faults) = pick(&scripts, case.number as usize, &mut random);
        case.explain(|| format!("{}: {faults:?} of {} calls", script.config.name, script.calls));
        case.check(None, || Player::play(case, script, faults, &mut random));
    })
}

fn pick<'a>(scripts: &'a [Script], mut number: usize, random: &mut Random) -> (&'a Script, Vec<Fault>) {
    for script in scripts {
        match script.faults.get(number) {
            Some(fault) => return (script, vec![*fault]),
            None => number -= script.faults.len(),
        }
    }
    let script = random.pick(scripts);
    let mut fault = || Fault { call: random.below(script.calls), way: *random.pick(&WAYS), lasting: random.once_in(4) };
    let faults = vec![fault(), fault()];
    (script, faults)
}

/// A large batch and a new process; single writes and a rebuild; rows on disk under codes, with several checkpoints.
fn scripts() -> Checked<Vec<Script>> {
    use Letter::*;
    let config = |name: &str| configs().into_iter().find(|config| config.name == name);
    let script = |name: &str, bulk: usize, letters: &[Letter]| {
        let config = config(name).ok_or_else(|| Finding::new(Kind::Wrong, format!("no configuration {name}")))?;
        let contents = config.base()?.1;
        let mut maker = Maker::new(&contents, Random::new(7));
        let mut steps = vec![maker.bulk(bulk)];
        steps.extend(letters.iter().map(|&letter| maker.step(letter)));
        let mut script = Script { config, steps, calls: 0, faults: Vec::new() };
        let calls = Player::rehearse(&script)?;
        script.calls = calls.len();
        for (call, met) in calls.iter().enumerate() {
            for way in WAYS.into_iter().filter(|way| way.applies(*met)) {
                script.faults.push(Fault { call, way, lasting: false });
                // A disk that dies, or is full.
                if matches!(way, Way::Eio | Way::NoSpace) {
                    script.faults.push(Fault { call, way, lasting: true });
                }
            }
        }
        Ok(script)
    };
    Ok(vec![
        script("new", 60, &[Flush, New, Reopen, Replace, Delete, Reopen])?,
        script("f32", 1, &[New, Replace, Group, Delete, Optimize, Batch, Drop, New, Optimize])?,
        script("disk, sq8", 5, &[Flush, Batch, Flush, Delete, Flush, New, Optimize, Reopen, Batch])?,
    ])
}

/// Whether writes are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Poison {
    No,
    /// Something failed of which the caller need not have been told.
    Maybe,
    Yes,
}

/// An index at work on a disk that fails.
struct Player<'a> {
    config: &'a Config,
    base: Image,
    disk: SimDisk,
    index: Option<Index>,
    history: History,
    /// What readers see.
    shown: Arc<Contents>,
    poison: Poison,
    opened: usize,
    random: Random,
}

impl<'a> Player<'a> {
    fn new(script: &'a Script, faults: Vec<Fault>, random: Random) -> Checked<Self> {
        let (base, contents) = script.config.base()?;
        let disk = SimDisk::recording(&base);
        disk.plan(faults);
        let (config, history) = (&script.config, History::new(contents.clone(), script.config.synced()));
        Ok(Self { config, base, disk, index: None, history, shown: contents, poison: Poison::No, opened: usize::MAX, random })
    }

    /// The calls that a workload makes when none of them fails.
    fn rehearse(script: &Script) -> Checked<Vec<crate::disk::Call>> {
        let mut player = Player::new(script, Vec::new(), Random::new(1))?;
        player.steps(&script.steps)?;
        drop(player.index.take());
        Ok(player.disk.heal().calls)
    }

    fn play(case: &Case<'_>, script: &Script, faults: Vec<Fault>, random: &mut Random) -> Checked<()> {
        let mut player = Player::new(script, faults, random.clone())?;
        player.steps(&script.steps)?;
        player.index = None;
        player.no_retries()?;
        player.power_loss(case)?;
        // Another process, a disk that works, and the same memory of the system's: what could not be synced is still in it.
        player.disk.heal();
        player.open()?;
        let mut maker = Maker::new(&player.shown, random.clone());
        player.step(&maker.step(Letter::Batch))?;
        if player.poison != Poison::No {
            return Err(Finding::new(Kind::Wrong, "writes are refused by an index that was opened anew"));
        }
        player.index = None;
        player.power_loss(case)
    }

    fn steps(&mut self, steps: &[Step]) -> Checked<()> {
        self.open()?;
        steps.iter().try_for_each(|step| self.step(step))
    }

    fn step(&mut self, step: &Step) -> Checked<()> {
        match step {
            Step::Write(ops) => self.write(ops)?,
            Step::Flush => {
                let fired = self.disk.fired();
                let flushed = self.index()?.flush();
                // One that could not read writes on.
                let wrote = self.disk.planned().struck[fired..].iter().any(|call| call.writes());
                self.wrote("flush", flushed, if wrote { Poison::Yes } else { Poison::Maybe })?;
            }
            Step::Optimize => {
                let optimized = self.index()?.optimize(&Task::new());
                self.wrote("optimize", optimized, Poison::Maybe)?;
            }
            Step::Reopen => {
                let closed = self.index()?.close();
                self.wrote("close", closed, Poison::Maybe)?;
                self.open()?;
            }
            Step::Drop => self.open()?,
        }
        self.read()
    }

    fn index(&self) -> Checked<&Index> {
        self.index.as_ref().ok_or_else(|| Finding::new(Kind::Wrong, "the index is closed"))
    }

    /// Opens the index as a new process does: at the latest when the disk works again.
    fn open(&mut self) -> Checked<()> {
        self.index = None;
        self.no_retries()?;
        let position = self.disk.position();
        for attempt in 0..3 {
            self.disk.new_process();
            if attempt == 2 {
                let failed = self.disk.heal();
                self.disk.plan(Vec::new());
                retried(failed.retried_syncs)?;
            }
            let fired = self.disk.fired();
            let made = self.opened != usize::MAX;
            let opened = if made { self.config.reopen(&self.disk, false) } else { self.config.open(&self.disk) };
            match opened {
                Ok(index) => {
                    self.index = Some(index);
                    break;
                }
                Err(error) => self.blame(Kind::Unopenable, "open", &error, fired, &[Code::Io])?,
            }
        }
        self.opened = self.opened.min(self.disk.position());
        self.poison = Poison::No;
        self.adopt(position)
    }

    /// Takes up the prefix that was recovered.
    fn adopt(&mut self, position: usize) -> Checked<()> {
        let mut contents = read_back(self.index()?, Kind::Unopenable);
        if contents.as_ref().is_err_and(|finding| finding.kind == Kind::Unopenable) {
            // A read may meet the fault; what is there shows when it is asked again, on a disk that works.
            let failed = self.disk.heal();
            self.disk.plan(Vec::new());
            retried(failed.retried_syncs)?;
            contents = read_back(self.index()?, Kind::Wrong);
        }
        let contents = contents?;
        let recovered = self.history.prefix(&contents, self.history.bounds(position, Crash::Kill))?;
        self.history.interrupt(position, recovered);
        self.shown = self.history.last().clone();
        Ok(())
    }

    fn write(&mut self, ops: &[Op]) -> Checked<()> {
        let (began, fired) = (self.disk.position(), self.disk.fired());
        let outcomes = self.index()?.commit(ops.iter().map(|op| (op.clone(), Task::new())).collect());
        let acknowledged = self.disk.position();
        let mut contents = Contents::clone(self.history.last());
        for (op, outcome) in ops.iter().zip(outcomes) {
            match outcome {
                Ok(_) if self.poison == Poison::Yes => {
                    return Err(Finding::new(Kind::Wrong, "a write succeeds after one that failed"));
                }
                Ok(count) => {
                    let there = self.config.apply(op, &mut contents)?;
                    if count != there {
                        return Err(Finding::new(Kind::Wrong, format!("{count} ids were found, {there} were there")));
                    }
                    self.history.write(began, Some(acknowledged), contents.clone());
                    self.shown = self.history.last().clone();
                }
                Err(error) if error.code == Code::Poisoned => self.refused(&error)?,
                Err(error) => {
                    let earlier = if self.poison == Poison::Yes { self.disk.fired() } else { fired };
                    self.blame(Kind::Wrong, "commit", &error, earlier, &[Code::Io])?;
                    self.config.apply(op, &mut contents)?;
                    self.history.write(began, None, contents.clone());
                }
            }
        }
        if self.shown != *self.history.last() {
            self.poison = Poison::Yes;
        }
        Ok(())
    }

    /// Notes the outcome of a call that saves; `poison` is what its failure means for later writes.
    fn wrote(&mut self, call: &str, outcome: engine::Result<()>, poison: Poison) -> Checked<()> {
        match outcome {
            Ok(()) => Ok(()),
            Err(error) if error.code == Code::Poisoned => self.refused(&error),
            Err(error) => {
                self.blame(Kind::Wrong, call, &error, 0, &[Code::Io])?;
                if self.poison == Poison::No {
                    self.poison = poison;
                }
                Ok(())
            }
        }
    }

    /// A write is refused: something must have failed before.
    fn refused(&mut self, error: &engine::Error) -> Checked<()> {
        if self.poison == Poison::No && self.disk.fired() == 0 {
            return Err(Finding::of(Kind::Wrong, "refused though nothing failed", error));
        }
        self.poison = Poison::Yes;
        Ok(())
    }

    /// An error must have a fault as its reason, one after the first `before`, and say so.
    fn blame(&self, kind: Kind, call: &str, error: &engine::Error, before: usize, codes: &[Code]) -> Checked<()> {
        if self.disk.fired() > before && codes.contains(&error.code) {
            return Ok(());
        }
        Err(Finding::of(kind, call, error))
    }

    /// Readers see what was acknowledged, whatever failed; only a read that meets a fault itself may say so.
    fn read(&mut self) -> Checked<()> {
        let fired = self.disk.fired();
        let index = self.index()?;
        let seen = read_some(index, &self.shown, Kind::Unopenable)
            .and_then(|()| check_search(index, &self.shown, self.config.recall(), Kind::Unopenable, &mut self.random.clone()));
        match seen {
            Ok(_) => Ok(()),
            Err(finding) if finding.kind == Kind::Unopenable && self.disk.fired() > fired => Ok(()),
            Err(finding) => Err(Finding::new(finding.kind.max(Kind::Wrong), finding.what)),
        }
    }

    fn no_retries(&self) -> Checked<()> {
        retried(self.disk.planned().retried_syncs)
    }

    /// The power goes now: everything that was acknowledged is there.
    fn power_loss(&mut self, case: &Case<'_>) -> Checked<()> {
        let position = self.disk.position();
        let (journal, history) = (self.disk.journal(), self.history.clone());
        let recording = Recording { base: self.base.clone(), journal, history, opened: self.opened };
        case.explain(|| recording.to_string());
        let mut pending = Pending::new(&recording.base);
        recording.journal.iter().for_each(|op| pending.apply(op));
        let images = Images::new(&pending, self.random.word());
        let bounds = recording.history.bounds(position, Crash::PowerLoss);
        for number in [0, self.random.below(images.count())] {
            let made = position >= self.opened;
            recover(self.config, &recording, SimDisk::new(&images.image(number)), made, bounds).map_err(|finding| {
                Finding::new(finding.kind, format!("after a power loss (image {number}): {}", finding.what))
            })?;
        }
        Ok(())
    }
}

fn retried(syncs: usize) -> Checked<()> {
    match syncs {
        0 => Ok(()),
        _ => Err(Finding::new(Kind::Wrong, format!("a failed sync was tried again ({syncs} times)"))),
    }
}
