//! Reads that have to wait for the device, many at a time.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use std::{io, mem, thread};

use task::Task;

use crate::Result;
use crate::buffer::Buffer;
use crate::vfs::{File, read_exact_at};

/// How often a caller with nothing to do but wait looks at its task.
const LOOK: Duration = Duration::from_millis(5);

/// Reading threads need next to no stack.
const STACK: usize = 256 << 10;

/// One read: `len` bytes from offset `at`.
#[derive(Debug, Clone)]
pub struct Request {
    /// From where.
    pub file: Arc<dyn File>,
    /// Offset in bytes.
    pub at: u64,
    /// Length in bytes.
    pub len: usize,
}

/// Threads that do nothing but read. They are started when there is work for them, up to a bound, and the
/// caller works beside them. Indexes share the one of the process.
#[derive(Debug)]
pub struct ReadPool {
    shared: Arc<Shared>,
    most: usize,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    batches: VecDeque<Arc<Batch>>,
    threads: usize,
    idle: usize,
    closed: bool,
}

/// What one call wants read. Owned, so that a caller that gives up need not wait for those who read.
#[derive(Debug)]
struct Batch {
    requests: Vec<Request>,
    /// The next request that nobody has begun.
    next: AtomicUsize,
    done: Mutex<Vec<(usize, io::Result<Buffer>)>>,
    arrived: Condvar,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ReadPool {
    /// A pool of at most `threads` threads (0: the caller reads alone).
    pub fn new(threads: usize) -> Self {
        Self { shared: Arc::default(), most: threads }
    }

    /// The pool of the process: four threads a core, at least 8 and at most 32.
    pub fn global() -> &'static Self {
        static GLOBAL: OnceLock<ReadPool> = OnceLock::new();
        GLOBAL.get_or_init(|| {
            let cores = thread::available_parallelism().map_or(1, usize::from);
            Self::new((4 * cores).clamp(8, 32))
        })
    }

    /// Threads running now.
    pub fn threads(&self) -> usize {
        lock(&self.shared.queue).threads
    }

    /// Carries out the requests and calls `each(index, bytes)` on this thread for every one, in the order in
    /// which they come back. Ends with the first error of `each`, or when the task is cancelled, without
    /// waiting for reads that are under way. `scratch` is where this thread reads.
    ///
    /// # Errors
    /// [`Error::Aborted`](crate::Error::Aborted), and what `each` returns.
    pub fn read(
        &self,
        requests: Vec<Request>,
        scratch: &mut Buffer,
        task: &Task,
        mut each: impl FnMut(usize, io::Result<&[u8]>) -> Result<()>,
    ) -> Result<()> {
        let mut left = requests.len();
        let batch = Arc::new(Batch { requests, next: AtomicUsize::new(0), done: Mutex::default(), arrived: Condvar::new() });
        self.submit(&batch);
        let _end = End { shared: &self.shared, batch: &batch };
        while left > 0 {
            task.check()?;
            let done = mem::take(&mut *lock(&batch.done));
            if !done.is_empty() {
                for (index, read) in done {
                    left -= 1;
                    match read {
                        Ok(mut buffer) => each(index, Ok(buffer.sized(batch.requests[index].len)?))?,
                        Err(e) => each(index, Err(e))?,
                    }
                }
                continue;
            }
            if let Some(index) = batch.claim() {
                left -= 1;
                let request = &batch.requests[index];
                let bytes = scratch.sized(request.len)?;
                let read = read_exact_at(&*request.file, bytes, request.at);
                each(index, read.map(|()| &*bytes))?;
                continue;
            }
            let done = lock(&batch.done);
            if done.is_empty() {
                drop(batch.arrived.wait_timeout(done, LOOK).unwrap_or_else(PoisonError::into_inner));
            }
        }
        Ok(())
    }

    /// Queues the batch, and sees to it that threads for it run: as many as it has requests, less the caller's.
    fn submit(&self, batch: &Arc<Batch>) {
        let wanted = batch.requests.len().saturating_sub(1).min(self.most);
        if wanted == 0 {
            return;
        }
        let mut queue = lock(&self.shared.queue);
        queue.batches.push_back(batch.clone());
        let more = wanted.saturating_sub(queue.idle).min(self.most - queue.threads);
        for _ in 0..more {
            let shared = self.shared.clone();
            let builder = thread::Builder::new().name("bigrain-read".into()).stack_size(STACK);
            // Where no thread is to be had, the caller reads more itself.
            if builder.spawn(move || shared.work()).is_ok() {
                queue.threads += 1;
            }
        }
        drop(queue);
        (0..wanted).for_each(|_| self.shared.work.notify_one());
    }
}

impl Drop for ReadPool {
    fn drop(&mut self) {
        lock(&self.shared.queue).closed = true;
        self.shared.work.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        while let Some((batch, index)) = self.next() {
            let request = &batch.requests[index];
            let read =
                catch_unwind(AssertUnwindSafe(|| request.read())).unwrap_or_else(|_| Err(io::Error::other("a reader panicked")));
            lock(&batch.done).push((index, read));
            batch.arrived.notify_one();
        }
    }

    /// The next request, of each batch in turn; waits for one. `None` when the pool is closed.
    fn next(&self) -> Option<(Arc<Batch>, usize)> {
        let mut queue = lock(&self.queue);
        loop {
            while let Some(batch) = queue.batches.pop_front() {
                if let Some(index) = batch.claim() {
                    queue.batches.push_back(batch.clone());
                    return Some((batch, index));
                }
            }
            if queue.closed {
                queue.threads -= 1;
                return None;
            }
            queue.idle += 1;
            queue = self.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        }
    }
}

impl Batch {
    fn claim(&self) -> Option<usize> {
        Some(self.next.fetch_add(1, Ordering::Relaxed)).filter(|index| *index < self.requests.len())
    }
}

impl Request {
    fn read(&self) -> io::Result<Buffer> {
        let mut buffer = Buffer::default();
        let bytes = buffer.sized(self.len).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        read_exact_at(&*self.file, bytes, self.at)?;
        Ok(buffer)
    }
}

/// However the call ends, it leaves the queue: nobody begins another of its reads, or keeps a file of it open.
struct End<'a> {
    shared: &'a Shared,
    batch: &'a Arc<Batch>,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        lock(&self.shared.queue).batches.retain(|batch| !Arc::ptr_eq(batch, self.batch));
    }
}
