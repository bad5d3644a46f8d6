//! Arithmetic with a neutral element.

use crate::fold::{Pass, Rewritten};
use crate::{Node, Tensor};

/// `x + 0`, `x − 0`, `x · 1`, `x / 1`, `x¹`, where that does not broadcast `x`.
pub(super) fn neutral(pass: &mut Pass, node: &Node) -> Option<Rewritten> {
    let (element, commutes) = match node.op.as_str() {
        "Add" => (0.0, true),
        "Sub" => (0.0, false),
        "Mul" => (1.0, true),
        "Div" | "Pow" => (1.0, false),
        _ => return None,
    };
    let (a, b) = (node.input(0)?, node.input(1)?);
    let output = pass.shape(&node.outputs[0])?;
    let keeps = |name: &str| pass.shape(name) == Some(output);
    let is_neutral = |name: &str| pass.constant(name).is_some_and(|t| all(t, element));
    if keeps(a) && is_neutral(b) {
        return Some(Rewritten::Tensor(a.into()));
    }
    (commutes && keeps(b) && is_neutral(a)).then(|| Rewritten::Tensor(b.into()))
}

/// Whether all elements are `value`.
fn all(tensor: &Tensor, value: f64) -> bool {
    match tensor {
        Tensor::F32(a) => a.iter().all(|&v| f64::from(v) == value),
        Tensor::F64(a) => a.iter().all(|&v| v == value),
        Tensor::F16(a) => a.iter().all(|&v| f64::from(v) == value),
        Tensor::I64(a) => a.iter().all(|&v| v as f64 == value),
        Tensor::I32(a) => a.iter().all(|&v| f64::from(v) == value),
        Tensor::I8(a) => a.iter().all(|&v| f64::from(v) == value),
        Tensor::U8(a) => a.iter().all(|&v| f64::from(v) == value),
        Tensor::I16(a) => a.iter().all(|&v| f64::from(v) == value),
        Tensor::U16(a) => a.iter().all(|&v| f64::from(v) == value),
        Tensor::Bool(_) => false,
    }
}
