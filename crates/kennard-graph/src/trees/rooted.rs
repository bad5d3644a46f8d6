//! `TreeEnsemble`: branches and leaves in two lists, and the places of the roots.

use super::{Test, Written, WrittenNode, walked};
use crate::{Attribute, Node, Result, Tensor};

/// The trees of a node.
pub(super) fn trees(node: &Node) -> Result<Vec<Written>> {
    let lacking = |name: &str| node.error(format!("its attribute `{name}` is missing, or no list"));
    let ints = |name: &str| node.ints(name).ok_or_else(|| lacking(name));
    let tensor = |name: &str| match node.attributes.get(name) {
        Some(Attribute::Tensor(tensor)) => Ok(tensor),
        _ => Err(lacking(name)),
    };
    let (features, then, otherwise) =
        (ints("nodes_featureids")?, ints("nodes_truenodeids")?, ints("nodes_falsenodeids")?);
    let (then_ends, otherwise_ends) = (ints("nodes_trueleafs")?, ints("nodes_falseleafs")?);
    let (roots, leaves) = (ints("tree_roots")?, ints("leaf_targetids")?.len());
    let splits = tensor("nodes_splits")?.to_floats().ok_or_else(|| lacking("nodes_splits"))?;
    let modes = tensor("nodes_modes").map(Tensor::to_ints)?.ok_or_else(|| lacking("nodes_modes"))?;
    let n = features.len();
    let lengths = [then, otherwise, then_ends, otherwise_ends].map(<[i64]>::len);
    if n == 0 || lengths != [n; 4] || [modes.len(), splits.len()] != [n; 2] {
        return Err(node.error("the lists of its nodes' attributes are not of one length"));
    }
    // Leaves stand behind all branches here.
    let next = |at: i64, end: i64| {
        let (count, offset) = if end != 0 { (leaves, n) } else { (n, 0) };
        let place = usize::try_from(at).ok().filter(|at| *at < count);
        place.map(|at| at + offset).ok_or_else(|| node.error(format!("a branch leads to {at} of {count}")))
    };
    let at = |place: usize| -> Result<WrittenNode> {
        if place >= n {
            return Ok(WrittenNode::Leaf);
        }
        let ways = [next(then[place], then_ends[place])?, next(otherwise[place], otherwise_ends[place])?];
        // As the standard has trees of one leaf alone.
        if ways[0] == ways[1] && ways[0] >= n {
            return Ok(WrittenNode::Leaf);
        }
        let test = match modes[place] {
            0 => Test::AtMost,
            1 => Test::Below,
            2 => Test::AtLeast,
            3 => Test::Above,
            4 => Test::Equal,
            5 => Test::NotEqual,
            other => return Err(node.error(format!("the mode {other} of its branches is not supported"))),
        };
        let column = usize::try_from(features[place])
            .map_err(|_| node.error(format!("a branch asks about feature {}", features[place])))?;
        Ok(WrittenNode::Branch { column, test, threshold: splits[place], then: ways })
    };
    if roots.is_empty() {
        return Err(node.error("it has no tree"));
    }
    let root = |root: i64| {
        let place = usize::try_from(root).ok().filter(|root| *root < n);
        place.ok_or_else(|| node.error(format!("its root {root} is not one of its nodes")))
    };
    roots.iter().map(|&place| walked(node, root(place)?, at)).collect()
}
