//! How the indexes are written. What they should hold and find is worked out beside them, not asked of them.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use engine::{Coarse, Codes, Durability, Id, Index, Item, Metric, PartialOptions, Placement, Precision};
use task::Task;

use crate::common::Random;
use crate::{Contents, Expected, Items, all, batch, described, open};

/// Queries of each index.
const QUERIES: usize = 5;
/// Hits that are written down for each of them.
const HITS: usize = 12;

/// An index that is being written, and what should be in it.
struct Writing {
    path: PathBuf,
    given: PartialOptions,
    index: Option<Index>,
    model: Items,
    random: Random,
    expected: Expected,
}

impl Writing {
    fn new(path: &Path, given: PartialOptions) -> Self {
        let index = Some(open(path, &given, false));
        let (model, random, expected) = (Items::new(), Random(given.seed.unwrap_or(0)), Expected::default());
        Self { path: path.into(), given, index, model, random, expected }
    }

    fn index(&self) -> &Index {
        self.index.as_ref().unwrap()
    }

    /// Few bits a number: sums of products come out the same in whatever order they are added.
    fn vector(&mut self) -> Vec<f32> {
        let dims = self.given.dimensions.unwrap();
        let mut vector: Vec<f32> = (0..dims).map(|_| self.random.below(128) as f32 / 16.0 - 4.0).collect();
        vector[0] += 0.03125;
        vector
    }

    /// Adds items of those ids, some with metadata.
    fn add(&mut self, ids: impl IntoIterator<Item = Id>) {
        let mut items = Vec::new();
        for (at, id) in ids.into_iter().enumerate() {
            let metadata = (at % 5 == 0).then(|| format!("{{\"h\u{f6}lz \u{1f332}\":[{at},null,true,-1.5e3]}}").into());
            items.push(Item { id, vector: Some(self.vector()), metadata });
        }
        self.index().add(batch(&items), &Task::new()).unwrap();
        self.model.extend(items.into_iter().map(|item| (item.id.clone(), item)));
    }

    fn delete(&mut self, ids: impl IntoIterator<Item = Id>) {
        let ids: Vec<Id> = ids.into_iter().collect();
        let gone = ids.iter().filter(|id| self.model.remove(id).is_some()).count();
        assert_eq!(self.index().delete(&ids).unwrap(), gone);
    }

    /// What is there now, checked against what should be; distances by the plainest of loops.
    fn contents(&mut self) -> Contents {
        let items = all(self.index());
        let options = self.index().options().clone();
        let most = if options.precision == Precision::I8 { 0.02 } else { 0.0 };
        assert_eq!(items.len(), self.model.len());
        for (item, wanted) in items.values().zip(self.model.values()) {
            assert_eq!((&item.id, &item.metadata), (&wanted.id, &wanted.metadata));
            let mut pairs = vector_of(item).iter().zip(vector_of(wanted));
            assert!(pairs.all(|(a, b)| (a - b).abs() <= most), "{item:?} {wanted:?}");
        }
        let mut searches = Vec::new();
        for _ in 0..QUERIES {
            let query = self.vector();
            let hit = |item: &Item| (item.id.clone(), distance(options.metric, &query, vector_of(item)));
            let mut hits: Vec<_> = items.values().map(hit).collect();
            hits.sort_by(|a, b| a.1.total_cmp(&b.1).then_with(|| a.0.cmp(&b.0)));
            hits.truncate(HITS);
            searches.push((query, hits));
        }
        Contents { items, searches }
    }

    /// Makes a checkpoint, and notes what it holds.
    fn checkpoint(&mut self) {
        self.index().flush().unwrap();
        self.expected.unlinked = self.index().stats().unwrap().unlinked;
        self.expected.options = described(self.index().options());
        self.expected.checkpoint = self.contents();
    }

    /// Ends the index without closing it, as the end of its process would, and opens it again.
    fn reopen(&mut self) {
        self.index = None;
        self.index = Some(open(&self.path, &self.given, false));
    }

    /// Notes what the index holds with its log, and ends it.
    fn finish(mut self, records_in_log: u64) -> Expected {
        self.expected.replayed = records_in_log;
        self.expected.whole = self.contents();
        if records_in_log == 0 {
            self.index().close().unwrap();
        }
        self.index = None;
        fs::remove_file(self.path.join("LOCK")).unwrap();
        for log in logs(&self.path) {
            cut(&log, 64);
        }
        let name = self.path.file_name().unwrap().to_str().unwrap();
        fs::write(self.path.with_extension("txt"), self.expected.text(name)).unwrap();
        self.expected
    }
}

fn vector_of(item: &Item) -> &[f32] {
    item.vector.as_deref().unwrap()
}

fn distance(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    match metric {
        Metric::L2 => a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum(),
        Metric::Dot => 1.0 - dot(a, b),
        Metric::Cosine => (1.0 - dot(a, b) / (dot(a, a).sqrt() * dot(b, b).sqrt())).clamp(0.0, 2.0),
    }
}

/// Log files, oldest first.
fn logs(path: &Path) -> Vec<PathBuf> {
    let number = |path: &PathBuf| path.file_stem()?.to_str()?.strip_prefix("log-")?.parse::<u64>().ok();
    let mut logs: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    logs.retain(|path| number(path).is_some());
    logs.sort_by_key(number);
    logs
}

/// Leaves so many of the zeros that were written ahead in a log: more than a record can end with here.
fn cut(log: &Path, zeros: usize) {
    let mut bytes = fs::read(log).unwrap();
    let end = bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1 + zeros;
    bytes.truncate(end.next_multiple_of(8));
    fs::write(log, bytes).unwrap();
}

fn counted(ids: Range<u64>) -> impl Iterator<Item = Id> {
    ids.map(Id::Number)
}

fn texts(ids: &[&str]) -> Vec<Id> {
    ids.iter().map(|&text| Id::Text(text.into())).collect()
}

/// Rows in memory, ids and metadata of all kinds, three segments of each column, deletions; then a log of two files, the
/// second of which ends in the middle of a record.
pub fn plain(path: &Path) {
    let given = PartialOptions { dimensions: Some(6), seed: Some(1), ..PartialOptions::default() };
    let mut writing = Writing::new(path, given);
    writing.add(counted(0..40));
    writing.index().flush().unwrap();
    writing.add(texts(&["", "7", "na\u{ef}ve \u{1f600}", "a\tb\n\"c\"", &"long ".repeat(60)]));
    writing.add([Id::Number((1 << 53) - 1), Id::Number(3), Id::Number(4)]);
    writing.delete([Id::Number(5), Id::Number(6), Id::Number(99), Id::Text("8".into())]);
    writing.index().flush().unwrap();
    writing.add([Id::Number(100)]);
    writing.checkpoint();

    writing.delete([Id::Text("7".into()), Id::Number(8), Id::Number(8), Id::Text("no such".into())]);
    writing.add([Id::Number(9), Id::Text("in the log".into()), Id::Number(101)]);
    writing.add([Id::Text("again".into())]);
    writing.reopen();
    writing.add([Id::Number(100), Id::Text("again".into())]);
    writing.delete(texts(&["naïve \u{1f600}"]));
    let log = logs(path).pop().unwrap();
    // The last record lacks its last bytes: nobody was told that it was written.
    let model = writing.model.clone();
    let kept = writing.contents();
    writing.add([Id::Text("torn".into())]);
    writing.model = model;
    writing.index = None;
    cut(&log, 0);
    let bytes = fs::read(&log).unwrap();
    fs::write(&log, &bytes[..bytes.len() - 10]).unwrap();
    writing.index = Some(open(path, &writing.given, false));
    assert!(writing.contents().items == kept.items);
    writing.finish(5);
}

/// Rows on disk, product quantisation with a rotation, a graph: trained on many rows, of which few are left.
pub fn pq(path: &Path) {
    let given = PartialOptions {
        dimensions: Some(4),
        metric: Some(Metric::L2),
        coarse: Some(Coarse::Hnsw),
        codes: Some(Codes::Pq { bytes: 2, rotate: true }),
        vectors: Some(Placement::Disk),
        m: Some(4),
        ef_construction: Some(50),
        seed: Some(2),
        ..PartialOptions::default()
    };
    let mut writing = Writing::new(path, given);
    writing.add(counted(0..4_200));
    writing.index().optimize(&Task::new()).unwrap();
    writing.delete(counted(300..4_200));
    writing.index().optimize(&Task::new()).unwrap();
    writing.add(counted(300..310));
    writing.index().optimize(&Task::new()).unwrap();
    writing.add(counted(305..315));
    writing.delete(counted(0..3));
    writing.checkpoint();
    writing.finish(0);
}

/// Half precision, codes of a byte a dimension, a graph over them; a log that was never synced.
pub fn half(path: &Path) {
    small(path, Precision::F16, Metric::Dot, Coarse::Hnsw, Codes::Sq8, Placement::Memory);
}

/// Bytes with a scale, codes of a bit a dimension, no graph; a log that was never synced.
pub fn bytes(path: &Path) {
    small(path, Precision::I8, Metric::Cosine, Coarse::Flat, Codes::Binary, Placement::Disk);
}

fn small(path: &Path, precision: Precision, metric: Metric, coarse: Coarse, codes: Codes, vectors: Placement) {
    let given = PartialOptions {
        dimensions: Some(5),
        metric: Some(metric),
        coarse: Some(coarse),
        codes: Some(codes),
        vectors: Some(vectors),
        precision: Some(precision),
        m: Some(3),
        ef_construction: Some(30),
        durability: Some(Durability::Os),
        seed: Some(3),
        ..PartialOptions::default()
    };
    let mut writing = Writing::new(path, given);
    writing.add(counted(0..260));
    writing.index().optimize(&Task::new()).unwrap();
    writing.add(counted(260..265));
    writing.checkpoint();
    writing.delete(counted(7..9));
    writing.add(counted(262..267));
    writing.finish(2);
}
