//! Ids both ways: from a row to its id (a column), and from an id to its row (a map).

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;
use rows::{Appender, OutOfMemory, View};
use wire::{Reader, Writer};

use crate::types::{Id, MAX_NUMBER_ID};

/// Set in a slot whose low bits are the place of a text; clear where they are the number itself.
const TEXT: u64 = 1 << 63;
/// The longest text id in bytes.
pub const MAX_TEXT_ID: usize = 64 << 10;

/// Row to id, append-only.
#[derive(Default)]
pub struct IdColumn {
    slots: Appender<u64>,
    /// Each text as its length (u32, little-endian) and its bytes.
    texts: Appender<u8>,
}

/// What a reader sees of an [`IdColumn`].
#[derive(Clone, Default)]
pub struct Ids {
    slots: View<u64>,
    texts: View<u8>,
}

impl IdColumn {
    /// Makes room for `ids`, so that pushing them cannot fail.
    pub fn reserve<'a>(&mut self, ids: impl Iterator<Item = &'a Id>) -> Result<(), OutOfMemory> {
        let (mut count, mut bytes) = (0, 0);
        for id in ids {
            count += 1;
            if let Id::Text(text) = id {
                bytes += 4 + text.len();
            }
        }
        self.slots.reserve(count)?;
        self.texts.reserve(bytes)
    }

    /// Appends the id of the next row.
    pub fn push(&mut self, id: &Id) -> Result<(), OutOfMemory> {
        let slot = match id {
            Id::Number(number) => *number,
            Id::Text(text) => {
                let at = self.texts.len() as u64;
                self.texts.extend(&(text.len() as u32).to_le_bytes())?;
                self.texts.extend(text.as_bytes())?;
                at | TEXT
            }
        };
        self.slots.extend(&[slot])
    }

    /// For readers.
    pub fn view(&self) -> Ids {
        Ids { slots: self.slots.view(), texts: self.texts.view() }
    }
}

/// A borrowed id.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IdRef<'a> {
    Number(u64),
    Text(&'a [u8]),
}

impl Ids {
    /// Rows.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.slots.bytes() + self.texts.bytes()
    }

    fn slot(&self, row: u32) -> IdRef<'_> {
        let slot = self.slots[row as usize];
        if slot & TEXT == 0 {
            return IdRef::Number(slot);
        }
        let at = (slot & !TEXT) as usize;
        let (len, rest) = self.texts[at..].split_at(4);
        let len = u32::from_le_bytes([len[0], len[1], len[2], len[3]]) as usize;
        IdRef::Text(&rest[..len])
    }

    /// The id of a row.
    pub fn get(&self, row: u32) -> Id {
        match self.slot(row) {
            IdRef::Number(number) => Id::Number(number),
            IdRef::Text(bytes) => Id::Text(String::from_utf8_lossy(bytes).into()),
        }
    }

    /// Orders two rows by their ids.
    pub fn compare(&self, a: u32, b: u32) -> std::cmp::Ordering {
        use std::cmp::Ordering::{Greater, Less};
        match (self.slot(a), self.slot(b)) {
            (IdRef::Number(a), IdRef::Number(b)) => a.cmp(&b),
            (IdRef::Text(a), IdRef::Text(b)) => a.cmp(b),
            (IdRef::Number(_), IdRef::Text(_)) => Less,
            (IdRef::Text(_), IdRef::Number(_)) => Greater,
        }
    }

    fn is(&self, row: u32, id: &Id) -> bool {
        match (self.slot(row), id) {
            (IdRef::Number(a), Id::Number(b)) => a == *b,
            (IdRef::Text(a), Id::Text(b)) => a == b.as_bytes(),
            _ => false,
        }
    }

    /// Appends the ids of all rows: a kind byte each, then the number or the text.
    pub fn write(&self, w: &mut Writer) {
        for row in 0..self.slots.len() as u32 {
            match self.slot(row) {
                IdRef::Number(number) => {
                    w.u8(0);
                    w.u64(number);
                }
                IdRef::Text(bytes) => {
                    w.u8(1);
                    w.bytes(bytes);
                }
            }
        }
    }
}

/// Reads `rows` ids that [`Ids::write`] wrote.
pub fn read_ids(r: &mut Reader<'_>, rows: u32) -> Result<IdColumn, wire::Error> {
    let mut column = IdColumn::default();
    for row in 0..rows {
        let id = match r.variant(2)? {
            0 => match r.u64()? {
                number if number <= MAX_NUMBER_ID => Id::Number(number),
                number => return Err(r.error(format!("the id of row {row} is {number}, above 2^53 - 1"))),
            },
            _ => {
                let text = r.str()?;
                if text.len() > MAX_TEXT_ID {
                    return Err(r.error(format!("the id of row {row} has {} bytes", text.len())));
                }
                Id::Text(text.into())
            }
        };
        column.push(&id).map_err(|e| r.error(e.to_string()))?;
    }
    Ok(column)
}

/// Id to live row. Holds row numbers only; ids are compared in the column.
#[derive(Default)]
pub struct IdMap {
    rows: HashTable<u32>,
    hasher: RandomState,
}

impl IdMap {
    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.rows.allocation_size()
    }

    /// Makes room for `additional` more.
    pub fn reserve(&mut self, additional: usize, ids: &Ids) -> Result<(), OutOfMemory> {
        let hasher = &self.hasher;
        let refused = OutOfMemory { bytes: additional.saturating_mul(8) };
        self.rows.try_reserve(additional, |&row| hasher.hash_one(ids.get(row))).map_err(|_| refused)
    }

    /// The live row of `id`.
    pub fn get(&self, id: &Id, ids: &Ids) -> Option<u32> {
        self.rows.find(self.hasher.hash_one(id), |&row| ids.is(row, id)).copied()
    }

    /// Points `id` to `row`, which holds it; gives the row it pointed to.
    pub fn insert(&mut self, id: &Id, row: u32, ids: &Ids) -> Option<u32> {
        let hasher = &self.hasher;
        let entry = self.rows.entry(hasher.hash_one(id), |&row| ids.is(row, id), |&row| hasher.hash_one(ids.get(row)));
        match entry {
            hashbrown::hash_table::Entry::Occupied(mut entry) => Some(std::mem::replace(entry.get_mut(), row)),
            hashbrown::hash_table::Entry::Vacant(entry) => {
                entry.insert(row);
                None
            }
        }
    }

    /// Forgets `id`; gives the row it pointed to.
    pub fn remove(&mut self, id: &Id, ids: &Ids) -> Option<u32> {
        let entry = self.rows.find_entry(self.hasher.hash_one(id), |&row| ids.is(row, id)).ok()?;
        Some(entry.remove().0)
    }
}
