//! Which nodes are constant, and how large constants may become.

use super::evaluate;
use crate::infer::{Types, allocation};
use crate::{Dim, Graph, Node, Shape, Tensor};

/// How many elements folding may still make.
pub(super) struct Budget(usize);

impl Budget {
    /// No result may be larger.
    const LARGEST: usize = 64 << 20;
    /// Results up to here may be any multiple of what they are computed from.
    const SMALL: usize = 1 << 20;

    /// A graph may grow to three times its size, and a fixed amount beyond.
    pub fn of(graph: &Graph) -> Budget {
        let size = graph.constants.values().fold(0usize, |n, t| n.saturating_add(t.len()));
        Budget(size.saturating_mul(2).saturating_add(Budget::LARGEST))
    }

    /// Whether results of this size may be made from inputs of that size; if so they are counted.
    pub fn spend(&mut self, results: usize, inputs: usize) -> bool {
        let grows = results > Budget::SMALL && results > inputs.saturating_mul(4);
        if results > Budget::LARGEST || results > self.0 || grows {
            return false;
        }
        self.0 -= results;
        true
    }
}

/// The node's outputs, if they are constant.
pub(super) fn outputs(types: &Types, graph: &Graph, node: &Node, budget: &mut Budget) -> Option<Vec<Tensor>> {
    if let Some(tensors) = followed(types, node) {
        return Some(tensors);
    }
    let named = || node.inputs.iter().filter(|name| !name.is_empty());
    if !named().all(|name| graph.constants.contains_key(name)) || !evaluate::supports(&node.op) {
        return None;
    }
    let results = node
        .outputs
        .iter()
        .try_fold(0usize, |n, name| n.checked_add(allocation(&types.get(name)?.shape)?))?;
    let inputs = named().fold(0usize, |n, name| n.saturating_add(graph.constants[name].len()));
    if !budget.spend(results, inputs) {
        return None;
    }
    let tensors: Vec<Option<&Tensor>> = node.inputs.iter().map(|name| graph.constants.get(name)).collect();
    let shapes: Vec<Vec<usize>> =
        node.outputs.iter().map(|name| types.get(name)?.shape.known()).collect::<Option<_>>()?;
    let results = evaluate::evaluate(&types.context(node)?, &tensors, &shapes)?;
    let agree = |(tensor, shape): (&Tensor, &Vec<usize>)| tensor.shape() == shape.as_slice();
    (results.len() == shapes.len() && results.iter().zip(&shapes).all(agree)).then_some(results)
}

/// The node's outputs, if inference has followed all their elements.
fn followed(types: &Types, node: &Node) -> Option<Vec<Tensor>> {
    let tensor = |name: &String| types.value(name)?.tensor(types.get(name)?.dtype);
    node.outputs.iter().map(tensor).collect()
}

/// The target of a `Reshape` where it is computed, but known up to one multiple of the batch: −1 there.
pub(super) fn reshape_target(types: &Types, graph: &Graph, node: &Node) -> Option<Tensor> {
    if node.op != "Reshape" || graph.constants.contains_key(node.inputs.get(1)?) {
        return None;
    }
    target(&types.get(node.outputs.first()?)?.shape)
}

/// What to reshape to for this shape; `None` if −1 cannot stand for all that is not fixed.
pub(crate) fn target(shape: &Shape) -> Option<Tensor> {
    let extent = |d: &Dim| match d {
        Dim::Known(0) => None,
        Dim::Known(n) => i64::try_from(*n).ok(),
        Dim::Batch(_) => Some(-1),
    };
    let dims = shape.0.iter().map(extent).collect::<Option<Vec<i64>>>()?;
    (dims.iter().filter(|&&d| d < 0).count() <= 1).then(|| Tensor::ints(&dims))
}
