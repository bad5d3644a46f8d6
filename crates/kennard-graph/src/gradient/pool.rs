use ndarray::ArrayD;

use super::linear::along;
use super::{Backward, Rule};
use crate::window::{self, Axis};
use crate::{Attribute, DType, Dim, Result, Shape, Var};

pub(super) const RULES: &[(&str, Rule)] = &[
    ("MaxPool", max_pool),
    ("GlobalMaxPool", global_max_pool),
    ("AveragePool", average_pool),
    ("GlobalAveragePool", global_average_pool),
];

/// Single precision counts so far.
const MOST_RANKS: usize = 1 << 24;

/// The adjoint of a maximum goes to the element that it is. Where several are equal, the first of the
/// window in row-major order gets all of it, as in PyTorch.
///
/// A window is taken axis by axis: the maximum of each row, then of the rows. The first row that holds
/// the maximum and in it the first element is the first in row-major order, so the adjoint can go back
/// axis by axis too, and a window of k×k takes 2·k comparisons.
fn max_pool(b: &Backward) -> Result<()> {
    let axes = axes(b)?;
    // 8-bit integers by floats: they have no NaN for the margin, and rten compares none.
    let whole = !b.x(0).ty()?.dtype.is_float();
    let [x, y] = [b.x(0), b.y(0)].map(|v| if whole { v.cast(DType::F32) } else { v });
    // maxima[i]: over the axes from i on.
    let mut maxima = vec![x; axes.len() + 1];
    for i in (1..axes.len()).rev() {
        maxima[i] = if axes[i].trivial() { maxima[i + 1] } else { max_along(maxima[i + 1], i, &axes) };
    }
    maxima[0] = y;
    let mut g = b.g();
    for (i, axis) in axes.iter().enumerate().filter(|(_, axis)| !axis.trivial()) {
        g = to_first(g, maxima[i + 1], maxima[i], i + 2, axis)?;
    }
    b.give(0, g)
}

/// The spatial axes of a pool's window.
fn axes(b: &Backward) -> Result<Vec<Axis>> {
    window::of_pool(b, &b.g().shape()?, "has no gradient rule")
}

/// The maxima along spatial axis `i` alone.
fn max_along<'b>(x: Var<'b>, i: usize, axes: &[Axis]) -> Var<'b> {
    let axis = axes[i];
    let only = |value: usize, others: i64| -> Vec<i64> {
        (0..axes.len()).map(|j| if j == i { value as i64 } else { others }).collect()
    };
    let attributes: [(&str, Attribute); 4] = [
        ("kernel_shape", only(axis.taps, 1).into()),
        ("strides", only(axis.stride, 1).into()),
        ("dilations", only(axis.dilation, 1).into()),
        ("pads", [only(axis.before, 0), only(axis.after(), 0)].concat().into()),
    ];
    x.apply_with("MaxPool", &attributes)
}

/// The adjoint of `x` for `y`, its maxima along one axis: tap by tap, what is left of the adjoint of `y`
/// goes to `x` where `x` is the maximum.
fn to_first<'b>(g: Var<'b>, x: Var<'b>, y: Var<'b>, at: usize, axis: &Axis) -> Result<Var<'b>> {
    let shape = x.shape()?;
    let inside = axis.before == 0 && axis.after() == 0;
    // The margin is no candidate: nothing equals NaN.
    let padded = window::padded(x, at, axis, f64::NAN)?;
    let mut left = g;
    let mut taken = Vec::with_capacity(axis.taps);
    for tap in 0..axis.taps {
        if inside && tap + 1 == axis.taps {
            taken.push(left); // one of the window is the maximum
            break;
        }
        let part = left * window::seen(padded, at, axis, tap).with("Equal", y).cast_like(g);
        taken.push(part);
        left = left - part;
    }
    window::put_back(&taken, &shape, at, axis)
}

/// One maximum per channel; the first in row-major order gets its adjoint.
fn global_max_pool(b: &Backward) -> Result<()> {
    let x = b.x(0);
    let shape = x.shape()?;
    let Some(n) = spatial_volume(&shape) else {
        return Err(b.node.error(format!("the spatial extents of {shape} are not fixed")));
    };
    if n > MOST_RANKS {
        return Err(b.node.error(format!("channels of {n} elements are too large for the gradient rule")));
    }
    let flat = |n: usize| Shape([&shape.0[..2], &[Dim::Known(n)]].concat());
    // Of the maxima the first ranks highest. (rten's `ArgMax` finds the last.)
    let ranks = b.builder.constant(ArrayD::from_shape_fn(vec![n], |i| (n - i[0]) as f32).into());
    let ranked = x.reshape(&flat(n)).with("Equal", b.y(0).reshape(&flat(1))).cast(DType::F32) * ranks;
    let first = ranked.with("Equal", ranked.reduce("ReduceMax", &[2], true)).cast_like(x);
    b.give(0, (b.g().reshape(&flat(1)) * first).reshape(&shape))
}

/// `y = M·x` along each axis: the means over a window are the means over its columns of the means over
/// its rows, also where the window goes beyond the input.
fn average_pool(b: &Backward) -> Result<()> {
    let axes = axes(b)?;
    let list = |name: &str, i: usize| b.node.ints(name).and_then(|v| v.get(i).copied());
    let mut g = b.g();
    for (i, axis) in axes.iter().enumerate().rev().filter(|(_, axis)| !axis.trivial()) {
        let pad = |i: usize| list("pads", i).unwrap_or(0);
        let mut attributes: Vec<(&str, Attribute)> = vec![
            ("kernel_shape", vec![1, axis.taps as i64].into()),
            ("strides", vec![1, axis.stride as i64].into()),
            ("dilations", vec![1, axis.dilation as i64].into()),
            ("ceil_mode", b.node.int("ceil_mode", 0).into()),
            ("count_include_pad", b.node.int("count_include_pad", 0).into()),
        ];
        attributes.push(match b.node.text("auto_pad", "NOTSET") {
            "NOTSET" => ("pads", vec![0, pad(i), 0, pad(i + axes.len())].into()),
            mode => ("auto_pad", mode.into()),
        });
        g = along(b, g, i + 2, axis.input, &[], &attributes)?;
    }
    b.give(0, g)
}

/// The mean over all spatial axes.
fn global_average_pool(b: &Backward) -> Result<()> {
    let x = b.x(0);
    let shape = x.shape()?;
    let Some(n) = spatial_volume(&shape) else {
        return Err(b.node.error(format!("the spatial extents of {shape} are not fixed")));
    };
    b.give(0, (b.g() / n as f64).expand_like(x))
}

/// The number of elements of a channel.
fn spatial_volume(shape: &Shape) -> Option<usize> {
    match Shape(shape.0.get(2..)?.to_vec()).volume() {
        Some((n, 0)) => Some(n),
        _ => None,
    }
}
