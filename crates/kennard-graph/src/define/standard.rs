//! Operators that every runtime has, as the standard defines them: for runtimes that compute something
//! else, or only the common cases.

use super::Definition;
use crate::builder::Call;
use crate::{DType, Dim, Result, Shape, Tensor, Var};

pub(super) const DEFINITIONS: &[(&str, Definition)] = &[
    ("ArgMax", |c| extreme_index(c, "ReduceMax")),
    ("ArgMin", |c| extreme_index(c, "ReduceMin")),
    ("Cast", cast),
    ("IsInf", is_infinite),
    ("OneHot", one_hot),
    ("Pad", pad),
    ("Pow", pow),
    ("DequantizeLinear", dequantize_linear),
    ("QuantizeLinear", quantize_linear),
    ("ReduceMean", |c| row_sum(c, true)),
    ("ReduceSum", |c| row_sum(c, false)),
    ("Sign", sign),
    ("SpaceToDepth", space_to_depth),
];

/// The position of the extreme element along the axis: of the first, or the last, where several are equal.
fn extreme_index<'b>(c: &Call<'_, 'b>, extreme: &str) -> Result<Var<'b>> {
    let x = c.x(0);
    let shape = x.shape()?;
    let axis = c.axis(c.node.int("axis", 0), shape.rank())?;
    let Some(count) = shape.0[axis].known() else {
        return Err(c.node.error(format!("its axis {axis} has no fixed extent")));
    };
    let mut positions = c.builder.ints(&(0..count as i64).collect::<Vec<_>>());
    if axis + 1 < shape.rank() {
        positions = positions.unsqueeze(&(1..(shape.rank() - axis) as i64).collect::<Vec<_>>());
    }
    let (outside, choose) = if c.node.int("select_last_index", 0) == 0 {
        (count as f64, "ReduceMin")
    } else {
        (-1.0, "ReduceMax")
    };
    let hit = x.with("Equal", x.reduce(extreme, &[axis], true));
    let position = c.builder.op("Where", &[Some(hit), Some(positions), Some(positions.number(outside))], &[]);
    Ok(position.reduce(choose, &[axis], c.node.int("keepdims", 1) != 0))
}

/// A cast to truth values: whether an element is not zero.
fn cast<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let (x, to) = (c.x(0), c.node.int("to", 0));
    match DType::from_code(to) {
        Some(DType::Bool) if x.ty()?.dtype != DType::Bool => Ok(x.with("Equal", x.number(0.0)).apply("Not")),
        _ => Ok(x.apply_with("Cast", &[("to", to.into())])),
    }
}

/// Whether the element is an infinity, of the signs that are asked for.
fn is_infinite<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    let is = |value: f64| x.with("Equal", x.number(value));
    Ok(match (c.node.int("detect_positive", 1) != 0, c.node.int("detect_negative", 1) != 0) {
        (true, true) => x.apply("Abs").with("Equal", x.number(f64::INFINITY)),
        (true, false) => is(f64::INFINITY),
        (false, true) => is(f64::NEG_INFINITY),
        (false, false) => c.builder.constant(Tensor::scalar(0.0, DType::Bool)).expand_like(x),
    })
}

/// Indices and depth as integers.
fn one_hot<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let integer = |v: Var<'b>| if v.ty().is_ok_and(|t| t.dtype.is_float()) { v.cast(DType::I64) } else { v };
    let inputs = [Some(integer(c.x(0))), Some(integer(c.x(1))), Some(c.x(2))];
    Ok(c.builder.op("OneHot", &inputs, &[("axis", c.node.int("axis", -1).into())]))
}

/// Margins of all axes, instead of those named in a fourth input.
fn pad<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    let rank = x.shape()?.rank();
    let (Some(pads), Some(axes)) = (c.x(1).as_ints(), c.x(3).as_ints()) else {
        return Err(c.node.error("its margins and axes must be constant"));
    };
    if pads.len() != 2 * axes.len() {
        return Err(c.node.error(format!("{} margins do not fit {} axes", pads.len(), axes.len())));
    }
    let mut all = vec![0; 2 * rank];
    for (i, &axis) in axes.iter().enumerate() {
        let axis = c.axis(axis, rank)?;
        (all[axis], all[axis + rank]) = (pads[i], pads[i + axes.len()]);
    }
    let mode = c.node.text("mode", "constant");
    Ok(c.builder.op("Pad", &[Some(x), Some(c.builder.ints(&all)), c.optional(2)], &[("mode", mode.into())]))
}

/// Base and exponent of one type.
fn pow<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let (x, y) = (c.x(0), c.x(1));
    let (base, exponent) = (x.ty()?.dtype, y.ty()?.dtype);
    Ok(match (base.is_float(), exponent.is_float()) {
        (true, false) => x.with("Pow", y.cast(base)),
        (false, true) => x.cast(exponent).with("Pow", y).cast(base),
        _ => x.with("Pow", y),
    })
}

/// `clip(round(x/s) + z)`, computed in floats: a product with 1/s rounds otherwise at ties.
fn quantize_linear<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    let target = match c.optional(2) {
        Some(zero) => zero.ty()?.dtype,
        None => DType::from_code(c.node.int("output_dtype", 0)).unwrap_or(DType::U8),
    };
    let refused = || c.node.error(format!("quantisation to {target:?} cannot be spelled out"));
    let [least, most] = target.levels().ok_or_else(refused)?;
    let last = x.shape()?.0.last().and_then(|d| d.known());
    let mut scale = spread(c, c.x(1))?;
    if let (Some(value), Some(extent)) = (c.x(1).as_constant().and_then(|s| s.item()), last) {
        // As a vector: a runtime may take the division by a single number for a product, too.
        scale = c.builder.constant(Tensor::full(&[extent], value, scale.ty()?.dtype));
    }
    let mut levels = (x / scale).apply("Round");
    if let Some(zero) = c.optional(2) {
        levels = levels + spread(c, zero)?.cast_like(x);
    }
    let limits = [Some(levels), Some(x.number(least)), Some(x.number(most))];
    Ok(c.builder.op("Clip", &limits, &[]).cast(target))
}

/// `s·(q − z)`.
fn dequantize_linear<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let scale = spread(c, c.x(1))?;
    let mut levels = c.x(0).cast_like(scale);
    if let Some(zero) = c.optional(2) {
        levels = levels - spread(c, zero)?.cast_like(scale);
    }
    Ok(levels * scale)
}

/// A scale or zero point, one for all or one for each index along an axis, so that it broadcasts.
fn spread<'b>(c: &Call<'_, 'b>, v: Var<'b>) -> Result<Var<'b>> {
    match v.shape()?.0.as_slice() {
        [] | [Dim::Known(1)] => Ok(v.reshape(&Shape::default())),
        [extent] => {
            let rank = c.x(0).shape()?.rank();
            let behind = rank - 1 - c.axis(c.node.int("axis", 1), rank)?;
            Ok(v.reshape(&Shape([&[*extent][..], &vec![Dim::Known(1); behind]].concat())))
        }
        _ => Err(c.node.error("a scale for each block cannot be spelled out")),
    }
}

/// Sums or means over the last axes as a product with ones. (A kernel may add in an order that depends
/// on where in memory a row begins, and so on its place in the batch; a product does not.)
fn row_sum<'b>(c: &Call<'_, 'b>, mean: bool) -> Result<Var<'b>> {
    let x = c.x(0);
    let shape = x.shape()?;
    let axes = c.optional(1).and_then(Var::as_ints).unwrap_or_default();
    let mut axes = axes.iter().map(|&axis| c.axis(axis, shape.rank())).collect::<Result<Vec<_>>>()?;
    axes.sort_unstable();
    let first = shape.rank() - axes.len().min(shape.rank());
    let Some(Dim::Known(length)) =
        Shape(shape.0[first..].to_vec()).flat().filter(|_| axes.iter().copied().eq(first..shape.rank()))
    else {
        return Err(c.node.error(format!("reduces {shape} over {axes:?}, not over its last, fixed axes")));
    };
    let before = &shape.0[..first];
    let weight = if mean { 1.0 / length as f64 } else { 1.0 };
    let ones = c.builder.constant(Tensor::full(&[length, 1], weight, x.ty()?.dtype));
    let sums = x.reshape(&Shape([before, &[Dim::Known(length)]].concat())).with("MatMul", ones);
    let kept = if c.node.int("keepdims", 1) == 0 { 0 } else { axes.len() };
    Ok(sums.reshape(&Shape([before, &vec![Dim::Known(1); kept]].concat())))
}

/// 1, 0 or −1.
fn sign<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    Ok(x.above(0.0) - x.below(0.0))
}

/// Blocks of pixels moved into channels: `[N, C, H, b, W, b]` becomes `[N, b, b, C, H, W]`.
fn space_to_depth<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    let shape = x.shape()?;
    let block = usize::try_from(c.node.int("blocksize", 0)).unwrap_or(0);
    let &[n, channels, Dim::Known(h), Dim::Known(w)] = shape.0.as_slice() else {
        return Err(c.node.error(format!("takes images [N, C, H, W], not {shape}")));
    };
    if block == 0 || h % block != 0 || w % block != 0 || h == 0 {
        return Err(c.node.error(format!("an image of {h} × {w} cannot be cut into blocks of {block}")));
    }
    let (h, w, b) = (Dim::Known(h / block), Dim::Known(w / block), Dim::Known(block));
    let blocks = x.reshape(&Shape(vec![n, channels, h, b, w, b])).transpose(&[0, 3, 5, 1, 2, 4]);
    let depth = match channels {
        Dim::Known(c) => Dim::Known(c * block * block),
        Dim::Batch(k) => Dim::Batch(k * block * block),
    };
    Ok(blocks.reshape(&Shape(vec![n, depth, h, w])))
}
