//! Arithmetic on 8-bit integers, computed in floats that hold whole numbers exactly: for runtimes whose own
//! kernels pad with another number than the zero point, round otherwise, or saturate.
//!
//! Rounding is a step. No gradient passes through these definitions, so they serve to run a graph and not
//! to differentiate it.

use super::Definition;
use crate::builder::Call;
use crate::{Attribute, DType, Dim, Result, Shape, Var};

pub(super) const DEFINITIONS: &[(&str, Definition)] = &[
    ("ConvInteger", conv_integer),
    ("MatMulInteger", |c| matmul_sums(c, [0, 2], [1, 3])),
    ("QLinearConv", qlinear_conv),
    ("QLinearMatMul", qlinear_matmul),
];

/// Single precision holds whole numbers up to here.
const WHOLE: usize = 1 << 24;
/// The largest difference of two 8-bit integers of one type, and the base of its two digits.
const LARGEST: usize = 255;
const NIBBLE: usize = 16;

/// `Σ (x − x₀)(w − w₀)`; beyond its edges `x` is `x₀`.
fn conv_integer<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    conv_sums(c, [0, 2], [1, 3])
}

/// The sums of a convolution, as 32-bit integers; given are the places of a tensor and its zero point.
fn conv_sums<'b>(c: &Call<'_, 'b>, x: [usize; 2], w: [usize; 2]) -> Result<Var<'b>> {
    let weights = c.x(w[0]).shape()?;
    let terms = fixed(c, weights.0.get(1..).unwrap_or_default())?;
    let x = centred(c, x, 0)?;
    // Zero points of the weights go with the output channels.
    let w = centred(c, w, weights.rank().saturating_sub(1))?;
    let attributes: Vec<(&str, Attribute)> =
        c.node.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    exact(c, x, w, terms, |x, w| c.builder.op("Conv", &[Some(x), Some(w)], &attributes))
}

/// The sums of a matrix product, as 32-bit integers.
fn matmul_sums<'b>(c: &Call<'_, 'b>, a: [usize; 2], b: [usize; 2]) -> Result<Var<'b>> {
    let inner = c.x(a[0]).shape()?.0.last().copied().unwrap_or(Dim::Known(1));
    let terms = fixed(c, &[inner])?;
    // The zero points of the left factor go with its rows, those of the right factor with its columns.
    let (a, b) = (centred(c, a, 1)?, centred(c, b, 0)?);
    exact(c, a, b, terms, |a, b| a.with("MatMul", b))
}

/// The number of terms of a sum over these axes.
fn fixed(c: &Call, axes: &[Dim]) -> Result<usize> {
    let known: Option<Vec<usize>> = axes.iter().map(|d| d.known()).collect();
    known.map(|dims| dims.iter().product()).ok_or_else(|| c.node.error("the length of its sums is not fixed"))
}

/// A tensor minus its zero point, in floats. A vector of zero points goes along the axis that `behind` others
/// follow.
fn centred<'b>(c: &Call<'_, 'b>, [tensor, zero]: [usize; 2], behind: usize) -> Result<Var<'b>> {
    let x = c.x(tensor).cast(DType::F32);
    match c.optional(zero) {
        Some(zero) => Ok(x - spread(zero, behind)?.cast(DType::F32)),
        None => Ok(x),
    }
}

/// One number for all, or one for each index of the axis that `behind` others follow; other shapes stay.
fn spread(v: Var, behind: usize) -> Result<Var> {
    let shape = v.shape()?;
    Ok(match shape.0.as_slice() {
        [Dim::Known(1)] => v.reshape(&Shape::default()),
        [extent] => v.reshape(&Shape([&[*extent][..], &vec![Dim::Known(1); behind]].concat())),
        _ => v,
    })
}

/// A bilinear `product` of whole numbers below 256 in size, each element a sum of `terms` terms, without any
/// rounding: where the sums can leave the range in which floats are exact, it is put together from products
/// of 4-bit parts.
fn exact<'b>(
    c: &Call<'_, 'b>,
    x: Var<'b>,
    w: Var<'b>,
    terms: usize,
    product: impl Fn(Var<'b>, Var<'b>) -> Var<'b>,
) -> Result<Var<'b>> {
    let whole = |v: Var<'b>| vec![(v, 1.0)];
    let parts = |v: Var<'b>| {
        let high = (v * (1.0 / NIBBLE as f64)).apply("Floor");
        vec![(high, NIBBLE as f64), (v - high * NIBBLE as f64, 1.0)]
    };
    let within = |size: usize| terms.saturating_mul(size) <= WHOLE;
    let (xs, ws) = match () {
        () if within(LARGEST * LARGEST) => (whole(x), whole(w)),
        () if within(LARGEST * NIBBLE) => (whole(x), parts(w)),
        () if within(NIBBLE * NIBBLE) => (parts(x), parts(w)),
        () => {
            return Err(c
                .node
                .error(format!("sums of {terms} products of integers are not exact in floats")));
        }
    };
    let mut sum: Option<Var> = None;
    for (x, s) in xs {
        for &(w, t) in &ws {
            let part = product(x, w).cast(DType::I32);
            let part = if s * t == 1.0 { part } else { part * (s * t) };
            sum = Some(sum.map_or(part, |sum| sum + part));
        }
    }
    sum.ok_or_else(|| c.node.error("it has nothing to sum"))
}

/// `y₀ + round(s_x·s_w/s_y · (Σ (x − x₀)(w − w₀) + b))`, within the range of the result's type.
fn qlinear_conv<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let behind = c.x(0).shape()?.rank().saturating_sub(2);
    let mut sums = conv_sums(c, [0, 2], [3, 5])?;
    if let Some(bias) = c.optional(8) {
        sums = sums + spread(bias, behind)?;
    }
    let scale = (c.x(1) * spread(c.x(4), behind)?) / c.x(6);
    requantized(c, sums, scale)
}

/// `y₀ + round(s_a·s_b/s_y · Σ (a − a₀)(b − b₀))`, within the range of the result's type.
fn qlinear_matmul<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let sums = matmul_sums(c, [0, 2], [3, 5])?;
    let scale = (spread(c.x(1), 1)? * spread(c.x(4), 0)?) / c.x(6);
    requantized(c, sums, scale)
}

fn requantized<'b>(c: &Call<'_, 'b>, sums: Var<'b>, scale: Var<'b>) -> Result<Var<'b>> {
    let zero = c.x(7);
    let levels = (sums.cast(DType::F32) * scale).apply("Round") + zero.cast(DType::F32);
    saturated(c, levels, zero.ty()?.dtype)
}

/// Whole numbers brought into the range of 8-bit integers.
fn saturated<'b>(c: &Call<'_, 'b>, levels: Var<'b>, target: DType) -> Result<Var<'b>> {
    let refused = || c.node.error(format!("quantisation to {target:?} cannot be spelled out"));
    let [least, most] = target.levels().ok_or_else(refused)?;
    let limits = [Some(levels), Some(levels.number(least)), Some(levels.number(most))];
    Ok(c.builder.op("Clip", &limits, &[]).cast(target))
}

/// The values, the scale `(max(x, 0) − min(x, 0))/255` (1 where that is 0), and the zero point: over all of `x`,
/// the batch included.
pub(super) fn dynamic<'b>(c: &Call<'_, 'b>) -> Result<Vec<Var<'b>>> {
    let x = c.x(0);
    let all: Vec<usize> = (0..x.shape()?.rank()).collect();
    let least = x.reduce("ReduceMin", &all, false).with("Min", x.number(0.0));
    let most = x.reduce("ReduceMax", &all, false).with("Max", x.number(0.0));
    let span = quotient(most - least, x.number(255.0));
    let flat = span.with("Equal", span.number(0.0));
    let scale = c.builder.op("Where", &[Some(flat), Some(span.number(1.0)), Some(span)], &[]);
    let zero = saturated(c, quotient(-least, scale).apply("Round"), DType::U8)?;
    let shape = x.shape()?;
    let ratio = match shape.flat() {
        Some(Dim::Known(n)) if n > 1 => (x.reshape(&Shape::fixed(&[n])) / repeated(scale, n)).reshape(&shape),
        _ => x / scale,
    };
    let levels = ratio.apply("Round") + zero.cast(DType::F32);
    Ok(vec![saturated(c, levels, DType::U8)?, scale, zero])
}

/// `a/b` of two numbers, as a division of vectors: a runtime may take the division by a single number for a
/// product with its reciprocal, which rounds otherwise.
fn quotient<'b>(a: Var<'b>, b: Var<'b>) -> Var<'b> {
    (repeated(a, 2) / repeated(b, 2)).reduce("ReduceMax", &[0], false)
}

/// A vector of one number.
fn repeated(v: Var, n: usize) -> Var {
    v.reshape(&Shape::fixed(&[1])).with("Tile", v.builder().ints(&[n as i64]))
}
