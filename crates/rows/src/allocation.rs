//! One aligned, uninitialised block of memory, shared by its writer and its readers.

use std::alloc::{Layout, alloc, dealloc};
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;

use bytemuck::Pod;

/// A cache line; rows of a whole number of lines then share none.
const ALIGN: usize = 64;
/// From this size on the block is aligned to, and asked for on, huge pages (2 MiB on the processors we know).
const HUGE_FROM: usize = 4 << 20;
const HUGE_ALIGN: usize = 2 << 20;

/// The system would not give `bytes` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory {
    /// What was asked for.
    pub bytes: usize,
}

impl fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "out of memory: {} bytes were not to be had", self.bytes)
    }
}

impl std::error::Error for OutOfMemory {}

/// Room for `capacity` elements, of which the owner knows how many are initialised.
pub(crate) struct Allocation<T> {
    start: NonNull<T>,
    capacity: usize,
    owns: PhantomData<T>,
}

// SAFETY: an `Allocation` is plain memory. Shared access only ever reads initialised elements (`slice`) or
// writes elements nobody reads (`write`), which the callers in lib.rs guarantee; `Pod` types have no
// thread affinity.
unsafe impl<T: Pod> Send for Allocation<T> {}
// SAFETY: as above.
unsafe impl<T: Pod> Sync for Allocation<T> {}

fn layout<T>(capacity: usize) -> Option<Layout> {
    let bytes = capacity.checked_mul(size_of::<T>())?;
    let align = if bytes >= HUGE_FROM { HUGE_ALIGN } else { ALIGN };
    Layout::from_size_align(bytes, align.max(align_of::<T>())).ok()
}

impl<T> Allocation<T> {
    pub(crate) fn empty() -> Self {
        Self { start: NonNull::dangling(), capacity: 0, owns: PhantomData }
    }

    pub(crate) fn new(capacity: usize) -> Result<Self, OutOfMemory> {
        if capacity == 0 || size_of::<T>() == 0 {
            return Ok(Self::empty());
        }
        let refused = OutOfMemory { bytes: capacity.saturating_mul(size_of::<T>()) };
        let layout = layout::<T>(capacity).ok_or(refused)?;
        // SAFETY: the layout has a size above zero: capacity and the element size are.
        let start = NonNull::new(unsafe { alloc(layout) }).ok_or(refused)?.cast::<T>();
        let allocation = Self { start, capacity, owns: PhantomData };
        #[cfg(target_os = "linux")]
        if layout.size() >= HUGE_FROM {
            // A request only: without huge pages everything works the same, more slowly.
            // SAFETY: the range is the block just allocated, aligned to 2 MiB; the advice changes no content.
            let _ = unsafe { rustix::mm::madvise(start.as_ptr().cast(), layout.size(), rustix::mm::Advice::LinuxHugepage) };
        }
        Ok(allocation)
    }

    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn start(&self) -> *const T {
        self.start.as_ptr()
    }

    /// Copies `elements` to `at`.
    ///
    /// # Safety
    /// `at + elements.len() <= capacity`, and nobody reads or writes those elements meanwhile.
    pub(crate) unsafe fn write(&self, at: usize, elements: &[T])
    where
        T: Copy,
    {
        debug_assert!(at + elements.len() <= self.capacity || size_of::<T>() == 0);
        // SAFETY: in bounds by the caller's promise; `elements` cannot overlap memory nobody else uses.
        unsafe { self.start.as_ptr().add(at).copy_from_nonoverlapping(elements.as_ptr(), elements.len()) }
    }

    /// `len` zeros at `at`, to be written.
    ///
    /// # Safety
    /// `at + len <= capacity`, and nobody else reads or writes those elements as long as the slice lives.
    #[allow(clippy::mut_from_ref, reason = "of disjoint elements, as the caller promises")]
    pub(crate) unsafe fn zeros(&self, at: usize, len: usize) -> &mut [T]
    where
        T: Pod,
    {
        debug_assert!(at + len <= self.capacity || size_of::<T>() == 0);
        // SAFETY: in bounds and unshared by the caller's promise; bytes of zero are an element of any `Pod` type.
        unsafe {
            let start = self.start.as_ptr().add(at);
            start.write_bytes(0, len);
            std::slice::from_raw_parts_mut(start, len)
        }
    }

    /// The first `len` elements.
    ///
    /// # Safety
    /// They are initialised, and stay unwritten as long as the slice lives.
    pub(crate) unsafe fn slice(&self, len: usize) -> &[T] {
        debug_assert!(len <= self.capacity || size_of::<T>() == 0);
        // SAFETY: initialised and unwritten by the caller's promise; aligned and in one allocation.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), len) }
    }
}

impl<T> Drop for Allocation<T> {
    fn drop(&mut self) {
        if self.capacity > 0
            && let Some(layout) = layout::<T>(self.capacity)
        {
            // SAFETY: `start` came from `alloc` with this very layout (capacity never changes).
            unsafe { dealloc(self.start.as_ptr().cast(), layout) }
        }
    }
}
