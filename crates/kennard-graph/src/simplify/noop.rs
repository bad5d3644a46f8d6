//! Nodes that change nothing.

use crate::fold::{Pass, Rewritten};
use crate::{DType, Node, Tensor};

/// A node whose first output is its first input.
pub(super) fn noop(pass: &mut Pass, node: &Node) -> Option<Rewritten> {
    let input = node.input(0)?;
    let output = node.outputs.first()?;
    let same_shape = || pass.shape(input).is_some_and(|shape| pass.shape(output) == Some(shape));
    let is_noop = match node.op.as_str() {
        "Identity" => true,
        "Dropout" => !trains(pass, node) && !is_read(pass, node, 1),
        "Cast" | "CastLike" => pass.ty(input).is_some_and(|ty| pass.ty(output) == Some(ty)),
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" | "Expand" | "Tile" => same_shape(),
        "Transpose" => {
            let order = node.ints("perm");
            pass.shape(input)?.rank() < 2
                || order.is_some_and(|p| p.iter().enumerate().all(|(i, &k)| i as i64 == k))
        }
        "Pad" => {
            let pads = pass.types().value(node.input(1)?)?.known()?;
            pads.iter().all(|&n| n == 0)
        }
        // With a step backwards, the same shape is the same order only for one element.
        "Slice" => same_shape() && steps(pass, node)?.iter().all(|&step| step > 0),
        "Concat" | "Sum" | "Mean" | "Max" | "Min" => node.inputs.len() == 1,
        "Split" => node.outputs.len() == 1,
        "ReduceSum" | "ReduceMean" | "ReduceMax" | "ReduceMin" | "ReduceProd" => same_shape(),
        _ => false,
    };
    is_noop.then(|| Rewritten::Tensor(input.into()))
}

/// Whether output `i` exists and is read.
fn is_read(pass: &Pass, node: &Node, i: usize) -> bool {
    node.outputs.get(i).is_some_and(|name| pass.is_read(name))
}

fn steps(pass: &Pass, node: &Node) -> Option<Vec<i64>> {
    match node.input(4) {
        None => Some(Vec::new()),
        Some(name) => pass.types().value(name)?.known(),
    }
}

/// Whether a `Dropout` drops anything.
fn trains(pass: &Pass, node: &Node) -> bool {
    let off = Tensor::scalar(0.0, DType::Bool);
    node.input(2).is_some_and(|name| pass.constant(name) != Some(&off))
}

/// Last outputs that nobody reads are not asked for.
pub(super) fn unread_outputs(pass: &mut Pass, node: &Node) -> Option<Rewritten> {
    let optional = ["BatchNormalization", "Dropout", "LayerNormalization", "MaxPool"];
    let last = node.outputs.iter().rposition(|name| pass.is_read(name))?;
    if last + 1 == node.outputs.len() || !optional.contains(&node.op.as_str()) {
        return None;
    }
    let mut node = node.clone();
    node.outputs.truncate(last + 1);
    Some(Rewritten::Nodes(vec![node]))
}
