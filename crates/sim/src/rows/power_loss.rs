//! Row `power-loss`: whatever the power does to the disk, at whatever moment, the index opens and holds an exact prefix of
//! the writes, with every write that was promised to survive.
//!
//! Of four cases three are workloads of three letters, one after the other until there are no more, each in one
//! configuration, then again in the next; the moments of shorter workloads are among theirs. The fourth is a longer
//! random workload.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::crash::Recording;
use crate::disk::{SimDisk, mix};
use crate::oracle::{Checked, Crash, Finding, Kind, check_search, read_back};
use crate::random::Random;
use crate::run::{Args, Case, Runner, Title};
use crate::workload::{ALPHABET, Config, Letter, Session, configs};

/// What a row on crashes can find.
pub const KINDS: &[Kind] = &[Kind::Lost, Kind::Hole, Kind::Wrong, Kind::Unopenable, Kind::Panic, Kind::Hang];
/// How long one image may take.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// The first size.
const COUNT: u64 = 50_000;
/// All workloads of three letters.
const WORDS: u64 = (ALPHABET.len() * ALPHABET.len() * ALPHABET.len()) as u64;
/// The letters of a random workload, at most.
const LONG: usize = 12;
/// Of so many images one is opened for reading first.
const READ_FIRST: usize = 8;

/// Checks `--count` images.
pub fn run(args: &Args) -> ExitCode {
    let count = args.count.unwrap_or(COUNT);
    let runner = Runner::new(args, Title { things: "images", kinds: KINDS, patience: PATIENCE }, count);
    let configs = configs();
    // As many rounds as leave a few dozen images to every workload.
    let rounds = (count / COUNT).clamp(1, configs.len() as u64);
    let cases = rounds * WORDS * 4 / 3;
    let quota = |case: &Case<'_>| if case.number < cases { count.div_ceil(cases) } else { u64::MAX };
    let seen = Seen::default();
    runner.run(u64::MAX, |case| {
        let (config, letters) = plan(case, &configs);
        let record = || Session::record(config, &letters, Random::of(case.seed() ^ 1, case.number));
        if let Some(recording) = case.prepare(record) {
            case.explain(|| format!("{}: {letters:?}\n{recording}", config.name));
            check(case, config, &recording, 0, quota(case), &seen);
        }
    })
}

/// Configuration and letters of a case.
fn plan<'a>(case: &Case<'_>, configs: &'a [Config]) -> (&'a Config, Vec<Letter>) {
    let mut random = Random::of(case.seed(), case.number);
    if case.number % 4 == 3 {
        let letters = (0..4 + random.below(LONG - 3)).map(|_| *random.pick(&ALPHABET)).collect();
        return (random.pick(configs), letters);
    }
    let number = case.number / 4 * 3 + case.number % 4;
    let (round, word) = ((number / WORDS) as usize, (number % WORDS) as usize);
    let n = ALPHABET.len();
    let letters = [word / n / n, word / n % n, word % n].map(|letter| ALPHABET[letter]);
    // Neighbours differ in the configuration, so that one round sees all of them.
    (&configs[(round + word) % configs.len()], letters.into())
}

/// Images that were checked already, with the states that were allowed.
#[derive(Debug, Default)]
pub struct Seen(Mutex<HashSet<u64>>);

impl Seen {
    fn is_new(&self, key: u64) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key)
    }
}

/// Checks up to `quota` images of the moments from position `from` on.
pub fn check(case: &Case<'_>, config: &Config, recording: &Recording, from: usize, quota: u64, seen: &Seen) {
    let mut left = quota;
    recording.visit(from, Random::of(case.seed(), case.number).word(), |at, number, images| {
        if !case.wants(at, number) {
            return ControlFlow::Continue(());
        }
        // What is lost when everything was kept was lost by a kill.
        let crash = if number == 1 { Crash::Kill } else { Crash::PowerLoss };
        let bounds = recording.history.bounds(at, crash);
        let image = images.image(number);
        if seen.is_new(mix(image.hash() ^ recording.history.hash(bounds))) || case.is_alone() {
            let made = at >= recording.opened;
            case.check(Some((at, number)), || {
                let disk = SimDisk::new(&image);
                if made && number % READ_FIRST == 0 {
                    read_only(config, recording, &disk, bounds)?;
                }
                recover(config, recording, disk, made, bounds)
            });
            left -= 1;
        }
        if left == 0 || case.is_enough() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
}

/// Opens the index, reads everything back, and says which prefix of the writes is there.
pub fn recover(config: &Config, recording: &Recording, disk: SimDisk, made: bool, bounds: (usize, usize)) -> Checked<usize> {
    let index = if made { config.reopen(&disk, false) } else { config.open(&disk) };
    let index = index.map_err(|error| Finding::of(Kind::Unopenable, "open", &error))?;
    let contents = read_back(&index, Kind::Wrong)?;
    let writes = recording.history.prefix(&contents, bounds)?;
    check_search(&index, &contents, config.recall(), Kind::Wrong, &mut Random::new(writes as u64))?;
    Ok(writes)
}

/// A reader sees the state of some checkpoint, and changes nothing.
fn read_only(config: &Config, recording: &Recording, disk: &SimDisk, (_, most): (usize, usize)) -> Checked<()> {
    let index = config.reopen(disk, true).map_err(|error| Finding::of(Kind::Unopenable, "open for reading", &error))?;
    let contents = read_back(&index, Kind::Wrong)?;
    recording.history.prefix(&contents, (0, most))?;
    drop(index);
    match disk.changes() {
        0 => Ok(()),
        changes => Err(Finding::new(Kind::Wrong, format!("opening for reading changed the disk {changes} times"))),
    }
}
