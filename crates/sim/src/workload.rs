//! What is done to an index: configurations, operations, and a session that does them and keeps the history.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use engine::{Batch, Coarse, Codes, Durability, Id, Index, Metric, Op, PartialOptions, Placement, Precision, TrainParams};
use task::Task;

use crate::crash::Recording;
use crate::disk::{Image, SimDisk};
use crate::oracle::{Checked, Contents, Finding, History, Kind, Recall, Stored, stored};
use crate::random::Random;

/// Where the index is on a simulated disk.
pub const PATH: &str = "/index";
/// Numbers a vector, unless a configuration says otherwise.
const DIMS: usize = 4;
/// Rows with which codes can be trained.
const MANY: usize = 300;

/// Options of an index, and what it holds before a workload begins.
#[derive(Debug, Clone)]
pub struct Config {
    /// For messages.
    pub name: &'static str,
    /// Options to make it with.
    pub options: PartialOptions,
    /// What there is already.
    pub before: Before,
    base: OnceLock<(Image, Arc<Contents>)>,
}

/// What there is before a workload begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Before {
    /// Nothing, not even a directory.
    Nothing,
    /// A closed index with a few items.
    Few,
    /// One with enough of them for codes.
    Many,
}

/// The configurations that workloads run in.
pub fn configs() -> Vec<Config> {
    let config = |name, before, change: &dyn Fn(&mut PartialOptions)| Config::new(name, before, change);
    vec![
        config("new", Before::Nothing, &|_| {}),
        config("f32", Before::Few, &|_| {}),
        config("new, os", Before::Nothing, &|o| o.durability = Some(Durability::Os)),
        config("f16, cosine", Before::Few, &|o| (o.precision, o.metric) = (Some(Precision::F16), Some(Metric::Cosine))),
        config("disk", Before::Few, &|o| o.vectors = Some(Placement::Disk)),
        config("i8, os", Before::Few, &|o| (o.precision, o.durability) = (Some(Precision::I8), Some(Durability::Os))),
        config("disk, sq8", Before::Many, &|o| {
            (o.vectors, o.codes, o.coarse) = (Some(Placement::Disk), Some(Codes::Sq8), Some(Coarse::Flat));
        }),
        config("hnsw", Before::Few, &|o| (o.coarse, o.m) = (Some(Coarse::Hnsw), Some(4))),
        config("hnsw, disk, os", Before::Nothing, &|o| {
            (o.vectors, o.durability) = (Some(Placement::Disk), Some(Durability::Os));
            (o.coarse, o.m) = (Some(Coarse::Hnsw), Some(4));
        }),
        config("ivf", Before::Many, &|o| (o.coarse, o.codes, o.lists) = (Some(Coarse::Ivf), Some(Codes::Auto), Some(5))),
        config("ivf, disk, sq8, os", Before::Many, &|o| {
            (o.vectors, o.durability) = (Some(Placement::Disk), Some(Durability::Os));
            (o.coarse, o.codes, o.lists) = (Some(Coarse::Ivf), Some(Codes::Sq8), Some(5));
        }),
        // Checkpoints come by themselves, on a thread of their own.
        config("short log", Before::Few, &|o| o.log_bytes = Some(600)),
        config("short log, disk, os", Before::Few, &|o| {
            (o.vectors, o.durability, o.log_bytes) = (Some(Placement::Disk), Some(Durability::Os), Some(400));
        }),
    ]
}

impl Config {
    /// Options that differ from the plainest by `change`.
    pub fn new(name: &'static str, before: Before, change: impl Fn(&mut PartialOptions)) -> Self {
        let mut options = PartialOptions {
            dimensions: Some(DIMS),
            metric: Some(Metric::L2),
            codes: Some(Codes::None),
            threads: Some(1),
            ..PartialOptions::default()
        };
        change(&mut options);
        Self { name, options, before, base: OnceLock::new() }
    }

    /// Whether an acknowledged write is durable.
    pub fn synced(&self) -> bool {
        self.options.durability != Some(Durability::Os)
    }

    /// How good searches must be.
    pub fn recall(&self) -> Recall {
        if self.options.coarse == Some(Coarse::Hnsw) { Recall::Honest } else { Recall::Exact }
    }

    /// Opens the index, making it if need be.
    ///
    /// # Errors
    /// As [`Index::open_on`].
    pub fn open(&self, disk: &SimDisk) -> engine::Result<Index> {
        Index::open_on(Arc::new(disk.clone()), Path::new(PATH), self.options.clone(), false, &Task::new())
    }

    /// Opens the index that must be there.
    ///
    /// # Errors
    /// As [`Index::open_on`].
    pub fn reopen(&self, disk: &SimDisk, read_only: bool) -> engine::Result<Index> {
        let PartialOptions { threads, log_bytes, .. } = self.options;
        let options = PartialOptions { threads, log_bytes, ..PartialOptions::default() };
        Index::open_on(Arc::new(disk.clone()), Path::new(PATH), options, read_only, &Task::new())
    }

    /// Does `op` to `contents`; how many of its ids were there.
    ///
    /// # Errors
    /// What fails in learning how vectors are stored.
    pub fn apply(&self, op: &Op, contents: &mut Contents) -> Checked<usize> {
        let batch = match op {
            Op::Delete(ids) => return Ok(ids.iter().filter(|id| contents.remove(id).is_some()).count()),
            Op::Add(batch) => batch,
        };
        let different: BTreeSet<&Id> = batch.ids.iter().collect();
        let there = different.iter().filter(|id| contents.contains_key(id)).count();
        let vectors = self.stored_form(batch)?;
        let dims = self.options.dimensions.unwrap_or(DIMS);
        for (at, id) in batch.ids.iter().enumerate() {
            let vector = vectors[at * dims..][..dims].iter().map(|value| value.to_bits()).collect();
            let metadata = batch.metadata.as_ref().and_then(|all| all[at].clone());
            contents.insert(id.clone(), Stored { vector, metadata });
        }
        Ok(there)
    }

    /// The vectors of `batch` as `get` gives them: `f32` as they came, others as an index in memory has them.
    fn stored_form(&self, batch: &Batch) -> Checked<Vec<f32>> {
        if matches!(self.options.precision, None | Some(Precision::F32)) {
            return Ok(batch.vectors.clone());
        }
        let failed = |error: engine::Error| Finding::of(Kind::Wrong, "an index in memory", &error);
        let options = PartialOptions { vectors: Some(Placement::Memory), ..self.options.clone() };
        let index = Index::new(options.complete(false).map_err(failed)?).map_err(failed)?;
        let ids: Vec<Id> = (0..batch.ids.len() as u64).map(Id::Number).collect();
        index.add(Batch { ids: ids.clone(), vectors: batch.vectors.clone(), metadata: None }, &Task::new()).map_err(failed)?;
        let items = stored(&index, &ids).map_err(failed)?;
        Ok(items.iter().flatten().flat_map(Stored::values).collect())
    }

    /// The disk that workloads begin with, and what is in its index.
    ///
    /// # Errors
    /// What fails in making it.
    pub fn base(&self) -> Checked<(Image, Arc<Contents>)> {
        if let Some(base) = self.base.get() {
            return Ok(base.clone());
        }
        let mut base = Default::default();
        if self.before != Before::Nothing {
            let mut session = Session::start(self, SimDisk::default(), History::new(Contents::new(), self.synced()))?;
            let mut maker = Maker::new(&Contents::new(), Random::new(99));
            if self.before == Before::Many {
                session.step(&maker.bulk(MANY))?;
                session.call("train", |index| index.train(&TrainParams::default(), &Task::new()))?;
            }
            for letter in [Letter::Batch, Letter::New, Letter::Flush, Letter::New, Letter::Delete, Letter::Replace] {
                session.step(&maker.step(letter))?;
            }
            session.close()?;
            base = (session.disk.image(), session.history.last().clone());
        }
        Ok(self.base.get_or_init(|| base).clone())
    }
}

/// One step of a workload.
#[derive(Debug, Clone)]
pub enum Step {
    /// Writes that share a sync, each of them all or nothing.
    Write(Vec<Op>),
    /// Saves.
    Flush,
    /// Rebuilds.
    Optimize,
    /// Closes and opens.
    Reopen,
    /// Opens again without having closed, as after a kill.
    Drop,
}

/// The alphabet of workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the steps of the same names")]
pub enum Letter {
    New,
    Replace,
    Delete,
    Batch,
    Group,
    Flush,
    Reopen,
    Drop,
    Optimize,
}

/// All letters.
pub const ALPHABET: [Letter; 9] = [
    Letter::New,
    Letter::Replace,
    Letter::Delete,
    Letter::Batch,
    Letter::Group,
    Letter::Flush,
    Letter::Reopen,
    Letter::Drop,
    Letter::Optimize,
];

/// Makes steps of letters: the same letters from the same start give the same steps.
#[derive(Debug)]
pub struct Maker {
    live: BTreeSet<Id>,
    next: u64,
    random: Random,
}

impl Maker {
    /// Steps for an index that holds `contents`.
    pub fn new(contents: &Contents, random: Random) -> Self {
        Self { live: contents.keys().cloned().collect(), next: contents.len() as u64, random }
    }

    /// The step of `letter`.
    pub fn step(&mut self, letter: Letter) -> Step {
        match letter {
            Letter::New => Step::Write(vec![self.add(&[Which::New])]),
            Letter::Replace => Step::Write(vec![self.add(&[Which::There])]),
            Letter::Batch => Step::Write(vec![self.add(&[Which::New, Which::There, Which::New, Which::There])]),
            Letter::Delete => Step::Write(vec![self.delete()]),
            Letter::Group => Step::Write(vec![self.add(&[Which::New]), self.delete(), self.add(&[Which::There, Which::New])]),
            Letter::Flush => Step::Flush,
            Letter::Reopen => Step::Reopen,
            Letter::Drop => Step::Drop,
            Letter::Optimize => Step::Optimize,
        }
    }

    /// One batch of `count` new items.
    pub fn bulk(&mut self, count: usize) -> Step {
        Step::Write(vec![self.add(&vec![Which::New; count])])
    }

    fn delete(&mut self) -> Op {
        let ids = vec![self.id(Which::There), Id::Text("never there".into())];
        ids.iter().for_each(|id| {
            self.live.remove(id);
        });
        Op::Delete(ids)
    }

    /// An item an id; of one id twice the last counts.
    fn add(&mut self, which: &[Which]) -> Op {
        let ids: Vec<Id> = which.iter().map(|&which| self.id(which)).collect();
        self.live.extend(ids.iter().cloned());
        let vectors = self.random.vector(ids.len() * DIMS);
        let mut text = || self.random.once_in(2).then(|| format!("{{\"n\":{}}}", self.random.below(1000)).into());
        let metadata = Some(ids.iter().map(|_| text()).collect());
        Op::Add(Batch { ids, vectors, metadata })
    }

    fn id(&mut self, which: Which) -> Id {
        if which == Which::There && !self.live.is_empty() {
            let at = self.random.below(self.live.len());
            return self.live.iter().nth(at).cloned().unwrap_or(Id::Number(0));
        }
        // Numbers and texts in turn.
        self.next += 1;
        if self.next.is_multiple_of(2) { Id::Number(self.next) } else { Id::Text(format!("t{}", self.next).into()) }
    }
}

/// Which id an item gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    New,
    There,
}

/// An index at work on a simulated disk, and what it has promised.
pub struct Session<'a> {
    /// Its disk.
    pub disk: SimDisk,
    /// The states after each write.
    pub history: History,
    /// Position of the journal when the index had been opened for the first time.
    pub opened: usize,
    config: &'a Config,
    index: Option<Index>,
}

impl<'a> Session<'a> {
    /// Opens the index of `disk`, with the history that it has had.
    ///
    /// # Errors
    /// [`Kind::Unopenable`].
    pub fn start(config: &'a Config, disk: SimDisk, history: History) -> Checked<Self> {
        let index = config.open(&disk).map_err(|error| Finding::of(Kind::Unopenable, "open", &error))?;
        let opened = disk.position();
        Ok(Self { disk, history, opened, config, index: Some(index) })
    }

    /// Does a workload on a disk that keeps a journal.
    ///
    /// # Errors
    /// Whatever fails.
    pub fn record(config: &'a Config, letters: &[Letter], random: Random) -> Checked<Recording> {
        let (base, contents) = config.base()?;
        let mut maker = Maker::new(&contents, random);
        let mut session = Self::start(config, SimDisk::recording(&base), History::new(contents, config.synced()))?;
        for &letter in letters {
            session.step(&maker.step(letter))?;
        }
        let Self { disk, history, opened, .. } = session;
        Ok(Recording { base, journal: disk.journal(), history, opened })
    }

    /// The index.
    ///
    /// # Errors
    /// None while it is open.
    pub fn index(&self) -> Checked<&Index> {
        self.index.as_ref().ok_or_else(|| Finding::new(Kind::Wrong, "the index is closed"))
    }

    /// Does one step on a disk that does not fail.
    ///
    /// # Errors
    /// Whatever fails.
    pub fn step(&mut self, step: &Step) -> Checked<()> {
        match step {
            Step::Write(ops) => self.write(ops),
            Step::Flush => {
                self.call("flush", Index::flush)?;
                self.history.flushed(self.disk.position());
                Ok(())
            }
            Step::Optimize => self.call("optimize", |index| index.optimize(&Task::new())),
            Step::Reopen => {
                self.close()?;
                self.open()
            }
            Step::Drop => {
                self.index = None;
                self.open()
            }
        }
    }

    /// Closes the index.
    ///
    /// # Errors
    /// Where that fails.
    pub fn close(&mut self) -> Checked<()> {
        self.call("close", Index::close)?;
        self.history.flushed(self.disk.position());
        self.index = None;
        Ok(())
    }

    fn open(&mut self) -> Checked<()> {
        let index = self.config.reopen(&self.disk, false);
        self.index = Some(index.map_err(|error| Finding::of(Kind::Unopenable, "open", &error))?);
        Ok(())
    }

    fn call<T>(&self, name: &str, call: impl FnOnce(&Index) -> engine::Result<T>) -> Checked<T> {
        call(self.index()?).map_err(|error| Finding::of(Kind::Wrong, name, &error))
    }

    fn write(&mut self, ops: &[Op]) -> Checked<()> {
        let began = self.disk.position();
        let tasks = ops.iter().map(|op| (op.clone(), Task::new())).collect();
        let outcomes = self.index()?.commit(tasks);
        let acknowledged = self.disk.position();
        let mut contents = Contents::clone(self.history.last());
        for (op, outcome) in ops.iter().zip(outcomes) {
            let count = outcome.map_err(|error| Finding::of(Kind::Wrong, "commit", &error))?;
            let there = self.config.apply(op, &mut contents)?;
            if count != there {
                return Err(Finding::new(Kind::Wrong, format!("{count} ids were found, {there} were there")));
            }
            self.history.write(began, Some(acknowledged), contents.clone());
        }
        let ids: Vec<Id> = ops.iter().flat_map(ids_of).cloned().collect();
        let found = self.call("get", |index| stored(index, &ids))?;
        match ids.iter().zip(found).find(|(id, item)| item.as_ref() != contents.get(id)) {
            Some((id, item)) => Err(Finding::new(Kind::Wrong, format!("after a write {id:?} is {item:?}"))),
            None => Ok(()),
        }
    }
}

fn ids_of(op: &Op) -> &[Id] {
    match op {
        Op::Add(batch) => &batch.ids,
        Op::Delete(ids) => ids,
    }
}
