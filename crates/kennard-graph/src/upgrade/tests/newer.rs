//! Operators of newer sets, and of quantised models.

use super::{case, constant, floats, ops};
use crate::upgrade::NEWEST;
use crate::{DType, Dim, Tensor};

#[test]
fn what_came_later() {
    let graph = case("Swish", 24).input(&[-1, 3]).set("alpha", 2.0).graph();
    assert_eq!(ops(&graph), ["Mul", "Sigmoid", "Mul", "Identity"]);
    assert_eq!(constant(&graph, 0, 1).item(), Some(2.0));
    let graph = case("SwiGLU", 28).input(&[-1, 3]).input(&[-1, 3]).graph();
    assert_eq!(ops(&graph), ["Mul", "Sigmoid", "Mul", "Mul", "Identity"]);

    let rms = |dtype| case("RMSNormalization", 23).typed_input(&[-1, 3, 4], dtype).typed_input(&[4], dtype);
    let graph = rms(DType::F32).set("axis", -2).graph();
    assert_eq!(ops(&graph), ["Mul", "ReduceMean", "Add", "Sqrt", "Div", "Mul", "Identity"]);
    assert_eq!(constant(&graph, 1, 1), Tensor::ints(&[1, 2]));
    let graph = rms(DType::F16).graph();
    assert_eq!(ops(&graph), ["Cast", "Mul", "ReduceMean", "Add", "Sqrt", "Div", "Cast", "Mul", "Identity"]);

    let graph = case("SpaceToDepth", 28).input(&[-1, 2, 4, 6]).set("blocksize", 2).set("mode", "CRD").graph();
    assert_eq!(ops(&graph), ["Reshape", "Transpose", "Reshape", "Identity"]);
    assert_eq!(constant(&graph, 0, 1), Tensor::ints(&[-1, 2, 2, 2, 3, 2]));
    assert_eq!(constant(&graph, 2, 1), Tensor::ints(&[-1, 8, 2, 3]));

    assert!(case("TensorScatter", 24).input(&[2, 2]).error().contains("opset 21"));
    assert!(case("Cos", NEWEST).input(&[2]).run().is_ok());
}

#[test]
fn quantized_tensors_are_of_8_or_16_bits() {
    let scale = || floats(&[0.5]);
    let zero = |dtype| Tensor::full(&[1], 0.0, dtype);
    let graph = case("QuantizeLinear", 13).input(&[4]).constant(scale()).constant(zero(DType::U8)).graph();
    assert_eq!(ops(&graph), ["QuantizeLinear"]);
    for wide in [DType::I16, DType::U16] {
        let graph = case("QuantizeLinear", 21).input(&[4]).constant(scale()).constant(zero(wide)).graph();
        assert_eq!(ops(&graph), ["QuantizeLinear"]);
    }
    assert!(
        case("QuantizeLinear", 21)
            .input(&[4])
            .constant(scale())
            .constant(zero(DType::I64))
            .error()
            .contains("8 or 16 bits")
    );
    assert!(
        case("QuantizeLinear", 21)
            .input(&[4])
            .constant(scale())
            .set("output_dtype", 22)
            .error()
            .contains("8 or 16 bits")
    );
    assert!(
        case("DequantizeLinear", 21)
            .typed_input(&[4], DType::I64)
            .constant(scale())
            .error()
            .contains("8 or 16 bits")
    );
    // The division is done in the scale's type.
    let graph = case("QuantizeLinear", 23).typed_input(&[4], DType::F16).constant(scale()).graph();
    assert_eq!(ops(&graph), ["Cast", "QuantizeLinear"]);
    assert_eq!(graph.nodes[0].int("to", 0), DType::F32.code());
    let graph = case("DequantizeLinear", 23)
        .typed_input(&[4], DType::I8)
        .constant(scale())
        .set("output_dtype", 10)
        .graph();
    assert_eq!(ops(&graph), ["DequantizeLinear", "Cast"]);
    assert_eq!((graph.nodes[1].int("to", 0), graph.nodes[1].outputs[0].as_str()), (DType::F16.code(), "y"));
}

#[test]
fn attention_in_basic_operators() {
    let attention = |dims: &[i64]| (0..3).fold(case("Attention", 23), |case, _| case.input(dims));
    let graph = attention(&[-1, 2, 5, 4]).graph();
    assert_eq!(ops(&graph), ["Mul", "Mul", "Transpose", "MatMul", "Softmax", "MatMul", "Identity"]);
    // √(1 / √4) on either side
    assert_eq!(constant(&graph, 0, 1).item(), Some(f64::from(0.5f32.sqrt())));
    let graph =
        attention(&[-1, 5, 8]).set("q_num_heads", 2).set("kv_num_heads", 2).set("is_causal", 1).graph();
    assert_eq!(ops(&graph).iter().filter(|op| **op == "Range").count(), 1, "one range for queries and keys");
    assert_eq!(
        crate::infer(&graph).unwrap().get("y").unwrap().shape,
        crate::infer(&graph).unwrap().get("x0").unwrap().shape
    );
    // Two heads of queries share one of keys.
    let shared = case("Attention", 24).input(&[-1, 5, 8]).input(&[-1, 3, 4]).input(&[-1, 3, 6]);
    let graph = shared.set("q_num_heads", 2).set("kv_num_heads", 1).graph();
    let types = crate::infer(&graph).unwrap();
    assert_eq!(types.get("y").unwrap().shape.0, [Dim::BATCH, Dim::Known(5), Dim::Known(12)]);

    assert!(attention(&[-1, 5, 8]).error().contains("q_num_heads"));
    assert!(attention(&[-1, 2, 5, 4]).input(&[2]).input(&[-1, 2, 5, 4]).error().contains("caches"));
    assert!(attention(&[-1, 2, 5, 4]).set("left_window_size", 1).error().contains("windows"));
}
