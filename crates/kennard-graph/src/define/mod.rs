//! Operators spelled out in more basic ones: what they mean, and how to differentiate or run them
//! where no rule or kernel exists. One function per operator.

mod activation;
mod analytic;
mod col2im;
mod exact;
mod grid_sample;
mod integer;
mod normalization;
mod piecewise;
mod quantized;
mod recurrent;
mod resize;
mod spectrum;
mod standard;
mod svm;
mod volume;

use std::collections::HashSet;

use crate::blocks::{self, BLOCKS};
use crate::builder::Call;
use crate::machine::{MACHINE, is_plain};
use crate::{Builder, Graph, Node, Result, Var};

/// A definition computes a node's first output from its inputs.
type Definition = for<'a, 'b> fn(&Call<'a, 'b>) -> Result<Var<'b>>;

/// The same for all outputs.
type Definitions = for<'a, 'b> fn(&Call<'a, 'b>) -> Result<Vec<Var<'b>>>;

const TABLES: &[&[(&str, Definition)]] = &[
    activation::DEFINITIONS,
    analytic::DEFINITIONS,
    col2im::DEFINITIONS,
    grid_sample::DEFINITIONS,
    normalization::DEFINITIONS,
    piecewise::DEFINITIONS,
    resize::DEFINITIONS,
    spectrum::DEFINITIONS,
    standard::DEFINITIONS,
    volume::DEFINITIONS,
];

/// Nodes of which several outputs are read, by a function for all of them.
const SEVERAL: &[(&str, Definitions)] = &[
    ("BatchNormalization", normalization::of_the_batch),
    ("DynamicQuantizeLinear", integer::dynamic),
    ("GRU", recurrent::layer),
    ("LSTM", recurrent::layer),
    ("RNN", recurrent::layer),
    (MACHINE, svm::classifier),
];

/// Whether [`gradient`](crate::gradient()) spells this operator out in operators through which a gradient passes.
pub fn is_defined(op: &str) -> bool {
    has_definition(op)
}

fn has_definition(op: &str) -> bool {
    definition(op).is_some() || find(SEVERAL, op).is_some() || op == BLOCKS
}

/// Whether a node can be spelled out: of some operators not all forms can.
pub(crate) fn can_be_spelled(node: &Node) -> bool {
    match node.op.as_str() {
        MACHINE => is_plain(node),
        BLOCKS => blocks::is_known(node),
        op => has_definition(op),
    }
}

fn definition(op: &str) -> Option<Definition> {
    find(TABLES.iter().copied().flatten().chain(integer::DEFINITIONS), op)
}

fn find<'t, T: Copy + 't>(table: impl IntoIterator<Item = &'t (&'t str, T)>, op: &str) -> Option<T> {
    table.into_iter().find(|(name, _)| *name == op).map(|(_, definition)| *definition)
}

/// The same graph with the chosen nodes spelled out in more basic operators. Nodes without a
/// definition stay, and so do most of which more than the first output is read.
///
/// # Errors
/// When shapes contradict each other, or one that a definition needs is unknown.
pub fn define(graph: &Graph, chosen: impl Fn(&Node) -> bool) -> Result<Graph> {
    spelled(graph, chosen, |op| (find(SEVERAL, op), definition(op)))
}

/// The same for the gradient: quantised arithmetic by the real numbers that it stands for.
pub(crate) fn define_smoothly(graph: &Graph, chosen: impl Fn(&Node) -> bool) -> Result<Graph> {
    spelled(graph, chosen, |op| {
        let several = find(quantized::SEVERAL, op).or_else(|| find(SEVERAL, op));
        (several, find(quantized::DEFINITIONS, op).or_else(|| definition(op)))
    })
}

/// The definitions of an operator: of all its outputs, of the first.
type Found = (Option<Definitions>, Option<Definition>);

fn spelled(graph: &Graph, chosen: impl Fn(&Node) -> bool, of: impl Fn(&str) -> Found) -> Result<Graph> {
    if !graph.nodes.iter().any(|node| chosen(node) && can_be_spelled(node)) {
        return Ok(graph.clone());
    }
    let read: HashSet<&String> =
        graph.nodes.iter().flat_map(|n| &n.inputs).chain(graph.outputs.iter().map(|o| &o.name)).collect();
    let one_output = |node: &Node| node.outputs.iter().skip(1).all(|o| o.is_empty() || !read.contains(o));
    let builder = Builder::without_nodes(graph)?;
    for node in &graph.nodes {
        let call = Call { node, builder: &builder };
        let results = match of(&node.op) {
            _ if !chosen(node) || !can_be_spelled(node) => None,
            // Its weights may be no constants.
            _ if node.op == BLOCKS => product(&call),
            (Some(definitions), _) => Some(definitions(&call)?),
            (None, Some(definition)) if one_output(node) => Some(vec![definition(&call)?]),
            _ => None,
        };
        let Some(results) = results else {
            builder.push(node.clone());
            continue;
        };
        for (output, result) in node.outputs.iter().zip(results).filter(|(output, _)| !output.is_empty()) {
            builder.push(Node {
                op: "Identity".into(),
                inputs: vec![result.name()],
                outputs: vec![output.clone()],
                ..Node::default()
            });
        }
    }
    builder.finish()
}

/// `A·Wᵀ + b`, A as it is.
fn product<'b>(c: &Call<'_, 'b>) -> Option<Vec<Var<'b>>> {
    let weights = blocks::weights(c.node, |i| c.optional(i)?.as_constant())?;
    let x = c.x(0);
    let y = x.with("MatMul", c.builder.constant(weights).cast_like(x));
    Some(vec![c.optional(5).map_or(y, |bias| y + bias)])
}
