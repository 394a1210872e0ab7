//! What readers see: one immutable state, replaced as a whole.

use std::sync::Arc;

use coarse::hnsw::{Graph, Nodes};
use kernels::{Strided, kernels};
use quant::{CodeScorer, Codec, Rabitq};
use rows::View;

use crate::dense::Dense;
use crate::doubt::Doubt;
use crate::ids::Ids;
use crate::lists::Lists;
use crate::metadata::Metadata;
use crate::recall::Efforts;
use crate::tombstones::Tombstones;

/// Codes asked for ahead of the one that is read. Linking SIFT took 45 s on two cores, and 54 without (a Zen 5).
const AHEAD: usize = 8;

/// How candidates are found now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plan {
    /// They are not: every stored vector is compared.
    Exact,
    /// All codes are scanned.
    Flat,
    /// The graph is walked.
    Hnsw,
    /// Some of the lists are looked into.
    Ivf,
}

/// Trained codes of rows 0 .. `len`.
#[derive(Clone)]
pub struct Codes {
    /// What made them.
    pub codec: Arc<Codec>,
    /// `codec.code_bytes()` bytes a row.
    pub bytes: View<u8>,
}

impl Codes {
    /// Rows encoded.
    pub fn len(&self) -> u32 {
        (self.bytes.len() / self.codec.code_bytes()) as u32
    }

    /// The code of a row.
    pub fn row(&self, row: u32) -> &[u8] {
        let stride = self.codec.code_bytes();
        &self.bytes[row as usize * stride..][..stride]
    }

    /// The codes of rows that lie anywhere, each asked for some turns before its own.
    pub fn in_turn<'a>(&'a self, rows: &'a [u32]) -> impl ExactSizeIterator<Item = &'a [u8]> {
        rows.iter().enumerate().map(|(at, &row)| {
            rows.get(at + AHEAD).into_iter().for_each(|&next| kernels().prefetch(self.row(next)));
            self.row(row)
        })
    }

    /// The codes of some rows, one after another.
    pub fn rows(&self, rows: std::ops::Range<u32>) -> &[u8] {
        let stride = self.codec.code_bytes();
        &self.bytes[rows.start as usize * stride..rows.end as usize * stride]
    }

    /// Estimates over the encoded rows.
    pub fn scorer(&self, query: &[f32]) -> CodeScorer<'_> {
        self.codec.scorer(query, self.strided())
    }

    /// The same from one of the encoded rows.
    pub fn scorer_of(&self, row: u32) -> CodeScorer<'_> {
        self.codec.scorer_of_code(self.row(row), self.strided())
    }

    /// The codec, if it is one that codes neighbours: see [`Rabitq::tells_neighbours`].
    pub fn rabitq(&self) -> Option<&Rabitq> {
        match &*self.codec {
            Codec::Rabitq(codec) if codec.tells_neighbours() => Some(codec),
            _ => None,
        }
    }

    fn strided(&self) -> Strided<'_> {
        Strided::new(&self.bytes, self.codec.code_bytes(), self.len() as usize)
    }
}

/// Everything a search needs. Cloning clones a few `Arc`s.
///
/// Rows are numbered in the order they came; a row is never changed, only marked dead. `codes`, `graph` and `lists`
/// cover a prefix of the rows; what lies behind is scanned.
#[derive(Clone)]
pub struct State {
    /// The stored vectors.
    pub dense: Dense,
    /// Row to id.
    pub ids: Ids,
    /// Row to JSON text.
    pub metadata: Metadata,
    /// Rows that were deleted or replaced.
    pub dead: Tombstones,
    /// Codes, once trained.
    pub codes: Option<Codes>,
    /// Links.
    pub graph: Graph,
    /// The links once more with codes beside them, once made.
    pub nodes: Option<Nodes>,
    /// Lists, once trained.
    pub lists: Option<Lists>,
    /// How candidates are found.
    pub plan: Plan,
    /// What searches of growing effort find, once it was measured.
    pub efforts: Option<Arc<Efforts>>,
    /// What a reader of a damaged index does not know; `None` where nothing is damaged.
    pub doubt: Option<Arc<Doubt>>,
    /// Whether the plan needs codes (else it works on the stored vectors).
    pub over_codes: bool,
}

impl State {
    /// Rows, dead ones included.
    pub fn rows(&self) -> u32 {
        self.ids.len() as u32
    }

    /// Live rows.
    pub fn live(&self) -> u32 {
        self.doubt.as_ref().map_or(self.rows() - self.dead.len(), |doubt| doubt.live)
    }

    /// Whether a row lives.
    #[inline]
    pub fn is_live(&self, row: u32) -> bool {
        !self.dead.contains(row)
    }

    /// Whether the graph could be walked by the codes in nodes, and there are none.
    pub fn lacks_nodes(&self) -> bool {
        let coded = self.over_codes && self.codes.as_ref().is_some_and(|codes| codes.rabitq().is_some());
        self.plan == Plan::Hnsw && coded && self.nodes.is_none()
    }

    /// Rows 0 .. this are found by the plan; those behind are compared exactly.
    pub fn covered(&self) -> u32 {
        let coded = if self.over_codes { self.codes.as_ref().map_or(0, Codes::len) } else { self.rows() };
        match self.plan {
            Plan::Exact => 0,
            Plan::Flat => coded,
            Plan::Hnsw => self.graph.len().min(coded),
            Plan::Ivf => self.lists.as_ref().map_or(0, Lists::len).min(coded),
        }
    }
}
