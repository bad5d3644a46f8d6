//! Quantisation.

use super::{Context, Inferred, ShapeRule, one};
use crate::{DType, Shape, TensorType};

pub(super) const RULES: &[(&str, ShapeRule)] = &[
    ("QuantizeLinear", quantize),
    ("DequantizeLinear", |c| one(c.input(1)?.dtype, c.shape(0)?.clone())),
    ("DynamicQuantizeLinear", dynamic),
];

/// The element type is the zero point's, or `output_dtype`, or `u8`.
fn quantize(c: &Context) -> Inferred {
    let dtype = match (c.optional(2), c.node.int("output_dtype", 0)) {
        (Some(zero), _) => zero.dtype,
        (None, 0) => DType::U8,
        (None, code) => c.dtype(code)?,
    };
    one(dtype, c.shape(0)?.clone())
}

/// Values, scale and zero point.
fn dynamic(c: &Context) -> Inferred {
    Ok(Some(vec![
        TensorType::new(DType::U8, c.shape(0)?.clone()),
        TensorType::new(DType::F32, Shape::default()),
        TensorType::new(DType::U8, Shape::default()),
    ]))
}
