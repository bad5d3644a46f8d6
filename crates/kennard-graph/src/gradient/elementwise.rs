//! Arithmetic, and functions of one number.

use std::f64::consts::FRAC_2_SQRT_PI;

use super::{Backward, Rule};
use crate::{Result, Var};

/// `g` is the adjoint of the output `y`; each line gives the adjoint of the input `x`.
#[rustfmt::skip]
pub(super) const RULES: &[(&str, Rule)] = &[
    ("Identity",   |b| b.give(0, b.g())),
    ("Neg",        |b| b.give(0, -b.g())),
    ("Abs",        |b| b.unary(|g, x, _| g * sign(x))),
    ("Exp",        |b| b.unary(|g, _, y| g * y)),
    ("Log",        |b| b.unary(|g, x, _| g / (x + nothing_at_zero(g, x)))),
    ("Sqrt",       |b| b.unary(|g, _, y| 0.5 * g / y)),
    ("Reciprocal", |b| b.unary(|g, _, y| -(g * y * y))),
    ("Erf",        |b| b.unary(|g, x, _| g * (FRAC_2_SQRT_PI * (-(x * x)).apply("Exp")))),
    ("Sin",        |b| b.unary(|g, x, _| g * x.apply("Cos"))),
    ("Cos",        |b| b.unary(|g, x, _| -(g * x.apply("Sin")))),
    ("Tan",        |b| b.unary(|g, _, y| g * (1.0 + y * y))),
    ("Asin",       |b| b.unary(|g, x, _| g / (1.0 - x * x).apply("Sqrt"))),
    ("Acos",       |b| b.unary(|g, x, _| -(g / (1.0 - x * x).apply("Sqrt")))),
    ("Atan",       |b| b.unary(|g, x, _| g / (1.0 + x * x))),
    ("Sinh",       |b| b.unary(|g, x, _| g * x.apply("Cosh"))),
    ("Cosh",       |b| b.unary(|g, x, _| g * x.apply("Sinh"))),
    ("Asinh",      |b| b.unary(|g, x, _| g / (x * x + 1.0).apply("Sqrt"))),
    ("Acosh",      |b| b.unary(|g, x, _| g / (x * x - 1.0).apply("Sqrt"))),
    ("Atanh",      |b| b.unary(|g, x, _| g / (1.0 - x * x))),

    ("Add",  |b| { b.give(0, b.g())?; b.give(1, b.g()) }),
    ("Sub",  |b| { b.give(0, b.g())?; b.give(1, -b.g()) }),
    ("Mul",  |b| { b.give(0, b.g() * b.x(1))?; b.give(1, b.g() * b.x(0)) }),
    ("Div",  |b| { b.give(0, b.g() / b.x(1))?; b.give(1, -(b.g() / b.x(1) * b.y(0))) }),
    ("Sum",  |b| (0..b.node.inputs.len()).try_for_each(|i| b.give(i, b.g()))),
    ("Mean", |b| (0..b.node.inputs.len()).try_for_each(|i| b.give(i, b.g() / b.node.inputs.len() as f64))),
    ("Pow",  pow),
    ("Max",  extreme),
    ("Min",  extreme),
    ("Clip", clip),

    ("Where",    choose),
    ("Cast",     cast),
    ("CastLike", cast),
];

/// The adjoint, cast back by `give`; to integers it is a step.
fn cast(b: &Backward) -> Result<()> {
    if b.y(0).ty()?.dtype.is_float() { b.give(0, b.g()) } else { Ok(()) }
}

/// 1, 0 or −1. Not the operator `Sign`: rten's is 1 at 0, and ONNX Runtime's is slower.
pub(super) fn sign(x: Var) -> Var {
    x.above(0.0) - x.below(0.0)
}

/// 1 where both are 0, else 0. What nobody asks for is 0, even at the logarithm of 0.
fn nothing_at_zero<'b>(g: Var<'b>, x: Var<'b>) -> Var<'b> {
    let zero = |v: Var<'b>| v.with("Equal", v.number(0.0));
    zero(g).with("And", zero(x)).cast_like(x)
}

/// `y = xᵖ`: `∂y/∂x = p·xᵖ⁻¹`, 0 where p = 0. `∂y/∂p = y·ln x`, 0 where x = 0 ≤ p.
///
/// The exceptions are PyTorch's: `x⁰` is 1 and `0ᵖ` is 0 whatever the other number is.
fn pow(b: &Backward) -> Result<()> {
    let (g, x, y) = (b.g(), b.x(0), b.y(0));
    let p = b.x(1).cast_like(x);
    match b.x(1).as_constant().and_then(|p| p.item()) {
        Some(0.0) => {}
        Some(1.0) => b.give(0, g)?,
        Some(2.0) => b.give(0, 2.0 * g * x)?,
        Some(number) => b.give(0, g * (number * x.with("Pow", x.number(number - 1.0))))?,
        None => {
            let flat = p.with("Equal", p.number(0.0)).cast_like(x);
            b.give(0, g * (p * x.with("Pow", p - 1.0 + flat)))?;
        }
    }
    let zero = x.with("Equal", x.number(0.0)).with("And", p.with("GreaterOrEqual", p.number(0.0)));
    b.give(1, g * (y * (x + zero.cast_like(x)).apply("Log")))
}

/// The largest, or the smallest, of the inputs: the gradient goes there, divided evenly among those that
/// are tied, as PyTorch's `maximum` does.
fn extreme(b: &Backward) -> Result<()> {
    let y = b.y(0);
    let hits: Vec<_> = (0..b.node.inputs.len()).map(|i| b.x(i).with("Equal", y).cast_like(y)).collect();
    let Some(ties) = hits.iter().copied().reduce(|a, b| a + b) else { return Ok(()) };
    let share = b.g() / ties;
    hits.into_iter().enumerate().try_for_each(|(i, hit)| b.give(i, share * hit))
}

/// `y = min(max(x, low), high)`: 1 where nothing is clipped, the ends included.
///
/// So PyTorch's `clamp` had it up to 2.13; from 2.14 on, and in `relu6` and `hardtanh`, it is 0 at the
/// ends. Pixels are often exactly 0 or 1, and an attack on a model that clips its input needs their
/// gradient.
fn clip(b: &Backward) -> Result<()> {
    let (g, x, y) = (b.g(), b.x(0), b.y(0));
    b.give(0, g * x.with("Equal", y).cast_like(x))?;
    for (i, beyond) in [(1, "Less"), (2, "Greater")] {
        if b.wants(i) {
            b.give(i, g * x.with(beyond, b.x(i)).cast_like(x))?;
        }
    }
    Ok(())
}

/// `y = c ? x₁ : x₂`.
///
/// Products with masks, because ONNX Runtime's `Where` is ten times slower when the condition is
/// irregular.
fn choose(b: &Backward) -> Result<()> {
    let (g, condition) = (b.g(), b.x(0));
    b.give(1, g * condition.cast_like(g))?;
    b.give(2, g * condition.apply("Not").cast_like(g))
}
