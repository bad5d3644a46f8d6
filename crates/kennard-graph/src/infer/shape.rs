//! Operators that read a shape or make a tensor from one.

use super::{Context, Inferred, ShapeRule, Sym, dim, one};
use crate::{Attribute, DType, Dim, Result, Shape};

pub(super) const RULES: &[(&str, ShapeRule)] = &[
    ("Shape", shape),
    ("Size", |c| c.input(0).and_then(|_| one(DType::I64, Shape::default()))),
    ("ConstantOfShape", constant_of_shape),
    ("Range", range),
    ("EyeLike", |c| one(dtype(c, c.input(0)?.dtype)?, c.shape(0)?.clone())),
    ("RandomNormal", random),
    ("RandomUniform", random),
    ("RandomNormalLike", |c| one(dtype(c, c.input(0)?.dtype)?, c.shape(0)?.clone())),
    ("RandomUniformLike", |c| one(dtype(c, c.input(0)?.dtype)?, c.shape(0)?.clone())),
    ("Bernoulli", |c| one(dtype(c, c.input(0)?.dtype)?, c.shape(0)?.clone())),
];

/// The element type that the attribute `dtype` names.
fn dtype(c: &Context, default: DType) -> Result<DType> {
    match c.node.int("dtype", default.code()) {
        0 => Ok(default),
        code => c.dtype(code),
    }
}

/// The axes from `start` to `end` of a `Shape` node on a tensor of this rank.
pub(crate) fn shape_range(c: &Context, rank: usize) -> std::ops::Range<usize> {
    let place = |v: i64| {
        let wrapped = if v < 0 { v.saturating_add(rank as i64) } else { v };
        usize::try_from(wrapped).unwrap_or(0).min(rank)
    };
    let start = place(c.node.int("start", 0));
    start..place(c.node.int("end", rank as i64)).max(start)
}

fn shape(c: &Context) -> Inferred {
    one(DType::I64, Shape::fixed(&[shape_range(c, c.shape(0)?.rank()).len()]))
}

fn constant_of_shape(c: &Context) -> Inferred {
    c.input(0)?;
    let Some(shape) = c.dims(0)? else { return Ok(None) };
    let dtype = match c.node.attributes.get("value") {
        Some(Attribute::Tensor(value)) => value.dtype(),
        _ => DType::F32,
    };
    one(dtype, shape)
}

/// `⌈(limit − start) / delta⌉` numbers.
fn range(c: &Context) -> Inferred {
    let dtype = c.input(0)?.dtype;
    let (Some(start), Some(limit), Some(delta)) = (c.element(0), c.element(1), c.element(2)) else {
        return Ok(None);
    };
    let length = match (start, limit, delta) {
        (_, _, Sym::Known(0)) => return c.fail("the step is 0"),
        (Sym::Known(start), Sym::Known(limit), Sym::Known(delta)) => {
            let (span, delta) = (i128::from(limit) - i128::from(start), i128::from(delta));
            let steps =
                if (span < 0) == (delta < 0) { (span.abs() + delta.abs() - 1) / delta.abs() } else { 0 };
            usize::try_from(steps).ok().map(Dim::Known)
        }
        (Sym::Known(0), Sym::Batch(k), Sym::Known(step @ 1..)) => usize::try_from(k)
            .ok()
            .zip(usize::try_from(step).ok())
            .and_then(|(k, s)| dim::divided(Dim::Batch(k), s)),
        (Sym::Real(start), Sym::Real(limit), Sym::Real(delta)) if delta != 0.0 => {
            let steps = ((limit - start) / delta).ceil();
            if steps.is_nan() || steps >= (1u64 << 40) as f64 {
                return c.fail(format!("from {start} to {limit} by {delta} there is no end"));
            }
            Some(Dim::Known(steps.max(0.0) as usize))
        }
        (Sym::Real(_), Sym::Real(_), Sym::Real(_)) => return c.fail("the step is 0"),
        _ => None,
    };
    length.map_or(Ok(None), |length| one(dtype, Shape(vec![length])))
}

fn random(c: &Context) -> Inferred {
    let dims = c.node.ints("shape").unwrap_or_default();
    match dims.iter().map(|&n| usize::try_from(n).ok()).collect::<Option<Vec<usize>>>() {
        Some(dims) => one(dtype(c, DType::F32)?, Shape::fixed(&dims)),
        None => c.fail(format!("the shape {dims:?} has a negative extent")),
    }
}
