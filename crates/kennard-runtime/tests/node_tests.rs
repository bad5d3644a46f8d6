//! The operator tests of the `onnx` package: what both runtimes compute, against what the authors of
//! the standard expect. `node_tests.py` beside this file writes them to a directory, which the
//! environment variable `KENNARD_ONNX_NODE_TESTS` names.
//!
//! Every test is run twice: as it stands, and as in a classifier, with all inputs made constants but one, and
//! simplified. Operators without a gradient may be refused; what is computed must be right. Gradient graphs are
//! written to the directory that `KENNARD_NODE_GRADIENTS` names, where `references/check_files.py` looks at them.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use kennard_graph::{
    Attribute, DType, Graph, Node, Tensor, Value, gradient, has_rule, is_defined, simplify, simplify_keeping,
};
use kennard_runtime::{Input, Runtime};

/// Tests that a runtime is known to fail, by the beginning of `runtime test`, and why.
const KNOWN: &[(&str, &str)] = &[
    ("rten test_convtranspose_output_shape", "no output_shape beyond the natural one"),
    ("rten test_dequantizelinear_blocked", NO_BLOCKS),
    ("onnxruntime test_bernoulli", RANDOM),
    ("onnxruntime test_convinteger_with_padding", "one zero point for all weights"),
    ("onnxruntime test_dft", TRANSFORM),
    ("onnxruntime test_stft", TRANSFORM),
    ("onnxruntime test_max_int16", NO_WORDS),
    ("onnxruntime test_max_uint16", NO_WORDS),
    ("onnxruntime test_min_int16", NO_WORDS),
    ("onnxruntime test_min_uint16", NO_WORDS),
    ("onnxruntime test_maxunpool_export_with_output_shape", "indices of another output shape"),
    ("openvino test_bernoulli", RANDOM),
    ("openvino test_attention_", "rows of attention that are all masked are NaN"),
    ("openvino test_castlike", OPEN),
    ("openvino test_clip", OPEN),
    ("openvino test_resize_downsample_scales_cubic_align_corners", WHOLE),
    ("openvino test_resize_downsample_scales_linear_align_corners", WHOLE),
    ("openvino test_reduce_max_empty_set_bool", NO_EMPTY),
    ("openvino test_resize_tf_crop_and_resize", "no crops in Resize"),
    ("openvino test_tile", OPEN),
    ("openvino test_top_k_same_values", OPEN),
    ("openvino test_tril_zero", NO_EMPTY),
    ("openvino test_triu_zero", NO_EMPTY),
    ("openvino test_wrap_pad", "no padding by what is on the other side"),
    ("rten test_nonmaxsuppression_flipped_coordinates", "boxes must have ordered corners"),
    (
        "rten test_dynamicquantizelinear_expanded",
        "divides by a number through its reciprocal; here it is a tie",
    ),
    ("rten test_lstm_with_peepholes", "the lengths of its sequences are fed while it runs"),
    ("rten test_maxpool_2d_uint8", NO_BYTES),
    ("rten test_maxpool_with_argmax", "no indices of maxima"),
    ("rten test_quantizelinear_blocked", NO_BLOCKS),
    ("rten test_reduce_max_empty_set_bool", NO_EMPTY),
    ("onnxruntime test_reduce_max_empty_set_bool", NO_EMPTY),
    ("rten test_resize_downsample_scales_cubic_align_corners", WHOLE),
    ("onnxruntime test_resize_downsample_scales_cubic_align_corners", WHOLE),
    ("rten test_resize_downsample_scales_linear_align_corners", WHOLE),
    ("onnxruntime test_resize_downsample_scales_linear_align_corners", WHOLE),
    ("rten test_resize_tf_crop_and_resize", "no crops in Resize"),
];
const OPEN: &str = "a number that it wants to know when it compiles is fed while it runs";
const REFUSED: &str = "refused, as it computes something else";
const RANDOM: &str = "random numbers";
const TRANSFORM: &str = "zeros of a Fourier transform come out as 1e-4";
const NO_BLOCKS: &str = "no quantisation by blocks";
const NO_BYTES: &str = "no arithmetic on bytes";
const NO_WORDS: &str = "no extremes of integers of 16 bits";
const NO_EMPTY: &str = "no maximum or triangle of nothing";
const WHOLE: &str = "the length of an axis is a whole number, in the standard's tests it is not";
/// Operators that rten has for numbers of 32 bits only: `rten test_{this}_int8` fails.
const NOT_ON_BYTES: &[&str] = &[
    "add",
    "clip_default",
    "div",
    "equal",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "max",
    "min",
    "mul",
    "sub",
];

/// Why a runtime is known to fail a test in a form.
fn known(runtime: &str, test: &str, form: Form, message: &str) -> Option<&'static str> {
    let label = format!("{runtime} {test}");
    let on_bytes = |op: &&str| {
        let rest =
            test.strip_prefix("test_").and_then(|t| t.strip_prefix(op)).and_then(|t| t.strip_prefix('_'));
        rest.is_some_and(|t| t.starts_with("int8") || t.starts_with("uint8"))
    };
    if let Some((_, why)) = KNOWN.iter().find(|(start, _)| label.starts_with(start)) {
        return Some(why);
    }
    if runtime == "rten" && NOT_ON_BYTES.iter().any(on_bytes) {
        return Some(NO_BYTES);
    }
    if runtime == "openvino" && message.contains("than the standard says") {
        return Some(REFUSED);
    }
    if runtime == "openvino" && form == Form::AsItStands && !message.starts_with("output ") {
        return Some(OPEN);
    }
    let undetermined = message.contains("cannot be inferred") || message.contains("must be constant");
    (runtime == "rten" && form == Form::AsItStands && undetermined)
        .then_some("no shapes that depend on the data")
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Form {
    AsItStands,
    /// All inputs made constants but the first, if it is a float; and simplified.
    Fixed,
}

#[derive(Default)]
struct Tally {
    passed: usize,
    known: BTreeMap<&'static str, Vec<String>>,
    skipped: BTreeMap<(Form, String), usize>,
    failed: Vec<String>,
    gradients: usize,
}

#[test]
fn operators_compute_what_the_standard_says() {
    let Some(directory) = std::env::var_os("KENNARD_ONNX_NODE_TESTS") else {
        println!("skipped: KENNARD_ONNX_NODE_TESTS is not set; see tests/node_tests.py");
        return;
    };
    let runtimes = common::runtimes();
    let mut tally = Tally::default();
    let mut tests: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    tests.sort();
    for test in &tests {
        for form in [Form::AsItStands, Form::Fixed] {
            if let Err(reason) = run_test(test, form, &runtimes, &mut tally) {
                // Without the names, so that equal reasons are counted together.
                let reason: String = reason.split('`').step_by(2).collect();
                *tally.skipped.entry((form, reason)).or_default() += 1;
            }
        }
    }
    println!("{} tests; {} runs passed, {} failed", tests.len(), tally.passed, tally.failed.len());
    println!("{} gradient graphs written", tally.gradients);
    for (why, runs) in &tally.known {
        println!("known ({why}): {}", runs.join(", "));
    }
    for ((form, reason), count) in &tally.skipped {
        println!("skipped {count} {form:?}: {reason}");
    }
    assert!(tally.failed.is_empty(), "\n{}", tally.failed.join("\n"));
}

/// Runs one test on every runtime, in one form. An error is the reason why it was skipped.
fn run_test(test: &Path, form: Form, runtimes: &[Runtime], tally: &mut Tally) -> Result<(), String> {
    let name = test.file_name().unwrap().to_string_lossy().into_owned();
    let mut bytes = fs::read(test.join("model.onnx")).unwrap();
    let mut inputs = tensors(test, "input")?;
    let mut expected = tensors(test, "output")?;
    if form == Form::Fixed {
        let fed = usize::from(inputs.first().is_some_and(|tensor| tensor.dtype().is_float()));
        for i in fed..inputs.len() {
            // Fields of one message may come in several pieces; an input with a value is a weight.
            let proto = fs::read(test.join(format!("input_{i}.pb"))).unwrap();
            bytes.extend(field(7, &field(5, &proto)));
        }
        inputs.truncate(fed);
    }
    let mut graph = Graph::from_bytes(&bytes).map_err(|e| format!("not loaded: {e}"))?;
    if let [node] = graph.nodes.as_mut_slice()
        && node.op == "LayerNormalization"
    {
        // The others are for training.
        node.outputs.truncate(1);
        graph.outputs.truncate(1);
        expected.truncate(1);
    }
    // Such operators may be refused.
    let lacking = graph.nodes.iter().find(|node| !has_rule(&node.op) && !is_defined(&node.op));
    let lacking = lacking.map(|node| format!("{} is refused", node.op));
    let rounding = match () {
        () if ["bfloat16", "bf16"].iter().any(|short| name.to_lowercase().contains(short)) => 1.0 / 256.0,
        () if inputs.iter().chain(&expected).any(|tensor| tensor.dtype() == DType::F16) => 1.0 / 2048.0,
        () => 0.0,
    };

    let graph = if form == Form::Fixed { simplify(&graph) } else { Ok(graph) };
    if let (Ok(graph), Some(directory)) = (&graph, std::env::var_os("KENNARD_NODE_GRADIENTS")) {
        match write_gradient(graph, &Path::new(&directory).join(&name), form) {
            Ok(written) => tally.gradients += usize::from(written),
            Err(reason) => {
                let reason: String = reason.split('`').step_by(2).collect();
                *tally.skipped.entry((form, format!("no gradient written: {reason}"))).or_default() += 1;
            }
        }
    }
    for runtime in runtimes {
        let label = format!("{} {name}", runtime.name());
        let outcome = graph.clone().map_err(|e| format!("not simplified: {e}"));
        let outcome = outcome.and_then(|graph| run(&graph, &inputs, runtime));
        let outcome = outcome.and_then(|outputs| compare(&outputs, &expected, rounding));
        match outcome {
            Ok(()) => tally.passed += 1,
            Err(message) if lacking.is_some() && !message.starts_with("output ") => {
                let reason = format!("{}: {}", runtime.name(), lacking.as_deref().unwrap_or_default());
                *tally.skipped.entry((form, reason)).or_default() += 1;
            }
            Err(message) => match known(runtime.name(), &name, form, &message) {
                Some(why) => tally.known.entry(why).or_default().push(label),
                None => tally.failed.push(format!("{label}, {form:?}: {message}")),
            },
        }
    }
    Ok(())
}

/// Writes the gradient of the first output of floats with respect to all inputs of floats, if there are such.
fn write_gradient(graph: &Graph, path: &Path, form: Form) -> Result<bool, String> {
    let floats = |values: &[Value]| -> Vec<String> {
        values.iter().filter(|v| v.ty.dtype.is_float()).map(|v| v.name.clone()).collect()
    };
    let (inputs, outputs) = (floats(&graph.inputs), floats(&graph.outputs));
    let Some(output) = outputs.first().filter(|_| !inputs.is_empty()) else { return Ok(false) };
    let wrt: Vec<&str> = inputs.iter().map(String::as_str).collect();
    let simple = simplify_keeping(graph, &[wrt.as_slice(), &[output]].concat()).map_err(|e| e.to_string())?;
    let full = gradient(&simple, output, &wrt).map_err(|e| e.to_string())?;
    let full = simplify(&full).map_err(|e| e.to_string())?;
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    full.save(path.with_extension(format!("{form:?}.onnx"))).map_err(|e| e.to_string())?;
    Ok(true)
}

fn run(graph: &Graph, tensors: &[Tensor], runtime: &Runtime) -> Result<Vec<Vec<f32>>, String> {
    let graph = with_session_types(graph);
    let mut session = runtime.compile(&graph, &runtime.threads(1)).map_err(|e| e.to_string())?;
    let data: Vec<Data> = tensors.iter().map(data).collect();
    let inputs = data.iter().map(|data| match data {
        Data::Floats(v) => Input::F32(v),
        Data::Ints(v) => Input::I64(v),
    });
    common::run(&mut session, &inputs.collect::<Vec<_>>()).map_err(|e| e.to_string())
}

enum Data {
    Floats(Vec<f32>),
    Ints(Vec<i64>),
}

fn data(tensor: &Tensor) -> Data {
    match tensor.to_floats() {
        Some(floats) => Data::Floats(floats.into_iter().map(|v| v as f32).collect()),
        None => Data::Ints(tensor.to_ints().unwrap_or_default()),
    }
}

/// Casts where the graph takes or gives what a session does not.
fn with_session_types(graph: &Graph) -> Graph {
    let mut graph = graph.with_floats(DType::F32);
    let cast = |from: &str, to: &str, dtype: DType| Node {
        op: "Cast".into(),
        inputs: vec![from.into()],
        outputs: vec![to.into()],
        attributes: BTreeMap::from([("to".into(), Attribute::Int(dtype.code()))]),
        ..Node::default()
    };
    for input in &mut graph.inputs {
        if !matches!(input.ty.dtype, DType::F32 | DType::I64) {
            let fed = format!("{} as i64", input.name);
            graph.nodes.insert(0, cast(&fed, &input.name, input.ty.dtype));
            input.name = fed;
            input.ty.dtype = DType::I64;
        }
    }
    for output in &mut graph.outputs {
        if output.ty.dtype != DType::F32 {
            let float = format!("{} as f32", output.name);
            graph.nodes.push(cast(&output.name, &float, DType::F32));
            output.name = float;
            output.ty.dtype = DType::F32;
        }
    }
    graph
}

/// The standard's own tolerance is 1e-3 relative. Shorter floats are computed in single precision
/// here, so that their rounding comes on top, several times.
fn compare(outputs: &[Vec<f32>], expected: &[Tensor], rounding: f64) -> Result<(), String> {
    let relative = 1e-3 + 4.0 * rounding;
    for (k, (output, expected)) in outputs.iter().zip(expected).enumerate() {
        let expected = match (expected.to_floats(), expected.to_ints()) {
            (Some(floats), _) => floats,
            (_, ints) => ints.unwrap_or_default().into_iter().map(|v| v as f64).collect(),
        };
        if output.len() != expected.len() {
            return Err(format!("output {k} has {} elements instead of {}", output.len(), expected.len()));
        }
        for (i, (&a, &b)) in output.iter().zip(&expected).enumerate() {
            let a = f64::from(a);
            let same = a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-5 + relative * b.abs();
            if !same {
                return Err(format!("output {k}[{i}] is {a} instead of {b}"));
            }
        }
    }
    Ok(())
}

/// The tensors `KIND_0.pb`, `KIND_1.pb` … of a test.
fn tensors(test: &Path, kind: &str) -> Result<Vec<Tensor>, String> {
    let files = (0..).map_while(|i| fs::read(test.join(format!("{kind}_{i}.pb"))).ok());
    files.map(|bytes| tensor(&bytes).map_err(|e| format!("its data are not read: {e}"))).collect()
}

/// Reads a `TensorProto` by wrapping it, as a weight that is an output, in a model file.
fn tensor(proto: &[u8]) -> kennard_graph::Result<Tensor> {
    // A later field overrides an earlier one: the tensor's name becomes `t`.
    let initializer = field(5, &[proto, &field(8, b"t")].concat());
    let graph = [initializer, field(12, &field(1, b"t"))].concat();
    let opset = field(8, &[2 << 3, 21]);
    let model = Graph::from_bytes(&[vec![1 << 3, 10], opset, field(7, &graph)].concat())?;
    Ok(model.constants["t"].clone())
}

/// A field of a protobuf message.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        out.push(length as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    out
}
