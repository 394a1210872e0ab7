use crate::binary::BinaryQuery;
use crate::pq::PqQuery;
use crate::rabitq::RabitqQuery;
use crate::sq::SqQuery;
use kernels::{NibbleTables, Scorer, Strided};

/// Rows whose integer products are kept on the stack at a time.
pub(crate) const CHUNK: usize = 256;

/// One query against code rows: estimated distances in the metric's units, equal (to rounding of the query) to the
/// distance from the query to [`crate::Codec::decode`] of the row. They are estimates: an L2 one may be slightly negative.
///
/// Scoring allocates nothing.
pub struct CodeScorer<'a> {
    pub(crate) codes: Strided<'a>,
    pub(crate) query: Query,
}

pub(crate) enum Query {
    Sq(SqQuery),
    Binary(BinaryQuery),
    Pq(PqQuery),
    Rabitq(RabitqQuery),
}

impl CodeScorer<'_> {
    /// Makes the tables that sum up the query's values by the codes of [`crate::Rabitq::neighbours`].
    ///
    /// # Panics
    /// If the codes are not of a [`crate::Rabitq`].
    pub fn neighbour_tables(&self, tables: &mut NibbleTables) {
        match &self.query {
            Query::Rabitq(query) => query.neighbour_tables(tables),
            _ => panic!("codes without neighbours"),
        }
    }
}

impl Scorer for CodeScorer<'_> {
    fn score(&mut self, rows: &[u32], out: &mut [f32]) {
        assert_eq!(rows.len(), out.len(), "rows and scores differ in number");
        match &self.query {
            Query::Sq(query) => query.score(self.codes, rows, out),
            Query::Binary(query) => query.score(self.codes, rows, out),
            Query::Pq(query) => query.score(self.codes, rows, out),
            Query::Rabitq(query) => query.score(self.codes, rows, out),
        }
    }

    fn score_range(&mut self, start: u32, out: &mut [f32]) {
        match &self.query {
            Query::Sq(query) => query.score_range(self.codes, start, out),
            Query::Binary(query) => query.score_range(self.codes, start, out),
            Query::Pq(query) => query.score_range(self.codes, start, out),
            Query::Rabitq(query) => query.score_range(self.codes, start, out),
        }
    }

    fn score_one(&mut self, row: u32) -> f32 {
        if let Query::Rabitq(query) = &self.query {
            return query.score_one(self.codes.row(row as usize));
        }
        let mut out = [0.0];
        self.score(&[row], &mut out);
        out[0]
    }
}

/// The `f32` at byte `at` of a code row.
pub(crate) fn f32_at(row: &[u8], at: usize) -> f32 {
    f32::from_le_bytes([row[at], row[at + 1], row[at + 2], row[at + 3]])
}
