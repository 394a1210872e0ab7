//! Row `model`: random operations, of all kinds and in any order, give what a map and a scan in 64-bit floats give.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use engine::{
    Batch, Coarse, Code, Codes, Durability, Id, Index, Metric, Op, PartialOptions, Placement, Precision, Query, SearchParams,
    TrainParams,
};
use task::Task;

use crate::disk::SimDisk;
use crate::oracle::{Checked, Contents, Finding, Kind, Recall, check_search, read_back, read_some, stored};
use crate::random::Random;
use crate::rows::power_loss::PATIENCE;
use crate::run::{Args, Runner, Title};
use crate::workload::{Before, Config};

const KINDS: &[Kind] = &[Kind::Lost, Kind::Wrong, Kind::Unopenable, Kind::Panic, Kind::Hang];
/// The first size.
const COUNT: u64 = 2_000;
/// How large an index becomes.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// How many ids there are.
    ids: usize,
    /// Rows of a batch, at most.
    batch: usize,
    /// Operations of a sequence, at most.
    steps: usize,
}

const SMALL: Size = Size { ids: 60, batch: 12, steps: 200 };
/// Enough for codes of a byte or a bit, and for lists.
const LARGE: Size = Size { ids: 600, batch: 600, steps: 200 };
/// Enough for code books.
const HUGE: Size = Size { ids: 7_000, batch: 7_000, steps: 40 };

impl Size {
    fn of(random: &mut Random) -> Self {
        match random.below(1024) {
            0 => HUGE,
            1..=100 => LARGE,
            _ => SMALL,
        }
    }
}

/// Mean share of the true nearest that a graph must find in a sequence, with a pool larger than the index: over the
/// vectors or a byte a dimension, and over codes of which many are equal.
const FLOORS: [f64; 2] = [0.95, 0.6];

/// Checks `--count` sequences.
pub fn run(args: &Args) -> ExitCode {
    let count = args.count.unwrap_or(COUNT);
    let runner = Runner::new(args, Title { things: "sequences", kinds: KINDS, patience: PATIENCE }, count);
    runner.run(count, |case| {
        let mut random = Random::of(case.seed(), case.number);
        let config = config(&mut random);
        case.explain(|| format!("{:?}", config.options));
        case.check(None, || {
            let (size, disk) = (Size::of(&mut random), SimDisk::default());
            let index = config.open(&disk).map_err(|error| Finding::of(Kind::Unopenable, "open", &error))?;
            let (contents, recalls) = (Contents::new(), Vec::new());
            Sequence { config: &config, disk, index: Some(index), contents, random, size, copies: 0, recalls }.run()
        });
    })
}

fn config(random: &mut Random) -> Config {
    let dims = 1 + random.below(12);
    let metric = *random.pick(&[Metric::Cosine, Metric::Dot, Metric::L2]);
    let precision = *random.pick(&[Precision::F32, Precision::F32, Precision::F16, Precision::I8]);
    let rabitq = Codes::Rabitq { bits: 1 + random.below(8) as u8 };
    let codes = *random.pick(&[
        Codes::None,
        Codes::None,
        Codes::Sq8,
        Codes::Binary,
        Codes::Sq4,
        Codes::Rabitq { bits: 8 },
        rabitq,
        Codes::Pq { bytes: dims.min(3), rotate: true },
    ]);
    let coarse = *random.pick(&[Coarse::Auto, Coarse::Flat, Coarse::Flat, Coarse::Hnsw, Coarse::Ivf]);
    // Half of the lists keep codes of their own.
    let codes = if coarse == Coarse::Ivf && random.once_in(2) { Codes::Auto } else { codes };
    let lists = *random.pick(&[None, Some(1), Some(7), Some(40)]);
    let vectors = *random.pick(&[Placement::Memory, Placement::Disk]);
    let durability = *random.pick(&[Durability::Sync, Durability::Os]);
    // With a short log, checkpoints come by themselves.
    let log_bytes = *random.pick(&[None, None, Some(300), Some(5_000)]);
    Config::new("model", Before::Nothing, |o| {
        (o.dimensions, o.metric, o.precision) = (Some(dims), Some(metric), Some(precision));
        (o.codes, o.coarse, o.vectors, o.m) = (Some(codes), Some(coarse), Some(vectors), Some(8));
        o.lists = lists;
        (o.durability, o.log_bytes) = (Some(durability), log_bytes);
    })
}

/// An index and what it must hold.
struct Sequence<'a> {
    config: &'a Config,
    disk: SimDisk,
    /// Open but for a moment in `reopen`.
    index: Option<Index>,
    contents: Contents,
    random: Random,
    size: Size,
    /// Snapshots taken.
    copies: usize,
    /// How much of the truth each search found.
    recalls: Vec<f64>,
}

impl Sequence<'_> {
    fn run(&mut self) -> Checked<()> {
        for _ in 0..1 + self.random.below(self.size.steps) {
            self.step()?;
            read_some(self.index()?, &self.contents, Kind::Wrong)?;
            self.search()?;
        }
        self.reopen(true)?;
        let mean = self.recalls.iter().sum::<f64>() / self.recalls.len() as f64;
        let fine = matches!(self.config.options.codes, Some(Codes::None | Codes::Sq8 | Codes::Rabitq { bits: 8 }));
        if mean < FLOORS[usize::from(!fine)] {
            return Err(Finding::new(Kind::Wrong, format!("a mean recall of {mean:.3} in {} searches", self.recalls.len())));
        }
        Ok(())
    }

    fn step(&mut self) -> Checked<()> {
        match self.random.below(22) {
            0..=6 => self.write(1),
            7 => self.write(3),
            8 | 9 => self.delete(),
            10 => self.get(),
            11 => self.pages(),
            12 | 13 => self.batch_of_queries(),
            14 => self.call("flush", |index| index.flush()),
            15 => self.reopen(true),
            16 => self.reopen(false),
            17 => self.call("optimize", |index| index.optimize(&Task::new())),
            18 => self.train(),
            19 => self.reader(),
            20 => self.copy(),
            _ => self.refused(),
        }
    }

    fn index(&self) -> Checked<&Index> {
        self.index.as_ref().ok_or_else(|| Finding::new(Kind::Wrong, "the index is closed"))
    }

    fn call<T>(&self, name: &str, call: impl FnOnce(&Index) -> engine::Result<T>) -> Checked<T> {
        call(self.index()?).map_err(|error| Finding::of(Kind::Wrong, name, &error))
    }

    fn id(&mut self) -> Id {
        let number = self.random.below(self.size.ids) as u64;
        if number.is_multiple_of(3) { Id::Text(format!("item {number}").into()) } else { Id::Number(number) }
    }

    fn ids(&mut self, most: usize) -> Vec<Id> {
        (0..self.random.below(most + 1)).map(|_| self.id()).collect()
    }

    fn batch(&mut self) -> Batch {
        let most = if self.random.once_in(4) { self.size.batch } else { SMALL.batch };
        let ids = self.ids(most);
        let dims = self.config.options.dimensions.unwrap_or(1);
        // Never the zero vector, nor one that is zero in half precision.
        let vectors = self.random.vector(ids.len() * dims).iter().map(|value| value + value.signum() * 0.01).collect();
        let metadata = (!self.random.once_in(3)).then(|| {
            let text = |_| self.random.once_in(2).then(|| format!("{{\"n\":{}}}", self.random.below(9)).into());
            ids.iter().map(text).collect()
        });
        Batch { ids, vectors, metadata }
    }

    /// A group of up to `most` writes.
    fn write(&mut self, most: usize) -> Checked<()> {
        let count = 1 + self.random.below(most);
        let ops: Vec<Op> =
            (0..count).map(|_| if self.random.once_in(4) { Op::Delete(self.ids(5)) } else { Op::Add(self.batch()) }).collect();
        let outcomes = self.index()?.commit(ops.iter().map(|op| (op.clone(), Task::new())).collect());
        for (op, outcome) in ops.iter().zip(outcomes) {
            let found = outcome.map_err(|error| Finding::of(Kind::Wrong, "commit", &error))?;
            let there = self.config.apply(op, &mut self.contents)?;
            if found != there {
                return Err(Finding::new(Kind::Wrong, format!("{found} ids were found, {there} were there")));
            }
        }
        Ok(())
    }

    fn delete(&mut self) -> Checked<()> {
        let ids = self.ids(10);
        let there = ids.iter().filter(|id| self.contents.remove(id).is_some()).count();
        let deleted = self.call("delete", |index| index.delete(&ids))?;
        same("deleted", &deleted, &there)
    }

    /// Some ids, there or not, some of them twice.
    fn get(&mut self) -> Checked<()> {
        let ids = self.ids(20);
        let items = self.call("get", |index| stored(index, &ids))?;
        let has = self.call("has", |index| ids.iter().map(|id| index.has(id)).collect::<engine::Result<Vec<bool>>>())?;
        same("got", &items, &ids.iter().map(|id| self.contents.get(id).cloned()).collect())?;
        same("had", &has, &ids.iter().map(|id| self.contents.contains_key(id)).collect())
    }

    /// All ids, a few at a time.
    fn pages(&mut self) -> Checked<()> {
        let limit = 1 + self.random.below(20);
        let (mut all, mut from) = (Vec::new(), Some(0));
        while let Some(row) = from {
            let (some, next) = self.call("ids", |index| index.ids(row, limit))?;
            all.extend(some);
            from = next;
        }
        all.sort();
        same("listed", &all, &self.contents.keys().cloned().collect())
    }

    fn search(&mut self) -> Checked<()> {
        let recall = self.config.recall();
        let Some(index) = &self.index else { return Ok(()) };
        self.recalls.push(check_search(index, &self.contents, recall, Kind::Wrong, &mut self.random)?);
        Ok(())
    }

    /// Many queries at once give what each gives; but a graph may be linked further in between.
    fn batch_of_queries(&mut self) -> Checked<()> {
        let dims = self.config.options.dimensions.unwrap_or(1);
        let count = self.random.below(5);
        let queries = self.random.vector(dims * count);
        let effort = Some(2 * self.contents.len() + 64);
        let params =
            SearchParams { k: 1 + self.random.below(9), ef: effort, probes: effort, rerank: effort, ..SearchParams::default() };
        let together = self.call("searchBatch", |index| index.search_batch(&queries, &params, &Task::new()))?;
        let index = self.index()?;
        let one = |query| index.search(&Query::vector(query), &params, &Task::new());
        let alone = self.call("search", |_| queries.chunks_exact(dims).map(one).collect::<engine::Result<Vec<_>>>())?;
        match self.config.recall() {
            Recall::Exact => same("found", &together, &alone),
            Recall::Honest => same("found", &together.len(), &alone.len()),
        }
    }

    /// Closes, or just forgets, and opens again: everything is there.
    fn reopen(&mut self, close: bool) -> Checked<()> {
        if close {
            self.call("close", |index| index.close())?;
            same("after close", &self.index()?.flush().map_err(|error| error.code), &Err(Code::Closed))?;
        }
        // The lock goes with the index, so it has to go first.
        self.index = None;
        let opened = self.config.reopen(&self.disk, false);
        self.index = Some(opened.map_err(|error| Finding::of(Kind::Unopenable, "open", &error))?);
        match read_back(self.index()?, Kind::Wrong)? {
            contents if contents == self.contents => Ok(()),
            contents => {
                let what = format!("{} items after opening again, {} before", contents.len(), self.contents.len());
                Err(Finding::new(Kind::Lost, what))
            }
        }
    }

    /// What was flushed is there for a reader beside the writer.
    fn reader(&mut self) -> Checked<()> {
        self.call("flush", |index| index.flush())?;
        let reader =
            self.config.reopen(&self.disk, true).map_err(|error| Finding::of(Kind::Unopenable, "open to read", &error))?;
        same("read", &read_back(&reader, Kind::Wrong)?, &self.contents)
    }

    /// A snapshot holds the same, and nothing is wrong with it, nor with what it was taken of.
    fn copy(&mut self) -> Checked<()> {
        self.copies += 1;
        let path = format!("/copy-{}", self.copies);
        self.call("snapshot", |index| index.snapshot(Path::new(&path), &Task::new()))?;
        let options = PartialOptions { threads: Some(1), ..PartialOptions::default() };
        let copy = Index::open_on(Arc::new(self.disk.clone()), Path::new(&path), options, true, &Task::new());
        let copy = copy.map_err(|error| Finding::of(Kind::Unopenable, "open a snapshot", &error))?;
        same("copied", &read_back(&copy, Kind::Wrong)?, &self.contents)?;
        let problems = |index: &Index| index.verify(&Task::new()).map(|report| report.problems);
        let wrong = problems(&copy).map_err(|error| Finding::of(Kind::Wrong, "verify a snapshot", &error))?;
        same("wrong in a snapshot", &wrong, &Vec::new())?;
        same("wrong", &self.call("verify", problems)?, &Vec::new())
    }

    fn train(&mut self) -> Checked<()> {
        match self.index()?.train(&TrainParams::default(), &Task::new()) {
            // No codes, or too few rows.
            Err(error) if error.code == Code::Argument => Ok(()),
            Err(error) => Err(Finding::of(Kind::Wrong, "train", &error)),
            Ok(_) => Ok(()),
        }
    }

    /// What cannot be stored changes nothing.
    fn refused(&mut self) -> Checked<()> {
        let mut batch = self.batch();
        batch.ids.push(Id::Number(3));
        let code = if self.random.once_in(2) {
            let dims = self.config.options.dimensions.unwrap_or(1);
            batch.vectors.extend(vec![f32::NAN; dims]);
            batch.metadata = None;
            Code::NotFinite
        } else {
            Code::Dimensions
        };
        let refused = self.index()?.add(batch, &Task::new()).map_err(|error| error.code);
        same("refused", &refused, &Err(code))
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, seen: &T, wanted: &T) -> Checked<()> {
    if seen == wanted {
        return Ok(());
    }
    Err(Finding::new(Kind::Wrong, format!("{what}: {seen:.200?}, not {wanted:.200?}")))
}
