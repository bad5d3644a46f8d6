//! What a session takes, gives and refuses.

mod common;

use std::process::Command;

use kennard_graph::{Attribute, Builder, DType, Dim, Graph, Node, Shape, Tensor, TensorType, Var, gradient};
use kennard_runtime::{Choice, Input, Precision, Runtime, RuntimeError, Session, on_deep_stack};

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
        if !path.is_file() {
            println!("skipped: {} is not there", path.display());
            return;
        }
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

/// The runtimes that quantise as the standard says.
fn exact_in_integers() -> impl Iterator<Item = Runtime> {
    common::runtimes().into_iter().filter(|runtime| runtime.name() != "openvino")
}

/// OpenVINO quantises otherwise, and so it does not at all.
#[test]
fn quantised_arithmetic_is_refused_where_it_is_inexact() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, 3])));
    let [zero, scale] = [(0.0, DType::U8), (0.02, DType::F32)].map(|(v, dtype)| Tensor::scalar(v, dtype));
    let [zero, scale] = [zero, scale].map(|tensor| builder.constant(tensor));
    builder
        .output("y", builder.op("QuantizeLinear", &[Some(x), Some(scale), Some(zero)], &[]).cast(DType::F32));
    let graph = builder.finish().unwrap();
    for runtime in common::runtimes().iter().filter(|runtime| runtime.name() == "openvino") {
        for compile in [Runtime::compile, Runtime::compile_as_given] {
            let error = compile(runtime, &graph, &runtime.threads(1)).err().unwrap().to_string();
            assert!(error.contains("QuantizeLinear") && error.contains("another runtime"), "{error}");
        }
    }
}

/// Quantised values are whole numbers, so that rounding elsewhere must not show: also at ties, and beyond the range.
#[test]
fn quantisation_agrees_exactly() {
    for (dtype, middle) in [(DType::U8, 117.0), (DType::I8, -11.0), (DType::U16, 32_700.0), (DType::I16, 0.0)]
    {
        let [least, most] = dtype.levels().unwrap().map(|level| level as f32);
        let step = 6.0 / (most - least) * 0.98;
        let values: Vec<f32> = common::pixels(3 * 1000, 3).iter().map(|v| (v - 0.5) * 6.0).collect();
        let ties = (-150..150).map(|i| (i as f32 + 0.5) * step);
        let values: Vec<f32> = values.into_iter().chain(ties).collect();
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, values.len()])));
        let zero = builder.constant(Tensor::scalar(middle.into(), dtype));
        let scale = builder.constant(Tensor::scalar(step.into(), DType::F32));
        let quantised = builder.op("QuantizeLinear", &[Some(x), Some(scale), Some(zero)], &[]);
        builder.output("quantised", quantised.cast(DType::F32));
        let again = builder.op("DequantizeLinear", &[Some(quantised), Some(scale), Some(zero)], &[]);
        builder.output("again", again);
        let graph = builder.finish().unwrap();
        let levels: Vec<f32> =
            values.iter().map(|v| ((v / step).round_ties_even() + middle).clamp(least, most)).collect();
        let back: Vec<f32> = levels.iter().map(|level| (level - middle) * step).collect();
        for runtime in exact_in_integers() {
            for compile in [Runtime::compile, Runtime::compile_as_given] {
                let mut session = compile(&runtime, &graph, &runtime.threads(1)).unwrap();
                let outputs = common::run(&mut session, &[Input::F32(&values)]).unwrap();
                assert_eq!(outputs[0], levels, "{} {dtype:?}", runtime.name());
                assert_eq!(outputs[1], back, "{} {dtype:?}", runtime.name());
            }
        }
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
fn labels_beyond_32_bits_are_an_error_where_there_are_no_more() {
    for runtime in common::runtimes().into_iter().filter(|runtime| runtime.name() != "onnxruntime") {
        let mut session = runtime.compile(&graph().with_batch(1), &runtime.threads(1)).unwrap();
        let error = common::run(&mut session, &[Input::F32(&[0.0; 3]), Input::I64(&[1 << 40])]).unwrap_err();
        assert!(error.to_string().contains("beyond 32 bits"), "{error}");
    }
}

#[test]
fn the_stated_version_of_rten_is_the_one_built_in() {
    let Ok(lock) = std::fs::read_to_string(common::root().join("Cargo.lock")) else {
        println!("skipped: the repository's Cargo.lock is not in the package");
        return;
    };
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

/// Who asks for OpenVINO and has none learns why, and what to do.
#[test]
fn without_openvino_the_error_says_what_to_do() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "opens_in_a_process_of_its_own", "--ignored", "--nocapture"])
        .env("OPENVINO_DYLIB_PATH", "/nonexistent.so")
        .output()
        .unwrap();
    let out = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{out}");
    for says in ["openvino: error: OpenVINO cannot be used", "/nonexistent.so", "pip install openvino"] {
        assert!(out.contains(says), "{out}");
    }
}

#[test]
#[ignore = "a part of the tests above"]
fn opens_in_a_process_of_its_own() {
    let auto = Runtime::open(Choice::Auto).unwrap();
    println!("auto: {} {}, {}", auto.name(), auto.version(), auto.reason());
    match Runtime::open(Choice::OnnxRuntime) {
        Ok(runtime) => println!("onnxruntime: {} {}", runtime.name(), runtime.version()),
        Err(error) => println!("onnxruntime: error: {error}"),
    }
    match Runtime::open(Choice::OpenVino) {
        Ok(runtime) => println!("openvino: {} {}", runtime.name(), runtime.version()),
        Err(error) => println!("openvino: error: {error}"),
    }
}

#[test]
fn choices_read_as_they_are_written() {
    for choice in [Choice::Auto, Choice::Rten, Choice::OnnxRuntime, Choice::OpenVino] {
        assert_eq!(choice.to_string().parse::<Choice>().unwrap(), choice);
    }
    assert!("tensorrt".parse::<Choice>().unwrap_err().to_string().contains("tensorrt"));
}

/// A graph of one input, as given.
fn given(
    runtime: &Runtime,
    dtype: DType,
    dims: &[usize],
    build: impl for<'b> FnOnce(&'b Builder, Var<'b>) -> Var<'b>,
) -> kennard_runtime::Result<Session> {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(dtype, Shape::fixed(dims)));
    let y = build(&builder, x);
    builder.output("y", y);
    runtime.compile_as_given(&builder.finish().unwrap(), &runtime.threads(1))
}

/// As given, a graph is computed in its own types; rten and OpenVINO say what they cannot.
#[test]
fn graphs_keep_their_types_as_given() {
    for runtime in common::runtimes() {
        let exact = runtime.name() == "onnxruntime";
        let half = given(&runtime, DType::F16, &[1, 3], |_, x| x + 2048.0);
        let y = common::run(&mut half.unwrap(), &[Input::F32(&[0.25, 1.0, 3.0])]).unwrap();
        // Beyond 2 048 half precision has even numbers only; ties go to the even mantissa.
        assert_eq!(y, [if exact { [2048.0, 2048.0, 2052.0] } else { [2048.25, 2049.0, 2051.0] }]);
        let double = given(&runtime, DType::F64, &[1, 3], |_, x| x + 1e9);
        if !exact {
            let error = double.err().unwrap().to_string();
            assert!(error.contains("double precision") && error.contains("onnxruntime"), "{error}");
            continue;
        }
        let y = common::run(&mut double.unwrap(), &[Input::F32(&[0.25, 1.0, 3.0])]).unwrap();
        assert_eq!(y, [[-2.75, -2.0, 0.0]], "relative to the largest");
    }
}

/// Sums of products of 8-bit integers are exact, and what is beyond the edge of an image is its zero point.
/// rten and OpenVINO have 32-bit integers alone; whoever relies on more is told.
#[test]
fn integers_made_of_floats_are_named_where_they_are_narrowed() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, 3])));
    let wide = x.cast(DType::I64);
    let name = wide.name();
    builder.output("y", wide.cast(DType::F32));
    let graph = builder.finish().unwrap();
    for runtime in common::runtimes() {
        let expected = (runtime.name() != "onnxruntime").then(|| name.clone());
        assert_eq!(runtime.narrows_integers(&graph).unwrap(), expected);
    }
}

/// Floats that happen to be whole numbers are divided as floats: 1 / 8 is no 0.
#[test]
fn whole_constants_are_divided_as_floats() {
    for runtime in common::runtimes() {
        for compile in [Runtime::compile, Runtime::compile_as_given] {
            let builder = Builder::new(&Graph::default()).unwrap();
            let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::Known(1), Dim::Known(2)]));
            let number = |value: f64| builder.constant(Tensor::scalar(value, DType::F32));
            let means = [124.0f32, 116.0].as_slice();
            let means = builder.constant(Tensor::from(ndarray::arr1(means).into_dyn()));
            builder.output("y", x * (number(1.0) / number(8.0)) + means / number(58.0));
            let graph = builder.finish().unwrap();
            let mut session = compile(&runtime, &graph, &runtime.threads(1)).unwrap();
            let outputs = common::run(&mut session, &[Input::F32(&[1.0, 2.0])]).unwrap();
            assert_eq!(outputs, [[0.125 + 124.0 / 58.0, 0.25 + 2.0]], "{}", runtime.name());
        }
    }
}

#[test]
fn integer_products_are_exact() {
    const CHANNELS: usize = 300;
    // One output channel of 3 × 3 taps over 300 channels: 2 700 products of up to 255 · 128.
    let pixels: Vec<f32> = common::pixels(CHANNELS * 16, 1).iter().map(|v| (v * 255.0).round()).collect();
    let taps: Vec<f32> = common::pixels(CHANNELS * 9, 2).iter().map(|v| (v * 40.0).round() - 128.0).collect();
    let (zero, tap_zero) = (10.0, 3.0);
    let at = |c: usize, i: isize, j: isize| {
        let inside = (0..4).contains(&i) && (0..4).contains(&j);
        if inside { pixels[c * 16 + (i * 4 + j) as usize] as i64 - zero as i64 } else { 0 }
    };
    let mut expected = Vec::new();
    for (i, j) in (0..4).flat_map(|i| (0..4).map(move |j| (i, j))) {
        let mut sum = 0i64;
        for (n, tap) in taps.iter().enumerate() {
            let (c, k, l) = (n / 9, (n / 3 % 3) as isize - 1, (n % 3) as isize - 1);
            sum += at(c, i + k, j + l) * (*tap as i64 - tap_zero as i64);
        }
        expected.push(sum);
    }
    assert!(expected.iter().any(|sum| sum.abs() > 1 << 24), "floats alone would do: {expected:?}");
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, CHANNELS, 4, 4])));
    let w = builder.constant(tensor(&[1, CHANNELS, 3, 3], &taps)).cast(DType::I8);
    let [x0, w0] = [(zero, DType::U8), (tap_zero, DType::I8)]
        .map(|(value, dtype)| builder.constant(Tensor::scalar(value, dtype)));
    let pads: [(&str, Attribute); 1] = [("pads", vec![1, 1, 1, 1].into())];
    let sums = builder.op("ConvInteger", &[Some(x.cast(DType::U8)), Some(w), Some(x0), Some(w0)], &pads);
    // Two parts, each of which a float holds.
    let high = sums / 1024.0;
    builder.output("high", high.cast(DType::F32));
    builder.output("low", (sums - high * 1024.0).cast(DType::F32));
    let graph = builder.finish().unwrap();
    for runtime in exact_in_integers() {
        for compile in [Runtime::compile, Runtime::compile_as_given] {
            let mut session = compile(&runtime, &graph, &runtime.threads(1)).unwrap();
            let y = common::run(&mut session, &[Input::F32(&pixels)]).unwrap();
            let sums: Vec<i64> = y[0].iter().zip(&y[1]).map(|(h, l)| *h as i64 * 1024 + *l as i64).collect();
            assert_eq!(sums, expected, "{}", runtime.name());
        }
    }
}

fn tensor(shape: &[usize], values: &[f32]) -> Tensor {
    ndarray::ArrayD::from_shape_vec(shape.to_vec(), values.to_vec()).unwrap().into()
}

/// Range, zero point and values of `DynamicQuantizeLinear` as the standard's text has them, and a matrix product
/// of what it makes with zero points for rows and columns.
#[test]
fn quantisation_at_run_time_is_that_of_the_standard() {
    let values: Vec<f32> = common::pixels(4 * 6, 7).iter().map(|v| v * 5.0 - 1.7).collect();
    let (least, most) = values.iter().fold((0.0f32, 0.0f32), |(l, m), &v| (l.min(v), m.max(v)));
    let scale = (most - least) / 255.0;
    let zero = (-least / scale).round_ties_even();
    let levels: Vec<f32> =
        values.iter().map(|v| ((v / scale).round_ties_even() + zero).clamp(0.0, 255.0)).collect();
    let weights: Vec<f32> = common::pixels(6 * 3, 8).iter().map(|v| (v * 255.0).round() - 128.0).collect();
    let (rows, columns) = ([1.0, 2.0, 0.0, 200.0], [5.0, -7.0, 0.0]);
    let mut product = Vec::new();
    for (i, j) in (0..4).flat_map(|i| (0..3).map(move |j| (i, j))) {
        product.push((0..6).map(|k| (levels[i * 6 + k] - rows[i]) * (weights[k * 3 + j] - columns[j])).sum());
    }
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[4, 6])));
    let quantised = builder.op_n("DynamicQuantizeLinear", &[Some(x)], &[], 3);
    let w = builder.constant(tensor(&[6, 3], &weights)).cast(DType::I8);
    let rows = builder.constant(tensor(&[4], &rows)).cast(DType::U8);
    let columns = builder.constant(tensor(&[3], &columns)).cast(DType::I8);
    let inputs = [Some(quantised[0]), Some(w), Some(rows), Some(columns)];
    builder.output("product", builder.op("MatMulInteger", &inputs, &[]).cast(DType::F32));
    for (name, var) in ["levels", "scale", "zero"].into_iter().zip(&quantised) {
        builder.output(name, var.cast(DType::F32));
    }
    let graph = builder.finish().unwrap();
    let expected = [product, levels, vec![scale], vec![zero]];
    // ONNX Runtime has one zero point for all rows.
    let rten = Runtime::open(Choice::Rten).unwrap();
    let mut session = rten.compile(&graph, &rten.threads(1)).unwrap();
    assert_eq!(common::run(&mut session, &[Input::F32(&values)]).unwrap(), expected);
}

/// The standard's own example, in which −2.5 lies at a tie but for the rounding of the scale.
#[test]
fn a_tie_of_the_standards_example_falls_as_it_says() {
    for runtime in exact_in_integers() {
        for compile in [Runtime::compile, Runtime::compile_as_given] {
            let builder = Builder::new(&Graph::default()).unwrap();
            let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[6])));
            let quantised = builder.op_n("DynamicQuantizeLinear", &[Some(x)], &[], 3);
            builder.output("levels", quantised[0].cast(DType::F32));
            let graph = builder.finish().unwrap();
            let mut session = compile(&runtime, &graph, &runtime.threads(1)).unwrap();
            let y = common::run(&mut session, &[Input::F32(&[0.0, 2.0, -3.0, -2.5, 1.34, 0.5])]).unwrap();
            assert_eq!(y, [[153.0, 255.0, 0.0, 26.0, 221.0, 179.0]], "{}", runtime.name());
        }
    }
}

/// What rten lacks is said when the session is made, with node and operator.
#[test]
fn an_operator_that_fails_is_named_before_the_work() {
    let rten = Runtime::open(Choice::Rten).unwrap();
    let error = given(&rten, DType::F32, &[1, 2, 4, 4, 4, 4], |b, x| {
        let w = b.constant(Tensor::full(&[3, 2, 3, 3, 3, 3], 0.1, DType::F32));
        x.with("Conv", w).apply("Relu")
    });
    let message = error.err().unwrap().to_string();
    assert!(message.contains("(Conv)") && message.contains("node `"), "{message}");
}

/// Thousands of nodes in a row, from a thread with a small stack.
#[test]
fn deep_graphs_compile() {
    let graph = on_deep_stack(|| {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, 2])));
        let y = (0..5000).fold(x, |y, _| y.apply("Sin"));
        builder.output("y", y);
        builder.finish().unwrap()
    });
    for runtime in common::runtimes() {
        let small = std::thread::Builder::new().stack_size(1 << 20);
        let compile = || {
            let mut session = runtime.compile(&graph, &runtime.threads(1)).unwrap();
            common::run(&mut session, &[Input::F32(&[0.0, 1.0])]).unwrap()
        };
        let y = std::thread::scope(|scope| small.spawn_scoped(scope, compile).unwrap().join().unwrap());
        let sine = (0..5000).fold(1.0f64, |y, _| y.sin());
        assert!(y[0][0] == 0.0 && (f64::from(y[0][1]) - sine).abs() < 1e-4, "{y:?} {sine}");
    }
}

/// Whether the processor has instructions for bfloat16, where the system says so.
fn has_bfloat16() -> Option<bool> {
    let said = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    Some(said.split_whitespace().any(|flag| flag == "avx512_bf16"))
}

/// Products of 256 numbers, beside sums in double precision: single precision is a thousand times closer than bfloat16, and a
/// processor that has both computes in the one that is asked for.
#[test]
fn passes_are_computed_in_the_precision_asked_for() {
    const N: usize = 256;
    let (x, w) = (common::pixels(4 * N, 1), common::pixels(N * N, 2));
    let builder = Builder::new(&Graph::default()).unwrap();
    let input = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[4, N])));
    let weights = ndarray::Array2::from_shape_vec((N, N), w.clone()).unwrap().into_dyn();
    builder.output("y", input.with("MatMul", builder.constant(Tensor::from(weights))));
    let graph = builder.finish().unwrap();
    let exact: Vec<f64> = (0..4 * N)
        .map(|i| (0..N).map(|k| f64::from(x[i / N * N + k]) * f64::from(w[k * N + i % N])).sum())
        .collect();
    for runtime in common::runtimes() {
        let off = |precision| {
            let mut session = runtime.compile_in(&graph, &runtime.threads(1), precision)?;
            let y = common::run(&mut session, &[Input::F32(&x)])?.remove(0);
            Ok(y.iter().zip(&exact).map(|(y, exact)| (f64::from(*y) / exact - 1.0).abs()).fold(0.0, f64::max))
        };
        let single: kennard_runtime::Result<f64> = off(Precision::F32);
        assert!(single.unwrap() < 2e-6, "{}", runtime.name());
        let able = runtime.computes_in(Precision::Bf16);
        match off(Precision::Bf16) {
            Ok(off) => assert!((2e-4..2e-2).contains(&off), "{}: {off}", runtime.name()),
            Err(error @ RuntimeError::Precision { .. }) => assert_eq!(able, Err(error)),
            Err(error) => panic!("{error}"),
        }
        let (precision, why) = runtime.fastest_precision();
        if let Some(has) = has_bfloat16() {
            assert_eq!(precision == Precision::Bf16, able.is_ok() && has, "{precision}: {why}");
        }
        assert_eq!(runtime.fastest_precision(), (precision, why));
        assert_eq!(runtime.computes_in(Precision::F32), Ok(()));
    }
    let rten = Runtime::open(Choice::Rten).unwrap();
    let error = rten.compile_in(&graph, &rten.threads(1), Precision::Bf16).err().unwrap().to_string();
    assert!(error.contains("does not compute in bf16") && error.contains("openvino"), "{error}");
    assert_eq!("bf16".parse::<Precision>().unwrap().to_string(), "bf16");
    assert!("int4".parse::<Precision>().unwrap_err().to_string().contains("f32 or bf16"));
}

/// By the name that the model gives it.
#[test]
fn a_node_that_a_runtime_lacks_is_named() {
    let mut graph = graph();
    graph.inputs.truncate(1);
    for op in ["own::Wobble", "Wobble"] {
        graph.nodes = vec![Node {
            name: "the odd one".into(),
            op: op.into(),
            inputs: vec!["x".into()],
            outputs: vec!["y".into()],
            ..Node::default()
        }];
        for runtime in common::runtimes().into_iter().filter(|runtime| runtime.name() != "openvino") {
            let refused = runtime.compile(&graph.with_batch(2), &runtime.threads(1));
            let said = refused.map(|_| ()).unwrap_err().to_string();
            assert!(said.contains("node `the odd one`") && said.contains(op), "{}: {said}", runtime.name());
        }
    }
}

/// As quantised models have them: a pool between integers, and its gradient. The margin is no candidate, though
/// the largest level is 0 here.
#[test]
fn integers_are_pooled() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1, 1, 3, 3])));
    let number = |value: f64, dtype| builder.constant(Tensor::scalar(value, dtype));
    let (scale, zero) = (number(0.5, DType::F32), number(0.0, DType::I8));
    let levels = builder.op("QuantizeLinear", &[Some(x), Some(scale), Some(zero)], &[]);
    let window: [(&str, Attribute); 2] =
        [("kernel_shape", vec![2i64, 2].into()), ("pads", vec![1i64, 1, 0, 0].into())];
    let pooled = levels.apply_with("MaxPool", &window);
    let y = builder.op("DequantizeLinear", &[Some(pooled), Some(scale), Some(zero)], &[]);
    builder.output("y", y);
    builder.output("sum", y.reduce("ReduceSum", &[0, 1, 2, 3], false));
    let graph = builder.finish().unwrap();
    let pixels: Vec<f32> = (0..9).map(|i| -0.5 * i as f32).collect();
    for runtime in common::runtimes() {
        let mut session = runtime.compile(&graph, &runtime.threads(1)).unwrap();
        let found = common::run(&mut session, &[Input::F32(&pixels)]).unwrap();
        assert_eq!(found[0], [0.0, 0.0, -0.5, 0.0, 0.0, -0.5, -1.5, -1.5, -2.0], "{}", runtime.name());
        let slope = gradient(&graph, "sum", &["x"]).unwrap();
        let at = slope.outputs.iter().position(|v| v.name == "gradient/x").unwrap();
        let mut session = runtime.compile(&slope, &runtime.threads(1)).unwrap();
        let found = common::run(&mut session, &[Input::F32(&pixels)]).unwrap();
        assert_eq!(found[at], [4.0, 2.0, 0.0, 2.0, 1.0, 0.0, 0.0, 0.0, 0.0], "{}", runtime.name());
    }
}
