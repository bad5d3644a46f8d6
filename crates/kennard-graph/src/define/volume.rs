//! Convolutions and pools over three axes, and pools with gaps, in those over two: for runtimes that have no others.
//! The first spatial axis is taken tap by tap; pools every axis.

use ndarray::ArrayD;

use super::Definition;
use crate::builder::Call;
use crate::window::{self, Axis, WIDEST};
use crate::{Attribute, Dim, GraphError, Result, Shape, Tensor, Var};

pub(super) const DEFINITIONS: &[(&str, Definition)] =
    &[("AveragePool", average_pool), ("Conv", conv), ("ConvTranspose", conv_transpose)];

/// Windows with a margin that see more elements one by one are padded.
const MOST: usize = 1 << 20;

/// `y = Σ_q conv(x at depth o·stride + q·dilation − before, w_q) + b` over the taps q of the first axis.
fn conv<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let (x, w) = (c.x(0), c.x(1));
    let (y_shape, kernel) = (c.inferred()?.shape, window::kernel(c, &w.shape()?)?);
    let axes = window::axes(c, &x.shape()?, &y_shape, &kernel)?;
    let Some((depth, others)) =
        axes.split_first().filter(|(depth, others)| others.len() == 2 && depth.taps <= WIDEST)
    else {
        return Err(c.node.error("a convolution over other than three axes cannot be spelled out"));
    };
    let padded = window::padded(x, 2, depth, 0.0)?;
    let mut sum: Option<Var> = None;
    for tap in 0..depth.taps {
        let image = layers(window::seen(padded, 2, depth, tap))?;
        let y = image.builder().op("Conv", &[Some(image), Some(of_tap(w, tap))], &attributes(c, others));
        sum = Some(sum.map_or(y, |sum| sum + y));
    }
    let y = sum.ok_or_else(|| c.node.error("its kernel is empty"))?;
    biased(c, volumes(y, depth.output)?)
}

/// The transpose of [`conv`]: what each tap gives is put where the tap is.
fn conv_transpose<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let (x, w) = (c.x(0), c.x(1));
    let (y_shape, kernel) = (c.inferred()?.shape, window::kernel(c, &w.shape()?)?);
    // As a convolution from its result to its data.
    let axes = window::axes(c, &y_shape, &x.shape()?, &kernel)?;
    let Some((depth, others)) =
        axes.split_first().filter(|(depth, others)| others.len() == 2 && depth.taps <= WIDEST)
    else {
        return Err(c
            .node
            .error("a transposed convolution over other than three axes cannot be spelled out"));
    };
    let mut attributes = attributes(c, others);
    let rest = |axis: &Axis| axis.rest().max(0);
    attributes.push(("output_padding", others.iter().map(rest).collect::<Vec<_>>().into()));
    let image = layers(x)?;
    let part = |tap| {
        let y = image.builder().op("ConvTranspose", &[Some(image), Some(of_tap(w, tap))], &attributes);
        volumes(y, depth.output)
    };
    let parts = (0..depth.taps).map(part).collect::<Result<Vec<_>>>()?;
    biased(c, window::put_back(&parts, &y_shape, 2, depth)?)
}

/// The maximum of the taps, axis by axis.
pub(super) fn max_pool<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let mut y = c.x(0);
    for (i, axis) in pool_axes(c)?.iter().enumerate().filter(|(_, axis)| !axis.trivial()) {
        let taps: Vec<Option<Var>> = within(y, i + 2, axis)?.into_iter().map(Some).collect();
        y = c.builder.op("Max", &taps, &[]);
    }
    Ok(y)
}

/// What all windows see through each tap, for their maximum: beyond the data another element of the same window. Bounds follow from
/// that, and none from the −∞ that it takes where a window sees no data at all.
fn within<'b>(x: Var<'b>, at: usize, axis: &Axis) -> Result<Vec<Var<'b>>> {
    let slices = |padded: Var<'b>| -> Vec<Var<'b>> {
        (0..axis.taps).map(|tap| window::seen(padded, at, axis, tap)).collect()
    };
    let after = axis.after();
    if axis.before == 0 && after == 0 {
        return Ok(slices(x));
    }
    let (builder, along) = (x.builder(), [("axis", (at as i64).into())]);
    let all_see = axis.taps > axis.before && (axis.output - 1) * axis.stride < axis.before + axis.input;
    if axis.dilation == 1 && all_see {
        // Without gaps a window that reaches beyond an end of the data sees that end.
        let end = |first: usize| Some(x.slice(&[at as i64], &[first as i64], &[first as i64 + 1], &[1]));
        let (first, last) = (end(0), end(axis.input - 1));
        let parts: Vec<Option<Var>> =
            [vec![first; axis.before], vec![Some(x)], vec![last; after]].into_iter().flatten().collect();
        return Ok(slices(builder.op("Concat", &parts, &along)));
    }
    let Some(places) = places(axis) else {
        return Ok(slices(window::padded(x, at, axis, f64::NEG_INFINITY)?));
    };
    let tap = |places: Vec<i64>| builder.op("Gather", &[Some(x), Some(builder.ints(&places))], &along);
    Ok(places.into_iter().map(tap).collect())
}

/// The elements that windows see, tap by tap; where a tap is beyond the data, another of its window. Nothing where a window sees no
/// data, or there are more than anyone wants.
fn places(axis: &Axis) -> Option<Vec<Vec<i64>>> {
    axis.taps.checked_mul(axis.output).filter(|&n| n <= MOST)?;
    let place = |o: usize, q: usize| {
        let at = (o * axis.stride + q * axis.dilation).checked_sub(axis.before)?;
        (at < axis.input).then_some(at as i64)
    };
    let first = |o: usize| (0..axis.taps).find_map(|q| place(o, q));
    let of_tap = |q: usize| -> Option<Vec<i64>> {
        (0..axis.output).map(|o| place(o, q).or_else(|| first(o))).collect()
    };
    (0..axis.taps).map(of_tap).collect()
}

/// The mean of the taps, axis by axis: of those within the data, or within its margin too where that counts.
fn average_pool<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let mut y = c.x(0);
    let axes = pool_axes(c)?;
    let counts_margin = c.node.int("count_include_pad", 0) != 0;
    for (i, axis) in axes.iter().enumerate().filter(|(_, axis)| !axis.trivial()) {
        let padded = window::padded(y, i + 2, axis, 0.0)?;
        let mut sum: Option<Var> = None;
        for tap in 0..axis.taps {
            let part = window::seen(padded, i + 2, axis, tap);
            sum = Some(sum.map_or(part, |sum| sum + part));
        }
        let end =
            c.node.ints("pads").and_then(|pads| pads.get(i + axes.len())).map_or(0, |&n| n.max(0) as usize);
        let within = |position: usize| match counts_margin {
            true => position < axis.before + axis.input + end,
            false => position >= axis.before && position < axis.before + axis.input,
        };
        let count = |o: usize| {
            (0..axis.taps).filter(|q| within(o * axis.stride + q * axis.dilation)).count().max(1) as f32
        };
        let mut shape = vec![1; axes.len() + 2];
        shape[i + 2] = axis.output;
        let counts: Tensor = ArrayD::from_shape_fn(shape, |at| count(at[i + 2])).into();
        let sum = sum.ok_or_else(|| c.node.error("its window is empty"))?;
        y = sum / c.builder.constant(counts).cast_like(sum);
    }
    Ok(y)
}

fn pool_axes(c: &Call) -> Result<Vec<Axis>> {
    window::of_pool(c, &c.inferred()?.shape, "cannot be spelled out")
}

/// `[N, C, D, H, W]` as images `[N·D, C, H, W]`.
fn layers(x: Var) -> Result<Var> {
    let apart = x.transpose(&[0, 2, 1, 3, 4]);
    let shape = apart.shape()?;
    Ok(apart.reshape(&Shape([&[flat(&shape.0[..2])?], &shape.0[2..]].concat())))
}

/// The reverse of [`layers`].
fn volumes(y: Var, depth: usize) -> Result<Var> {
    let shape = y.shape()?;
    let batch = match shape.0[0] {
        Dim::Known(n) => Dim::Known(n / depth.max(1)),
        Dim::Batch(n) => Dim::Batch(n / depth.max(1)),
    };
    let apart = y.reshape(&Shape([&[batch, Dim::Known(depth)], &shape.0[1..]].concat()));
    Ok(apart.transpose(&[0, 2, 1, 3, 4]))
}

/// The weights of one tap of the first axis.
fn of_tap(w: Var, tap: usize) -> Var {
    w.slice(&[2], &[tap as i64], &[tap as i64 + 1], &[1]).squeeze(&[2])
}

fn flat(dims: &[Dim]) -> Result<Dim> {
    Shape(dims.to_vec()).flat().ok_or_else(|| GraphError::Shape("two axes depend on the batch".into()))
}

/// The attributes of the convolution over the other axes.
fn attributes(c: &Call, axes: &[Axis]) -> Vec<(&'static str, Attribute)> {
    let list = |of: fn(&Axis) -> i64| -> Vec<i64> { axes.iter().map(of).collect() };
    let pads = [list(|axis| axis.before as i64), list(|axis| axis.after() as i64)].concat();
    vec![
        ("kernel_shape", list(|axis| axis.taps as i64).into()),
        ("strides", list(|axis| axis.stride as i64).into()),
        ("dilations", list(|axis| axis.dilation as i64).into()),
        ("pads", pads.into()),
        ("group", c.node.int("group", 1).into()),
    ]
}

fn biased<'b>(c: &Call<'_, 'b>, y: Var<'b>) -> Result<Var<'b>> {
    Ok(c.optional(2).map_or(y, |bias| y + bias.unsqueeze(&[1, 2, 3])))
}
