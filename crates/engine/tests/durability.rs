//! What was acknowledged is there again, however the index ended.

mod common;

use std::path::Path;
use std::sync::Arc;

use common::clustered;
use engine::{Batch, Code, Durability, Id, Include, Index, Op, PartialOptions, Placement, Precision};
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
    assert!((0..8).all(|caller| (0..100).all(|n| first_value(&index, caller * 1000 + n) == Some((caller * 1000 + n) as f32 + 1.0))));
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
