//! The checker is checked: a small correct store passes, and one with any of the classic mistakes is found out.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use engine::Id;
use sim::crash::Recording;
use sim::disk::{Fault, Image, SimDisk, Way, hash_bytes};
use sim::oracle::{Contents, Crash, History, Kind, Stored};
use store::{File, Vfs, read_exact_at, write_all_at};

/// What a store can do wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Flaw {
    None,
    /// The new file's name is not synced.
    ForgetsDirectory,
    /// A write is acknowledged before it is synced.
    AcknowledgesEarly,
    /// After a failed sync it syncs again, and believes it.
    RetriesSync,
    /// Records have no checksum.
    NoChecksum,
    /// A new log is begun after every second record, the one before not being synced to its end.
    LeavesLogUnsynced,
    /// The log is written anew under another name, which replaces the old one before the new one is synced.
    RenamesEarly,
}

/// A log of numbers, in records that are longer than a sector.
struct Toy {
    disk: SimDisk,
    flaw: Flaw,
    log: Arc<dyn File>,
    logs: u64,
    len: u64,
    written: Vec<u64>,
}

const RECORD: usize = 1200;

fn record(number: u64) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().repeat(RECORD / 8 - 1);
    bytes.extend(hash_bytes(&bytes).to_le_bytes());
    bytes
}

impl Toy {
    fn create(disk: &SimDisk, flaw: Flaw) -> Self {
        let log = disk.create(Path::new("/log-0")).unwrap();
        if flaw != Flaw::ForgetsDirectory {
            disk.sync_dir(Path::new("/")).unwrap();
        }
        Self { disk: disk.clone(), flaw, log, logs: 1, len: 0, written: Vec::new() }
    }

    fn add(&mut self, number: u64) {
        if self.flaw == Flaw::LeavesLogUnsynced && self.written.len() % 2 == 1 {
            self.log = self.disk.create(Path::new(&format!("/log-{}", self.logs))).unwrap();
            self.disk.sync_dir(Path::new("/")).unwrap();
            (self.logs, self.len) = (self.logs + 1, 0);
        }
        write_all_at(&*self.log, &record(number), self.len).unwrap();
        self.len += RECORD as u64;
        self.written.push(number);
        match self.flaw {
            Flaw::AcknowledgesEarly => {}
            Flaw::LeavesLogUnsynced if self.written.len() % 2 == 1 => {}
            Flaw::RetriesSync => while self.log.sync_data().is_err() {},
            _ => self.log.sync_data().unwrap(),
        }
    }

    fn compact(&mut self) {
        let new = self.disk.create(Path::new("/new")).unwrap();
        let all: Vec<u8> = self.written.iter().flat_map(|number| record(*number)).collect();
        write_all_at(&*new, &all, 0).unwrap();
        if self.flaw != Flaw::RenamesEarly {
            new.sync_data().unwrap();
        }
        self.disk.rename(Path::new("/new"), Path::new("/log-0")).unwrap();
        self.disk.sync_dir(Path::new("/")).unwrap();
        new.sync_data().unwrap();
        self.log = new;
    }
}

/// The numbers that a store finds: of each log as many records as are whole.
fn recover(disk: &SimDisk, flaw: Flaw) -> Contents {
    let mut numbers = BTreeSet::new();
    for log in 0.. {
        let Ok(file) = disk.open(Path::new(&format!("/log-{log}"))) else { break };
        let mut bytes = vec![0; RECORD];
        for at in (0..).step_by(RECORD) {
            let whole = read_exact_at(&*file, &mut bytes, at).is_ok();
            let number = u64::from_le_bytes(bytes[..8].try_into().unwrap());
            if !whole || (flaw != Flaw::NoChecksum && bytes != record(number)) {
                break;
            }
            numbers.insert(number);
        }
    }
    contents(&numbers)
}

fn contents(numbers: &BTreeSet<u64>) -> Contents {
    numbers.iter().map(|&number| (Id::Number(number), Stored { vector: Vec::new(), metadata: None })).collect()
}

/// The kinds of findings in all images of a workload.
fn findings(flaw: Flaw) -> Vec<Kind> {
    let disk = SimDisk::recording(&Image::default());
    let mut toy = Toy::create(&disk, flaw);
    let opened = disk.position();
    let mut history = History::new(Contents::new(), true);
    let mut numbers = BTreeSet::new();
    for number in 100..104 {
        if flaw == Flaw::RetriesSync && number == 102 {
            // The write is call 0, its sync call 1.
            disk.plan(vec![Fault { call: 1, way: Way::Sync, lasting: false }]);
        }
        let began = disk.position();
        toy.add(number);
        numbers.insert(number);
        history.write(began, Some(disk.position()), contents(&numbers));
    }
    if flaw == Flaw::RetriesSync {
        assert!(disk.heal().retried_syncs > 0);
    }
    if flaw != Flaw::LeavesLogUnsynced {
        toy.compact();
    }
    let recording = Recording { base: Image::default(), journal: disk.journal(), history, opened };
    let mut kinds = BTreeSet::new();
    recording.visit(0, 1, |at, number, images| {
        let found = recover(&SimDisk::new(&images.image(number)), flaw);
        let crash = if number == 1 { Crash::Kill } else { Crash::PowerLoss };
        if let Err(finding) = recording.history.prefix(&found, recording.history.bounds(at, crash)) {
            kinds.insert(finding.kind);
        }
        ControlFlow::Continue(())
    });
    kinds.into_iter().collect()
}

#[test]
fn a_correct_store_passes() {
    assert_eq!(findings(Flaw::None), []);
}

#[test]
fn every_mistake_is_found() {
    assert_eq!(findings(Flaw::ForgetsDirectory), [Kind::Lost]);
    assert_eq!(findings(Flaw::AcknowledgesEarly), [Kind::Lost]);
    assert_eq!(findings(Flaw::RetriesSync), [Kind::Lost]);
    assert_eq!(findings(Flaw::NoChecksum), [Kind::Hole]);
    assert_eq!(findings(Flaw::LeavesLogUnsynced), [Kind::Lost, Kind::Hole]);
    assert_eq!(findings(Flaw::RenamesEarly), [Kind::Lost]);
}
