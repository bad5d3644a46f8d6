//! Reductions.

use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::element::{Element, Int, Real, with_number};
use crate::Tensor;
use crate::infer::{Context, reduced_axes};

/// Each in four parts: what a lane starts from (`None`: its first element), what becomes of an
/// element, how it is added, and what becomes of the total of `n` elements.
struct Reduction {
    start: Option<f64>,
    each: fn(f64) -> f64,
    join: fn(f64, f64) -> f64,
    last: fn(f64, f64) -> f64,
    /// The same for integers, where it is defined.
    int: Option<Fold>,
}

type Fold = (Option<i64>, fn(i64, i64) -> Option<i64>);

fn reduction(op: &str) -> Option<Reduction> {
    let add = |a, b| a + b;
    let same = |x| x;
    let total = |x, _| x;
    let sum = Reduction { start: Some(0.0), each: same, join: add, last: total, int: None };
    Some(match op {
        "ReduceSum" => Reduction { int: Some((Some(0), i64::checked_add)), ..sum },
        "ReduceMean" => Reduction { last: |x, n| x / n, ..sum },
        "ReduceL1" => Reduction { each: f64::abs, ..sum },
        "ReduceL2" => Reduction { each: |x| x * x, last: |x, _| x.sqrt(), ..sum },
        "ReduceSumSquare" => Reduction { each: |x| x * x, ..sum },
        "ReduceLogSum" => Reduction { last: |x, _| x.ln(), ..sum },
        "ReduceProd" => {
            Reduction { start: Some(1.0), join: |a, b| a * b, int: Some((Some(1), i64::checked_mul)), ..sum }
        }
        "ReduceMax" => Reduction {
            start: None,
            join: |a, b| if a.is_nan() || a > b { a } else { b },
            int: Some((None, |a, b| Some(a.max(b)))),
            ..sum
        },
        "ReduceMin" => Reduction {
            start: None,
            join: |a, b| if a.is_nan() || a < b { a } else { b },
            int: Some((None, |a, b| Some(a.min(b)))),
            ..sum
        },
        _ => return None,
    })
}

pub(super) fn supports(op: &str) -> bool {
    reduction(op).is_some()
}

pub(super) fn reduce(c: &Context, x: &Tensor, shape: &[usize]) -> Option<Tensor> {
    let reduction = reduction(&c.node.op)?;
    let axes = reduced_axes(c, x.shape().len()).ok()??;
    if axes.is_empty() {
        return Some(x.clone());
    }
    let count = axes.iter().map(|&axis| x.shape()[axis]).product::<usize>() as f64;
    with_number!(x,
        T => {
            let join = |a: f64, b: f64| Some((reduction.join)(a, b));
            let totals = lanes(T::view(x)?, &axes, reduction.start, |v| (reduction.each)(v.wide()), join)?;
            let y = totals.mapv(|v| T::narrow((reduction.last)(v, count)));
            Some(y.into_shape_with_order(IxDyn(shape)).ok()?.into())
        },
        T => {
            let (start, join) = reduction.int?;
            let totals = lanes(T::view(x)?, &axes, start, |v| v.wide(), join)?;
            let all = totals.iter().map(|&v| T::fit(v)).collect::<Option<Vec<T>>>()?;
            Some(ArrayD::from_shape_vec(IxDyn(shape), all).ok()?.into())
        }
    )
}

/// The totals over `axes`, which keep an extent of 1. `None` for a total of nothing without a start.
fn lanes<T: Copy, W: Copy + Default>(
    x: ArrayViewD<T>,
    axes: &[usize],
    start: Option<W>,
    each: impl Fn(T) -> W,
    join: impl Fn(W, W) -> Option<W>,
) -> Option<ArrayD<W>> {
    if start.is_none() && x.is_empty() {
        return None;
    }
    let mut shape = x.shape().to_vec();
    for &axis in axes {
        shape[axis] = 1;
    }
    let mut totals = ArrayD::from_elem(IxDyn(&shape), start);
    for (at, &v) in x.indexed_iter() {
        let mut to = at;
        for &axis in axes {
            to[axis] = 0;
        }
        let total = &mut totals[to];
        *total = Some(match *total {
            Some(sum) => join(sum, each(v))?,
            None => each(v),
        });
    }
    Some(totals.mapv(|v| v.unwrap_or_default()))
}
