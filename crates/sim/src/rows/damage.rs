//! Row `damage`: bytes of a saved index change, and the answers do not, or the index says that it is damaged.
//!
//! First every bit of the manifests and of all headers, then random mutations. From an index that was not closed any exact
//! prefix of the writes passes that holds the last checkpoint.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use engine::{Id, Index};
use task::Task;

use crate::disk::{Image, SimDisk};
use crate::memory::Memory;
use crate::mutate::{Mutation, some_mutation};
use crate::oracle::{Checked, Contents, Crash, Finding, History, Kind, Stored, check_search, stored};
use crate::random::Random;
use crate::run::{Args, Case, Runner, Title};
use crate::workload::{Config, Letter, Maker, Session, configs};

/// What this row can find.
const KINDS: &[Kind] = &[Kind::Wrong, Kind::Panic, Kind::Hang];
/// How long a damaged index may take, when it is asked again: a machine can be busy once.
const SLOW: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);
/// The first size.
const COUNT: u64 = 20_000;
/// From this count on every bit of every header is tried, of the zeros that fill them too.
const LARGE: u64 = 500_000;
/// One mutated index in so many is opened for reading, too.
const READ_TOO: u64 = 4;
/// Before they are zero to their ends, headers have so many bytes, and a checksum behind the zeros.
const FIELDS: usize = 80;

/// An index to be damaged.
struct Target {
    config: Config,
    image: Image,
    history: History,
    /// The writes that must be there, if anything is.
    bounds: (usize, usize),
}

/// Checks `--count` mutations.
pub fn run(args: &Args) -> ExitCode {
    let count = args.count.unwrap_or(COUNT);
    let targets = match targets() {
        Ok(targets) => targets,
        Err(finding) => {
            eprintln!("without damage: {finding:?}");
            return ExitCode::FAILURE;
        }
    };
    let bits = bits(&targets, count);
    eprintln!("damage: {} bits of {} indexes, then random mutations", bits.len(), targets.len());
    let memory = Memory::default();
    let runner = Runner::new(args, Title { things: "mutations", kinds: KINDS, patience: PATIENCE }, count);
    runner.run(u64::MAX, |case| {
        let mut random = Random::of(case.seed(), case.number);
        let (target, mutation) = match bits.get(case.number as usize) {
            Some((target, mutation)) => (&targets[*target], mutation.clone()),
            None => {
                let target = random.pick(&targets);
                (target, some_mutation(&target.image, &mut random))
            }
        };
        case.explain(|| format!("{}, {:?} writes: {mutation:?}", target.config.name, target.bounds));
        case.check(None, || {
            let begun = Instant::now();
            check(case, target, &mutation, random.clone())?;
            let again = Instant::now();
            if begun.elapsed() > SLOW {
                check(case, target, &mutation, random)?;
            }
            if begun.elapsed() > SLOW && again.elapsed() > SLOW {
                return Err(Finding::new(Kind::Hang, format!("{mutation:?}: {:.1} s", again.elapsed().as_secs_f64())));
            }
            memory.check(&mutation)
        });
    })
}

/// Closed indexes of several configurations, and some that were not closed.
fn targets() -> Checked<Vec<Target>> {
    use Letter::*;
    let mut targets = Vec::new();
    for (at, config) in configs().into_iter().enumerate() {
        let (base, contents) = config.base()?;
        let mut maker = Maker::new(&contents, Random::new(3));
        let mut session = Session::start(&config, SimDisk::recording(&base), History::new(contents, config.synced()))?;
        for letter in [Batch, Flush, Group, Delete, New] {
            session.step(&maker.step(letter))?;
        }
        let closed = at % 3 != 2;
        let least = session.history.bounds(session.disk.position(), Crash::PowerLoss).0.min(1);
        if closed {
            session.close()?;
        }
        let (image, history) = (session.disk.image(), session.history.clone());
        let all = history.len();
        drop(session);
        targets.push(Target { config, image, history, bounds: (if closed { all } else { least }, all) });
    }
    Ok(targets)
}

/// Every bit of the manifests and headers: of the first index that is closed and the first that is not, or of all.
fn bits(targets: &[Target], count: u64) -> Vec<(usize, Mutation)> {
    let mut bits = Vec::new();
    for (number, target) in targets.iter().enumerate() {
        let first = [0, 2].contains(&number);
        if !first && count < LARGE {
            continue;
        }
        for (path, bytes) in &target.image.files {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let end = match () {
                () if name.starts_with("manifest-") => bytes.len(),
                // The rows' headers take a page.
                () if name.starts_with("rows-") => 4096,
                () => 64,
            };
            for byte in 0..end.min(bytes.len()) {
                let zeros = (FIELDS..4092).contains(&byte) && name.starts_with("rows-");
                let thin = zeros && !(first && count >= LARGE);
                // Of the zeros one bit in a while.
                let wanted = (0..8).filter(|bit| !thin || byte * 8 + bit % 509 == 0);
                bits.extend(wanted.map(|bit| (number, Mutation::Flip { path: path.clone(), at: byte * 8 + bit })));
            }
        }
    }
    bits
}

fn check(case: &Case<'_>, target: &Target, mutation: &Mutation, mut random: Random) -> Checked<()> {
    let mut image = target.image.clone();
    mutation.apply(&mut image);
    if case.number.is_multiple_of(READ_TOO) {
        let disk = SimDisk::new(&image);
        if let Some(index) = coded(target.config.reopen(&disk, true))? {
            // Where the newest manifest is gone a checkpoint seems to have been cut short, and the one before counts;
            // writers then read the log from there, which readers leave alone.
            let gone = matches!(mutation, Mutation::Delete(path) if path.to_string_lossy().contains("manifest-"));
            answers(target, if gone { (0, target.bounds.1) } else { target.bounds }, &index, &mut random)?;
        }
    }
    let disk = SimDisk::new(&image);
    let Some(index) = coded(target.config.reopen(&disk, false))? else { return Ok(()) };
    answers(target, target.bounds, &index, &mut random)?;
    if random.once_in(4) {
        coded(index.optimize(&Task::new()))?;
    }
    coded(index.flush())?;
    coded(index.close())?;
    drop(index);
    // Nothing that was damaged has become right by being saved again.
    let Some(index) = coded(target.config.reopen(&disk, false))? else { return Ok(()) };
    answers(target, target.bounds, &index, &mut random)
}

/// What a call gave; `None` for an error that says that the index is damaged, or what follows from that.
fn coded<T>(result: engine::Result<T>) -> Checked<Option<T>> {
    use engine::Code::*;
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.code, Corrupt | Io | NotFound | Argument | Poisoned) => Ok(None),
        Err(error) => Err(Finding::of(Kind::Wrong, "an error of another kind", &error)),
    }
}

/// All answers of an index are those of one of the states that are allowed; each call may say that it met damage.
fn answers(target: &Target, (least, most): (usize, usize), index: &Index, random: &mut Random) -> Checked<()> {
    let listed = coded(index.ids(0, usize::MAX))?.map(|(mut ids, _)| {
        ids.sort();
        ids
    });
    let last = target.history.last();
    let ids: Vec<Id> = listed.clone().unwrap_or_else(|| last.keys().cloned().collect());
    let items = items(index, &ids)?;
    let fits = |contents: &Contents| {
        contents.len() == index.len()
            && listed.as_ref().is_none_or(|listed| listed.iter().eq(contents.keys()))
            && ids.iter().zip(&items).all(|(id, item)| item.as_ref().is_none_or(|item| item.as_ref() == contents.get(id)))
    };
    let Some(state) = (least..=most).rev().map(|writes| target.history.state(writes)).find(|state| fits(state)) else {
        let wrong = ids.iter().zip(&items).filter(|(id, item)| item.as_ref().is_some_and(|item| item.as_ref() != last.get(id)));
        let wrong: Vec<&Id> = wrong.map(|(id, _)| id).take(5).collect();
        let reader = if index.is_read_only() { "a reader finds" } else { "a writer finds" };
        let what = format!(
            "{reader} {} ids and a size of {}, not {}; other items than the last of {wrong:?}",
            ids.len(),
            index.len(),
            last.len()
        );
        return Err(Finding::new(Kind::Wrong, what));
    };
    match check_search(index, state, target.config.recall(), Kind::Unopenable, random) {
        Err(finding) if finding.kind != Kind::Unopenable => Err(finding),
        _ => Ok(()),
    }
}

/// The items of `ids`, `None` for those that cannot be read.
fn items(index: &Index, ids: &[Id]) -> Checked<Vec<Option<Option<Stored>>>> {
    if let Some(all) = coded(stored(index, ids))? {
        return Ok(all.into_iter().map(Some).collect());
    }
    let one = |id: &Id| Ok(coded(stored(index, std::slice::from_ref(id)))?.and_then(|mut item| item.pop()));
    ids.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn first() -> Target {
        targets().unwrap().remove(0)
    }

    #[test]
    fn an_undamaged_index_answers_as_it_should_and_one_that_lacks_a_write_does_not() {
        let mut target = first();
        let index = target.config.reopen(&SimDisk::new(&target.image), false).unwrap();
        let all = target.bounds.1;
        assert!(answers(&target, (all, all), &index, &mut Random::new(1)).is_ok());
        assert_eq!(answers(&target, (all - 1, all - 1), &index, &mut Random::new(1)).unwrap_err().kind, Kind::Wrong);
        let mut contents = Contents::clone(target.history.last());
        contents.pop_first();
        target.history.write(0, None, contents);
        assert!(answers(&target, (all + 1, all + 1), &index, &mut Random::new(1)).is_err());
    }

    #[test]
    fn every_kind_of_file_has_bits_to_flip() {
        let target = first();
        let files = target.image.files.clone();
        let bits = bits(&[target], COUNT);
        for (path, bytes) in files.iter().filter(|(_, bytes)| !bytes.is_empty()) {
            let of_file = |mutation: &Mutation| matches!(mutation, Mutation::Flip { path: other, .. } if other == path);
            let count = bits.iter().filter(|(_, mutation)| of_file(mutation)).count();
            let manifest = path.starts_with("/index/") && path.to_string_lossy().contains("manifest");
            assert!(count >= 512 && (!manifest || count == bytes.len() * 8), "{}: {count}", path.display());
        }
        assert!(files.contains_key(Path::new("/index/LOCK")));
    }
}
