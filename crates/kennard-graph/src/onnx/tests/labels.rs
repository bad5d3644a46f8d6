//! Labels that files return beside their scores.

use super::*;
use crate::{DType, Ends, GraphError, ModelFile};

fn own(op: &str, inputs: &[&str], outputs: &[&str], attribute: Vec<AttributeProto>) -> NodeProto {
    NodeProto { domain: some("ai.onnx.ml"), attribute, ..node(op, inputs, outputs) }
}

fn texts(name: &str, texts: &[&'static str]) -> AttributeProto {
    let strings = texts.iter().map(|text| text.as_bytes().into()).collect();
    AttributeProto { strings, ..attribute(name, ATTRIBUTE_STRINGS) }
}

/// `z = x` of three classes, and these nodes with a text as the label.
fn labelled(nodes: Vec<NodeProto>) -> ModelProto {
    let scores = node("Identity", &["x"], &["z"]);
    let mut m = model([nodes, vec![scores]].concat());
    m.opset_import.push(OperatorSetIdProto { domain: some("ai.onnx.ml"), version: Some(3) });
    let graph = m.graph.as_mut().unwrap();
    graph.output = vec![value("label", 8, &["m"]), value("z", 1, &["batch", "3"])];
    graph.initializer.push(tensor("list", 8, &[3]));
    m
}

fn labels(m: &ModelProto, names: &[&str]) -> Result<Option<(Graph, Vec<i64>)>> {
    let names: Vec<String> = names.iter().map(|name| name.to_string()).collect();
    ModelFile::from_bytes(&m.encode_to_vec()).unwrap().labels(&Ends::default(), 3, &names)
}

fn best() -> NodeProto {
    let axis = AttributeProto { i: Some(1), ..attribute("axis", ATTRIBUTE_INT) };
    let flat = AttributeProto { i: Some(0), ..attribute("keepdims", ATTRIBUTE_INT) };
    NodeProto { attribute: vec![axis, flat], ..node("ArgMax", &["x"], &["k"]) }
}

/// Texts become places in the list of the classes, whatever node has it; also where the shape of the label cannot be inferred.
#[test]
fn texts_are_places_in_the_list_of_the_classes() {
    let classes = || texts("classlabels_strings", &["b", "a", "c"]);
    let weights = AttributeProto { floats: vec![1.0; 9], ..attribute("coefficients", ATTRIBUTE_FLOATS) };
    let cases = [
        vec![own("LinearClassifier", &["x"], &["label", "u"], vec![classes(), weights])],
        vec![own("TreeEnsembleClassifier", &["x"], &["label", "u"], vec![classes()])],
        vec![best(), own("ArrayFeatureExtractor", &["list", "k"], &["label"], vec![])],
        vec![best(), node("Gather", &["list", "k"], &["label"])],
    ];
    for nodes in cases {
        let (graph, labels) = labels(&labelled(nodes), &[]).unwrap().unwrap();
        assert_eq!(labels, [0, 1, 2]);
        let label = &graph.outputs[0];
        assert_eq!(
            (label.name.as_str(), label.ty.dtype, &label.ty.shape.0[..]),
            ("label", DType::I64, &[Dim::BATCH][..])
        );
    }
}

/// What an encoder gives is told by the names of the data, or else by the numbers that it takes.
#[test]
fn texts_of_an_encoder_are_told_by_the_names_of_the_data() {
    let keys = AttributeProto { ints: vec![2, 0, 1], ..attribute("keys_int64s", ATTRIBUTE_INTS) };
    let encoder =
        own("LabelEncoder", &["k"], &["label"], vec![keys, texts("values_strings", &["a", "b", "c"])]);
    let m = labelled(vec![best(), encoder]);
    let found = |names: &[&str]| labels(&m, names).unwrap().unwrap().1;
    assert_eq!(found(&["c", "b", "a"]), [1, 0, 2]);
    assert_eq!(found(&["dog", "cat", "cow"]), [0, 1, 2]);
    assert_eq!(found(&[]), [0, 1, 2]);
}

/// What cannot be told is an error that names the output; a file without a label has none.
#[test]
fn what_cannot_be_told_is_said() {
    let short = texts("classlabels_strings", &["a", "b"]);
    let mut m = labelled(vec![own("TreeEnsembleClassifier", &["x"], &["label", "u"], vec![short])]);
    let error = labels(&m, &[]).unwrap_err();
    assert!(matches!(&error, GraphError::Label(said) if said.contains("`label`")), "{error}");
    let graph = m.graph.as_mut().unwrap();
    graph.output.push(value("other", 8, &["m"]));
    let error = labels(&m, &[]).unwrap_err().to_string();
    assert!(error.contains("`label`, `other`"), "{error}");
    m.graph.as_mut().unwrap().output.retain(|v| v.name == some("z"));
    assert!(labels(&m, &[]).unwrap().is_none());
}

/// The labels of the classes are those of the file, numbers as texts, in the order of the scores; also where the label is left out.
#[test]
fn the_labels_of_the_classes_are_read() {
    let listed = |m: &ModelProto| {
        ModelFile::from_bytes(&m.encode_to_vec()).unwrap().class_labels(&Ends::default()).unwrap_or_default()
    };
    let numbers = AttributeProto { ints: vec![-7, 3, 10], ..attribute("classlabels_ints", ATTRIBUTE_INTS) };
    let mut m = labelled(vec![own("LinearClassifier", &["x"], &["label", "u"], vec![numbers])]);
    let graph = m.graph.as_mut().unwrap();
    graph.output[0] = value("label", 7, &["m"]);
    assert_eq!(listed(&m), ["-7", "3", "10"]);
    m.graph.as_mut().unwrap().output.remove(0);
    assert_eq!(listed(&m), ["-7", "3", "10"]);

    let keys = AttributeProto { ints: vec![2, 0, 1], ..attribute("keys_int64s", ATTRIBUTE_INTS) };
    let encoder =
        own("LabelEncoder", &["k"], &["label"], vec![keys, texts("values_strings", &["a", "b", "c"])]);
    assert_eq!(listed(&labelled(vec![best(), encoder])), ["b", "c", "a"]);

    let mut m = labelled(vec![best(), own("ArrayFeatureExtractor", &["list", "k"], &["label"], vec![])]);
    list_of(&mut m).string_data = ["b", "a", "c"].map(|text| text.as_bytes().into()).to_vec();
    assert_eq!(listed(&m), ["b", "a", "c"]);
    *list_of(&mut m) = TensorProto { int64_data: vec![1, 2, 3], ..tensor("list", 7, &[3]) };
    assert_eq!(listed(&m), ["1", "2", "3"]);

    // Places are no labels, and two classes do not have one.
    assert!(listed(&labelled(vec![best(), node("Identity", &["k"], &["label"])])).is_empty());
    *list_of(&mut m) = TensorProto { int64_data: vec![1, 1, 3], ..tensor("list", 7, &[3]) };
    assert!(listed(&m).is_empty());
}

fn list_of(m: &mut ModelProto) -> &mut TensorProto {
    m.graph.as_mut().unwrap().initializer.iter_mut().find(|tensor| tensor.name == some("list")).unwrap()
}
