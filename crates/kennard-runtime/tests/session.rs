//! What a session takes, gives and refuses.

mod common;

use std::process::Command;

use kennard_graph::{Builder, DType, Dim, Graph, Shape, Tensor, TensorType};
use kennard_runtime::{Choice, Input, Runtime, RuntimeError};

/// `y = x·2 + label`, over a batch of vectors of 3.
fn graph() -> Graph {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(3)]));
    let label = builder.input("label", TensorType::new(DType::I64, vec![Dim::BATCH, Dim::Known(1)]));
    builder.output("y", x * 2.0 + label.cast(DType::F32));
    builder.finish().unwrap()
}

#[test]
fn slices_in_vectors_out() {
    for runtime in common::runtimes() {
        let threads = runtime.threads(1);
        let mut session = runtime.compile(&graph().with_batch(2), &threads).unwrap();
        assert_eq!(session.inputs()[0].ty.shape, Shape::fixed(&[2, 3]));
        assert_eq!(session.outputs()[0].name, "y");
        let mut outputs = vec![vec![7.0; 100], vec![]];
        let inputs = [Input::F32(&[1., 2., 3., 4., 5., 6.]), Input::I64(&[10, -10])];
        session.run(&inputs, &mut outputs).unwrap();
        assert_eq!(outputs, [[12., 14., 16., -2., 0., 2.]]);
        // On the threads themselves, and from another thread.
        let again = std::thread::scope(|scope| {
            scope.spawn(|| threads.enter(|| common::run(&mut session, &inputs).unwrap())).join().unwrap()
        });
        assert_eq!(again, outputs);
    }
}

#[test]
fn several_threads_agree_with_one() {
    for runtime in common::runtimes() {
        let path = common::root().join("fixtures/fashion_cnn.onnx");
        let graph = Graph::load(path).unwrap().with_batch(8);
        let images = common::pixels(8 * 784, 1);
        let logits = |threads| {
            let mut session = runtime.compile(&graph, &runtime.threads(threads)).unwrap();
            common::run(&mut session, &[Input::F32(&images)]).unwrap().remove(0)
        };
        for (a, b) in logits(1).iter().zip(logits(2)) {
            assert!((a - b).abs() < 1e-4, "{}: {a} and {b}", runtime.name());
        }
    }
}

#[test]
fn wrong_inputs_are_refused() {
    for runtime in common::runtimes() {
        let mut session = runtime.compile(&graph().with_batch(1), &runtime.threads(1)).unwrap();
        let (x, label) = (Input::F32(&[0.0; 3]), Input::I64(&[0]));
        for (inputs, index) in [
            (vec![], 0),
            (vec![x], 1),
            (vec![label, x], 0),
            (vec![Input::F32(&[0.0; 4]), label], 0),
            (vec![x, label, label], 2),
        ] {
            let error = common::run(&mut session, &inputs).unwrap_err();
            assert!(matches!(error, RuntimeError::Input { index: i, .. } if i == index), "{error}");
        }
    }
}

#[test]
fn graphs_that_cannot_run_are_refused() {
    let vector = |n| TensorType::new(DType::F32, Shape::fixed(&[n]));
    for runtime in common::runtimes() {
        let compile =
            |graph: &Graph| runtime.compile(graph, &runtime.threads(1)).err().expect("should be refused");
        // An open batch.
        assert!(matches!(compile(&graph()), RuntimeError::Signature { port: "input", .. }));
        // An output that is no float.
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", vector(3));
        builder.output("y", x.with("Greater", x));
        assert!(matches!(
            compile(&builder.finish().unwrap()),
            RuntimeError::Signature { port: "output", .. }
        ));
        // A tensor as large as the world.
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", vector(1));
        let large = builder.ints(&[1 << 20, 1 << 20]);
        builder.output("y", x.with("Expand", large).reduce("ReduceSum", &[0, 1], false));
        let error = compile(&builder.finish().unwrap());
        assert!(error.to_string().contains("too large"), "{error}");
        // An operator that nobody has.
        let mut unknown = graph().with_batch(1);
        unknown.nodes[0].op = "Frobnicate".into();
        assert!(matches!(compile(&unknown), RuntimeError::Compile { .. }));
    }
}

/// Floats of any kind are computed in single precision.
#[test]
fn other_floats_become_single() {
    for runtime in common::runtimes() {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F64, Shape::fixed(&[2])));
        let half = builder.constant(Tensor::scalar(0.5, DType::F16)).cast(DType::F64);
        builder.output("y", x * half);
        let graph = builder.finish().unwrap();
        let mut session = runtime.compile(&graph, &runtime.threads(1)).unwrap();
        assert_eq!(common::run(&mut session, &[Input::F32(&[1.0, 3.0])]).unwrap(), [[0.5, 1.5]]);
    }
}

/// Quantised values are whole numbers, so that rounding elsewhere must not show: also at ties.
#[test]
fn quantisation_agrees_exactly() {
    let values: Vec<f32> = common::pixels(3 * 1000, 3).iter().map(|v| (v - 0.5) * 6.0).collect();
    let ties = (-150..150).map(|i| (i as f32 + 0.5) * 0.02);
    let values: Vec<f32> = values.into_iter().chain(ties).collect();
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, values.len()])));
    let zero = builder.constant(Tensor::scalar(117.0, DType::U8));
    let scale = builder.constant(Tensor::scalar(0.02, DType::F32));
    let quantised = builder.op("QuantizeLinear", &[Some(x), Some(scale), Some(zero)], &[]);
    builder.output("quantised", quantised.cast(DType::F32));
    let graph = builder.finish().unwrap();
    let expected: Vec<f32> =
        values.iter().map(|v| ((v / 0.02).round_ties_even() + 117.0).clamp(0.0, 255.0)).collect();
    for runtime in common::runtimes() {
        let mut session = runtime.compile(&graph, &runtime.threads(1)).unwrap();
        let outputs = common::run(&mut session, &[Input::F32(&values)]).unwrap();
        assert_eq!(outputs[0], expected, "{}", runtime.name());
    }
}

/// Subnormal numbers are kept, in both runtimes and from any thread.
#[test]
fn subnormal_numbers_are_kept() {
    for runtime in common::runtimes() {
        let mut session = runtime.compile(&graph().with_batch(1), &runtime.threads(1)).unwrap();
        let tiny = f32::from_bits(5);
        let y = common::run(&mut session, &[Input::F32(&[tiny, -tiny, 0.0]), Input::I64(&[0])]).unwrap();
        assert_eq!(y, [[2.0 * tiny, -2.0 * tiny, 0.0]], "{}", runtime.name());
    }
}

#[test]
fn labels_beyond_32_bits_are_an_error_in_rten() {
    let runtime = Runtime::open(Choice::Rten).unwrap();
    let mut session = runtime.compile(&graph().with_batch(1), &runtime.threads(1)).unwrap();
    let error = common::run(&mut session, &[Input::F32(&[0.0; 3]), Input::I64(&[1 << 40])]).unwrap_err();
    assert!(error.to_string().contains("beyond 32 bits"), "{error}");
}

#[test]
fn the_stated_version_of_rten_is_the_one_built_in() {
    let lock = std::fs::read_to_string(common::root().join("Cargo.lock")).unwrap();
    let version = Runtime::open(Choice::Rten).unwrap().version().to_string();
    assert!(lock.contains(&format!("name = \"rten\"\nversion = \"{version}\"\n")));
}

/// The environment of a process cannot be changed safely while threads run, so each case is a
/// process of its own.
#[test]
fn without_onnxruntime_auto_takes_rten_and_says_why() {
    for (library, says) in [("/nonexistent.so", "does not load"), ("/dev/null", "does not load")] {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "opens_in_a_process_of_its_own", "--ignored", "--nocapture"])
            .env("ORT_DYLIB_PATH", library)
            .output()
            .unwrap();
        let out = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{out}");
        assert!(out.contains("auto: rten") && out.contains("onnxruntime: error"), "{out}");
        assert_eq!(out.matches(says).count(), 2, "{out}");
        assert!(child.stderr.is_empty(), "{}", String::from_utf8_lossy(&child.stderr));
    }
}

#[test]
#[ignore = "a part of the test above"]
fn opens_in_a_process_of_its_own() {
    let auto = Runtime::open(Choice::Auto).unwrap();
    println!("auto: {} {}, {}", auto.name(), auto.version(), auto.reason());
    match Runtime::open(Choice::OnnxRuntime) {
        Ok(runtime) => println!("onnxruntime: {} {}", runtime.name(), runtime.version()),
        Err(error) => println!("onnxruntime: error: {error}"),
    }
}

#[test]
fn choices_read_as_they_are_written() {
    for choice in [Choice::Auto, Choice::Rten, Choice::OnnxRuntime] {
        assert_eq!(choice.to_string().parse::<Choice>().unwrap(), choice);
    }
    assert!("tensorrt".parse::<Choice>().unwrap_err().to_string().contains("tensorrt"));
}
