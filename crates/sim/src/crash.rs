//! Which images a power loss can leave: at one moment, and at every moment of a recording.

use std::fmt;
use std::ops::ControlFlow;

use crate::disk::{Fate, Image, Op, Pending, Selection, Tear, mix};
use crate::oracle::History;
use crate::random::Random;

/// Up to so many pending changes every subset of them is tried.
const ALL_SUBSETS: usize = 6;
/// Random images beyond the systematic ones: so many, and so many more for each pending change.
const RANDOM: (usize, usize) = (8, 6);
/// Systematic tears of one write.
const TEARS: usize = 6;

/// The images of one moment, numbered.
///
/// 0 is the disk that kept nothing, 1 that which kept everything. Then each change alone kept, each alone lost, each write
/// torn in several ways; all subsets where the changes are few; and random ones, in which everything may be torn.
#[derive(Debug)]
pub struct Images<'a> {
    pending: &'a Pending,
    writes: Vec<(u64, u64)>,
    names: usize,
    seed: u64,
}

impl<'a> Images<'a> {
    /// The images of the moment that `pending` stands for.
    pub fn new(pending: &'a Pending, seed: u64) -> Self {
        Self { pending, writes: pending.writes(), names: pending.names(), seed }
    }

    /// Pending changes.
    pub fn changes(&self) -> usize {
        self.writes.len() + self.names
    }

    /// How many images there are; some may be equal.
    pub fn count(&self) -> usize {
        let changes = self.changes();
        if changes == 0 {
            return 1;
        }
        let subsets = if changes <= ALL_SUBSETS { 1 << changes } else { 0 };
        2 + 2 * changes + TEARS * self.writes.len() + subsets + RANDOM.0 + RANDOM.1 * changes
    }

    /// The number of the image that comes `place`th: nothing kept, everything kept, then all others in an order of their own.
    pub fn pick(&self, place: usize) -> Option<usize> {
        let count = self.count();
        if place < 2 || place >= count {
            return (place < count).then_some(place);
        }
        // A step that has no divisor in common with the count comes to every number once.
        let (others, start) = (count - 2, self.seed as usize % (count - 2));
        let step = (others * 5 / 8..).find(|&step| common_divisor(step.max(1), others) == 1).unwrap_or(1).max(1);
        Some(2 + (start + (place - 2) * step) % others)
    }

    /// Number `number` of them.
    pub fn selection(&self, number: usize) -> Selection {
        let (changes, mut number) = (self.changes(), number);
        let mut within = |count: usize| {
            let here = number < count;
            if !here {
                number -= count;
            }
            here.then_some(number)
        };
        if let Some(all) = within(2) {
            self.keep(|_| all == 1)
        } else if let Some(alone) = within(changes) {
            self.keep(|change| change == alone)
        } else if let Some(lost) = within(changes) {
            self.keep(|change| change != lost)
        } else if let Some(tear) = within(TEARS * self.writes.len()) {
            self.torn(tear / TEARS, tear % TEARS)
        } else if let Some(subset) = within(if changes <= ALL_SUBSETS { 1 << changes } else { 0 }) {
            self.keep(|change| subset >> change & 1 == 1)
        } else {
            self.random(&mut Random::of(self.seed, number as u64))
        }
    }

    /// The disk of number `number`.
    pub fn image(&self, number: usize) -> Image {
        self.pending.image(&self.selection(number))
    }

    /// Whole writes and changes of names for which `kept` holds; names are counted first, after them the writes.
    fn keep(&self, kept: impl Fn(usize) -> bool) -> Selection {
        let whole = |change: usize| if kept(change) { Fate::Whole } else { Fate::Absent };
        let writes = (self.names..self.changes()).map(whole).collect();
        Selection { writes, names: (0..self.names).map(&kept).collect(), short: 0 }
    }

    /// All is there but for parts of one write.
    fn torn(&self, write: usize, how: usize) -> Selection {
        let mut selection = self.keep(|_| true);
        let sectors = |sector: u64| {
            let (at, len) = self.writes[write];
            (at + len).div_ceil(sector) - at / sector
        };
        let (sector, zeros) = ([512, 4096][how % 2], how < 4);
        let last = sectors(sector).clamp(1, 64) - 1;
        let kept = match how {
            0 | 1 => (1u64 << last) - 1,
            2 | 3 => !1,
            // At 4096 bytes, or where there is one sector: nothing, and the file no longer; else the first half.
            _ => (1u64 << (last / 2)) - 1,
        };
        selection.writes[write] = Fate::Torn(Tear { sector, kept, zeros });
        selection
    }

    /// Anything may happen to anything.
    fn random(&self, random: &mut Random) -> Selection {
        let (torn_in, lost_in) = (1 + random.below(4), 2 + random.below(4));
        let writes = (0..self.writes.len()).map(|_| {
            if random.once_in(torn_in) {
                Fate::Torn(some_tear(random))
            } else if random.once_in(lost_in) {
                Fate::Absent
            } else {
                Fate::Whole
            }
        });
        let writes = writes.collect();
        let names = (0..self.names).map(|_| !random.once_in(lost_in)).collect();
        let short = if random.once_in(4) { random.below(256) as u8 } else { 0 };
        Selection { writes, names, short }
    }
}

fn some_tear(random: &mut Random) -> Tear {
    let kept = match random.below(3) {
        0 => random.word(),
        // The first sectors, or all but one.
        1 => (1 << random.below(64)) - 1,
        _ => !(1 << random.below(64)),
    };
    Tear { sector: *random.pick(&[512, 4096]), kept, zeros: random.once_in(2) }
}

/// What was done to a disk, and what must be there.
#[derive(Debug)]
pub struct Recording {
    /// The disk before.
    pub base: Image,
    /// What was done.
    pub journal: Vec<Op>,
    /// What was written, and promised.
    pub history: History,
    /// Position at which there was an index for certain.
    pub opened: usize,
}

impl fmt::Display for Recording {
    /// The journal, an operation a line, and what was promised when.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "before: {:?}", self.base.files.keys())?;
        self.journal.iter().enumerate().try_for_each(|(at, op)| writeln!(f, "{at:4} {op}"))?;
        writeln!(f, "opened at {}; {}", self.opened, self.history)
    }
}

impl Recording {
    /// Calls `look(at, number, images)` for every image of every moment from position `from` on: the first of each
    /// moment, then the second of each, and so on, until it breaks.
    pub fn visit(&self, from: usize, seed: u64, mut look: impl FnMut(usize, usize, &Images<'_>) -> ControlFlow<()>) {
        let mut pending = Pending::new(&self.base);
        let mut moments = vec![pending.clone()];
        for op in &self.journal {
            pending.apply(op);
            moments.push(pending.clone());
        }
        let images = |(at, pending)| (at, Images::new(pending, mix(seed ^ (at as u64) << 32)));
        let moments: Vec<_> = moments.iter().enumerate().skip(from).map(images).collect();
        for place in 0.. {
            let mut more = false;
            for (at, images) in &moments {
                let Some(number) = images.pick(place) else { continue };
                more = true;
                if look(*at, number, images).is_break() {
                    return;
                }
            }
            if !more {
                return;
            }
        }
    }
}

fn common_divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimDisk;
    use std::collections::BTreeSet;
    use std::path::Path;
    use store::Vfs;

    fn images(disk: &SimDisk) -> BTreeSet<u64> {
        let mut pending = Pending::new(&Image::default());
        disk.journal().iter().for_each(|op| pending.apply(op));
        let images = Images::new(&pending, 1);
        (0..images.count()).map(|number| images.image(number).hash()).collect()
    }

    #[test]
    fn few_changes_give_every_subset() {
        let disk = SimDisk::recording(&Image::default());
        let files: Vec<_> = ["/a", "/b", "/c"].iter().map(|path| disk.create(Path::new(path)).unwrap()).collect();
        assert_eq!(images(&disk).len(), 8);
        disk.sync_dir(Path::new("/")).unwrap();
        assert_eq!(images(&disk).len(), 1);
        files.iter().for_each(|file| {
            file.write_at(b"x", 0).unwrap();
        });
        // Each byte there, not there, or a zero in its place; not all of these are tried.
        assert!((8..=27).contains(&images(&disk).len()), "{}", images(&disk).len());
    }

    #[test]
    fn many_changes_give_a_sample_that_depends_on_the_seed_alone() {
        let disk = SimDisk::recording(&Image::default());
        for name in 0..20 {
            disk.create(Path::new(&format!("/{name}"))).unwrap().write_at(&[1; 9000], 0).unwrap();
        }
        let first = images(&disk);
        assert!(first.len() > 200, "{}", first.len());
        assert_eq!(first, images(&disk));
    }

    #[test]
    fn every_image_is_picked_once() {
        let disk = SimDisk::recording(&Image::default());
        for name in ["/a", "/b", "/c"] {
            disk.create(Path::new(name)).unwrap();
            let mut pending = Pending::new(&Image::default());
            disk.journal().iter().for_each(|op| pending.apply(op));
            for seed in 0..20 {
                let images = Images::new(&pending, seed);
                let picked: BTreeSet<usize> = (0..).map_while(|place| images.pick(place)).collect();
                assert_eq!(picked, (0..images.count()).collect());
            }
        }
    }
}
