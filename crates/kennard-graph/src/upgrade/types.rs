//! Element types named in attributes.

use super::UpgradeStep;
use crate::builder::Call;
use crate::types::{stored_type, type_name};
use crate::{Builder, DType, Node, Result};

#[rustfmt::skip]
pub(super) const FORMS: &[(&str, UpgradeStep)] = &[
    ("Cast", cast),
    ("CastLike", cast_like),
    ("DequantizeLinear", quantized_input), ("QuantizeLinear", quantized_output),
    ("EyeLike", dtype),
    ("RandomNormal", dtype), ("RandomNormalLike", dtype), ("RandomUniform", dtype), ("RandomUniformLike", dtype),
];

fn cast(mut node: Node, _: &Builder) -> Result<Option<Node>> {
    let to = held(&node, node.int("to", 0))?;
    // How to round to 8-bit floats, which do not occur.
    node.attributes.remove("saturate");
    node.attributes.remove("round_mode");
    node.attributes.insert("to".into(), to.code().into());
    Ok(Some(node))
}

/// A cast to a known type is a plain `Cast`.
fn cast_like(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    let Ok(ty) = (Call { node: &node, builder: b }).x(1).ty() else { return Ok(Some(node)) };
    node.op = "Cast".into();
    node.inputs.truncate(1);
    node.attributes = [("to".to_string(), ty.dtype.code().into())].into();
    Ok(Some(node))
}

/// Quantised tensors are of 8 or 16 bits (biases: 32-bit integers).
pub(super) fn quantized_input(node: Node, b: &Builder) -> Result<Option<Node>> {
    match (Call { node: &node, builder: b }).x(0).ty() {
        Ok(ty) if ty.dtype.levels().is_none() && ty.dtype != DType::I32 => Err(node.error(QUANTIZED)),
        _ => Ok(Some(node)),
    }
}

pub(super) fn quantized_output(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    let zero = (Call { node: &node, builder: b }).optional(2).and_then(|v| Some(v.ty().ok()?.dtype));
    let code = node.int("output_dtype", 0);
    let to = if code == 0 { zero } else { DType::from_code(code) };
    if to.unwrap_or(DType::U8).levels().is_none() || (code != 0 && to.is_none()) {
        return Err(node.error(QUANTIZED));
    }
    // How to round to 8-bit floats, which do not occur.
    node.attributes.remove("saturate");
    Ok(Some(node))
}

const QUANTIZED: &str = "it quantises to a type that Kennard does not hold; export the model quantised to integers of 8 or 16 bits, or in float32";

fn dtype(mut node: Node, _: &Builder) -> Result<Option<Node>> {
    if node.attributes.contains_key("dtype") {
        let code = held(&node, node.int("dtype", 0))?.code();
        node.attributes.insert("dtype".into(), code.into());
    }
    Ok(Some(node))
}

fn held(node: &Node, code: i64) -> Result<DType> {
    stored_type(code).ok_or_else(|| {
        node.error(format!(
            "it makes elements of {}, which Kennard does not hold; export the model in float32",
            type_name(code)
        ))
    })
}
