//! Append-only buffers that one writer grows and any number of readers view.
//!
//! Every column of an index (dense rows, codes, row ids, text) is one of these: contiguous, 64-byte
//! aligned and, where the system offers them, on huge pages, so that a row's address is one
//! multiplication away and a row of a whole number of cache lines touches no line of its neighbour.
//!
//! An [`Appender`] belongs to the one writer. A [`View`] is what a reader holds: the elements that were
//! there when it was taken, for ever, at the price of an `Arc`. Growth moves to a larger allocation and
//! leaves the old one to the views that still use it. Nothing that a view can see is ever written again;
//! that is the whole argument for the `unsafe` in this crate.

mod allocation;
mod give_back;
mod words;

use std::ops::Deref;
use std::sync::Arc;

use allocation::Allocation;
pub use allocation::OutOfMemory;
use bytemuck::Pod;
pub use give_back::give_back;
use rayon::prelude::*;
pub use words::Words;

/// The writer's end of an append-only column.
pub struct Appender<T: Pod> {
    allocation: Arc<Allocation<T>>,
    len: usize,
}

impl<T: Pod> Default for Appender<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Pod> Appender<T> {
    /// An empty column that holds no memory.
    pub fn new() -> Self {
        Self { allocation: Arc::new(Allocation::empty()), len: 0 }
    }

    /// An empty column with room for `capacity` elements.
    pub fn with_capacity(capacity: usize) -> Result<Self, OutOfMemory> {
        Ok(Self { allocation: Arc::new(Allocation::new(capacity)?), len: 0 })
    }

    /// Elements so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes held, spare room included.
    pub fn bytes(&self) -> usize {
        self.allocation.capacity() * size_of::<T>()
    }

    /// Makes room for exactly `additional` more elements, if there is not enough.
    pub fn reserve_exact(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        let needed = self.len.checked_add(additional).ok_or(OutOfMemory { bytes: usize::MAX })?;
        if needed > self.allocation.capacity() { self.move_to(needed) } else { Ok(()) }
    }

    /// Makes room for `additional` more elements, at least doubling when it has to move.
    pub fn reserve(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        let needed = self.len.checked_add(additional).ok_or(OutOfMemory { bytes: usize::MAX })?;
        if needed <= self.allocation.capacity() {
            return Ok(());
        }
        let minimum = (64 / size_of::<T>().max(1)).max(1);
        self.move_to(needed.max(self.allocation.capacity().saturating_mul(2)).max(minimum))
    }

    /// Appends `elements`; on an error nothing is appended.
    pub fn extend(&mut self, elements: &[T]) -> Result<(), OutOfMemory> {
        self.reserve(elements.len())?;
        // SAFETY: `reserve` made room for `len + elements.len()` elements. Views taken from this
        // appender end at or before `len` (they were taken by `view`, which captures the length of that
        // moment, and `len` only grows), so no reader looks at the elements written here. `&mut self`
        // makes this the only writer, and an `Arc<Allocation>` is never shared between two appenders.
        unsafe { self.allocation.write(self.len, elements) };
        self.len += elements.len();
        Ok(())
    }

    /// Appends `count` runs of `len` elements each. Of every run `fill` is given its number and its place, which holds zeros, on all
    /// threads of the current rayon pool; each of them works with something that `init` made. What is written where it stays is
    /// copied from nowhere, and its pages are touched first by many threads. On an error nothing is appended.
    pub fn extend_in_place<S>(
        &mut self,
        count: usize,
        len: usize,
        init: impl Fn() -> S + Sync + Send,
        fill: impl Fn(&mut S, usize, &mut [T]) + Sync + Send,
    ) -> Result<(), OutOfMemory> {
        let elements = count.checked_mul(len).ok_or(OutOfMemory { bytes: usize::MAX })?;
        self.reserve(elements)?;
        (0..count).into_par_iter().for_each_init(init, |state, number| {
            // SAFETY: `reserve` made room for all runs behind `self.len`, where no view of this appender reaches (see `extend`), and
            // each number is given once, so that no two runs share an element.
            fill(state, number, unsafe { self.allocation.zeros(self.len + number * len, len) });
        });
        self.len += elements;
        Ok(())
    }

    /// The elements so far, for the writer itself.
    pub fn as_slice(&self) -> &[T] {
        // SAFETY: the first `len` elements were initialised by `extend` or `extend_in_place`, and `&self` keeps both away.
        unsafe { self.allocation.slice(self.len) }
    }

    /// What a reader may keep: the elements so far.
    pub fn view(&self) -> View<T> {
        View { allocation: Arc::clone(&self.allocation), len: self.len }
    }

    fn move_to(&mut self, capacity: usize) -> Result<(), OutOfMemory> {
        let larger = Allocation::new(capacity)?;
        // SAFETY: `larger` is not shared yet and has room for `capacity >= len` elements.
        unsafe { larger.write(0, self.as_slice()) };
        self.allocation = Arc::new(larger);
        Ok(())
    }
}

/// A reader's end: the elements that were there when it was taken. Cheap to clone.
pub struct View<T: Pod> {
    allocation: Arc<Allocation<T>>,
    len: usize,
}

impl<T: Pod> View<T> {
    /// Bytes that its column held when it was taken, spare room included.
    pub fn bytes(&self) -> usize {
        self.allocation.capacity() * size_of::<T>()
    }
}

impl<T: Pod> Clone for View<T> {
    fn clone(&self) -> Self {
        Self { allocation: Arc::clone(&self.allocation), len: self.len }
    }
}

impl<T: Pod> Default for View<T> {
    fn default() -> Self {
        Appender::new().view()
    }
}

impl<T: Pod> Deref for View<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: the first `len` elements were initialised before this view was made, and no appender
        // writes below its own length, which was at least `len` then.
        unsafe { self.allocation.slice(self.len) }
    }
}

#[cfg(test)]
mod tests;
