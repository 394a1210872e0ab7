//! The graph once more, with codes beside its links, where the codes are such.

use coarse::Candidate;
use coarse::flat::{self, Margin};
use coarse::hnsw::{Nodes, Wanted};
use kernels::NibbleTables;
use quant::Bits;
use task::Task;

use crate::derived::{CodeColumn, Derived};
use crate::error::Result;
use crate::recall::Without;
use crate::search::Search;
use crate::shared::Shared;
use crate::space::NeighbourCoder;
use crate::state::Codes;

/// Nodes are made anew in the background once so small a share of them has been linked since.
const REPACK: u32 = 8;
/// So many rows that came after the nodes were made are scanned by their codes; where there are more, the graph is walked.
pub const NEWER: u32 = 4096;
/// The fewest rows that nodes are made for in the background.
const LEAST_ROWS: u32 = 1024;

impl Derived {
    /// Makes nodes of the whole graph. Does nothing where codes are none of neighbours.
    pub fn pack(&mut self, shared: &Shared, task: &Task) -> Result<()> {
        let Some(codes) = self.codes.as_ref().map(CodeColumn::view) else { return Ok(()) };
        let Some(coder) = NeighbourCoder::new(&codes) else { return Ok(()) };
        let graph = self.builder.graph();
        self.nodes = Some(shared.build_pool()?.install(|| Nodes::build(&graph, &coder, task))?);
        Ok(())
    }
}

/// Makes nodes and publishes them, if there are none or many rows were linked since; `drain` as in [`crate::derived::step`].
pub fn pack_some(shared: &Shared, derived: &mut Derived, drain: u32, task: &Task) -> Result<bool> {
    let linked = derived.builder.graph().len();
    let packed = derived.nodes.as_ref().map_or(0, Nodes::len);
    let due = if drain == u32::MAX { 1 } else { (packed / REPACK).max(LEAST_ROWS) };
    let coded = derived.codes.as_ref().is_some_and(|codes| codes.view().rabitq().is_some());
    if !coded || linked < packed.saturating_add(due) {
        return Ok(false);
    }
    derived.pack(shared, task)?;
    let nodes = derived.nodes.clone();
    shared.publish(|state| state.nodes = nodes);
    Ok(true)
}

impl Search<'_> {
    /// Rows of 0 .. `covered` to verify, in no order: by the neighbours' codes in `nodes`, and of the rows that came after them by their own.
    pub fn by_nodes(&self, nodes: &Nodes, codes: &Codes, covered: u32) -> Result<Vec<Candidate>> {
        let mut scorer = codes.codec.scorer(self.query.candidates, nodes.codes());
        let mut tables = NibbleTables::default();
        scorer.neighbour_tables(&mut tables);
        let live = |row| row < covered && self.is_live(row);
        let expect = |row| self.state.dense.expect(row);
        let rough = codes.rabitq().is_some_and(|codec| codec.bits() == Bits::One);
        let wanted = Wanted { k: self.effort.k, ef: self.effort.ef, rough, tables: &tables, hidden: self.hidden };
        let mut found = self.scratch.with(|scratch| match self.hidden {
            None => nodes.search(&mut scorer, &wanted, live, expect, scratch, self.task),
            Some(row) => nodes.search(&mut Without { scorer: &mut scorer, row }, &wanted, live, expect, scratch, self.task),
        })?;
        if nodes.len() < covered {
            let (newer, keep) = (nodes.len()..covered, self.effort.rerank);
            let mut scorer = codes.scorer(self.query.candidates);
            found.extend(flat::scan(&mut scorer, newer, keep, Margin::default(), live, self.task)?);
        }
        if found.len() > self.effort.rerank {
            found.select_nth_unstable(self.effort.rerank - 1);
            found.truncate(self.effort.rerank);
        }
        Ok(found)
    }
}
