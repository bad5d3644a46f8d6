//! `Expand` in front of an operator that broadcasts by itself.

use crate::Node;
use crate::fold::{Pass, Rewritten};
use crate::infer::broadcast_shapes;

const BROADCASTING: &[&str] = &[
    "Add",
    "Sub",
    "Mul",
    "Div",
    "Pow",
    "Min",
    "Max",
    "Equal",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "And",
    "Or",
    "Xor",
    "Where",
];

/// Reads what was expanded instead, where the result has the same shape still.
pub(super) fn expand(pass: &mut Pass, node: &Node) -> Option<Rewritten> {
    if !BROADCASTING.contains(&node.op.as_str()) {
        return None;
    }
    let output = pass.shape(&node.outputs[0])?;
    for i in 0..node.inputs.len() {
        let Some(expanded) = pass.producer(&node.inputs[i]).filter(|p| p.op == "Expand") else { continue };
        let mut shorter = node.clone();
        shorter.inputs[i] = expanded.inputs[0].clone();
        let mut shapes = shorter.inputs.iter().map(|name| pass.shape(name).cloned());
        let first = shapes.next()??;
        let joined = shapes.try_fold(first, |all, shape| broadcast_shapes(&all, &shape?));
        if joined.as_ref() == Some(output) {
            return Some(Rewritten::Nodes(vec![shorter]));
        }
    }
    None
}
