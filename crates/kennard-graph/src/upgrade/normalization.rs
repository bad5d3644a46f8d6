//! Normalisations, softmax, and what acts in training only.

use super::{UpgradeStep, replace, set_input};
use crate::builder::Call;
use crate::{Attribute, Builder, DType, Dim, Node, Result, Tensor};

#[rustfmt::skip]
pub(super) const OLDER: &[(&str, i64, UpgradeStep)] = &[
    ("BatchNormalization", 9, spatial),
    ("BatchNormalization", 14, trained_outputs),
    ("GroupNormalization", 21, scale_of_groups),
    ("Hardmax", 13, flattened), ("LogSoftmax", 13, flattened), ("Softmax", 13, flattened),
];

#[rustfmt::skip]
pub(super) const FORMS: &[(&str, UpgradeStep)] = &[
    ("BatchNormalization", inference),
    ("Dropout", dropout),
];

const TRAINING: &str = "it is in training mode; export the model in evaluation mode";

/// Until 9, `spatial = 0` meant that mean and variance are given for each position, not each channel.
fn spatial(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    if node.int("spatial", 1) == 1 {
        node.attributes.remove("spatial");
        return Ok(Some(node));
    }
    if node.outputs.len() > 1 {
        return Err(node.error(TRAINING));
    }
    let c = Call { node: &node, builder: b };
    let (x, scale, bias, mean, variance) = (c.x(0), c.x(1), c.x(2), c.x(3), c.x(4));
    let deviation = (variance + node.float("epsilon", 1e-5)).apply("Sqrt");
    replace(&node, (x - mean) / deviation * scale + bias)
}

/// Until 14, outputs beyond the first meant training.
fn trained_outputs(node: Node, _: &Builder) -> Result<Option<Node>> {
    if node.outputs.len() > 1 { Err(node.error(TRAINING)) } else { Ok(Some(node)) }
}

fn inference(mut node: Node, _: &Builder) -> Result<Option<Node>> {
    if node.int("training_mode", 0) != 0 || node.outputs.len() > 1 {
        return Err(node.error(TRAINING));
    }
    node.attributes.remove("training_mode");
    Ok(Some(node))
}

/// Until 12 the ratio was an attribute and training was not foreseen; afterwards an input switches
/// training on.
fn dropout(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    let c = Call { node: &node, builder: b };
    let training = c.optional(2).map(|v| v.as_constant().and_then(|t| t.item()));
    if !matches!(training, None | Some(Some(0.0))) {
        return Err(node.error(TRAINING));
    }
    let x = c.x(0);
    if node.outputs.len() == 2 {
        let kept = Tensor::full(&[1], 1.0, DType::Bool);
        b.push(Node {
            op: "ConstantOfShape".into(),
            inputs: vec![x.apply("Shape").name()],
            outputs: vec![node.outputs.remove(1)],
            attributes: [("value".to_string(), Attribute::Tensor(kept))].into(),
            ..Node::default()
        });
    }
    if node.outputs[0].is_empty() { Ok(None) } else { replace(&node, x) }
}

/// Until 21, scale and bias were given per group instead of per channel.
fn scale_of_groups(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    let groups = node.int("num_groups", 0);
    let c = Call { node: &node, builder: b };
    let channels = match c.x(0).shape()?.0.get(1) {
        Some(Dim::Known(n)) if groups > 0 && (*n as i64) % groups == 0 => *n as i64,
        _ => return Err(node.error(format!("its channels cannot be divided into {groups} groups"))),
    };
    let spread = |i: usize| {
        let v = c.x(i).unsqueeze(&[1]);
        v.with("Expand", b.ints(&[groups, channels / groups])).with("Reshape", b.ints(&[channels]))
    };
    let (scale, bias) = (spread(1), spread(2));
    set_input(&mut node, 1, scale);
    set_input(&mut node, 2, bias);
    Ok(Some(node))
}

/// Until 13, softmax saw its input as a matrix, with all axes from `axis` (default 1) on as columns.
fn flattened(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    let axis = node.int("axis", 1);
    let last = [("axis", Attribute::Int(-1))];
    let x = Call { node: &node, builder: b }.x(0);
    let Ok(shape) = x.shape() else {
        let flat = x.apply_with("Flatten", &[("axis", axis.into())]).apply_with(&node.op, &last);
        return replace(&node, flat.with("Reshape", x.apply("Shape")));
    };
    let axis = Call { node: &node, builder: b }.axis(axis, shape.rank())?;
    let others = &shape.0[axis + 1..];
    if others.iter().all(|d| *d == Dim::Known(1)) {
        let axis = if others.is_empty() { -1 } else { axis as i64 };
        node.attributes.insert("axis".into(), axis.into());
        return Ok(Some(node));
    }
    let flat = x.apply_with("Flatten", &[("axis", (axis as i64).into())]).apply_with(&node.op, &last);
    replace(&node, flat.reshape(&shape))
}
