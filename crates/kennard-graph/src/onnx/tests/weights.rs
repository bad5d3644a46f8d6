//! Weights, constants and attributes.

use super::*;
use crate::{Attribute, DType, Tensor};

#[test]
fn weights_in_every_form() {
    let held = |weight: TensorProto| read(&with_weight(weight)).map(|g| g.constants["w"].clone());
    let doubles =
        |t: Tensor| t.to_floats().or_else(|| t.to_ints().map(|v| v.iter().map(|&i| i as f64).collect()));
    let w = |data_type| tensor("w", data_type, &[3]);
    let raw = |t: TensorProto, bytes: Vec<u8>| TensorProto { raw_data: Some(bytes.into()), ..t };
    let words = |v: [u16; 3]| v.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();

    // 1, −2, 0.5 as single, double, half, bfloat16
    let floats = [
        (TensorProto { float_data: vec![1.0, -2.0, 0.5], ..w(1) }, DType::F32),
        (raw(w(1), [1f32, -2.0, 0.5].iter().flat_map(|v| v.to_le_bytes()).collect()), DType::F32),
        (TensorProto { double_data: vec![1.0, -2.0, 0.5], ..w(11) }, DType::F64),
        (raw(w(11), [1f64, -2.0, 0.5].iter().flat_map(|v| v.to_le_bytes()).collect()), DType::F64),
        (TensorProto { int32_data: vec![0x3c00, 0xc000, 0x3800], ..w(10) }, DType::F16),
        (raw(w(10), words([0x3c00, 0xc000, 0x3800])), DType::F16),
        (TensorProto { int32_data: vec![0x3f80, 0xc000, 0x3f00], ..w(16) }, DType::F32),
        (raw(w(16), words([0x3f80, 0xc000, 0x3f00])), DType::F32),
    ];
    for (proto, dtype) in floats {
        let mut m = with_weight(proto);
        m.graph.as_mut().unwrap().input[0] = value("x", dtype.code() as i32, &["batch", "3"]);
        let tensor = read(&m).unwrap().constants["w"].clone();
        assert_eq!((tensor.dtype(), doubles(tensor)), (dtype, Some(vec![1.0, -2.0, 0.5])));
    }
    // 1, 0, 255 or 1, 0, −1 as integers
    let integers = [
        (TensorProto { int32_data: vec![1, 0, 255], ..w(2) }, DType::U8, 255.0),
        (raw(w(2), vec![1, 0, 255]), DType::U8, 255.0),
        (TensorProto { int32_data: vec![1, 0, -1], ..w(3) }, DType::I8, -1.0),
        (raw(w(3), vec![1, 0, 255]), DType::I8, -1.0),
        (TensorProto { int32_data: vec![1, 0, 255], ..w(4) }, DType::U16, 255.0),
        (raw(w(5), words([1, 0, 0xffff])), DType::I16, -1.0),
        (TensorProto { int32_data: vec![1, 0, -1], ..w(6) }, DType::I32, -1.0),
        (TensorProto { int64_data: vec![1, 0, -1], ..w(7) }, DType::I64, -1.0),
        (TensorProto { int32_data: vec![1, 0, 1], ..w(9) }, DType::Bool, 1.0),
        (raw(w(9), vec![1, 0, 7]), DType::Bool, 1.0),
        (TensorProto { uint64_data: vec![1, 0, 255], ..w(12) }, DType::I64, 255.0),
        (TensorProto { uint64_data: vec![1, 0, 255], ..w(13) }, DType::I64, 255.0),
    ];
    for (proto, dtype, last) in integers {
        let mut m = model(vec![node("Identity", &["w"], &["y"])]);
        m.graph.as_mut().unwrap().initializer.push(proto);
        let tensor = read(&m).unwrap().constants["w"].clone();
        assert_eq!((tensor.dtype(), doubles(tensor)), (dtype, Some(vec![1.0, 0.0, last])));
    }

    let message = |proto| held(proto).unwrap_err().to_string();
    assert!(message(TensorProto { int32_data: vec![1, 0, 256], ..w(2) }).contains("`w` holds 256"));
    assert!(
        message(TensorProto { uint64_data: vec![u64::MAX; 3], ..w(13) }).contains("18446744073709551615")
    );
    assert!(message(TensorProto { float_data: vec![1.0; 2], ..w(1) }).contains("2 elements"));
    assert!(message(raw(w(1), vec![0; 11])).contains("11 bytes"));
    assert!(message(TensorProto { dims: vec![1 << 39], ..w(1) }).contains("elements of data"));
    assert!(message(TensorProto { dims: vec![i64::MAX, i64::MAX], ..w(1) }).contains("impossible shape"));
    assert!(message(TensorProto { dims: vec![-1], ..w(1) }).contains("impossible shape"));
    assert!(message(TensorProto { dims: vec![1; 65], ..w(1) }).contains("65 axes"));
    assert!(message(TensorProto { dims: vec![i64::MAX, 0, i64::MAX], ..w(1) }).contains("impossible shape"));
    assert!(message(w(8)).contains("string"));
    assert!(message(w(17)).contains("8-bit float"));
    assert!(message(w(99)).contains("type number 99"));
    let mut m = model(vec![node("Identity", &["w"], &["y"])]);
    weights_of(&mut m).push(TensorProto { dims: vec![0, 3], ..w(1) });
    assert_eq!(read(&m).unwrap().constants["w"].shape(), [0, 3]);
}

#[test]
fn weights_that_are_inputs_too() {
    let mut m = with_weight(TensorProto { float_data: vec![1.0; 3], ..tensor("w", 1, &[3]) });
    m.graph.as_mut().unwrap().input.push(value("w", 1, &["3"]));
    let graph = read(&m).unwrap();
    assert_eq!(graph.inputs.len(), 1);
    assert!(graph.constants.contains_key("w"));
    let weights = &mut m.graph.as_mut().unwrap().initializer;
    weights.push(weights[0].clone());
    assert!(error(&m).contains("two tensors `w`"));
    // What nobody reads need not be readable.
    weights_of(&mut m).truncate(1);
    weights_of(&mut m).push(tensor("labels", 8, &[2]));
    assert!(read(&m).is_ok());
    m.graph.as_mut().unwrap().sparse_initializer.push(SparseTensorProto::default());
    assert!(error(&m).contains("sparse"));
}

#[test]
fn constant_nodes_are_constants() {
    let forms = [
        (
            AttributeProto { f: Some(2.5), ..attribute("value_float", ATTRIBUTE_FLOAT) },
            Tensor::scalar(2.5, DType::F32),
        ),
        (
            AttributeProto { i: Some(7), ..attribute("value_int", ATTRIBUTE_INT) },
            Tensor::scalar(7.0, DType::I64),
        ),
        (
            AttributeProto { ints: vec![1, 2], ..attribute("value_ints", ATTRIBUTE_INTS) },
            Tensor::ints(&[1, 2]),
        ),
        (
            AttributeProto { floats: vec![0.5; 3], ..attribute("value_floats", ATTRIBUTE_FLOATS) },
            Tensor::full(&[3], 0.5, DType::F32),
        ),
        (
            AttributeProto {
                t: Some(TensorProto { double_data: vec![4.0], ..tensor("", 11, &[]) }),
                ..attribute("value", ATTRIBUTE_TENSOR)
            },
            Tensor::scalar(4.0, DType::F64),
        ),
    ];
    for (form, expected) in forms {
        let constant = NodeProto { attribute: vec![form], ..node("Constant", &[], &["c"]) };
        let graph = read(&model(vec![constant, node("Identity", &["c"], &["y"])])).unwrap();
        assert_eq!((ops(&graph), &graph.constants["c"]), (vec!["Identity"], &expected));
    }
    let text = AttributeProto { s: Some("a".into()), ..attribute("value_string", ATTRIBUTE_STRING) };
    let constant = NodeProto { attribute: vec![text], ..node("Constant", &[], &["c"]) };
    assert!(error(&model(vec![constant, node("Identity", &["c"], &["y"])])).contains("node `c` (Constant)"));
}

#[test]
fn attributes_of_every_kind_survive() {
    let mut graph =
        read(&model(vec![NodeProto { domain: some("own"), ..node("Op", &["x"], &["y"]) }])).unwrap();
    graph.nodes[0].attributes = [
        ("int", Attribute::Int(0)),
        ("float", Attribute::Float(-0.5)),
        ("text", "grüße".into()),
        ("tensor", Tensor::full(&[2, 1], 3.0, DType::F16).into()),
        ("ints", vec![i64::MIN, 0, i64::MAX].into()),
        ("floats", vec![f32::INFINITY].into()),
        ("texts", Attribute::Texts(vec!["a".into(), "".into()])),
        ("none", Attribute::Ints(vec![])),
    ]
    .map(|(name, value)| (name.to_string(), value))
    .into();
    graph.name = "attributes".into();
    assert_eq!(Graph::from_bytes(&graph.to_bytes()).unwrap(), graph);
}

#[test]
fn attributes_that_are_not_supported() {
    let with = |a: AttributeProto| {
        error(&model(vec![NodeProto { attribute: vec![a], ..node("Opaque", &["x"], &["y"]) }]))
    };
    let graph = AttributeProto { g: Some(GraphProto::default()), ..attribute("body", ATTRIBUTE_GRAPH) };
    assert!(with(graph).contains("loops"));
    assert!(with(attribute("odd", 11)).contains("`odd`"));
    assert!(
        with(AttributeProto { s: Some(vec![0xff].into()), ..attribute("odd", ATTRIBUTE_STRING) })
            .contains("UTF-8")
    );
    assert!(with(attribute("odd", ATTRIBUTE_TENSOR)).contains("no value"));
    // The oldest files leave the kind out.
    let kindless = AttributeProto { name: some("axis"), i: Some(1), ..AttributeProto::default() };
    let softmax = NodeProto { attribute: vec![kindless], ..node("Softmax", &["x"], &["y"]) };
    assert_eq!(read(&model(vec![softmax])).unwrap().nodes[0].int("axis", 0), 1);
}

/// Rounding to bfloat16 is not done here, so that whoever asks for the model's own figures must be told.
#[test]
fn a_model_that_rounds_to_bfloat16_says_so() {
    let cast = |to: i64| {
        let to = AttributeProto { i: Some(to), ..attribute("to", ATTRIBUTE_INT) };
        let rounded = NodeProto { attribute: vec![to], ..node("Cast", &["x"], &["h"]) };
        let back = AttributeProto { i: Some(1), ..attribute("to", ATTRIBUTE_INT) };
        let back = NodeProto { attribute: vec![back], ..node("Cast", &["h"], &["y"]) };
        read(&model(vec![rounded, back])).unwrap().bfloat16
    };
    assert_eq!([16, 10, 11].map(cast), [true, false, false]);
    // A weight may be kept in it and widened before it is used.
    let with_weight = |nodes| {
        let mut model = model(nodes);
        let weight = TensorProto { int32_data: vec![0x3f80, 0xc000, 0x3f00], ..tensor("w", 16, &[3]) };
        model.graph.as_mut().unwrap().initializer.push(weight);
        read(&model).unwrap().bfloat16
    };
    let widened = AttributeProto { i: Some(1), ..attribute("to", ATTRIBUTE_INT) };
    let widened = NodeProto { attribute: vec![widened], ..node("Cast", &["w"], &["h"]) };
    assert!(!with_weight(vec![widened, node("Add", &["x", "h"], &["y"])]));
    assert!(with_weight(vec![node("CastLike", &["x", "w"], &["h"]), node("CastLike", &["h", "x"], &["y"])]));
}

/// Two to a byte, the lower half first; where their type may count they are refused.
#[test]
fn integers_of_4_bits() {
    let given = |data_type, dequantised: &str| {
        let mut model = model(vec![node(dequantised, &["w", "s"], &["d"]), node("Add", &["x", "d"], &["y"])]);
        let packed = TensorProto { raw_data: Some(vec![0x8f, 0x07].into()), ..tensor("w", data_type, &[3]) };
        let scale = TensorProto { float_data: vec![0.5], ..tensor("s", 1, &[]) };
        model.graph.as_mut().unwrap().initializer.extend([packed, scale]);
        read(&model)
    };
    for (data_type, dtype, values) in [(22, DType::I8, [-1, -8, 7]), (21, DType::U8, [15, 8, 7])] {
        let graph = given(data_type, "DequantizeLinear").unwrap();
        assert_eq!(graph.constants["w"].dtype(), dtype);
        assert_eq!(graph.constants["w"].to_ints().unwrap(), values);
        let message = given(data_type, "Mul").unwrap_err().to_string();
        assert!(message.contains("4 bits") && message.contains("Mul"), "{message}");
    }
}
