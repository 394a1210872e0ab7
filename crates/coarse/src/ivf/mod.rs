//! Lists of rows around centroids (an inverted file): a query looks into the lists whose centroids are nearest to it.
//!
//! Rows that were put into lists together are a [`Part`], which never changes; what comes later is another part, and parts
//! are merged as they grow. So readers need no lock, and what a part holds lies list by list, in blocks of 32 rows, as the
//! scans of codes want it. What rows are made of is the caller's business: it scores blocks as a [`ListScorer`].

mod part;
mod search;

#[cfg(test)]
mod tests;

pub use part::Part;
pub use search::{ListScorer, nearest_lists, search};

/// Rows of a block.
pub const BLOCK: usize = 32;
/// What fills up the last block of a list.
const NONE: u32 = u32::MAX;
