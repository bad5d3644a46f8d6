//! Recurrent layers with the batch first, which no runtime has, as those with the sequence first.

use super::UpgradeStep;
use crate::{Builder, Node, Result};

pub(super) const FORMS: &[(&str, UpgradeStep)] =
    &[("GRU", sequence_first), ("LSTM", sequence_first), ("RNN", sequence_first)];

/// `layout` 1 is `x [N, T, I]`, states `[N, D, H]`, and all states `[N, T, D, H]`.
fn sequence_first(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    if node.attributes.remove("layout").is_none_or(|layout| layout == 0.into()) {
        return Ok(Some(node));
    }
    for i in [0, 5, 6] {
        if let Some(name) = node.input(i) {
            node.inputs[i] = b.var(name)?.transpose(&[1, 0, 2]).name();
        }
    }
    let named = node.outputs.clone();
    for output in node.outputs.iter_mut().filter(|output| !output.is_empty()) {
        *output = b.unused(&format!("{output}/sequence first"));
    }
    b.push(node.clone());
    for (i, (name, inner)) in
        named.iter().zip(&node.outputs).enumerate().filter(|(_, (name, _))| !name.is_empty())
    {
        let order: &[usize] = if i == 0 { &[2, 0, 1, 3] } else { &[1, 0, 2] };
        b.name(name, b.var(inner)?.transpose(order));
    }
    Ok(None)
}
