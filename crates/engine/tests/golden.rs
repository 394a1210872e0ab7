//! Indexes that earlier programs wrote, kept in `golden/<format version>/`: each must open for ever, and hold and find what
//! `golden/<format version>/<name>.txt` says. Neither is ever changed. A program that cannot open one of them is wrong, not
//! the index.
//!
//! A new format version adds a folder and leaves the others: `cargo test -p engine --test golden -- --ignored` writes that of
//! the version that is written now, if it is not there.

mod common;
#[path = "golden/writing.rs"]
mod writing;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use engine::{Batch, Id, Include, Index, Item, Options, PartialOptions, Query, SearchParams};
use task::Task;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn open(path: &Path, given: &PartialOptions, read_only: bool) -> Index {
    Index::open(path, given.clone(), read_only, &Task::new()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn indexes_of_every_version_open_and_answer() {
    let mut found = 0;
    for version in 1..=store::VERSION {
        for entry in fs::read_dir(folder().join(version.to_string())).expect("a folder for every version") {
            let path = entry.unwrap().path();
            if path.is_dir() {
                let expected = Expected::parse(&fs::read_to_string(path.with_extension("txt")).unwrap());
                check(&path, version, &expected);
                found += 1;
            }
        }
    }
    assert!(found >= 4);
}

#[test]
#[ignore = "writes the indexes of a new format version"]
fn write_the_indexes_of_this_version() {
    let version = folder().join(store::VERSION.to_string());
    assert!(!version.exists(), "{} is there and stays as it is", version.display());
    fs::create_dir(&version).unwrap();
    writing::plain(&version.join("plain"));
    writing::pq(&version.join("pq"));
    writing::half(&version.join("half"));
    writing::bytes(&version.join("bytes"));
}

fn check(golden: &Path, version: u16, expected: &Expected) {
    let name = golden.display();
    let scratch = tempfile::tempdir().unwrap();
    let copy = scratch.path().join("index");
    fs::create_dir(&copy).unwrap();
    for entry in fs::read_dir(golden).unwrap() {
        let file = entry.unwrap();
        let bytes = fs::read(file.path()).unwrap();
        assert_eq!(bytes[8..10], version.to_le_bytes(), "{name}: {:?} is of another version", file.file_name());
        fs::write(copy.join(file.file_name()), bytes).unwrap();
    }
    let stored = PartialOptions::default();
    let reader = open(&copy, &stored, true);
    assert_eq!(described(reader.options()), expected.options, "{name}");
    // Codes and links were read, not made again.
    assert!(reader.stats().unwrap().unlinked <= expected.unlinked, "{name}: {:?}", reader.stats().unwrap());
    expected.checkpoint.check(&reader, &format!("{name}, read only"));

    let writer = open(&copy, &stored, false);
    assert_eq!(writer.stats().unwrap().open.replayed, expected.replayed, "{name}");
    expected.whole.check(&writer, &format!("{name}, with its log"));
    let problems = writer.verify(&Task::new()).unwrap().problems;
    assert_eq!(problems, [""; 0], "{name}");

    // It goes on from there.
    let one = Item { id: Id::Text("one more".into()), vector: Some(vec![1.0; expected.dims()]), metadata: Some("{}".into()) };
    writer.add(batch(std::slice::from_ref(&one)), &Task::new()).unwrap();
    writer.close().unwrap();
    let again = open(&copy, &stored, false);
    let mut items = all(&again);
    assert_eq!(items.remove(&one.id).unwrap().metadata, one.metadata, "{name}");
    assert!(items == expected.whole.items, "{name}: what was there has changed");
    expected.checkpoint.check(&reader, &format!("{name}, read beside a writer"));
}

/// What an index holds and finds, as the text beside it says.
#[derive(Default)]
struct Expected {
    options: String,
    /// Rows without links or codes in the checkpoint.
    unlinked: u64,
    /// Writes in the log.
    replayed: u64,
    /// What is served without the log, and with it.
    checkpoint: Contents,
    whole: Contents,
}

type Items = BTreeMap<Id, Item>;
type Hits = Vec<(Id, f64)>;

#[derive(Default)]
struct Contents {
    items: Items,
    /// Query, and the nearest items.
    searches: Vec<(Vec<f32>, Hits)>,
}

impl Expected {
    fn dims(&self) -> usize {
        self.whole.searches[0].0.len()
    }

    fn parse(text: &str) -> Self {
        let mut expected = Self::default();
        let mut whole = false;
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (word, rest) = line.split_once('\t').unwrap_or((line, ""));
            let contents = if whole { &mut expected.whole } else { &mut expected.checkpoint };
            let fields: Vec<&str> = rest.split('\t').collect();
            match word {
                "options" => expected.options = rest.into(),
                "unlinked" => expected.unlinked = rest.parse().unwrap(),
                "replayed" => expected.replayed = rest.parse().unwrap(),
                "checkpoint" => {}
                "whole" => {
                    whole = true;
                    expected.whole.items = expected.checkpoint.items.clone();
                }
                "gone" => drop(contents.items.remove(&id(fields[0]))),
                "item" => {
                    let (id, vector) = (id(fields[0]), Some(numbers(fields[1])));
                    let metadata = fields.get(2).map(|text| (*text).into());
                    contents.items.insert(id.clone(), Item { id, vector, metadata });
                }
                "search" => {
                    let hits = fields[1..].chunks_exact(2).map(|hit| (id(hit[0]), hit[1].parse().unwrap()));
                    contents.searches.push((numbers(fields[0]), hits.collect()));
                }
                _ => panic!("{word}"),
            }
        }
        expected
    }

    /// What [`Expected::parse`] reads.
    fn text(&self, name: &str) -> String {
        let mut text = format!("# What the index {name} holds and finds. Written once, with it. Tabs separate fields.\n");
        let Self { options, unlinked, replayed, .. } = self;
        let _ = writeln!(text, "options\t{options}\nunlinked\t{unlinked}\nreplayed\t{replayed}");
        self.checkpoint.write("checkpoint", &Items::new(), &mut text);
        self.whole.write("whole", &self.checkpoint.items, &mut text);
        text
    }
}

impl Contents {
    /// As what has changed since `before`.
    fn write(&self, word: &str, before: &Items, text: &mut String) {
        let _ = writeln!(text, "{word}");
        for id in before.keys().filter(|id| !self.items.contains_key(id)) {
            let _ = writeln!(text, "gone\t{}", shown_id(id));
        }
        for Item { id, vector, metadata } in self.items.values().filter(|item| before.get(&item.id) != Some(item)) {
            let metadata = metadata.as_ref().map_or(String::new(), |text| format!("\t{text}"));
            let _ = writeln!(text, "item\t{}\t{}{metadata}", shown_id(id), shown(vector.as_deref().unwrap()));
        }
        for (query, hits) in &self.searches {
            let hits = hits.iter().map(|(id, distance)| format!("\t{}\t{distance}", shown_id(id)));
            let _ = writeln!(text, "search\t{}{}", shown(query), hits.collect::<String>());
        }
    }

    fn check(&self, index: &Index, name: &str) {
        assert_eq!(index.len(), self.items.len(), "{name}");
        for (id, found) in &all(index) {
            assert_eq!(Some(found), self.items.get(id), "{name}");
            assert!(index.has(id).unwrap(), "{name}: {id:?}");
        }
        let (mut near, mut wanted_near) = (0, 0);
        for (query, wanted) in &self.searches {
            // So many that all rows are compared.
            let exact = search(index, query, index.len());
            assert_eq!(exact.len(), index.len(), "{name}");
            assert_eq!(exact[..wanted.len()], wanted[..], "{name}");
            near += search(index, query, 10).iter().filter(|hit| wanted[..10].contains(hit)).count();
            wanted_near += 10;
        }
        // Through codes and links nearly the same is found.
        assert!(near * 10 >= wanted_near * 9, "{name}: {near} of {wanted_near}");
    }
}

/// Everything in an index.
fn all(index: &Index) -> Items {
    let (ids, _) = index.ids(0, usize::MAX).unwrap();
    let items = index.get(&ids, Include { vector: true, metadata: true }).unwrap();
    ids.into_iter().zip(items.into_iter().map(Option::unwrap)).collect()
}

fn search(index: &Index, query: &[f32], k: usize) -> Hits {
    let params = SearchParams { k, ..SearchParams::default() };
    let hits = index.search(&Query::vector(query), &params, &Task::new()).unwrap();
    hits.into_iter().map(|hit| (hit.id, hit.distance)).collect()
}

fn batch(items: &[Item]) -> Batch {
    Batch {
        ids: items.iter().map(|item| item.id.clone()).collect(),
        vectors: items.iter().flat_map(|item| item.vector.clone().unwrap()).collect(),
        metadata: Some(items.iter().map(|item| item.metadata.clone()).collect()),
    }
}

fn id(text: &str) -> Id {
    if text.starts_with('"') {
        Id::Text(serde_json::from_str::<String>(text).unwrap().into())
    } else {
        Id::Number(text.parse().unwrap())
    }
}

fn shown_id(id: &Id) -> String {
    match id {
        Id::Number(number) => number.to_string(),
        Id::Text(text) => serde_json::to_string(text).unwrap(),
    }
}

fn numbers(text: &str) -> Vec<f32> {
    text.split(' ').map(|number| number.parse().unwrap()).collect()
}

fn shown(vector: &[f32]) -> String {
    vector.iter().map(f32::to_string).collect::<Vec<_>>().join(" ")
}

fn described(options: &Options) -> String {
    let Options { dimensions, metric, coarse, codes, vectors, precision, m, ef_construction, durability, seed, .. } = options;
    format!("{dimensions} {metric:?} {coarse:?} {codes:?} {vectors:?} {precision:?} {m} {ef_construction} {durability:?} {seed}")
}
