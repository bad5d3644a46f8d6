//! Which constants of a graph are trained, and how they come in from outside.

use std::collections::HashSet;

use crate::{Attribute, Builder, Graph, GraphError, Node, Result, Shape, TensorType, Value};

/// A normalisation's running statistics: the names of two constants, one number a channel each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statistics {
    /// The constant with the running means.
    pub mean: String,
    /// The constant with the running variances.
    pub variance: String,
    /// How many elements of one sample share a mean, if that is known.
    pub positions: Option<usize>,
}

/// The inputs of an operator that are its weights and biases.
fn places(op: &str) -> &'static [usize] {
    match op {
        "Conv" | "ConvTranspose" | "Gemm" => &[1, 2],
        "BatchNormalization" | "GroupNormalization" | "InstanceNormalization" | "LayerNormalization" => {
            &[1, 2]
        }
        "MatMul" => &[0, 1],
        "PRelu" => &[1],
        _ => &[],
    }
}

/// The constants that training changes, in the order of the graph: float weights and biases of
/// convolutions, matrix products, normalisations and learned activations, and tensors that are added to or
/// multiplied with something that depends on these (biases and positions written as nodes of their own).
/// What stands in front of the first weight, a normalisation of the image say, stays as it is.
pub fn trainable(graph: &Graph) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut depends: HashSet<&str> = HashSet::new();
    for node in &graph.nodes {
        let behind = node.inputs.iter().any(|name| depends.contains(name.as_str()));
        let places: &[usize] = match node.op.as_str() {
            "Add" | "Mul" if behind => &[0, 1],
            op => places(op),
        };
        let weights = places.iter().filter_map(|&i| node.input(i)).filter(|name| {
            let tensor = graph.constants.get(*name).filter(|tensor| tensor.dtype().is_float());
            tensor.is_some_and(|tensor| tensor.len() > 1 || matches!(node.op.as_str(), "Conv" | "Gemm"))
        });
        let mut any = behind;
        for name in weights {
            any = true;
            if !found.iter().any(|other| other == name) {
                found.push(name.into());
            }
        }
        if any {
            depends.extend(node.outputs.iter().map(String::as_str));
        }
    }
    found
}

/// The running statistics of the graph's batch normalisations, in the order of the graph.
pub fn statistics(graph: &Graph) -> Vec<Statistics> {
    normalizations(graph).map(|(_, statistics)| statistics).collect()
}

fn normalizations(graph: &Graph) -> impl Iterator<Item = (usize, Statistics)> {
    let types = crate::infer(graph).unwrap_or_default();
    let mut seen: HashSet<String> = HashSet::new();
    graph.nodes.iter().enumerate().filter_map(move |(i, node)| {
        let constant = |i: usize| node.input(i).filter(|name| graph.constants.contains_key(*name));
        let (mean, variance) = constant(3).zip(constant(4)).filter(|_| node.op == "BatchNormalization")?;
        let dims = types.get(node.input(0)?).map(|ty| ty.shape.0.get(2..).unwrap_or_default().to_vec());
        let positions = dims.and_then(|dims| dims.iter().map(|dim| dim.known()).product());
        let statistics = Statistics { mean: mean.into(), variance: variance.into(), positions };
        seen.insert(mean.into()).then_some((i, statistics))
    })
}

/// The graph with these normalisations using the statistics of the batch, which become outputs: of each the
/// mean, then the variance (divided by n).
pub(super) fn in_training_mode(graph: &Graph, statistics: &[Statistics]) -> Result<Graph> {
    let mut graph = graph.clone();
    let own: Vec<(usize, Statistics)> = normalizations(&graph).collect();
    let mut outputs = Vec::new();
    for (i, own) in own.into_iter().filter(|(_, own)| statistics.contains(own)) {
        let node: &mut Node = &mut graph.nodes[i];
        let channels = graph.constants.get(&own.mean).map_or(0, |tensor| tensor.len());
        let names = [&own.mean, &own.variance].map(|name| format!("batch/{name}"));
        node.outputs.truncate(1);
        node.outputs.extend(names.iter().cloned());
        node.attributes.insert("training_mode".into(), Attribute::Int(1));
        // The statistics come out as they are; how they are mixed with the old is not the graph's business.
        node.attributes.insert("momentum".into(), Attribute::Float(0.0));
        outputs.extend(names.map(|name| {
            let dtype = graph.constants.get(&own.mean).map_or(crate::DType::F32, |tensor| tensor.dtype());
            Value { name, ty: TensorType::new(dtype, Shape::fixed(&[channels])) }
        }));
    }
    graph.outputs.extend(outputs);
    Ok(graph)
}

/// The graph with these constants as inputs, in this order, after its own.
pub(super) fn opened(graph: &Graph, names: &[String]) -> Result<Graph> {
    let mut graph = graph.clone();
    for name in names {
        let Some(tensor) = graph.constants.remove(name) else {
            return Err(GraphError::Shape(format!("the graph has no constant `{name}`")));
        };
        let ty = TensorType::new(tensor.dtype(), Shape::fixed(tensor.shape()));
        graph.inputs.push(Value { name: name.clone(), ty });
    }
    // Shapes that followed from constants must follow still.
    Builder::new(&graph)?.finish()
}
