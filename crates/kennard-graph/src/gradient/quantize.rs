//! Quantisation, differentiated straight through: rounding counts as the identity. The adjoint of a
//! quantised tensor is that of the real number `x/scale + zero point` before rounding, so it is a float.

use super::{Backward, Rule};
use crate::{Dim, Result, Shape, Var};

pub(super) const RULES: &[(&str, Rule)] =
    &[("QuantizeLinear", quantize_linear), ("DequantizeLinear", dequantize_linear)];

/// `q = clip(round(x/s) + z)`: `x̄ = q̄/s` and `s̄ = −Σ q̄·x/s²` where `round(x/s) + z` lies within the
/// range of the integers, ends included; 0 where it is clipped (Bengio et al. 2013, arXiv 1308.3432).
fn quantize_linear(b: &Backward) -> Result<()> {
    let (x, scale) = (b.x(0), along_axis(b, b.x(1))?);
    let levels = (x / scale).apply("Round");
    let levels = match b.optional(2) {
        Some(zero) => levels + along_axis(b, zero)?.cast_like(x),
        None => levels,
    };
    let to = b.y(0).ty()?.dtype;
    let refused = || b.node.error(format!("quantisation to {to:?} has no gradient rule"));
    let [least, most] = to.levels().ok_or_else(refused)?;
    let unclipped = levels.above(least - 0.5) * levels.below(most + 0.5);
    let adjoint = b.g() * unclipped / scale;
    b.give(0, adjoint)?;
    give_along_axis(b, 1, -(adjoint * x / scale))
}

/// `y = s·(q − z)`: `q̄ = s·ȳ`, `s̄ = Σ ȳ·(q − z)`.
fn dequantize_linear(b: &Backward) -> Result<()> {
    let (g, scale) = (b.g(), along_axis(b, b.x(1))?);
    let levels = b.x(0).cast_like(g);
    let levels = match b.optional(2) {
        Some(zero) => levels - along_axis(b, zero)?.cast_like(g),
        None => levels,
    };
    b.give_real(0, g * scale)?;
    give_along_axis(b, 1, g * levels)
}

/// A scale or zero point, one for all or one for each index along an axis, so that it broadcasts.
fn along_axis<'b>(b: &Backward<'_, 'b>, v: Var<'b>) -> Result<Var<'b>> {
    Ok(v.reshape(&broadcast(b, &v.shape()?)?))
}

/// Sums the adjoint of a scale.
fn give_along_axis<'b>(b: &Backward<'_, 'b>, i: usize, adjoint: Var<'b>) -> Result<()> {
    let shape = b.x(i).shape()?;
    b.give(i, adjoint.sum_to(&broadcast(b, &shape)?).reshape(&shape))
}

/// The shape of a scale with ones for the axes behind its own.
fn broadcast(b: &Backward, scale: &Shape) -> Result<Shape> {
    let x = b.x(0).shape()?;
    match scale.0.as_slice() {
        [] | [Dim::Known(1)] => Ok(Shape::default()),
        [extent] => {
            let axis = b.axis(b.node.int("axis", 1), x.rank())?;
            Ok(Shape([&[*extent][..], &vec![Dim::Known(1); x.rank() - axis - 1]].concat()))
        }
        _ => Err(b.node.error(format!("a scale for each block of {x} has no gradient rule"))),
    }
}
