//! Ids, batches and search parameters as they cross the boundary.

use engine::{Batch, Id, Include, SearchParams};

/// Bits of what to include, as `ts/search.ts` has them.
const METADATA: u32 = 1;
const VECTOR: u32 = 2;

/// The number that stands for an id; for a text NaN, and the text goes to the end of `texts`.
pub fn pack_id(id: Id, texts: &mut Vec<String>) -> f64 {
    match id {
        Id::Number(number) => number as f64,
        Id::Text(text) => {
            texts.push(text.into());
            f64::NAN
        }
    }
}

/// The ids that [`pack_id`] packed. A missing text is an empty one: JavaScript packs them, and a mistake there must not
/// panic here.
pub fn unpack_ids(numbers: &[f64], texts: Vec<String>) -> Vec<Id> {
    let mut texts = texts.into_iter();
    numbers.iter().map(|&number| unpack_id(number, &mut texts)).collect()
}

fn unpack_id(number: f64, texts: &mut impl Iterator<Item = String>) -> Id {
    if number.is_nan() { Id::Text(texts.next().unwrap_or_default().into()) } else { Id::Number(number as u64) }
}

/// A batch as JavaScript gave it, copied but not converted: the conversion is for the writer's thread.
pub struct RawBatch {
    /// One an item; NaN for the next text.
    pub numbers: Vec<f64>,
    /// Text ids.
    pub texts: Vec<String>,
    /// Rows of values.
    pub vectors: Vec<f32>,
    /// JSON an item, or none for all.
    pub metadata: Option<Vec<Option<String>>>,
}

impl From<RawBatch> for Batch {
    fn from(raw: RawBatch) -> Self {
        Self {
            ids: unpack_ids(&raw.numbers, raw.texts),
            vectors: raw.vectors,
            metadata: raw.metadata.map(|all| all.into_iter().map(|one| one.map(Into::into)).collect()),
        }
    }
}

/// What to include, from its bits.
pub fn include(bits: u32) -> Include {
    Include { metadata: bits & METADATA != 0, vector: bits & VECTOR != 0 }
}

/// Where a search's numbers lie in the words that it comes with, as `ts/search.ts` has them. 0 stands for what was not given.
mod place {
    pub const TOKEN: usize = 0;
    pub const K: usize = 1;
    pub const EF: usize = 2;
    pub const PROBES: usize = 3;
    pub const RERANK: usize = 4;
    pub const RECALL: usize = 5;
    pub const INCLUDE: usize = 6;
    pub const THREADS: usize = 7;
}

/// What a search was asked for: by which token JavaScript knows it, and how to search.
pub fn asked(words: &[f64]) -> (u32, SearchParams) {
    let word = |at: usize| words.get(at).copied().unwrap_or(0.0);
    let given = |at| Some(word(at)).filter(|&number| number > 0.0);
    let count = |at| given(at).map(|number| number as usize);
    let params = SearchParams {
        k: count(place::K).unwrap_or(0),
        ef: count(place::EF),
        probes: count(place::PROBES),
        rerank: count(place::RERANK),
        recall: given(place::RECALL),
        include: include(word(place::INCLUDE) as u32),
        threads: count(place::THREADS).unwrap_or(0),
    };
    (word(place::TOKEN) as u32, params)
}
