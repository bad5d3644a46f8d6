//! Branches and functions.

use super::*;

/// `If(condition) { y = Relu(x) } else { y = Neg(x) }`, the inner tensors called `inner`.
fn choice(condition: &str) -> NodeProto {
    let branch = |name: &str, op: &str| AttributeProto {
        g: Some(GraphProto {
            node: vec![node(op, &["x"], &["inner"])],
            output: vec![value("inner", 1, &["batch", "3"])],
            ..GraphProto::default()
        }),
        ..attribute(name, ATTRIBUTE_GRAPH)
    };
    NodeProto {
        attribute: vec![branch("then_branch", "Relu"), branch("else_branch", "Neg")],
        ..node("If", &[condition], &["y"])
    }
}

#[test]
fn decided_branches_are_inlined() {
    for (bit, op) in [(1, "Relu"), (0, "Neg")] {
        let mut m = model(vec![choice("c")]);
        weights_of(&mut m).push(TensorProto { int32_data: vec![bit], ..tensor("c", 9, &[]) });
        assert_eq!(ops(&read(&m).unwrap()), [op, "Identity"]);
    }
    let open = model(vec![node("IsNaN", &["x"], &["c"]), choice("c")]);
    assert!(error(&open).contains("(If): its condition depends on the input"));
    // A name that the branch shares with the graph around it.
    let mut m = model(vec![choice("c"), node("Exp", &["y"], &["inner"])]);
    weights_of(&mut m).push(TensorProto { int32_data: vec![1], ..tensor("c", 9, &[]) });
    m.graph.as_mut().unwrap().output.push(value("inner", 1, &["batch", "3"]));
    let graph = read(&m).unwrap();
    assert_eq!(ops(&graph), ["Relu", "Identity", "Exp"]);
    assert_ne!(graph.nodes[0].outputs[0], "inner");
}

/// `Twice(a; scale) = scale · (a + a)`
fn twice() -> FunctionProto {
    let reference =
        AttributeProto { ref_attr_name: some("scale"), ..attribute("value_float", ATTRIBUTE_FLOAT) };
    FunctionProto {
        name: some("Twice"),
        domain: some("own"),
        input: strings(&["a"]),
        output: strings(&["b"]),
        node: vec![
            node("Mul", &["sum", "factor"], &["b"]),
            node("Add", &["a", "a"], &["sum"]),
            NodeProto { attribute: vec![reference], ..node("Constant", &[], &["factor"]) },
        ],
        opset_import: opset(18),
        attribute_proto: vec![AttributeProto { f: Some(1.0), ..attribute("scale", ATTRIBUTE_FLOAT) }],
        ..FunctionProto::default()
    }
}

#[test]
fn functions_are_inlined() {
    let call =
        |input: &str, output: &str| NodeProto { domain: some("own"), ..node("Twice", &[input], &[output]) };
    let scale = AttributeProto { f: Some(3.0), ..attribute("scale", ATTRIBUTE_FLOAT) };
    let mut m = model(vec![call("x", "sum"), NodeProto { attribute: vec![scale], ..call("sum", "y") }]);
    m.functions = vec![twice()];
    let graph = read(&m).unwrap();
    assert_eq!(ops(&graph), ["Add", "Mul", "Identity", "Add", "Mul", "Identity"]);
    let factors: Vec<_> = graph.constants.values().map(|t| t.item().unwrap()).collect();
    assert!(factors.contains(&1.0) && factors.contains(&3.0));
    crate::infer(&graph).unwrap();

    // A function sees only its own tensors.
    m.functions[0].node[1] = node("Add", &["a", "x"], &["sum"]);
    assert!(error(&m).contains("`x`, which its function lacks"));
    m.functions[0] = FunctionProto { output: strings(&["c"]), ..twice() };
    assert!(error(&m).contains("`c`"));
}

#[test]
fn functions_cannot_fill_the_memory() {
    let call = |op: &str, input: &str, output: &str| NodeProto {
        domain: some("own"),
        ..node(op, &[input], &[output])
    };
    let mut m = model(vec![call("F", "x", "y")]);
    m.functions = vec![FunctionProto {
        name: some("F"),
        domain: some("own"),
        input: strings(&["a"]),
        output: strings(&["b"]),
        node: vec![call("F", "a", "b")],
        ..FunctionProto::default()
    }];
    assert!(error(&m).contains("nested too deeply"));
    // Each calls the next twenty times: 20^20 nodes.
    m.functions = (0..20)
        .map(|i| {
            let chain =
                (0..20).map(|j| call(&format!("F{}", i + 1), &format!("t{j}"), &format!("t{}", j + 1)));
            FunctionProto {
                name: some(&format!("F{i}")),
                domain: some("own"),
                input: strings(&["t0"]),
                output: strings(&["t20"]),
                node: chain.collect(),
                ..FunctionProto::default()
            }
        })
        .collect();
    m.graph.as_mut().unwrap().node = vec![call("F0", "x", "y")];
    assert!(error(&m).contains("nested too deeply"));
}

fn named_value(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: some(name), r#type: None }
}

fn scalar(name: &str, data_type: i32, number: i64) -> TensorProto {
    match data_type {
        9 => TensorProto { int32_data: vec![number as i32], ..tensor(name, 9, &[]) },
        _ => TensorProto { int64_data: vec![number], ..tensor(name, 7, &[]) },
    }
}

fn inside(name: &str, inputs: &[&str], nodes: Vec<NodeProto>, outputs: &[&str]) -> AttributeProto {
    let list = |names: &[&str]| names.iter().map(|name| named_value(name)).collect();
    let graph =
        GraphProto { input: list(inputs), output: list(outputs), node: nodes, ..GraphProto::default() };
    AttributeProto { g: Some(graph), ..attribute(name, ATTRIBUTE_GRAPH) }
}

/// `s ← s + x` three times, or until the turn is 1; the states are collected.
#[test]
fn loops_are_unrolled() {
    let body =
        |nodes: Vec<NodeProto>| inside("body", &["turn", "on", "s"], nodes, &["again", "next", "seen"]);
    let turns = |nodes: Vec<NodeProto>| NodeProto {
        attribute: vec![body(nodes)],
        ..node("Loop", &["most", "", "x"], &["y", "all"])
    };
    let step = || vec![node("Add", &["s", "x"], &["next"]), node("Identity", &["next"], &["seen"])];
    let made = |decides: NodeProto, most: i64| {
        let mut m = model(vec![turns([step(), vec![decides]].concat())]);
        m.graph.as_mut().unwrap().output.push(value("all", 1, &["3", "batch", "3"]));
        weights_of(&mut m).extend([scalar("most", 7, most), scalar("one", 7, 1)]);
        m
    };
    let fixed = read(&made(node("Identity", &["on"], &["again"]), 3)).unwrap();
    assert_eq!(fixed.nodes.iter().filter(|n| n.op == "Add").count(), 3);
    assert_eq!(fixed.outputs[1].ty.shape.0, [Dim::Known(3), Dim::BATCH, Dim::Known(3)]);
    // It goes on while the turn is less than 1: twice.
    let early = read(&made(node("Less", &["turn", "one"], &["again"]), i64::MAX)).unwrap();
    assert_eq!(early.nodes.iter().filter(|n| n.op == "Add").count(), 2);

    // Of no turn the states stay, and what would be collected may be left alone.
    let mut never = made(node("Identity", &["on"], &["again"]), 0);
    assert!(error(&never).contains("it never goes round, and there is nothing to collect"));
    never.graph.as_mut().unwrap().output.pop();
    let never_read = read(&never).unwrap();
    assert_eq!(never_read.nodes.iter().filter(|n| n.op == "Add").count(), 0);
    assert_eq!(never_read.outputs[0].ty.shape.0, [Dim::BATCH, Dim::Known(3)]);
    never.graph.as_mut().unwrap().node.push(node("ReduceSum", &["all"], &["sum"]));
    never.graph.as_mut().unwrap().output.push(value("sum", 1, &[]));
    assert!(error(&never).contains("it never goes round, and there is nothing to collect"));

    assert!(error(&made(node("Identity", &["on"], &["again"]), i64::MAX)).contains("goes round more than"));
    let mut open = made(node("Identity", &["on"], &["again"]), 3);
    weights_of(&mut open).clear();
    open.graph.as_mut().unwrap().input.push(value("most", 7, &[]));
    assert!(error(&open).contains("depends on the input"));
}

/// Running sums over the second axis, from the end to the beginning.
#[test]
fn scans_are_unrolled() {
    let mut backwards = attribute("scan_input_directions", ATTRIBUTE_INTS);
    backwards.ints = vec![1];
    let mut axes = attribute("scan_input_axes", ATTRIBUTE_INTS);
    axes.ints = vec![-1];
    let mut out = attribute("scan_output_axes", ATTRIBUTE_INTS);
    out.ints = vec![1];
    let count = AttributeProto { i: Some(1), ..attribute("num_scan_inputs", ATTRIBUTE_INT) };
    let nodes = vec![node("Add", &["s", "slice"], &["next"]), node("Identity", &["next"], &["seen"])];
    let body = inside("body", &["s", "slice"], nodes, &["next", "seen"]);
    let scan = NodeProto {
        attribute: vec![count, backwards, axes, out, body],
        ..node("Scan", &["zero", "x"], &["last", "y"])
    };
    let mut m = model(vec![scan]);
    weights_of(&mut m).push(TensorProto { float_data: vec![0.0], ..tensor("zero", 1, &[1]) });
    let graph = read(&m).unwrap();
    assert_eq!(graph.outputs[0].ty.shape.0, [Dim::BATCH, Dim::Known(3)]);
    let indices: Vec<f64> = graph
        .nodes
        .iter()
        .filter(|n| n.op == "Gather")
        .map(|n| graph.constants[&n.inputs[1]].item().unwrap())
        .collect();
    assert_eq!(indices, [2.0, 1.0, 0.0]);
}
