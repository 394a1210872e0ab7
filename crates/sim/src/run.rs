//! What all rows share: arguments, threads, counting, the watch over hangs and panics, and the last line.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::oracle::{Checked, Finding, Kind};
use crate::supervise::Notes;

/// Findings that are printed; more are counted.
const PRINTED: usize = 10;
/// Often enough to see a hang, seldom enough to cost nothing.
const LOOK: Duration = Duration::from_millis(250);
/// Between two lines on how far a row is.
const PROGRESS: Duration = Duration::from_secs(10);

/// What a row was called with.
#[derive(Debug, Clone)]
pub struct Args {
    /// The row.
    pub row: String,
    /// How much to check; the row's first size by default.
    pub count: Option<u64>,
    /// Everything random follows from it. Default 1.
    pub seed: u64,
    /// Threads that check. Default 2.
    pub threads: usize,
    /// Only this case, and of it only this moment and this image.
    pub only: (Option<u64>, Option<usize>, Option<usize>),
}

impl Args {
    /// Reads `<row> [--count N] [--seed S] [--threads T] [--case C [--at A] [--image I]]`.
    ///
    /// # Errors
    /// A message on what cannot be read.
    pub fn parse(mut given: impl Iterator<Item = String>) -> Result<Self, String> {
        let row = given.next().ok_or("which row?")?;
        let mut args = Self { row, count: None, seed: 1, threads: 2, only: (None, None, None) };
        while let Some(name) = given.next() {
            let value = given.next().ok_or_else(|| format!("{name}: a number is needed"))?;
            let number: u64 = value.replace([',', '_'], "").parse().map_err(|_| format!("{name}: {value} is not a number"))?;
            match name.as_str() {
                "--count" => args.count = Some(number),
                "--seed" => args.seed = number,
                "--threads" => args.threads = (number as usize).clamp(1, 64),
                "--case" => args.only.0 = Some(number),
                "--at" => args.only.1 = Some(number as usize),
                "--image" => args.only.2 = Some(number as usize),
                _ => return Err(format!("{name}: no such option")),
            }
        }
        Ok(args)
    }
}

/// What a row prints of itself.
#[derive(Debug, Clone, Copy)]
pub struct Title {
    /// The plural of what is counted.
    pub things: &'static str,
    /// The kinds of findings that it can have.
    pub kinds: &'static [Kind],
    /// How long one check may take.
    pub patience: Duration,
}

/// A row at work.
#[derive(Debug)]
pub struct Runner {
    args: Args,
    title: Title,
    begun: Instant,
    count: u64,
    checked: AtomicU64,
    next: AtomicU64,
    ended: AtomicBool,
    findings: Mutex<Vec<(Finding, String)>>,
    watched: Mutex<BTreeMap<u64, (Instant, String)>>,
    notes: Notes,
}

/// Panics of threads that the product started. Whichever check ends next reports them.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

thread_local! {
    /// Panics of this thread, while it checks.
    static OWN_PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Notes every panic: which of them a library has caught makes no difference.
fn note_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let what = panic.to_string().replace('\n', ": ");
        OWN_PANICS.with_borrow_mut(|own| match own {
            Some(own) => own.push(what),
            None => lock(&PANICS).push(what),
        });
    }));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runner {
    /// A row that checks `count` things.
    pub fn new(args: &Args, title: Title, count: u64) -> Self {
        Self {
            args: args.clone(),
            title,
            begun: Instant::now(),
            count,
            checked: AtomicU64::new(0),
            next: AtomicU64::new(0),
            ended: AtomicBool::new(false),
            findings: Mutex::default(),
            watched: Mutex::default(),
            notes: Notes::open(),
        }
    }

    /// Runs the cases 0 to `cases` - 1, on several threads, until enough was checked; prints the last line.
    pub fn run(&self, cases: u64, case: impl Fn(&Case<'_>) + Sync) -> ExitCode {
        note_panics();
        thread::scope(|scope| {
            let watch = scope.spawn(|| self.watch());
            let threads = if self.args.only.0.is_some() { 1 } else { self.args.threads };
            let work = |thread: usize| {
                if let Some(number) = self.args.only.0 {
                    return case(&Case { runner: self, number, thread });
                }
                while !self.is_enough() {
                    let number = self.next.fetch_add(1, Ordering::Relaxed);
                    if number >= cases {
                        return;
                    }
                    case(&Case { runner: self, number, thread });
                }
            };
            let workers: Vec<_> = (0..threads).map(|thread| scope.spawn(move || work(thread))).collect();
            workers.into_iter().for_each(|worker| {
                let _ = worker.join();
            });
            self.ended.store(true, Ordering::Relaxed);
            watch.thread().unpark();
        });
        self.report()
    }

    /// Whether as much was checked as was asked for.
    pub fn is_enough(&self) -> bool {
        self.checked.load(Ordering::Relaxed) >= self.count
    }

    fn watch(&self) {
        let mut told = Instant::now();
        while !self.ended.load(Ordering::Relaxed) {
            thread::park_timeout(LOOK);
            let late = lock(&self.watched).values().find(|(begun, _)| begun.elapsed() > self.title.patience).cloned();
            if let Some((begun, command)) = late {
                let what = format!("no answer after {:.0} s", begun.elapsed().as_secs_f64());
                lock(&self.findings).push((Finding::new(Kind::Hang, what), command));
                self.report();
                std::process::exit(1);
            }
            if told.elapsed() > PROGRESS {
                told = Instant::now();
                eprintln!("{}: {} of {}", self.args.row, self.checked.load(Ordering::Relaxed), self.count);
            }
        }
    }

    fn report(&self) -> ExitCode {
        let findings = lock(&self.findings);
        for (finding, command) in findings.iter().take(PRINTED) {
            println!("{:?}: {}\n  {command}", finding.kind, finding.what);
        }
        if findings.len() > PRINTED {
            println!("… and {} more", findings.len() - PRINTED);
        }
        let number = |kind: Kind| findings.iter().filter(|(finding, _)| finding.kind == kind).count();
        let zeros: Vec<String> = self.title.kinds.iter().map(|&kind| format!(", {} {}", number(kind), name(kind))).collect();
        let (row, checked, seed) = (&self.args.row, self.checked.load(Ordering::Relaxed), self.args.seed);
        let seconds = self.begun.elapsed().as_secs_f64();
        println!("{row}: {} {}{} (seed {seed}, {seconds:.1} s)", thousands(checked), self.title.things, zeros.concat());
        if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// One case of a row: a workload, a fault, a mutation, a sequence.
#[derive(Debug)]
pub struct Case<'a> {
    runner: &'a Runner,
    /// Its number; with the row's seed it determines everything.
    pub number: u64,
    thread: usize,
}

impl Case<'_> {
    /// The row's seed.
    pub fn seed(&self) -> u64 {
        self.runner.args.seed
    }

    /// Whether the row has checked enough.
    pub fn is_enough(&self) -> bool {
        self.runner.args.only.0.is_none() && self.runner.is_enough()
    }

    /// Whether this moment and image are to be looked at: all of them, unless one alone was asked for.
    pub fn wants(&self, at: usize, image: usize) -> bool {
        let (_, only_at, only_image) = self.runner.args.only;
        only_at.is_none_or(|only| only == at) && only_image.is_none_or(|only| only == image)
    }

    /// Tells whoever asked for this case alone what it is.
    pub fn explain(&self, what: impl FnOnce() -> String) {
        if self.runner.args.only.0.is_some() {
            eprintln!("{}", what());
        }
    }

    /// Whether one image alone was asked for.
    pub fn is_alone(&self) -> bool {
        self.runner.args.only.2.is_some()
    }

    /// Does something under watch; a panic, or an error, is a finding. `place`: moment and image.
    pub fn check<T>(&self, place: Option<(usize, usize)>, check: impl FnOnce() -> Checked<T>) -> Option<T> {
        let more = |checked: u64| (checked < self.runner.count).then_some(checked + 1);
        let number = self.runner.checked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        self.watch(number, place, check)
    }

    /// The same for what is done before there is anything to count.
    pub fn prepare<T>(&self, prepare: impl FnOnce() -> Checked<T>) -> Option<T> {
        self.watch(u64::MAX - self.number, None, prepare)
    }

    fn watch<T>(&self, key: u64, place: Option<(usize, usize)>, check: impl FnOnce() -> Checked<T>) -> Option<T> {
        let command = self.command(place);
        self.runner.notes.write(self.thread, &command);
        lock(&self.runner.watched).insert(key, (Instant::now(), command.clone()));
        OWN_PANICS.set(Some(Vec::new()));
        let result = catch_unwind(AssertUnwindSafe(check));
        lock(&self.runner.watched).remove(&key);
        let mut panics = OWN_PANICS.take().unwrap_or_default();
        panics.append(&mut lock(&PANICS));
        let finding = match (result, panics.first()) {
            (Ok(Err(finding)), None) => finding,
            (Ok(Ok(value)), None) => return Some(value),
            (_, Some(panic)) => Finding::new(Kind::Panic, panic),
            (Err(_), None) => Finding::new(Kind::Panic, "of another thread"),
        };
        let mut findings = lock(&self.runner.findings);
        eprintln!("{:?}: {}\n  {command}", finding.kind, finding.what);
        findings.push((finding, command));
        None
    }

    /// Reproduces this, alone.
    fn command(&self, place: Option<(usize, usize)>) -> String {
        let Args { row, seed, count, .. } = &self.runner.args;
        let place = place.map_or(String::new(), |(at, image)| format!(" --at {at} --image {image}"));
        let count = count.map_or(String::new(), |count| format!(" --count {count}"));
        format!("cargo run -q --profile sim -p sim -- {row} --seed {seed}{count} --case {}{place}", self.number)
    }
}

fn name(kind: Kind) -> &'static str {
    match kind {
        Kind::Lost => "lost",
        Kind::Hole => "holes",
        Kind::Wrong => "wrong",
        Kind::Unopenable => "unopenable",
        Kind::Panic => "panics",
        Kind::Hang => "hangs",
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    String::from_utf8_lossy(&groups.join(&b',')).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read() {
        let args = |text: &str| Args::parse(text.split_whitespace().map(str::to_owned));
        let read = args("power-loss --count 2,000 --seed 7 --case 3 --at 4 --image 5").unwrap();
        assert_eq!((read.row.as_str(), read.count, read.seed), ("power-loss", Some(2000), 7));
        assert_eq!(read.only, (Some(3), Some(4), Some(5)));
        assert!(args("").is_err() && args("model --count").is_err() && args("model --size 3").is_err());
    }

    #[test]
    fn numbers_have_their_thousands_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn panics_and_errors_are_findings_and_the_rest_goes_on() {
        let kinds = &[Kind::Lost, Kind::Panic];
        let title = Title { things: "things", kinds, patience: Duration::from_secs(60) };
        let runner = Runner::new(&Args::parse(["test".to_owned()].into_iter()).unwrap(), title, u64::MAX);
        runner.run(10, |case| {
            case.check(None, || match case.number {
                3 => panic!("three"),
                5 => Err(Finding::new(Kind::Lost, "five")),
                _ => Ok(()),
            });
        });
        assert_eq!(runner.checked.load(Ordering::Relaxed), 10);
        let mut kinds: Vec<Kind> = lock(&runner.findings).iter().map(|(finding, _)| finding.kind).collect();
        kinds.sort();
        assert_eq!(kinds, [Kind::Lost, Kind::Panic]);
    }
}
