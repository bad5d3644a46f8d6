//! `kennard bound` writes graphs of bounds; `kennard inspect` says what has none.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kennard_graph::{Builder, DType, Dim, Graph, TensorType};

fn kennard(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kennard")).args(arguments).output().unwrap()
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bound-{}-{name}.onnx", std::process::id()))
}

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name).display().to_string()
}

#[test]
fn a_graph_of_bounds_is_written() {
    for (method, norm, inputs) in [("intervals", "linf", 3), ("crown-over-intervals", "l2", 5)] {
        let out = scratch(method);
        let path = out.display().to_string();
        let words =
            ["bound", &fixture("fashion_cnn.onnx"), "--method", method, "--norm", norm, "--out", &path];
        let output = kennard(&words);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
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
    let path = scratch("tan");
    builder.finish().unwrap().save(&path).unwrap();
    let model = path.display().to_string();

    let output = kennard(&["bound", &model, "--out", &scratch("none").display().to_string()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("the operator Tan has no bounds"), "{said}");
    let said = String::from_utf8(kennard(&["inspect", &model]).stdout).unwrap();
    assert!(said.contains("can be attacked, cannot be bounded:\n  Tan"), "{said}");
    let said = String::from_utf8(kennard(&["inspect", &fixture("fashion_cnn.onnx")]).stdout).unwrap();
    assert!(said.contains("every operator can be bounded"), "{said}");
}

/// Of several outputs the one with the shape of logits is bounded, or the one that is named.
#[test]
fn ends_are_found_or_said() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(3)]));
    builder.output("other", x.apply("Neg"));
    builder.output("y", x.apply("Relu"));
    let path = scratch("heads");
    builder.finish().unwrap().save(&path).unwrap();
    let (model, out) = (path.display().to_string(), scratch("of-head").display().to_string());
    let output = kennard(&["bound", &model, "--out", &out]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("`other`") && said.contains("--output"), "{said}");
    let output = kennard(&["bound", &model, "--output", "y", "--out", &out]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Of a support vector machine of two classes the largest score is the label, whether that is an output or not; it is said.
#[test]
fn scores_of_machines_are_in_the_order_of_labels() {
    let whole = fixture("tabular/cancer_svc.onnx");
    let mut bytes = std::fs::read(&whole).unwrap();
    // The output `label` becomes a tensor inside: field 13 of the graph in place of 12.
    let place = bytes.windows(9).position(|part| part == b"\x62\x11\n\x05label").unwrap();
    bytes[place] = 0x6a;
    let file = scratch("scores-alone");
    std::fs::write(&file, bytes).unwrap();
    let alone = file.display().to_string();
    for command in ["bound", "grad"] {
        let [beside, without] = [&whole, &alone].map(|model| {
            let out = scratch(&format!("machine-{command}"));
            let output = kennard(&[command, model, "--out", &out.display().to_string()]);
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success() && said.contains("in the order of its labels"), "{said}");
            std::fs::read(out).unwrap()
        });
        assert!(beside == without, "{command}");
    }
}
