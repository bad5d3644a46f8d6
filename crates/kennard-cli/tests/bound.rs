//! `kennard bound` writes graphs of bounds; `kennard inspect` says what has none.

mod common;

use kennard_graph::{Builder, DType, Dim, Graph, TensorType};

use common::{directory, fixture, kennard, scratch, stderr, stdout, succeeds};

#[test]
fn a_graph_of_bounds_is_written() {
    for (method, norm, inputs) in [("intervals", "linf", 3), ("crown-over-intervals", "l2", 5)] {
        let out = scratch("bounds.onnx");
        let words = ["bound", &fixture("fashion_cnn.onnx"), "--method", method, "--norm", norm, "--out"];
        succeeds(kennard(words).arg(&out));
        let graph = Graph::load(&out).unwrap();
        assert_eq!(graph.inputs.len(), inputs);
        let spec = graph.inputs.last().unwrap();
        assert_eq!((spec.name.as_str(), spec.ty.to_string()), ("spec", "F32[N, 9, 10]".into()));
        let names: Vec<&str> = graph.outputs.iter().map(|v| v.name.as_str()).collect();
        assert_eq!(names, ["bound/lower", "bound/upper"]);
    }
}

#[test]
fn what_has_no_bounds_is_named() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(3)]));
    builder.output("y", x.apply("Tan"));
    let place = directory();
    let (model, out) = (place.at("tan.onnx"), place.at("none.onnx"));
    builder.finish().unwrap().save(&model).unwrap();

    let output = kennard(["bound", &model, "--out", &out]).output().unwrap();
    let said = stderr(&output);
    assert!(!output.status.success() && said.contains("the operator Tan has no bounds"), "{said}");
    let inspected = |model: &str| stdout(&kennard(["inspect", model]).output().unwrap());
    let said = inspected(&model);
    assert!(said.contains("can be attacked, cannot be bounded:\n  Tan"), "{said}");
    let said = inspected(&fixture("fashion_cnn.onnx"));
    assert!(said.contains("every operator can be bounded"), "{said}");
}

/// Of several outputs the one with the shape of logits is bounded, or the one that is named.
#[test]
fn ends_are_found_or_said() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(3)]));
    builder.output("other", x.apply("Neg"));
    builder.output("y", x.apply("Relu"));
    let place = directory();
    let (model, out) = (place.at("heads.onnx"), place.at("of-head.onnx"));
    builder.finish().unwrap().save(&model).unwrap();
    let output = kennard(["bound", &model, "--out", &out]).output().unwrap();
    let said = stderr(&output);
    assert!(!output.status.success() && said.contains("`other`") && said.contains("--output"), "{said}");
    succeeds(&mut kennard(["bound", &model, "--output", "y", "--out", &out]));
}

/// Of a support vector machine of two classes the largest score is the label, whether that is an output or not; it is said.
#[test]
fn scores_of_machines_are_in_the_order_of_labels() {
    let whole = fixture("tabular/cancer_svc.onnx");
    let mut bytes = std::fs::read(&whole).unwrap();
    // The output `label` becomes a tensor inside: field 13 of the graph in place of 12.
    let place = bytes.windows(9).position(|part| part == b"\x62\x11\n\x05label").unwrap();
    bytes[place] = 0x6a;
    let place = directory();
    let alone = place.at("scores-alone.onnx");
    std::fs::write(&alone, bytes).unwrap();
    for command in ["bound", "grad"] {
        let [beside, without] = [&whole, &alone].map(|model| {
            let out = place.at("machine.onnx");
            let said = stderr(&succeeds(&mut kennard([command, model, "--out", &out])));
            assert!(said.contains("in the order of its labels"), "{said}");
            std::fs::read(out).unwrap()
        });
        assert!(beside == without, "{command}");
    }
}
