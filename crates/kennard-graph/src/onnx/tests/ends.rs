//! Files that leave open what a classifier takes or returns.

use super::*;
use crate::{Ends, GraphError, ModelFile};

fn file(m: &ModelProto) -> ModelFile {
    ModelFile::from_bytes(&m.encode_to_vec()).unwrap()
}

fn of_shape(sample: &[usize]) -> Ends {
    Ends { sample: Some(sample.to_vec()), ..Ends::default() }
}

/// `x → nodes → y`, whose types are given.
fn between(x: ValueInfoProto, nodes: Vec<NodeProto>, y: ValueInfoProto) -> ModelProto {
    let mut m = model(nodes);
    let graph = m.graph.as_mut().unwrap();
    (graph.input, graph.output) = (vec![x], vec![y]);
    m
}

/// What Optimum, PaddleOCR and dynamo write: names for each axis, one for all, or none.
#[test]
fn open_extents_are_those_of_a_sample() {
    for axes in
        [["batch", "channels", "height", "width"], ["?"; 4], [""; 4], ["-1"; 4], ["s0", "3", "s1", "s1"]]
    {
        let m = between(value("x", 1, &axes), vec![node("Relu", &["x"], &["y"])], value("y", 1, &axes));
        let message = error(&m);
        assert!(message.contains("Say the shape of one sample"), "{message}");
        let graph = file(&m).classifier(&of_shape(&[3, 8, 6])).unwrap();
        assert_eq!(graph.inputs[0].ty.shape.0, [Dim::BATCH, Dim::Known(3), Dim::Known(8), Dim::Known(6)]);
        assert_eq!(graph.outputs[0].ty, graph.inputs[0].ty, "{axes:?}");
        let extents = file(&m).extents(&Ends::default()).unwrap().unwrap();
        assert_eq!(extents, [(axes[1] == "3").then_some(3), None, None]);
    }
    let fixed =
        between(value("x", 1, &["n", "3"]), vec![node("Relu", &["x"], &["y"])], value("y", 1, &["n", "3"]));
    let wrong = file(&fixed).classifier(&of_shape(&[4])).unwrap_err().to_string();
    assert!(wrong.contains("[4] does not fit the input `x` [n, 3]"), "{wrong}");
}

/// An operator that Kennard does not know: its result has the file's shape, in which names mean what they mean in the
/// input, except one that would mean two things.
#[test]
fn names_of_extents_are_bound() {
    let mystery = || vec![NodeProto { domain: some("own"), ..node("Mystery", &["x"], &["y"]) }];
    let m = between(value("x", 1, &["n", "h", "w"]), mystery(), value("y", 1, &["n", "w"]));
    let graph = file(&m).classifier(&of_shape(&[4, 5])).unwrap();
    assert_eq!(graph.outputs[0].ty.shape.0, [Dim::BATCH, Dim::Known(5)]);
    let m = between(value("x", 1, &["?", "?", "?"]), mystery(), value("y", 1, &["?", "?"]));
    assert!(file(&m).classifier(&of_shape(&[4, 5])).is_err());
}

/// A second input is held at a number, whatever its shape; the state of a recurrent layer at 0.
#[test]
fn other_inputs_are_held() {
    let mut m = model(vec![node("Add", &["x", "shift"], &["a"]), node("Mul", &["a", "scale"], &["y"])]);
    let inputs = &mut m.graph.as_mut().unwrap().input;
    inputs.extend([value("shift", 1, &["batch", "3"]), value("scale", 1, &["1"])]);
    let open = file(&m).classifier(&Ends::default()).unwrap_err();
    assert!(matches!(open, GraphError::SeveralInputs { input: None, .. }), "{open}");
    assert!(open.to_string().contains("`shift` [batch, 3]"), "{open}");
    let named = Ends { input: some("x"), ..Ends::default() };
    let open = file(&m).classifier(&named).unwrap_err();
    assert!(
        matches!(open, GraphError::SeveralInputs { input: Some(ref name), .. } if name == "shift"),
        "{open}"
    );

    let held = [("shift".to_string(), 0.5), ("scale".into(), 2.0)].into();
    let ends = Ends { held, ..Ends::default() };
    let graph = file(&m).classifier(&ends).unwrap();
    assert_eq!(graph.inputs.len(), 1);
    assert_eq!(graph.constants["scale"].to_floats().unwrap(), [2.0]);
    assert_eq!(crate::infer(&graph).unwrap().get("shift").unwrap().shape, graph.inputs[0].ty.shape);
    assert_eq!(graph.outputs[0].ty.shape, graph.inputs[0].ty.shape);
    let absent = Ends { input: some("z"), ..ends };
    assert!(file(&m).classifier(&absent).unwrap_err().to_string().contains("its inputs are `x`"));
}

/// What converters make of a data frame: no column is the sample, and the others are no constants.
#[test]
fn columns_that_are_inputs_are_refused() {
    let mut m = model(vec![node("Concat", &["x", "age", "pay"], &["y"])]);
    let column = |name: &str| value(name, 1, &["batch", "1"]);
    m.graph.as_mut().unwrap().input = ["x", "age", "pay"].map(column).into();
    let refused = file(&m).classifier(&Ends::default()).unwrap_err();
    assert_eq!(refused, GraphError::Columns { inputs: 3 });
    assert!(refused.to_string().contains("Export it with one input"), "{refused}");
    let named = Ends { input: some("x"), ..Ends::default() };
    assert!(matches!(file(&m).classifier(&named), Err(GraphError::SeveralInputs { input: Some(_), .. })));
    m.graph.as_mut().unwrap().input[0] = value("x", 1, &["batch", "2"]);
    let open = file(&m).classifier(&Ends::default());
    assert!(matches!(open, Err(GraphError::SeveralInputs { input: None, .. })), "{open:?}");
}

#[test]
fn the_output_of_logits_is_found() {
    let nodes = || {
        vec![
            node("Relu", &["x"], &["y"]),
            node("ArgMax", &["x"], &["label"]),
            node("Unsqueeze", &["x", "axes"], &["hidden"]),
        ]
    };
    let mut m = model(nodes());
    weights_of(&mut m).push(TensorProto { int64_data: vec![1], ..tensor("axes", 7, &[1]) });
    let outputs = &mut m.graph.as_mut().unwrap().output;
    let hidden = value("hidden", 1, &["batch", "1", "3"]);
    outputs.extend([value("label", 7, &["batch", "1"]), hidden]);
    let graph = file(&m).classifier(&Ends::default()).unwrap();
    assert_eq!((graph.outputs.len(), graph.outputs[0].name.as_str()), (1, "y"));
    assert_eq!(ops(&graph), ["Relu"]);
    let named = Ends { output: some("hidden"), ..Ends::default() };
    assert_eq!(
        file(&m).classifier(&named).unwrap().outputs[0].ty.shape.0[1..],
        [Dim::Known(1), Dim::Known(3)]
    );

    m.graph.as_mut().unwrap().node.push(node("Neg", &["x"], &["other"]));
    m.graph.as_mut().unwrap().output.push(value("other", 1, &["batch", "3"]));
    let several = file(&m).classifier(&Ends::default()).unwrap_err();
    assert!(
        matches!(several, GraphError::SeveralOutputs(_)) && several.to_string().contains("`other` F32[N, 3]")
    );
}

/// What is held keeps its name, whatever constants are made for it: `c` is what they are called.
#[test]
fn a_state_of_any_name_is_held() {
    let mut m = model(vec![node("Add", &["x", "h"], &["a"]), node("Mul", &["a", "c"], &["y"])]);
    m.graph.as_mut().unwrap().input.extend([value("h", 1, &["batch", "3"]), value("c", 1, &["batch", "3"])]);
    let held = [("h".to_string(), 0.0), ("c".into(), 0.0)].into();
    let graph = file(&m).classifier(&Ends { held, ..Ends::default() }).unwrap();
    assert!(!graph.constants.contains_key("c"), "{:?}", graph.constants.keys());
    let types = crate::infer(&graph).unwrap();
    for name in ["h", "c"] {
        assert_eq!(types.get(name).unwrap().shape, graph.inputs[0].ty.shape);
    }
}

/// One number for each sample, given two axes and then two classes: no two tensors have one name.
#[test]
fn what_is_put_behind_has_names_of_its_own() {
    let nodes = vec![node("Squeeze", &["x", "axes"], &["s"]), node("Sigmoid", &["s"], &["y"])];
    let mut m = between(value("x", 1, &["n", "1"]), nodes, value("y", 1, &["n"]));
    weights_of(&mut m).push(TensorProto { int64_data: vec![1], ..tensor("axes", 7, &[1]) });
    let graph = crate::flatten_output(&file(&m).classifier(&Ends::default()).unwrap()).unwrap();
    let graph = crate::against(&graph, 0.5).unwrap();
    let made: Vec<&String> = graph.nodes.iter().flat_map(|node| &node.outputs).collect();
    let names: std::collections::HashSet<&String> = made.iter().copied().collect();
    assert_eq!(names.len(), made.len(), "{made:?}");
}

/// As scikit-learn's converter writes a logistic regression: maps of probabilities, divided by their sum. The scores are taken in
/// their place, and logits in theirs.
#[test]
fn maps_of_probabilities_are_scores() {
    let own = |node: NodeProto, attribute: Vec<AttributeProto>| NodeProto {
        domain: some("ai.onnx.ml"),
        attribute,
        ..node
    };
    let labels = |name: &str| AttributeProto { ints: vec![0, 1], ..attribute(name, 7) };
    let floats = |name: &str, floats: Vec<f32>| AttributeProto { floats, ..attribute(name, 6) };
    let text = |name: &str, text: &'static str| AttributeProto {
        s: Some(text.as_bytes().into()),
        ..attribute(name, 3)
    };
    let classifier = vec![
        labels("classlabels_ints"),
        floats("coefficients", vec![1.0, 2.0, -3.0, -1.0, -2.0, 3.0]),
        floats("intercepts", vec![0.5, -0.5]),
        text("post_transform", "LOGISTIC"),
    ];
    let nodes = vec![
        own(node("LinearClassifier", &["x"], &["label", "scores"]), classifier),
        own(node("Normalizer", &["scores"], &["shares"]), vec![text("norm", "L1")]),
        own(node("ZipMap", &["shares"], &["maps"]), vec![labels("classlabels_int64s")]),
    ];
    let mut m = between(value("x", 1, &["n", "3"]), nodes, value("label", 7, &["n"]));
    m.opset_import.push(OperatorSetIdProto { domain: some("ai.onnx.ml"), version: Some(1) });
    let maps = ValueInfoProto { name: some("maps"), r#type: Some(TypeProto { tensor_type: None }) };
    m.graph.as_mut().unwrap().output.push(maps);
    let graph = file(&m).classifier(&Ends::default()).unwrap();
    assert_eq!(
        (graph.outputs[0].name.as_str(), &graph.outputs[0].ty.shape.0[1..]),
        ("shares", &[Dim::Known(2)][..])
    );
    let logits = crate::simplify(&crate::strip_softmax(&graph).unwrap()).unwrap();
    assert_eq!(ops(&logits), ["Gemm"], "halves of the scores, whose difference is the logit");
}

/// Where the file does not say what is returned, constants are computed as far as it takes; else the message names the node.
#[test]
fn what_is_returned_is_inferred_or_the_node_is_named() {
    let mut cast = node("Cast", &["r"], &["k"]);
    cast.attribute = vec![AttributeProto { i: Some(7), ..attribute("to", ATTRIBUTE_INT) }];
    let nodes = vec![node("Sqrt", &["c"], &["r"]), cast, node("Reshape", &["x", "k"], &["y"])];
    let mut m = between(value("x", 1, &["n", "1", "3"]), nodes, value("y", 1, &["q", "r"]));
    m.graph.as_mut().unwrap().initializer =
        vec![TensorProto { float_data: vec![0.0, 9.0], ..tensor("c", 1, &[2]) }];
    assert_eq!(read(&m).unwrap().outputs[0].ty.shape.0, [Dim::BATCH, Dim::Known(3)]);

    let lost = between(
        value("x", 1, &["n", "3"]),
        vec![node("NonZero", &["x"], &["y"])],
        value("y", 1, &["q", "r"]),
    );
    let message = error(&lost);
    assert!(message.contains("not beyond its node `y` (NonZero)"), "{message}");
    let mut unknown = lost;
    unknown.graph.as_mut().unwrap().node =
        vec![NodeProto { domain: some("own"), ..node("Wobble", &["x"], &["y"]) }];
    unknown.opset_import.push(OperatorSetIdProto { domain: some("own"), version: Some(1) });
    let message = error(&unknown);
    assert!(message.contains("`y` (own::Wobble); its operator is unknown to Kennard"), "{message}");
}
