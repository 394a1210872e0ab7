//! Makes inputs and runs them, and counts what goes wrong.

use std::collections::BTreeMap;
use std::panic;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::corpus;
use super::mutate::mutate;
use super::targets::Target;
use crate::random::Random;

/// An input that takes longer is a hang.
const PATIENCE: Duration = Duration::from_secs(20);
/// Findings that are shown.
const SHOWN: usize = 10;
/// One in so many inputs is left as it was: a valid one must be accepted.
const UNCHANGED: usize = 64;
/// Between two lines on how far it is.
const PROGRESS: u64 = 10;

/// How much is to be run.
#[derive(Default)]
pub struct Plan {
    /// For so long, all targets together.
    pub seconds: Option<u64>,
    /// So many inputs of all targets together.
    pub count: Option<u64>,
    /// Seed of the first input.
    pub seed: u64,
    /// What is run.
    pub targets: Vec<&'static Target>,
}

/// What can be wrong: an answer of a decoder, or that there is none.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Wrong,
    Panic,
    Hang,
}

/// One place in the code where something went wrong.
struct Finding {
    kind: Kind,
    what: String,
    /// Brings it about.
    command: String,
    times: u64,
}

/// What has been found so far, and what is running.
struct Watch {
    plan: Plan,
    begun: Instant,
    inputs: AtomicU64,
    /// Milliseconds from the beginning to that of the input that is running.
    since: AtomicU64,
    /// The command of what is running.
    running: Mutex<String>,
    findings: Mutex<BTreeMap<String, Finding>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the plan, prints the closing line, and says whether nothing was found.
pub fn drive(plan: Plan) -> bool {
    let corpora: Vec<(&Target, Vec<Vec<u8>>)> = plan.targets.iter().map(|target| (*target, corpus::of(target))).collect();
    let watch = Arc::new(Watch {
        plan,
        begun: Instant::now(),
        inputs: AtomicU64::new(0),
        since: AtomicU64::new(0),
        running: Mutex::default(),
        findings: Mutex::default(),
    });
    watch.start();
    let mut accepted = vec![0u64; corpora.len()];
    while !watch.is_enough() {
        // The targets take turns: each has the seeds one after another.
        let (turn, at) = watch.turn(corpora.len());
        accepted[at] += u64::from(watch.try_one(&corpora[at], watch.plan.seed.wrapping_add(turn)));
    }
    for ((target, _), accepted) in corpora.iter().zip(accepted) {
        eprintln!("fuzz: {}: {accepted} of {} inputs accepted", target.name, watch.turn(corpora.len()).0);
    }
    watch.report()
}

/// The input of `seed`, and whether it is one of the valid ones.
pub fn make(corpus: &[Vec<u8>], seed: u64) -> (Vec<u8>, bool) {
    let mut random = Random::new(seed);
    let mut input = random.pick(corpus).clone();
    let unchanged = random.once_in(UNCHANGED);
    if !unchanged {
        let other = random.pick(corpus);
        mutate(&mut input, other, &mut random);
    }
    (input, unchanged)
}

impl Watch {
    /// Watches over panics, in whatever thread and whether somebody catches them or not, and over hangs.
    fn start(self: &Arc<Self>) {
        let watch = self.clone();
        panic::set_hook(Box::new(move |panic| {
            let place = panic.location().map(ToString::to_string).unwrap_or_default();
            // The targets' own assertions are about answers.
            let kind = if place.contains("targets") { Kind::Wrong } else { Kind::Panic };
            watch.found(kind, &place, &panic.to_string());
        }));
        let watch = self.clone();
        std::thread::spawn(move || {
            for second in 1.. {
                std::thread::sleep(Duration::from_secs(1));
                if watch.begun.elapsed().saturating_sub(Duration::from_millis(watch.since.load(Relaxed))) > PATIENCE {
                    // Nothing else can end it.
                    watch.found(Kind::Hang, "", "a hang");
                    watch.report();
                    process::exit(1);
                }
                if second % PROGRESS == 0 {
                    eprintln!("fuzz: {} inputs", watch.inputs.load(Relaxed));
                }
            }
        });
    }

    fn is_enough(&self) -> bool {
        match (self.plan.count, self.plan.seconds) {
            (Some(count), _) => self.inputs.load(Relaxed) >= count,
            (None, seconds) => self.begun.elapsed() >= Duration::from_secs(seconds.unwrap_or(0)),
        }
    }

    /// Which turn it is, and whose.
    fn turn(&self, targets: usize) -> (u64, usize) {
        let inputs = self.inputs.load(Relaxed);
        (inputs / targets as u64, (inputs % targets as u64) as usize)
    }

    /// Makes the input of `seed` and runs it; whether it was accepted.
    fn try_one(&self, (target, corpus): &(&Target, Vec<Vec<u8>>), seed: u64) -> bool {
        let (input, unchanged) = make(corpus, seed);
        *lock(&self.running) =
            format!("cargo run -q --profile sim -p sim -- fuzz --target {} --seed {seed} --count 1", target.name);
        self.since.store(self.begun.elapsed().as_millis() as u64, Relaxed);
        self.inputs.fetch_add(1, Relaxed);
        let accepted = panic::catch_unwind(|| (target.run)(&input));
        if let Ok(false) = accepted
            && unchanged
        {
            self.found(Kind::Wrong, target.name, &format!("{}: a valid input is refused", target.name));
        }
        accepted.unwrap_or(false)
    }

    fn found(&self, kind: Kind, place: &str, what: &str) {
        let new = || Finding { kind, what: what.to_owned(), command: lock(&self.running).clone(), times: 0 };
        lock(&self.findings).entry(place.to_owned()).or_insert_with(new).times += 1;
    }

    fn report(&self) -> bool {
        let findings = lock(&self.findings);
        for Finding { what, command, times, .. } in findings.values().take(SHOWN) {
            println!("{what}\n  {times} times, first by: {command}");
        }
        let times = |kind: Kind| findings.values().filter(|found| found.kind == kind).map(|found| found.times).sum::<u64>();
        let (wrong, panics, hangs) = (times(Kind::Wrong), times(Kind::Panic), times(Kind::Hang));
        let (inputs, targets, seed) = (thousands(self.inputs.load(Relaxed)), self.plan.targets.len(), self.plan.seed);
        let seconds = self.begun.elapsed().as_secs_f64();
        println!(
            "fuzz: {inputs} inputs of {targets} decoders, {wrong} wrong, {panics} panics, {hangs} hangs (seed {seed}, {seconds:.1} s)"
        );
        findings.is_empty()
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<&[u8]> = digits.as_bytes().rchunks(3).rev().collect();
    String::from_utf8_lossy(&groups.join(&b',')).into_owned()
}
