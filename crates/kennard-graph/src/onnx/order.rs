//! Which nodes of a file are needed, and in which order.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::proto::{GraphProto, NodeProto};
use crate::{GraphError, Result};

/// The nodes that `outputs` depend on, each after those that make its inputs, otherwise in the
/// file's order.
///
/// # Errors
/// When two nodes make the same tensor, or nodes depend on each other in a circle.
pub(super) fn order<'a>(nodes: &'a [NodeProto], outputs: &[&str]) -> Result<Vec<&'a NodeProto>> {
    let mut producers: HashMap<&str, usize> = HashMap::new();
    for (i, node) in nodes.iter().enumerate() {
        for name in node.output.iter().filter(|name| !name.is_empty()) {
            if producers.insert(name, i).is_some() {
                return Err(GraphError::Format(format!("two nodes make the tensor `{name}`")));
            }
        }
    }
    let mut needed = vec![false; nodes.len()];
    let mut waiting_for = vec![0usize; nodes.len()];
    let mut followers: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
    let mut stack: Vec<usize> = Vec::new();
    for i in outputs.iter().filter_map(|name| producers.get(name)) {
        if !std::mem::replace(&mut needed[*i], true) {
            stack.push(*i);
        }
    }
    while let Some(i) = stack.pop() {
        let mut names = Vec::new();
        names_read(&nodes[i], &mut names);
        let mut sources: Vec<usize> = names.iter().filter_map(|name| producers.get(name).copied()).collect();
        sources.sort_unstable();
        sources.dedup();
        waiting_for[i] = sources.len();
        for source in sources {
            followers[source].push(i);
            if !std::mem::replace(&mut needed[source], true) {
                stack.push(source);
            }
        }
    }

    let mut ready: BinaryHeap<Reverse<usize>> =
        (0..nodes.len()).filter(|&i| needed[i] && waiting_for[i] == 0).map(Reverse).collect();
    let mut sorted = Vec::new();
    while let Some(Reverse(i)) = ready.pop() {
        sorted.push(&nodes[i]);
        for &follower in &followers[i] {
            waiting_for[follower] -= 1;
            if waiting_for[follower] == 0 {
                ready.push(Reverse(follower));
            }
        }
    }
    match (0..nodes.len()).find(|&i| needed[i] && waiting_for[i] > 0) {
        None => Ok(sorted),
        Some(i) => {
            let name = nodes[i].output.first().map_or("", String::as_str);
            Err(GraphError::Format(format!(
                "the nodes depend on each other in a circle, near the tensor `{name}`"
            )))
        }
    }
}

/// The tensors that a node reads, itself or in its subgraphs.
pub(super) fn names_read<'a>(node: &'a NodeProto, names: &mut Vec<&'a str>) {
    names.extend(node.input.iter().map(String::as_str));
    for graph in node.attribute.iter().filter_map(|a| a.g.as_ref()) {
        subgraph_names(graph, names);
    }
}

/// The tensors of the graph around it that a subgraph reads.
fn subgraph_names<'a>(graph: &'a GraphProto, names: &mut Vec<&'a str>) {
    let mut read = Vec::new();
    graph.node.iter().for_each(|node| names_read(node, &mut read));
    read.extend(graph.output.iter().filter_map(|v| v.name.as_deref()));
    let mut own: HashSet<&str> = graph.node.iter().flat_map(|n| &n.output).map(String::as_str).collect();
    own.extend(graph.initializer.iter().filter_map(|t| t.name.as_deref()));
    own.extend(graph.input.iter().filter_map(|v| v.name.as_deref()));
    names.extend(read.into_iter().filter(|name| !own.contains(name)));
}
