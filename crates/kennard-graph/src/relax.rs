//! Models of integers: the same with a float input, in whose numbers attacks can move, and with a float input that is rounded.

use std::collections::HashSet;

use crate::{
    Attribute, Builder, DType, Graph, GraphError, Node, Result, Tensor, TensorType, Var, define, infer,
};

/// Operators that only arrange their first input.
const ARRANGING: [&str; 10] = [
    "Flatten",
    "Gather",
    "Identity",
    "Pad",
    "Reshape",
    "Slice",
    "Split",
    "Squeeze",
    "Transpose",
    "Unsqueeze",
];

/// Operators of tables that have no gradient, however their input is written, unless they can be spelled out.
const ROUGH: [&str; 5] = [
    "ai.onnx.ml::SVMClassifier",
    "ai.onnx.ml::SVMRegressor",
    "ai.onnx.ml::TreeEnsemble",
    "ai.onnx.ml::TreeEnsembleClassifier",
    "ai.onnx.ml::TreeEnsembleRegressor",
];

/// The graph with an input of floats in place of integers, which is not rounded, so that gradients reach it. Trees and support vector
/// machines that cannot be spelled out have no gradient: with one of these in the graph the input is rounded, as by [`whole_input`].
///
/// # Errors
/// When the integers choose rows of a table, or go into an operator that has no meaning for floats.
pub fn relaxed_input(graph: &Graph) -> Result<Graph> {
    let graph = &define(graph, |node| ROUGH.contains(&node.op.as_str()))?;
    let input = graph.single_input()?;
    if graph.nodes.iter().any(|node| ROUGH.contains(&node.op.as_str())) {
        return whole_input(graph);
    }
    let mut bare = graph.clone();
    bare.inputs[0].ty.dtype = DType::F32;
    let (builder, types) = (Builder::without_nodes(&bare)?, infer(graph)?);
    let mut whole: HashSet<&str> = HashSet::from([input.name.as_str()]);
    for node in &graph.nodes {
        let reads: Vec<usize> =
            (0..node.inputs.len()).filter(|&i| whole.contains(node.inputs[i].as_str())).collect();
        let first = reads == [0];
        match node.op.as_str() {
            _ if reads.is_empty() => builder.push(node.clone()),
            "Shape" | "Size" => builder.push(node.clone()),
            "Gather" if reads.contains(&1) => return Err(GraphError::Tokens { input: input.name.clone() }),
            "Cast" if DType::from_code(node.int("to", 0)).is_some_and(DType::is_float) => {
                builder.push(node.clone());
            }
            // Wider integers are the same numbers; others would wrap around.
            "Cast"
                if DType::from_code(node.int("to", 0))
                    .is_some_and(|to| holds(to, types.get(&node.inputs[0]))) =>
            {
                builder.push(Node { op: "Identity".into(), attributes: Default::default(), ..node.clone() });
                whole.insert(&node.outputs[0]);
            }
            "DequantizeLinear" if first => dequantized(&builder, node)?,
            "Add" | "Sub" | "Mul"
                if types.get(&node.inputs[0]).is_none_or(|ty| ty.dtype.levels().is_some()) =>
            {
                return Err(node.error(
                    "its results wrap around beyond the range of these integers, for which no gradient counts; export the \
                     model with a float input, or cast to wider integers before",
                ));
            }
            "Add" | "Sub" | "Mul" | "Concat" => {
                let mut relaxed = node.clone();
                for name in relaxed.inputs.iter_mut().filter(|name| !whole.contains(name.as_str())) {
                    *name = builder.var(name)?.cast(DType::F32).name();
                }
                builder.push(relaxed);
                whole.insert(&node.outputs[0]);
            }
            op if first && ARRANGING.contains(&op) && !(op == "Pad" && node.input(2).is_some()) => {
                builder.push(node.clone());
                whole.extend(node.outputs.iter().map(String::as_str).filter(|name| !name.is_empty()));
            }
            "Where" if !reads.contains(&0) => {
                let mut relaxed = node.clone();
                for name in relaxed.inputs.iter_mut().skip(1).filter(|name| !whole.contains(name.as_str())) {
                    *name = builder.var(name)?.cast(DType::F32).name();
                }
                builder.push(relaxed);
                whole.insert(&node.outputs[0]);
            }
            "Equal" | "Greater" | "GreaterOrEqual" | "Less" | "LessOrEqual" => {
                compared(&builder, node, |name| whole.contains(name))?;
            }
            _ => {
                return Err(node.error(format!(
                    "it takes the integers of the input `{}` as they are, so that there is nothing to attack; export the \
                     model with a float input",
                    input.name
                )));
            }
        }
    }
    builder.finish()
}

/// A comparison of integers as one of floats that are rounded.
fn compared(builder: &Builder, node: &Node, is_whole: impl Fn(&str) -> bool) -> Result<()> {
    let mut compared = node.clone();
    for name in &mut compared.inputs {
        let var = builder.var(name)?;
        let number = if is_whole(name) { var.apply("Round") } else { var.cast(DType::F32) };
        *name = number.name();
    }
    builder.push(compared);
    Ok(())
}

/// Whether integers of a type hold all those of another.
fn holds(to: DType, from: Option<&TensorType>) -> bool {
    let Some(from) = from else { return false };
    match (from.dtype.levels(), to.levels()) {
        (Some([least, most]), Some([lower, upper])) => lower <= least && most <= upper,
        (None, Some(_)) => false,
        (_, None) => matches!(to, DType::I32 | DType::I64),
    }
}

/// `y = s·(x − z)` of floats, one scale and zero for all, or for each place on an axis.
fn dequantized(builder: &Builder, node: &Node) -> Result<()> {
    let x = builder.var(&node.inputs[0])?;
    if node.int("block_size", 0) != 0 {
        return Err(node.error("it has a scale for each block, for which there is no gradient; export the model with a float input"));
    }
    let rank = x.shape()?.rank() as i64;
    let axis = node.int("axis", 1);
    let axis = if axis < 0 { axis + rank } else { axis };
    let behind: Vec<i64> = (1..rank - axis).collect();
    let along = |name: &str| {
        let var = builder.var(name)?;
        Ok::<Var, GraphError>(if var.shape()?.rank() == 1 && !behind.is_empty() {
            var.unsqueeze(&behind)
        } else {
            var
        })
    };
    let scale = along(node.input(1).unwrap_or(""))?;
    let shifted = match node.input(2) {
        Some(zero) => x - along(zero)?.cast(DType::F32),
        None => x,
    };
    builder.name(&node.outputs[0], shifted.cast_like(scale) * scale);
    Ok(())
}

/// The graph that takes floats where the given one takes integers, and rounds them.
///
/// # Errors
/// When the graph has not exactly one input.
pub fn whole_input(graph: &Graph) -> Result<Graph> {
    let input = graph.single_input()?;
    let (name, ty) = (input.name.clone(), input.ty.clone());
    let mut bare = graph.clone();
    bare.inputs[0].ty = TensorType { dtype: DType::F32, shape: ty.shape };
    let builder = Builder::without_nodes(&bare)?;
    let levels = builder.var(&name)?.apply("Round");
    let levels = ty.dtype.levels().map_or(levels, |limits| {
        let limit = |value| Some(builder.constant(Tensor::scalar(value, DType::F32)));
        builder.op("Clip", &[Some(levels), limit(limits[0]), limit(limits[1])], &[])
    });
    let inside = builder.op("Cast", &[Some(levels)], &[("to", Attribute::Int(ty.dtype.code()))]).name();
    for node in &graph.nodes {
        let mut node = node.clone();
        for input in node.inputs.iter_mut().filter(|input| **input == name) {
            input.clone_from(&inside);
        }
        builder.push(node);
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Dim, Shape, Value};

    fn graph(nodes: Vec<Node>) -> Graph {
        let value = |name: &str, dtype| Value {
            name: name.into(),
            ty: TensorType::new(dtype, vec![Dim::BATCH, Dim::Known(2)]),
        };
        Graph {
            inputs: vec![value("x", DType::I64)],
            outputs: vec![value("y", DType::F32)],
            nodes,
            constants: [("two".to_string(), Tensor::ints(&[2]))].into(),
            ..Graph::default()
        }
    }

    fn node(op: &str, inputs: &[&str], output: &str) -> Node {
        let inputs = inputs.iter().map(|name| name.to_string()).collect();
        Node { op: op.into(), inputs, outputs: vec![output.into()], ..Node::default() }
    }

    fn ops(graph: &Graph) -> Vec<&str> {
        graph.nodes.iter().map(|node| node.op.as_str()).collect()
    }

    /// Trees have no gradient: they see rounded numbers.
    #[test]
    fn trees_see_integers() {
        let trees = node("ai.onnx.ml::TreeEnsembleRegressor", &["x"], "y");
        let relaxed = relaxed_input(&graph(vec![trees])).unwrap();
        assert_eq!(relaxed.inputs[0].ty.dtype, DType::F32);
        assert_eq!(ops(&relaxed), ["Round", "Cast", "ai.onnx.ml::TreeEnsembleRegressor"]);
        assert!(relaxed_input(&graph(vec![node("Mystery", &["x"], "y")])).is_err());
    }

    /// Comparisons are of rounded numbers.
    #[test]
    fn comparisons_round() {
        let to = [("to".to_string(), DType::F32.code().into())].into();
        let cast = Node { attributes: to, ..node("Cast", &["hit"], "y") };
        let relaxed = relaxed_input(&graph(vec![node("Equal", &["x", "two"], "hit"), cast])).unwrap();
        assert_eq!(ops(&relaxed), ["Round", "Cast", "Equal", "Cast"]);
        assert_eq!(relaxed.outputs[0].ty.shape, Shape(vec![Dim::BATCH, Dim::Known(2)]));
    }
}
