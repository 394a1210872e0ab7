//! What a reader can still have of damaged columns: every row whose bytes are known.

use std::ops::Range;

use super::load::Loading;
use crate::doubt::Doubt;
use crate::error::Result;
use crate::ids::{IdColumn, MAX_TEXT_ID, TEXT};
use crate::metadata::{MAX_METADATA, MetadataColumn};
use crate::tombstones::Tombstones;
use crate::types::{Id, MAX_NUMBER_ID};

/// Bytes of a segment before its rows: the first row, and how many.
const HEAD: usize = 8;

/// A column's bytes, and where they are unknown.
struct Pieces {
    bytes: Vec<u8>,
    unknown: Vec<Range<u64>>,
}

impl Pieces {
    /// The bytes, if they are there and known.
    fn get(&self, at: usize, len: usize) -> Option<&[u8]> {
        let end = at.checked_add(len)?;
        let known = !self.unknown.iter().any(|range| (range.start as usize) < end && (range.end as usize) > at);
        self.bytes.get(at..end).filter(|_| known)
    }

    fn u32(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(*self.get(at, 4)?.first_chunk()?))
    }

    fn u64(&self, at: usize) -> Option<u64> {
        Some(u64::from_le_bytes(*self.get(at, 8)?.first_chunk()?))
    }

    fn text(&self, at: usize, len: usize) -> Option<&str> {
        std::str::from_utf8(self.get(at, len)?).ok()
    }
}

impl Loading<'_> {
    /// Ids, metadata and tombstones as far as they are known, of as many rows as the manifest says.
    pub fn salvage(&self) -> Result<(IdColumn, MetadataColumn, Tombstones, Doubt)> {
        let rows = self.body.counts.rows;
        let (mut ids, mut metadata, mut doubt) = (IdColumn::default(), MetadataColumn::default(), Doubt::default());
        self.salvage_segments("ids", &mut doubt.damage, |pieces, at, count| {
            match pieces.and_then(|pieces| id(pieces, at, count)) {
                Some(id) => ids.push(&id)?,
                None => {
                    doubt.rows.insert(ids.len() as u32);
                    ids.push(&Id::Number(0))?;
                }
            }
            Ok(())
        })?;
        self.salvage_segments("metadata", &mut doubt.damage, |pieces, at, count| {
            let text = pieces.and_then(|pieces| text(pieces, at, count));
            if text.is_none() {
                doubt.texts.insert(metadata.len() as u32);
            }
            Ok(metadata.push(text)?)
        })?;
        let mut dead = self.salvage_dead(rows, &mut doubt)?;
        if !(dead.len()..=dead.len() + doubt.rows.len()).contains(&self.body.counts.dead) {
            // Nothing is damaged, and yet of no row is it known whether it lives.
            let what = format!("dead: {} rows are known to be, the manifest says {}", dead.len(), self.body.counts.dead);
            doubt.damage.push(what);
            (0..rows).for_each(|row| doubt.rows.insert(row));
            dead = Tombstones::default();
        }
        Ok((ids, metadata, dead, doubt))
    }

    /// Calls `found` for every row with its segment (if anything of it is known), its place there, and the rows of that.
    fn salvage_segments(
        &self,
        kind: &str,
        damage: &mut Vec<String>,
        mut found: impl FnMut(Option<&Pieces>, usize, usize) -> Result<()>,
    ) -> Result<()> {
        let (rows, mut next) = (self.body.counts.rows, 0);
        for file in self.manifest.files_of(kind) {
            if let Err(error) = self.directory.check_file(file, self.task) {
                damage.push(error.to_string());
            }
            let (bytes, unknown) = self.directory.salvage_file(file, self.task)?;
            let pieces = Pieces { bytes, unknown };
            let (Some(first), Some(count)) = (pieces.u32(0), pieces.u32(4)) else { continue };
            if first < next || first.checked_add(count).is_none_or(|end| end > rows) {
                continue;
            }
            // What lies between belongs to segments that do not even say what they hold.
            (next..first).try_for_each(|_| found(None, 0, 0))?;
            (0..count as usize).try_for_each(|at| found(Some(&pieces), at, count as usize))?;
            next = first + count;
        }
        (next..rows).try_for_each(|_| found(None, 0, 0))
    }

    /// Rows that are known to be dead; those of which it is not known are in doubt.
    fn salvage_dead(&self, rows: u32, doubt: &mut Doubt) -> Result<Tombstones> {
        let mut dead = Tombstones::default();
        let file = self.only("dead")?;
        if let Err(error) = self.directory.check_file(&file, self.task) {
            doubt.damage.push(error.to_string());
        }
        let (bytes, unknown) = self.directory.salvage_file(&file, self.task)?;
        let missing = bytes.is_empty();
        let pieces = Pieces { bytes, unknown };
        for word in 0..rows.div_ceil(64) {
            let at = 4 + word as usize * 8;
            let known = if missing || at < pieces.bytes.len() { pieces.u64(at) } else { Some(0) };
            for row in word * 64..rows.min(word * 64 + 64) {
                match known {
                    Some(bits) if bits >> (row % 64) & 1 == 1 => dead.insert(row),
                    Some(_) => {}
                    None => doubt.rows.insert(row),
                }
            }
        }
        Ok(dead)
    }
}

/// The id of the row at place `at` of a segment of `count`.
fn id(pieces: &Pieces, at: usize, count: usize) -> Option<Id> {
    let slot = pieces.u64(HEAD + at * 8)?;
    if slot & TEXT == 0 {
        return Some(Id::Number(slot)).filter(|_| slot <= MAX_NUMBER_ID);
    }
    let start = (HEAD + count * 8).checked_add((slot & !TEXT) as usize)?;
    let len = pieces.u32(start)? as usize;
    pieces.text(start + 4, len).filter(|_| len <= MAX_TEXT_ID).map(|text| Id::Text(text.into()))
}

/// The metadata of the row at place `at` of a segment of `count`: an empty text where it has none.
fn text(pieces: &Pieces, at: usize, count: usize) -> Option<&str> {
    let start = if at == 0 { 0 } else { pieces.u64(HEAD + (at - 1) * 8)? };
    let end = pieces.u64(HEAD + at * 8)?;
    let len = end.checked_sub(start).filter(|&len| len <= MAX_METADATA as u64)?;
    pieces.text((HEAD + count * 8).checked_add(start as usize)?, len as usize)
}
