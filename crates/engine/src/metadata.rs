//! Each row's JSON text.

use std::ops::Range;

use rows::{Appender, OutOfMemory, View};
use wire::Reader;

use crate::ids::segment;

/// The longest JSON text of one item in bytes.
pub const MAX_METADATA: usize = 16 << 20;

/// Row to text, append-only. A row without metadata has no bytes (JSON text is never empty).
#[derive(Default)]
pub struct MetadataColumn {
    /// Where each row's text ends.
    ends: Appender<u64>,
    texts: Appender<u8>,
}

/// What a reader sees of a [`MetadataColumn`].
#[derive(Clone, Default)]
pub struct Metadata {
    ends: View<u64>,
    texts: View<u8>,
}

impl MetadataColumn {
    /// Makes room for `rows` rows with `bytes` bytes of text, so that pushing them cannot fail.
    pub fn reserve(&mut self, rows: usize, bytes: usize) -> Result<(), OutOfMemory> {
        self.ends.reserve(rows)?;
        self.texts.reserve(bytes)
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Appends the text of the next row.
    pub fn push(&mut self, text: Option<&str>) -> Result<(), OutOfMemory> {
        self.texts.extend(text.unwrap_or_default().as_bytes())?;
        self.ends.extend(&[self.texts.len() as u64])
    }

    /// For readers.
    pub fn view(&self) -> Metadata {
        Metadata { ends: self.ends.view(), texts: self.texts.view() }
    }
}

impl Metadata {
    fn bytes_of(&self, row: u32) -> &[u8] {
        let row = row as usize;
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.texts[start as usize..self.ends[row] as usize]
    }

    /// Rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.ends.bytes() + self.texts.bytes()
    }

    /// The text of a row.
    pub fn get(&self, row: u32) -> Option<Box<str>> {
        let bytes = self.bytes_of(row);
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into())
    }

    /// Gives `out` the texts of `rows`: the first row, how many, where each text ends, the texts.
    pub fn write<E>(&self, rows: Range<u32>, out: &mut impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        out(&rows.start.to_le_bytes())?;
        out(&(rows.len() as u32).to_le_bytes())?;
        let end_of = |row: u32| if row == 0 { 0 } else { self.ends[row as usize - 1] };
        let first = end_of(rows.start);
        for row in rows.clone() {
            out(&(end_of(row + 1) - first).to_le_bytes())?;
        }
        out(&self.texts[first as usize..end_of(rows.end) as usize])
    }
}

/// Appends a segment that [`Metadata::write`] wrote; it must follow the rows that are there.
pub fn read_metadata(r: &mut Reader<'_>, column: &mut MetadataColumn) -> Result<(), wire::Error> {
    let rows = segment(r, column.ends.len(), 8)?;
    let mut ends = Reader::with_base(r.raw(rows * 8)?, r.position());
    let mut start = 0;
    for _ in 0..rows {
        let end = ends.u64()?;
        let len = end.checked_sub(start).filter(|&len| len <= MAX_METADATA as u64);
        let len = len.ok_or_else(|| ends.error(format!("a text from {start} to {end}")))?;
        let text = std::str::from_utf8(r.raw(len as usize)?).map_err(|e| r.error(format!("a text that is not UTF-8: {e}")))?;
        column.push(Some(text)).map_err(|e| r.error(e.to_string()))?;
        start = end;
    }
    Ok(())
}
