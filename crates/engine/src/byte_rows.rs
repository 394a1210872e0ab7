//! Wide rows of small whole numbers once more, a byte a value.
//!
//! Pixels, counts and vectors that were quantised before they came here are stored as f32 like all others. A byte holds the same
//! numbers, so that distances to it are the same to the last bit, and verifying reads a quarter of the memory: on MNIST-784, where the
//! rows that are compared exactly were the most of what a search reads, recall 0.95 took 9.6 us a query, and 11.0 without (a Zen 5).

use rayon::prelude::*;
use rows::{Appender, View};
use task::Task;

use crate::dense::Dense;
use crate::derived::Derived;
use crate::error::Result;
use crate::record::Format;
use crate::shared::Shared;
use crate::state::{Plan, State};
use crate::types::{Placement, Precision};

/// Bytes of a record below which its bytes are not kept: a short one is read nearly as fast. Rows of SIFT, of 512 bytes, took 1 to 2 % of
/// a search less so, at the price of a quarter more memory a row.
const LEAST_BYTES: usize = 1024;
/// Every row of bytes begins a cache line.
const LINE: usize = 64;
/// Rows looked at by one thread at a time.
const PIECE: u32 = 1024;
/// Rows taken in between publications.
const BLOCK: u32 = 1 << 16;

/// The first rows of an index, for readers.
#[derive(Clone)]
pub struct ByteRows {
    bytes: View<u8>,
    dims: usize,
    signed: bool,
}

/// A row's values.
#[derive(Debug, Clone, Copy)]
pub enum Bytes<'a> {
    /// 0 to 255.
    Unsigned(&'a [u8]),
    /// -128 to 127.
    Signed(&'a [i8]),
}

impl ByteRows {
    /// Rows that are here, from row 0.
    pub fn len(&self) -> u32 {
        (self.bytes.len() / stride(self.dims)) as u32
    }

    /// Bytes held.
    pub fn memory(&self) -> usize {
        self.bytes.bytes()
    }

    /// Where a row lies, to ask for it.
    pub fn at(&self, row: u32) -> &[u8] {
        &self.bytes[row as usize * stride(self.dims)..][..self.dims]
    }

    /// A row.
    pub fn row(&self, row: u32) -> Bytes<'_> {
        let bytes = self.at(row);
        if self.signed { Bytes::Signed(bytemuck::cast_slice(bytes)) } else { Bytes::Unsigned(bytes) }
    }
}

fn stride(dims: usize) -> usize {
    dims.next_multiple_of(LINE)
}

/// The writing end.
#[derive(Default)]
pub enum ByteColumn {
    /// No row was looked at.
    #[default]
    Unknown,
    /// All rows so far.
    Kept { bytes: Appender<u8>, signed: bool },
    /// There was a row that bytes do not hold.
    Refused,
}

impl ByteColumn {
    fn bytes(&self) -> usize {
        if let Self::Kept { bytes, .. } = self { bytes.len() } else { 0 }
    }
}

/// Takes in the next rows and publishes them, if such rows are verified from memory; `false` when there are none. `block` and `drain`
/// as in [`crate::derived::step`].
pub fn keep_some(shared: &Shared, derived: &mut Derived, state: &State, [block, drain]: [u32; 2], task: &Task) -> Result<bool> {
    let (dense, rows) = (&state.dense, state.rows());
    if !are_verified(state) || !are_wide(shared, dense) || matches!(derived.byte_rows, ByteColumn::Refused) {
        return Ok(false);
    }
    let kept = derived.byte_rows.bytes() / stride(dense.format.dims);
    let (kept, is_first) = (kept as u32, kept == 0);
    if rows - kept < block && drain.min(rows) <= kept {
        return Ok(false);
    }
    let end = rows.min(kept.saturating_add(BLOCK));
    // Whether bytes are signed, all rows of now say together.
    let looked_at = kept..if is_first { rows } else { end };
    let next = match (range_of(shared, dense, looked_at, task)?, std::mem::take(&mut derived.byte_rows)) {
        (Some(range), ByteColumn::Unknown) => range.kind().map(|signed| (Appender::new(), signed)),
        (Some(range), ByteColumn::Kept { bytes, signed }) => range.fits(signed).then_some((bytes, signed)),
        (None, _) | (_, ByteColumn::Refused) => None,
    };
    let Some((mut bytes, signed)) = next else {
        derived.byte_rows = ByteColumn::Refused;
        shared.publish(|state| state.dense.byte_rows = None);
        return Ok(true);
    };
    bytes.reserve(if is_first { rows as usize } else { (end - kept) as usize } * stride(dense.format.dims))?;
    extend(&mut bytes, dense, kept..end, signed, task)?;
    let view = ByteRows { bytes: bytes.view(), dims: dense.format.dims, signed };
    derived.byte_rows = ByteColumn::Kept { bytes, signed };
    shared.publish(|state| state.dense.byte_rows = Some(view));
    Ok(true)
}

/// Whether searches find candidates by something else than the rows, and then compare those with the rows.
fn are_verified(state: &State) -> bool {
    state.over_codes || state.plan == Plan::Ivf && state.lists.as_ref().is_some_and(|lists| lists.is_coded())
}

/// Whether rows lie in memory and are long.
fn are_wide(shared: &Shared, dense: &Dense) -> bool {
    let Format { precision, dims, .. } = dense.format;
    shared.options.vectors == Placement::Memory
        && dense.in_file == 0
        && precision == Precision::F32
        && dims * size_of::<f32>() >= LEAST_BYTES
}

/// The least and the greatest of whole numbers.
struct Numbers {
    least: f32,
    greatest: f32,
}

impl Numbers {
    /// Of values that all are whole numbers.
    fn of(values: &[f32]) -> Option<Self> {
        let whole = values.iter().all(|&value| value == f32::from(value as i16));
        let fold = |of: fn(f32, f32) -> f32| values.iter().copied().fold(0.0, of);
        whole.then(|| Self { least: fold(f32::min), greatest: fold(f32::max) })
    }

    fn and(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), greatest: self.greatest.max(other.greatest) }
    }

    fn fits(&self, signed: bool) -> bool {
        let (least, greatest) = if signed { (-128.0, 127.0) } else { (0.0, 255.0) };
        self.least >= least && self.greatest <= greatest
    }

    /// Whether bytes that hold them are signed, if there are such.
    fn kind(&self) -> Option<bool> {
        [false, true].into_iter().find(|&signed| self.fits(signed))
    }
}

/// What the values of some rows are, if they all are whole numbers. Mostly the first row says that they are not.
fn range_of(shared: &Shared, dense: &Dense, rows: std::ops::Range<u32>, task: &Task) -> Result<Option<Numbers>> {
    let of_piece = |piece: std::ops::Range<u32>| -> Result<Option<Numbers>> {
        let (mut all, mut decoded) = (Some(Numbers { least: 0.0, greatest: 0.0 }), Vec::new());
        dense.scan(piece, task, |_, stored| {
            let before = all.take();
            all = before.and_then(|before| Some(before.and(Numbers::of(dense.format.values(stored, &mut decoded))?)));
        })?;
        Ok(all)
    };
    if rows.is_empty() || of_piece(rows.start..rows.start + 1)?.is_none() {
        return Ok(None);
    }
    let pieces: Vec<u32> = rows.clone().step_by(PIECE as usize).collect();
    let piece = |&start: &u32| of_piece(start..rows.end.min(start + PIECE));
    let both = |a: Option<Numbers>, b: Option<Numbers>| Ok(a.and_then(|a| Some(a.and(b?))));
    shared.build_pool()?.install(|| pieces.par_iter().map(piece).try_reduce_with(both)).unwrap_or(Ok(None))
}

fn extend(bytes: &mut Appender<u8>, dense: &Dense, rows: std::ops::Range<u32>, signed: bool, task: &Task) -> Result<()> {
    let (mut decoded, mut row, mut failed) = (Vec::new(), vec![0; stride(dense.format.dims)], None);
    dense.scan(rows, task, |_, stored| {
        for (byte, &value) in row.iter_mut().zip(dense.format.values(stored, &mut decoded)) {
            *byte = if signed { value as i8 as u8 } else { value as u8 };
        }
        if failed.is_none() {
            failed = bytes.extend(&row).err();
        }
    })?;
    Ok(failed.map_or(Ok(()), Err)?)
}
