//! Scans over codes of 4 bits, 32 rows at a time.

use super::{Kernels, same_len};
use crate::ops::nibbles::{GROUP, ROWS, Scan};

/// Sub-spaces at most: their sum of 7-bit entries fits in 16 bits.
const SUBSPACES: usize = 65_535 / 127;

/// What a query adds up for a row, one table of 16 values a sub-space, in bytes: a value is its sub-space's lowest one and
/// `unit` times an entry of 0 to 127. Made once a query by [`Kernels::fit_tables`].
#[derive(Debug, Clone, Default)]
pub struct NibbleTables {
    bytes: Vec<u8>,
    low: f32,
    unit: f32,
}

impl NibbleTables {
    /// The sum of the sub-spaces' lowest values: what a row of zero entries has.
    pub fn low(&self) -> f32 {
        self.low
    }

    /// What one step of an entry is worth. Each of a row's entries is off by half of it at most.
    pub fn unit(&self) -> f32 {
        self.unit
    }

    /// Bytes of a block of 32 rows' codes.
    pub fn block_bytes(&self) -> usize {
        self.bytes.len()
    }
}

/// What rows carry besides their codes.
#[derive(Debug, Clone, Copy)]
pub enum Factors<'a> {
    /// Nothing: the estimate is `base + sum`, where `sum` is what the tables give.
    None,
    /// `base + add[row] + sum`.
    Add(&'a [f32]),
    /// `base + add[row] + mul[row] * sum`, both in [`bf16`].
    MulAdd {
        /// A factor a row.
        mul: &'a [u16],
        /// A term a row.
        add: &'a [u16],
    },
}

/// Where a scan puts what it finds.
#[derive(Debug)]
pub struct Near<'a> {
    /// Rows whose estimate is not above this are marked; those whose estimate is not a number, too.
    pub bound: f32,
    /// The estimate of every row, 32 a block.
    pub estimates: &'a mut [f32],
    /// Bit `i` of a block's number is set where row `i` of the block is marked.
    pub marks: &'a mut [u32],
}

/// The nearest number that the upper half of an f32 can hold, as its bits: off by one part in 512 at most.
pub fn bf16(value: f32) -> u16 {
    half::bf16::from_f32(value).to_bits()
}

/// Bytes of a block of 32 rows with codes of so many sub-spaces.
pub fn block_bytes(subspaces: usize) -> usize {
    subspaces.div_ceil(4) * GROUP
}

/// Packs the codes of rows, `subspaces` numbers below 16 each, into whole blocks: see [`Kernels::scan_nibbles`].
/// Rows that fill up the last block have zeros.
///
/// # Panics
/// If `codes` is not `subspaces` a row, or `subspaces` is 0, or `blocks` is not of as many bytes as that takes.
pub fn pack_nibbles(codes: &[u8], subspaces: usize, blocks: &mut [u8]) {
    assert!(subspaces > 0 && codes.len().is_multiple_of(subspaces), "{} codes in rows of {subspaces}", codes.len());
    let bytes = block_bytes(subspaces);
    same_len(blocks.len(), codes.len().div_ceil(ROWS * subspaces) * bytes);
    blocks.fill(0);
    for (rows, block) in codes.chunks(ROWS * subspaces).zip(blocks.chunks_exact_mut(bytes)) {
        for (row, codes) in rows.chunks_exact(subspaces).enumerate() {
            for (places, &code) in block.chunks_exact_mut(16).zip(codes) {
                places[row % 16] |= (code & 15) << (row / 16 * 4);
            }
        }
    }
}

/// The codes of the row at `place` of packed blocks: row `place % 32` of block `place / 32`, `codes.len()` sub-spaces.
///
/// # Panics
/// If there is no such row.
pub fn unpack_nibbles(blocks: &[u8], place: usize, codes: &mut [u8]) {
    let (block, row) = (place / ROWS * block_bytes(codes.len()), place % ROWS);
    for (s, code) in codes.iter_mut().enumerate() {
        *code = blocks[block + s * 16 + row % 16] >> (row / 16 * 4) & 15;
    }
}

impl Kernels {
    /// Makes the tables of a query: `values` has 16 a sub-space. Sub-spaces that fill up the last group of four give 0.
    ///
    /// # Panics
    /// If `values` is empty or not 16 a sub-space, or there are more than 516 sub-spaces.
    pub fn fit_tables(&self, values: &[f32], tables: &mut NibbleTables) {
        assert!(!values.is_empty() && values.len().is_multiple_of(16), "{} values in tables of 16", values.len());
        assert!(values.len() / 16 <= SUBSPACES, "{} sub-spaces, of {SUBSPACES} at most", values.len() / 16);
        tables.bytes.clear();
        tables.bytes.resize(values.len().next_multiple_of(GROUP), 0);
        // SAFETY: a Kernels is made only where the CPU has its instructions; as many bytes as values, 16 a sub-space.
        (tables.low, tables.unit) = unsafe { (self.nibbles.fit_tables)(values, &mut tables.bytes[..values.len()]) };
    }

    /// The tables of a query whose entry for a code is the sum of four of `values`, each negative where its bit of the code
    /// is not set: [`fit_tables`](Self::fit_tables) of those sums, to the same bits.
    ///
    /// # Panics
    /// If `values` is empty or not whole fours, or there are more than 516 of those.
    pub fn fit_signs(&self, values: &[f32], tables: &mut NibbleTables) {
        assert!(!values.is_empty() && values.len().is_multiple_of(4), "{} values in tables of 4", values.len());
        assert!(values.len() / 4 <= SUBSPACES, "{} sub-spaces, of {SUBSPACES} at most", values.len() / 4);
        let bytes = values.len() * 4;
        tables.bytes.clear();
        tables.bytes.resize(bytes.next_multiple_of(GROUP), 0);
        // SAFETY: a Kernels is made only where the CPU has its instructions.
        (tables.low, tables.unit) = unsafe { (self.nibbles.fit_signs)(values, &mut tables.bytes[..bytes]) };
    }

    /// Estimates the rows of whole `blocks` of codes, and marks those that are not above `found.bound`.
    ///
    /// A block has 32 rows, and for every four sub-spaces 64 bytes: byte `16 * s + i` has the code of row `i` in sub-space
    /// `s` of the four in its low half, and that of row `16 + i` in its high half ([`pack_nibbles`] makes them so).
    ///
    /// # Panics
    /// If `blocks` is not whole blocks of the tables' size, or factors, `found.estimates` (32 a block) or `found.marks`
    /// are not as long.
    pub fn scan_nibbles(&self, tables: &NibbleTables, blocks: &[u8], base: f32, factors: Factors<'_>, found: Near<'_>) {
        // No division: 3 % of a walk over 60,000 images at ef 60, which scans one block a call.
        let (bytes, count) = (tables.bytes.len(), found.marks.len());
        assert!(
            bytes > 0 && bytes.checked_mul(count) == Some(blocks.len()),
            "{} bytes in {count} blocks of {bytes}",
            blocks.len()
        );
        let rows = count * ROWS;
        same_len(found.estimates.len(), rows);
        match factors {
            Factors::None => {}
            Factors::Add(add) => same_len(add.len(), rows),
            Factors::MulAdd { mul, add } => {
                same_len(mul.len(), rows);
                same_len(add.len(), rows);
            }
        }
        let NibbleTables { bytes: ref tables, low, unit } = *tables;
        // SAFETY: a Kernels is made only where the CPU has its instructions; the lengths are checked, and tables come from
        // `fit_tables`, which makes whole groups.
        unsafe { (self.nibbles.scan_nibbles)(Scan { tables, blocks, base, low, unit, factors, found }) }
    }
}
