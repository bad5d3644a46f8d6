//! Operators whose attributes became inputs.

use super::{UpgradeStep, set_input, take_ints};
use crate::{Attribute, Builder, Node, Result};

#[rustfmt::skip]
pub(super) const OLDER: &[(&str, i64, UpgradeStep)] = &[
    ("Clip", 11, clip),
    ("DFT", 20, dft),
    ("Pad", 11, pad),
    ("ReduceL1", 18, axes), ("ReduceL2", 18, axes), ("ReduceLogSum", 18, axes), ("ReduceLogSumExp", 18, axes),
    ("ReduceMax", 18, axes), ("ReduceMean", 18, axes), ("ReduceMin", 18, axes), ("ReduceProd", 18, axes),
    ("ReduceSum", 13, axes), ("ReduceSumSquare", 18, axes),
    ("Slice", 10, slice),
    ("Split", 13, split), ("Split", 18, split_count),
    ("Squeeze", 13, axes), ("Unsqueeze", 13, axes),
    ("TopK", 10, top_k),
];

fn axes(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    if let Some(axes) = take_ints(&mut node, "axes")? {
        set_input(&mut node, 1, b.ints(&axes));
    }
    Ok(Some(node))
}

fn split(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    if let Some(lengths) = take_ints(&mut node, "split")? {
        set_input(&mut node, 1, b.ints(&lengths));
    }
    Ok(Some(node))
}

/// Until 18, a `Split` without lengths made as many equal parts as it has outputs.
fn split_count(mut node: Node, _: &Builder) -> Result<Option<Node>> {
    if node.input(1).is_none() {
        let count = node.outputs.len() as i64;
        node.attributes.insert("num_outputs".into(), count.into());
    }
    Ok(Some(node))
}

fn slice(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    for (i, name) in ["starts", "ends", "axes"].into_iter().enumerate() {
        match take_ints(&mut node, name)? {
            Some(values) => set_input(&mut node, i + 1, b.ints(&values)),
            None if name == "axes" => {}
            None => return Err(node.error(format!("its attribute `{name}` is missing"))),
        }
    }
    Ok(Some(node))
}

fn top_k(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    let Some(Attribute::Int(k)) = node.attributes.remove("k") else {
        return Err(node.error("its attribute `k` is missing"));
    };
    set_input(&mut node, 1, b.ints(&[k]));
    Ok(Some(node))
}

/// Takes a float attribute and makes it a scalar input of the element type of input 0.
fn float_input(node: &mut Node, name: &str, i: usize, b: &Builder) -> Result<()> {
    match node.attributes.remove(name) {
        None => Ok(()),
        Some(Attribute::Float(v)) => {
            let x = b.var(node.input(0).unwrap_or(""))?;
            set_input(node, i, x.number(v.into()));
            Ok(())
        }
        Some(_) => Err(node.error(format!("its attribute `{name}` should be a float"))),
    }
}

fn clip(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    float_input(&mut node, "min", 1, b)?;
    float_input(&mut node, "max", 2, b)?;
    Ok(Some(node))
}

fn pad(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    let pads = take_ints(&mut node, "pads")?;
    let pads = pads.ok_or_else(|| node.error("its attribute `pads` is missing"))?;
    set_input(&mut node, 1, b.ints(&pads));
    float_input(&mut node, "value", 2, b)?;
    Ok(Some(node))
}

/// The axis, 1 by default, became an input with another default.
fn dft(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    let axis = node.int("axis", 1);
    node.attributes.remove("axis");
    set_input(&mut node, 2, b.constant(ndarray::arr0(axis).into_dyn().into()));
    Ok(Some(node))
}
