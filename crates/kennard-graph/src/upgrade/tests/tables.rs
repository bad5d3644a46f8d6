//! Operators of pipelines over tables.

use super::{case, constant, floats, ops};
use crate::{Builder, DType, Dim, Graph, Tensor, TensorType};

/// What pipelines return is of single precision, whatever goes in.
#[test]
fn whole_numbers_are_scaled_as_floats() {
    let scaler = |dtype| {
        let scaler = case("ai.onnx.ml::Scaler", 1).typed_input(&[-1, 2], dtype);
        scaler.set("offset", vec![0.5f32, 2.25]).set("scale", vec![0.25f32, 4.0]).graph()
    };
    for dtype in [DType::I64, DType::I32] {
        let graph = scaler(dtype);
        assert_eq!(ops(&graph), ["Cast", "Sub", "Mul", "Identity"]);
        assert_eq!(graph.nodes[0].int("to", 0), DType::F32.code());
        assert_eq!([1, 2].map(|i| constant(&graph, i, 1)), [floats(&[0.5, 2.25]), floats(&[0.25, 4.0])]);
    }
    assert_eq!(ops(&scaler(DType::F32)), ["Sub", "Mul", "Identity"]);
    // By hand: (3 − 0.5)·0.25 and (−2 − 2.25)·4.
    let mut whole = scaler(DType::I64);
    whole.inputs.clear();
    whole.constants.insert("x0".into(), ndarray::arr2(&[[3i64, -2]]).into_dyn().into());
    let folded = crate::fold(&whole).unwrap();
    let scaled: Tensor = ndarray::arr2(&[[0.625f32, -17.0]]).into_dyn().into();
    assert!(folded.constants.values().any(|tensor| *tensor == scaled), "{folded:?}");

    for op in ["Scaler", "Normalizer", "LinearClassifier"] {
        let classifier = op == "LinearClassifier";
        let case = case(&format!("ai.onnx.ml::{op}"), 1).typed_input(&[-1, 2], DType::F64);
        let case = match classifier {
            true => case.set("coefficients", vec![1.0f32; 4]).set("classlabels_ints", vec![0, 1]),
            false => case,
        };
        let graph = if classifier { case.outputs(&["label", "y"]).graph() } else { case.graph() };
        let types = crate::infer(&graph).unwrap();
        assert_eq!(types.get("y").unwrap().dtype, DType::F32, "{op}");
    }
}

#[test]
fn columns_of_tables() {
    let ml = |op: &str| case(&format!("ai.onnx.ml::{op}"), 1);
    let graph = ml("Imputer")
        .input(&[-1, 3])
        .set("imputed_value_floats", vec![1.0f32, 2.0, 3.0])
        .set("replaced_value_float", f32::NAN)
        .graph();
    assert_eq!(ops(&graph), ["IsNaN", "Where", "Identity"]);
    let graph = ml("Imputer")
        .typed_input(&[-1, 3], DType::I64)
        .set("imputed_value_int64s", vec![7])
        .set("replaced_value_int64", -1)
        .graph();
    assert_eq!(ops(&graph), ["Equal", "Where", "Identity"]);
    assert_eq!([constant(&graph, 0, 1), constant(&graph, 1, 1)], [-1, 7].map(|v| Tensor::ints(&[v])));

    let graph = ml("OneHotEncoder").input(&[-1, 2]).set("cats_int64s", vec![0, 4]).graph();
    assert_eq!(ops(&graph), ["Cast", "Unsqueeze", "Equal", "Cast", "Identity"]);
    let types = crate::infer(&graph).unwrap();
    assert_eq!(types.get("y").unwrap().shape.0, [Dim::BATCH, Dim::Known(2), Dim::Known(2)]);
    let twice = ml("OneHotEncoder").input(&[-1, 2]).set("cats_int64s", vec![4, 4]).graph();
    assert_eq!(ops(&twice), ["ai.onnx.ml::OneHotEncoder"]);

    let joined = |widths: Vec<i64>| {
        ml("FeatureVectorizer")
            .input(&[-1, 2])
            .typed_input(&[-1, 1], DType::I64)
            .set("inputdimensions", widths)
            .graph()
    };
    assert_eq!(ops(&joined(vec![2, 1])), ["Cast", "Concat", "Identity"]);
    assert_eq!(ops(&joined(vec![2, 3])), ["ai.onnx.ml::FeatureVectorizer"]);
    assert_eq!(ops(&ml("Binarizer").input(&[-1, 2]).graph()), ["Greater", "Cast", "Identity"]);

    let regressor = |transform: &str, answer: bool| {
        let case = ml("LinearRegressor").input(&[-1, 2]).set("coefficients", vec![1.0f32, 2.0]);
        let case = case.set("post_transform", transform);
        if answer { case.set(crate::upgrade::ANSWER, 1).graph() } else { case.graph() }
    };
    assert_eq!(ops(&regressor("NONE", false)), ["MatMul", "Identity"]);
    for graph in [regressor("LOGISTIC", false), regressor("NONE", true)] {
        assert_eq!(ops(&graph), ["ai.onnx.ml::LinearRegressor"]);
        assert!(!graph.nodes[0].attributes.contains_key(crate::upgrade::ANSWER));
    }
}

/// What compares tensors of unknown types is made a number all the same.
#[test]
fn unknown_types_count_as_single_precision() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(2)]));
    let unknown = x.apply("ai.onnx.ml::Binarizer");
    let hit = unknown.with("Equal", unknown.number(0.0)).cast_like(unknown);
    builder.output("y", unknown + hit);
    let cast = builder.finish().map(|graph| graph.nodes.iter().any(|node| node.op == "Cast"));
    assert!(cast.unwrap_or(true));
}
