//! What the tests of this crate share.
#![allow(dead_code)] // every test file uses its part

use std::env;
use std::path::{Path, PathBuf};

use kennard_graph::{Builder, DType, Dim, Graph, Shape, Tensor, TensorType};
use kennard_runtime::{Choice, Input, Result, Runtime, Session};
use ndarray::ArrayD;

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// rten, and ONNX Runtime and OpenVINO where they are installed.
pub fn runtimes() -> Vec<Runtime> {
    let open = |choice: &Choice| match Runtime::open(*choice) {
        Ok(runtime) => Some(runtime),
        Err(error) => {
            println!("skipped for {choice}: {error}");
            None
        }
    };
    [Choice::Rten, Choice::OnnxRuntime, Choice::OpenVino].iter().filter_map(open).collect()
}

/// The models of the repository and, where they are at hand, the shared ones.
pub fn models() -> Vec<PathBuf> {
    let mut models = onnx_files(&root().join("fixtures"));
    let shared = shared_models();
    if shared.is_empty() {
        println!("skipped for the shared models: there is no {}", shared_directory().display());
    }
    models.extend(shared);
    models
}

/// The shared models; none where they are not at hand.
pub fn shared_models() -> Vec<PathBuf> {
    onnx_files(&shared_directory().join("models"))
}

/// Where the shared files are: `KENNARD_SHARED`, or beside the repository.
pub fn shared_directory() -> PathBuf {
    env::var_os("KENNARD_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from)
}

fn onnx_files(directory: &Path) -> Vec<PathBuf> {
    let entries = directory.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|e| e == "onnx")).collect();
    files.sort();
    files
}

/// Runs a session once.
pub fn run(session: &mut Session, inputs: &[Input]) -> Result<Vec<Vec<f32>>> {
    let mut outputs = Vec::new();
    session.run(inputs, &mut outputs)?;
    Ok(outputs)
}

/// Reproducible pixels in [0, 1).
pub fn pixels(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..count).map(|_| next()).collect()
}

/// A fully connected network of 72 MiB of weights, from 1024 elements to 10 logits.
pub fn wide() -> Graph {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(1024)]));
    let widths = [1024, 4096, 1024, 4096, 1408, 10];
    let mut y = x;
    for (i, ends) in widths.windows(2).enumerate() {
        let scale = (24.0 / ends[0] as f32).sqrt();
        let values = pixels(ends[0] * ends[1], 7 + i as u64).into_iter().map(|v| (v - 0.5) * scale).collect();
        let weights = ArrayD::from_shape_vec(ends, values).unwrap();
        y = y.with("MatMul", builder.constant(Tensor::from(weights)));
        if ends[1] > 10 {
            y = y.apply("Relu");
        }
    }
    builder.output("logits", y);
    let mut graph = builder.finish().unwrap();
    graph.outputs[0].ty.shape = Shape(vec![Dim::BATCH, Dim::Known(10)]);
    graph
}
