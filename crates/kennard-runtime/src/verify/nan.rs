//! Where a runtime may make numbers of NaN.

use std::collections::HashSet;

use kennard_graph::{Graph, Node, infer};

use super::MOST;
use crate::rten::{Kept, RtenProgram};
use crate::{Result, RuntimeError};

/// Operators of which some runtimes take NaN for a number, smaller or larger than all others.
const COMPARING: &[&str] = &[
    "ArgMax",
    "ArgMin",
    "Clip",
    "GlobalMaxPool",
    "Greater",
    "GreaterOrEqual",
    "Less",
    "LessOrEqual",
    "Max",
    "MaxPool",
    "Min",
    "ReduceMax",
    "ReduceMin",
    "Relu",
];

/// Refuses a runtime where a node that compares numbers is given NaN, and where an answer to `inputs` is a number that is NaN on rten; what
/// the runtime answers is asked for only where rten's answers have NaN.
///
/// # Errors
/// When there is such a node or answer; the message names the node.
pub fn keeps_nan(
    graph: &Graph,
    inputs: &[f32],
    runtime: &'static str,
    answers: impl FnOnce() -> Result<Vec<Vec<f32>>>,
) -> Result<()> {
    let kept = all(graph, inputs);
    if let Some(node) = kept.as_ref().and_then(|kept| comparing(graph, kept)) {
        let what =
            format!("node `{}` ({}) is given NaN, which it may take for a number", node.label(), node.op);
        return Err(RuntimeError::Wrong { runtime, what });
    }
    let ends: HashSet<&str> = graph.outputs.iter().map(|value| value.name.as_str()).collect();
    let Some(right) = RtenProgram::node_by_node(graph, inputs, &ends) else { return Ok(()) };
    if !ends.iter().any(|name| has_nan(&right, name)) {
        return Ok(());
    }
    for (value, found) in graph.outputs.iter().zip(answers()?) {
        let Some(right) = right.get(&value.name).filter(|right| right.len() == found.len()) else { continue };
        if let Some((_, number)) = right.iter().zip(found).find(|(a, b)| a.is_nan() && !b.is_nan()) {
            let from = kept.as_ref().and_then(|kept| origin(graph, kept)).unwrap_or_default();
            let what = format!("its output `{}` is {number} where NaN{from} is right", value.name);
            return Err(RuntimeError::Wrong { runtime, what });
        }
    }
    Ok(())
}

fn has_nan(kept: &Kept, name: &str) -> bool {
    kept.get(name).is_some_and(|data| data.iter().any(|v| v.is_nan()))
}

/// A node that compares numbers, and is given NaN.
fn comparing<'g>(graph: &'g Graph, kept: &Kept) -> Option<&'g Node> {
    let compares = |node: &&Node| COMPARING.contains(&node.op.as_str());
    graph.nodes.iter().filter(compares).find(|node| node.inputs.iter().any(|name| has_nan(kept, name)))
}

/// The first node that gives NaN, as text.
fn origin(graph: &Graph, kept: &Kept) -> Option<String> {
    let gives = |node: &&Node| node.outputs.first().is_some_and(|name| has_nan(kept, name));
    let node = graph.nodes.iter().find(gives)?;
    Some(format!(", from node `{}` ({}) on,", node.label(), node.op))
}

/// What every node gives; nothing where there is not the memory to tell.
fn all(graph: &Graph, inputs: &[f32]) -> Option<Kept> {
    let types = infer(graph).ok()?;
    let size = |name: &str| types.get(name).and_then(|ty| ty.shape.volume()).map_or(0, |(n, _)| n);
    let all: HashSet<&str> =
        graph.nodes.iter().filter_map(|node| node.outputs.first()).map(String::as_str).collect();
    if all.iter().map(|name| size(name)).sum::<usize>() > MOST {
        return None;
    }
    RtenProgram::node_by_node(graph, inputs, &all)
}
