//! Operators that rten's own kernels will not do, spelled out in basic ones.

use kennard_graph::{DType, Graph, GraphError, Node, Types, define, infer};

use super::{NAME, is_foreign, refused};
use crate::{Result, RuntimeError};

/// Whether a node is spelled out in basic operators, as rten's own kernel will not do.
fn spelled_out(node: &Node, types: &Types) -> bool {
    let over_volumes = || {
        let x = node.input(0).and_then(|name| types.get(name));
        x.is_some_and(|ty| ty.shape.rank() == 5)
    };
    let of_integers = || {
        let x = node.input(0).and_then(|name| types.get(name));
        x.is_some_and(|ty| !ty.dtype.is_float())
    };
    let of_16_bits = || {
        let x = node.input(0).and_then(|name| types.get(name));
        x.is_some_and(|ty| matches!(ty.dtype, DType::I16 | DType::U16))
    };
    match node.op.as_str() {
        "DequantizeLinear" => of_16_bits(),
        // There is none.
        "AffineGrid"
        | "Celu"
        | "Col2Im"
        | "DFT"
        | "GroupNormalization"
        | "Hardmax"
        | "LRN"
        | "MeanVarianceNormalization"
        | "Mish"
        | "Selu"
        | "STFT"
        | "Shrink"
        | "SpaceToDepth"
        | "ThresholdedRelu" => true,
        // It has them over two axes only, pools without gaps.
        "Conv" | "ConvTranspose" => over_volumes(),
        "MaxPool" if of_integers() => true,
        "AveragePool" | "MaxPool" => {
            over_volumes() || node.ints("dilations").is_some_and(|gaps| gaps.iter().any(|&gap| gap != 1))
        }
        // It has the usual forms only, and no plain ones.
        "RNN" => true,
        "LSTM" | "GRU" => {
            let unusual = ["activations", "clip", "input_forget"];
            node.op == "GRU" && node.int("linear_before_reset", 0) == 0
                || unusual.iter().any(|name| node.attributes.contains_key(*name))
                || [4, 7].iter().any(|&i| node.input(i).is_some())
        }
        // It pads with another number than the zero point, rounds otherwise, or may saturate.
        "ConvInteger" | "DynamicQuantizeLinear" | "MatMulInteger" | "QLinearConv" | "QLinearMatMul" => true,
        // It takes the last of equal elements, rounds otherwise, says that the sign of 0 is 1, overflows.
        "ArgMax" | "ArgMin" | "QuantizeLinear" | "Sign" | "Softplus" => true,
        // It knows the usual attributes, types and ranks only.
        "GridSample" | "IsInf" | "OneHot" | "Pow" => true,
        "Pad" => node.input(3).is_some(),
        // To truth values it rounds.
        "Cast" => node.int("to", 0) == DType::Bool.code(),
        "BatchNormalization" => node.int("training_mode", 0) != 0,
        "Resize" => !plain_resize(node),
        _ => false,
    }
}

/// The graph with what rten's own kernels will not do in basic operators. Integers of 16 bits, which it does not know, have 32.
pub(super) fn plain(graph: &Graph) -> Result<Graph> {
    let graph = &define(graph, is_foreign)?;
    graph.nodes.iter().try_for_each(check_domain)?;
    let images_of_columns = graph.nodes.iter().any(|node| node.op == "Col2Im");
    let mut graph = in_basic_operators(graph)?;
    if images_of_columns {
        // They are spelled out with `ConvTranspose`, which may be one over volumes.
        graph = in_basic_operators(&graph)?;
    }
    let narrow = [DType::I16, DType::U16];
    for tensor in graph.constants.values_mut().filter(|tensor| narrow.contains(&tensor.dtype())) {
        *tensor = tensor.to_i32();
    }
    for node in graph.nodes.iter_mut().filter(|node| node.op == "Cast") {
        if narrow.iter().any(|dtype| node.int("to", 0) == dtype.code()) {
            node.attributes.insert("to".into(), DType::I32.code().into());
        }
    }
    Ok(graph)
}

fn in_basic_operators(graph: &Graph) -> Result<Graph> {
    let types = infer(graph)?;
    define(graph, |node| spelled_out(node, &types)).map_err(|error| match error {
        GraphError::NoRule { node, op } => refused(format!(
            "node `{node}` ({op}): the shape of its result is not known, and what follows is to be spelled out"
        )),
        error => error.into(),
    })
}

/// Refuses operators of other domains than the standard's: none is built in.
fn check_domain(node: &Node) -> Result<()> {
    let Some((domain, name)) = node.op.rsplit_once("::") else { return Ok(()) };
    let (op, label) = (node.op.clone(), node.label().to_string());
    Err(match domain {
        "ai.onnx.ml" | "com.microsoft" => {
            let attacks = if name.starts_with("TreeEnsemble") {
                "square and leaves"
            } else {
                "square and hop-skip-jump"
            };
            RuntimeError::NoOperator { runtime: NAME, op, node: label, attacks }
        }
        _ => refused(format!("it has no operator {op} (node `{label}`)")),
    })
}

/// Whether rten computes this `Resize`. For `cubic` it would silently compute `linear`.
pub fn plain_resize(node: &Node) -> bool {
    let coordinates = node.text("coordinate_transformation_mode", "half_pixel");
    matches!(node.text("mode", "nearest"), "nearest" | "linear")
        && matches!(coordinates, "half_pixel" | "pytorch_half_pixel" | "align_corners" | "asymmetric")
        && node.int("antialias", 0) == 0
        && node.ints("axes").is_none()
        && node.text("keep_aspect_ratio_policy", "stretch") == "stretch"
}
