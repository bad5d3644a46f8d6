//! Operators spelled out in more basic ones: what they mean, and how to differentiate or run them
//! where no rule or kernel exists. One function per operator.

mod activation;
mod normalization;
mod resize;
mod standard;

use std::collections::HashSet;

use crate::builder::Call;
use crate::{Builder, Graph, Node, Result, Var};

/// A definition computes a node's first output from its inputs.
type Definition = for<'a, 'b> fn(&Call<'a, 'b>) -> Result<Var<'b>>;

const TABLES: &[&[(&str, Definition)]] =
    &[activation::DEFINITIONS, normalization::DEFINITIONS, resize::DEFINITIONS, standard::DEFINITIONS];

/// Whether [`define`] can spell this operator out.
pub fn is_defined(op: &str) -> bool {
    definition(op).is_some()
}

fn definition(op: &str) -> Option<Definition> {
    TABLES.iter().copied().flatten().find(|(name, _)| *name == op).map(|(_, definition)| *definition)
}

/// The same graph with the chosen nodes spelled out in more basic operators. Nodes without a
/// definition stay, and so do those of which more than the first output is read.
///
/// # Errors
/// When shapes contradict each other, or one that a definition needs is unknown.
pub fn define(graph: &Graph, chosen: impl Fn(&Node) -> bool) -> Result<Graph> {
    if !graph.nodes.iter().any(|node| chosen(node) && is_defined(&node.op)) {
        return Ok(graph.clone());
    }
    let read: HashSet<&String> =
        graph.nodes.iter().flat_map(|n| &n.inputs).chain(graph.outputs.iter().map(|o| &o.name)).collect();
    let one_output = |node: &Node| node.outputs.iter().skip(1).all(|o| o.is_empty() || !read.contains(o));
    let builder = Builder::without_nodes(graph)?;
    for node in &graph.nodes {
        match definition(&node.op).filter(|_| one_output(node) && chosen(node)) {
            None => builder.push(node.clone()),
            Some(definition) => {
                let result = definition(&Call { node, builder: &builder })?;
                builder.push(Node {
                    op: "Identity".into(),
                    inputs: vec![result.name()],
                    outputs: node.outputs[..1].to_vec(),
                    ..Node::default()
                });
            }
        }
    }
    builder.finish()
}
