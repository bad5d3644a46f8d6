//! Parts taken from a tensor, or put into one: the adjoint of a part returns to its place.

use super::{Backward, Rule};
use crate::{DType, Dim, Result, Shape, Var};

pub(super) const RULES: &[(&str, Rule)] =
    &[("Slice", slice), ("Pad", pad), ("Gather", gather), ("GatherND", gather_nd), ("ScatterND", scatter_nd)];

/// `y[i] = x[start + i·step]` along some axes.
fn slice(b: &Backward) -> Result<()> {
    let (x, y) = (b.x(0).shape()?, b.g().shape()?);
    let starts = constant(b, 1, Vec::new())?;
    let axes = constant(b, 3, (0..starts.len() as i64).collect())?;
    let steps = constant(b, 4, vec![1; starts.len()])?;
    let mut g = b.g();
    for ((axis, start), step) in axes.into_iter().zip(starts).zip(steps) {
        let axis = b.axis(axis, x.rank())?;
        if x.0[axis] == y.0[axis] && step > 0 {
            continue; // all of the axis, which may be the batch
        }
        let (Dim::Known(extent), Dim::Known(taken)) = (x.0[axis], y.0[axis]) else {
            return Err(b.node.error("a part of the batch has no gradient rule"));
        };
        if taken == 0 {
            return b.give(0, b.x(0).zeros_like());
        }
        let first = if start < 0 { start.saturating_add(extent as i64) } else { start };
        let first = first.clamp(0, extent as i64 - 1) as usize;
        let stride = step.unsigned_abs() as usize;
        g = match step {
            1.. => place(g, axis, first, stride, extent)?,
            _ => place(reversed(g, axis), axis, first - (taken - 1) * stride, stride, extent)?,
        };
    }
    b.give(0, g)
}

/// A margin put around a tensor: the adjoint without the margin, and the adjoint of the margin added
/// where its elements are copied from.
fn pad(b: &Backward) -> Result<()> {
    let x = b.x(0).shape()?;
    let pads = constant(b, 1, Vec::new())?;
    let axes = constant(b, 3, (0..x.rank() as i64).collect())?;
    let mut g = b.g();
    for (i, &axis) in axes.iter().enumerate() {
        let axis = b.axis(axis, x.rank())?;
        let (before, after) = (pads[i], pads[axes.len() + i]);
        g = match x.0[axis] {
            _ if before == 0 && after == 0 => g,
            Dim::Known(extent) => without_margin(b, g, axis, extent as i64, before, after)?,
            Dim::Batch(_) => return Err(b.node.error("a padded batch has no gradient rule")),
        };
    }
    if b.wants(2) {
        b.give(2, total(b.g())? - total(g)?)?; // what the padding value was given to
    }
    b.give(0, g)
}

/// [`pad`] along one axis of `n` elements; negative margins are cut off.
fn without_margin<'b>(
    b: &Backward<'_, 'b>,
    g: Var<'b>,
    axis: usize,
    n: i64,
    before: i64,
    after: i64,
) -> Result<Var<'b>> {
    let (low, high, kept) = (before.max(0), after.max(0), n + before.min(0) + after.min(0));
    let part = |start: i64, length: i64| g.slice(&[axis as i64], &[start], &[start + length], &[1]);
    let back = |part: Var<'b>, start: i64| place(part, axis, start as usize, 1, n as usize);
    let (head, tail) = (part(0, low), part(low + kept, high));
    let summed = |margin: Var<'b>| margin.reduce("ReduceSum", &[axis], true);

    let margins = match (b.node.text("mode", "constant"), low.max(high)) {
        ("constant", _) => vec![],
        (mode, _) if kept < n => return Err(b.node.error(format!("the mode {mode} does not cut"))),
        ("edge", _) if n > 0 => vec![(low, summed(head), 0), (high, summed(tail), n - 1)],
        ("wrap", widest) if widest <= n => vec![(low, head, n - low), (high, tail, 0)],
        ("reflect", widest) if widest < n => {
            vec![(low, reversed(head, axis), 1), (high, reversed(tail, axis), n - 1 - high)]
        }
        (mode, widest) => {
            return Err(b.node.error(format!("mode {mode}: a margin of {widest} at an extent of {n}")));
        }
    };
    let mut sum = back(part(low, kept), -before.min(0))?;
    for (_, margin, start) in margins.into_iter().filter(|(width, ..)| *width > 0) {
        sum = sum + back(margin, start)?;
    }
    Ok(sum)
}

/// `y = x[index]` along an axis: what was taken several times gets the sum.
fn gather(b: &Backward) -> Result<()> {
    let (x, index) = (b.x(0), b.x(1));
    let shape = x.shape()?;
    let axis = b.axis(b.node.int("axis", 0), shape.rank())?;
    let taken = index.shape()?;
    let taken =
        taken.flat().ok_or_else(|| b.node.error(format!("the index {taken} has several batch axes")))?;
    // The axes of the index as one, in the place of the axis.
    let mut one = shape.clone();
    one.0[axis] = taken;
    let g = b.g().reshape(&one);

    if let (Dim::Known(extent), Some(indices)) = (shape.0[axis], index.as_ints())
        && let Some((start, step)) = progression(&indices, extent)
    {
        let g = if step < 0 { reversed(g, axis) } else { g };
        let first = if step < 0 { start + step * (indices.len() as i64 - 1) } else { start };
        return b.give(0, place(g, axis, first as usize, step.unsigned_abs().max(1) as usize, extent)?);
    }
    // Rows are added one by one, so the axis goes to the front.
    let mut order: Vec<usize> = (0..shape.rank()).filter(|&i| i != axis).collect();
    order.insert(0, axis);
    let back: Vec<usize> = (1..=axis).chain([0]).chain(axis + 1..shape.rank()).collect();
    let rows = index.cast(DType::I64).reshape(&Shape(vec![taken, Dim::Known(1)]));
    let sum = scatter(x.transpose(&order).zeros_like(), rows, g.transpose(&order), "add");
    b.give(0, sum.transpose(&back))
}

/// `start` and `step`, if the indices are `start`, `start + step`, … within an axis and step ≠ 0.
fn progression(indices: &[i64], extent: usize) -> Option<(i64, i64)> {
    let n = extent as i64;
    let wrap = |&i: &i64| Some(if i < 0 { i + n } else { i }).filter(|i| (0..n).contains(i));
    let wrapped: Vec<i64> = indices.iter().map(wrap).collect::<Option<_>>()?;
    let start = *wrapped.first()?;
    let step = wrapped.get(1).map_or(1, |second| second - start);
    let regular = wrapped.windows(2).all(|pair| pair[1] - pair[0] == step);
    (regular && step != 0).then_some((start, step))
}

/// `y[i] = x[index[i]]`, the index a tuple of coordinates.
fn gather_nd(b: &Backward) -> Result<()> {
    if b.node.int("batch_dims", 0) != 0 {
        return Err(b.node.error("batch_dims other than 0 have no gradient rule"));
    }
    b.give(0, scatter(b.x(0).zeros_like(), b.x(1), b.g(), "add"))
}

/// `x` with `updates` put in, or added, at tuples of coordinates: the adjoint without, or with, those
/// places; and there it is the adjoint of the updates.
fn scatter_nd(b: &Backward) -> Result<()> {
    let (g, index) = (b.g(), b.x(1));
    match b.node.text("reduction", "none") {
        "none" => b.give(0, scatter(g, index, b.x(2).zeros_like(), "none"))?,
        "add" => b.give(0, g)?,
        other => return Err(b.node.error(format!("the reduction `{other}` has no gradient rule"))),
    }
    b.give(2, g.with("GatherND", index))
}

fn scatter<'b>(data: Var<'b>, index: Var<'b>, updates: Var<'b>, reduction: &str) -> Var<'b> {
    let attributes = [("reduction", reduction.into())];
    data.builder().op("ScatterND", &[Some(data), Some(index), Some(updates)], &attributes)
}

/// The elements of the integer input `i`, or `default` where it is left out.
fn constant(b: &Backward, i: usize, default: Vec<i64>) -> Result<Vec<i64>> {
    let unknown = || b.node.error(format!("input {i} must not depend on the data or on the batch"));
    b.optional(i).map_or(Ok(default), |v| v.as_ints().ok_or_else(unknown))
}

/// Zeros of this extent along an axis, with the slices of `x` at `start`, `start + step`, …
fn place(x: Var, axis: usize, start: usize, step: usize, extent: usize) -> Result<Var> {
    let mut shape = x.shape()?;
    let Dim::Known(n) = shape.0[axis] else { return Ok(x) };
    // step − 1 zeros after each slice, but none after the last
    let spread = if step == 1 || n <= 1 {
        x
    } else {
        let apart = margin(x.unsqueeze(&[axis as i64 + 1]), axis + 1, 0, step - 1)?;
        shape.0[axis] = Dim::Known(n * step);
        apart.reshape(&shape).slice(&[axis as i64], &[0], &[((n - 1) * step + 1) as i64], &[1])
    };
    let length = if n == 0 { 0 } else { (n - 1) * step + 1 };
    margin(spread, axis, start, extent - start - length)
}

/// Zeros before and after along one axis.
fn margin(x: Var, axis: usize, before: usize, after: usize) -> Result<Var> {
    if before == 0 && after == 0 {
        return Ok(x);
    }
    let rank = x.shape()?.rank();
    let mut pads = vec![0; 2 * rank];
    (pads[axis], pads[rank + axis]) = (before as i64, after as i64);
    Ok(x.with("Pad", x.builder().ints(&pads)))
}

/// An axis backwards.
fn reversed(x: Var, axis: usize) -> Var {
    x.slice(&[axis as i64], &[-1], &[i64::MIN], &[-1])
}

/// The sum of all elements.
fn total(x: Var) -> Result<Var> {
    let axes: Vec<usize> = (0..x.shape()?.rank()).collect();
    Ok(x.reduce("ReduceSum", &axes, false))
}
