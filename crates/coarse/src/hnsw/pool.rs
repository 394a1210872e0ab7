//! The search's memory: candidates in order, and which rows were seen.

use kernels::kernels;

use crate::Candidate;

/// Marks in the lowest bits of an entry.
const EXPANDED: Entry = 1;
const DEAD: Entry = 2;

/// One candidate in 64 bits that sort by (distance, member): the distance made to sort as an integer, the member,
/// two marks. Members are unique, so the marks never decide.
type Entry = i64;

/// Floats sort as integers do, but for the negative ones, whose other bits are turned round.
#[inline]
fn sortable(bits: i32) -> i32 {
    bits ^ (bits >> 31) & i32::MAX
}

#[inline]
fn entry(distance: f32, member: u32) -> Entry {
    i64::from(sortable(distance.to_bits() as i32)) << 32 | i64::from(member) << 2
}

#[inline]
fn distance(entry: Entry) -> f32 {
    f32::from_bits(sortable((entry >> 32) as i32) as u32)
}

#[inline]
fn member(entry: Entry) -> u32 {
    entry as u32 >> 2
}

/// Candidates ascending by (distance, member), cut behind the `ef`-th live one.
///
/// Dead members (tombstones) are walked through like others but take no place: the pool holds `ef` live
/// members and every dead one that is nearer than the last of them.
#[derive(Default)]
pub(super) struct Pool {
    entries: Vec<Entry>,
    cursor: usize,
    live: usize,
    ef: usize,
    bound: f32,
}

impl Pool {
    pub(super) fn start(&mut self, ef: usize) {
        self.entries.clear();
        (self.cursor, self.live, self.ef, self.bound) = (0, 0, ef, f32::INFINITY);
    }

    /// Distances at or above this one cannot enter.
    #[inline]
    pub(super) fn bound(&self) -> f32 {
        self.bound
    }

    /// Enters a member that is not in yet and whose distance is below the bound.
    #[inline]
    pub(super) fn insert(&mut self, distance: f32, member: u32, live: bool) {
        let entry = entry(distance, member) | if live { 0 } else { DEAD };
        self.entries.push(entry);
        kernels().insert_sorted(&mut self.entries, entry);
        // It comes behind the cursor but where the walk has just come nearer.
        if self.cursor > 0 && self.entries[self.cursor - 1] >= entry {
            self.cursor = self.entries.partition_point(|&other| other < entry);
        }
        if live {
            self.live += 1;
            if self.live > self.ef {
                self.cut();
            }
            if self.live == self.ef {
                self.bound = self.entries.last().map_or(f32::INFINITY, |&last| self::distance(last));
            }
        }
    }

    /// Drops the last live entry, and the dead ones left behind the new last.
    fn cut(&mut self) {
        while let Some(last) = self.entries.pop() {
            if last & DEAD == 0 {
                self.live -= 1;
                break;
            }
        }
        while self.entries.last().is_some_and(|last| last & DEAD != 0) {
            self.entries.pop();
        }
        self.cursor = self.cursor.min(self.entries.len());
    }

    /// The nearest member not expanded yet; marks it.
    #[inline]
    pub(super) fn next(&mut self) -> Option<u32> {
        while let Some(entry) = self.entries.get_mut(self.cursor) {
            self.cursor += 1;
            if *entry & EXPANDED == 0 {
                *entry |= EXPANDED;
                return Some(member(*entry));
            }
        }
        None
    }

    /// The same with the distance it was entered with, if fewer than `count` live members come before it.
    #[inline]
    pub(super) fn next_estimated(&mut self, count: usize) -> Option<Candidate> {
        while self.entries.get(self.cursor)? & EXPANDED != 0 {
            self.cursor += 1;
        }
        if self.passed() >= count {
            return None;
        }
        self.next().map(|row| Candidate { distance: distance(self.entries[self.cursor - 1]), row })
    }

    /// Live members before the cursor.
    #[inline]
    fn passed(&self) -> usize {
        if self.live == self.entries.len() {
            return self.cursor;
        }
        self.entries[..self.cursor].iter().filter(|&&entry| entry & DEAD == 0).count()
    }

    /// The member that `next` would give, without taking it.
    #[inline]
    pub(super) fn peek(&self) -> Option<u32> {
        self.upcoming(1).next()
    }

    /// Whether `next` would give a member that was entered with less than `bound`.
    #[inline]
    pub(super) fn waits_below(&self, bound: f32) -> bool {
        self.waiting().next().is_some_and(|entry| distance(entry) < bound)
    }

    /// The `count` members that `next` would give now, without taking them.
    #[inline]
    pub(super) fn upcoming(&self, count: usize) -> impl Iterator<Item = u32> + '_ {
        self.waiting().take(count).map(member)
    }

    /// What was not expanded yet, nearest first.
    #[inline]
    fn waiting(&self) -> impl Iterator<Item = Entry> + '_ {
        let rest = self.entries.get(self.cursor..).unwrap_or_default();
        rest.iter().copied().filter(|&entry| entry & EXPANDED == 0)
    }

    /// Live members, nearest first.
    pub(super) fn live(&self) -> impl Iterator<Item = Candidate> + '_ {
        let live = self.entries.iter().filter(|&&entry| entry & DEAD == 0);
        live.map(|&entry| Candidate { distance: distance(entry), row: member(entry) })
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
