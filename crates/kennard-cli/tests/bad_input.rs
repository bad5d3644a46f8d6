//! Bad input gets a message that names the file, the place and the cure, a non-zero status, and leaves
//! earlier results alone.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use kennard_graph::{Graph, Node, Tensor};

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name).display().to_string()
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}-{name}", std::process::id()))
}

fn audit(model: &str, words: &[&str]) -> Output {
    let data = format!("fashion-mnist:{}", fixture("fashion-mnist"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_kennard"));
    command.args(["audit", model, "--samples", "16", "--packet-samples", "0", "--runtime", "rten"]);
    if !words.contains(&"--data") {
        command.args(["--data", &data]);
    }
    if !words.contains(&"--eps") {
        command.args(["--eps", "0.1"]);
    }
    command.args(words).output().unwrap()
}

/// Runs an audit that must fail with `status` and all of `says` in its message.
fn refused(model: &str, words: &[&str], status: i32, says: &[&str]) {
    let output = audit(model, words);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{model} {words:?}: {message}");
    for part in says {
        assert!(message.contains(part), "{model} {words:?} does not say `{part}`: {message}");
    }
    assert!(!message.contains("panicked"), "{message}");
    assert!(output.stdout.is_empty());
}

#[test]
fn broken_models_are_refused() {
    refused("missing.onnx", &[], 1, &["missing.onnx"]);
    let whole = std::fs::read(fixture("fashion_cnn.onnx")).unwrap();
    let file = scratch("truncated.onnx");
    std::fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    refused(&file.display().to_string(), &[], 1, &["truncated.onnx", "complete"]);
    std::fs::write(&file, "a text").unwrap();
    refused(&file.display().to_string(), &[], 1, &["truncated.onnx", "ONNX"]);
    std::fs::remove_file(file).unwrap();
}

fn changed(name: &str, change: impl FnOnce(&mut Graph)) -> String {
    let mut graph = Graph::load(fixture("fashion_mlp.onnx")).unwrap();
    change(&mut graph);
    let file = scratch(name);
    graph.save(&file).unwrap();
    file.display().to_string()
}

#[test]
fn models_that_are_no_classifiers_are_refused() {
    let two = changed("two.onnx", |graph| {
        let mut second = graph.inputs[0].clone();
        second.name = "second".into();
        graph.inputs.push(second);
    });
    refused(&two, &[], 1, &["one input", "second"]);
    let nan = changed("nan.onnx", |graph| {
        let weight = graph.constants.values_mut().find(|t| t.dtype().is_float()).unwrap();
        *weight = Tensor::full(weight.shape(), f64::NAN, weight.dtype());
    });
    refused(&nan, &[], 1, &["NaN"]);
    let unknown = changed("unknown.onnx", |graph| {
        let last = graph.nodes.last_mut().unwrap();
        let logits = std::mem::replace(&mut last.outputs[0], "before".into());
        let node = Node {
            name: "odd".into(),
            op: "Frobnicate".into(),
            inputs: vec!["before".into()],
            outputs: vec![logits],
            ..Node::default()
        };
        graph.nodes.push(node);
    });
    refused(&unknown, &[], 1, &["Frobnicate"]);
    for file in [two, nan, unknown] {
        std::fs::remove_file(file).unwrap();
    }
}

#[test]
fn impossible_settings_are_refused() {
    let model = fixture("fashion_mlp.onnx");
    refused(&model, &["--eps", "-0.1"], 1, &["epsilon", "-0.1"]);
    refused(&model, &["--eps", "8"], 1, &["8/255"]);
    refused(&model, &["--eps", "much"], 2, &["much", "8/255"]);
    refused(&model, &["--norm", "l7"], 2, &["linf"]);
    refused(&model, &["--attack", "magic"], 1, &["magic", "pgd"]);
    refused(&model, &["--bounds", "1,0"], 1, &["smaller"]);
    refused(&model, &["--data", "mnist:/nowhere"], 1, &["/nowhere"]);
    refused(&model, &["--data", "minst:/nowhere"], 1, &["did you mean"]);
    refused(&model, &["--config", "/nowhere.toml"], 1, &["/nowhere.toml"]);
    refused(&model, &["--out", "/dev/null/run"], 1, &["/dev/null/run"]);
    refused(&model, &["--transfer", "/nowhere.onnx"], 1, &["/nowhere.onnx"]);
    refused(&model, &["--transfer", &fixture("plane_moons.onnx")], 1, &["28"]);
}

/// The surrogate is part of a run: what it found is in the table, and another one is refused.
#[test]
fn transfers_are_listed_and_resumed_with_their_own_surrogate() {
    let (model, out) = (fixture("fashion_mlp.onnx"), scratch("transfer"));
    let directory = out.display().to_string();
    let with = |surrogate: &str| {
        let surrogate = fixture(surrogate);
        let words = ["--attack", "pgd", "--steps", "10", "--transfer", &surrogate, "--out", &directory];
        audit(&model, &[&words[..], &["--resume"]].concat())
    };
    let first = with("fashion_cnn.onnx");
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    assert!(String::from_utf8_lossy(&first.stderr).contains("of 200 samples classified correctly"));
    let screen = String::from_utf8_lossy(&first.stdout).into_owned();
    assert!(screen.contains("transfer-apgd-ce ") && screen.contains("transfer-apgd-t "), "{screen}");
    let other = with("fashion_pool.onnx");
    assert_eq!(other.status.code(), Some(1));
    let message = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(message.contains("other settings") && message.contains("surrogate"), "{message}");
    std::fs::remove_dir_all(out).unwrap();
}

fn write_npy(path: &Path, dtype: &str, shape: &str, data: &[u8]) {
    let mut header = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = (header.len() as u16).to_le_bytes();
    let bytes = [b"\x93NUMPY\x01\x00".as_slice(), &length, header.as_bytes(), data].concat();
    std::fs::write(path, bytes).unwrap();
}

/// Four images of one value, with a label each, as an argument of `--data`.
fn images(name: &str, shape: &str, size: usize, value: f32, label: i64) -> String {
    let (x, y) = (scratch(&format!("{name}-x.npy")), scratch(&format!("{name}-y.npy")));
    let pixels: Vec<u8> = std::iter::repeat_n(value.to_le_bytes(), 4 * size).flatten().collect();
    let labels: Vec<u8> = std::iter::repeat_n(label.to_le_bytes(), 4).flatten().collect();
    write_npy(&x, "<f4", shape, &pixels);
    write_npy(&y, "<i8", "(4,)", &labels);
    format!("npz:{},{}", x.display(), y.display())
}

#[test]
fn data_that_does_not_fit_is_refused() {
    let model = fixture("fashion_mlp.onnx");
    let wide = images("wide", "(4, 3, 32, 32)", 3072, 0.5, 0);
    refused(&model, &["--data", &wide], 1, &["[3, 32, 32]", "28"]);
    let bright = images("bright", "(4, 1, 28, 28)", 784, 200.0, 0);
    refused(&model, &["--data", &bright], 1, &["200", "--bounds"]);
    let labelled = images("labelled", "(4, 1, 28, 28)", 784, 0.5, 10);
    refused(&model, &["--data", &labelled], 1, &["label 10", "10 classes"]);
}

#[test]
fn a_failed_run_leaves_earlier_results_alone() {
    let out = scratch("run");
    let directory = out.display().to_string();
    assert!(audit(&fixture("fashion_mlp.onnx"), &["--out", &directory]).status.success());
    let read = || std::fs::read(out.join("summary.json")).unwrap();
    let before = read();
    refused(&fixture("fashion_mlp.onnx"), &["--out", &directory, "--eps", "8"], 1, &["epsilon"]);
    assert_eq!(read(), before);
    std::fs::remove_dir_all(out).unwrap();
}

/// `--json` prints the summary and nothing else.
#[test]
fn json_is_all_there_is_on_standard_output() {
    let output = audit(&fixture("fashion_mlp.onnx"), &["--json"]);
    assert!(output.status.success());
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["samples"], 16);
}
