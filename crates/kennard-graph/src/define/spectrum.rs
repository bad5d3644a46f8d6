//! Fourier transforms as products with their matrices, and grids of affine maps: linear in what varies.

use std::f64::consts::TAU;

use ndarray::{ArrayD, Dimension, IxDyn};

use super::Definition;
use crate::builder::Call;
use crate::{Attribute, Dim, Result, Shape, Tensor, Var};

pub(super) const DEFINITIONS: &[(&str, Definition)] =
    &[("AffineGrid", affine_grid), ("DFT", dft), ("STFT", stft)];

/// Larger matrices are more than anyone wants; runtimes have fast transforms.
const MOST: usize = 1 << 24;

/// `cos` and `sin` of `2π·(t·f mod length) / length`, in double precision.
fn angle(t: usize, f: usize, length: usize) -> f64 {
    // Exact for all lengths that are admitted.
    TAU * ((t as u128 * f as u128 % length as u128) as f64) / length as f64
}

fn constant<'b>(
    c: &Call<'_, 'b>,
    shape: &[usize],
    like: Var<'b>,
    f: impl Fn(&[usize]) -> f64,
) -> Result<Var<'b>> {
    let values: Tensor = ArrayD::from_shape_fn(IxDyn(shape), |at| f(at.slice())).into();
    Ok(c.builder.constant(values.to_float_type(like.ty()?.dtype)))
}

fn size(c: &Call, rows: usize, columns: usize) -> Result<()> {
    match rows.checked_mul(columns) {
        Some(n) if n <= MOST => Ok(()),
        _ => Err(c.node.error(format!("a transform of {rows} by {columns} numbers cannot be spelled out"))),
    }
}

/// `y[n, m, f] = Σ_t w[t] x[n, m·step + t] exp(−2πi f t / K)`: a convolution with the window's waves.
fn stft<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let (x, y) = (c.x(0), c.inferred()?.shape);
    let misfit = || c.node.error(format!("its frames {y} are not fixed"));
    let parts = match x.shape()?.0.get(2) {
        None | Some(Dim::Known(1)) => 1,
        Some(Dim::Known(2)) => 2,
        _ => return Err(misfit()),
    };
    let window = c.optional(2);
    let frame = match c.optional(3).and_then(|v| v.as_ints()) {
        Some(ints) => ints.first().copied().and_then(|n| usize::try_from(n).ok()),
        None => window.map(|w| w.shape()).transpose()?.and_then(|shape| shape.0.first().copied()?.known()),
    };
    let shape = x.shape()?;
    let step = c.x(1).as_ints().and_then(|ints| ints.first().copied());
    let (Some(frame), Some(step), [n, length, ..], [_, frames, Dim::Known(frequencies), _]) =
        (frame, step, shape.0.as_slice(), y.0.as_slice())
    else {
        return Err(misfit());
    };
    size(c, 2 * parts * frequencies, frame)?;
    // Rows are real and imaginary parts of the frequencies in turn; columns those of the signal.
    let mut waves = constant(c, &[2 * frequencies, parts, frame], x, |at| {
        let angle = angle(at[2], at[0] / 2, frame);
        match (at[0] % 2, at[1]) {
            (0, 0) | (1, 1) => angle.cos(),
            (0, _) => angle.sin(),
            _ => -angle.sin(),
        }
    })?;
    if let Some(window) = window {
        waves = waves * window;
    }
    let signal = match parts {
        1 => x.reshape(&Shape(vec![*n, Dim::Known(1), *length])),
        _ => x.transpose(&[0, 2, 1]),
    };
    let attributes: [(&str, Attribute); 2] =
        [("strides", vec![step].into()), ("kernel_shape", vec![frame as i64].into())];
    let all = c.builder.op("Conv", &[Some(signal), Some(waves)], &attributes).transpose(&[0, 2, 1]);
    Ok(all.reshape(&Shape(vec![*n, *frames, Dim::Known(*frequencies), Dim::Known(2)])))
}

/// `y[f] = Σ_t x[t] exp(∓2πi f t / L)` along one axis, of as many elements as there are, or are wanted; the inverse over L, of one
/// half of a spectrum as real numbers.
fn dft<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let (x, y) = (c.x(0), c.inferred()?.shape);
    let (shape, rank) = (x.shape()?, x.shape()?.rank());
    let axis = c.optional(2).map_or(Some(-2), |v| v.as_ints()?.first().copied());
    let misfit = || c.node.error(format!("a transform of {shape} to {y} cannot be spelled out"));
    let axis = c.axis(axis.ok_or_else(misfit)?, rank)?;
    let (Some(given), Some(frequencies), Some(parts)) =
        (shape.0[axis].known(), y.0[axis].known(), shape.0[rank - 1].known().filter(|n| (1..=2).contains(n)))
    else {
        return Err(misfit());
    };
    let [inverse, onesided] = ["inverse", "onesided"].map(|name| c.node.int(name, 0) != 0);
    let halved = inverse && onesided;
    let length = match c.optional(1) {
        Some(v) => v.as_ints().and_then(|ints| usize::try_from(*ints.first()?).ok()).ok_or_else(misfit)?,
        None if halved => frequencies,
        None => given,
    };
    let used = given.min(if halved { length / 2 + 1 } else { length });
    size(c, used, frequencies)?;
    let scale = |at: usize| match () {
        () if !inverse => 1.0,
        // Of half a spectrum the other half is the mirror's image, but for its first and its middle element.
        () if halved && at > 0 && 2 * at != length => 2.0 / length as f64,
        () => 1.0 / length as f64,
    };
    let way = if inverse { 1.0 } else { -1.0 };
    let cos = constant(c, &[used, frequencies], x, |at| scale(at[0]) * angle(at[0], at[1], length).cos())?;
    let sin =
        constant(c, &[used, frequencies], x, |at| way * scale(at[0]) * angle(at[0], at[1], length).sin())?;

    let last = rank as i64 - 1;
    let kept = if used == given { x } else { x.slice(&[axis as i64], &[0], &[used as i64], &[1]) };
    let mut order: Vec<usize> = (0..rank - 1).collect();
    order.swap(axis, rank - 2);
    let part = |i: i64| kept.slice(&[last], &[i], &[i + 1], &[1]).squeeze(&[last]).transpose(&order);
    let re = part(0);
    let (mut real, mut imaginary) = (re.with("MatMul", cos), re.with("MatMul", sin));
    if parts == 2 {
        let im = part(1);
        (real, imaginary) = (real - im.with("MatMul", sin), imaginary + im.with("MatMul", cos));
    }
    let back = |v: Var<'b>| Some(v.transpose(&order).unsqueeze(&[last]));
    if halved {
        return back(real).ok_or_else(misfit);
    }
    Ok(c.builder.op("Concat", &[back(real), back(imaginary)], &[("axis", last.into())]))
}

/// `y[n, p] = θ[n] · (p, 1)` over the points p of the grid, which goes from −1 to 1 along each axis: between the centres of
/// the outermost elements (`align_corners`) or between their edges.
fn affine_grid<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let (theta, y) = (c.x(0), c.inferred()?.shape);
    let extents: Option<Vec<usize>> = y.0[1..y.rank() - 1].iter().map(|d| d.known()).collect();
    let aligned = c.node.int("align_corners", 0) != 0;
    let extents = extents.filter(|extents| !extents.iter().any(|&n| n == 0 || aligned && n == 1));
    let points = extents.as_ref().and_then(|e| e.iter().try_fold(1usize, |n, &d| n.checked_mul(d)));
    let (Some(extents), Some(points)) = (extents, points) else {
        return Err(c.node.error(format!("its grid {y} cannot be spelled out")));
    };
    let d = extents.len();
    size(c, points, d + 1)?;
    // Coordinates count the axes from the end.
    let base = constant(c, &[1, points, d + 1], theta, |at| {
        if at[2] == d {
            return 1.0;
        }
        let axis = d - 1 - at[2];
        let behind: usize = extents[axis + 1..].iter().product();
        let (i, n) = ((at[1] / behind % extents[axis]) as f64, extents[axis] as f64);
        if aligned { 2.0 * i / (n - 1.0) - 1.0 } else { (2.0 * i + 1.0) / n - 1.0 }
    })?;
    Ok(base.with("MatMul", theta.transpose(&[0, 2, 1])).reshape(&y))
}
