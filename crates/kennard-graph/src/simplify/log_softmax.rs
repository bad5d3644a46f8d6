//! The logarithm of a softmax in one step.

use crate::Node;
use crate::fold::{Pass, Rewritten};

/// `Log(Softmax(x))` as `LogSoftmax(x)`: where a probability underflows its logarithm is not −∞, and has a
/// gradient.
pub(super) fn log_softmax(pass: &mut Pass, node: &Node) -> Option<Rewritten> {
    let softmax = pass.sole_producer(node.input(0)?, "Softmax").filter(|_| node.op == "Log")?;
    Some(Rewritten::Nodes(vec![Node {
        op: "LogSoftmax".into(),
        inputs: softmax.inputs.clone(),
        outputs: node.outputs.clone(),
        name: node.name.clone(),
        attributes: softmax.attributes.clone(),
    }]))
}
