//! What may be opened, what is published, what is cleaned away, and what a failing disk leaves.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use common::*;
use store::{Directory, Error, Mode, Vfs};
use task::Cancel;

fn open(path: &Path, mode: Mode) -> Result<Directory, Error> {
    Directory::open(real(), path, mode)
}

fn body(path: &Path) -> Vec<u8> {
    open(path, Mode::Read).unwrap().manifest().unwrap().body().to_vec()
}

#[test]
fn what_is_published_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("not/there/yet");
    let index = create(&path);
    assert!(index.manifest().is_none());
    assert!(index.is_writable());
    let sizes = [0, 1, 100, 65_535, 65_536, 65_537, 200_000, 1 << 20, 3_000_000];
    let contents: Vec<_> = sizes.iter().map(|size| Random(*size as u64 + 1).bytes(*size)).collect();
    // In one piece, and in pieces that do not fit the blocks.
    let mut files: Vec<_> = contents.iter().map(|bytes| write(&index, "ids", bytes)).collect();
    files.extend(
        contents.iter().map(|bytes| index.write_file("codes", |f| bytes.chunks(7_001).try_for_each(|c| f.write(c))).unwrap()),
    );
    index.publish(b"state", &files, None).unwrap();
    drop(index);

    let index = open(&path, Mode::Read).unwrap();
    let manifest = index.manifest().unwrap();
    assert_eq!((manifest.number(), manifest.body()), (1, &b"state"[..]));
    assert_eq!(manifest.files(), files);
    for (file, bytes) in manifest.files().iter().zip(contents.iter().chain(&contents)) {
        assert!(index.read_file(file, &task()).unwrap() == *bytes, "{}", file.name());
        assert_eq!(file.len(), fs::metadata(path.join(file.name())).unwrap().len());
    }
    assert_eq!(manifest.files_of("codes").count(), sizes.len());
    let stopped = Cancel::new();
    stopped.cancel();
    assert!(matches!(index.read_file(&files[8], &task().with_cancel(stopped)), Err(Error::Aborted)));
}

#[test]
fn modes_and_what_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let nothing = dir.path().join("nothing");
    let file = dir.path().join("file");
    fs::write(&file, "x").unwrap();
    let foreign = dir.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("notes.txt"), "mine").unwrap();
    let headless = dir.path().join("headless");
    fs::create_dir(&headless).unwrap();
    fs::write(headless.join("ids-4.grain"), "?").unwrap();

    for mode in [Mode::Create, Mode::Write, Mode::Read] {
        assert!(matches!(open(&file, mode), Err(Error::IsFile { path }) if path == file));
        assert!(matches!(open(&foreign, mode), Err(Error::NotAnIndex { why, .. }) if why.contains("notes.txt")));
        assert!(matches!(open(&headless, mode), Err(Error::Corrupt { file, .. }) if file == headless));
    }
    for mode in [Mode::Write, Mode::Read] {
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(open(&nothing, mode), Err(Error::NotFound { path }) if path == nothing));
        assert!(matches!(open(empty.path(), mode), Err(Error::NotFound { .. })));
        assert!(names(empty.path()).is_empty(), "{mode:?} leaves nothing behind");
    }
    assert!(!nothing.exists());
    assert_eq!(names(&foreign), ["notes.txt"]);
    assert_eq!(names(&headless), ["ids-4.grain"]);

    // An index in which nothing was published is not there yet, but can be created again.
    drop(create(&nothing));
    assert!(matches!(open(&nothing, Mode::Read), Err(Error::NotFound { .. })));
    assert!(matches!(open(&nothing, Mode::Write), Err(Error::NotFound { .. })));
    create(&nothing).publish(b"1", &[], None).unwrap();
    assert!(open(&nothing, Mode::Write).unwrap().is_writable());
    assert_eq!(create(&nothing).manifest().unwrap().body(), b"1", "Create opens what is there");
    // An empty directory is taken; so is one where a creation was cut short.
    let cut = tempfile::tempdir().unwrap();
    fs::write(cut.path().join("LOCK"), "").unwrap();
    fs::write(cut.path().join("manifest-0.tmp"), "torn").unwrap();
    create(cut.path()).publish(b"2", &[], None).unwrap();
    assert_eq!(names(cut.path()), ["LOCK", "manifest-0", "manifest-1"]);
}

#[test]
fn a_reader_writes_nothing_and_cannot() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path()).publish(b"1", &[], None).unwrap();
    fs::remove_file(dir.path().join("LOCK")).unwrap();
    fs::write(dir.path().join("ids-9.grain"), "orphan").unwrap();
    let before = names(dir.path());
    let reader = open(dir.path(), Mode::Read).unwrap();
    assert!(matches!(reader.publish(b"2", &[], None), Err(Error::ReadOnly { .. })));
    assert!(matches!(reader.write_file("ids", |_| Ok(())), Err(Error::ReadOnly { .. })));
    assert!(matches!(reader.write_extent("dense", 4, 0), Err(Error::ReadOnly { .. })));
    drop(reader);
    assert_eq!(names(dir.path()), before);
}

#[test]
fn two_manifests_and_their_files_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let index = create(dir.path());
    fs::write(dir.path().join("theirs-1.txt"), "not ours").unwrap();
    let base = write(&index, "base", b"always");
    let mut files = Vec::new();
    for n in 1..=4u8 {
        files.push(write(&index, "ids", &[n]));
        index.publish(&[n], &[base.clone(), files[n as usize - 1].clone()], None).unwrap();
    }
    assert_eq!(
        names(dir.path()),
        ["LOCK", "base-0.grain", "ids-3.grain", "ids-4.grain", "manifest-3", "manifest-4", "theirs-1.txt"]
    );
    // What a crash may leave goes when a writer opens; a reader beside it would not mind.
    for orphan in ["ids-77.grain", "manifest-5.tmp", "dense-5.grain"] {
        fs::write(dir.path().join(orphan), "orphan").unwrap();
    }
    drop(index);
    let index = open(dir.path(), Mode::Write).unwrap();
    assert_eq!(
        names(dir.path()),
        ["LOCK", "base-0.grain", "ids-3.grain", "ids-4.grain", "manifest-3", "manifest-4", "theirs-1.txt"]
    );
    assert!(write(&index, "ids", b"5").number() > 77, "numbers are not used again");
    // Finished but unpublished files outlive publications of others, until they are published or discarded.
    let (kept, gone) = (write(&index, "ids", b"later"), write(&index, "ids", b"never"));
    let mut begun = index.write_extent("dense", 8, 0).unwrap();
    for n in [6, 7, 8] {
        index.publish(&[n], std::slice::from_ref(&base), None).unwrap();
    }
    index.discard(&gone);
    assert!(!dir.path().join(gone.name()).exists());
    begun.append(&[1; 16]).unwrap();
    let begun = begun.finish().unwrap();
    index.publish(b"9", &[kept.clone(), begun.clone()], None).unwrap();
    assert_eq!(index.read_file(&kept, &task()).unwrap(), b"later");
    assert_eq!(index.open_extent(&begun, &task()).unwrap().rows(), 2);
    // A published file cannot be discarded, one that is gone cannot be published.
    index.discard(&kept);
    assert!(dir.path().join(kept.name()).exists());
    assert!(matches!(index.publish(b"10", &[gone], None), Err(Error::Io { op: "publish", .. })));
    index.publish(b"10", &[kept], None).unwrap();
}

#[test]
fn an_abandoned_file_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let index = create(dir.path());
    let before = names(dir.path());
    assert!(matches!(
        index.write_file("ids", |file| file.write(&vec![0; 100_000]).and(Err(Error::Aborted))),
        Err(Error::Aborted)
    ));
    let mut extent = index.write_extent("dense", 3, 0).unwrap();
    extent.append(&[0; 9]).unwrap();
    assert!(matches!(extent.append(&[0; 4]), Err(Error::Io { .. })), "not a whole record");
    assert_eq!(extent.rows(), 3);
    drop(extent);
    assert_eq!(names(dir.path()), before);
    for bad in ["", "Ids", "manifest", "a/b", "..", "ids-1", "seventeenletterss"] {
        assert!(matches!(index.write_file(bad, |_| Ok(())), Err(Error::Io { op: "create", .. })), "{bad:?}");
    }
    for stride in [0, store::MAX_STRIDE + 1] {
        assert!(matches!(index.write_extent("dense", stride, 0), Err(Error::Io { op: "create", .. })), "{stride}");
    }
    let mut end = index.write_extent("dense", 1, u32::MAX - 2).unwrap();
    end.append(&[1, 2]).unwrap();
    assert!(matches!(end.append(&[3]), Err(Error::Io { op: "write", .. })), "row numbers end");
}

#[test]
fn a_damaged_older_manifest_keeps_nobody_out_and_nothing_is_cleaned_on_its_word() {
    let dir = tempfile::tempdir().unwrap();
    let index = create(dir.path());
    let old = write(&index, "ids", b"1");
    index.publish(b"1", std::slice::from_ref(&old), None).unwrap();
    index.publish(b"2", &[], None).unwrap();
    drop(index);
    fs::write(dir.path().join("manifest-1"), "damaged").unwrap();
    assert_eq!(body(dir.path()), b"2");
    let index = open(dir.path(), Mode::Write).unwrap();
    assert!(dir.path().join(old.name()).exists(), "the damaged manifest may have named it");
    index.publish(b"3", &[], None).unwrap();
    assert_eq!(names(dir.path()), ["LOCK", "manifest-2", "manifest-3"]);
}

#[test]
fn a_manifest_under_another_number_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    create(dir.path()).publish(b"1", &[], None).unwrap();
    fs::copy(dir.path().join("manifest-1"), dir.path().join("manifest-2")).unwrap();
    for mode in [Mode::Create, Mode::Write, Mode::Read] {
        let error = open(dir.path(), mode).unwrap_err();
        assert!(matches!(&error, Error::Corrupt { file, .. } if file.ends_with("manifest-2")), "{error}");
        assert!(error.to_string().contains("manifest-2"), "{error}");
    }
}

#[test]
fn a_reader_beside_a_writer_keeps_its_state_and_can_take_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let writer = create(dir.path());
    let rows = extent(&writer, 0..10, 8);
    writer.publish(b"1", std::slice::from_ref(&rows), None).unwrap();
    let reader = open(dir.path(), Mode::Read).unwrap();
    assert!(!reader.refresh().unwrap());
    let dense = store::DenseFile::new([reader.open_extent(&rows, &task()).unwrap()]).unwrap();
    let ids = write(&writer, "ids", b"x");
    for n in 2..5 {
        writer.publish(&[n], std::slice::from_ref(&ids), None).unwrap();
    }
    assert!(!dir.path().join(rows.name()).exists());
    if cfg!(unix) {
        let mut seen = 0;
        dense.read(&[9, 0], &task(), |position, bytes| seen += usize::from(bytes == record([9, 0][position], 8))).unwrap();
        assert_eq!(seen, 2, "open files are read on");
    }
    assert!(matches!(reader.open_extent(&rows, &task()), Err(Error::Corrupt { what, .. }) if what.contains("missing")));
    assert_eq!(reader.manifest().unwrap().body(), b"1");
    assert!(reader.refresh().unwrap());
    assert_eq!(reader.manifest().unwrap().body(), [4]);
    assert_eq!(reader.read_file(&ids, &task()).unwrap(), b"x");
}

#[test]
fn readers_race_a_writer_and_always_find_a_whole_state() {
    let dir = tempfile::tempdir().unwrap();
    let writer = create(dir.path());
    writer.publish(&[0; 1000], &[], None).unwrap();
    let stop = Cancel::new();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut last = 0;
                    while !stop.is_cancelled() {
                        let body = body(dir.path());
                        assert!(body.len() == 1000 && body.iter().all(|b| *b == body[0]) && body[0] >= last);
                        last = body[0];
                    }
                })
            })
            .collect();
        for n in 1..=100 {
            writer.publish(&[n; 1000], &[], None).unwrap();
        }
        stop.cancel();
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    });
}

/// A second writer is told at once: within 50 ms, in the best of some tries, for others use this machine too.
fn refused(path: &Path, mode: Mode) {
    let best = (0..10).map(|_| {
        let begun = Instant::now();
        assert!(matches!(open(path, mode), Err(Error::Locked { .. })));
        begun.elapsed()
    });
    assert!(best.min().unwrap() < Duration::from_millis(50));
}

#[test]
fn one_writer_at_a_time_in_a_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let first = create(&path);
    let roundabout = dir.path().join("index/../index/.");
    for (path, mode) in [(&path, Mode::Create), (&path, Mode::Write), (&roundabout, Mode::Write)] {
        refused(path, mode);
    }
    drop(first);
    let first = create(&roundabout);
    first.publish(b"1", &[], None).unwrap();
    assert!(matches!(open(&path, Mode::Write), Err(Error::Locked { .. })));
    assert!(open(&path, Mode::Read).is_ok());
    drop(first);
    assert!(open(&path, Mode::Write).is_ok());
}

/// In the child this opens the index and waits to be killed; otherwise it does nothing.
#[test]
fn child_holds_the_lock() {
    let Some(path) = std::env::var_os("BIGRAIN_TEST_HOLD").map(PathBuf::from) else { return };
    let _index = create(&path);
    fs::write(path.with_extension("ready"), "").unwrap();
    let mut line = String::new();
    let _ = std::io::stdin().read_line(&mut line); // until the parent is gone, at the latest
}

#[test]
fn one_writer_at_a_time_among_processes_and_the_lock_dies_with_its_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("index");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child_holds_the_lock", "--nocapture"])
        .env("BIGRAIN_TEST_HOLD", &path)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    while !path.with_extension("ready").exists() {
        assert!(begun.elapsed() < PATIENCE && child.try_wait().unwrap().is_none(), "the child did not come up");
        std::thread::yield_now();
    }
    refused(&path, Mode::Create);
    child.kill().unwrap();
    child.wait().unwrap();
    create(&path).publish(b"mine", &[], None).unwrap();
}

#[test]
fn everything_is_synced_before_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new();
    let state = disk.state.clone();
    let path = dir.path().join("a/b");
    let index = Directory::open(Arc::new(disk), &path, Mode::Create).unwrap();
    let top = dir.path().file_name().unwrap().to_str().unwrap();
    let made = state.changes();
    let first = ["mkdir a", &format!("syncdir {top}"), "mkdir b", "syncdir a", "lock LOCK", "syncdir a"];
    assert_eq!(made[..6], first);
    let publication = |n| {
        let (temporary, name) = (format!("manifest-{n}.tmp"), format!("manifest-{n}"));
        let mut steps: Vec<_> = ["remove", "create", "write", "sync"].map(|op| format!("{op} {temporary}")).into();
        steps.extend(["syncdir b".into(), format!("rename {name}"), "syncdir b".into()]);
        steps
    };
    assert_eq!(made[6..], publication(0));
    let ids = write(&index, "ids", b"x");
    assert_eq!(state.changes(), ["create ids-0.grain", "write ids-0.grain", "sync ids-0.grain"]);
    index.publish(b"1", &[ids], None).unwrap();
    assert_eq!(state.changes(), publication(1));
    index.publish(b"2", &[], None).unwrap();
    let mut steps = publication(2);
    steps.push("remove manifest-0".into());
    assert_eq!(state.changes(), steps);
}

/// Creation, files, two publications.
fn workload(vfs: Arc<dyn Vfs>, path: &Path, published: &mut Vec<Vec<u8>>) -> Result<(), Error> {
    let index = Directory::open(vfs, path, Mode::Create)?;
    for n in 0..3u8 {
        let ids = index.write_file("ids", |file| file.write(&vec![n; 70_000]))?;
        let mut dense = index.write_extent("dense", 16, 0)?;
        dense.append(&records(0..u32::from(n), 16))?;
        let dense = dense.finish()?;
        published.push(vec![n]);
        index.publish(&[n], &[ids, dense], None)?;
        published.drain(..published.len() - 1);
    }
    Ok(())
}

/// `states`: what may be found: the last acknowledged state, or the one whose publication failed.
fn check(path: &Path, states: &[Vec<u8>]) {
    let index = create(path);
    let Some(manifest) = index.manifest() else {
        assert!(states.len() < 2, "an acknowledged state is gone");
        return;
    };
    assert!(states.iter().any(|state| state == manifest.body()), "{:?} is none of {states:?}", manifest.body());
    let n = manifest.body()[0];
    assert_eq!(index.read_file(&manifest.files()[0], &task()).unwrap(), vec![n; 70_000]);
    let dense = store::DenseFile::new([index.open_extent(&manifest.files()[1], &task()).unwrap()]).unwrap();
    dense.scan(0..u32::from(n), &task(), |first, bytes| assert_eq!(bytes, records(first..u32::from(n), 16))).unwrap();
}

#[test]
fn whatever_call_fails_the_last_published_state_is_there() {
    let mut failures = 0;
    for fuse in 1.. {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let disk = Disk::new();
        disk.state.fuse.store(fuse, Ordering::Relaxed);
        let state = disk.state.clone();
        let mut published = Vec::new();
        let result = workload(Arc::new(disk), &path, &mut published);
        if !state.fired.load(Ordering::Relaxed) {
            assert!(result.is_ok());
            break;
        }
        let last = state.log.lock().unwrap()[fuse as usize - 1].clone();
        let harmless = last.starts_with("remove") || last.starts_with("list") && result.is_ok();
        match result {
            Ok(()) => assert!(harmless, "{last} failed and nobody said so"),
            Err(Error::Io { ref source, .. }) => assert!(source.to_string().starts_with("injected"), "{last}: {source}"),
            Err(e) => panic!("{last}: {e}"),
        }
        failures += 1;
        check(&path, &published);
        check(&path, &published);
    }
    assert!(failures > 60, "{failures}");
}

#[test]
fn short_reads_and_writes_are_gone_on_with() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new();
    disk.state.short.store(1000, Ordering::Relaxed);
    let vfs: Arc<dyn Vfs> = Arc::new(disk);
    workload(vfs.clone(), dir.path(), &mut Vec::new()).unwrap();
    check(dir.path(), &[vec![2]]);
    let index = Directory::open(vfs, dir.path(), Mode::Read).unwrap();
    assert_eq!(index.read_file(&index.manifest().unwrap().files()[0], &task()).unwrap(), vec![2; 70_000]);
}

#[test]
fn after_a_failed_publication_there_is_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let disk = Disk::new();
    let state = disk.state.clone();
    let index = Directory::open(Arc::new(disk), dir.path(), Mode::Create).unwrap();
    index.publish(b"1", &[], None).unwrap();
    state.fuse.store(4, Ordering::Relaxed); // the sync of the new manifest
    assert!(matches!(index.publish(b"2", &[], None), Err(Error::Io { op: "sync", .. })));
    state.changes();
    assert!(matches!(index.publish(b"2", &[], None), Err(Error::Io { op: "publish", .. })));
    assert!(state.changes().is_empty(), "a failed sync is not tried again");
    assert_eq!(index.manifest().unwrap().body(), b"1");
    drop(index);
    let index = open(dir.path(), Mode::Write).unwrap();
    assert_eq!(index.manifest().unwrap().body(), b"1");
    index.publish(b"2", &[], None).unwrap();
}

#[test]
fn everything_may_be_shared_among_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Directory>();
    shared::<store::DenseFile>();
    shared::<store::ReadPool>();
    shared::<store::ExtentWriter>();
    shared::<Error>();
}
