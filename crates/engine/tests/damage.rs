//! Damaged files: derived ones are made again, damaged rows are errors that name their place.

mod common;

use std::fs;
use std::path::Path;

use common::{answers, clustered, dims, file, flip, linked};
use engine::{Batch, Coarse, Code, Codes, Id, Include, Index, PartialOptions, Placement, Query, SearchParams};
use task::Task;

const DIMS: usize = 12;

fn build(path: &Path, vectors: Placement) {
    let given = PartialOptions {
        coarse: Some(Coarse::Hnsw),
        codes: Some(Codes::Pq { bytes: 4, rotate: true }),
        vectors: Some(vectors),
        ..dims(DIMS)
    };
    let index = Index::open(path, given, false, &Task::new()).unwrap();
    index.add(clustered(5_000, DIMS, 0, 1), &Task::new()).unwrap();
    index.optimize(&Task::new()).unwrap();
    index.add(clustered(700, DIMS, 5_000, 2), &Task::new()).unwrap();
    index.delete(&(0..100).map(Id::Number).collect::<Vec<_>>()).unwrap();
    index.close().unwrap();
    // Opened once more, so that what was not linked yet is linked and saved.
    let index = Index::open(path, PartialOptions::default(), false, &Task::new()).unwrap();
    linked(&index);
    index.close().unwrap();
}

#[test]
fn damaged_codes_and_graphs_are_made_again_and_answer_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    build(&path, Placement::Disk);
    let params = SearchParams { ef: Some(40), ..SearchParams::default() };
    let whole = Index::open(&path, PartialOptions::default(), false, &Task::new()).unwrap();
    let before = answers(&whole, DIMS, &params);
    drop(whole);
    for kind in ["codec", "codes", "graph"] {
        for at in [3, 5_000] {
            flip(&file(&path, kind), at);
            let index = Index::open(&path, PartialOptions::default(), false, &Task::new()).unwrap();
            linked(&index);
            assert!(answers(&index, DIMS, &params) == before, "{kind} at {at}");
            index.close().unwrap();
        }
    }
}

#[test]
fn a_damaged_row_costs_that_row_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    build(&path, Placement::Disk);
    flip(&file(&path, "rows"), 4096 + DIMS * 4 * 200);
    let index = Index::open(&path, PartialOptions::default(), false, &Task::new()).unwrap();
    let whole = Include { vector: true, metadata: true };
    let broken = (0..5_700).filter(|&id| match index.get(&[Id::Number(id)], whole) {
        Ok(_) => false,
        Err(error) => {
            assert_eq!(error.code, Code::Corrupt);
            assert!(error.message.contains("rows-"), "{error}");
            true
        }
    });
    assert_eq!(broken.count(), 1);
}

#[test]
fn a_damaged_row_keeps_an_index_in_memory_from_opening_but_not_its_readers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    build(&path, Placement::Memory);
    flip(&file(&path, "rows"), 4096 + DIMS * 4 * 200);
    let open = |read_only| Index::open(&path, PartialOptions::default(), read_only, &Task::new());
    assert_eq!(open(false).err().unwrap().code, Code::Corrupt);
    let reader = open(true).unwrap();
    let whole = Include { vector: true, metadata: true };
    let broken = (0..5_700).filter(|&id| reader.get(&[Id::Number(id)], whole).is_err()).count();
    assert_eq!(broken, 1);
    let everything = SearchParams { k: 5_600, ..SearchParams::default() };
    let query = vec![0.1; DIMS];
    assert_eq!(reader.search(&Query::vector(&query), &everything, &Task::new()).unwrap_err().code, Code::Corrupt);
    assert_eq!(reader.delete(&[Id::Number(1)]).unwrap_err().code, Code::ReadOnly);
}

/// Of a file of rows whose header or checksums are damaged a reader gets every row that its own checksum proves; of one that
/// is cut short or gone nothing, but all of the others.
#[test]
fn a_reader_is_served_the_rows_of_damaged_files() {
    for vectors in [Placement::Disk, Placement::Memory] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        build(&path, vectors);
        let damaged = file(&path, "rows");
        let whole = fs::read(&damaged).unwrap();
        let in_file = (whole.len() - 4096) / (DIMS * 4 + 4);
        let ids: Vec<u64> = (100..5_700).collect();
        let missing = |what: &str| {
            let writer = Index::open(&path, PartialOptions::default(), false, &Task::new());
            assert_eq!(writer.err().unwrap().code, Code::Corrupt, "{what}");
            let reader = Index::open(&path, PartialOptions::default(), true, &Task::new()).unwrap();
            let metadata = Include { metadata: true, vector: false };
            let all: Vec<Id> = ids.iter().map(|&id| Id::Number(id)).collect();
            assert!(reader.get(&all, metadata).unwrap().iter().all(Option::is_some), "{what}");
            let whole = Include { vector: true, metadata: true };
            let refused = all.iter().filter(|id| match reader.get(std::slice::from_ref(id), whole) {
                Ok(item) => {
                    assert!(item[0].is_some());
                    false
                }
                Err(error) => {
                    assert!(error.code == Code::Corrupt && error.message.contains("rows-"), "{error}");
                    true
                }
            });
            refused.count()
        };
        for at in [3, 70, 2_000] {
            flip(&damaged, at);
            assert_eq!(missing("header"), 0, "{at}");
            fs::write(&damaged, &whole).unwrap();
        }
        flip(&damaged, whole.len() - 1);
        assert_eq!(missing("checksums"), 1);
        fs::write(&damaged, &whole[..whole.len() - 10]).unwrap();
        assert_eq!(missing("cut short"), in_file);
        fs::remove_file(&damaged).unwrap();
        assert_eq!(missing("gone"), in_file);
    }
}

#[test]
fn truth_that_is_damaged_is_never_guessed() {
    for kind in ["ids", "metadata", "dead"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        build(&path, Placement::Disk);
        flip(&file(&path, kind), 200);
        let error = Index::open(&path, PartialOptions::default(), false, &Task::new()).err().unwrap();
        assert_eq!(error.code, Code::Corrupt, "{kind}: {error}");
    }
}

/// A reader of damaged ids, metadata or tombstones gets everything whose bytes are known, and an error for the rest.
#[test]
fn a_reader_is_served_what_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let index = Index::open(&path, dims(2), false, &Task::new()).unwrap();
    let count = 20_000u64;
    let id = |n: u64| if n.is_multiple_of(3) { Id::Text(format!("text {n}").into()) } else { Id::Number(n) };
    for part in 0..4 {
        let all: Vec<u64> = (part * count / 4..(part + 1) * count / 4).collect();
        let vectors = all.iter().flat_map(|&n| [n as f32 + 1.0, 1.0]).collect();
        let metadata = all.iter().map(|n| Some(format!("{{\"n\":{n}}}").into())).collect();
        index.add(Batch { ids: all.iter().map(|&n| id(n)).collect(), vectors, metadata: Some(metadata) }, &Task::new()).unwrap();
        index.flush().unwrap();
    }
    index.delete(&[id(7), id(19_000)]).unwrap();
    index.close().unwrap();
    for kind in ["ids", "metadata", "dead"] {
        for at in [66, 3_000, 70_000, 140_000] {
            let damaged = file(&path, kind);
            let whole = fs::read(&damaged).unwrap();
            flip(&damaged, at);
            let reader = Index::open(&path, PartialOptions::default(), true, &Task::new()).unwrap();
            let (mut served, mut refused) = (0, 0);
            for n in 0..count {
                match reader.get(&[id(n)], Include { vector: true, metadata: true }) {
                    Ok(found) => {
                        let found = found.into_iter().next().unwrap();
                        assert_eq!(found.is_none(), n == 7 || n == 19_000, "{kind} {at} {n}");
                        assert!(found.is_none_or(|item| item.metadata.unwrap().contains(&format!(":{n}}}"))));
                        served += 1;
                    }
                    Err(error) => {
                        assert!(error.code == Code::Corrupt && error.message.contains(kind), "{error}");
                        refused += 1;
                    }
                }
            }
            // Later places lie in another block, or in the footer, which readers do without.
            assert!((refused > 0 || at > 66) && (kind == "dead" || served > 0), "{kind} {at}: {served} {refused}");
            let query = Query { candidates: &[1.0, 1.0], verify: &[1.0, 1.0] };
            let hits = reader.search(&query, &SearchParams { k: 3, ..SearchParams::default() }, &Task::new());
            match hits {
                Ok(hits) => assert_eq!(hits[0].id, id(0)),
                Err(error) => assert_eq!(error.code, Code::Corrupt),
            }
            fs::write(&damaged, whole).unwrap();
        }
    }
}

#[test]
fn a_damaged_manifest_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    build(&path, Placement::Disk);
    let everything = SearchParams { k: 6_000, ..SearchParams::default() };
    let before = answers(&Index::open(&path, PartialOptions::default(), false, &Task::new()).unwrap(), DIMS, &everything);
    flip(&file(&path, "manifest"), 200);
    for read_only in [true, false] {
        let index = Index::open(&path, PartialOptions::default(), read_only, &Task::new()).unwrap();
        assert_eq!(index.len(), 5_600);
        assert!(answers(&index, DIMS, &everything) == before);
    }
}

#[test]
fn an_index_that_is_only_opened_and_closed_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    build(&path, Placement::Disk);
    let names = || -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name().to_str().unwrap().to_string()).collect();
        names.sort();
        names
    };
    let before = names();
    let index = Index::open(&path, PartialOptions::default(), false, &Task::new()).unwrap();
    index.flush().unwrap();
    index.close().unwrap();
    assert_eq!(names(), before);
}
