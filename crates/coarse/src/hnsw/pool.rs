//! The search's memory: candidates in order, and which rows were seen.

use crate::Candidate;

/// Marks in a pool entry's row number; [`super::MAX_ROWS`] keeps them free.
const EXPANDED: u32 = 1 << 31;
const DEAD: u32 = 1 << 30;

/// Candidates ascending by (distance, member), cut behind the `ef`-th live one.
///
/// Dead members (tombstones) are walked through like others but take no place: the pool holds `ef` live
/// members and every dead one that is nearer than the last of them.
#[derive(Default)]
pub(super) struct Pool {
    entries: Vec<Candidate>,
    cursor: usize,
    live: usize,
    ef: usize,
}

impl Pool {
    pub(super) fn start(&mut self, ef: usize) {
        self.entries.clear();
        (self.cursor, self.live, self.ef) = (0, 0, ef);
    }

    /// Distances at or above this one cannot enter.
    #[inline]
    pub(super) fn bound(&self) -> f32 {
        if self.live < self.ef { f32::INFINITY } else { self.entries.last().map_or(f32::INFINITY, |e| e.distance) }
    }

    /// Enters a member that is not in yet.
    #[inline]
    pub(super) fn insert(&mut self, distance: f32, member: u32, live: bool) {
        let at = self.entries.partition_point(|e| match e.distance.total_cmp(&distance) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Equal => e.row & !(EXPANDED | DEAD) < member,
            std::cmp::Ordering::Greater => false,
        });
        if at == self.entries.len() && self.live >= self.ef {
            return;
        }
        self.entries.insert(at, Candidate { distance, row: if live { member } else { member | DEAD } });
        self.cursor = self.cursor.min(at);
        if live {
            self.live += 1;
            if self.live > self.ef {
                self.cut();
            }
        }
    }

    /// Drops the last live entry, and the dead ones left behind the new last.
    fn cut(&mut self) {
        while let Some(last) = self.entries.pop() {
            if last.row & DEAD == 0 {
                self.live -= 1;
                break;
            }
        }
        while self.entries.last().is_some_and(|e| e.row & DEAD != 0) {
            self.entries.pop();
        }
    }

    /// The nearest member not expanded yet; marks it.
    #[inline]
    pub(super) fn next(&mut self) -> Option<u32> {
        while let Some(entry) = self.entries.get_mut(self.cursor) {
            self.cursor += 1;
            if entry.row & EXPANDED == 0 {
                entry.row |= EXPANDED;
                return Some(entry.row & !(EXPANDED | DEAD));
            }
        }
        None
    }

    /// The member that `next` would give, without taking it.
    #[inline]
    pub(super) fn peek(&self) -> Option<u32> {
        self.entries.get(self.cursor..)?.iter().find(|e| e.row & EXPANDED == 0).map(|e| e.row & !(EXPANDED | DEAD))
    }

    /// Live members, nearest first.
    pub(super) fn live(&self) -> impl Iterator<Item = Candidate> + '_ {
        self.entries.iter().filter(|e| e.row & DEAD == 0).map(|e| Candidate { distance: e.distance, row: e.row & !EXPANDED })
    }
}

/// Which members a search has met: a tag a member, so that the next search only takes another tag.
#[derive(Default)]
pub(super) struct Visited {
    tags: Vec<u8>,
    tag: u8,
}

impl Visited {
    pub(super) fn start(&mut self, members: usize) {
        if self.tags.len() < members {
            self.tags.resize(members.next_multiple_of(4096), 0);
        }
        self.tag = self.tag.wrapping_add(1);
        if self.tag == 0 {
            self.tags.fill(0);
            self.tag = 1;
        }
    }

    /// Whether `member` is met for the first time.
    #[inline]
    pub(super) fn insert(&mut self, member: u32) -> bool {
        let tag = &mut self.tags[member as usize];
        let first = *tag != self.tag;
        *tag = self.tag;
        first
    }
}
