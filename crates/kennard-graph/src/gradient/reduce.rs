//! Reductions over axes, and running sums.

use super::elementwise::sign;
use super::{Backward, Rule};
use crate::{Result, Shape, Var};

/// `g` and `y` broadcast against the input `x` here; each line gives the adjoint of `x`.
#[rustfmt::skip]
pub(super) const RULES: &[(&str, Rule)] = &[
    ("ReduceSum",       |b| reduced(b, |r| r.g)),
    ("ReduceMean",      |b| reduced(b, |r| r.g / r.count)),
    ("ReduceMax",       |b| reduced(b, extreme)),
    ("ReduceMin",       |b| reduced(b, extreme)),
    ("ReduceProd",      |b| reduced(b, product)),
    ("ReduceL1",        |b| reduced(b, |r| r.g * sign(r.x))),
    ("ReduceL2",        |b| reduced(b, length)),
    ("ReduceLogSum",    |b| reduced(b, |r| r.g * (-r.y).apply("Exp"))),
    ("ReduceLogSumExp", |b| reduced(b, log_sum_exp)),
    ("ReduceSumSquare", |b| reduced(b, |r| 2.0 * r.g * r.x)),
    ("CumSum",          cumulative_sum),
];

/// A reduction on the way back. The adjoint `g` and the result `y` have extents of 1 at `axes`.
struct AdjointReduction<'b> {
    g: Var<'b>,
    x: Var<'b>,
    y: Var<'b>,
    axes: Vec<usize>,
    /// How many elements make one.
    count: Var<'b>,
}

/// Gives the adjoint of a reduction's input, broadcast to its shape.
fn reduced<'b>(b: &Backward<'_, 'b>, formula: impl Fn(&AdjointReduction<'b>) -> Var<'b>) -> Result<()> {
    let (x, y) = (b.x(0), b.y(0));
    let shape = x.shape()?;
    let axes = axes(b, shape.rank())?;
    let extents = Shape(axes.iter().map(|&axis| shape.0[axis]).collect());
    let count = match extents.volume() {
        Some((n, 0)) => x.number(n as f64),
        _ => (x.apply("Size") / y.apply("Size")).cast_like(x),
    };
    let put_back = |v: Var<'b>| match b.node.int("keepdims", 1) {
        0 if !axes.is_empty() => v.unsqueeze(&axes.iter().map(|&axis| axis as i64).collect::<Vec<_>>()),
        _ => v,
    };
    let reduction = AdjointReduction { g: put_back(b.g()), x, y: put_back(y), axes: axes.clone(), count };
    b.give(0, formula(&reduction).expand_like(x))
}

/// The axes that the second input names; all when it is left out or empty, unless
/// `noop_with_empty_axes` is set.
fn axes(b: &Backward, rank: usize) -> Result<Vec<usize>> {
    let named = match b.optional(1) {
        None => Vec::new(),
        Some(axes) => axes.as_ints().ok_or_else(|| {
            b.node.error("its axes are computed while the model runs; export the model with fixed axes")
        })?,
    };
    if named.is_empty() {
        let none = b.node.int("noop_with_empty_axes", 0) != 0;
        return Ok(if none { Vec::new() } else { (0..rank).collect() });
    }
    let mut axes: Vec<usize> = named.iter().map(|&axis| b.axis(axis, rank)).collect::<Result<_>>()?;
    axes.sort_unstable();
    axes.dedup();
    Ok(axes)
}

/// The largest or smallest element has the gradient; tied ones share it evenly, as in PyTorch's `amax`.
fn extreme<'b>(r: &AdjointReduction<'b>) -> Var<'b> {
    let hit = r.x.with("Equal", r.y).cast_like(r.x);
    r.g / hit.reduce("ReduceSum", &r.axes, true) * hit
}

/// `∂y/∂xᵢ = Πⱼ≠ᵢ xⱼ`, exact for zeros too: the product P of the non-zero elements is divided by xᵢ, and
/// counts only if no other element is 0. (Its own derivative is exact where nothing is 0.)
fn product<'b>(r: &AdjointReduction<'b>) -> Var<'b> {
    let zero = r.x.with("Equal", r.x.number(0.0)).cast_like(r.x);
    let nonzero = r.x + zero;
    let p = nonzero.reduce("ReduceProd", &r.axes, true);
    let other_zeros = zero.reduce("ReduceSum", &r.axes, true) - zero;
    r.g * p / nonzero * other_zeros.below(0.5)
}

/// `y = ‖x‖₂`: `x/y`, and 0 at the origin.
fn length<'b>(r: &AdjointReduction<'b>) -> Var<'b> {
    let origin = r.y.with("Equal", r.y.number(0.0)).cast_like(r.y);
    r.g / (r.y + origin) * r.x
}

/// `exp(xᵢ − y)`, divided by its sum: 1 but for the rounding of y, which is large where y is.
fn log_sum_exp<'b>(r: &AdjointReduction<'b>) -> Var<'b> {
    let share = (r.x - r.y).apply("Exp");
    r.g / share.reduce("ReduceSum", &r.axes, true) * share
}

/// `yᵢ = Σⱼ≤ᵢ xⱼ`: the running sum of the adjoint from the other end.
fn cumulative_sum(b: &Backward) -> Result<()> {
    let attributes = [
        ("exclusive", b.node.int("exclusive", 0).into()),
        ("reverse", i64::from(b.node.int("reverse", 0) == 0).into()),
    ];
    b.give(0, b.builder.op("CumSum", &[Some(b.g()), Some(b.x(1))], &attributes))
}
