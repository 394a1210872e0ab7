//! What must be in an index, and whether it is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use engine::{Code, Error, Id, Include, Index, Metric, Query, SearchParams};
use task::Task;

use crate::disk::{hash_bytes, mix};
use crate::random::Random;

/// Items that [`read_some`] reads, about.
const SOME: usize = 8;

/// What kind of failure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// An acknowledged write is gone.
    Lost,
    /// What is there is not the state after any number of the writes.
    Hole,
    /// An answer is wrong, or one was given where none could be right.
    Wrong,
    /// The index cannot be opened.
    Unopenable,
    /// A panic, also one that became `E_INTERNAL`.
    Panic,
    /// No answer in time.
    Hang,
}

/// Something that must not be.
#[derive(Debug, Clone)]
pub struct Finding {
    /// What kind.
    pub kind: Kind,
    /// What was seen.
    pub what: String,
}

impl Finding {
    /// A finding.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into() }
    }

    /// A call failed that must not fail; as `kind`, unless the engine says that it has panicked.
    pub fn of(kind: Kind, call: &str, error: &Error) -> Self {
        let kind = if error.code == Code::Internal { Kind::Panic } else { kind };
        Self::new(kind, format!("{call}: {error}"))
    }
}

/// What a check gives.
pub type Checked<T> = Result<T, Finding>;

/// An item as it is stored. Vectors are kept as bits: they are equal when all bits are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The bits of the vector's numbers.
    pub vector: Vec<u32>,
    /// JSON text.
    pub metadata: Option<Box<str>>,
}

impl Stored {
    /// The vector's numbers.
    pub fn values(&self) -> Vec<f32> {
        self.vector.iter().map(|&bits| f32::from_bits(bits)).collect()
    }
}

/// All items of an index.
pub type Contents = BTreeMap<Id, Stored>;

/// The same for equal contents, and for others by no more than chance.
pub fn hash(contents: &Contents) -> u64 {
    let id = |id: &Id| match id {
        Id::Number(number) => mix(*number),
        Id::Text(text) => hash_bytes(text.as_bytes()),
    };
    contents.iter().fold(1, |sum, (key, item)| {
        let vector = item.vector.iter().fold(0, |sum, &bits| mix(sum ^ u64::from(bits)));
        let metadata = item.metadata.as_ref().map_or(7, |text| hash_bytes(text.as_bytes()));
        mix(mix(mix(sum ^ id(key)) ^ vector) ^ metadata)
    })
}

/// Everything that an index says it holds, asked in every way there is.
///
/// # Errors
/// What fails, as `kind`; answers that do not fit together, as [`Kind::Wrong`].
pub fn read_back(index: &Index, kind: Kind) -> Checked<Contents> {
    let failed = |call| move |error: Error| Finding::of(kind, call, &error);
    let (ids, next) = index.ids(0, usize::MAX).map_err(failed("ids"))?;
    let items = stored(index, &ids).map_err(failed("get"))?;
    let mut contents = Contents::new();
    for (id, item) in ids.iter().zip(items) {
        let item = item.ok_or_else(|| Finding::new(Kind::Wrong, format!("{id:?} is listed, but not there")))?;
        contents.insert(id.clone(), item);
    }
    if next.is_some() || contents.len() != ids.len() || index.len() != ids.len() {
        let what = format!("{} ids are listed, {} of them different; the size is {}", ids.len(), contents.len(), index.len());
        return Err(Finding::new(Kind::Wrong, what));
    }
    let absent = Id::Text("nobody".into());
    let there = index.has(&absent).map_err(failed("has"))?;
    if there || ids.iter().any(|id| !index.has(id).unwrap_or(false)) {
        return Err(Finding::new(Kind::Wrong, "has does not say what ids says"));
    }
    Ok(contents)
}

/// Whether an index lists `contents`, and holds some of it.
///
/// # Errors
/// As [`read_back`].
pub fn read_some(index: &Index, contents: &Contents, kind: Kind) -> Checked<()> {
    let failed = |call| move |error: Error| Finding::of(kind, call, &error);
    let (mut listed, _) = index.ids(0, usize::MAX).map_err(failed("ids"))?;
    listed.sort();
    let some: Vec<Id> = contents.keys().step_by(contents.len() / SOME + 1).cloned().collect();
    let items = stored(index, &some).map_err(failed("get"))?;
    let wrong = some.iter().zip(&items).find(|(id, item)| item.as_ref() != contents.get(id));
    if !listed.iter().eq(contents.keys()) || wrong.is_some() {
        let what = format!("{} ids are listed, {} are there; {wrong:?}", listed.len(), contents.len());
        return Err(Finding::new(Kind::Wrong, what));
    }
    Ok(())
}

/// The items of `ids` as they are stored.
///
/// # Errors
/// As [`Index::get`].
pub fn stored(index: &Index, ids: &[Id]) -> engine::Result<Vec<Option<Stored>>> {
    let items = index.get(ids, Include { metadata: true, vector: true })?;
    let stored = |item: engine::Item| Stored {
        vector: item.vector.unwrap_or_default().iter().map(|value| value.to_bits()).collect(),
        metadata: item.metadata,
    };
    Ok(items.into_iter().map(|item| item.map(stored)).collect())
}

/// How a search is held against a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recall {
    /// The nearest, all of them, in order.
    Exact,
    /// So many hits as there can be, each of which is what it says it is.
    Honest,
}

/// Searches for a random vector; the share of the true nearest that was found.
///
/// # Errors
/// A search that fails, as `kind`; hits that are not what they must be, as [`Kind::Wrong`].
pub fn check_search(index: &Index, contents: &Contents, recall: Recall, kind: Kind, random: &mut Random) -> Checked<f64> {
    let options = index.options();
    let query = random.vector(options.dimensions);
    let k = if random.once_in(2) { contents.len() + 1 } else { 1 + random.below(8) };
    let include = Include { metadata: true, vector: false };
    let effort = Some((2 * contents.len()).max(k).max(64));
    let params = SearchParams { k, ef: effort, probes: effort, rerank: effort, include, threads: 1, ..SearchParams::default() };
    let found = index.search(&Query::vector(&query), &params, &Task::new());
    let found = found.map_err(|error| Finding::of(kind, "search", &error))?;
    let wrong = |what: String| Err(Finding::new(Kind::Wrong, format!("search for {k} of {}: {what}", contents.len())));

    let mut truth: Vec<(f64, &Id)> =
        contents.iter().map(|(id, item)| (distance(options.metric, &query, &item.values()), id)).collect();
    truth.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(b.1)));
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-6 * (1.0 + b.abs());
    if found.len() != k.min(contents.len()) {
        return wrong(format!("{} hits", found.len()));
    }
    let mut true_hits = 0;
    for (place, hit) in found.iter().enumerate() {
        let Some(item) = contents.get(&hit.id) else { return wrong(format!("{:?} is not there", hit.id)) };
        let real = distance(options.metric, &query, &item.values());
        if !close(hit.distance, real) || hit.metadata != item.metadata {
            return wrong(format!(
                "{:?} at {} with {:?}, not {real} with {:?}",
                hit.id, hit.distance, hit.metadata, item.metadata
            ));
        }
        if place > 0 && (found[place - 1].distance, &found[place - 1].id) >= (hit.distance, &hit.id) {
            return wrong(format!("hit {place} is out of order"));
        }
        true_hits += usize::from(real <= truth[found.len() - 1].0 || close(real, truth[found.len() - 1].0));
        if recall == Recall::Exact && !close(hit.distance, truth[place].0) {
            return wrong(format!(
                "hit {place} is {:?} at {}, not {:?} at {}",
                hit.id, hit.distance, truth[place].1, truth[place].0
            ));
        }
    }
    Ok(if found.is_empty() { 1.0 } else { true_hits as f64 / found.len() as f64 })
}

/// As the index defines it, in 64-bit floats.
pub fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    match metric {
        Metric::L2 => a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum(),
        Metric::Dot => 1.0 - dot(a, b),
        Metric::Cosine => 1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt(),
    }
}

/// The states of an index write after write, and what was promised of them when.
#[derive(Debug, Clone)]
pub struct History {
    /// `states[n]`: after n writes.
    states: Vec<Arc<Contents>>,
    hashes: Vec<u64>,
    /// For each write the positions of the disk's journal before it began and after it was acknowledged.
    writes: Vec<(usize, Option<usize>)>,
    /// Positions after which so many writes are durable, whatever was promised of each.
    durable: Vec<(usize, usize)>,
    /// Whether an acknowledged write is durable.
    synced: bool,
}

/// What happens to the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// The process ends; what it wrote is there.
    Kill,
    /// The power goes; what it synced is there.
    PowerLoss,
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let synced = if self.synced { "durable when acknowledged" } else { "durable when flushed" };
        write!(f, "writes (began, acknowledged), {synced}: {:?}; flushed (at, writes): {:?}", self.writes, self.durable)
    }
}

impl History {
    /// Nothing was written yet. `synced`: whether a write that is acknowledged is durable.
    pub fn new(first: impl Into<Arc<Contents>>, synced: bool) -> Self {
        let first = first.into();
        Self { hashes: vec![hash(&first)], states: vec![first], writes: Vec::new(), durable: Vec::new(), synced }
    }

    /// The contents after `writes` writes.
    pub fn state(&self, writes: usize) -> &Arc<Contents> {
        &self.states[writes]
    }

    /// The contents after all writes.
    pub fn last(&self) -> &Arc<Contents> {
        &self.states[self.len()]
    }

    /// Number of writes.
    pub fn len(&self) -> usize {
        self.writes.len()
    }

    /// Whether there was no write.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// A write, begun and acknowledged at these positions of the journal, and the contents after it.
    pub fn write(&mut self, began: usize, acknowledged: Option<usize>, contents: impl Into<Arc<Contents>>) {
        let contents = contents.into();
        self.hashes.push(hash(&contents));
        self.states.push(contents);
        self.writes.push((began, acknowledged));
    }

    /// The process ended at `position`, and the next one found `writes` writes: what was begun or promised since is void.
    pub fn interrupt(&mut self, position: usize, writes: usize) {
        self.states.truncate(writes + 1);
        self.hashes.truncate(writes + 1);
        self.writes.truncate(writes);
        for (_, acknowledged) in &mut self.writes {
            *acknowledged = acknowledged.filter(|at| *at <= position);
        }
        self.durable.retain(|(at, _)| *at <= position);
    }

    /// A new journal begins on a disk on which all that is there is durable.
    pub fn begin_again(&mut self) {
        self.writes.fill((0, Some(0)));
        self.durable = vec![(0, self.len())];
    }

    /// All writes so far are durable once the journal has come to `position`.
    pub fn flushed(&mut self, position: usize) {
        self.durable.push((position, self.len()));
    }

    /// How many writes must be there, and how many may be, after a crash at `position`.
    pub fn bounds(&self, position: usize, crash: Crash) -> (usize, usize) {
        let durable = self.durable.iter().filter(|(at, _)| *at <= position).map(|(_, writes)| *writes);
        let promised = |write: &(usize, Option<usize>)| write.1.is_some_and(|at| at <= position);
        let acknowledged = self.writes.iter().rposition(promised).map_or(0, |last| last + 1);
        let least = durable.max().unwrap_or(0).max(if self.synced || crash == Crash::Kill { acknowledged } else { 0 });
        (least, self.writes.iter().take_while(|write| write.0 <= position).count())
    }

    /// A number that stands for the states that are allowed within `bounds`.
    pub fn hash(&self, bounds: (usize, usize)) -> u64 {
        self.hashes[bounds.0..=bounds.1].iter().fold(0, |sum, hash| mix(sum ^ hash))
    }

    /// The number of writes that make up `contents`.
    ///
    /// # Errors
    /// [`Kind::Lost`] where writes are missing that must be there, [`Kind::Hole`] where no number of writes gives this.
    pub fn prefix(&self, contents: &Contents, (least, most): (usize, usize)) -> Checked<usize> {
        if let Some(writes) = (least..=most).rev().find(|&writes| *self.states[writes] == *contents) {
            return Ok(writes);
        }
        if let Some(writes) = (0..least).rev().find(|&writes| *self.states[writes] == *contents) {
            return Err(Finding::new(Kind::Lost, format!("{writes} writes are there, {least} were promised")));
        }
        let what = format!("not the state after {least} to {most} writes; {}", difference(contents, &self.states[least], least));
        Err(Finding::new(Kind::Hole, what))
    }
}

/// A few ids whose items are not as after `writes` writes.
fn difference(contents: &Contents, wanted: &Contents, writes: usize) -> String {
    let shown = |ids: Vec<&Id>| match ids.len() {
        0..=5 => format!("{ids:?}"),
        more => format!("{:?} and {} more", &ids[..5], more - 5),
    };
    let missing = wanted.keys().filter(|id| !contents.contains_key(id)).collect();
    let others = contents.iter().filter(|(id, item)| wanted.get(id) != Some(item)).map(|(id, _)| id).collect();
    format!("to be as after {writes} it lacks {}, and {} are new or others", shown(missing), shown(others))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(ids: &[u64]) -> Contents {
        ids.iter().map(|&id| (Id::Number(id), Stored { vector: vec![id as u32], metadata: None })).collect()
    }

    fn history(synced: bool) -> History {
        let mut history = History::new(contents(&[]), synced);
        history.write(0, Some(2), contents(&[1]));
        history.write(3, Some(5), contents(&[1, 2]));
        history.flushed(7);
        history.write(8, None, contents(&[1, 2, 3]));
        history
    }

    #[test]
    fn bounds_follow_what_was_promised() {
        let (sync, os) = (history(true), history(false));
        assert_eq!(sync.bounds(0, Crash::PowerLoss), (0, 1));
        assert_eq!(sync.bounds(2, Crash::PowerLoss), (1, 1));
        assert_eq!(os.bounds(5, Crash::PowerLoss), (0, 2));
        assert_eq!(os.bounds(5, Crash::Kill), (2, 2));
        assert_eq!(os.bounds(7, Crash::PowerLoss), (2, 2));
        assert_eq!(sync.bounds(9, Crash::Kill), (2, 3));
    }

    #[test]
    fn losses_and_holes_are_told_apart() {
        let history = history(true);
        let kind = |ids: &[u64]| history.prefix(&contents(ids), (1, 2)).map_err(|finding| finding.kind);
        assert_eq!(kind(&[1]), Ok(1));
        assert_eq!(kind(&[1, 2]), Ok(2));
        assert_eq!(kind(&[]), Err(Kind::Lost));
        assert_eq!(kind(&[2]), Err(Kind::Hole));
        assert_eq!(kind(&[1, 2, 3]), Err(Kind::Hole));
    }
}
