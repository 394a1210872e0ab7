//! The graph once more, with codes beside its links, where the codes are such.

use coarse::hnsw::Nodes;
use task::Task;

use crate::derived::{CodeColumn, Derived};
use crate::error::Result;
use crate::shared::Shared;
use crate::space::SignSpace;

/// Nodes are made anew in the background once so small a share of them has been linked since.
const REPACK: u32 = 8;
/// The fewest rows that nodes are made for in the background.
const LEAST_ROWS: u32 = 1024;

impl Derived {
    /// Makes nodes of the whole graph. Does nothing where codes have no signs.
    pub fn pack(&mut self, shared: &Shared, task: &Task) -> Result<()> {
        let Some(codes) = self.codes.as_ref().map(CodeColumn::view) else { return Ok(()) };
        let Some(space) = SignSpace::new(&codes) else { return Ok(()) };
        let graph = self.builder.graph();
        self.nodes = Some(shared.build_pool()?.install(|| Nodes::build(&graph, &space, task))?);
        Ok(())
    }
}

/// Makes nodes and publishes them, if there are none or many rows were linked since; `drain` as in [`crate::derived::step`].
pub fn pack_some(shared: &Shared, derived: &mut Derived, drain: u32, task: &Task) -> Result<bool> {
    let linked = derived.builder.graph().len();
    let packed = derived.nodes.as_ref().map_or(0, Nodes::len);
    let due = if drain == u32::MAX { 1 } else { (packed / REPACK).max(LEAST_ROWS) };
    let signed = derived.codes.as_ref().is_some_and(|codes| codes.view().rabitq().is_some());
    if !signed || linked < packed.saturating_add(due) {
        return Ok(false);
    }
    derived.pack(shared, task)?;
    let nodes = derived.nodes.clone();
    shared.publish(|state| state.nodes = nodes);
    Ok(true)
}
