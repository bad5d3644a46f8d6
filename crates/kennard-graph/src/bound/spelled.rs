use std::collections::HashMap;

use super::Method;
use crate::{Graph, Node, Result, define};

/// Composites of operators that have bounds.
const ALWAYS: &[&str] = &[
    "Celu",
    "Col2Im",
    "Dropout",
    "GRU",
    "GroupNormalization",
    "HardSwish",
    "InstanceNormalization",
    "LayerNormalization",
    "LogSoftmax",
    "LpNormalization",
    "LRN",
    "LSTM",
    "Mean",
    "MeanVarianceNormalization",
    "Mish",
    "PRelu",
    "RNN",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSum",
    "ReduceLogSumExp",
    "ReduceSumSquare",
    "Selu",
    "Shrink",
    "Sigmoid",
    "Softmax",
    "ThresholdedRelu",
    "ai.onnx.ml::SVMClassifier",
];

/// Piecewise linear functions: intervals see them whole.
const FOR_PLANES: &[&str] = &[
    "Abs",
    "Clip",
    "GlobalMaxPool",
    "HardSigmoid",
    "LeakyRelu",
    "Max",
    "MaxPool",
    "Min",
    "ReduceMax",
    "ReduceMin",
];

/// Composites are of composites, but not deeply.
const ROUNDS: usize = 4;

/// The graph with composites that vary spelled out, and those nodes by their outputs.
pub(super) fn out(graph: &Graph, input: &str, method: Method) -> Result<(Graph, HashMap<String, Node>)> {
    let (mut graph, mut originals) = (graph.clone(), HashMap::new());
    for _ in 0..ROUNDS {
        let varying = graph.reached([input], |node| !node.asks_extents());
        let chosen = |node: &Node| {
            let varies = |i: usize| node.input(i).is_some_and(|name| varying.contains(name));
            match node.op.as_str() {
                "Div" => varies(1),
                "Elu" => varies(0) && !(0.0..=1.0).contains(&node.float("alpha", 1.0)),
                op if ALWAYS.contains(&op) => (0..node.inputs.len()).any(varies),
                op if FOR_PLANES.contains(&op) => {
                    method != Method::Intervals && (0..node.inputs.len()).any(varies)
                }
                _ => false,
            }
        };
        let nodes: Vec<&Node> = graph.nodes.iter().filter(|node| chosen(node)).collect();
        if nodes.is_empty() {
            break;
        }
        let found: Vec<(String, Node)> =
            nodes.into_iter().map(|node| (node.outputs[0].clone(), node.clone())).collect();
        let mut spelled = define(&graph, chosen)?;
        // What only those nodes read is still of use to them.
        for name in found.iter().flat_map(|(_, node)| &node.inputs) {
            if let Some(constant) = graph.constants.get(name) {
                spelled.constants.entry(name.clone()).or_insert_with(|| constant.clone());
            }
        }
        originals.extend(found);
        graph = spelled;
    }
    Ok((graph, originals))
}
