//! Linear models of `ai.onnx.ml` and what goes with them, as converters of scikit-learn write them, in plain operators.
//! Whatever numbers go in, what comes out is of single precision.

use ndarray::{Array1, Array2};

use super::{ANSWER, UpgradeStep};
use crate::builder::Call;
use crate::machine::{classes, floats};
use crate::{Attribute, Builder, DType, Node, Result, Tensor, Var};

pub(super) const FORMS: &[(&str, UpgradeStep)] = &[
    ("ai.onnx.ml::ArrayFeatureExtractor", array_feature_extractor),
    ("ai.onnx.ml::LinearClassifier", linear_classifier),
    ("ai.onnx.ml::LinearRegressor", linear_regressor),
    ("ai.onnx.ml::Normalizer", normalizer),
    ("ai.onnx.ml::Scaler", scaler),
];

/// `scores = act(X·Wᵀ + b)`, and the label of the largest. With one row of weights for two classes the scores are that of
/// the second class and what it lacks to 1.
fn linear_classifier(node: Node, b: &Builder) -> Result<Option<Node>> {
    let c = Call { node: &node, builder: b };
    let weights = floats(&node, "coefficients");
    let biases = floats(&node, "intercepts");
    let (labels, classes) = classes(&node);
    let rows = if biases.is_empty() { classes } else { biases.len() };
    let fits =
        rows > 0 && weights.len().is_multiple_of(rows) && (rows == classes || (rows == 1 && classes == 2));
    let matrix = Array2::from_shape_vec((rows.max(1), weights.len() / rows.max(1)), weights);
    let (true, Ok(matrix)) = (fits, matrix) else {
        return Err(node.error(format!("it has {classes} classes, which its weights and biases do not fit")));
    };
    // As scikit-learn's converter writes two classes: the second row is the first with another sign.
    let opposite = rows == 2
        && matrix.row(0).iter().zip(matrix.row(1)).all(|(a, b)| *a == -b)
        && (biases.is_empty() || biases[0] == -biases[1]);
    let scores = affine(&c, &matrix, biases);
    let last = [("axis", Attribute::Int(1))];
    let transform = node.text("post_transform", "NONE");
    let scores = match (transform, rows == 1 && classes == 2) {
        ("NONE", false) => scores,
        ("SOFTMAX", false) => scores.apply_with("Softmax", &last),
        // So does ONNX Runtime, with or without a softmax.
        ("NONE" | "SOFTMAX", true) => (1.0 - scores).beside(scores),
        // σ(−z) and σ(z) as a softmax, which can be taken off.
        ("LOGISTIC", false) if opposite => (scores * 0.5).apply_with("Softmax", &last),
        ("LOGISTIC", false) => scores.apply("Sigmoid"),
        // As a softmax it can be taken off.
        ("LOGISTIC", true) => scores.zeros_like().beside(scores).apply_with("Softmax", &last),
        (other, _) => return Err(node.error(format!("its post_transform {other} cannot be spelled out"))),
    };
    if let Some(labels) = labels.filter(|_| !node.outputs[0].is_empty()) {
        label(&node, b, scores, &labels);
    }
    if let Some(output) = node.outputs.get(1).filter(|name| !name.is_empty()) {
        b.name(output, scores);
    }
    Ok(None)
}

/// `act(X·Wᵀ + b)`. One number that is all that the model returns stays a regressor's, and one that would be transformed too:
/// ONNX Runtime does not.
fn linear_regressor(mut node: Node, b: &Builder) -> Result<Option<Node>> {
    let is_answer = node.attributes.remove(ANSWER).is_some();
    let weights = floats(&node, "coefficients");
    let biases = floats(&node, "intercepts");
    let targets = usize::try_from(node.int("targets", 1)).unwrap_or(0);
    let transform = node.text("post_transform", "NONE");
    let is_spelled_out = match (transform, targets) {
        (_, 1) => transform == "NONE" && !is_answer,
        _ => ["NONE", "SOFTMAX", "LOGISTIC"].contains(&transform),
    };
    if !is_spelled_out {
        return Ok(Some(node));
    }
    let fits = targets > 0
        && !weights.is_empty()
        && weights.len().is_multiple_of(targets)
        && (biases.is_empty() || biases.len() == targets);
    let matrix = Array2::from_shape_vec((targets.max(1), weights.len() / targets.max(1)), weights);
    let (true, Ok(matrix)) = (fits, matrix) else {
        return Err(node.error(format!("it has {targets} targets, which its weights and biases do not fit")));
    };
    let scores = affine(&Call { node: &node, builder: b }, &matrix, biases);
    let scores = match transform {
        "SOFTMAX" => scores.apply_with("Softmax", &[("axis", Attribute::Int(1))]),
        "LOGISTIC" => scores.apply("Sigmoid"),
        _ => scores,
    };
    super::replace(&node, scores)
}

/// `X·Wᵀ + b`
fn affine<'b>(c: &Call<'_, 'b>, weights: &Array2<f32>, biases: Vec<f32>) -> Var<'b> {
    let columns = c.builder.constant(weights.t().as_standard_layout().to_owned().into_dyn().into());
    let products = c.x(0).cast(DType::F32).with("MatMul", columns);
    if biases.is_empty() {
        return products;
    }
    products + c.builder.constant(Array1::from(biases).into_dyn().into())
}

/// Makes the node's first output the label of the largest score.
fn label(node: &Node, b: &Builder, scores: Var, labels: &[i64]) {
    let best = scores.apply_with("ArgMax", &[("axis", 1.into()), ("keepdims", 0.into())]);
    b.name(&node.outputs[0], b.ints(labels).with("Gather", best));
}

/// The columns of a matrix at constant places.
fn array_feature_extractor(node: Node, b: &Builder) -> Result<Option<Node>> {
    let c = Call { node: &node, builder: b };
    let x = c.x(0);
    match c.x(1).as_ints() {
        Some(places) if x.shape().is_ok_and(|shape| shape.0.len() == 2) => {
            let columns = b.op("Gather", &[Some(x), Some(b.ints(&places))], &[("axis", Attribute::Int(1))]);
            super::replace(&node, columns)
        }
        _ => Ok(Some(node)),
    }
}

/// `x / ‖x‖`, or `x / max x`, along the features; where that is 0, `x`.
fn normalizer(node: Node, b: &Builder) -> Result<Option<Node>> {
    let x = Call { node: &node, builder: b }.x(0).cast(DType::F32);
    let norm = match node.text("norm", "MAX") {
        "L1" => x.reduce("ReduceL1", &[1], true),
        "L2" => x.reduce("ReduceL2", &[1], true),
        "MAX" => x.reduce("ReduceMax", &[1], true),
        other => return Err(node.error(format!("its norm {other} is not in the ONNX standard"))),
    };
    let origin = norm.with("Equal", norm.number(0.0)).cast_like(norm);
    super::replace(&node, x / (norm + origin))
}

/// `(x − offset)·scale`, per feature or for all.
fn scaler(node: Node, b: &Builder) -> Result<Option<Node>> {
    let x = Call { node: &node, builder: b }.x(0);
    // ONNX Runtime subtracts in double precision where the input has it.
    let x = if x.ty().is_ok_and(|ty| ty.dtype == DType::F64) { x } else { x.cast(DType::F32) };
    let vector = |name: &str, empty: f32| {
        let values = floats(&node, name);
        let values = if values.is_empty() { vec![empty] } else { values };
        b.constant(Tensor::from(Array1::from(values).into_dyn())).cast_like(x)
    };
    super::replace(&node, ((x - vector("offset", 0.0)) * vector("scale", 1.0)).cast(DType::F32))
}
