//! Each row's JSON text.

use rows::{Appender, OutOfMemory, View};
use wire::{Reader, Writer};

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

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.ends.bytes() + self.texts.bytes()
    }

    /// The text of a row.
    pub fn get(&self, row: u32) -> Option<Box<str>> {
        let bytes = self.bytes_of(row);
        (!bytes.is_empty()).then(|| String::from_utf8_lossy(bytes).into())
    }

    /// Appends the texts of all rows.
    pub fn write(&self, w: &mut Writer) {
        for row in 0..self.ends.len() as u32 {
            w.bytes(self.bytes_of(row));
        }
    }
}

/// Reads `rows` texts that [`Metadata::write`] wrote.
pub fn read_metadata(r: &mut Reader<'_>, rows: u32) -> Result<MetadataColumn, wire::Error> {
    let mut column = MetadataColumn::default();
    for _ in 0..rows {
        let text = r.str()?;
        column.push(Some(text)).map_err(|e| r.error(e.to_string()))?;
    }
    Ok(column)
}
