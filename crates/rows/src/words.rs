//! A fixed array of 32-bit words that one writer changes while readers look.

use std::ops::Deref;
use std::sync::atomic::AtomicU32;

use crate::allocation::{Allocation, OutOfMemory};

/// Aligned words with interior mutability: adjacency lists that readers walk while the linker rewrites them.
///
/// It does not grow; the writer moves to a larger one and publishes that.
pub struct Words {
    allocation: Allocation<u32>,
}

impl Words {
    /// `len` words of the value `fill`.
    pub fn new(len: usize, fill: u32) -> Result<Self, OutOfMemory> {
        let allocation = Allocation::new(len)?;
        for at in 0..len {
            // SAFETY: in bounds, and nobody else has seen the allocation yet.
            unsafe { allocation.write(at, &[fill]) };
        }
        Ok(Self { allocation })
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.allocation.capacity() * size_of::<u32>()
    }
}

impl Deref for Words {
    type Target = [AtomicU32];

    fn deref(&self) -> &[AtomicU32] {
        // SAFETY: all `capacity` words were initialised by `new`. `AtomicU32` has the size and alignment
        // of `u32`, and from here on the words are reached as atomics only, so shared writes are no race.
        unsafe { std::slice::from_raw_parts(self.allocation.start().cast::<AtomicU32>(), self.allocation.capacity()) }
    }
}
