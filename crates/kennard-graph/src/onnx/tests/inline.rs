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
