//! Which constants of a graph are trained, and how they come in from outside.

use std::collections::{HashMap, HashSet};

use crate::{Attribute, Builder, Graph, GraphError, Node, Result, Shape, TensorType, Value};

/// A normalisation's running statistics: the names of two constants, one number a channel each.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// The constant with the running means.
    pub mean: String,
    /// The constant with the running variances.
    pub variance: String,
    /// How many elements of one sample share a mean, if that is known.
    pub positions: Option<usize>,
    /// The weight of a new batch in them: 1 less the momentum of the node.
    pub rate: f32,
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

/// Operators between a weight as it is kept and as it is used: other shapes of it, parts, and norms that it is divided by.
const BETWEEN: [&str; 15] = [
    "Transpose",
    "Reshape",
    "Flatten",
    "Unsqueeze",
    "Squeeze",
    "Slice",
    "Split",
    "Concat",
    "Gather",
    "Identity",
    "Mul",
    "Div",
    "ReduceL2",
    "ReduceSum",
    "Sqrt",
];

/// The constants that training changes. Where [`Graph::trained`] names them, these. Otherwise, in the order of the graph: float
/// weights and biases of convolutions, matrix products, normalisations and learned activations, also where they are turned,
/// cut or scaled before, and tensors that are added to or multiplied with something that depends on these (biases and positions
/// written as nodes of their own). What stands in front of the first weight, a normalisation of the image say, stays as it is,
/// and so does a mask of zeros and ones on a weight.
pub fn trainable(graph: &Graph) -> Vec<String> {
    if let Some(named) = &graph.trained {
        let is_float =
            |name: &&String| graph.constants.get(*name).is_some_and(|tensor| tensor.dtype().is_float());
        return once(named.iter().filter(is_float)).into_iter().cloned().collect();
    }
    let mut found: Vec<String> = Vec::new();
    let mut depends: HashSet<&str> = HashSet::new();
    let mut made: HashMap<&str, Vec<&str>> = HashMap::new();
    for node in &graph.nodes {
        let given: Vec<&str> =
            node.inputs.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        let known = |name: &&str| graph.constants.contains_key(*name) || made.contains_key(*name);
        if BETWEEN.contains(&node.op.as_str()) && given.iter().all(known) {
            let own = given.iter().enumerate().filter(|(place, name)| is_kept(graph, node, *place, name));
            let own = own.map(|(_, name)| name);
            let before = given.iter().filter_map(|name| made.get(name)).flatten();
            let of = once(own.chain(before).copied());
            made.extend(node.outputs.iter().map(|name| (name.as_str(), of.clone())));
            continue;
        }
        let behind = node.reads(&depends);
        let places: &[usize] = match node.op.as_str() {
            "Add" | "Mul" if behind => &[0, 1],
            op => places(op),
        };
        let weights = places.iter().filter_map(|&i| node.input(i)).flat_map(|name| match made.get(name) {
            Some(of) => of.clone(),
            None => vec![name],
        });
        let weights = weights.filter(|name| {
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
            depends.extend(node.outputs.iter().map(String::as_str).filter(|name| !name.is_empty()));
        }
    }
    found
}

/// Each of them once, in their order.
fn once<T: Copy + Eq + std::hash::Hash>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = HashSet::new();
    all.filter(|one| seen.insert(*one)).collect()
}

/// Whether a constant operand of a node between is itself a weight: no divisor, and no mask of zeros and ones on another.
fn is_kept(graph: &Graph, node: &Node, place: usize, name: &str) -> bool {
    let floats = |name: &str| graph.constants.get(name).filter(|tensor| tensor.dtype().is_float());
    let Some(tensor) = floats(name) else { return false };
    let masks = || {
        let values = tensor.to_floats().unwrap_or_default();
        let [zeros, ones] = [0.0, 1.0].map(|of| values.iter().filter(|value| **value == of).count());
        let other = node.input(1 - place.min(1)).and_then(floats);
        zeros > 0 && ones > 0 && zeros + ones == values.len() && other.is_none_or(|other| other.len() > 1)
    };
    match node.op.as_str() {
        "Div" => place == 0,
        "Mul" => !masks(),
        _ => true,
    }
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
        let rate = complement(node.float("momentum", 0.9) as f32);
        let statistics = Statistics { mean: mean.into(), variance: variance.into(), positions, rate };
        seen.insert(mean.into()).then_some((i, statistics))
    })
}

/// 1 − x of the decimal that x was written as: in single precision 1 − 0.9 is not the number nearest to 0.1. 0 where it would
/// be less.
fn complement(x: f32) -> f32 {
    let written: f64 = x.to_string().parse().unwrap_or(x.into());
    ((1.0 - written) as f32).max(0.0)
}

/// The graph with these normalisations using the statistics of the batch, which become outputs: of each the
/// mean, then the variance (divided by n).
///
/// # Errors
/// When the running statistics of one would not be a mean over batches.
pub(super) fn in_training_mode(graph: &Graph, statistics: &[Statistics]) -> Result<Graph> {
    let mut graph = graph.clone();
    let own: Vec<(usize, Statistics)> = normalizations(&graph).collect();
    let mut outputs = Vec::new();
    for (i, own) in own.into_iter().filter(|(_, own)| statistics.contains(own)) {
        if own.rate == 0.0 || own.rate > 1.0 {
            return Err(GraphError::Momentum { mean: own.mean, rate: own.rate });
        }
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

#[cfg(test)]
mod tests {
    use ndarray::ArrayD;

    use super::*;
    use crate::{DType, Dim, Tensor};

    fn node(op: &str, inputs: &[&str], output: &str) -> Node {
        let inputs = inputs.iter().map(|name| name.to_string()).collect();
        Node { op: op.into(), inputs, outputs: vec![output.into()], ..Node::default() }
    }

    /// Images scaled by constants, a weight that is masked and turned before its use, one that is normed and scaled by a number,
    /// and a bias in a node of its own.
    fn layered() -> Graph {
        let constant = |name: &str, shape: &[usize], values: &[f32]| {
            let array = ArrayD::from_shape_vec(shape.to_vec(), values.to_vec()).unwrap();
            (name.to_string(), Tensor::from(array))
        };
        let value = |name: &str| Value {
            name: name.into(),
            ty: TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(2)]),
        };
        Graph {
            inputs: vec![value("x")],
            outputs: vec![value("z")],
            nodes: vec![
                node("Sub", &["x", "mean"], "centred"),
                node("Mul", &["centred", "scale"], "scaled"),
                node("Mul", &["first", "mask"], "masked"),
                node("Transpose", &["masked"], "turned"),
                node("MatMul", &["scaled", "turned"], "h"),
                node("Add", &["h", "bias"], "k"),
                node("Mul", &["second", "rate"], "slow"),
                node("Div", &["slow", "norms"], "normed"),
                node("MatMul", &["k", "normed"], "z"),
            ],
            constants: [
                constant("mean", &[2], &[0.3, 0.4]),
                constant("scale", &[2], &[2.0, 3.0]),
                constant("first", &[2, 2], &[1.0, 2.0, 3.0, 4.0]),
                constant("mask", &[2, 2], &[1.0, 0.0, 0.0, 1.0]),
                constant("bias", &[2], &[0.0, 0.0]),
                constant("second", &[2, 2], &[1.0, 0.0, 0.0, 1.0]),
                constant("rate", &[], &[0.1]),
                constant("norms", &[2], &[2.0, 2.0]),
            ]
            .into(),
            ..Graph::default()
        }
    }

    /// PyTorch writes 1 − momentum, and the standard's default is 0.9.
    #[test]
    fn running_statistics_move_as_the_node_says() {
        let channels = |name: &str| (name.to_string(), Tensor::from(ArrayD::from_elem(vec![2], 1.0_f32)));
        let mut graph = Graph {
            nodes: vec![node("BatchNormalization", &["x", "gain", "bias", "mean", "variance"], "z")],
            constants: ["gain", "bias", "mean", "variance"].map(channels).into(),
            ..layered()
        };
        let mut with = |momentum: Option<f32>| {
            if let Some(momentum) = momentum {
                graph.nodes[0].attributes.insert("momentum".into(), Attribute::Float(momentum));
            }
            let found = statistics(&graph);
            (found[0].rate, in_training_mode(&graph, &found).map_err(|error| error.to_string()))
        };
        for (momentum, rate) in
            [(None, 0.1), (Some(0.9), 0.1), (Some(0.5), 0.5), (Some(0.99), 0.01), (Some(0.0), 1.0)]
        {
            let (found, opened) = with(momentum);
            assert_eq!(found, rate, "{momentum:?}");
            let opened = opened.unwrap();
            assert_eq!(opened.nodes[0].attributes["momentum"], Attribute::Float(0.0));
        }
        let (_, refused) = with(Some(1.0));
        assert!(
            refused
                .unwrap_err()
                .contains("`mean` mixes a batch into its running statistics with the weight 0")
        );
    }

    #[test]
    fn weights_are_trained_as_they_are_kept() {
        let graph = layered();
        assert_eq!(trainable(&graph), ["first", "bias", "second"]);
        let named = |names: &[&str]| Some(names.iter().map(|name| name.to_string()).collect());
        let chosen = Graph { trained: named(&["second", "mean", "second", "gone"]), ..graph };
        assert_eq!(trainable(&chosen), ["second", "mean"]);
        // The choice is in the file, without what is not there.
        let read = Graph::from_bytes(&chosen.to_bytes()).unwrap();
        assert_eq!(read.trained, named(&["second", "mean", "second"]));
        assert_eq!(trainable(&read), ["second", "mean"]);
    }
}
