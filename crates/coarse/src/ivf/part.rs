//! Which rows are in which list.

use std::ops::Range;

use super::{BLOCK, NONE};

/// Consecutive rows, list by list. The rows of a list ascend, and fill whole blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    rows: Range<u32>,
    /// The first block of every list, and the end of the last.
    starts: Vec<u32>,
    /// 32 a block; [`NONE`] behind the last of a list.
    members: Vec<u32>,
}

impl Part {
    /// The rows from `first` on, of which `labels` says the list of each; every label is below `lists`.
    pub fn new(first: u32, labels: &[u32], lists: usize) -> Self {
        let mut counts = vec![0u32; lists];
        for &label in labels {
            counts[label as usize] += 1;
        }
        let mut starts = Vec::with_capacity(lists + 1);
        let mut blocks = 0;
        for &count in &counts {
            starts.push(blocks);
            blocks += count.div_ceil(BLOCK as u32);
        }
        starts.push(blocks);
        let mut members = vec![NONE; blocks as usize * BLOCK];
        let mut next: Vec<usize> = starts.iter().map(|&block| block as usize * BLOCK).collect();
        for (row, &label) in (first..).zip(labels) {
            let at = &mut next[label as usize];
            members[*at] = row;
            *at += 1;
        }
        Self { rows: first..first + labels.len() as u32, starts, members }
    }

    /// The rows of `parts`, which follow one another and have the same lists, as one part.
    pub fn merged(parts: &[&Part]) -> Self {
        let (first, lists) = parts.first().map_or((0, 0), |part| (part.rows.start, part.lists()));
        let labels: Vec<u32> = parts.iter().flat_map(|part| part.labels()).collect();
        Self::new(first, &labels, lists)
    }

    /// The list of every row of `rows()`.
    pub fn labels(&self) -> Vec<u32> {
        let mut labels = vec![0; (self.rows.end - self.rows.start) as usize];
        for list in 0..self.lists() {
            for row in self.members_of(list) {
                labels[(row - self.rows.start) as usize] = list as u32;
            }
        }
        labels
    }

    /// The rows that are in it.
    pub fn rows(&self) -> Range<u32> {
        self.rows.clone()
    }

    /// How many lists there are, empty ones too.
    pub fn lists(&self) -> usize {
        self.starts.len() - 1
    }

    /// How many blocks there are.
    pub fn blocks(&self) -> usize {
        self.members.len() / BLOCK
    }

    /// The blocks of a list.
    pub fn blocks_of(&self, list: usize) -> Range<usize> {
        self.starts[list] as usize..self.starts[list + 1] as usize
    }

    /// The rows of some blocks, `u32::MAX` where there is none.
    pub fn members(&self, blocks: Range<usize>) -> &[u32] {
        &self.members[blocks.start * BLOCK..blocks.end * BLOCK]
    }

    /// The rows of a list.
    pub fn members_of(&self, list: usize) -> impl Iterator<Item = u32> + '_ {
        self.members(self.blocks_of(list)).iter().copied().filter(|&row| row != NONE)
    }

    /// Where in the part every row of `rows()` lies: 32 times its block and its place in it.
    pub fn places(&self) -> Vec<u32> {
        let mut places = vec![NONE; (self.rows.end - self.rows.start) as usize];
        for (place, &row) in (0..).zip(&self.members) {
            if row != NONE {
                places[(row - self.rows.start) as usize] = place;
            }
        }
        places
    }

    /// Heap bytes held.
    pub fn memory(&self) -> usize {
        (self.starts.capacity() + self.members.capacity()) * size_of::<u32>()
    }
}
