//! Ids both ways: from a row to its id (a column), and from an id to its row (a map).

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use hashbrown::HashTable;
use rows::{Appender, OutOfMemory, View};
use wire::{Reader, Writer};

use crate::types::{Id, MAX_NUMBER_ID};

/// Set in a slot whose low bits are the place of a text; clear where they are the number itself.
pub const TEXT: u64 = 1 << 63;
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
    /// Makes room for `count` ids with so many bytes of text in all, so that pushing them cannot fail.
    pub fn reserve(&mut self, count: usize, text_bytes: usize) -> Result<(), OutOfMemory> {
        self.slots.reserve(count)?;
        self.texts.reserve(text_bytes)
    }

    /// Bytes of text that an id takes.
    pub fn text_bytes(id: &Id) -> usize {
        match id {
            Id::Number(_) => 0,
            Id::Text(text) => 4 + text.len(),
        }
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.slots.len()
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
        IdRef::Text(&self.texts[at + 4..][..text_len(&self.texts[at..])])
    }

    /// Asks for the memory of a row's id.
    pub fn prefetch(&self, row: u32) {
        kernels::prefetch_at(self.slots[row as usize..].as_ptr().cast(), size_of::<u64>());
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

    /// Gives `out` the ids of `rows`: the first row, how many, a number or the place of a text for each, the texts.
    pub fn write<E>(&self, rows: Range<u32>, out: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        out(&rows.start.to_le_bytes())?;
        out(&(rows.len() as u32).to_le_bytes())?;
        let slots = &self.slots[rows.start as usize..rows.end as usize];
        // Texts lie in the order of their rows.
        let mut texts = slots.iter().filter(|&&slot| slot & TEXT != 0).map(|slot| (slot & !TEXT) as usize);
        let first = texts.next().unwrap_or(0);
        let last = texts.next_back().unwrap_or(first);
        for slot in slots {
            let slot = if slot & TEXT == 0 { *slot } else { slot - first as u64 };
            out(&slot.to_le_bytes())?;
        }
        if slots.iter().all(|slot| slot & TEXT == 0) {
            return Ok(());
        }
        out(&self.texts[first..last + 4 + text_len(&self.texts[last..])])
    }
}

/// The length of the text that begins here.
fn text_len(texts: &[u8]) -> usize {
    texts.first_chunk::<4>().map_or(0, |len| u32::from_le_bytes(*len) as usize)
}

/// Appends one id: a kind byte, then the number or the text.
pub fn write_id(w: &mut Writer, id: &Id) {
    match id {
        Id::Number(number) => {
            w.u8(0);
            w.u64(*number);
        }
        Id::Text(text) => {
            w.u8(1);
            w.str(text);
        }
    }
}

/// Reads what [`write_id`] wrote.
pub fn read_id(r: &mut Reader<'_>) -> Result<Id, wire::Error> {
    if r.variant(2)? == 0 {
        let number = r.u64()?;
        number_id(r, number)
    } else {
        text_id(r)
    }
}

fn number_id(r: &Reader<'_>, number: u64) -> Result<Id, wire::Error> {
    if number <= MAX_NUMBER_ID { Ok(Id::Number(number)) } else { Err(r.error(format!("an id of {number} is above 2^53 - 1"))) }
}

fn text_id(r: &mut Reader<'_>) -> Result<Id, wire::Error> {
    let text = r.str()?;
    if text.len() <= MAX_TEXT_ID { Ok(Id::Text(text.into())) } else { Err(r.error(format!("an id of {} bytes", text.len()))) }
}

/// Appends a segment that [`Ids::write`] wrote; it must follow the rows that are there.
pub fn read_ids(r: &mut Reader<'_>, column: &mut IdColumn) -> Result<(), wire::Error> {
    let rows = segment(r, column.len(), 8)?;
    let mut slots = Reader::with_base(r.raw(rows * 8)?, r.position());
    let mut texts = 0;
    for _ in 0..rows {
        let slot = slots.u64()?;
        let id = if slot & TEXT == 0 {
            number_id(&slots, slot)?
        } else if slot & !TEXT == texts {
            let left = r.remaining();
            let id = text_id(r)?;
            texts += (left - r.remaining()) as u64;
            id
        } else {
            return Err(slots.error(format!("a text at {}, where {texts} was to come", slot & !TEXT)));
        };
        column.push(&id).map_err(|e| r.error(e.to_string()))?;
    }
    Ok(())
}

/// How many rows a segment has, which must begin at row `first` and have `width` bytes for each.
pub fn segment(r: &mut Reader<'_>, first: usize, width: usize) -> Result<usize, wire::Error> {
    let (found, rows) = (r.u32()?, r.u32()? as usize);
    if found as usize != first || rows > r.remaining() / width {
        return Err(r.error(format!("{rows} rows from {found} on, where row {first} was to come")));
    }
    Ok(rows)
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

    /// Live ids.
    pub fn len(&self) -> usize {
        self.rows.len()
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
