//! Rows come back whole, in any order, from memory or from the device, and reading can be stopped.

mod common;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use common::*;
use store::{Buffer, DenseFile, Directory, Error, File, Mode, ReadPool, Reads, Request, Vfs};
use task::Cancel;

/// Rows 0 to 1,000 in extents of 1, 0, 500 and 499 rows.
const PARTS: [std::ops::Range<u32>; 4] = [0..1, 1..1, 1..501, 501..1000];

fn written(path: &Path, stride: usize) {
    let index = create(path);
    let files: Vec<_> = PARTS.map(|rows| extent(&index, rows, stride)).into();
    index.publish(b"", &files, None).unwrap();
}

fn opened(vfs: Arc<dyn Vfs>, path: &Path) -> DenseFile {
    let index = Directory::open(vfs, path, Mode::Read).unwrap();
    let manifest = index.manifest().unwrap();
    let extents = manifest.files().iter().map(|file| index.open_extent(file, &task()).unwrap());
    DenseFile::new(extents).unwrap()
}

/// Reads the rows and holds each against what was written; every position must come exactly once.
fn compare(dense: &DenseFile, pool: &ReadPool, rows: &[u32], stride: usize) {
    let mut seen = vec![0; rows.len()];
    let align = 1 << stride.trailing_zeros().min(6);
    let mut each = |position: usize, bytes: &[u8]| {
        assert_eq!(bytes, record(rows[position], stride), "row {}", rows[position]);
        assert_eq!(bytes.as_ptr().align_offset(align), 0, "stride {stride}");
        seen[position] += 1;
    };
    dense.read_with(pool, rows, &task(), &mut each).unwrap();
    assert!(seen.iter().all(|count| *count == 1));
}

#[test]
fn any_rows_in_any_order_on_any_disk() {
    let pool = ReadPool::new(3);
    for stride in [1, 3, 16, 400, 4096, 5000, 70_000] {
        let dir = tempfile::tempdir().unwrap();
        written(dir.path(), stride);
        for cache in [Cache::Real, Cache::Absent, Cache::Unknown, Cache::Half] {
            let disk = Disk::with(cache, |_, _| Ok(()));
            disk.state.short.store(if stride < 4096 { 777 } else { 0 }, Ordering::Relaxed);
            let dense = opened(Arc::new(disk), dir.path());
            assert_eq!((dense.rows(), dense.extents().len()), (1000, 4));
            let mut random = Random(stride as u64);
            compare(&dense, &pool, &[], stride);
            compare(&dense, &pool, &[999, 0, 500, 501, 1, 1, 0, 999], stride);
            let few: Vec<u32> = (0..200).map(|_| random.below(1000) as u32).collect();
            compare(&dense, &pool, &few, stride);
            compare(&dense, &pool, &(0..1000).rev().collect::<Vec<_>>(), stride);
            assert_eq!(dense.reads().rows, 8 + 200 + 1000);
        }
    }
}

#[test]
fn the_pool_of_the_process_reads_too() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 5000);
    let dense = opened(Arc::new(Disk::with(Cache::Absent, |_, _| Ok(()))), dir.path());
    compare(&dense, ReadPool::global(), &(0..1000).collect::<Vec<_>>(), 5000);
    let threads = ReadPool::global().threads();
    assert!((1..=32).contains(&threads), "{threads}");
    let mut sum = 0;
    dense.read(&[3, 4], &task(), |_, bytes| sum += bytes[0]).unwrap();
    assert_eq!(sum, 7);
}

#[test]
fn reading_may_be_done_while_reading() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 400);
    let dense = opened(real(), dir.path());
    let mut inner = 0;
    let outer = |_: usize, outer: &[u8]| {
        let row = u32::from_le_bytes(*outer.first_chunk().unwrap());
        dense.read(&[row, 999 - row], &task(), |_, _| inner += 1).unwrap();
        assert_eq!(outer, record(row, 400), "what the outer call holds is left alone");
    };
    dense.read(&[7, 700], &task(), outer).unwrap();
    assert_eq!(inner, 4);
}

#[test]
fn neighbours_are_read_at_once() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 400);
    let disk = Disk::with(Cache::Unknown, |_, _| Ok(()));
    let state = disk.state.clone();
    let dense = opened(Arc::new(disk), dir.path());
    let count = |rows: &[u32]| {
        state.log.lock().unwrap().clear();
        let before = dense.reads();
        compare(&dense, &ReadPool::new(0), rows, 400);
        (state.log.lock().unwrap().len(), dense.reads().bytes - before.bytes)
    };
    assert_eq!(count(&(1..101).collect::<Vec<_>>()), (1, 40_000));
    assert_eq!(count(&[10, 20]), (1, 11 * 400), "a gap of 9 rows, 3,600 bytes");
    assert_eq!(count(&[10, 22]), (2, 2 * 400), "a gap of 11 rows, 4,400 bytes");
    assert_eq!(count(&[0, 1]), (2, 2 * 400), "two files");
    let all = count(&(0..1000).collect::<Vec<_>>());
    assert_eq!(all.1, 400_000, "every byte once");
    assert!(all.0 < 12, "{} reads", all.0);
}

#[test]
fn a_scan_gives_every_row_in_order() {
    for stride in [1, 400, 300_000] {
        let dir = tempfile::tempdir().unwrap();
        let index = create(dir.path());
        let most = if stride > 1000 { 20 } else { 9_000 };
        let files = [extent(&index, 0..7, stride), extent(&index, 7..most, stride)];
        index.publish(b"", &files, None).unwrap();
        let dense = opened(real(), dir.path());
        for range in [0..most, 0..0, 5..9, 7..8, most - 1..most, most..most] {
            let (mut next, mut bytes) = (range.start, Vec::new());
            let each = |first: u32, records: &[u8]| {
                assert_eq!(first, next);
                next += (records.len() / stride) as u32;
                bytes.extend_from_slice(records);
            };
            dense.scan(range.clone(), &task(), each).unwrap();
            assert!(bytes == records(range, stride));
        }
        let rows = u64::from(most) + 4 + 1 + 1;
        assert_eq!(dense.reads(), Reads { rows, bytes: rows * stride as u64 });
    }
}

#[test]
fn rows_that_are_not_there_and_extents_that_do_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let index = create(dir.path());
    let open = |rows, stride| index.open_extent(&extent(&index, rows, stride), &task()).unwrap();
    let mut dense = DenseFile::new([open(0..5, 8)]).unwrap();
    let older = dense.clone();
    assert!(matches!(dense.read(&[0, 5], &task(), |_, _| ()), Err(Error::Corrupt { what, .. }) if what.contains("row 5")));
    assert!(matches!(dense.scan(3..6, &task(), |_, _| ()), Err(Error::Corrupt { what, .. }) if what.contains("row 5")));
    assert!(DenseFile::default().read(&[0], &task(), |_, _| ()).is_err());
    assert!(DenseFile::default().read(&[], &task(), |_, _| ()).is_ok());
    assert!(matches!(dense.push(open(6..9, 8)), Err(Error::Corrupt { .. })), "a gap");
    assert!(matches!(dense.push(open(4..9, 8)), Err(Error::Corrupt { .. })), "an overlap");
    assert!(matches!(dense.push(open(5..9, 16)), Err(Error::Corrupt { .. })), "another stride");
    dense.push(open(5..9, 8)).unwrap();
    assert_eq!((older.rows(), dense.rows()), (5, 9));
    compare(&dense, &ReadPool::new(0), &[8, 4], 8);
    assert_eq!(older.reads().rows, 2, "counted together");
    assert_eq!(dense.memory(), 9 * 4);
}

#[test]
fn as_many_reads_as_threads_are_under_way_together_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 5000);
    for threads in [0, 1, 7] {
        let pool = ReadPool::new(threads);
        let meeting = Arc::new(Meeting::default());
        let (inside, most, armed) =
            (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let on_read = {
            let (inside, most, armed) = (inside.clone(), most.clone(), armed.clone());
            move |_, _| {
                if !armed.load(Ordering::SeqCst) {
                    return Ok(());
                }
                most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                let met = meeting.join(threads + 1);
                inside.fetch_sub(1, Ordering::SeqCst);
                met
            }
        };
        let dense = opened(Arc::new(Disk::with(Cache::Absent, on_read)), dir.path());
        armed.store(true, Ordering::SeqCst);
        let apart: Vec<u32> = (0..1000).step_by(2).collect();
        for _ in 0..3 {
            compare(&dense, &pool, &apart, 5000);
        }
        assert_eq!((pool.threads(), most.load(Ordering::SeqCst)), (threads, threads + 1));
    }
}

#[test]
fn callers_share_a_pool() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 5000);
    let dense = opened(Arc::new(Disk::with(Cache::Absent, |_, _| Ok(()))), dir.path());
    let pool = ReadPool::new(2);
    thread::scope(|scope| {
        for seed in 1..5 {
            let (dense, pool) = (&dense, &pool);
            scope.spawn(move || {
                let mut random = Random(seed);
                for _ in 0..20 {
                    let rows: Vec<u32> = (0..100).map(|_| random.below(1000) as u32).collect();
                    compare(dense, pool, &rows, 5000);
                }
            });
        }
    });
    assert_eq!((dense.reads().rows, pool.threads()), (4 * 20 * 100, 2));
}

#[test]
fn a_stopped_call_ends_though_the_device_does_not_answer() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 5000);
    let (stop, phase, late) = (Cancel::new(), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let [stuck, answer, after] = [(); 3].map(|()| Arc::new(Meeting::default()));
    let on_read = {
        let (stop, phase, late) = (stop.clone(), phase.clone(), late.clone());
        let (stuck, answer, after) = (stuck.clone(), answer.clone(), after.clone());
        move |_, len| match phase.load(Ordering::SeqCst) {
            0 => Ok(()),
            1 if thread::current().name() == Some("bigrain-read") => {
                stuck.join(1)?;
                answer.join(3) // the two readers and the test
            }
            1 => {
                stuck.join(3)?; // the readers are in it
                stop.cancel();
                Ok(())
            }
            _ if len == 5000 => {
                late.fetch_add(1, Ordering::SeqCst);
                Ok(())
            }
            _ => after.join(3), // the readers and the caller
        }
    };
    let dense = opened(Arc::new(Disk::with(Cache::Absent, on_read)), dir.path());
    phase.store(1, Ordering::SeqCst);
    let pool = ReadPool::new(2);
    let apart: Vec<u32> = (0..1000).step_by(2).collect();
    let mut calls = 0;
    let task = task().with_cancel(stop);
    let read = dense.read_with(&pool, &apart, &task, |_, _| calls += 1);
    assert!(matches!(read, Err(Error::Aborted)), "{read:?}");
    assert_eq!(calls, 1, "the caller's own");
    assert!(matches!(dense.read_with(&pool, &[1], &task, |_, _| ()), Err(Error::Aborted)));
    assert!(matches!(dense.scan(0..1, &task, |_, _| ()), Err(Error::Aborted)));
    // The readers go on to the next call, in which pairs of rows are read, and not to what nobody wants any more.
    phase.store(2, Ordering::SeqCst);
    answer.join(3).unwrap();
    let pairs: Vec<u32> = (501..900).step_by(4).flat_map(|row| [row, row + 1]).collect();
    compare(&dense, &pool, &pairs, 5000);
    assert_eq!(late.load(Ordering::SeqCst), 0);
}

#[test]
fn failures_of_the_device_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    written(dir.path(), 5000);
    for (cache, threads) in [(Cache::Absent, 3), (Cache::Absent, 0), (Cache::Unknown, 0)] {
        let armed = Arc::new(AtomicBool::new(false));
        let gate = armed.clone();
        let on_read = move |at, _| match at {
            4_999_999.. => Ok(()),
            _ if gate.load(Ordering::SeqCst) => Err(io::Error::other("bad sector")),
            _ => Ok(()),
        };
        let dense = opened(Arc::new(Disk::with(cache, on_read)), dir.path());
        armed.store(true, Ordering::SeqCst);
        let read = dense.read_with(&ReadPool::new(threads), &[900, 3, 50], &task(), |_, _| ());
        let error = read.unwrap_err();
        assert!(matches!(&error, Error::Io { op: "read", path, .. } if path.starts_with(dir.path())), "{error}");
        assert!(error.to_string().contains("bad sector") && error.to_string().contains(".grain"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
        assert!(dense.scan(0..9, &task(), |_, _| ()).is_err());
    }
}

#[derive(Debug)]
struct Panics;

impl File for Panics {
    fn len(&self) -> io::Result<u64> {
        Ok(1 << 20)
    }
    fn read_at(&self, buf: &mut [u8], _at: u64) -> io::Result<usize> {
        assert!(thread::current().name() != Some("bigrain-read"), "a panic that the test wants");
        Ok(buf.len())
    }
    fn write_at(&self, _bytes: &[u8], _at: u64) -> io::Result<usize> {
        unreachable!("nobody writes")
    }
    fn sync_data(&self) -> io::Result<()> {
        unreachable!("nobody writes")
    }
}

#[test]
fn a_reader_that_panics_is_an_error_and_not_a_hang() {
    let pool = ReadPool::new(1);
    let file: Arc<dyn File> = Arc::new(Panics);
    let (mut good, mut bad) = (0, 0);
    // The caller alone would finish sooner or later; it goes on until the other thread had its turn.
    while bad == 0 {
        let requests = (0..64).map(|at| Request { file: file.clone(), at, len: 64 << 10 }).collect();
        let each = |_: usize, read: io::Result<&[u8]>| {
            *(if read.is_ok() { &mut good } else { &mut bad }) += 1;
            Ok(())
        };
        pool.read(requests, &mut Buffer::default(), &task(), each).unwrap();
    }
    assert_eq!((good + bad) % 64, 0);
    assert_eq!(pool.threads(), 1);
}
