//! Which rows are dead. A value: changing it leaves every copy as it was.

use std::sync::Arc;

use wire::{Reader, Writer};

const WORDS: usize = 64;
const BITS: u32 = WORDS as u32 * 64;

/// A set of rows, shared piece by piece between the states that hold it.
#[derive(Clone, Default)]
pub struct Tombstones {
    /// `None` where nobody in the piece is dead.
    pieces: Vec<Option<Arc<[u64; WORDS]>>>,
    count: u32,
}

impl Tombstones {
    /// Dead rows.
    pub fn len(&self) -> u32 {
        self.count
    }

    /// Whether every row lives.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether `row` is dead.
    #[inline]
    pub fn contains(&self, row: u32) -> bool {
        match self.pieces.get((row / BITS) as usize) {
            Some(Some(piece)) => piece[(row % BITS / 64) as usize] >> (row % 64) & 1 == 1,
            _ => false,
        }
    }

    /// Marks `row` dead.
    pub fn insert(&mut self, row: u32) {
        let at = (row / BITS) as usize;
        if self.pieces.len() <= at {
            self.pieces.resize(at + 1, None);
        }
        let piece = Arc::make_mut(self.pieces[at].get_or_insert_with(|| Arc::new([0; WORDS])));
        let word = &mut piece[(row % BITS / 64) as usize];
        self.count += u32::from(*word >> (row % 64) & 1 == 0);
        *word |= 1 << (row % 64);
    }

    /// Dead rows, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.pieces.len() as u32 * BITS).filter(|&row| self.contains(row))
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.pieces.capacity() * size_of::<Option<Arc<[u64; WORDS]>>>() + self.pieces.iter().flatten().count() * WORDS * 8
    }

    /// Appends the rows.
    pub fn write(&self, w: &mut Writer) {
        w.u32(self.count);
        for row in self.iter() {
            w.u32(row);
        }
    }

    /// Reads what [`Tombstones::write`] wrote, of `rows` rows.
    pub fn read(r: &mut Reader<'_>, rows: u32) -> Result<Self, wire::Error> {
        let mut dead = Self::default();
        let mut last = None;
        for _ in 0..r.u32()? {
            let row = r.u32()?;
            if row >= rows || last.is_some_and(|last| last >= row) {
                return Err(r.error(format!("row {row} cannot be the next tombstone of {rows} rows")));
            }
            dead.insert(row);
            last = Some(row);
        }
        Ok(dead)
    }
}
