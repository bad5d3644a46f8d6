//! Models made by hand, message by message.

mod ends;
mod files;
mod inline;
mod labels;
mod mutants;
mod refused;
mod weights;

use prost::Message;

use super::proto::*;
use crate::{Dim, Graph, Result, Shape};

fn some(text: &str) -> Option<String> {
    Some(text.into())
}

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|t| t.to_string()).collect()
}

/// A value's type; a text is the name of an extent.
fn value(name: &str, elem_type: i32, dims: &[&str]) -> ValueInfoProto {
    let dimension = |d: &&str| DimensionProto {
        extent: Some(d.parse().map_or_else(|_| Extent::Param(d.to_string()), Extent::Value)),
    };
    let shape = Some(TensorShapeProto { dim: dims.iter().map(dimension).collect() });
    let tensor_type = Some(TensorTypeProto { elem_type: Some(elem_type), shape });
    ValueInfoProto { name: some(name), r#type: Some(TypeProto { tensor_type }) }
}

fn node(op: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto { op_type: some(op), input: strings(inputs), output: strings(outputs), ..NodeProto::default() }
}

fn tensor(name: &str, data_type: i32, dims: &[i64]) -> TensorProto {
    TensorProto {
        name: some(name),
        data_type: Some(data_type),
        dims: dims.to_vec(),
        ..TensorProto::default()
    }
}

fn attribute(name: &str, r#type: i32) -> AttributeProto {
    AttributeProto { name: some(name), r#type: Some(r#type), ..AttributeProto::default() }
}

fn opset(version: i64) -> Vec<OperatorSetIdProto> {
    vec![OperatorSetIdProto { domain: some(""), version: Some(version) }]
}

/// `x [N, 3] → nodes → y [N, 3]`
fn model(nodes: Vec<NodeProto>) -> ModelProto {
    ModelProto {
        ir_version: Some(8),
        opset_import: opset(17),
        graph: Some(GraphProto {
            node: nodes,
            input: vec![value("x", 1, &["batch", "3"])],
            output: vec![value("y", 1, &["batch", "3"])],
            ..GraphProto::default()
        }),
        ..ModelProto::default()
    }
}

fn read(model: &ModelProto) -> Result<Graph> {
    Graph::from_bytes(&model.encode_to_vec())
}

fn error(model: &ModelProto) -> String {
    read(model).unwrap_err().to_string()
}

/// The graph of a model that adds one weight to its input.
fn with_weight(weight: TensorProto) -> ModelProto {
    let name = weight.name.clone().unwrap();
    let mut model = model(vec![node("Add", &["x", &name], &["y"])]);
    model.graph.as_mut().unwrap().initializer.push(weight);
    model
}

fn ops(graph: &Graph) -> Vec<&str> {
    graph.nodes.iter().map(|n| n.op.as_str()).collect()
}

#[test]
fn no_model() {
    for bytes in [&b""[..], b"hello", b"\x08\x08", &[0xff; 40]] {
        assert!(matches!(Graph::from_bytes(bytes), Err(crate::GraphError::Format(_))));
    }
    let missing = Graph::load("no such file.onnx").unwrap_err().to_string();
    assert!(missing.starts_with("no such file.onnx: cannot be read"), "{missing}");
}

#[test]
fn operator_sets() {
    let mut old = model(vec![node("Relu", &["x"], &["y"])]);
    for version in [1, 6, 29, i64::MAX] {
        old.opset_import = opset(version);
        assert!(error(&old).contains("opset_version"), "{version}");
    }
    old.opset_import.clear();
    assert!(error(&old).contains("does not say"));
    old.opset_import = vec![OperatorSetIdProto { domain: some("ai.onnx"), version: Some(13) }];
    assert!(read(&old).is_ok());
}

#[test]
fn the_first_axis_is_the_batch() {
    let mut m = model(vec![node("Relu", &["x"], &["y"])]);
    let graph = read(&m).unwrap();
    assert_eq!(graph.inputs[0].ty.shape.0, [Dim::BATCH, Dim::Known(3)]);
    assert_eq!(graph.outputs[0].ty, graph.inputs[0].ty);

    let input = |m: &mut ModelProto, v| m.graph.as_mut().unwrap().input[0] = v;
    let mut nameless = value("x", 1, &["1", "3"]);
    nameless.r#type.as_mut().unwrap().tensor_type.as_mut().unwrap().shape.as_mut().unwrap().dim[0].extent =
        None;
    for first in [nameless, value("x", 1, &["-1", "3"]), value("x", 1, &["", "3"])] {
        input(&mut m, first);
        assert_eq!(read(&m).unwrap().inputs[0].ty.shape.0[0], Dim::BATCH);
    }
    input(&mut m, value("x", 1, &["5", "3"]));
    assert_eq!(read(&m).unwrap().outputs[0].ty.shape.0, [Dim::Known(5), Dim::Known(3)]);
    input(&mut m, value("x", 1, &["n", "width"]));
    let message = error(&m);
    assert!(message.contains("the input `x` [n, width] has extents that are not fixed"), "{message}");
    // One name for two axes says nothing of the second.
    input(&mut m, value("x", 1, &["n", "n"]));
    assert!(error(&m).contains("`x` [n, n]"));
    input(&mut m, ValueInfoProto { name: some("x"), r#type: None });
    assert!(error(&m).contains("no tensor"));
    input(&mut m, value("x", 8, &["n", "3"]));
    assert!(error(&m).contains("string"));
    input(&mut m, value("x", 1, &["n", "4611686018427387904", "4"]));
    assert!(error(&m).contains("impossible shape"));
    input(&mut m, value("x", 1, &["1"; 65]));
    assert!(error(&m).contains("impossible shape"));
}

#[test]
fn multiples_of_the_batch_survive() {
    let mut graph = read(&model(vec![node("Relu", &["x"], &["y"])])).unwrap();
    graph.inputs[0].ty.shape.0 = vec![Dim::Batch(2), Dim::BATCH];
    graph.outputs[0].ty = graph.inputs[0].ty.clone();
    graph.name = "twice".into();
    assert_eq!(Graph::from_bytes(&graph.to_bytes()).unwrap(), graph);
}

#[test]
fn outputs_that_cannot_be_inferred_keep_their_type() {
    let mut m = model(vec![NodeProto { domain: some("own"), ..node("Mystery", &["x"], &["y"]) }]);
    let graph = read(&m).unwrap();
    assert_eq!(graph.nodes[0].op, "own::Mystery");
    assert_eq!(graph.outputs[0].ty.shape.0, [Dim::BATCH, Dim::Known(3)]);
    m.graph.as_mut().unwrap().output[0] = value("y", 1, &["other", "3"]);
    assert!(error(&m).contains("`y`"));
    let file = ModelProto::decode(&graph.to_bytes()[..]).unwrap();
    assert_eq!(file.opset_import.len(), 2);
    assert_eq!(file.graph.unwrap().node[0].domain.as_deref(), Some("own"));
}

#[test]
fn nodes_are_sorted_and_unused_ones_dropped() {
    let graph = read(&model(vec![
        node("Exp", &["b"], &["y"]),
        node("Bad", &["nothing"], &["unused"]),
        node("Neg", &["a"], &["b"]),
        node("Relu", &["x"], &["a"]),
    ]));
    assert_eq!(ops(&graph.unwrap()), ["Relu", "Neg", "Exp"]);
}

#[test]
fn broken_connections() {
    let relu = || node("Relu", &["x"], &["y"]);
    let circle = vec![node("Add", &["x", "y"], &["a"]), node("Relu", &["a"], &["y"])];
    assert!(error(&model(circle)).contains("circle"));
    assert!(error(&model(vec![node("Relu", &["y"], &["y"])])).contains("circle"));
    assert!(error(&model(vec![relu(), relu()])).contains("two nodes make the tensor `y`"));
    assert!(error(&model(vec![node("Relu", &["z"], &["y"])])).contains("`z`, which nothing makes"));
    assert!(error(&model(vec![])).contains("no node makes the output `y`"));
    assert!(error(&model(vec![node("Relu", &["x"], &["x"]), relu()])).contains("circle"));
    let mut twice = model(vec![node("Split", &["x"], &["y", "x2"])]);
    twice.graph.as_mut().unwrap().input.push(value("x2", 1, &["3"]));
    assert!(error(&twice).contains("another tensor `x2`"));
    let mut twice = model(vec![relu()]);
    twice.graph.as_mut().unwrap().input.push(value("x", 1, &["3"]));
    assert!(error(&twice).contains("two inputs `x`"));
    let mut twice = model(vec![relu()]);
    twice.graph.as_mut().unwrap().output.push(value("y", 1, &["3"]));
    assert!(error(&twice).contains("two outputs `y`"));
}

fn weights_of(model: &mut ModelProto) -> &mut Vec<TensorProto> {
    &mut model.graph.as_mut().unwrap().initializer
}

/// Parts without a name are parts all the same.
#[test]
fn parts_that_nobody_reads() {
    let axis = AttributeProto { i: Some(1), ..attribute("axis", ATTRIBUTE_INT) };
    let split = NodeProto { attribute: vec![axis], ..node("Split", &["x"], &["", "y", ""]) };
    let graph = read(&model(vec![split])).unwrap();
    assert_eq!(graph.outputs[0].ty.shape, Shape(vec![Dim::BATCH, Dim::Known(1)]));
    assert!(crate::gradient(&graph, "y", &["x"]).is_ok());
}
