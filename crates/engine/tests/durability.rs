//! What was acknowledged is there again, however the index ended.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::clustered;
use engine::{Batch, Coarse, Code, Codes, Durability, Id, Include, Index, Op, PartialOptions, Placement, Precision};
use task::Task;

const DIMS: usize = 6;

fn open(path: &Path, given: PartialOptions) -> Index {
    Index::open(path, PartialOptions { dimensions: Some(DIMS), ..given }, false, &Task::new()).unwrap()
}

fn item(id: Id, value: f32, text: Option<&str>) -> Batch {
    Batch { ids: vec![id], vectors: vec![value; DIMS], metadata: text.map(|text| vec![Some(text.into())]) }
}

fn first_value(index: &Index, id: u64) -> Option<f32> {
    let item = index.get(&[Id::Number(id)], Include { vector: true, metadata: true }).unwrap().remove(0)?;
    item.vector.map(|vector| vector[0])
}

#[test]
fn writes_survive_without_closing() {
    for durability in [Durability::Sync, Durability::Os] {
        for precision in [Precision::F32, Precision::F16, Precision::I8] {
            for vectors in [Placement::Memory, Placement::Disk] {
                let folder = tempfile::tempdir().unwrap();
                let given = PartialOptions {
                    durability: Some(durability),
                    precision: Some(precision),
                    vectors: Some(vectors),
                    ..PartialOptions::default()
                };
                let path = folder.path().join("index");
                let index = open(&path, given.clone());
                index.add(clustered(50, DIMS, 0, 1), &Task::new()).unwrap();
                index.add(item(Id::Text("a text".into()), 1.0, Some("{\"a\":1}")), &Task::new()).unwrap();
                assert_eq!(index.delete(&[Id::Number(3), Id::Number(99)]).unwrap(), 1);
                index.add(item(Id::Number(4), 0.5, None), &Task::new()).unwrap();
                let all = |index: &Index| {
                    let (mut ids, _) = index.ids(0, 1000).unwrap();
                    ids.sort();
                    index.get(&ids, Include { vector: true, metadata: true }).unwrap()
                };
                let before = all(&index);
                drop(index);
                for round in 0..3 {
                    let index = open(&path, given.clone());
                    assert_eq!(index.len(), 50);
                    assert!(all(&index) == before, "round {round}");
                    assert_eq!(index.stats().unwrap().open.replayed, if round == 2 { 0 } else { 4 });
                    if round == 1 {
                        index.flush().unwrap();
                    }
                }
            }
        }
    }
}

#[test]
fn a_group_is_carried_out_in_order_and_each_write_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let index = open(&path, PartialOptions::default());
    let add = |id, value| (Op::Add(item(Id::Number(id), value, None)), Task::new());
    let outcomes = index.commit(vec![
        add(1, 1.0),
        add(2, f32::NAN),
        (Op::Delete(vec![Id::Number(1), Id::Number(2)]), Task::new()),
        add(1, 3.0),
        add(1, 4.0),
    ]);
    let codes: Vec<_> = outcomes.into_iter().map(|outcome| outcome.map_err(|error| error.code)).collect();
    assert_eq!(codes, [Ok(0), Err(Code::NotFinite), Ok(1), Ok(0), Ok(1)]);
    assert_eq!(first_value(&index, 1), Some(4.0));
    drop(index);
    assert_eq!(first_value(&open(&path, PartialOptions::default()), 1), Some(4.0));
}

#[test]
fn callers_at_the_same_time_are_all_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let index = Arc::new(open(&path, PartialOptions::default()));
    std::thread::scope(|scope| {
        for caller in 0..8u64 {
            let index = index.clone();
            scope.spawn(move || {
                for n in 0..100 {
                    let id = caller * 1000 + n;
                    index.add(item(Id::Number(id), id as f32 + 1.0, None), &Task::new()).unwrap();
                    assert_eq!(first_value(&index, id), Some(id as f32 + 1.0));
                }
            });
        }
    });
    drop(index);
    let index = open(&path, PartialOptions::default());
    assert_eq!(index.len(), 800);
    assert!(
        (0..8).all(|caller| (0..100).all(|n| first_value(&index, caller * 1000 + n) == Some((caller * 1000 + n) as f32 + 1.0)))
    );
}

/// Checkpoints are made by themselves, and the log and the time to open stay bounded.
#[test]
fn the_log_is_trimmed_behind_checkpoints() {
    for vectors in [Placement::Memory, Placement::Disk] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index");
        let given = PartialOptions { log_bytes: Some(20_000), vectors: Some(vectors), ..PartialOptions::default() };
        let index = open(&path, given.clone());
        for n in 0..500 {
            index.add(clustered(20, DIMS, n * 20, n + 1), &Task::new()).unwrap();
            // The log is four times as long as asked for at most, and one more of its kind is kept for the older manifest.
            assert!(index.stats().unwrap().disk.log < 10 * 20_000 + 4 * (256 << 10), "{:?}", index.stats().unwrap().disk);
        }
        let stats = index.stats().unwrap();
        assert!(stats.writes.accepted > 500 * 20 * DIMS as u64 * 4);
        assert!(stats.writes.files < 20 * stats.writes.accepted, "{:?}", stats.writes);
        drop(index);
        let index = open(&path, given);
        assert_eq!(index.len(), 10_000);
        assert!(index.stats().unwrap().open.replayed < 300);
        for id in (0..10_000).step_by(97) {
            let row = clustered(20, DIMS, 0, id / 20 + 1).vectors[(id % 20) as usize * DIMS];
            assert_eq!(first_value(&index, id), Some(row));
        }
    }
}

/// Everything an index holds, in the order of the ids.
fn everything(index: &Index) -> Vec<Option<engine::Item>> {
    let (mut ids, _) = index.ids(0, usize::MAX).unwrap();
    ids.sort();
    index.get(&ids, Include { vector: true, metadata: true }).unwrap()
}

#[test]
fn a_snapshot_is_an_index_of_its_own() {
    for (memory, vectors) in [(true, Placement::Memory), (false, Placement::Memory), (false, Placement::Disk)] {
        let folder = tempfile::tempdir().unwrap();
        let given = PartialOptions {
            coarse: Some(Coarse::Hnsw),
            codes: Some(Codes::Sq8),
            vectors: Some(vectors),
            dimensions: Some(DIMS),
            ..PartialOptions::default()
        };
        let path = folder.path().join("index");
        let index = if memory { Index::new(given.complete(false).unwrap()).unwrap() } else { open(&path, given.clone()) };
        index.add(clustered(3_000, DIMS, 0, 1), &Task::new()).unwrap();
        index.optimize(&Task::new()).unwrap();
        index.add(item(Id::Text("late".into()), 2.0, Some("{}")), &Task::new()).unwrap();
        index.delete(&[Id::Number(5)]).unwrap();
        let before = everything(&index);
        let copy = folder.path().join("copy");
        std::thread::scope(|scope| {
            // Writes that come while the snapshot is made are in it as a whole or not at all.
            let writer = scope.spawn(|| {
                for n in 0..20 {
                    index.add(clustered(50, DIMS, 10_000 + n * 50, n), &Task::new()).unwrap();
                }
            });
            index.snapshot(&copy, &Task::new()).unwrap();
            writer.join().unwrap();
        });
        let again = index.snapshot(&copy, &Task::new()).unwrap_err();
        assert_eq!(again.code, Code::Argument, "{again}");
        let copied = Index::open(&copy, PartialOptions::default(), false, &Task::new()).unwrap();
        assert!(everything(&copied).len() >= before.len() && (copied.len() - before.len()).is_multiple_of(50));
        let ids: Vec<Id> = before.iter().flatten().map(|item| item.id.clone()).collect();
        assert!(copied.get(&ids, Include { vector: true, metadata: true }).unwrap() == before);
        let report = copied.verify(&Task::new()).unwrap();
        assert!(report.problems.is_empty() && report.files >= 7, "{report:?}");
        copied.add(item(Id::Number(1), 9.0, None), &Task::new()).unwrap();
        copied.close().unwrap();
        assert_eq!(index.len(), before.len() + 1000);
    }
}

#[test]
fn verify_finds_a_flipped_bit_in_any_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("index");
    let given = PartialOptions {
        coarse: Some(Coarse::Hnsw),
        codes: Some(Codes::Sq8),
        vectors: Some(Placement::Disk),
        ..PartialOptions::default()
    };
    let index = open(&path, given);
    index.add(clustered(2_000, DIMS, 0, 1), &Task::new()).unwrap();
    index.optimize(&Task::new()).unwrap();
    index.add(item(Id::Number(1), 2.0, Some("{}")), &Task::new()).unwrap();
    index.add(item(Id::Number(2), 2.0, Some("{}")), &Task::new()).unwrap();
    let report = index.verify(&Task::new()).unwrap();
    assert_eq!((report.problems.len(), report.rows), (0, 2_000), "{report:?}");
    let mut damaged = 0;
    for entry in std::fs::read_dir(&path).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        if !name.ends_with(".grain") {
            continue;
        }
        let whole = std::fs::read(&file).unwrap();
        let mut bytes = whole.clone();
        bytes[70] ^= 4;
        // In place: the index has the file open.
        std::fs::write(&file, &bytes).unwrap();
        let report = index.verify(&Task::new()).unwrap();
        // A log without records has nothing to damage there; one with a last record that is damaged tells by the log that follows.
        let log = name.starts_with("log-") && !report.problems.is_empty();
        let empty = whole[64..].iter().all(|&byte| byte == 0);
        assert!(log || empty || report.problems.iter().any(|problem| problem.contains(&name)), "{name}: {report:?}");
        std::fs::write(&file, &whole).unwrap();
        damaged += 1;
    }
    assert!(damaged >= 8, "{damaged}");
    assert!(index.verify(&Task::new()).unwrap().problems.is_empty());
}
