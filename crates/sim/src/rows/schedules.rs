//! Row `schedules`: writers, readers, checkpoints and closing in every order that a scheduler comes up with.
//!
//! The engine is built on the locks and threads of a model checker (`--cfg schedules`), which runs one thread at a time
//! and decides at every lock who goes on: at random, or with few but chosen changes of thread (PCT: Burckhardt et al.,
//! ASPLOS 2010). Each schedule follows from the row's seed. Deadlocks are found, too: nobody can go on.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use engine::{Batch, Code, Id, Include, Index, PartialOptions, Query, SearchParams};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, FailurePersistence, Runner, thread};
use task::Task;

use crate::disk::{Fault, Image, SimDisk, Way};
use crate::run::Args;

/// Schedules in all of the first size.
const COUNT: u64 = 20_000;
const DIMS: usize = 2;

/// The models, each small enough for its orders to be met in some thousand schedules.
const MODELS: [(&str, fn()); 8] = [
    ("writers", writers),
    ("writers and readers", writers_and_readers),
    ("writers and checkpoints", writers_and_checkpoints),
    ("checkpoints in the background", background),
    ("closing", closing),
    ("failing syncs", failing),
    ("compaction", compaction),
    ("snapshots", snapshots),
];

/// Runs `--count` schedules over all models; `--case` one model alone.
pub fn run(args: &Args) -> ExitCode {
    let (begun, count) = (Instant::now(), args.count.unwrap_or(COUNT));
    let mut models: Vec<_> = (0..).zip(MODELS).collect();
    models.retain(|(number, _)| args.only.0.is_none_or(|only| only == *number));
    let each = count.div_ceil(2 * models.len() as u64) as usize;
    let mut failed = 0;
    let checked = Arc::new(AtomicU64::new(0));
    for (number, (name, model)) in models {
        let seed = args.seed.wrapping_mul(1_000_003).wrapping_add(number);
        let schedulers: [Box<dyn Scheduler + Send>; 2] =
            [Box::new(RandomScheduler::new_from_seed(seed, each)), Box::new(PctScheduler::new_from_seed(seed, 3, each))];
        for scheduler in schedulers {
            let checked = checked.clone();
            let ran = catch_unwind(AssertUnwindSafe(move || {
                let mut config = Config::new();
                config.failure_persistence = FailurePersistence::Print;
                config.stack_size = 1 << 20;
                Runner::new(scheduler, config).run(move || {
                    model();
                    checked.fetch_add(1, Ordering::Relaxed);
                });
            }));
            if ran.is_err() {
                failed += 1;
                println!(
                    "{name}: a schedule fails, see above\n  npm run reliability -- schedules --seed {} --count {count} --case {number}",
                    args.seed
                );
            }
        }
        eprintln!("schedules: {name}, {} so far", checked.load(Ordering::Relaxed));
    }
    let (checked, seconds) = (checked.load(Ordering::Relaxed), begun.elapsed().as_secs_f64());
    println!("schedules: {checked} schedules of {} models, {failed} failing (seed {}, {seconds:.1} s)", MODELS.len(), args.seed);
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn given() -> PartialOptions {
    PartialOptions { dimensions: Some(DIMS), threads: Some(1), ..PartialOptions::default() }
}

fn open(disk: &SimDisk, given: PartialOptions) -> Arc<Index> {
    Arc::new(Index::open_on(Arc::new(disk.clone()), Path::new("/index"), given, false, &Task::new()).unwrap())
}

fn item(id: u64, value: f32) -> Batch {
    Batch { ids: vec![Id::Number(id)], vectors: vec![value, 1.0], metadata: None }
}

/// Adds the ids `first`, `first + 1` …; gives those that were acknowledged.
fn add(index: &Index, first: u64, count: u64) -> Vec<u64> {
    let added = |id: &u64| match index.add(item(*id, *id as f32 + 1.0), &Task::new()) {
        Ok(()) => true,
        Err(error) => {
            assert!(matches!(error.code, Code::Closed | Code::Poisoned | Code::Io), "{error}");
            false
        }
    };
    (first..first + count).filter(added).collect()
}

fn value(index: &Index, id: u64) -> Option<f32> {
    let item = index.get(&[Id::Number(id)], Include { vector: true, metadata: false }).unwrap().remove(0)?;
    Some(item.vector.unwrap()[0])
}

/// What another process finds if this one is killed now.
fn killed(disk: &SimDisk) -> Arc<Index> {
    open(&SimDisk::new(&disk.image()), PartialOptions::default())
}

fn all_there(index: &Index, acknowledged: &[u64]) {
    for &id in acknowledged {
        assert_eq!(value(index, id), Some(id as f32 + 1.0), "acknowledged, and not there");
    }
}

/// Starts a thread that adds.
fn writer(index: &Arc<Index>, first: u64, count: u64) -> thread::JoinHandle<Vec<u64>> {
    let index = index.clone();
    thread::spawn(move || add(&index, first, count))
}

/// Callers share a sync; each is there when its call returns, for readers and for other processes.
fn writers() {
    let disk = SimDisk::new(&Image::default());
    let index = open(&disk, given());
    let threads: Vec<_> = (0..3)
        .map(|n| {
            let (index, disk) = (index.clone(), disk.clone());
            thread::spawn(move || {
                let added = add(&index, n * 10, 2);
                all_there(&index, &added);
                all_there(&killed(&disk), &added);
                added.len()
            })
        })
        .collect();
    let added: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!((added, index.len()), (6, 6));
}

/// A replaced item is always there, as it was or as it is; hits are in order and never doubled.
fn writers_and_readers() {
    let index = open(&SimDisk::new(&Image::default()), given());
    add(&index, 0, 3);
    let replace = {
        let index = index.clone();
        thread::spawn(move || {
            index.add(item(1, 50.0), &Task::new()).unwrap();
            index.delete(&[Id::Number(2)]).unwrap();
            index.add(item(1, 60.0), &Task::new()).unwrap();
        })
    };
    let reader = {
        let index = index.clone();
        thread::spawn(move || {
            let mut last = 0.0;
            for _ in 0..3 {
                let now = value(&index, 1).expect("a replaced item is there");
                assert!([2.0, 50.0, 60.0].contains(&now) && now >= last);
                last = now;
                let query = [1.0, 1.0];
                let hits = index.search(&Query::vector(&query), &SearchParams::default(), &Task::new()).unwrap();
                let mut ids: Vec<_> = hits.iter().map(|hit| hit.id.clone()).collect();
                ids.sort();
                ids.dedup();
                assert!(ids.len() == hits.len() && (2..=3).contains(&hits.len()));
            }
        })
    };
    let more = writer(&index, 10, 0);
    [replace, reader].into_iter().for_each(|thread| thread.join().unwrap());
    more.join().unwrap();
    assert_eq!((index.len(), value(&index, 1)), (2, Some(60.0)));
}

/// Checkpoints at any moment lose nothing, whether the newest can be read afterwards or not.
fn writers_and_checkpoints() {
    let disk = SimDisk::new(&Image::default());
    let index = open(&disk, given());
    let writers = [writer(&index, 0, 2), writer(&index, 10, 2)];
    let flushing = {
        let index = index.clone();
        thread::spawn(move || (0..2).for_each(|_| index.flush().unwrap()))
    };
    let added: Vec<u64> = writers.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    all_there(&killed(&disk), &added);
    flushing.join().unwrap();
    assert!(index.verify(&Task::new()).unwrap().problems.is_empty());
    let mut image = disk.image();
    let mut manifests: Vec<_> = image.files.keys().filter(|path| path.to_string_lossy().contains("manifest-")).cloned().collect();
    manifests.sort();
    // The one from before the first checkpoint stands for no index.
    if let [.., older, newest] = &manifests[..]
        && !older.ends_with("manifest-0")
    {
        image.edit(newest, |bytes| bytes[70] ^= 1);
        all_there(&open(&SimDisk::new(&image), PartialOptions::default()), &added);
    }
}

/// With a log of a few records, checkpoints run by themselves and writers are held back for them.
fn background() {
    let disk = SimDisk::new(&Image::default());
    let index = open(&disk, PartialOptions { log_bytes: Some(60), ..given() });
    let writers = [writer(&index, 0, 4), writer(&index, 10, 4)];
    let added: Vec<u64> = writers.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    assert_eq!(added.len(), 8);
    all_there(&killed(&disk), &added);
    index.close().unwrap();
    all_there(&killed(&disk), &added);
}

/// Closing finishes what was accepted and refuses the rest; nobody waits for ever.
fn closing() {
    let disk = SimDisk::new(&Image::default());
    let index = open(&disk, PartialOptions { log_bytes: Some(120), ..given() });
    let writers = [writer(&index, 0, 3), writer(&index, 10, 2)];
    let reader = {
        let index = index.clone();
        thread::spawn(move || {
            let query = [1.0, 1.0];
            for _ in 0..2 {
                let found = index.search(&Query::vector(&query), &SearchParams::default(), &Task::new());
                assert!(found.is_ok_and(|hits| hits.len() <= 5) || index.stats().is_err());
            }
        })
    };
    index.close().unwrap();
    let added: Vec<u64> = writers.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    reader.join().unwrap();
    let again = killed(&disk);
    all_there(&again, &added);
    assert!(again.len() <= 5);
}

/// After a sync that fails, no write is acknowledged; what was acknowledged before is there.
fn failing() {
    let disk = SimDisk::new(&Image::default());
    let index = open(&disk, given());
    disk.plan(vec![Fault { call: 3, way: Way::Sync, lasting: false }]);
    let writers = [writer(&index, 0, 2), writer(&index, 10, 2)];
    let added: Vec<u64> = writers.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    all_there(&index, &added);
    if disk.fired() > 0 {
        assert!(index.add(item(99, 1.0), &Task::new()).is_err_and(|error| error.code == Code::Poisoned));
    }
    disk.heal();
    all_there(&killed(&disk), &added);
}

/// Rows get new numbers under running writes, reads and checkpoints.
fn compaction() {
    let disk = SimDisk::new(&Image::default());
    let index = open(&disk, PartialOptions { log_bytes: Some(200), ..given() });
    add(&index, 0, 4);
    index.delete(&[Id::Number(0), Id::Number(2)]).unwrap();
    let writers = [writer(&index, 10, 2), writer(&index, 20, 2)];
    let compacting = {
        let index = index.clone();
        thread::spawn(move || index.optimize(&Task::new()).unwrap())
    };
    assert_eq!(value(&index, 1), Some(2.0));
    let added: Vec<u64> = writers.into_iter().flat_map(|thread| thread.join().unwrap()).chain([1, 3]).collect();
    compacting.join().unwrap();
    assert_eq!((index.len(), value(&index, 0)), (6, None));
    all_there(&index, &added);
    let again = killed(&disk);
    assert_eq!(again.len(), 6);
    all_there(&again, &added);
}

/// A snapshot holds one moment: a prefix of each writer's writes.
fn snapshots() {
    let disk = SimDisk::new(&Image::default());
    let index = open(&disk, given());
    add(&index, 0, 1);
    let writers = [writer(&index, 10, 2), writer(&index, 20, 2)];
    index.snapshot(Path::new("/copy"), &Task::new()).unwrap();
    let copy = SimDisk::new(&disk.image());
    let copy = Index::open_on(Arc::new(copy), Path::new("/copy"), PartialOptions::default(), false, &Task::new()).unwrap();
    assert_eq!(value(&copy, 0), Some(1.0));
    assert!([10, 20].iter().all(|&first| value(&copy, first).is_some() || value(&copy, first + 1).is_none()));
    writers.into_iter().for_each(|thread| assert_eq!(thread.join().unwrap().len(), 2));
}
