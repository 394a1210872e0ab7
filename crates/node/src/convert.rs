//! Ids, batches and search parameters as they cross the boundary.

use engine::{Batch, Id, Include, SearchParams};

/// A `Float64Array` of the caller's to write results to. By a name of its own because `#[napi]` takes any `&mut` for a class.
pub type Words<'a> = &'a mut [f64];

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

/// How to search. `threads` is for batches.
pub fn search_params(
    k: u32,
    ef: Option<u32>,
    probes: Option<u32>,
    rerank: Option<u32>,
    recall: Option<f64>,
    bits: u32,
    threads: Option<u32>,
) -> SearchParams {
    SearchParams {
        k: k as usize,
        ef: ef.map(|n| n as usize),
        probes: probes.map(|n| n as usize),
        rerank: rerank.map(|n| n as usize),
        recall,
        include: include(bits),
        threads: threads.map_or(0, |n| n as usize),
    }
}
