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

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.pieces.capacity() * size_of::<Option<Arc<[u64; WORDS]>>>() + self.pieces.iter().flatten().count() * WORDS * 8
    }

    /// Appends the rows: how many, then a bit for each row, in words, up to the last that is dead.
    pub fn write(&self, w: &mut Writer) {
        w.u32(self.count);
        let words = self.pieces.iter().flat_map(|piece| piece.as_deref().unwrap_or(&[0; WORDS]));
        words.for_each(|&word| w.u64(word));
    }

    /// Reads what [`Tombstones::write`] wrote, of `rows` rows.
    pub fn read(r: &mut Reader<'_>, rows: u32) -> Result<Self, wire::Error> {
        let mut dead = Self::default();
        let count = r.u32()?;
        let words = (r.remaining() / 8) as u64;
        for base in (0..words * 64).step_by(64) {
            let mut word = r.u64()?;
            while word != 0 {
                let row = base + u64::from(word.trailing_zeros());
                if row >= u64::from(rows) {
                    return Err(r.error(format!("row {row} is dead, of {rows} rows")));
                }
                dead.insert(row as u32);
                word &= word - 1;
            }
        }
        if dead.count != count {
            return Err(r.error(format!("{} rows are dead, not {count}", dead.count)));
        }
        Ok(dead)
    }
}
