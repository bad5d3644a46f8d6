//! Operators that only move elements about, for elements of any type: inference follows the elements
//! of small tensors with them, folding computes with them. Shapes have been inferred before; `None`
//! where something needed is not known.

use ndarray::{ArrayD, ArrayViewD, Axis, IxDyn, Slice, concatenate};

use super::Context;
use super::layout::{padding, permutation, spans};

/// Applies the node to its inputs; `shapes` are those of its outputs.
pub(crate) fn rearrange<T: Clone>(
    c: &Context,
    inputs: &[ArrayViewD<T>],
    shapes: &[Vec<usize>],
) -> Option<Vec<ArrayD<T>>> {
    let x = inputs.first()?;
    let shape = shapes.first()?;
    let y = match c.node.op.as_str() {
        "Identity" => x.to_owned(),
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => reshaped(x, shape)?,
        "Transpose" => standard(x.view().permuted_axes(permutation(c, x.ndim()).ok()?)),
        "Concat" => {
            let axis = c.axis(c.node.int("axis", 0), x.ndim()).ok()?;
            concatenate(Axis(axis), inputs).ok()?
        }
        "Split" => return split(c, x, shapes),
        "Slice" => slice(c, x)?,
        "Expand" => x.broadcast(IxDyn(shape))?.to_owned(),
        "Tile" => indexed(x, shape, |axis, i| i % x.shape()[axis]),
        "DepthToSpace" => depth_to_space(c, x, shape)?,
        "SpaceToDepth" => space_to_depth(c, x, shape)?,
        _ => return None,
    };
    Some(vec![y])
}

/// In row-major order, whatever the order of the view.
fn standard<T: Clone>(view: ArrayViewD<T>) -> ArrayD<T> {
    view.as_standard_layout().into_owned()
}

fn reshaped<T: Clone>(x: &ArrayViewD<T>, shape: &[usize]) -> Option<ArrayD<T>> {
    standard(x.view()).into_shape_with_order(IxDyn(shape)).ok()
}

/// The tensor whose element at an index is that of `x` at the index mapped axis by axis.
fn indexed<T: Clone>(x: &ArrayViewD<T>, shape: &[usize], map: impl Fn(usize, usize) -> usize) -> ArrayD<T> {
    ArrayD::from_shape_fn(IxDyn(shape), |at| {
        let from: Vec<usize> = (0..shape.len()).map(|axis| map(axis, at[axis])).collect();
        x[IxDyn(&from)].clone()
    })
}

fn split<T: Clone>(c: &Context, x: &ArrayViewD<T>, shapes: &[Vec<usize>]) -> Option<Vec<ArrayD<T>>> {
    let axis = c.axis(c.node.int("axis", 0), x.ndim()).ok()?;
    let mut start = 0;
    let mut parts = Vec::with_capacity(shapes.len());
    for shape in shapes {
        let end = start + shape[axis];
        parts.push(standard(x.slice_axis(Axis(axis), Slice::from(start..end))));
        start = end;
    }
    Some(parts)
}

fn slice<T: Clone>(c: &Context, x: &ArrayViewD<T>) -> Option<ArrayD<T>> {
    let mut y = x.to_owned();
    for span in spans(c, x.ndim()).ok()?? {
        let (start, count) = span.range(y.shape()[span.axis])?;
        let from = |i: usize| {
            let at = start as i128 + i as i128 * i128::from(span.step);
            usize::try_from(at).unwrap_or(0)
        };
        let chosen: Vec<usize> = (0..count).map(from).collect();
        y = y.select(Axis(span.axis), &chosen);
    }
    Some(standard(y.view()))
}

/// `data[.., indices, ..]` along `axis`; `None` for an index that does not exist.
pub(crate) fn gather<T: Clone>(
    c: &Context,
    data: &ArrayViewD<T>,
    indices: &ArrayViewD<i64>,
    shape: &[usize],
) -> Option<ArrayD<T>> {
    let axis = c.axis(c.node.int("axis", 0), data.ndim()).ok()?;
    let extent = data.shape()[axis] as i64;
    let wrap = |&i: &i64| {
        let wrapped = if i < 0 { i + extent } else { i };
        (0..extent).contains(&wrapped).then_some(wrapped as usize)
    };
    let chosen: Vec<usize> = indices.iter().map(wrap).collect::<Option<_>>()?;
    standard(data.select(Axis(axis), &chosen).view()).into_shape_with_order(IxDyn(shape)).ok()
}

/// `Pad` in all its modes, `fill` being the constant.
pub(crate) fn pad<T: Clone>(c: &Context, x: &ArrayViewD<T>, fill: &T, shape: &[usize]) -> Option<ArrayD<T>> {
    let before: Vec<i64> = padding(c, x.ndim()).ok()??.into_iter().map(|(before, _)| before).collect();
    let mode = c.node.text("mode", "constant");
    if !matches!(mode, "constant" | "edge" | "reflect" | "wrap") || (mode != "constant" && x.is_empty()) {
        return None;
    }
    // Where position `i` of the result comes from along one axis.
    let source = |axis: usize, i: usize| -> Option<usize> {
        let n = i64::try_from(x.shape()[axis]).ok()?;
        let at = i64::try_from(i).ok()?.checked_sub(before[axis])?;
        let at = match mode {
            "constant" => at,
            "edge" => at.clamp(0, n - 1),
            "wrap" => at.rem_euclid(n),
            _ if n == 1 => 0,
            _ => {
                let folded = at.rem_euclid(2 * (n - 1));
                folded.min(2 * (n - 1) - folded)
            }
        };
        (0..n).contains(&at).then_some(at as usize)
    };
    Some(ArrayD::from_shape_fn(IxDyn(shape), |at| {
        let from: Option<Vec<usize>> = (0..shape.len()).map(|axis| source(axis, at[axis])).collect();
        from.map_or_else(|| fill.clone(), |from| x[IxDyn(&from)].clone())
    }))
}

/// Mode `DCR`: channels are (block row, block column, channel); `CRD`: (channel, row, column).
fn depth_to_space<T: Clone>(c: &Context, x: &ArrayViewD<T>, shape: &[usize]) -> Option<ArrayD<T>> {
    let b = usize::try_from(c.node.int("blocksize", 0)).ok()?;
    let (&[n, _, h, w], &[_, channels, ..]) = (x.shape(), shape) else { return None };
    let (split, order) = match c.node.text("mode", "DCR") {
        "DCR" => ([n, b, b, channels, h, w], vec![0, 3, 4, 1, 5, 2]),
        "CRD" => ([n, channels, b, b, h, w], vec![0, 1, 4, 2, 5, 3]),
        _ => return None,
    };
    reshaped(&reshaped(x, &split)?.view().permuted_axes(order), shape)
}

fn space_to_depth<T: Clone>(c: &Context, x: &ArrayViewD<T>, shape: &[usize]) -> Option<ArrayD<T>> {
    let b = usize::try_from(c.node.int("blocksize", 0)).ok()?;
    let (&[n, channels, ..], &[_, _, h, w]) = (x.shape(), shape) else { return None };
    let split = reshaped(x, &[n, channels, h, b, w, b])?;
    reshaped(&split.view().permuted_axes(vec![0, 3, 5, 1, 2, 4]), shape)
}
