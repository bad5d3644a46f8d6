//! Arithmetic on 8-bit integers by the real numbers that they stand for: for the gradient, which passes through quantisation
//! as if it did not round ([`crate::gradient()`]). The results are those of the integers up to rounding.

use super::{Definition, Definitions, integer};
use crate::builder::Call;
use crate::{Attribute, DType, Result, Shape, Tensor, Var};

pub(super) const DEFINITIONS: &[(&str, Definition)] = &[
    ("ConvInteger", conv_integer),
    ("MatMulInteger", matmul_integer),
    ("QLinearConv", qlinear_conv),
    ("QLinearMatMul", qlinear_matmul),
];

pub(super) const SEVERAL: &[(&str, Definitions)] = &[("DynamicQuantizeLinear", dynamic)];

/// The levels as floats, the scale and the zero point.
fn dynamic<'b>(c: &Call<'_, 'b>) -> Result<Vec<Var<'b>>> {
    let exact = integer::dynamic(c)?;
    let levels = c.builder.op("QuantizeLinear", &[Some(c.x(0)), Some(exact[1]), Some(exact[2])], &[]);
    let one = c.builder.constant(Tensor::scalar(1.0, DType::F32));
    let levels = c.builder.op("DequantizeLinear", &[Some(levels), Some(one)], &[]);
    Ok(vec![levels, exact[1], exact[2]])
}

fn conv_integer<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let (x, w) = (centred(c, 0, 2, 1)?, centred(c, 1, 3, 0)?);
    Ok(c.builder.op("Conv", &[Some(x), Some(w)], &attributes(c)))
}

fn matmul_integer<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let axis = c.x(1).shape()?.rank().saturating_sub(1) as i64;
    Ok(centred(c, 0, 2, 0)?.with("MatMul", centred(c, 1, 3, axis)?))
}

fn qlinear_conv<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = dequantized(c, [0, 1, 2], 1);
    let w = dequantized(c, [3, 4, 5], 0);
    let mut y = c.builder.op("Conv", &[Some(x), Some(w)], &attributes(c));
    if let Some(bias) = c.optional(8) {
        let bias = bias.cast(DType::F32) * (c.x(1) * c.x(4));
        let rank = c.x(0).shape()?.rank() as i64;
        y = y + bias.unsqueeze(&(1..rank - 1).collect::<Vec<_>>());
    }
    Ok(quantized(c, y, [6, 7]))
}

fn qlinear_matmul<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let last = |i: usize| -> Result<i64> { Ok(c.x(i).shape()?.rank().saturating_sub(1) as i64) };
    let y = dequantized(c, [0, 1, 2], last(0)? - 1).with("MatMul", dequantized(c, [3, 4, 5], last(3)?));
    Ok(quantized(c, y, [6, 7]))
}

/// `s·(x − z)`; given are the places of the three.
fn dequantized<'b>(c: &Call<'_, 'b>, [x, scale, zero]: [usize; 3], axis: i64) -> Var<'b> {
    c.builder.op(
        "DequantizeLinear",
        &[Some(c.x(x)), Some(c.x(scale)), c.optional(zero)],
        &[("axis", Attribute::Int(axis))],
    )
}

fn quantized<'b>(c: &Call<'_, 'b>, y: Var<'b>, [scale, zero]: [usize; 2]) -> Var<'b> {
    c.builder.op("QuantizeLinear", &[Some(y), Some(c.x(scale)), c.optional(zero)], &[])
}

/// `x − z` as floats; zero points go along the axis.
fn centred<'b>(c: &Call<'_, 'b>, x: usize, zero: usize, axis: i64) -> Result<Var<'b>> {
    let (x, zero) = (c.x(x), c.optional(zero));
    if x.ty()?.dtype.is_float() {
        return Ok(zero.map_or(x, |zero| x - zero.cast(DType::F32)));
    }
    let shape = zero.map_or(Ok(Shape::default()), |zero| zero.shape())?;
    let ones = Tensor::full(&shape.known().unwrap_or_default(), 1.0, DType::F32);
    let inputs = [Some(x), Some(c.builder.constant(ones)), zero];
    Ok(c.builder.op("DequantizeLinear", &inputs, &[("axis", Attribute::Int(axis))]))
}

fn attributes<'n>(c: &Call<'n, '_>) -> Vec<(&'n str, Attribute)> {
    c.node.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect()
}
