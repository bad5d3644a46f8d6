//! What the integration tests share.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use kennard::attack::Attack;
use kennard::audit::{Audit, Outcome};
use kennard::data::{DataSet, Options, Selection};
use kennard::engine::{Engine, EngineOptions};
use kennard::predict;
use kennard::run::ModelSummary;
use kennard::{Classifier, Graph, Preprocessing, Runtime, RuntimeChoice, ThreatModel};
use kennard_graph::{Builder, DType, Dim, Tensor, TensorType};
use tempfile::TempDir;

pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub fn fixture(name: &str) -> PathBuf {
    root().join("fixtures").join(name)
}

/// A directory that goes with the test.
pub fn scratch() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// The folder of published networks and data, or `None` with a word about it.
pub fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("KENNARD_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    if folder.join("models").is_dir() {
        return Some(folder);
    }
    println!("skipped: no published networks at {} (KENNARD_SHARED)", folder.display());
    None
}

/// The runtimes there are, with a word about a missing one.
pub fn runtimes() -> Vec<Runtime> {
    let open = |choice| Runtime::open(choice).map_err(|error| println!("skipped one runtime: {error}")).ok();
    [RuntimeChoice::Rten, RuntimeChoice::OnnxRuntime].into_iter().filter_map(open).collect()
}

pub fn rten() -> Runtime {
    Runtime::open(RuntimeChoice::Rten).unwrap()
}

pub fn fashion() -> DataSet {
    open(&format!("fashion-mnist:{}", fixture("fashion-mnist").display()))
}

pub fn open(spec: &str) -> DataSet {
    DataSet::open(&spec.parse().unwrap(), &Options::default()).unwrap()
}

pub fn engine(model: &Graph, data: &DataSet, runtime: Runtime, options: &EngineOptions) -> Engine {
    let classifier = Classifier::new(model, data.shape(), &Preprocessing::default()).unwrap();
    Engine::new(classifier, runtime, options).unwrap()
}

/// An audit without packets.
pub fn audit(
    engine: &Engine,
    data: &DataSet,
    threat: ThreatModel,
    attacks: Vec<Box<dyn Attack>>,
    samples: usize,
    full: bool,
) -> Outcome {
    let model = fixture("fashion_mlp.onnx");
    let samples = Selection::First(samples);
    let audit = Audit {
        attacks,
        samples,
        full,
        ..Audit::new(ModelSummary::of_file(&model, engine.classifier()).unwrap(), engine, data, threat)
    };
    audit.run(&AtomicBool::new(false), |_| ()).unwrap()
}

/// A data set in memory, with inputs of `shape`.
pub fn in_memory(shape: &[usize], inputs: Vec<f32>, labels: Vec<usize>) -> DataSet {
    DataSet::from_samples(inputs, labels, shape, &[]).unwrap()
}

/// A linear classifier of samples of `shape`, with weights like noise.
pub fn linear(shape: &[usize], classes: usize) -> Graph {
    let d: usize = shape.iter().product();
    affine(shape, (0..classes * d).map(|i| ((i * 7919 + 13) % 101) as f32 / 101.0 - 0.5).collect(), None)
}

/// The classifier `z = W x + b` of samples of `shape`, of the rows of `W` one after the other.
pub fn affine(shape: &[usize], weights: Vec<f32>, bias: Option<&[f32]>) -> Graph {
    let d: usize = shape.iter().product();
    let weights = ndarray::ArrayD::from_shape_vec(vec![weights.len() / d, d], weights).unwrap();
    let builder = Builder::new(&Graph::default()).unwrap();
    let dims: Vec<Dim> = [Dim::BATCH].into_iter().chain(shape.iter().map(|&n| Dim::Known(n))).collect();
    let x = builder.input("x", TensorType::new(DType::F32, dims));
    let flat = x.apply_with("Flatten", &[("axis", 1i64.into())]);
    let mut terms = vec![Some(flat), Some(builder.constant(Tensor::from(weights)))];
    terms.extend(bias.map(|bias| Some(builder.constant(Tensor::from(ndarray::arr1(bias).into_dyn())))));
    builder.output("logits", builder.op("Gemm", &terms, &[("transB", 1i64.into())]));
    builder.finish().unwrap()
}

/// Two matrix products, `inputs` to `hidden` to `classes`, with weights like noise.
pub fn wide(inputs: usize, hidden: usize, classes: usize) -> Graph {
    let noise = |rows: usize, columns: usize| {
        let values = (0..rows * columns).map(|i| ((i * 7919 + 13) % 101) as f32 / 1010.0 - 0.05).collect();
        Tensor::from(ndarray::ArrayD::from_shape_vec(vec![rows, columns], values).unwrap())
    };
    let builder = Builder::new(&Graph::default()).unwrap();
    let dims = [Dim::BATCH, Dim::Known(1), Dim::Known(28), Dim::Known(inputs / 28)];
    let x = builder.input("x", TensorType::new(DType::F32, dims.to_vec()));
    let flat = x.apply_with("Flatten", &[("axis", 1i64.into())]);
    let middle = flat.with("MatMul", builder.constant(noise(inputs, hidden)));
    builder.output("logits", middle.with("MatMul", builder.constant(noise(hidden, classes))));
    builder.finish().unwrap()
}

/// Noise images of `shape`, half-way between the bounds 0 and 1, labelled as a linear classifier does.
pub fn labelled(model: &Graph, shape: &[usize], count: usize) -> DataSet {
    let d: usize = shape.iter().product();
    let inputs: Vec<f32> =
        (0..count * d).map(|i| 0.3 + 0.4 * ((i * 31 + i / 7 * 17) % 97) as f32 / 97.0).collect();
    let weights = model.constants.values().find(|t| t.shape().len() == 2).unwrap().to_floats().unwrap();
    let label = |x: &[f32]| {
        let logit = |row: &[f64]| row.iter().zip(x).map(|(w, x)| *w as f32 * x).sum();
        let logits: Vec<f32> = weights.chunks(d).map(logit).collect();
        predict(&logits)
    };
    let labels = inputs.chunks(d).map(label).collect();
    in_memory(shape, inputs, labels)
}
