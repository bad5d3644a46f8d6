//! `Resize(x, roi, scales, sizes)` and `GridSample(x, grid)`.

use super::{Context, Inferred, ShapeRule, Sym, one};
use crate::{Dim, Result, Shape};

pub(super) const RULES: &[(&str, ShapeRule)] =
    &[("Resize", resize), ("Upsample", |c| scaled_by(c, 1)), ("GridSample", grid_sample)];

/// The axes that scales and sizes speak of.
fn axes(c: &Context, rank: usize) -> Result<Vec<usize>> {
    match c.node.ints("axes") {
        None => Ok((0..rank).collect()),
        Some(axes) => axes.iter().map(|&axis| c.axis(axis, rank)).collect(),
    }
}

fn resize(c: &Context) -> Inferred {
    let given = |i: usize| c.optional(i).is_some_and(|ty| ty.shape.0 != [Dim::Known(0)]);
    match (given(3), given(2)) {
        (true, _) => sized(c),
        (false, true) => scaled_by(c, 2),
        (false, false) => c.fail("neither scales nor sizes are given"),
    }
}

/// `⌊extent · scale⌋`, in single precision as the runtimes compute it.
fn scaled_by(c: &Context, input: usize) -> Inferred {
    let x = c.input(0)?;
    let Some(scales) = c.value(input) else { return Ok(None) };
    let axes = axes(c, x.shape.rank())?;
    if scales.len() != axes.len() {
        return c.fail(format!("{} scales for {} axes", scales.len(), axes.len()));
    }
    let mut shape = x.shape.clone();
    for (axis, scale) in axes.into_iter().zip(scales.iter()) {
        let Sym::Real(scale) = scale else { return Ok(None) };
        if !(scale > 0.0 && scale.is_finite()) {
            return c.fail(format!("the scale {scale} is not positive"));
        }
        shape.0[axis] = match shape.0[axis] {
            d if scale == 1.0 => d,
            Dim::Batch(_) => return Ok(None),
            Dim::Known(n) => {
                let length = f64::from((n as f32 * scale as f32).floor());
                if length >= (1u64 << 53) as f64 {
                    return c.fail(format!("{} scaled by {scale} is too large", x.shape));
                }
                Dim::Known(length as usize)
            }
        };
    }
    one(x.dtype, shape)
}

/// The sizes themselves, or scaled alike when the aspect ratio is to be kept.
fn sized(c: &Context) -> Inferred {
    let x = c.input(0)?;
    let Some(sizes) = c.dims(3)? else { return Ok(None) };
    let axes = axes(c, x.shape.rank())?;
    if sizes.rank() != axes.len() {
        return c.fail(format!("{} sizes for {} axes", sizes.rank(), axes.len()));
    }
    let mut shape = x.shape.clone();
    let policy = c.node.text("keep_aspect_ratio_policy", "stretch");
    if policy == "stretch" {
        for (axis, size) in axes.into_iter().zip(sizes.0) {
            shape.0[axis] = size;
        }
        return one(x.dtype, shape);
    }
    let pairs: Option<Vec<(f32, f32)>> = axes
        .iter()
        .zip(&sizes.0)
        .map(|(&axis, size)| Some((shape.0[axis].known()? as f32, size.known()? as f32)))
        .collect();
    let Some(pairs) = pairs else { return Ok(None) };
    let scales = pairs.iter().map(|(from, to)| to / from);
    let scale = match policy {
        "not_larger" => scales.fold(f32::INFINITY, f32::min),
        "not_smaller" => scales.fold(0.0, f32::max),
        other => return c.fail(format!("keep_aspect_ratio_policy `{other}` is not in the ONNX standard")),
    };
    for (axis, (from, _)) in axes.into_iter().zip(pairs) {
        let length = (from * scale).round();
        if !(0.0..1e15).contains(&length) {
            return c.fail(format!("{} cannot be resized by {scale}", x.shape));
        }
        shape.0[axis] = Dim::Known(length as usize);
    }
    one(x.dtype, shape)
}

/// `x [N, C, …]`, `grid [N, D1, …, Dn, n]` → `[N, C, D1, …, Dn]`.
fn grid_sample(c: &Context) -> Inferred {
    let (x, grid) = (c.input(0)?, c.shape(1)?);
    if x.shape.rank() < 3 || grid.rank() != x.shape.rank() || grid.0[0] != x.shape.0[0] {
        return c.fail(format!("data {} and grid {grid} do not fit", x.shape));
    }
    one(x.dtype, Shape([&x.shape.0[..2], &grid.0[1..grid.rank() - 1]].concat()))
}
