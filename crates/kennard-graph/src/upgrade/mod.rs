//! Older and newer operator sets brought to [`OPSET`](crate::OPSET): one function per operator and change.
//!
//! ONNX keeps a version number for each change of an operator. Where only the admitted element types
//! grew, nothing is to do; the changes of meaning or form are listed here.

mod attention;
mod columns;
mod contrib;
mod inputs;
mod ml;
mod newer;
mod normalization;
mod recurrent;
mod resample;
mod svm;
#[cfg(test)]
mod tests;
mod types;

use crate::{Attribute, Builder, Node, OPSET, Result, Var};

/// The oldest operator set that can be read. Older ones broadcast by attributes.
pub(crate) const OLDEST: i64 = 7;
/// The newest operator set that can be read.
pub(crate) const NEWEST: i64 = 28;

/// The attribute of a node whose result is the model's answer: a machine's scores are then one for each class, and a regressor's
/// number says that the model is no classifier.
pub(crate) const ANSWER: &str = "kennard_answer";

/// Rewrites a node to its operator's next form, or appends other nodes that do the same (then `None`).
type UpgradeStep = fn(Node, &Builder) -> Result<Option<Node>>;

/// `(operator, version, step)`: how nodes from before that version are brought there.
const OLDER: &[&[(&str, i64, UpgradeStep)]] = &[inputs::OLDER, normalization::OLDER, resample::OLDER];
/// `(operator, version, step)`: how nodes of that version or a newer one are brought to [`OPSET`].
const NEWER: &[&[(&str, i64, UpgradeStep)]] = &[attention::NEWER, newer::NEWER];
/// `(operator, step)`: forms that mean the same, brought to the one that the rest of Kennard knows.
const FORMS: &[&[(&str, UpgradeStep)]] = &[
    columns::FORMS,
    contrib::FORMS,
    ml::FORMS,
    normalization::FORMS,
    recurrent::FORMS,
    resample::FORMS,
    svm::FORMS,
    types::FORMS,
];

/// Appends `node`, written in operator set `version`, to the graph under construction.
///
/// # Errors
/// When the node has no equivalent in [`OPSET`]. Contradictions in its shapes come out of
/// [`Builder::finish`].
pub(crate) fn upgrade(mut node: Node, version: i64, builder: &Builder) -> Result<()> {
    if node.op == "Split" {
        // How many there are is how many parts are made, and each has an adjoint.
        for part in node.outputs.iter_mut().filter(|part| part.is_empty()) {
            *part = builder.unused("part");
        }
    }
    while node.inputs.last().is_some_and(String::is_empty) {
        node.inputs.pop();
    }
    while node.outputs.len() > 1 && node.outputs.last().is_some_and(String::is_empty) {
        node.outputs.pop();
    }
    if node.outputs.is_empty() {
        return Err(node.error("it has no output"));
    }
    let mut reached = version;
    while let Some((until, step)) = older(&node.op, reached) {
        let Some(next) = step(node, builder)? else { return Ok(()) };
        (node, reached) = (next, until);
    }
    if version > OPSET {
        let step = NEWER.iter().copied().flatten().find(|(op, since, _)| *op == node.op && *since <= version);
        if let Some((_, _, step)) = step {
            let Some(next) = step(node, builder)? else { return Ok(()) };
            node = next;
        }
    }
    if let Some((_, step)) = FORMS.iter().copied().flatten().find(|(op, _)| *op == node.op) {
        let Some(next) = step(node, builder)? else { return Ok(()) };
        node = next;
    }
    builder.push(node);
    Ok(())
}

/// The next step for a node that stands at `version`.
fn older(op: &str, version: i64) -> Option<(i64, UpgradeStep)> {
    let steps = OLDER.iter().copied().flatten().filter(|(name, until, _)| *name == op && *until > version);
    steps.min_by_key(|(_, until, _)| *until).map(|(_, until, step)| (*until, *step))
}

/// Gives `result` the name of the node's output; the node itself is not needed any more.
fn replace(node: &Node, result: Var) -> Result<Option<Node>> {
    if node.outputs.len() != 1 || node.outputs[0].is_empty() {
        return Err(node.error("it should have one output"));
    }
    result.builder().push(Node {
        name: node.name.clone(),
        op: "Identity".into(),
        inputs: vec![result.name()],
        outputs: node.outputs.clone(),
        ..Node::default()
    });
    Ok(None)
}

/// Takes an attribute out of a node.
fn take_ints(node: &mut Node, name: &str) -> Result<Option<Vec<i64>>> {
    match node.attributes.remove(name) {
        None => Ok(None),
        Some(Attribute::Ints(v)) => Ok(Some(v)),
        Some(_) => Err(node.error(format!("its attribute `{name}` should be a list of integers"))),
    }
}

/// Makes `var` input `i`, with empty names for missing ones before it.
fn set_input(node: &mut Node, i: usize, var: Var) {
    if node.inputs.len() <= i {
        node.inputs.resize(i + 1, String::new());
    }
    node.inputs[i] = var.name();
}
