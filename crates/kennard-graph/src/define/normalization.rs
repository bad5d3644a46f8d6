//! Normalization with statistics of the data itself.

use super::Definition;
use crate::builder::Call;
use crate::{DType, Dim, Result, Shape, Var};

pub(super) const DEFINITIONS: &[(&str, Definition)] = &[
    ("GroupNormalization", group),
    ("InstanceNormalization", instance),
    ("LayerNormalization", layer),
    ("LpNormalization", lp),
    ("LRN", local_response),
    ("MeanVarianceNormalization", mean_variance),
];

/// `γ·(x − mean)/√(variance + ε) + β` per channel, in training mode with the mean and the variance of the
/// batch; and the new running statistics `m·old + (1 − m)·new` (Ioffe & Szegedy 2015, arXiv 1502.03167).
pub(super) fn of_the_batch<'b>(c: &Call<'_, 'b>) -> Result<Vec<Var<'b>>> {
    let x = c.x(0);
    let mut statistics = [c.x(3), c.x(4)];
    let mut running = Vec::new();
    if c.node.int("training_mode", 0) != 0 {
        let rank = x.shape()?.rank();
        let others: Vec<usize> = (0..rank).filter(|&axis| axis != 1).collect();
        let mean = x.reduce("ReduceMean", &others, false);
        let centred = x - per_channel(mean, rank);
        let variance = (centred * centred).reduce("ReduceMean", &others, false);
        let momentum = c.node.float("momentum", 0.9);
        let mixed = |old: Var<'b>, new: Var<'b>| {
            if momentum == 0.0 { new } else { old * momentum + new.cast_like(old) * (1.0 - momentum) }
        };
        running = vec![mixed(c.x(3), mean), mixed(c.x(4), variance)];
        statistics = [mean, variance];
    }
    let inputs = [x, c.x(1), c.x(2), statistics[0], statistics[1]].map(Some);
    let epsilon = c.node.float("epsilon", 1e-5) as f32;
    let normalized = c.builder.op("BatchNormalization", &inputs, &[("epsilon", epsilon.into())]);
    Ok([normalized].into_iter().chain(running).collect())
}

/// `γ·(x − mean)/√(variance + ε) + β` over each group of channels and all positions; γ and β per channel
/// (Wu & He 2018, arXiv 1803.08494).
fn group<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    let shape = x.shape()?;
    let (Some(&batch), Some(size)) = (shape.0.first(), elements(&shape.0[1.min(shape.rank())..])) else {
        return Err(c.node.error(format!("its data {shape} must have one batch axis, the first")));
    };
    let groups = usize::try_from(c.node.int("num_groups", 1)).unwrap_or(0);
    let channels = shape.0.get(1).and_then(|d| d.known()).unwrap_or(1);
    if groups == 0 || channels % groups != 0 {
        return Err(c.node.error(format!("{channels} channels do not make {groups} groups")));
    }
    let grouped = x.reshape(&Shape(vec![batch, Dim::Known(groups), Dim::Known(size / groups)]));
    let normalized = standardized(c, grouped, &[2])?.reshape(&shape);
    Ok(normalized * per_channel(c.x(1), shape.rank()) + per_channel(c.x(2), shape.rank()))
}

/// `γ·(x − mean)/√(variance + ε) + β` over the positions of each channel (Ulyanov et al. 2016, arXiv
/// 1607.08022).
fn instance<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    let rank = x.shape()?.rank();
    let normalized = standardized(c, x, &(2..rank).collect::<Vec<_>>())?;
    Ok(normalized * per_channel(c.x(1), rank) + per_channel(c.x(2), rank))
}

/// `γ·(x − mean)/√(variance + ε) + β` over the axes from `axis` on; γ and β per element (Ba et al. 2016,
/// arXiv 1607.06450).
fn layer<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    let rank = x.shape()?.rank();
    let axis = c.axis(c.node.int("axis", -1), rank)?;
    let scaled = standardized(c, x, &(axis..rank).collect::<Vec<_>>())? * c.x(1);
    Ok(c.optional(2).map_or(scaled, |bias| scaled + bias))
}

/// `x/‖x‖ₚ` along the axis, 0 where x is.
fn lp<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    let axis = c.axis(c.node.int("axis", -1), x.shape()?.rank())?;
    let norm = match c.node.int("p", 2) {
        1 => x.reduce("ReduceL1", &[axis], true),
        2 => x.reduce("ReduceL2", &[axis], true),
        p => return Err(c.node.error(format!("its p is {p}, but must be 1 or 2"))),
    };
    let origin = norm.with("Equal", norm.number(0.0)).cast_like(norm);
    Ok(x / (norm + origin))
}

/// `x·(k + α·m)^(−β)` where m is the mean of x² over the `size` channels around (Krizhevsky et al. 2012,
/// section 3.3); channels beyond the first and the last count as 0.
fn local_response<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    let shape = x.shape()?;
    let ([batch, channels], Some(positions)) =
        (&shape.0[..2.min(shape.rank())], elements(&shape.0[2.min(shape.rank())..]))
    else {
        return Err(c.node.error(format!("its data {shape} must have a batch and a channel axis")));
    };
    let size = c.node.int("size", 0);
    if size < 1 {
        return Err(c.node.error(format!("its size is {size}, but must be at least 1")));
    }
    let (before, after) = ((size - 1) / 2, size / 2);
    let image = Shape(vec![*batch, Dim::Known(1), *channels, Dim::Known(positions)]);
    let attributes = [
        ("kernel_shape", vec![size, 1].into()),
        ("strides", vec![1, 1].into()),
        ("pads", vec![before, 0, after, 0].into()),
        ("count_include_pad", 1.into()),
    ];
    let mean = (x * x).reshape(&image).apply_with("AveragePool", &attributes).reshape(&shape);
    let base = mean * c.node.float("alpha", 1e-4) + c.node.float("bias", 1.0);
    Ok(x * base.with("Pow", base.number(-c.node.float("beta", 0.75))))
}

/// `(x − mean)/(deviation + 10⁻⁹)` over `axes`.
fn mean_variance<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    let rank = x.shape()?.rank();
    let named = c.node.ints("axes").unwrap_or(&[0, 2, 3]);
    let axes: Vec<usize> = named.iter().map(|&axis| c.axis(axis, rank)).collect::<Result<_>>()?;
    let count = count(c, x, &axes)?;
    let centered = x - x.reduce("ReduceMean", &axes, true);
    // The length of a vector, and not the root of a variance, because its gradient is finite at 0.
    let deviation = centered.reduce("ReduceL2", &axes, true) / count.sqrt();
    Ok(centered / (deviation + 1e-9))
}

/// `(x − mean)/√(variance + ε)` over `axes`; half precision is computed in single.
fn standardized<'b>(c: &Call<'_, 'b>, x: Var<'b>, axes: &[usize]) -> Result<Var<'b>> {
    let epsilon = c.node.float("epsilon", 1e-5);
    let wide = if x.ty()?.dtype == DType::F16 { x.cast(DType::F32) } else { x };
    let count = count(c, wide, axes)?;
    let centered = wide - wide.reduce("ReduceMean", axes, true);
    let variance = centered.reduce("ReduceSumSquare", axes, true) / count;
    Ok((centered * (variance + epsilon).apply("Sqrt").apply("Reciprocal")).cast_like(x))
}

/// How many elements share one mean.
fn count(c: &Call, x: Var, axes: &[usize]) -> Result<f64> {
    let shape = x.shape()?;
    let extents: Vec<Dim> = axes.iter().map(|&axis| shape.0[axis]).collect();
    elements(&extents).map(|n| n as f64).ok_or_else(|| {
        c.node.error("it normalizes over the batch, so that samples depend on each other; fix the batch to 1")
    })
}

/// The product of the extents, if it does not depend on the batch.
fn elements(extents: &[Dim]) -> Option<usize> {
    extents.iter().try_fold(1usize, |n, d| n.checked_mul(d.known()?))
}

/// One number per channel, ready to broadcast against data of the given rank with channels on axis 1.
fn per_channel(v: Var, rank: usize) -> Var {
    if rank > 2 { v.unsqueeze(&(1..rank as i64 - 1).collect::<Vec<_>>()) } else { v }
}
