//! `TreeEnsembleClassifier` and `TreeEnsembleRegressor`: nodes listed with the numbers of their trees.

use std::collections::{HashMap, HashSet};

use super::{Test, Written, WrittenNode, walked};
use crate::{Attribute, Node, Result};

/// The trees of a node, in the order of its list.
pub(super) fn trees(node: &Node) -> Result<Vec<Written>> {
    let lacking = |name: &str| node.error(format!("its attribute `{name}` is missing, or no list"));
    let ints = |name: &str| node.ints(name).ok_or_else(|| lacking(name));
    let (of, ids) = (ints("nodes_treeids")?, ints("nodes_nodeids")?);
    let (features, then, otherwise) =
        (ints("nodes_featureids")?, ints("nodes_truenodeids")?, ints("nodes_falsenodeids")?);
    let Some(Attribute::Texts(modes)) = node.attributes.get("nodes_modes") else {
        return Err(lacking("nodes_modes"));
    };
    let thresholds: Vec<f64> =
        match (node.attributes.get("nodes_values"), node.attributes.get("nodes_values_as_tensor")) {
            (Some(Attribute::Floats(values)), _) => values.iter().copied().map(f64::from).collect(),
            (_, Some(Attribute::Tensor(values))) => {
                values.to_floats().ok_or_else(|| lacking("nodes_values"))?
            }
            _ => return Err(lacking("nodes_values")),
        };
    let n = ids.len();
    let lengths = [of, features, then, otherwise].map(<[i64]>::len);
    if n == 0 || lengths != [n; 4] || [modes.len(), thresholds.len()] != [n; 2] {
        return Err(node.error("the lists of its nodes' attributes are not of one length"));
    }
    let mut places = HashMap::with_capacity(n);
    for (place, (&tree, &id)) in of.iter().zip(ids).enumerate() {
        if places.insert((tree, id), place).is_some() {
            return Err(node.error(format!("tree {tree} has two nodes {id}")));
        }
    }
    let at = |place: usize| -> Result<WrittenNode> {
        let test = match modes[place].as_str() {
            "LEAF" => return Ok(WrittenNode::Leaf),
            "BRANCH_LEQ" => Test::AtMost,
            "BRANCH_LT" => Test::Below,
            "BRANCH_GTE" => Test::AtLeast,
            "BRANCH_GT" => Test::Above,
            "BRANCH_EQ" => Test::Equal,
            "BRANCH_NEQ" => Test::NotEqual,
            other => return Err(node.error(format!("the mode {other} of its branches is unknown"))),
        };
        let next = |id: i64| {
            let lost = || node.error(format!("tree {} has no node {id}, to which a branch leads", of[place]));
            places.get(&(of[place], id)).copied().ok_or_else(lost)
        };
        let column = usize::try_from(features[place])
            .map_err(|_| node.error(format!("a branch asks about feature {}", features[place])))?;
        let threshold = thresholds[place];
        Ok(WrittenNode::Branch {
            column,
            test,
            threshold,
            then: [next(then[place])?, next(otherwise[place])?],
        })
    };
    // A tree begins with its root, and is listed in one piece.
    let roots: Vec<usize> = (0..n).filter(|&i| i == 0 || of[i] != of[i - 1]).collect();
    let all: HashSet<i64> = of.iter().copied().collect();
    if all.len() != roots.len() {
        return Err(node.error("the nodes of a tree are not listed one after the other"));
    }
    roots.into_iter().map(|root| walked(node, root, at)).collect()
}
