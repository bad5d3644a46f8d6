//! `kennard grad` writes files that runtimes load, of every classifier that `kennard audit` takes.

mod common;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Output;

use kennard_graph::{Builder, DType, Dim, Graph, Node, Shape, Tensor, TensorType, Value, Var};
use kennard_runtime::{Choice, Runtime};

use common::{kennard, refused, scratch, shared, stderr, stdout};

fn filled(shape: &[usize]) -> Tensor {
    Tensor::full(shape, 0.5, DType::F32)
}

/// `x [N, 4] → logits [N, 3]`, and what `f` makes of them.
fn linear(f: impl for<'b> Fn(Var<'b>) -> Var<'b>) -> Graph {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(4)]));
    let w = builder.named("w", filled(&[4, 3]));
    builder.output("y", f(x.with("MatMul", w)));
    builder.finish().unwrap()
}

fn grad(model: &Path, options: &[&str]) -> (Output, PathBuf) {
    let written = model.with_extension("gradient.onnx");
    let output = kennard(["grad", "--out"]).arg(&written).arg(model).args(options).output().unwrap();
    (output, written)
}

/// The gradient does not take the place of the model.
#[test]
fn a_model_is_not_written_over() {
    let path = scratch("over.onnx");
    linear(|y| y).save(&path).unwrap();
    let before = std::fs::read(&path).unwrap();
    for command in ["grad", "bound"] {
        refused(kennard([command, "--out"]).arg(&path).arg(&path), 2, &["the file that is read"]);
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

/// A mode that a rule lacks is named, as `grad` names it, and not that every operator can be differentiated.
#[test]
fn inspect_finds_what_grad_refuses() {
    let cut = linear(|y| {
        let pads = y.builder().ints(&[0, -1, 0, 1]);
        y.builder().op("Pad", &[Some(y), Some(pads)], &[("mode", "reflect".into())])
    });
    let path = scratch("cut.onnx");
    cut.save(&path).unwrap();
    let (refused, _) = grad(&path, &[]);
    let reason = "the mode reflect does not cut";
    assert!(stderr(&refused).contains(reason));
    let inspect = |words: &[&str]| stdout(&kennard(["inspect"]).arg(&path).args(words).output().unwrap());
    let said = inspect(&[]);
    assert!(said.contains(reason) && !said.contains("every operator can be differentiated"), "{said}");
    let found: serde_json::Value = serde_json::from_str(&inspect(&["--json"])).unwrap();
    let stuck = &found["undifferentiable"];
    assert_eq!((&stuck[0]["operator"], &stuck[0]["reason"]), (&"Pad".into(), &reason.into()), "{stuck}");
    linear(|y| y.apply("Relu")).save(&path).unwrap();
    assert!(inspect(&[]).contains("every operator can be differentiated"));
}

/// What is written, and said.
fn made(name: &str, model: &Graph, options: &[&str]) -> (Graph, String) {
    let path = scratch(&format!("{name}.onnx"));
    model.save(&path).unwrap();
    let (output, written) = grad(&path, options);
    let said = stderr(&output);
    assert!(output.status.success(), "{said}");
    (Graph::load(written).unwrap(), said)
}

/// ONNX Runtime refuses two nodes of one name. Kennard calls its own after what they compute.
#[test]
fn every_node_has_a_name_of_its_own() {
    let mut model = linear(|z| z.apply("Relu"));
    for (node, name) in model.nodes.iter_mut().zip(["Mul", "Mul", "Softplus_1"]) {
        node.name = name.into();
    }
    let (graph, _) = made("names", &model, &[]);
    let mut names = HashSet::new();
    for node in graph.nodes.iter().filter(|node| !node.name.is_empty()) {
        assert!(names.insert(&node.name), "two nodes `{}`", node.name);
    }
    assert!(names.len() > 3);
}

#[test]
fn a_closing_softmax_is_taken_off_and_said() {
    let probabilities = linear(|z| z.apply_with("Softmax", &[("axis", 1i64.into())]));
    let (graph, said) = made("probabilities", &probabilities, &[]);
    assert!(said.contains("its closing softmax is taken off"), "{said}");
    let (of_logits, said) = made("logits", &linear(|z| z + 0.0), &[]);
    assert!(!said.contains("softmax"), "{said}");
    let operators = |graph: &Graph| graph.nodes.iter().map(|node| node.op.clone()).collect::<Vec<_>>();
    assert_eq!(operators(&graph), operators(&of_logits));
}

/// Simplifying folds the batch normalisation into the convolution before it, but not if that is asked about.
#[test]
fn weights_and_hidden_tensors_that_are_asked_for_stay() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let shape = [1, 4, 4].map(Dim::Known);
    let x = builder.input("x", TensorType::new(DType::F32, [vec![Dim::BATCH], shape.to_vec()].concat()));
    let w = builder.named("w", filled(&[2, 1, 4, 4]));
    let hidden = x.with("Conv", w);
    let one = builder.constant(Tensor::full(&[2], 2.0, DType::F32));
    let normal = [hidden, one, one, one, one].map(Some);
    builder.output("y", builder.op("BatchNormalization", &normal, &[]).apply("Flatten"));
    let hidden = hidden.name();
    let (graph, _) = made("weights", &builder.finish().unwrap(), &["--wrt", "w", "--wrt", &hidden]);
    let found = |name: &str| graph.outputs.iter().find(|v| v.name == name).map(|v| v.ty.shape.clone());
    assert_eq!(found("gradient/w"), Some(Shape::fixed(&[2, 1, 4, 4])));
    let of_hidden = [vec![Dim::BATCH], [2, 1, 1].map(Dim::Known).to_vec()].concat();
    assert_eq!(found(&format!("gradient/{hidden}")), Some(Shape(of_hidden)));
}

#[test]
fn an_operator_without_a_rule_is_named() {
    let mut model = linear(|z| z.apply("Relu"));
    model.nodes = vec![Node {
        name: "volume".into(),
        op: "Det".into(),
        inputs: vec!["x3".into()],
        outputs: vec!["y".into()],
        ..Node::default()
    }];
    let ty = TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(3), Dim::Known(4), Dim::Known(4)]);
    model.inputs = vec![Value { name: "x3".into(), ty }];
    model.outputs[0].ty = TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(3)]);
    let path = scratch("volume.onnx");
    model.save(&path).unwrap();
    let (output, _) = grad(&path, &[]);
    let said = stderr(&output);
    assert!(said.contains("node `volume`: the operator Det has no gradient rule"), "{said}");
}

/// One number is the logit of the second class; extents that the file leaves open are said.
#[test]
fn other_ends_are_brought_to_logits() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(4)]));
    let z = x.with("MatMul", builder.named("w", filled(&[4, 1])));
    builder.output("p", z.apply("Sigmoid"));
    let (graph, said) = made("sigmoid", &builder.finish().unwrap(), &["--loss", "margin"]);
    assert!(said.contains("one number") && said.contains("before its closing sigmoid"), "{said}");
    assert_eq!(graph.outputs[0].ty.shape, Shape(vec![Dim::BATCH, Dim::Known(2)]));
    assert!(graph.nodes.iter().all(|node| node.op != "Sigmoid"));
}

/// Exports by PyTorch's older exporter with shape arithmetic in them.
#[test]
fn legacy_exports_have_a_gradient() {
    for name in ["vit_legacy_dyn", "mha_legacy"] {
        let path = shared().join(format!("cases/{name}.onnx"));
        if !path.exists() {
            println!("skipped: there is no {}", path.display());
            continue;
        }
        let (graph, _) = made(name, &Graph::load(path).unwrap(), &[]);
        assert_eq!(graph.outputs.len(), 3);
    }
}

/// Of a label and scores, and of a state that is 0 where nothing is said, as `audit` takes them; an input of levels is one of floats.
#[test]
fn ends_are_found_as_in_an_audit() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(4)]));
    let z = x.with("MatMul", builder.named("w", filled(&[4, 3])));
    builder.output("label", z.apply_with("ArgMax", &[("axis", 1i64.into()), ("keepdims", 0i64.into())]));
    builder.output("y", z);
    let scores = builder.finish().unwrap();
    let (graph, _) = made("label", &scores, &[]);
    assert!(
        graph.outputs.iter().any(|v| v.name == "gradient/x")
            && graph.outputs.iter().all(|v| v.name != "label")
    );

    let mut levels = linear(|z| z + 0.0);
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::U8, vec![Dim::BATCH, Dim::Known(4)]));
    let w = builder.named("w", levels.constants.remove("w").unwrap());
    builder.output("y", x.cast(DType::F32).with("MatMul", w));
    let (graph, said) = made("levels", &builder.finish().unwrap(), &[]);
    assert!(said.contains("floats in the place of these integers"), "{said}");
    let gradient = graph.outputs.iter().find(|v| v.name == "gradient/x").unwrap();
    assert_eq!(gradient.ty.to_string(), "F32[N, 4]");
}

/// The gradient of several numbers would be that of their sum, and of none of them.
#[test]
fn a_tensor_of_many_numbers_is_refused() {
    let several = linear(|y| y);
    let path = scratch("several.onnx");
    several.save(&path).unwrap();
    let (output, written) = grad(&path, &["--of", "y"]);
    let said = stderr(&output);
    assert!(output.status.code() == Some(1) && said.contains("one number for each sample"), "{said}");
    assert!(!written.exists());
    for (name, model) in [
        ("column", linear(|y| y.reduce("ReduceMax", &[1], true))),
        ("vector", linear(|y| y.reduce("ReduceMax", &[1], false))),
        ("scalar", linear(|y| y.reduce("ReduceSum", &[0, 1], false))),
        ("one", linear(|y| y.reduce("ReduceSum", &[0, 1], true))),
    ] {
        let (graph, _) = made(name, &model, &["--of", "y"]);
        assert!(graph.outputs.iter().any(|v| v.name == "gradient/x"), "{name}");
    }
}

/// Models of double precision: the files of their losses run on ONNX Runtime, where it is.
#[test]
fn gradients_in_double_precision_run() {
    let runtime = match Runtime::open(Choice::OnnxRuntime) {
        Ok(runtime) => runtime,
        Err(error) => return println!("skipped: {error}"),
    };
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F64, vec![Dim::BATCH, Dim::Known(4)]));
    let y = x.with("MatMul", builder.named("w", Tensor::full(&[4, 5], 0.5, DType::F64)));
    builder.output("y", y.apply("Relu"));
    let model = builder.finish().unwrap();
    for loss in [
        "cross-entropy",
        "log-odds",
        "margin",
        "probability-margin",
        "logit-difference",
        "dlr",
        "targeted-dlr",
    ] {
        let (graph, _) = made(&format!("double-{loss}"), &model, &["--loss", loss]);
        let compiled = runtime.compile_as_given(&graph.with_batch(2), &runtime.threads(1));
        assert!(compiled.is_ok(), "{loss}: {:?}", compiled.err());
    }
}
