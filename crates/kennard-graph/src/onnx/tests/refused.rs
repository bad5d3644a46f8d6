//! What runtimes refuse, and what they would not survive.

use super::*;

fn ints(name: &str, values: &[i64]) -> TensorProto {
    TensorProto { int64_data: values.to_vec(), ..tensor(name, 7, &[values.len() as i64]) }
}

fn scalar(name: &str, value: f32) -> TensorProto {
    TensorProto { float_data: vec![value], ..tensor(name, 1, &[]) }
}

fn with(mut node: NodeProto, name: &str, value: impl Into<Given>) -> NodeProto {
    let mut attribute = AttributeProto { name: some(name), ..AttributeProto::default() };
    match value.into() {
        Given::Int(i) => (attribute.r#type, attribute.i) = (Some(ATTRIBUTE_INT), Some(i)),
        Given::Float(f) => (attribute.r#type, attribute.f) = (Some(ATTRIBUTE_FLOAT), Some(f)),
        Given::Ints(ints) => (attribute.r#type, attribute.ints) = (Some(ATTRIBUTE_INTS), ints),
    }
    node.attribute.push(attribute);
    node
}

enum Given {
    Int(i64),
    Float(f32),
    Ints(Vec<i64>),
}

impl From<i64> for Given {
    fn from(v: i64) -> Given {
        Given::Int(v)
    }
}

impl From<f32> for Given {
    fn from(v: f32) -> Given {
        Given::Float(v)
    }
}

impl From<&[i64]> for Given {
    fn from(v: &[i64]) -> Given {
        Given::Ints(v.to_vec())
    }
}

/// `x [N, 1, 28, 28] → nodes → y`, with weights.
fn images(nodes: Vec<NodeProto>, weights: Vec<TensorProto>) -> ModelProto {
    let mut model = model(nodes);
    let graph = model.graph.as_mut().unwrap();
    graph.input = vec![value("x", 1, &["N", "1", "28", "28"])];
    graph.initializer = weights;
    model
}

/// A number `b` computed by `nodes` and added to every pixel.
fn added(mut nodes: Vec<NodeProto>, weights: Vec<TensorProto>) -> ModelProto {
    nodes.push(with(node("ReduceSum", &["b"], &["s"]), "keepdims", 0));
    nodes.push(node("Add", &["x", "s"], &["y"]));
    images(nodes, weights)
}

fn cast(from: &str, to: &str, code: i64) -> NodeProto {
    with(node("Cast", &[from], &[to]), "to", code)
}

fn chain(op: &str, length: usize) -> Vec<NodeProto> {
    let name = |i: usize| match i {
        0 => "x".to_string(),
        i if i == length => "y".into(),
        i => format!("t{i}"),
    };
    (0..length).map(|i| node(op, &[&name(i)], &[&name(i + 1)])).collect()
}

/// Integer division stops the process where there is no quotient; so it must be known that there is one.
#[test]
fn divisions_without_a_result_are_refused() {
    let least = i64::MIN;
    for op in ["Div", "Mod"] {
        let divided = |a: i64, z: i64| {
            let nodes = vec![node(op, &["a", "z"], &["q"]), cast("q", "b", 1)];
            read(&added(nodes, vec![ints("a", &[a]), ints("z", &[z])]))
        };
        for (a, z) in [(7, 0), (least, -1), (0, 0)] {
            assert!(divided(a, z).unwrap_err().to_string().contains("divides integers by"), "{op} {a} {z}");
        }
        for (a, z) in [(7, 2), (7, -1), (least, 2), (0, 5)] {
            assert!(divided(a, z).is_ok(), "{op} {a} {z}");
        }
        // In shape arithmetic: 0 · shape − 2⁶³, by −1; and the number of pixels by the batch size.
        let nodes = vec![
            node("Shape", &["x"], &["d"]),
            node("Sub", &["d", "d"], &["none"]),
            node("Add", &["none", "least"], &["a"]),
            node(op, &["a", "z"], &["q"]),
            cast("q", "b", 1),
        ];
        assert!(read(&added(nodes, vec![ints("least", &[least]), ints("z", &[-1])])).is_err());
        let nodes = vec![
            node("Size", &["x"], &["n"]),
            node("Shape", &["x"], &["d"]),
            node("Gather", &["d", "zero"], &["batch"]),
            node(op, &["n", "batch"], &["q"]),
            cast("q", "b", 1),
        ];
        assert!(read(&added(nodes, vec![ints("zero", &[0])])).is_ok());
        // By what the image says.
        let nodes = vec![
            with(node("ReduceMax", &["x"], &["m"]), "keepdims", 0),
            cast("m", "z", 7),
            node(op, &["a", "z"], &["q"]),
            cast("q", "b", 1),
        ];
        let message = error(&added(nodes, vec![ints("a", &[5])]));
        assert!(message.contains("known only while it runs"), "{message}");
    }
    // A divisor of many elements, computed from constants.
    let weights = |fill: i64| vec![ints("n", &[100]), ints("fill", &[fill]), ints("a", &[7])];
    let nodes =
        || vec![node("Expand", &["fill", "n"], &["z"]), node("Div", &["a", "z"], &["q"]), cast("q", "b", 1)];
    assert!(read(&added(nodes(), weights(3))).is_ok());
    assert!(read(&added(nodes(), weights(0))).is_err());
}

#[test]
fn endless_and_enormous_results_are_refused() {
    let range = |start: f32, limit: f32, step: f32| {
        let weights = vec![scalar("start", start), scalar("limit", limit), scalar("step", step)];
        read(&added(vec![node("Range", &["start", "limit", "step"], &["b"])], weights))
    };
    assert!(range(0.0, 5.0, 0.5).is_ok());
    for (start, limit, step) in [
        (0.0, 1e30, 1e-30),
        (0.0, 1.0, 0.0),
        (0.0, 1e9, 1.0),
        (0.0, f32::INFINITY, 1.0),
        (f32::NAN, 1.0, 1.0),
    ] {
        assert!(range(start, limit, step).is_err(), "from {start} to {limit} by {step}");
    }
    // As many as the image says.
    let nodes = vec![
        with(node("ReduceMax", &["x"], &["m"]), "keepdims", 0),
        node("Range", &["zero", "m", "one"], &["b"]),
    ];
    let message = error(&added(nodes, vec![scalar("zero", 0.0), scalar("one", 1.0)]));
    assert!(message.contains("depends on the values"), "{message}");
    // As many as the batch has samples.
    let nodes = vec![
        node("Shape", &["x"], &["d"]),
        node("Gather", &["d", "zero"], &["n"]),
        node("Squeeze", &["n"], &["count"]),
        node("Range", &["start", "count", "step"], &["r"]),
        cast("r", "b", 1),
    ];
    let int = |name: &str, v: i64| TensorProto { int64_data: vec![v], ..tensor(name, 7, &[]) };
    assert!(read(&added(nodes, vec![ints("zero", &[0]), int("start", 0), int("step", 1)])).is_ok());

    let tiled = |times: i64| {
        let nodes = vec![node("Flatten", &["x"], &["f"]), node("Tile", &["f", "r"], &["y"])];
        read(&images(nodes, vec![ints("r", &[1, times])]))
    };
    assert!(tiled(10).is_ok());
    assert!(tiled(10_000_000).is_err());
    // Each constant alone is small enough.
    let many = |count: usize| {
        let names: Vec<String> = (0..count).map(|i| format!("c{i}")).collect();
        let mut nodes: Vec<_> = names.iter().map(|c| node("ConstantOfShape", &["n"], &[c])).collect();
        nodes.push(node("Sum", &names.iter().map(String::as_str).collect::<Vec<_>>(), &["b"]));
        read(&added(nodes, vec![ints("n", &[10_000_000])]))
    };
    assert!(many(2).is_ok());
    assert!(many(200).unwrap_err().to_string().contains("from constants alone"));
    // Work without a large result.
    let product = |n: i64| {
        let nodes = vec![node("ConstantOfShape", &["n"], &["a"]), node("MatMul", &["a", "a"], &["b"])];
        read(&added(nodes, vec![ints("n", &[n, n])]))
    };
    assert!(product(100).is_ok());
    assert!(product(4000).is_err());
}

#[test]
fn windows_far_beyond_their_data_are_refused() {
    for op in ["MaxPool", "AveragePool"] {
        let pool = |pad: i64| {
            let pooled = with(node(op, &["x"], &["y"]), "kernel_shape", &[2 * pad + 1; 2][..]);
            read(&images(vec![with(pooled, "pads", &[pad; 4][..])], vec![]))
        };
        assert!(pool(1).is_ok() && pool(6).is_ok() && pool(20).is_ok());
        assert!(pool(1000).is_err() && pool(10_000).is_err());
    }
    let normalized = |size: i64| read(&images(vec![with(node("LRN", &["x"], &["y"]), "size", size)], vec![]));
    assert!(normalized(5).is_ok() && normalized(11).is_ok());
    assert!(normalized(1 << 40).unwrap_err().to_string().contains("far beyond"));
}

/// An LSTM unrolled over 784 steps has some thousand nodes in a row.
#[test]
fn chains_and_ranks_have_an_end() {
    assert!(read(&images(chain("Tanh", 8000), vec![])).is_ok());
    let message = error(&images(chain("Tanh", 20_000), vec![]));
    assert!(message.contains("chain of more than"), "{message}");
    let axes: Vec<i64> = (4..3000).collect();
    let nodes =
        vec![node("Unsqueeze", &["x", "a"], &["h"]), with(node("Flatten", &["h"], &["y"]), "axis", 1)];
    let message = error(&images(nodes, vec![ints("a", &axes)]));
    assert!(message.contains("names 2996 axes"), "{message}");
}

/// Exporters write 0 for an extent that they leave open. Where not all ends have it, it is no classifier's.
#[test]
fn a_batch_of_zero_is_an_open_batch() {
    let mut model = model(vec![node("Relu", &["x"], &["y"])]);
    let graph = model.graph.as_mut().unwrap();
    graph.input = vec![value("x", 1, &["0", "3"])];
    graph.output = vec![value("y", 1, &["0", "3"])];
    let mut closed = model.clone();
    closed.graph.as_mut().unwrap().output = vec![value("y", 1, &["N", "3"])];
    let closed = read(&closed).unwrap();
    assert_eq!(closed.inputs[0].ty.shape.0[0], Dim::Known(0));
    assert!(closed.single_input().unwrap_err().to_string().contains("batches of 0"));
    let graph = read(&model).unwrap();
    assert_eq!(graph.inputs[0].ty.shape.0, [Dim::BATCH, Dim::Known(3)]);
    assert_eq!(graph.outputs[0].ty.shape.0, [Dim::BATCH, Dim::Known(3)]);
}

/// What ONNX Runtime 1.32 says of these nodes, operator set 17.
#[test]
fn nodes_are_accepted_as_onnx_runtime_accepts_them() {
    let relu = || node("Relu", &["x"], &["y"]);
    let leaky = || node("LeakyRelu", &["x"], &["y"]);
    let alpha = || AttributeProto { f: Some(0.5), ..attribute("alpha", ATTRIBUTE_FLOAT) };
    let of = |attributes: Vec<AttributeProto>| NodeProto { attribute: attributes, ..leaky() };
    let accepted = [
        relu(),
        of(vec![alpha()]),
        with(relu(), "__note", 1),
        node("Clip", &["x", "", ""], &["y"]),
        node("Dropout", &["x"], &["y", ""]),
        with(node("ReduceMax", &["x"], &["y"]), "axes", &[1][..]),
        node("Concat", &["x", "x", "x"], &["y"]),
    ];
    for (i, node) in accepted.into_iter().enumerate() {
        let node = if i == 6 { with(node, "axis", 1) } else { node };
        let result = read(&model(vec![node.clone()]));
        assert!(result.is_ok(), "{node:?}: {result:?}");
    }
    let refused = [
        (with(relu(), "foo", 1), "no attribute `foo`"),
        (with(leaky(), "alpha", 1), "`alpha` should be a float"),
        (with(node("Softmax", &["x"], &["y"]), "axis", &[1][..]), "`axis` should be an integer"),
        (node("Relu", &["x", "x"], &["y"]), "at most 1"),
        (node("Relu", &["x", ""], &["y"]), "at most 1"),
        (node("Relu", &["x"], &["y", "z"]), "2 outputs"),
        (node("Relu", &["x"], &["y", ""]), "2 outputs"),
        (node("Add", &["x"], &["y"]), "needs 2"),
        (node("Add", &["x", ""], &["y"]), "input 1 is left out"),
        (node("Cast", &["x"], &["y"]), "lacks the attribute `to`"),
        (with(node("Squeeze", &["x"], &["y"]), "axes", &[0][..]), "no attribute `axes`"),
        (with(node("Dropout", &["x"], &["y"]), "ratio", 0.5f32), "no attribute `ratio`"),
        (node("Upsample", &["x", "x"], &["y"]), "does not have this operator any more"),
        (of(vec![alpha(), alpha()]), "two attributes `alpha`"),
        (of(vec![AttributeProto { i: Some(3), ..alpha() }]), "another type"),
    ];
    for (node, why) in refused {
        let message = error(&model(vec![node]));
        assert!(message.contains(why), "{message} does not say: {why}");
    }
    // A node that nothing needs is looked at, too.
    let stray = with(node("Relu", &["x"], &["q"]), "foo", 1);
    assert!(read(&model(vec![relu(), stray])).is_err());
}
