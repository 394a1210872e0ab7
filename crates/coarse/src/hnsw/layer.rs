//! One layer: who is on it, and who links to whom.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use rows::{OutOfMemory, Words};

use super::NONE;

/// Members are numbered locally, in the order they came; on the bottom layer that number is the row.
///
/// All loads and stores are relaxed: a reader follows a link only to members that were published, with
/// everything that belongs to them, before it took its view.
#[derive(Clone)]
pub(super) struct Layer {
    /// `degree` places a member, filled from the front, [`NONE`] behind.
    links: Arc<Words>,
    /// Row of each member; empty on the bottom layer.
    rows: Arc<Words>,
    /// Local number of the same row one layer below; empty on the bottom layer.
    down: Arc<Words>,
    degree: usize,
    len: u32,
    bottom: bool,
}

impl Layer {
    pub(super) fn new(degree: usize, bottom: bool) -> Result<Self, OutOfMemory> {
        let none = Arc::new(Words::new(0, 0)?);
        Ok(Self { links: none.clone(), rows: none.clone(), down: none, degree, len: 0, bottom })
    }

    /// The same members without links.
    pub(super) fn without_links(&self) -> Result<Self, OutOfMemory> {
        Ok(Self { links: Arc::new(Words::new(self.links.len(), NONE)?), ..self.clone() })
    }

    pub(super) fn len(&self) -> u32 {
        self.len
    }

    pub(super) fn degree(&self) -> usize {
        self.degree
    }

    pub(super) fn bytes(&self) -> usize {
        self.links.bytes() + self.rows.bytes() + self.down.bytes()
    }

    /// Makes room for `additional` members, exactly where the layer is new, else at least doubling.
    pub(super) fn reserve(&mut self, additional: usize) -> Result<(), OutOfMemory> {
        let (len, needed) = (self.len as usize, self.len as usize + additional);
        let capacity = self.links.len() / self.degree;
        if needed <= capacity {
            return Ok(());
        }
        let capacity = if len == 0 { needed } else { needed.max(capacity * 2) };
        let links = moved(&self.links, len * self.degree, capacity * self.degree)?;
        if !self.bottom {
            let rows = moved(&self.rows, len, capacity)?;
            self.down = moved(&self.down, len, capacity)?;
            self.rows = rows;
        }
        self.links = links;
        Ok(())
    }

    /// Adds a member without links; `reserve` made room.
    pub(super) fn push(&mut self, row: u32, down: u32) -> u32 {
        let local = self.len;
        if !self.bottom {
            self.rows[local as usize].store(row, Relaxed);
            self.down[local as usize].store(down, Relaxed);
        }
        self.len += 1;
        local
    }

    pub(super) fn row(&self, local: u32) -> u32 {
        if self.bottom { local } else { self.rows[local as usize].load(Relaxed) }
    }

    pub(super) fn down(&self, local: u32) -> u32 {
        if self.bottom { local } else { self.down[local as usize].load(Relaxed) }
    }

    /// The known members that `local` links to.
    #[inline]
    pub(super) fn neighbours(&self, local: u32) -> impl Iterator<Item = u32> + '_ {
        let start = local as usize * self.degree;
        let len = self.len;
        // Places behind the first empty one are empty too. A link to a newer member is passed over.
        self.links[start..start + self.degree]
            .iter()
            .map(|word| word.load(Relaxed))
            .take_while(|&l| l != NONE)
            .filter(move |&l| l < len)
    }

    /// Leaves in `members` those of them that `first_met` says yes to: the loop that every search spends its time around. Which
    /// were met before is anyone's guess: there is no branch on it.
    #[inline]
    pub(super) fn collect_neighbours(&self, local: u32, members: &mut Vec<u32>, mut first_met: impl FnMut(u32) -> bool) {
        members.resize(self.degree, 0);
        let start = local as usize * self.degree;
        let mut count = 0;
        for word in &self.links[start..start + self.degree] {
            let link = word.load(Relaxed);
            if link < self.len {
                members[count] = link;
                count += usize::from(first_met(link));
            } else if link == NONE {
                break;
            }
        }
        members.truncate(count);
    }

    /// Where the links of `local` lie, for prefetching.
    #[inline]
    pub(super) fn links_at(&self, local: u32) -> *const u8 {
        self.links[local as usize * self.degree..].as_ptr().cast()
    }

    /// Replaces the links of `local` (at most `degree`).
    pub(super) fn set_links(&self, local: u32, links: impl Iterator<Item = u32>) {
        let start = local as usize * self.degree;
        let places = &self.links[start..start + self.degree];
        let mut filled = 0;
        for (place, link) in places.iter().zip(links) {
            place.store(link, Relaxed);
            filled += 1;
        }
        for place in &places[filled..] {
            place.store(NONE, Relaxed);
        }
    }
}

fn moved(from: &Words, filled: usize, capacity: usize) -> Result<Arc<Words>, OutOfMemory> {
    let to = Words::new(capacity, NONE)?;
    for (to, from) in to.iter().zip(&from[..filled]) {
        to.store(from.load(Relaxed), Relaxed);
    }
    Ok(Arc::new(to))
}
