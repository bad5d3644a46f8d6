//! Two rearrangements in a row.

use crate::fold::{Pass, Rewritten, target};
use crate::{Node, Tensor};

/// `Transpose(Transpose(x))` as one.
pub(super) fn transposes(pass: &mut Pass, node: &Node) -> Option<Rewritten> {
    let first = pass.producer(node.input(0)?).filter(|p| p.op == "Transpose" && node.op == "Transpose")?;
    let rank = pass.shape(node.input(0)?)?.rank();
    let order = |node: &Node| -> Vec<i64> {
        node.ints("perm").map_or_else(|| (0..rank as i64).rev().collect(), <[i64]>::to_vec)
    };
    let inner = order(first);
    let both: Vec<i64> = order(node)
        .iter()
        .map(|&i| usize::try_from(i).ok().and_then(|i| inner.get(i)).copied())
        .collect::<Option<_>>()?;
    let mut fused = node.clone();
    fused.inputs[0] = first.inputs[0].clone();
    fused.attributes.insert("perm".into(), both.into());
    Some(Rewritten::Nodes(vec![fused]))
}

/// `Reshape(Reshape(x))` as one; also `Flatten`, `Squeeze` and `Unsqueeze`, which are such.
pub(super) fn reshapes(pass: &mut Pass, node: &Node) -> Option<Rewritten> {
    let reshapes = |node: &Node| matches!(node.op.as_str(), "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze");
    if !reshapes(node) {
        return None;
    }
    let source = pass.producer(node.input(0)?).filter(|p| reshapes(p))?.input(0)?.to_string();
    let shape = pass.shape(&node.outputs[0])?;
    if pass.shape(&source) == Some(shape) {
        return Some(Rewritten::Tensor(source));
    }
    let target: Tensor = target(shape)?;
    let target = pass.add_constant(&format!("{}/shape", node.outputs[0]), target);
    Some(Rewritten::Nodes(vec![Node {
        name: node.name.clone(),
        op: "Reshape".into(),
        inputs: vec![source, target],
        outputs: node.outputs.clone(),
        ..Node::default()
    }]))
}

/// `Slice(Slice(x))` along different axes as one.
pub(super) fn slices(pass: &mut Pass, node: &Node) -> Option<Rewritten> {
    let first = pass.producer(node.input(0)?).filter(|p| p.op == "Slice" && node.op == "Slice")?;
    let rank = pass.shape(node.input(0)?)?.rank();
    let (inner, outer) = (cuts(pass, first, rank)?, cuts(pass, node, rank)?);
    if outer.iter().any(|o| inner.iter().any(|i| i[2] == o[2])) {
        return None;
    }
    let mut fused = node.clone();
    fused.inputs = vec![first.inputs[0].clone()];
    let all = [inner, outer].concat();
    for (i, stem) in ["starts", "ends", "axes", "steps"].into_iter().enumerate() {
        let values: Vec<i64> = all.iter().map(|cut| cut[i]).collect();
        fused.inputs.push(pass.add_constant(&format!("{}/{stem}", node.outputs[0]), Tensor::ints(&values)));
    }
    Some(Rewritten::Nodes(vec![fused]))
}

/// Start, end, axis (from 0) and step of each cut of a `Slice`, if they are fixed.
pub(super) fn cuts(pass: &Pass, node: &Node, rank: usize) -> Option<Vec<[i64; 4]>> {
    let list = |i: usize| pass.types().value(node.input(i)?)?.known();
    let (starts, ends) = (list(1)?, list(2)?);
    let axes = if node.input(3).is_some() { list(3)? } else { (0..starts.len() as i64).collect() };
    let steps = if node.input(4).is_some() { list(4)? } else { vec![1; starts.len()] };
    let cut = |i: usize| {
        let axis = *axes.get(i)?;
        let axis = if axis < 0 { axis.checked_add(rank as i64)? } else { axis };
        Some([starts[i], *ends.get(i)?, axis, *steps.get(i)?])
    };
    (0..starts.len()).map(cut).collect()
}
