//! Piecewise linear functions as sums of `max(·, 0)`, of which a single rule of bounds then serves.

use super::Definition;
use crate::builder::Call;
use crate::infer::{AutoPad, KernelWindow};
use crate::{DType, Dim, Result, Var};

pub(super) const DEFINITIONS: &[(&str, Definition)] = &[
    ("Abs", |c| Ok(relu(c.x(0)) + relu(-c.x(0)))),
    ("Clip", clip),
    ("GlobalMaxPool", global_max_pool),
    ("HardSigmoid", hard_sigmoid),
    ("LeakyRelu", leaky_relu),
    ("Max", |c| extreme(c, larger)),
    // Over three axes rten pads with numbers alone: there each tap is taken by itself.
    ("MaxPool", |c| match c.x(0).ty()? {
        ty if !ty.dtype.is_float() => integer_max_pool(c),
        ty if ty.shape.rank() == 5 => super::volume::max_pool(c),
        _ => max_pool(c),
    }),
    ("Min", |c| extreme(c, smaller)),
    ("PRelu", |c| Ok(c.x(1) * c.x(0) + (1.0 - c.x(1)) * relu(c.x(0)))),
    ("ReduceMax", |c| reduced(c, larger)),
    ("ReduceMin", |c| reduced(c, smaller)),
];

/// Windows with more elements along one axis are left as they are.
const WIDEST: usize = 64;
/// So are those with gaps and a margin that see more elements.
const MOST: usize = 1 << 20;
/// So are those over longer axes.
const LONGEST: i128 = 1 << 24;

fn relu(x: Var) -> Var {
    x.apply("Relu")
}

/// `max(a, b) = a + max(b − a, 0)`
fn larger<'b>(a: Var<'b>, b: Var<'b>) -> Var<'b> {
    a + relu(b - a)
}

/// `min(a, b) = a − max(a − b, 0)`
fn smaller<'b>(a: Var<'b>, b: Var<'b>) -> Var<'b> {
    a - relu(a - b)
}

/// `α·x + (1 − α)·max(x, 0)`
fn leaky_relu<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let (x, alpha) = (c.x(0), c.node.float("alpha", f64::from(0.01f32)));
    Ok(x * alpha + relu(x) * (1.0 - alpha))
}

/// `min(max(x, low), high)`; limits beyond the range of single precision are ignored.
fn clip<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let limit = |i: usize| {
        c.optional(i)
            .filter(|v| v.as_constant().and_then(|v| v.item()).is_none_or(|v| v.abs() < 1e30 || v.is_nan()))
    };
    let x = c.x(0);
    let low = limit(1).map_or(x, |low| low + relu(x - low));
    Ok(limit(2).map_or(low, |high| high - relu(high - low)))
}

/// `min(max(α·x + β, 0), 1)`
fn hard_sigmoid<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let (alpha, beta) = (c.node.float("alpha", f64::from(0.2f32)), c.node.float("beta", 0.5));
    Ok(1.0 - relu(1.0 - relu(c.x(0) * alpha + beta)))
}

/// The largest or smallest of the inputs, two by two.
fn extreme<'b>(c: &Call<'_, 'b>, of: fn(Var<'b>, Var<'b>) -> Var<'b>) -> Result<Var<'b>> {
    let all = (0..c.node.inputs.len()).map(|i| c.x(i)).collect();
    pairs(all, of).ok_or_else(|| c.node.error("it has no inputs"))
}

/// Two by two, and the results again.
fn pairs<'b>(mut all: Vec<Var<'b>>, of: fn(Var<'b>, Var<'b>) -> Var<'b>) -> Option<Var<'b>> {
    while all.len() > 1 {
        all = all.chunks(2).map(|pair| pair.iter().copied().reduce(of).unwrap_or(pair[0])).collect();
    }
    all.pop()
}

/// Maxima of integers, by floats, which hold all integers of 16 bits.
fn integer_max_pool<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let dtype = c.x(0).ty()?.dtype;
    if dtype.levels().is_none() {
        return Err(c.node.error(format!("a pool of {dtype:?} cannot be spelled out")));
    }
    let attributes: Vec<_> =
        c.node.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    Ok(c.x(0).cast(DType::F32).apply_with("MaxPool", &attributes).cast(dtype))
}

/// The maxima of windows, axis by axis. A window that reaches beyond the data sees its edge there, which is in the window.
fn max_pool<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    let attributes: Vec<_> =
        c.node.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    // For its shape only: nobody reads it.
    let (from, to) = (x.shape()?, x.apply_with("MaxPool", &attributes).shape()?);
    let kernel = c.node.ints("kernel_shape").unwrap_or_default();
    let kernel: Vec<usize> = kernel.iter().map(|&k| usize::try_from(k).unwrap_or(0)).collect();
    let window = KernelWindow::new(c.node, &kernel)?;
    let mut y = x;
    for (i, &taps) in kernel.iter().enumerate() {
        let axis = i + 2;
        let (Some(Dim::Known(input)), Some(Dim::Known(output))) = (from.0.get(axis), to.0.get(axis)) else {
            return Err(c.node.error(format!("its data {from} has no fixed spatial axes")));
        };
        let (stride, dilation) = (window.strides[i], window.dilations[i]);
        let (long, outputs) = (*input as i128, *output as i128);
        let reach = (outputs - 1) * i128::from(stride) + window.span(i);
        let over = (reach - long).max(0);
        let before = match window.auto_pad {
            AutoPad::Explicit => i128::from(window.pads[i]),
            AutoPad::Valid => 0,
            AutoPad::SameUpper => over / 2,
            AutoPad::SameLower => over - over / 2,
        };
        let after = (reach - before - long).max(0);
        let extent = before + long + after;
        if taps > WIDEST || *input == 0 || *output == 0 || extent > LONGEST {
            return Err(c
                .node
                .error(format!("a window of {taps} over {input} elements cannot be spelled out")));
        }
        if dilation != 1 && (before > 0 || after > 0) {
            let places = within(&window, i, taps, *input, *output, before);
            let places = places.ok_or_else(|| {
                c.node
                    .error(format!("windows of {taps} with gaps over {input} elements cannot be spelled out"))
            })?;
            let along = [("axis", (axis as i64).into())];
            let tap =
                |places: Vec<i64>| c.builder.op("Gather", &[Some(y), Some(c.builder.ints(&places))], &along);
            y = pairs(places.into_iter().map(tap).collect(), larger).unwrap_or(y);
            continue;
        }
        if before > 0 || after > 0 {
            y = edged(c, y, axis, before as i64, after as i64)?;
        }
        let tap = |q: usize| {
            let first = q as i64 * dilation;
            y.slice(&[axis as i64], &[first], &[first + (*output as i64 - 1) * stride + 1], &[stride])
        };
        y = pairs((0..taps).map(tap).collect(), larger).unwrap_or(y);
    }
    Ok(y)
}

/// The elements that windows with gaps see along an axis, tap by tap; where a tap is beyond the data, another of its window. Nothing
/// where a window sees no data, or there are more than anyone wants.
fn within(
    window: &KernelWindow,
    i: usize,
    taps: usize,
    input: usize,
    outputs: usize,
    before: i128,
) -> Option<Vec<Vec<i64>>> {
    let seen = taps.checked_mul(outputs).filter(|&n| n <= MOST);
    seen?;
    let place = |o: usize, q: usize| {
        let at =
            o as i128 * i128::from(window.strides[i]) + q as i128 * i128::from(window.dilations[i]) - before;
        i64::try_from(at).ok().filter(|at| (0..input as i64).contains(at))
    };
    let first = |o: usize| (0..taps).find_map(|q| place(o, q));
    (0..taps).map(|q| (0..outputs).map(|o| place(o, q).or_else(|| first(o))).collect()).collect()
}

/// Copies of the first and the last element put around along one axis.
fn edged<'b>(c: &Call<'_, 'b>, x: Var<'b>, axis: usize, before: i64, after: i64) -> Result<Var<'b>> {
    let rank = x.shape()?.rank();
    let mut pads = vec![0; 2 * rank];
    (pads[axis], pads[rank + axis]) = (before, after);
    let pads = c.builder.ints(&pads);
    Ok(c.builder.op("Pad", &[Some(x), Some(pads)], &[("mode", "edge".into())]))
}

fn global_max_pool<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let mut y = c.x(0);
    for axis in 2..y.shape()?.rank() {
        y = along(c, y, axis, larger)?;
    }
    Ok(y)
}

/// The extremes over axes.
fn reduced<'b>(c: &Call<'_, 'b>, of: fn(Var<'b>, Var<'b>) -> Var<'b>) -> Result<Var<'b>> {
    let mut y = c.x(0);
    let rank = y.shape()?.rank();
    let named = match c.optional(1) {
        Some(axes) => axes.as_ints().ok_or_else(|| c.node.error("its axes must be constant"))?,
        None => Vec::new(),
    };
    let mut axes = named.iter().map(|&axis| c.axis(axis, rank)).collect::<Result<Vec<_>>>()?;
    if axes.is_empty() && c.node.int("noop_with_empty_axes", 0) == 0 {
        axes = (0..rank).collect();
    }
    axes.sort_unstable();
    axes.dedup();
    for &axis in &axes {
        y = along(c, y, axis, of)?;
    }
    if c.node.int("keepdims", 1) == 0 && !axes.is_empty() {
        y = y.squeeze(&axes.iter().map(|&axis| axis as i64).collect::<Vec<_>>());
    }
    Ok(y)
}

/// The extreme along one axis, by halves; the middle of an odd number is in both.
fn along<'b>(
    c: &Call<'_, 'b>,
    x: Var<'b>,
    axis: usize,
    of: fn(Var<'b>, Var<'b>) -> Var<'b>,
) -> Result<Var<'b>> {
    let mut y = x;
    let Dim::Known(mut n) = y.shape()?.0[axis] else {
        return Err(c.node.error(format!("its axis {axis} has no fixed extent")));
    };
    if n == 0 {
        return Err(c.node.error(format!("its axis {axis} is empty")));
    }
    while n > 1 {
        let half = n.div_ceil(2) as i64;
        let part = |start: i64| y.slice(&[axis as i64], &[start], &[start + half], &[1]);
        y = of(part(0), part(n as i64 - half));
        n = half as usize;
    }
    Ok(y)
}
