//! Rounding that does not depend on a sample's place in the batch.
//!
//! Two kinds of ONNX Runtime's kernels round by place in memory (found by trying every operator with
//! one sample at all places of a batch; `tests/determinism.rs` does so). Sums treat the elements of a
//! row before its first aligned address apart. Some functions compute the last elements of a tensor,
//! which do not fill a vector register, by another formula. Where extents are multiples of a register
//! neither happens; elsewhere the graph is changed so that it does not.

use std::collections::BTreeMap;

use kennard_graph::{Graph, Names, Node, Tensor, Types, define, infer};

use crate::Result;

/// Floats in a register.
const REGISTER: usize = 8;

/// Functions whose last elements are computed otherwise.
const UNEVEN: &[&str] = &["Acos", "Asin", "Atan", "Cos", "Log", "Sin", "Softplus"];

/// An equal graph without such roundings.
pub fn independent(graph: &Graph) -> Result<Graph> {
    let types = infer(graph)?;
    let graph = define(graph, |node| match node.op.as_str() {
        "GroupNormalization" | "MeanVarianceNormalization" => true,
        "InstanceNormalization" => is_uneven(&types, node, 2),
        "LRN" => is_uneven(&types, node, 0),
        _ => false,
    })?;
    let types = infer(&graph)?;
    let row_sum =
        |node: &Node| first_summed(&graph, &types, node).is_some_and(|axis| is_uneven(&types, node, axis));
    let graph = define(&graph, row_sum)?;
    Ok(padded(graph, &types))
}

/// Whether a graph has such roundings, as far as can be seen.
pub fn matter(graph: &Graph) -> Result<bool> {
    Ok(independent(graph)?.nodes != graph.nodes)
}

/// Whether the extents of the node's data from `axis` on are fixed and do not fill registers.
fn is_uneven(types: &Types, node: &Node, axis: usize) -> bool {
    let row = node.input(0).and_then(|name| types.get(name)).and_then(|ty| ty.shape.0.get(axis..));
    let extents = row.and_then(|dims| dims.iter().map(|d| d.known()).collect::<Option<Vec<usize>>>());
    extents.is_some_and(|extents| !extents.iter().product::<usize>().is_multiple_of(REGISTER))
}

/// The first of the axes that a node sums over, if these are the last axes of floats.
fn first_summed(graph: &Graph, types: &Types, node: &Node) -> Option<usize> {
    let ty = node.input(0).and_then(|name| types.get(name))?;
    if !matches!(node.op.as_str(), "ReduceSum" | "ReduceMean") || !ty.dtype.is_float() {
        return None;
    }
    let rank = ty.shape.rank();
    let axes = graph.constants.get(node.input(1)?)?.to_ints()?;
    let wrapped =
        axes.iter().map(|&axis| usize::try_from(if axis < 0 { axis + rank as i64 } else { axis }).ok());
    let mut axes: Vec<usize> = wrapped.collect::<Option<_>>()?;
    axes.sort_unstable();
    let first = *axes.first()?;
    axes.into_iter().eq(first..rank).then_some(first)
}

/// The functions in question computed on whole registers: `x → flat → wide → f(wide) → cut → f(x)`.
fn padded(graph: Graph, types: &Types) -> Graph {
    let chosen = |node: &Node| UNEVEN.contains(&node.op.as_str()) && is_uneven(types, node, 0);
    if !graph.nodes.iter().any(chosen) {
        return graph;
    }
    let mut names = Names::of(&graph);
    let mut result = Graph { nodes: Vec::new(), ..graph.clone() };
    for node in graph.nodes {
        let dims = node.input(0).and_then(|name| types.get(name)).and_then(|ty| ty.shape.known());
        let Some(dims) = dims.filter(|_| chosen(&node)) else {
            result.nodes.push(node);
            continue;
        };
        let count: usize = dims.iter().product();
        let margin = count.next_multiple_of(REGISTER) - count;
        let mut fresh = |what: &str| names.fresh(&format!("{}/{what}", node.outputs[0]));
        let [flat, wide, function, cut] = ["flat", "wide", "function", "cut"].map(&mut fresh);
        let mut constant = |what: &str, values: &[usize]| {
            let name = fresh(what);
            let values: Vec<i64> = values.iter().map(|&v| v as i64).collect();
            result.constants.insert(name.clone(), Tensor::ints(&values));
            name
        };
        let (all, pads) = (constant("count", &[count]), constant("pads", &[0, margin]));
        let (begin, shape) = (constant("begin", &[0]), constant("shape", &dims));
        let step = |op: &str, inputs: &[&String], output: &String| Node {
            name: output.clone(),
            op: op.into(),
            inputs: inputs.iter().map(|name| name.to_string()).collect(),
            outputs: vec![output.clone()],
            attributes: BTreeMap::new(),
        };
        let y = &node.outputs[0];
        result.nodes.extend([
            step("Reshape", &[&node.inputs[0], &all], &flat),
            step("Pad", &[&flat, &pads], &wide),
            step(&node.op, &[&wide], &function),
            step("Slice", &[&function, &begin, &all], &cut),
            step("Reshape", &[&cut, &shape], y),
        ]);
    }
    result
}
