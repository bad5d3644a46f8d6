//! Normalizations. All keep the shape of their data.

use super::{Context, Inferred, ShapeRule};
use crate::{DType, Dim, Result, Shape, TensorType};

pub(super) const RULES: &[(&str, ShapeRule)] = &[
    ("BatchNormalization", batch),
    ("InstanceNormalization", |c| per_channel(c, &[1, 2])),
    ("GroupNormalization", |c| per_channel(c, &[1, 2])),
    ("LayerNormalization", layer),
    ("LRN", |c| per_channel(c, &[])),
    ("LpNormalization", |c| per_channel(c, &[])),
    ("MeanVarianceNormalization", |c| per_channel(c, &[])),
];

/// The type of the data, when the parameters in these inputs have one element per channel.
fn per_channel(c: &Context, parameters: &[usize]) -> Inferred {
    channels(c, parameters)?;
    Ok(Some(vec![c.input(0)?.clone()]))
}

/// The extent of the channel axis, 1; parameters must match it.
fn channels(c: &Context, parameters: &[usize]) -> Result<Dim> {
    let x = c.shape(0)?;
    let channels = x.0.get(1).copied().unwrap_or(Dim::Known(1));
    for &i in parameters {
        let parameter = c.shape(i)?;
        if parameter.0 != [channels] {
            return c
                .fail(format!("data {x} has {channels} channels, but input {i} has the shape {parameter}"));
        }
    }
    Ok(channels)
}

/// In training mode also the running mean and variance, one per channel.
fn batch(c: &Context) -> Inferred {
    let channels = Shape(vec![channels(c, &[1, 2, 3, 4])?]);
    let mut outputs = vec![c.input(0)?.clone()];
    if c.node.int("training_mode", 0) != 0 {
        outputs.push(TensorType::new(c.input(3)?.dtype, channels.clone()));
        outputs.push(TensorType::new(c.input(4)?.dtype, channels));
    }
    Ok(Some(outputs))
}

/// Data, mean and inverse standard deviation; the latter with extent 1 from `axis` on.
fn layer(c: &Context) -> Inferred {
    let x = c.input(0)?;
    let axis = c.axis(c.node.int("axis", -1), x.shape.rank())?;
    let normalized = Shape(x.shape.0[axis..].to_vec());
    for i in [1, 2] {
        if let Some(parameter) = c.optional(i)
            && super::broadcast_shapes(&normalized, &parameter.shape).as_ref() != Some(&normalized)
        {
            return c.fail(format!("input {i} {} does not broadcast to {normalized}", parameter.shape));
        }
    }
    let dims = x.shape.0.iter().enumerate().map(|(i, &d)| if i < axis { d } else { Dim::Known(1) });
    let statistic = TensorType::new(
        DType::from_code(c.node.int("stash_type", 1)).unwrap_or(DType::F32),
        Shape(dims.collect()),
    );
    Ok(Some(vec![x.clone(), statistic.clone(), statistic]))
}
