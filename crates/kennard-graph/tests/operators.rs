//! Shape inference and constant folding, operator by operator, against ONNX Runtime: the cases and what
//! they give are in `operators.json`, written by `references/operators.py`.

#[path = "rules/rten.rs"]
mod rten;

use std::collections::BTreeMap;

use kennard_graph::{
    Attribute, DType, Dim, Graph, Node, Shape, Tensor, TensorType, Value, fold, infer, simplify,
};
use serde_json::Value as Json;

/// What the cases call the element types.
fn dtype(name: &Json) -> DType {
    match name.as_str().unwrap() {
        "f32" => DType::F32,
        "f64" => DType::F64,
        "f16" => DType::F16,
        "i64" => DType::I64,
        "i32" => DType::I32,
        "i8" => DType::I8,
        "u8" => DType::U8,
        "i16" => DType::I16,
        "u16" => DType::U16,
        "bool" => DType::Bool,
        other => panic!("no type {other}"),
    }
}

/// Extents: numbers, or `"2N"` for twice the batch.
fn shape(dims: &Json) -> Shape {
    let dim = |d: &Json| match d.as_str().map(|text| text.trim_end_matches('N')) {
        None => Dim::Known(d.as_u64().unwrap() as usize),
        Some("") => Dim::Batch(1),
        Some(k) => Dim::Batch(k.parse().unwrap()),
    };
    Shape(dims.as_array().unwrap().iter().map(dim).collect())
}

fn tensor(value: &Json) -> Tensor {
    let dtype = dtype(&value["dtype"]);
    let dims: Vec<usize> = serde_json::from_value(value["shape"].clone()).unwrap();
    let data = value["data"].as_array().unwrap();
    let floats: Vec<f64> = data.iter().map(|v| v.as_f64().unwrap()).collect();
    let ints: Vec<i64> = data.iter().map(|v| v.as_i64().unwrap_or_default()).collect();
    macro_rules! array {
        ($elements:expr) => {
            ndarray::ArrayD::from_shape_vec(dims, $elements.collect()).unwrap().into()
        };
    }
    match dtype {
        DType::F32 => array!(floats.iter().map(|&v| v as f32)),
        DType::F64 => array!(floats.iter().copied()),
        DType::F16 => array!(floats.iter().map(|&v| half::f16::from_f64(v))),
        DType::I64 => array!(ints.iter().copied()),
        DType::I32 => array!(ints.iter().map(|&v| v as i32)),
        DType::I8 => array!(ints.iter().map(|&v| v as i8)),
        DType::U8 => array!(ints.iter().map(|&v| v as u8)),
        DType::I16 => array!(ints.iter().map(|&v| v as i16)),
        DType::U16 => array!(ints.iter().map(|&v| v as u16)),
        DType::Bool => array!(ints.iter().map(|&v| v != 0)),
    }
}

fn attribute(value: &Json) -> Attribute {
    match value {
        Json::Number(n) if n.is_i64() => Attribute::Int(n.as_i64().unwrap()),
        Json::Number(n) => Attribute::Float(n.as_f64().unwrap() as f32),
        Json::String(text) => Attribute::Text(text.clone()),
        Json::Array(_) => Attribute::Ints(serde_json::from_value(value.clone()).unwrap()),
        other => Attribute::Tensor(tensor(&other["tensor"])),
    }
}

/// The case's node with its inputs fed; with `constant` they are constants instead.
fn graph(case: &Json, constant: bool) -> Graph {
    let mut graph = Graph::default();
    let mut names = Vec::new();
    for (i, input) in case["inputs"].as_array().unwrap().iter().enumerate() {
        let name = if input.is_null() { String::new() } else { format!("x{i}") };
        names.push(name.clone());
        if input.is_null() {
            continue;
        }
        if input["shape"].is_null() || constant {
            graph.constants.insert(name, tensor(&input["value"]));
        } else {
            let ty = TensorType::new(dtype(&input["dtype"]), shape(&input["shape"]));
            graph.inputs.push(Value { name, ty });
        }
    }
    let attributes = case["attributes"].as_object().unwrap();
    graph.nodes.push(Node {
        name: case.to_string().chars().take(200).collect(),
        op: case["op"].as_str().unwrap().into(),
        inputs: names,
        outputs: (0..case["outputs"].as_array().unwrap().len()).map(|i| format!("y{i}")).collect(),
        attributes: attributes.iter().map(|(k, v)| (k.clone(), attribute(v))).collect::<BTreeMap<_, _>>(),
    });
    graph
}

fn cases() -> Vec<Json> {
    serde_json::from_str(include_str!("operators.json")).unwrap()
}

#[test]
fn inference_agrees_with_onnx_runtime() {
    for case in cases() {
        let graph = graph(&case, false);
        let types = infer(&graph).unwrap();
        for (i, output) in case["outputs"].as_array().unwrap().iter().enumerate() {
            let expected = (!output["shape"].is_null())
                .then(|| TensorType::new(dtype(&output["dtype"]), shape(&output["shape"])));
            assert_eq!(types.get(&format!("y{i}")), expected.as_ref(), "{}", graph.nodes[0].name);
        }
    }
}

/// Integers are equal, single precision within 2e-6 of the largest element, half within 1e-3.
#[test]
fn folding_agrees_with_onnx_runtime() {
    for case in cases() {
        let outputs = case["outputs"].as_array().unwrap();
        if case["fold"] != true {
            continue;
        }
        let mut graph = graph(&case, true);
        for (i, output) in outputs.iter().enumerate() {
            // Nodes that make an output stay, so what is looked at is read by one.
            let identity = Node {
                op: "Identity".into(),
                inputs: vec![format!("y{i}")],
                outputs: vec![format!("z{i}")],
                ..Node::default()
            };
            graph.nodes.push(identity);
            let ty = TensorType::new(dtype(&output["dtype"]), Shape::default());
            graph.outputs.push(Value { name: format!("z{i}"), ty });
        }
        let folded = fold(&graph).unwrap();
        assert_eq!(folded.nodes.len(), outputs.len(), "not folded: {}", graph.nodes[0].name);
        for (i, output) in outputs.iter().enumerate() {
            let (is, expected) = (&folded.constants[&format!("y{i}")], tensor(&output["value"]));
            assert_eq!(
                (is.dtype(), is.shape()),
                (expected.dtype(), expected.shape()),
                "{}",
                graph.nodes[0].name
            );
            let Some(floats) = expected.to_floats() else {
                assert_eq!(*is, expected, "{}", graph.nodes[0].name);
                continue;
            };
            let scale = floats.iter().fold(1.0, |m: f64, v| m.max(v.abs()));
            let tolerance = if expected.dtype() == DType::F16 { 1e-3 } else { 2e-6 };
            for (a, b) in is.to_floats().unwrap().iter().zip(&floats) {
                assert!((a - b).abs() <= tolerance * scale, "{a} is not {b}: {}", graph.nodes[0].name);
            }
        }
    }
}

/// rten reads the windows of convolutions and pools as ONNX Runtime does once they are written out.
#[test]
fn explicit_windows_agree_with_onnx_runtime() {
    for case in cases() {
        if case["run"] != true {
            continue;
        }
        let mut graph = graph(&case, false);
        let output = &case["outputs"][0];
        let ty = TensorType::new(dtype(&output["dtype"]), shape(&output["shape"]));
        graph.outputs.push(Value { name: "y0".into(), ty });
        let name = &graph.nodes[0].name;
        let values: BTreeMap<String, Tensor> = case["inputs"]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
            .map(|(i, input)| (format!("x{i}"), tensor(&input["value"])))
            .collect();
        // Weights are constants, as in a model.
        let mut graph = graph.with_batch(2);
        for value in graph.inputs.split_off(1) {
            graph.constants.insert(value.name.clone(), values[&value.name].clone());
        }
        let is = rten::Runner::new(&simplify(&graph).unwrap()).and_then(|r| r.run(&values)).unwrap();
        let expected = tensor(&output["value"]);
        assert_eq!(is["y0"].shape(), expected.shape(), "{name}");
        for (a, b) in is["y0"].iter().zip(expected.to_floats().unwrap()) {
            assert!((f64::from(*a) - b).abs() < 1e-4, "{a} is not {b}: {name}");
        }
    }
}
