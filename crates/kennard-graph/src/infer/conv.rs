//! Convolutions: `x [N, C, D1, …, Dn]`, `w [M, C/group, K1, …, Kn]`.

use super::window::{AutoPad, KernelWindow, list};
use super::{Context, Inferred, ShapeRule, dim, one};
use crate::{DType, Dim, Result, Shape};

pub(super) const RULES: &[(&str, ShapeRule)] = &[
    ("Conv", |c| typed(c, c.input(0)?.dtype, convolved(c, 0, 1)?)),
    ("ConvInteger", |c| typed(c, DType::I32, convolved(c, 0, 1)?)),
    ("QLinearConv", |c| typed(c, c.input(7)?.dtype, convolved(c, 0, 3)?)),
    ("Col2Im", image_of_columns),
    ("ConvTranspose", transposed),
];

fn typed(_: &Context, dtype: DType, shape: Option<Shape>) -> Inferred {
    shape.map_or(Ok(None), |shape| one(dtype, shape))
}

/// The ranks of data and weights must agree; returns both shapes and the number of groups.
fn operands<'a>(c: &Context<'a>, x: usize, w: usize) -> Result<(&'a Shape, &'a Shape, usize)> {
    let (x, w) = (c.shape(x)?, c.shape(w)?);
    if x.rank() < 3 || x.rank() != w.rank() {
        return c.fail(format!("data {x} and weights {w} must have the same rank, at least 3"));
    }
    match usize::try_from(c.node.int("group", 1)) {
        Ok(group) if group > 0 => Ok((x, w, group)),
        _ => c.fail(format!("group is {}, it must be at least 1", c.node.int("group", 1))),
    }
}

/// The shape of a convolution of input `x` with the weights in input `w`.
fn convolved(c: &Context, x: usize, w: usize) -> Result<Option<Shape>> {
    let (x, w, group) = operands(c, x, w)?;
    if dim::times(w.0[1], Dim::Known(group)) != Some(x.0[1]) {
        return c.fail(format!("data {x} and weights {w} with {group} groups differ in their channels"));
    }
    if w.0[0].known().is_some_and(|m| !m.is_multiple_of(group)) {
        return c.fail(format!("weights {w}: the output channels do not divide into {group} groups"));
    }
    let Some(kernel) = w.0[2..].iter().map(|d| d.known()).collect::<Option<Vec<usize>>>() else {
        return Ok(None);
    };
    if let Some(stated) = c.node.ints("kernel_shape")
        && !stated.iter().map(|&k| usize::try_from(k).ok()).eq(kernel.iter().map(|&k| Some(k)))
    {
        return c.fail(format!("kernel_shape {stated:?} is not that of the weights {w}"));
    }
    let window = KernelWindow::new(c.node, &kernel)?;
    let Some(spatial) = window.outputs(c, x, false)? else { return Ok(None) };
    Ok(Some(Shape([&[x.0[0], w.0[0]], spatial.as_slice()].concat())))
}

/// `Col2Im`: columns `[N, C·ΠK, L]`, the extents of the image and those of its blocks, K.
fn image_of_columns(c: &Context) -> Inferred {
    let x = c.shape(0)?;
    let (Some(image), Some(block)) = (c.ints(1), c.ints(2)) else { return Ok(None) };
    let &[n, depth, _] = x.0.as_slice() else {
        return c.fail(format!("its columns are {x}, and should have rank 3"));
    };
    let extents = |values: &[i64]| -> Option<Vec<usize>> {
        values.iter().map(|&v| usize::try_from(v).ok().filter(|&v| v > 0)).collect()
    };
    let volume = |extents: &Vec<usize>| extents.iter().try_fold(1usize, |n, &k| n.checked_mul(k));
    let (Some(image), Some(volume)) = (extents(&image), extents(&block).as_ref().and_then(volume)) else {
        return c.fail(format!("the image {image:?} and its blocks {block:?} should have positive extents"));
    };
    let Some(depth) = depth.known() else { return Ok(None) };
    if image.len() != block.len() || !depth.is_multiple_of(volume) {
        return c.fail(format!("its columns {x} do not fit the image {image:?} and its blocks {block:?}"));
    }
    let spatial = image.into_iter().map(Dim::Known);
    one(c.input(0)?.dtype, Shape([n, Dim::Known(depth / volume)].into_iter().chain(spatial).collect()))
}

/// `ConvTranspose`: `w [C, M/group, K1, …, Kn]`,
/// extent `stride·(in − 1) + output_padding + (k − 1)·dilation + 1 − pads`.
fn transposed(c: &Context) -> Inferred {
    let (x, w, group) = operands(c, 0, 1)?;
    if x.0[1] != w.0[0] {
        return c.fail(format!("data {x} and weights {w} differ in their channels"));
    }
    let Some(kernel) = w.0[2..].iter().map(|d| d.known()).collect::<Option<Vec<usize>>>() else {
        return Ok(None);
    };
    let Some(channels) = dim::times(w.0[1], Dim::Known(group)) else { return Ok(None) };
    let window = KernelWindow::new(c.node, &kernel)?;
    let n = kernel.len();
    let output_padding = list(c.node, "output_padding", n, 0, 0)?;
    let output_shape = match c.node.ints("output_shape") {
        // Some exporters write batch and channels too.
        Some(all) if all.len() == n + 2 => Some(&all[2..]),
        Some(spatial) if spatial.len() == n => Some(spatial),
        Some(other) => return c.fail(format!("output_shape {other:?} must have {n} extents")),
        None => None,
    };
    let mut shape = vec![x.0[0], channels];
    for i in 0..n {
        let Dim::Known(extent) = x.0[i + 2] else { return Ok(None) };
        let (input, stride) = (extent as i128, i128::from(window.strides[i]));
        let length = match (output_shape, window.auto_pad) {
            (Some(lengths), _) => lengths[i].into(),
            (None, AutoPad::SameUpper | AutoPad::SameLower) => input * stride,
            (None, _) => {
                stride * (input - 1) + i128::from(output_padding[i]) + window.span(i)
                    - i128::from(window.pads[i])
                    - i128::from(window.pads[i + n])
            }
        };
        match usize::try_from(length) {
            Ok(length) => shape.push(Dim::Known(length)),
            Err(_) => return c.fail(format!("data {x} and weights {w} give the extent {length}")),
        }
    }
    one(c.input(0)?.dtype, Shape(shape))
}
