//! A classifier cut in two at a hidden tensor.

use std::collections::{BTreeSet, HashSet};

use crate::{
    Attribute, Builder, DType, Dim, Graph, GraphError, Node, Result, Shape, TensorType, Types, Value, Var,
    infer, simplify,
};

/// The two parts of a classifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// From the input to one output `[N, t + r]`: the `t` elements of the hidden tensor, then `r`
    /// elements of all else that the second part needs (what skip connections carry past the tensor).
    pub front: Graph,
    /// From one input `[N, t + r]` to the logits.
    pub back: Graph,
    /// The shape of the hidden tensor for one sample; `t` is its volume.
    pub shape: Vec<usize>,
    /// `r`
    pub rest: usize,
}

/// Cuts a classifier at a hidden tensor, which has a batch axis first and is of floats.
///
/// # Errors
/// When there is no such tensor, it has another form, or the logits do not depend on it.
pub fn cut(graph: &Graph, tensor: &str) -> Result<Cut> {
    let types = infer(graph)?;
    let ty = types.get(tensor).ok_or_else(|| graph.no_tensor(tensor))?.clone();
    let volume = |ty: &TensorType| sample_shape(ty).map(|dims| dims.iter().product::<usize>());
    let Some(shape) = sample_shape(&ty).filter(|_| !graph.constants.contains_key(tensor)) else {
        return Err(GraphError::Shape(format!(
            "`{tensor}` is {ty}; a classifier is cut at a float tensor that has one row per sample, [N, …]"
        )));
    };
    // Shape arithmetic would cross the cut; an output keeps its name.
    let mut graph = graph.clone();
    let output = graph.single_output()?.name.clone();
    if output == tensor {
        return Err(GraphError::Shape(format!(
            "`{tensor}` is the logits; nothing follows it to be examined"
        )));
    }
    graph.outputs.push(Value { name: tensor.into(), ty });
    let mut graph = simplify(&graph)?;
    graph.outputs.pop();
    let types = infer(&graph)?;

    let mut behind = graph.reached([tensor], |_| true);
    behind.remove(tensor);
    if !behind.contains(output.as_str()) {
        return Err(GraphError::Shape(format!("the logits do not depend on `{tensor}`")));
    }
    let carried = carried(&graph, tensor, &output, &behind);
    let mut rest = 0;
    for name in &carried {
        rest += types.get(name).and_then(volume).ok_or_else(|| {
            GraphError::Shape(format!(
                "the part behind `{tensor}` also needs `{name}`, which is no float tensor with one row per sample; \
                 cut at another tensor"
            ))
        })?;
    }
    let names: Vec<&str> = std::iter::once(tensor).chain(carried.iter().map(String::as_str)).collect();
    let front = front(&graph, &names, &types)?;
    let back = back(&graph, &names, &types, &behind)?;
    Ok(Cut { front, back, shape, rest })
}

/// The shape of one sample of a float tensor `[N, …]`.
fn sample_shape(ty: &TensorType) -> Option<Vec<usize>> {
    let (batch, rest) = ty.shape.0.split_first()?;
    let known = rest.iter().map(|dim| dim.known()).collect();
    if *batch == Dim::BATCH && ty.dtype.is_float() { known } else { None }
}

/// The other tensors that the logits need beside `tensor` and what depends on it.
fn carried(graph: &Graph, tensor: &str, output: &str, behind: &HashSet<&str>) -> BTreeSet<String> {
    let mut needed = HashSet::from([output]);
    let mut carried = BTreeSet::new();
    for node in graph.nodes.iter().rev() {
        if !node.outputs.iter().any(|name| needed.contains(name.as_str()) && behind.contains(name.as_str())) {
            continue;
        }
        for name in node.inputs.iter().filter(|name| !name.is_empty() && *name != tensor) {
            if behind.contains(name.as_str()) {
                needed.insert(name);
            } else if !graph.constants.contains_key(name) {
                carried.insert(name.clone());
            }
        }
    }
    carried
}

fn front(graph: &Graph, names: &[&str], types: &Types) -> Result<Graph> {
    let builder = Builder::new(&Graph { outputs: Vec::new(), ..graph.clone() })?;
    let mut rows = Vec::new();
    for name in names {
        let width = types.get(name).and_then(sample_shape).map_or(0, |shape| shape.iter().product());
        rows.push(builder.var(name)?.reshape(&Shape(vec![Dim::BATCH, Dim::Known(width)])));
    }
    let all: Vec<Option<Var>> = rows.into_iter().map(Some).collect();
    builder.output(HIDDEN, builder.op("Concat", &all, &[("axis", Attribute::Int(1))]));
    builder.finish()
}

fn back(graph: &Graph, names: &[&str], types: &Types, behind: &HashSet<&str>) -> Result<Graph> {
    let width =
        |name: &str| types.get(name).and_then(sample_shape).map_or(0, |s| s.iter().product::<usize>());
    let total: usize = names.iter().map(|name| width(name)).sum();
    let ty = TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(total)]);
    // Nothing of the front may be left: its names would be taken.
    let nodes: Vec<Node> = graph
        .nodes
        .iter()
        .filter(|node| node.outputs.iter().any(|name| behind.contains(name.as_str())))
        .cloned()
        .collect();
    let bare = Graph { inputs: vec![Value { name: HIDDEN.into(), ty }], nodes, ..graph.clone() };
    let builder = Builder::without_nodes(&bare)?;
    let hidden = builder.var(HIDDEN)?;
    let mut parts = Vec::new();
    let mut from = 0;
    for name in names {
        let to = from + width(name);
        let shape = types.get(name).map(|ty| ty.shape.clone()).unwrap_or_default();
        let part = hidden.slice(&[1], &[from as i64], &[to as i64], &[1]).reshape(&shape);
        parts.push((*name, part.name()));
        from = to;
    }
    for node in &bare.nodes {
        let mut node = node.clone();
        for input in &mut node.inputs {
            if let Some((_, part)) = parts.iter().find(|(name, _)| name == input) {
                input.clone_from(part);
            }
        }
        builder.push(node);
    }
    builder.finish()
}

/// What carries the tensors from one part to the other.
const HIDDEN: &str = "kennard/hidden";
