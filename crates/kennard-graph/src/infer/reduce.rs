//! Reductions and selections along axes.

use super::{Context, Inferred, ShapeRule, Sym, dim, one};
use crate::{DType, Dim, Result, Shape, TensorType};

pub(super) const RULES: &[(&str, ShapeRule)] = &[
    ("ReduceL1", reduce),
    ("ReduceL2", reduce),
    ("ReduceLogSum", reduce),
    ("ReduceLogSumExp", reduce),
    ("ReduceMax", reduce),
    ("ReduceMean", reduce),
    ("ReduceMin", reduce),
    ("ReduceProd", reduce),
    ("ReduceSum", reduce),
    ("ReduceSumSquare", reduce),
    ("ArgMax", arg),
    ("ArgMin", arg),
    ("TopK", top_k),
];

/// The axes that a reduction's second input names, each in `0..rank`; all of them when it is absent
/// or empty (none with `noop_with_empty_axes`). `None` if they are not known.
pub(crate) fn reduced_axes(c: &Context, rank: usize) -> Result<Option<Vec<usize>>> {
    let axes = match c.optional(1) {
        None => Vec::new(),
        Some(_) => match c.ints(1) {
            Some(axes) => axes,
            None => return Ok(None),
        },
    };
    if axes.is_empty() {
        let none = c.node.int("noop_with_empty_axes", 0) != 0;
        return Ok(Some(if none { Vec::new() } else { (0..rank).collect() }));
    }
    axes.iter().map(|&axis| c.axis(axis, rank)).collect::<Result<Vec<usize>>>().map(Some)
}

/// The shape with `axes` reduced to 1, or removed.
fn without(shape: &Shape, axes: &[usize], keep: bool) -> Shape {
    let dims = shape.0.iter().enumerate();
    Shape(match keep {
        true => dims.map(|(i, &d)| if axes.contains(&i) { Dim::Known(1) } else { d }).collect(),
        false => dims.filter(|(i, _)| !axes.contains(i)).map(|(_, &d)| d).collect(),
    })
}

fn reduce(c: &Context) -> Inferred {
    let x = c.input(0)?;
    let Some(axes) = reduced_axes(c, x.shape.rank())? else { return Ok(None) };
    one(x.dtype, without(&x.shape, &axes, c.node.int("keepdims", 1) != 0))
}

fn arg(c: &Context) -> Inferred {
    let x = c.shape(0)?;
    let axis = c.axis(c.node.int("axis", 0), x.rank())?;
    one(DType::I64, without(x, &[axis], c.node.int("keepdims", 1) != 0))
}

/// Values and indices.
fn top_k(c: &Context) -> Inferred {
    let x = c.input(0)?;
    let axis = c.axis(c.node.int("axis", -1), x.shape.rank())?;
    let Some(Sym::Known(k)) = c.element(1) else { return Ok(None) };
    let most = x.shape.0[axis].known().unwrap_or(usize::MAX);
    let Some(k) = usize::try_from(k).ok().filter(|&k| k <= most) else {
        return c.fail(format!("{k} of the elements of {} along axis {axis} are asked for", x.shape));
    };
    let shape = dim::replaced(&x.shape, axis, Dim::Known(k));
    Ok(Some(vec![TensorType::new(x.dtype, shape.clone()), TensorType::new(DType::I64, shape)]))
}
