//! The dense rows of an index: several extents that cover rows 0 to n.

use std::cell::RefCell;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use task::Task;

use crate::buffer::Buffer;
use crate::extent::Extent;
use crate::pool::{ReadPool, Request};
use crate::vfs::{Cached, read_exact_at};
use crate::{Error, Result};

/// Rows with no more bytes than this between them are read at once: a page more costs less than a system call.
const GAP: u64 = 4096;
/// The longest read that gathers rows.
const SPAN: u64 = 64 << 10;
/// The longest read of a scan.
const SCAN: usize = 1 << 20;
/// Bytes that may wait for the device at a time, for one call.
const WAITING: usize = 8 << 20;
/// A thread keeps its scratch memory after calls of up to so many rows.
const KEEP: usize = 1 << 16;
/// A read that takes longer was not served from memory.
const QUICK: Duration = Duration::from_micros(100);

/// What has been read since the file was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reads {
    /// Rows verified and handed out.
    pub rows: u64,
    /// Bytes read, the gaps between gathered rows included.
    pub bytes: u64,
}

#[derive(Debug, Default)]
struct Counters {
    rows: AtomicU64,
    bytes: AtomicU64,
}

/// Rows 0 to n of an index. Clones share files and counters; a clone made before a [`push`](Self::push) goes on
/// seeing the rows that it saw.
#[derive(Debug, Clone, Default)]
pub struct DenseFile {
    extents: Vec<Arc<Extent>>,
    counters: Arc<Counters>,
}

thread_local! {
    /// Kept from call to call, so that reading cached rows allocates nothing.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

#[derive(Debug, Default)]
struct Scratch {
    /// Row and position, as one number that sorts by row.
    order: Vec<u64>,
    buffer: Buffer,
}

/// Rows that one read brings: `order[keys]`, of extent `extent`.
#[derive(Debug, Clone)]
struct Span {
    extent: usize,
    keys: Range<usize>,
    first: u32,
    len: usize,
}

impl DenseFile {
    /// The rows of `extents`, which must follow one another from row 0 on.
    ///
    /// # Errors
    /// [`Error::Corrupt`] when they do not, or their strides differ.
    pub fn new(extents: impl IntoIterator<Item = Extent>) -> Result<Self> {
        let mut dense = Self::default();
        extents.into_iter().try_for_each(|extent| dense.push(extent))?;
        Ok(dense)
    }

    /// Appends the extent that follows.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn push(&mut self, extent: Extent) -> Result<()> {
        let stride = self.extents.first().map_or(extent.stride(), |first| first.stride());
        if extent.first_row() != self.rows() || extent.stride() != stride {
            let what = format!(
                "rows from {} on, of {} bytes, where row {} of {stride} bytes should follow",
                extent.first_row(),
                extent.stride(),
                self.rows()
            );
            return Err(Error::corrupt(extent.path(), 0, what));
        }
        self.extents.push(Arc::new(extent));
        Ok(())
    }

    /// The first `count` extents alone.
    pub fn first(&self, count: usize) -> Self {
        Self { extents: self.extents[..count].to_vec(), counters: self.counters.clone() }
    }

    /// Number of rows.
    pub fn rows(&self) -> u32 {
        self.extents.last().map_or(0, |last| last.first_row() + last.rows())
    }

    /// The extents, in order.
    pub fn extents(&self) -> &[Arc<Extent>] {
        &self.extents
    }

    /// What was read through this and its clones.
    pub fn reads(&self) -> Reads {
        Reads { rows: self.counters.rows.load(Ordering::Relaxed), bytes: self.counters.bytes.load(Ordering::Relaxed) }
    }

    /// Bytes held in memory (checksums).
    pub fn memory(&self) -> usize {
        self.extents.iter().map(|extent| extent.memory()).sum()
    }

    /// Reads rows, given in any order and any number of times, and calls `f(position in rows, record)` once for
    /// each, in whatever order the reads come back. Each record is verified first, and begins at an address
    /// divisible by 64 or, if that is less, by the greatest power of two that divides the stride.
    ///
    /// Rows that are in the system's memory are read at once; for the others many reads are under way together.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a row that is damaged or not there; [`Error::Io`], [`Error::OutOfMemory`],
    /// [`Error::Aborted`]. Some calls of `f` may have been made.
    pub fn read(&self, rows: &[u32], task: &Task, f: impl FnMut(usize, &[u8])) -> Result<()> {
        self.read_with(ReadPool::global(), rows, task, f)
    }

    /// As [`read`](Self::read), with a pool of the caller's.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_with(&self, pool: &ReadPool, rows: &[u32], task: &Task, mut f: impl FnMut(usize, &[u8])) -> Result<()> {
        // Taken, not borrowed: `f` may read rows itself.
        let mut scratch = SCRATCH.take();
        let result = self.read_in(&mut scratch, pool, rows, task, &mut f);
        if scratch.order.capacity() <= KEEP {
            SCRATCH.replace(scratch);
        }
        result
    }

    fn read_in(
        &self,
        scratch: &mut Scratch,
        pool: &ReadPool,
        rows: &[u32],
        task: &Task,
        f: &mut impl FnMut(usize, &[u8]),
    ) -> Result<()> {
        let Scratch { order, buffer } = scratch;
        order.clear();
        if rows.len() > u32::MAX as usize || order.try_reserve(rows.len()).is_err() {
            return Err(Error::OutOfMemory { bytes: size_of_val(rows) as u64 * 2 });
        }
        order.extend((0u64..).zip(rows).map(|(position, row)| u64::from(*row) << 32 | position));
        order.sort_unstable();
        if let Some(last) = order.last().map(|key| row_of(*key)).filter(|last| *last >= self.rows()) {
            let path = self.extents.last().map(|extent| extent.path()).unwrap_or("".as_ref());
            return Err(Error::corrupt(path, 0, format!("row {last} is not among the {} that there are", self.rows())));
        }
        let (mut at, mut extent) = (0, 0);
        let (mut absent, mut waiting, mut quick) = (Vec::new(), 0, true);
        while at < order.len() {
            let span = self.next_span(order, at, extent);
            (at, extent) = (span.keys.end, span.extent);
            task.check()?;
            let bytes = buffer.sized(span.len)?;
            if self.read_now(&span, bytes, &mut quick)? {
                self.deliver(order, &span, bytes, f)?;
                continue;
            }
            waiting += span.len;
            absent.push(span);
            if waiting >= WAITING {
                self.read_waiting(pool, order, &std::mem::take(&mut absent), buffer, task, f)?;
                waiting = 0;
            }
        }
        self.read_waiting(pool, order, &absent, buffer, task, f)
    }

    /// The rows from `order[at]` on that one read can bring. `extent` is not after theirs.
    fn next_span(&self, order: &[u64], at: usize, mut extent: usize) -> Span {
        let first = row_of(order[at]);
        let end_of = |extent: &Extent| extent.first_row() + extent.rows();
        while end_of(&self.extents[extent]) <= first {
            extent += 1;
        }
        let (stride, end) = (self.extents[extent].stride() as u64, end_of(&self.extents[extent]));
        let mut last = first;
        let more = order[at + 1..].iter().take_while(|key| {
            let row = row_of(**key);
            let gap = u64::from((row - last).saturating_sub(1)) * stride;
            let fits = row < end && gap <= GAP && (row == last || u64::from(row - first + 1) * stride <= SPAN);
            last = if fits { row } else { last };
            fits
        });
        let keys = at..at + 1 + more.count();
        Span { extent, keys, first, len: ((last - first + 1) as u64 * stride) as usize }
    }

    /// Reads the span if that takes no waiting. Where the disk cannot tell, it is tried, and the first read
    /// that is slow ends the trying.
    fn read_now(&self, span: &Span, bytes: &mut [u8], quick: &mut bool) -> Result<bool> {
        let extent = &*self.extents[span.extent];
        let at = extent.offset(span.first);
        match extent.file.read_cached(bytes, at) {
            Cached::Bytes(n) => Ok(n == bytes.len()),
            Cached::Unknown if *quick => {
                let begun = Instant::now();
                read_exact_at(&*extent.file, bytes, at).map_err(Error::read(&extent.path, at))?;
                *quick = begun.elapsed() < QUICK;
                Ok(true)
            }
            Cached::Absent | Cached::Unknown => Ok(false),
        }
    }

    fn read_waiting(
        &self,
        pool: &ReadPool,
        order: &[u64],
        spans: &[Span],
        buffer: &mut Buffer,
        task: &Task,
        f: &mut impl FnMut(usize, &[u8]),
    ) -> Result<()> {
        if spans.is_empty() {
            return Ok(());
        }
        let request = |span: &Span| {
            let extent = &self.extents[span.extent];
            Request { file: extent.file.clone(), at: extent.offset(span.first), len: span.len }
        };
        pool.read(spans.iter().map(request).collect(), buffer, task, |index, read| {
            let (span, extent) = (&spans[index], &self.extents[spans[index].extent]);
            let bytes = read.map_err(Error::read(&extent.path, extent.offset(span.first)))?;
            self.deliver(order, span, bytes, f)
        })
    }

    fn deliver(&self, order: &[u64], span: &Span, bytes: &[u8], f: &mut impl FnMut(usize, &[u8])) -> Result<()> {
        let extent = &*self.extents[span.extent];
        let stride = extent.stride();
        self.counters.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        for key in &order[span.keys.clone()] {
            let row = row_of(*key);
            let start = (row - span.first) as usize * stride;
            let record = &bytes[start..start + stride];
            extent.verify(row, record)?;
            f(*key as u32 as usize, record);
        }
        self.counters.rows.fetch_add(span.keys.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Reads rows in order, in long reads, and calls `f(first row, records)` with as many as each brought, all
    /// of them verified.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn scan(&self, range: Range<u32>, task: &Task, mut f: impl FnMut(u32, &[u8])) -> Result<()> {
        let mut buffer = Buffer::default();
        let mut row = range.start;
        if range.end > self.rows() {
            let path = self.extents.last().map(|extent| extent.path()).unwrap_or("".as_ref());
            return Err(Error::corrupt(
                path,
                0,
                format!("row {} is not among the {} that there are", range.end - 1, self.rows()),
            ));
        }
        for extent in &self.extents {
            let end = range.end.min(extent.first_row() + extent.rows());
            let most = (SCAN / extent.stride()).max(1) as u32;
            while row < end {
                task.check()?;
                let count = most.min(end - row);
                let (bytes, at) = (buffer.sized(count as usize * extent.stride())?, extent.offset(row));
                read_exact_at(&*extent.file, bytes, at).map_err(Error::read(&extent.path, at))?;
                for (row, record) in (row..).zip(bytes.chunks_exact(extent.stride())) {
                    extent.verify(row, record)?;
                }
                self.counters.rows.fetch_add(u64::from(count), Ordering::Relaxed);
                self.counters.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                f(row, bytes);
                row += count;
            }
        }
        Ok(())
    }
}

fn row_of(key: u64) -> u32 {
    (key >> 32) as u32
}
