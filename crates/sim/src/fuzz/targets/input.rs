//! The bytes of an input, taken apart. What is not there is zero, so that every input means something.

use crate::random::Random;

/// What is left of an input.
#[derive(Debug, Clone)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `len` bytes, or as many as are left.
    pub fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.take(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    /// The next byte.
    pub fn u8(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// The next two bytes.
    pub fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    /// The next eight bytes.
    pub fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }

    /// The next number that is finite.
    pub fn f32(&mut self) -> f32 {
        let value = f32::from_le_bytes(self.array());
        if value.is_finite() { value } else { 0.0 }
    }

    /// A part with its length (`u16`) in front.
    pub fn part(&mut self) -> &'a [u8] {
        let len = self.u16();
        self.take(usize::from(len))
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is left.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }
}

/// Appends a part, as [`Input::part`] takes it.
pub fn put_part(to: &mut Vec<u8>, part: &[u8]) {
    let len = part.len().min(usize::from(u16::MAX));
    to.extend_from_slice(&(len as u16).to_le_bytes());
    to.extend_from_slice(&part[..len]);
}

/// `count` bytes.
pub fn random_bytes(random: &mut Random, count: usize) -> Vec<u8> {
    (0..count).map(|_| random.word() as u8).collect()
}
