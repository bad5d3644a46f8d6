//! Tree ensembles as trees: which inputs lead to which leaf.

mod column;
mod front;
mod listed;
mod rooted;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use column::Column;
use front::{Seen, front};

use crate::{Graph, GraphError, Node, Result};

/// The trees that alone read a graph's input: what the graph returns is the same for all inputs that lead to the same
/// leaves.
///
/// What trees look at may be any increasing or decreasing function of one element of the input, made of additions and
/// multiplications of constants, of rounding and of casts: a branch then asks whether that element is at most a number of single precision,
/// which is the last one that the model's own arithmetic takes to that side.
#[derive(Clone, Debug, PartialEq)]
pub struct Trees {
    /// The number of elements of one input.
    pub elements: usize,
    /// The trees of all ensembles; none is empty.
    pub trees: Vec<Tree>,
}

/// A tree, or a graph without circles that is walked like one. Its root is the first node.
#[derive(Clone, Debug, PartialEq)]
pub struct Tree(pub Vec<TreeNode>);

/// A node of a tree.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TreeNode {
    /// An end.
    Leaf,
    /// A comparison with a threshold.
    Branch {
        /// Which element of the input is looked at.
        element: usize,
        /// The largest value of it that leads to `below`; minus infinity where none does.
        last: f32,
        /// The node that follows up to there.
        below: usize,
        /// The node that follows beyond.
        above: usize,
    },
}

/// The operators that are ensembles of trees; the last has a form of its own.
const ENSEMBLES: [&str; 3] =
    ["ai.onnx.ml::TreeEnsembleClassifier", "ai.onnx.ml::TreeEnsembleRegressor", ROOTED];
const ROOTED: &str = "ai.onnx.ml::TreeEnsemble";

impl Trees {
    /// The trees of a graph of one input.
    ///
    /// # Errors
    /// When there are none, something beside them reads the input, a node before them is not one of those that
    /// [`Trees`] names, or an ensemble contradicts itself.
    pub fn of(graph: &Graph) -> Result<Trees> {
        if !graph.nodes.iter().any(|node| ENSEMBLES.contains(&node.op.as_str())) {
            return Err(GraphError::Shape("the model has no tree ensemble".into()));
        }
        let Seen { elements, ensembles } = front(graph)?;
        let mut trees = Vec::new();
        for (node, columns) in ensembles {
            let own = if node.op == ROOTED { rooted::trees(node)? } else { listed::trees(node)? };
            for tree in own {
                trees.push(tree.on(node, &columns)?);
            }
        }
        Ok(Trees { elements, trees })
    }
}

impl Tree {
    /// The leaf that an input (d) leads to, as the place of its node.
    pub fn leaf(&self, x: &[f32]) -> usize {
        let mut at = 0;
        while let TreeNode::Branch { element, last, below, above } = self.0[at] {
            at = if x[element] <= last { below } else { above };
        }
        at
    }
}

/// A tree as its file has it, root first; no way from there leads round in a circle.
struct Written(Vec<WrittenNode>);

enum WrittenNode {
    Leaf,
    Branch {
        column: usize,
        test: Test,
        threshold: f64,
        /// The nodes that follow where the test holds and where it does not.
        then: [usize; 2],
    },
}

/// What a branch asks of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
    NotEqual,
}

impl Written {
    /// The same tree, asking about the input itself.
    fn on(&self, node: &Node, columns: &[Column]) -> Result<Tree> {
        let mut nodes = Vec::with_capacity(self.0.len());
        // What equals a number is at most that, and not below: two branches, the second behind all others.
        let mut more = Vec::new();
        for written in &self.0 {
            let &WrittenNode::Branch { column, test, threshold, then: [holds, fails] } = written else {
                nodes.push(TreeNode::Leaf);
                continue;
            };
            let Some(seen) = columns.get(column) else {
                return Err(node.error(format!(
                    "a branch asks about feature {column}, and there are {}",
                    columns.len()
                )));
            };
            let branch = |strict: bool, low: usize, high: usize| {
                let (last, [below, above]) = seen.split(threshold, strict, [low, high]);
                TreeNode::Branch { element: seen.element, last, below, above }
            };
            nodes.push(match test {
                Test::AtMost => branch(false, holds, fails),
                Test::Below => branch(true, holds, fails),
                Test::AtLeast => branch(true, fails, holds),
                Test::Above => branch(false, fails, holds),
                Test::Equal | Test::NotEqual => {
                    let [equal, other] = if test == Test::Equal { [holds, fails] } else { [fails, holds] };
                    let second = self.0.len() + more.len();
                    more.push(branch(false, equal, other));
                    branch(true, other, second)
                }
            });
        }
        nodes.extend(more);
        Ok(Tree(nodes))
    }
}

/// A tree with its root at a place, of nodes that are found by places among all; those that are not met are left out. What several
/// branches lead to is there once, as where a feature is one of several categories.
///
/// # Errors
/// When a way leads back to where it was, so that it is no tree.
fn walked(node: &Node, root: usize, at: impl Fn(usize) -> Result<WrittenNode>) -> Result<Written> {
    let mut found = HashMap::from([(root, 0)]);
    let mut order = vec![root];
    let mut nodes = Vec::new();
    while nodes.len() < order.len() {
        let mut written = at(order[nodes.len()])?;
        if let WrittenNode::Branch { then, .. } = &mut written {
            for next in then.iter_mut() {
                let known = found.get(&*next).copied();
                let shared = match known {
                    Some(_) => !matches!(at(*next)?, WrittenNode::Leaf),
                    None => false,
                };
                *next = match known {
                    Some(known) if shared => known,
                    _ => {
                        found.insert(*next, order.len());
                        order.push(*next);
                        order.len() - 1
                    }
                };
            }
        }
        nodes.push(written);
    }
    if has_circle(&nodes) {
        return Err(node.error("its branches lead round in a circle, which is no tree"));
    }
    Ok(Written(nodes))
}

/// Whether some way through nodes leads back to where it was; all are reached from the first.
fn has_circle(nodes: &[WrittenNode]) -> bool {
    let next = |at: usize| -> &[usize] {
        match &nodes[at] {
            WrittenNode::Leaf => &[],
            WrittenNode::Branch { then, .. } => then,
        }
    };
    let mut ways = vec![0usize; nodes.len()];
    (0..nodes.len()).flat_map(next).for_each(|&to| ways[to] += 1);
    let mut open: Vec<usize> = (0..nodes.len()).filter(|&at| ways[at] == 0).collect();
    let mut left = nodes.len();
    while let Some(at) = open.pop() {
        left -= 1;
        for &to in next(at) {
            ways[to] -= 1;
            if ways[to] == 0 {
                open.push(to);
            }
        }
    }
    left > 0
}
