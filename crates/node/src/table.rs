//! Many hits or items as columns, which cross to JavaScript far cheaper than objects.

use engine::{Hit, Item};
use napi::bindgen_prelude::{Float32Array, Float64Array, Uint32Array};
use napi_derive::napi;

use crate::convert::pack_id;

/// The columns, still in Rust.
#[derive(Default)]
pub struct Columns {
    counts: Vec<u32>,
    numbers: Vec<f64>,
    texts: Vec<String>,
    distances: Vec<f64>,
    metadata: Option<Vec<Option<String>>>,
    vectors: Option<Vec<f32>>,
}

/// The columns, in JavaScript.
#[napi(object, object_from_js = false)]
pub struct NativeTable {
    /// Hits of each query; of `get`, for each id 1 if it is there, else 0.
    pub counts: Uint32Array,
    /// Ids; NaN for the next of `texts`. Empty for `get`.
    pub numbers: Float64Array,
    /// Text ids, in order.
    pub texts: Vec<String>,
    /// Distances. Empty for `get`.
    pub distances: Float64Array,
    /// JSON of each row.
    pub metadata: Option<Vec<Option<String>>>,
    /// Values of each row.
    pub vectors: Option<Float32Array>,
}

impl Columns {
    /// The hits of one query.
    pub fn of_hits(hits: Vec<Hit>) -> Self {
        let mut columns = Self::default();
        columns.put(hits);
        columns
    }

    /// Adds the hits of the next query. Metadata and vectors are there if any hit has them.
    pub fn put(&mut self, hits: Vec<Hit>) {
        self.counts.push(hits.len() as u32);
        self.numbers.reserve(hits.len());
        self.distances.reserve(hits.len());
        for hit in hits {
            let row = self.numbers.len();
            self.numbers.push(pack_id(hit.id, &mut self.texts));
            self.distances.push(hit.distance);
            self.put_included(row, hit.metadata, hit.vector);
        }
    }

    /// Columns of queries that follow one another, as one.
    pub fn joined(parts: Vec<Self>) -> Self {
        let mut parts = parts.into_iter();
        let mut all = parts.next().unwrap_or_default();
        parts.for_each(|part| all.append(part));
        all
    }

    fn append(&mut self, next: Self) {
        let row = self.numbers.len();
        self.counts.extend(next.counts);
        self.numbers.extend(next.numbers);
        self.texts.extend(next.texts);
        self.distances.extend(next.distances);
        if self.metadata.is_some() || next.metadata.is_some() {
            let column = self.metadata.get_or_insert_default();
            column.resize(row, None);
            column.extend(next.metadata.unwrap_or_default());
            column.resize(self.numbers.len(), None);
        }
        if let Some(vectors) = next.vectors {
            self.vectors.get_or_insert_default().extend(vectors);
        }
    }

    /// What `get` found.
    pub fn of_items(items: Vec<Option<Item>>) -> Self {
        let mut columns = Self { counts: items.iter().map(|item| u32::from(item.is_some())).collect(), ..Self::default() };
        for (row, item) in items.into_iter().flatten().enumerate() {
            columns.put_included(row, item.metadata, item.vector);
        }
        columns
    }

    /// All rows have a vector or none has; metadata is an item's own affair.
    fn put_included(&mut self, row: usize, metadata: Option<Box<str>>, vector: Option<Vec<f32>>) {
        if let Some(vector) = vector {
            self.vectors.get_or_insert_default().extend(vector);
        }
        if metadata.is_some() || self.metadata.is_some() {
            let column = self.metadata.get_or_insert_default();
            column.resize(row, None);
            column.push(metadata.map(Into::into));
        }
    }

    /// Rows in all.
    pub fn rows(&self) -> usize {
        self.counts.iter().map(|&count| count as usize).sum()
    }
}

impl From<Columns> for NativeTable {
    fn from(columns: Columns) -> Self {
        Self {
            counts: columns.counts.into(),
            numbers: columns.numbers.into(),
            texts: columns.texts,
            distances: columns.distances.into(),
            metadata: columns.metadata,
            vectors: columns.vectors.map(Into::into),
        }
    }
}
