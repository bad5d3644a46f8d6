//! `BatchNormalization` behind a linear operator, in its weights.

use super::affine::{Affine, applied};
use crate::Node;
use crate::fold::{Pass, Rewritten};

/// `y = scale · (x − mean) / √(variance + ε) + bias`, per channel.
pub(super) fn batch_norm(pass: &mut Pass, node: &Node) -> Option<Rewritten> {
    if node.op != "BatchNormalization" || node.int("training_mode", 0) != 0 {
        return None;
    }
    let parameter = |i: usize| pass.constant(node.input(i)?)?.to_floats();
    let (scale, bias, mean, variance) = (parameter(1)?, parameter(2)?, parameter(3)?, parameter(4)?);
    let epsilon = node.float("epsilon", 1e-5);
    let factor: Vec<f64> = scale.iter().zip(&variance).map(|(s, v)| s / (v + epsilon).sqrt()).collect();
    let term: Vec<f64> = bias.iter().zip(&mean).zip(&factor).map(|((b, m), f)| b - m * f).collect();
    if factor.len() != term.len() {
        return None;
    }
    let affine = Affine { factor: Some(factor), term: Some(term) };
    let folded = applied(pass, node.input(0)?, 1, &affine, &node.outputs[0])?;
    Some(Rewritten::Nodes(vec![folded]))
}
