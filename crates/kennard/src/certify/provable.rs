//! The graph that proofs are about.

use kennard_graph::{DType, Graph, Types, infer, operator_of};

use crate::{Classifier, Error, Mismatch, Result};

/// A product that stays in a graph where it rounds; classifiers have the same without rounding for gradients.
const ROUNDING: &str = "com.microsoft::MatMulNBits";

/// The graph from pixels to logits that proofs are about: the model as it was given, nothing simplified.
pub(super) fn provable(classifier: &Classifier) -> Result<Graph> {
    let refused = |why: &str| Err(Error::NotCertifiable { why: why.into() });
    if classifier.module().is_some() {
        return Err(Error::Mismatch(Mismatch::no_graph("to bound")).advise(" ({engine = export})"));
    }
    if classifier.front().is_some() {
        return refused("it takes inputs of another precision than float32; export it with a float32 input");
    }
    if classifier.levels().is_some() && classifier.preprocessing().normalize.is_some() {
        return refused(
            "it takes integers of samples that are normalised; export it with the normalisation inside",
        );
    }
    if let Some(node) = classifier.untouched().nodes.iter().find(|node| node.draws()) {
        return refused(&format!(
            "its node `{}` ({}) draws random numbers, so that it has no one answer",
            node.label(),
            node.op
        ));
    }
    // Proofs would be of real numbers in the place of its integers.
    if let Some(node) = classifier.untouched().nodes.iter().find(|node| node.op == ROUNDING) {
        return refused(&format!(
            "its node `{}` ({}) rounds what it multiplies to integers, which has no bounds",
            node.label(),
            operator_of(node)
        ));
    }
    let exact = |value: f64| f64::from(value as f32).to_bits() == value.to_bits();
    for (name, tensor) in &classifier.untouched().constants {
        let double = tensor.dtype() == DType::F64;
        if double && tensor.to_floats().is_some_and(|values| !values.into_iter().all(exact)) {
            return refused(&format!(
                "its weight `{name}` is in double precision, and would be rounded; export it in float32"
            ));
        }
    }
    match classifier.graph() {
        // A closing softmax changes no order of classes in real arithmetic, and is left out; what returns probabilities otherwise is bounded as it is.
        Some(graph) => Ok(graph.clone()),
        None => refused("it has no graph"),
    }
}

/// Whether the model as it is given computes in single precision throughout, and by operators that are bounded as they are: what proofs
/// are about has all floats in single precision, the operators of tables spelled out, sums of constants folded, and no closing softmax
/// or sigmoid, which single precision rounds to 1.
pub(super) fn is_single(classifier: &Classifier) -> bool {
    let given = classifier.untouched();
    let Ok(types) = infer(given) else { return false };
    if !classifier.returns_logits() || sums_constants(given, &types) {
        return false;
    }
    let other = |dtype: DType| dtype.is_float() && dtype != DType::F32;
    let made = given.nodes.iter().flat_map(|node| &node.outputs).filter_map(|name| types.get(name));
    let mut all = made.map(|ty| ty.dtype).chain(given.constants.values().map(|constant| constant.dtype()));
    !given.bfloat16 && !all.any(other) && !given.nodes.iter().any(|node| node.op.contains("::"))
}

/// Operators that move elements, or whose results are rounded once, as folding rounds them.
const ROUNDED_ONCE: &[&str] = &[
    "Abs",
    "Add",
    "Cast",
    "CastLike",
    "Ceil",
    "Clip",
    "Concat",
    "Constant",
    "ConstantOfShape",
    "DepthToSpace",
    "DequantizeLinear",
    "Div",
    "Equal",
    "Expand",
    "EyeLike",
    "Flatten",
    "Floor",
    "Gather",
    "Greater",
    "GreaterOrEqual",
    "Identity",
    "Less",
    "LessOrEqual",
    "Max",
    "Min",
    "Mul",
    "Neg",
    "Pad",
    "Relu",
    "Reshape",
    "Round",
    "Shape",
    "Sign",
    "Size",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Sqrt",
    "Squeeze",
    "Sub",
    "Tile",
    "Transpose",
    "Trilu",
    "Unsqueeze",
    "Where",
];

/// Whether floats that depend on constants alone are sums or functions of them, which a runtime computes in its own order and way.
fn sums_constants(graph: &Graph, types: &Types) -> bool {
    let mut graph = graph.clone();
    graph.prune();
    let dtype = |name: &String| match graph.constants.get(name) {
        Some(constant) => Some(constant.dtype()),
        None => types.get(name).map(|ty| ty.dtype),
    };
    let is_float = |name: &String| dtype(name).is_none_or(DType::is_float);
    let inputs = graph.inputs.iter().map(|input| input.name.as_str());
    let reached = graph.reached(inputs, |node| !node.asks_extents());
    graph.nodes.iter().filter(|node| !node.reads(&reached)).any(|node| {
        let mut all = node.inputs.iter().chain(&node.outputs).filter(|name| !name.is_empty());
        !ROUNDED_ONCE.contains(&node.op.as_str()) && all.any(is_float)
    })
}
