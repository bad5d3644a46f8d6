//! Constant folding: what does not depend on the inputs is computed once, here.

mod constant;
mod element;
mod elementwise;
mod evaluate;
mod matmul;
mod pass;
mod quantize;
mod reduce;
#[cfg(test)]
mod tests;

pub(crate) use constant::target;
pub(crate) use pass::{Pass, Rewrite, Rewritten};

use crate::{Graph, Result};

/// Replaces by constants what can be computed beforehand: all that depends on constants only, and
/// shape arithmetic as far as the shapes are known. With a fixed batch no shape arithmetic is left.
///
/// Nodes that make an output of the graph stay, so that it keeps its name. Results of more than
/// 64 Mi elements, or much larger than what they are computed from, are left to the runtime.
///
/// # Errors
/// When shapes contradict each other.
pub fn fold(graph: &Graph) -> Result<Graph> {
    Pass::run(graph, &[]).map(|(graph, _)| graph)
}
