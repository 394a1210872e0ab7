//! A whole index of whatever bodies, columns, codes, graphs and log records, all under right checksums: what opens
//! answers, takes writes, is saved, and opens again as the same.

use std::path::Path;
use std::sync::Arc;

use engine::{
    Batch, Coarse, Code, Codes, Error, Id, Include, Index, Item, Metric, PartialOptions, Placement, Precision, Query,
    SearchParams,
};
use quant::{Codec, CodecSpec};
use store::{Directory, FileRef, Mode};
use task::Task;
use wire::Writer;

use super::input::{Input, put_part};
use super::lists;
use crate::disk::{Image, SimDisk};
use crate::random::Random;

const FOLDER: &str = "/index";
/// Kinds of files, as an input numbers them. The first is an extent, with first row and stride in front.
const KINDS: [&str; 9] = ["rows", "ids", "metadata", "dead", "codec", "codes", "graph", "efforts", "lists"];
/// Instead of a file: a record of the log.
const RECORD: u8 = 9;
/// Open for reading only.
const READ_ONLY: u8 = 1;
/// Rebuild before closing.
const OPTIMIZE: u8 = 2;

/// Flags, a manifest's body, and files of kinds by number.
pub fn run(bytes: &[u8]) -> bool {
    let mut input = Input::new(bytes);
    let (flags, body) = (input.u8(), input.part());
    let disk = SimDisk::new(&Image::default());
    write(&disk, body, input);
    let read_only = flags & READ_ONLY != 0;
    let index = match open(&disk, read_only) {
        Ok(index) => index,
        Err(error) => {
            assert!(matches!(error.code, Code::Corrupt | Code::Argument | Code::Io), "{error}");
            return false;
        }
    };
    index.verify(&Task::new()).expect("whatever it finds is no error");
    let before = match look(&index) {
        Ok(items) => items,
        // Truth that is damaged is served as far as it goes, to readers.
        Err(error) => {
            assert!(read_only && error.code == Code::Corrupt, "{error}");
            return false;
        }
    };
    if read_only {
        index.close().expect("a reader has nothing to save");
        return true;
    }
    let after = change(&index, before);
    if flags & OPTIMIZE != 0 {
        index.optimize(&Task::new()).expect("a disk that does not fail");
        search(&index, &after).expect("rows that are whole");
    }
    index.close().expect("a disk that does not fail");
    let again = open(&disk, false).expect("what was saved opens");
    assert!(same(&look(&again).expect("rows that are whole"), &after), "what was saved is not what is there");
    copy(&disk, &again, &after);
    again.close().expect("a disk that does not fail");
    true
}

fn write(disk: &SimDisk, body: &[u8], mut input: Input<'_>) {
    let directory = Directory::open(Arc::new(disk.clone()), Path::new(FOLDER), Mode::Create).expect("a disk that does not fail");
    let (mut files, mut records) = (Vec::new(), Vec::new());
    while !input.is_empty() {
        let kind = input.u8() % (RECORD + 1);
        let part = input.part();
        match kind {
            0 => files.extend(extent(&directory, Input::new(part))),
            RECORD => records.push(part),
            _ => files.push(
                directory.write_file(KINDS[usize::from(kind)], |file| file.write(part)).expect("a disk that does not fail"),
            ),
        }
    }
    let mut log = directory.start_log(0).expect("a disk that does not fail");
    directory.publish(body, &files, Some(log.start())).expect("a disk that does not fail");
    records.iter().for_each(|record| log.append(&[record]).expect("a disk that does not fail"));
    log.commit(false).expect("a disk that does not fail");
}

fn extent(directory: &Directory, mut part: Input<'_>) -> Option<FileRef> {
    let (first, stride) = (u32::from(part.u16()), usize::from(part.u16()));
    let mut extent = directory.write_extent(KINDS[0], stride, first).ok()?;
    let records = part.rest();
    extent.append(&records[..records.len() / stride * stride]).expect("a disk that does not fail");
    Some(extent.finish().expect("a disk that does not fail"))
}

fn open(disk: &SimDisk, read_only: bool) -> Result<Index, Error> {
    let given = PartialOptions { threads: Some(1), ..PartialOptions::default() };
    Index::open_on(Arc::new(disk.clone()), Path::new(FOLDER), given, read_only, &Task::new())
}

/// A snapshot holds the same.
fn copy(disk: &SimDisk, index: &Index, items: &[Item]) {
    let path = Path::new("/copy");
    index.snapshot(path, &Task::new()).expect("a disk that does not fail");
    let copy = Index::open_on(Arc::new(disk.clone()), path, PartialOptions::default(), true, &Task::new());
    let copy = copy.expect("a snapshot opens");
    assert!(same(&look(&copy).expect("rows that are whole"), items), "a snapshot is not what was copied");
    copy.close().expect("a reader has nothing to save");
}

/// All items by id, to which every way leads.
fn look(index: &Index) -> Result<Vec<Item>, Error> {
    let (ids, more) = index.ids(0, usize::MAX)?;
    assert!(more.is_none() && ids.len() == index.len(), "{} ids of {} items", ids.len(), index.len());
    let items = index.get(&ids, Include { metadata: true, vector: true })?;
    let mut items: Vec<Item> = items.into_iter().map(|item| item.expect("an id that was given is there")).collect();
    for (item, id) in items.iter().zip(&ids) {
        assert!(item.id == *id && index.has(id)?, "{id:?} is not there");
    }
    items.sort_by(|a, b| a.id.cmp(&b.id));
    assert!(items.is_sorted_by(|a, b| a.id < b.id), "an id twice");
    search(index, &items)?;
    Ok(items)
}

/// Values are compared by their bits: some are no numbers.
fn same(a: &[Item], b: &[Item]) -> bool {
    let bits = |item: &Item| item.vector.iter().flatten().map(|value| value.to_bits()).collect::<Vec<_>>();
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.id == b.id && a.metadata == b.metadata && bits(a) == bits(b))
}

/// Searches give as many hits as they should, in order; where they scan, the right ones.
fn search(index: &Index, items: &[Item]) -> Result<(), Error> {
    let options = index.options();
    let query: Vec<f32> = (0..options.dimensions).map(|at| 1.0 - (at % 3) as f32).collect();
    let chosen = index.stats()?;
    for k in [1, 3, items.len() + 1] {
        let params = SearchParams { k, include: Include { metadata: true, vector: true }, ..SearchParams::default() };
        let hits = index.search(&Query::vector(&query), &params, &Task::new())?;
        assert_eq!(hits.len(), k.min(items.len()), "hits of {k}");
        let order = |a: &engine::Hit, b: &engine::Hit| a.distance.total_cmp(&b.distance).then_with(|| a.id.cmp(&b.id));
        assert!(hits.is_sorted_by(|a, b| order(a, b).is_lt()), "hits out of order");
        let exact = chosen.coarse == Coarse::Flat && chosen.codes == Codes::None;
        if let (true, Some(last)) = (exact, hits.last()) {
            let nearer = items
                .iter()
                .filter(|item| distance(options.metric, &query, item) < last.distance - 1e-3 * last.distance.abs() - 1e-3);
            assert!(nearer.count() < k, "a scan that passes over a row");
        }
    }
    Ok(())
}

fn distance(metric: Metric, query: &[f32], item: &Item) -> f64 {
    let row = item.vector.as_deref().unwrap_or_default();
    let sum = |f: &dyn Fn(f64, f64) -> f64| query.iter().zip(row).map(|(a, b)| f(f64::from(*a), f64::from(*b))).sum::<f64>();
    match metric {
        Metric::L2 => sum(&|a, b| (a - b) * (a - b)),
        Metric::Dot => 1.0 - sum(&|a, b| a * b),
        Metric::Cosine => (1.0 - sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()).clamp(0.0, 2.0),
    }
}

/// Replaces one item, deletes one, adds one; gives what must be there.
fn change(index: &Index, mut items: Vec<Item>) -> Vec<Item> {
    let dims = index.options().dimensions;
    let new = Id::Text("a text that is not there".into());
    let ids: Vec<Id> = items.first().map(|item| item.id.clone()).into_iter().chain([new]).collect();
    let batch = Batch { vectors: vec![0.5; dims * ids.len()], metadata: None, ids: ids.clone() };
    index.add(batch, &Task::new()).expect("a disk that does not fail");
    items.retain(|item| !ids.contains(&item.id));
    if let Some(last) = items.pop() {
        assert_eq!(index.delete(std::slice::from_ref(&last.id)), Ok(1));
    }
    let added = index.get(&ids, Include { metadata: true, vector: true }).expect("rows that are whole");
    items.extend(added.into_iter().map(|item| item.expect("what was added is there")));
    items.sort_by(|a, b| a.id.cmp(&b.id));
    items
}

/// An index with some rows in files and some in the log.
pub fn seed(number: u64) -> Vec<u8> {
    let mut random = Random::new(number);
    let rabitq = Codes::Rabitq { bits: 1 + random.below(8) as u8 };
    let codes = [Codes::Auto, Codes::None, Codes::Sq8, Codes::Sq4, Codes::Binary, rabitq, Codes::Pq { bytes: 1, rotate: false }];
    let asked = PartialOptions {
        dimensions: Some(1 + random.below(5)),
        metric: Some(*random.pick(&[Metric::Cosine, Metric::Dot, Metric::L2])),
        coarse: Some(*random.pick(&[Coarse::Auto, Coarse::Flat, Coarse::Hnsw, Coarse::Ivf])),
        codes: Some(*random.pick(&codes)),
        vectors: Some(*random.pick(&[Placement::Memory, Placement::Disk])),
        precision: Some(*random.pick(&[Precision::F32, Precision::F16, Precision::I8])),
        m: Some(2 + random.below(3)),
        threads: Some(1),
        ..PartialOptions::default()
    };
    let disk = SimDisk::new(&Image::default());
    let index = Index::open_on(Arc::new(disk.clone()), Path::new(FOLDER), asked.clone(), false, &Task::new());
    let index = index.expect("a disk that does not fail");
    for round in 0..3 {
        fill(&index, &mut random);
        if round < 2 {
            index.optimize(&Task::new()).expect("a disk that does not fail");
            index.flush().expect("a disk that does not fail");
        }
    }
    drop(index);
    let mut bytes = vec![random.word() as u8];
    let directory = Directory::open(Arc::new(disk.clone()), Path::new(FOLDER), Mode::Read).expect("it was saved");
    take_apart(&disk, &directory, &mut bytes);
    add_codes(&asked, &mut random, &mut bytes);
    add_lists(&asked, &mut random, &mut bytes);
    bytes
}

fn fill(index: &Index, random: &mut Random) {
    let (rows, dims) = (random.below(12), index.options().dimensions);
    let id = |random: &mut Random| match random.below(3) {
        0 => Id::Text(format!("id {}", random.below(20)).into()),
        _ => Id::Number(random.below(40) as u64),
    };
    let ids: Vec<Id> = (0..rows).map(|_| id(random)).collect();
    let metadata = random.once_in(2).then(|| (0..rows).map(|row| (row % 2 == 0).then(|| r#"{"a":1}"#.into())).collect());
    let batch = Batch { vectors: random.vector(rows * dims), ids, metadata };
    index.add(batch, &Task::new()).expect("a disk that does not fail");
    let gone: Vec<Id> = (0..random.below(4)).map(|_| id(random)).collect();
    index.delete(&gone).expect("a disk that does not fail");
}

/// Appends body, files and records, as [`run`] takes them.
fn take_apart(disk: &SimDisk, directory: &Directory, bytes: &mut Vec<u8>) {
    let task = Task::new();
    let manifest = directory.manifest().expect("it was saved");
    put_part(bytes, manifest.body());
    for file in manifest.files() {
        let kind = KINDS.iter().position(|kind| *kind == file.kind()).expect("a kind that is known");
        bytes.push(kind as u8);
        if kind > 0 {
            put_part(bytes, &directory.read_file(file, &task).expect("it was saved"));
            continue;
        }
        let extent = directory.open_extent(file, &task).expect("it was saved");
        let stored = disk.image().files[&Path::new(FOLDER).join(file.name())].to_vec();
        let mut part = (extent.first_row() as u16).to_le_bytes().to_vec();
        part.extend_from_slice(&(extent.stride() as u16).to_le_bytes());
        part.extend_from_slice(&stored[4096..][..extent.stride() * extent.rows() as usize]);
        put_part(bytes, &part);
    }
    let records = directory.replay(&task, |_, record| {
        bytes.push(RECORD);
        put_part(bytes, record);
        Ok(())
    });
    records.expect("it was saved");
}

/// Codes come of many rows; here of a few, so that inputs stay small.
fn add_codes(asked: &PartialOptions, random: &mut Random, bytes: &mut Vec<u8>) {
    let spec = match asked.codes {
        Some(Codes::Sq8) => CodecSpec::Sq8,
        Some(Codes::Sq4) => CodecSpec::Sq4,
        Some(Codes::Binary) => CodecSpec::Binary,
        Some(Codes::Rabitq { bits }) => CodecSpec::Rabitq { bits },
        Some(Codes::Pq { bytes, rotate }) => CodecSpec::Pq { bytes, rotate },
        _ => return,
    };
    let (dims, metric) = (asked.dimensions.unwrap_or(1), asked.metric.unwrap_or(Metric::Cosine));
    let rows = 1 + random.below(3);
    let values = random.vector(rows * dims);
    let codec = Codec::train(&spec, metric, dims, &values, 0, &Task::new()).expect("nobody stops it");
    let mut codes = vec![0; rows * codec.code_bytes()];
    codec.encode(&values, &mut codes);
    let mut w = Writer::new();
    codec.write(&mut w);
    bytes.push(4);
    put_part(bytes, w.as_slice());
    w.clear();
    w.u32(0);
    w.u32(rows as u32);
    w.raw(&codes);
    bytes.push(5);
    put_part(bytes, w.as_slice());
}

/// The same of lists.
fn add_lists(asked: &PartialOptions, random: &mut Random, bytes: &mut Vec<u8>) {
    if asked.coarse != Some(Coarse::Ivf) {
        return;
    }
    let (dims, metric) = (asked.dimensions.unwrap_or(1), asked.metric.unwrap_or(Metric::Cosine));
    let rows = 1 + random.below(3);
    let mut w = Writer::new();
    lists::put(random, metric, dims, rows, asked.codes == Some(Codes::Auto), &mut w);
    bytes.push(8);
    put_part(bytes, w.as_slice());
}
