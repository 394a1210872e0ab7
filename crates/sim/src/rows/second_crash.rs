//! Row `second-crash`: a crash during recovery, or soon after it, changes nothing: the index holds the prefix that the
//! first recovery found, and what was written since.
//!
//! Of two cases one begins with a power loss, and one with a kill: then what was not synced is still there, but a power
//! loss may take it yet.

use std::process::ExitCode;

use crate::crash::{Images, Recording};
use crate::disk::{Pending, SimDisk};
use crate::oracle::{Checked, Crash, Kind, read_back};
use crate::random::Random;
use crate::rows::power_loss::{KINDS, PATIENCE, Seen, check};
use crate::run::{Args, Case, Runner, Title};
use crate::workload::{ALPHABET, Config, Letter, Maker, Session, configs};

/// The first size.
const COUNT: u64 = 5_000;
/// Images of one second crash.
const QUOTA: u64 = 40;
/// What happens between recovery and the second crash.
const THEN: [&[Letter]; 5] =
    [&[], &[Letter::New], &[Letter::New, Letter::Delete], &[Letter::Flush], &[Letter::Drop, Letter::Batch, Letter::Flush]];

/// Checks `--count` images.
pub fn run(args: &Args) -> ExitCode {
    let title = Title { things: "images", kinds: KINDS, patience: PATIENCE };
    let runner = Runner::new(args, title, args.count.unwrap_or(COUNT));
    let (configs, seen) = (configs(), Seen::default());
    runner.run(u64::MAX, |case| {
        let mut random = Random::of(case.seed(), case.number);
        let config = random.pick(&configs);
        case.explain(|| config.name.to_owned());
        if let Some((second, from)) = case.prepare(|| crash_and_recover(case, config, &mut random)) {
            case.explain(|| format!("the second crash from {from} on\n{second}"));
            check(case, config, &second, from, QUOTA, &seen);
        }
    })
}

/// A recovery after a crash, and what was done then; with the position at which it began.
fn crash_and_recover(case: &Case<'_>, config: &Config, random: &mut Random) -> Checked<(Recording, usize)> {
    let letters: Vec<Letter> = (0..1 + random.below(5)).map(|_| *random.pick(&ALPHABET)).collect();
    let first = Session::record(config, &letters, random.clone())?;
    let at = random.below(first.journal.len() + 1);
    case.explain(|| format!("{letters:?}, the first crash at {at}\n{first}"));
    let before = &first.journal[..at];
    let (base, disk, crash) = if case.number.is_multiple_of(2) {
        let mut pending = Pending::new(&first.base);
        before.iter().for_each(|op| pending.apply(op));
        let images = Images::new(&pending, random.word());
        let image = images.image(random.below(images.count()));
        (image.clone(), SimDisk::recording(&image), Crash::PowerLoss)
    } else {
        (first.base.clone(), SimDisk::resumed(&first.base, before), Crash::Kill)
    };
    let from = disk.position();
    let mut session = Session::start(config, disk, first.history)?;
    let contents = read_back(session.index()?, Kind::Wrong)?;
    let recovered = session.history.prefix(&contents, session.history.bounds(at, crash))?;
    session.history.interrupt(at, recovered);
    if crash == Crash::PowerLoss {
        session.history.begin_again();
    }
    let mut maker = Maker::new(&contents, random.clone());
    for &letter in *random.pick(&THEN) {
        session.step(&maker.step(letter))?;
    }
    let made = at >= first.opened;
    let opened = if made { from } else { session.opened };
    Ok((Recording { base, journal: session.disk.journal(), history: session.history, opened }, from))
}
