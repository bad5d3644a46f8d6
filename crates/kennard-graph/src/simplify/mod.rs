//! Simplification: an equal graph with fewer nodes. One rewrite a file or function.

mod affine;
mod batch_norm;
mod expand;
mod explicit;
mod gemm;
mod layout;
mod log_softmax;
mod neutral;
mod noop;
mod pad;
mod shortcut;

use std::collections::{HashMap, HashSet};

use crate::fold::{Pass, Rewrite};
use crate::{DType, Graph, Result, Shape, TensorType, Value};

const REWRITES: &[Rewrite] = &[
    noop::noop,
    noop::unread_outputs,
    neutral::neutral,
    expand::expand,
    explicit::explicit,
    layout::transposes,
    layout::reshapes,
    layout::slices,
    pad::pad,
    shortcut::shortcut,
    log_softmax::log_softmax,
    batch_norm::batch_norm,
    affine::behind,
    affine::before,
    gemm::bias,
];

/// Rewrites make room for others, but not often.
const ROUNDS: usize = 4;

/// An equal graph with fewer nodes: constants folded ([`fold`](crate::fold())), nodes without effect
/// removed, normalisations and biases put into the weights before them, padding into what it pads for,
/// and nothing computed twice. Inputs and outputs keep their names, types and order; results agree
/// up to rounding.
///
/// # Errors
/// When shapes contradict each other.
pub fn simplify(graph: &Graph) -> Result<Graph> {
    let mut graph = graph.clone();
    for _ in 0..ROUNDS {
        let (simpler, changed) = Pass::run(&graph, REWRITES)?;
        graph = simpler;
        if !changed {
            break;
        }
    }
    Ok(named(graph))
}

/// [`simplify`], with these tensors kept under their names as they are: weights are not folded into others,
/// hidden tensors not optimised away. Names that the graph lacks are ignored.
///
/// # Errors
/// See [`simplify`].
pub fn simplify_keeping(graph: &Graph, names: &[&str]) -> Result<Graph> {
    let mut guarded = graph.clone();
    // What comes from outside cannot be folded, and what goes outside must be there.
    let mut kept = Vec::new();
    for &name in names {
        if let Some(tensor) = guarded.constants.remove(name) {
            let ty = TensorType::new(tensor.dtype(), Shape::fixed(tensor.shape()));
            guarded.inputs.push(Value { name: name.into(), ty });
            kept.push((name, tensor));
        }
    }
    let made: HashSet<&str> = graph.producers().into_keys().collect();
    let mut seen: HashSet<&str> = graph.outputs.iter().map(|v| v.name.as_str()).collect();
    for &name in names.iter().filter(|name| made.contains(*name)) {
        if seen.insert(name) {
            let ty = TensorType::new(DType::F32, Shape::default());
            guarded.outputs.push(Value { name: name.into(), ty });
        }
    }
    let mut result = simplify(&guarded)?;
    result.inputs.truncate(graph.inputs.len());
    result.outputs.truncate(graph.outputs.len());
    result.constants.extend(kept.into_iter().map(|(name, tensor)| (name.to_string(), tensor)));
    Ok(result)
}

/// Removes each `Identity` that only names an output, where the tensor itself can bear the name.
fn named(mut graph: Graph) -> Graph {
    let outputs: HashSet<&str> = graph.outputs.iter().map(|v| v.name.as_str()).collect();
    let producers = graph.producers();
    let mut new_names: HashMap<String, String> = HashMap::new();
    for node in graph.nodes.iter().filter(|node| node.op == "Identity") {
        let (from, to) = (&node.inputs[0], &node.outputs[0]);
        if outputs.contains(to.as_str())
            && !outputs.contains(from.as_str())
            && producers.contains_key(from.as_str())
            && !new_names.contains_key(from)
        {
            new_names.insert(from.clone(), to.clone());
        }
    }
    graph
        .nodes
        .retain(|node| node.op != "Identity" || new_names.get(&node.inputs[0]) != Some(&node.outputs[0]));
    for name in graph.nodes.iter_mut().flat_map(|node| node.inputs.iter_mut().chain(&mut node.outputs)) {
        if let Some(new) = new_names.get(name) {
            *name = new.clone();
        }
    }
    graph
}
