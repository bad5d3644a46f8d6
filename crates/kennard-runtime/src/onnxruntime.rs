//! ONNX Runtime, loaded when first asked for.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use half::f16;
use kennard_graph::{DType, Graph, Tensor as Weight, Value};
use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::{Tensor, TensorRef};

use crate::input::Input;
use crate::lent::{Lent, lent};
use crate::{Result, RuntimeError, blocked, locate, on_deep_stack, places, prepare};

pub const NAME: &str = "onnxruntime";

const FILES: locate::LibraryName =
    locate::LibraryName { variable: "ORT_DYLIB_PATH", package: ["onnxruntime", "capi"], stem: "onnxruntime" };

/// The loaded library.
#[derive(Debug)]
pub struct OnnxRuntimeLibrary {
    pub path: PathBuf,
    pub version: String,
    environment: Environment,
    /// Held while a large session is made, which takes several times what it takes then.
    making: Mutex<()>,
}

/// The bytes of constants from which on a session is large.
const LARGE: usize = 1 << 26;

pub struct OnnxRuntimeProgram {
    session: Session,
    /// Shape and element type of the inputs.
    inputs: Vec<(Vec<usize>, DType)>,
    /// Element types of the outputs.
    outputs: Vec<DType>,
    /// What the session is lent, as inputs behind the graph's own.
    weights: Vec<Weight>,
}

/// The library, loaded at the first call that finds one.
pub fn load() -> Result<&'static OnnxRuntimeLibrary, String> {
    static LIBRARY: locate::Loaded<OnnxRuntimeLibrary> = locate::Loaded::none();
    LIBRARY.or_open(&FILES, OnnxRuntimeLibrary::open)
}

impl OnnxRuntimeLibrary {
    fn open(path: &Path) -> Result<OnnxRuntimeLibrary, String> {
        let builder = ort::init_from(path).map_err(|error| explain(&error))?;
        let environment = builder
            .with_name("kennard")
            .with_telemetry(false)
            // What matters comes back as an error; the log would go to the terminal.
            .with_logger(Arc::new(|_, _, _, _, _| {}))
            .build()
            .map_err(|e| format!("{}: {e}", path.display()))?;
        environment.set_log_level(LogLevel::Error);
        Ok(OnnxRuntimeLibrary {
            path: path.into(),
            version: version(path),
            environment,
            making: Mutex::new(()),
        })
    }

    pub fn compile(&self, graph: &Graph, threads: usize) -> Result<OnnxRuntimeProgram> {
        self.compile_as_given(&blocked::blocked(&places::independent(graph)?)?, threads)
    }

    /// The same without a rewrite.
    pub fn compile_as_given(&self, graph: &Graph, threads: usize) -> Result<OnnxRuntimeProgram> {
        let Lent { graph: given, weights } = lent(graph);
        let session = on_deep_stack(|| self.session(&given, threads)).map_err(|message| {
            RuntimeError::Compile { runtime: NAME, message: prepare::placed(graph, message) }
        })?;
        let shape = |v: &Value| (v.ty.shape.known().unwrap_or_default(), v.ty.dtype);
        let inputs = graph.inputs.iter().map(shape).collect();
        let outputs = graph.outputs.iter().map(|v| v.ty.dtype).collect();
        Ok(OnnxRuntimeProgram { session, inputs, outputs, weights })
    }

    fn session(&self, graph: &Graph, threads: usize) -> Result<Session, String> {
        fn text<R>(error: ort::Error<R>) -> String {
            error.to_string()
        }
        let large = graph.constants.values().map(Weight::bytes).sum::<usize>() > LARGE;
        let _one = large.then(|| self.making.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        Session::builder(&self.environment)
            .map_err(text)?
            .with_optimization_level(GraphOptimizationLevel::All)
            .map_err(text)?
            .with_intra_threads(threads)
            .map_err(text)?
            .with_inter_threads(1)
            .map_err(text)?
            .with_intra_op_spinning(false)
            .map_err(text)?
            .with_memory_pattern(true)
            .map_err(text)?
            // A quantised model means what its definition says, in floats, as in rten: fused integer
            // kernels round otherwise, and saturate on processors without VNNI.
            .with_quant_qdq(false)
            .map_err(text)?
            .with_log_level(LogLevel::Error)
            .map_err(text)?
            .commit_from_memory(&prepare::bytes(graph))
            .map_err(text)
    }
}

impl OnnxRuntimeProgram {
    pub fn run(&mut self, inputs: &[Input<'_>], outputs: &mut [Vec<f32>]) -> Result<()> {
        self.try_run(inputs, outputs).map_err(|e| RuntimeError::Run { runtime: NAME, message: e.to_string() })
    }

    fn try_run(&mut self, inputs: &[Input<'_>], outputs: &mut [Vec<f32>]) -> ort::Result<()> {
        let mut values: Vec<SessionInputValue> = Vec::with_capacity(inputs.len() + self.weights.len());
        for ((shape, dtype), input) in self.inputs.iter().zip(inputs) {
            values.push(match (*input, dtype) {
                (Input::F32(data), DType::F16) => {
                    let rounded: Vec<f16> = data.iter().map(|&v| f16::from_f32(v)).collect();
                    Tensor::from_array((shape.clone(), rounded))?.into()
                }
                (Input::F32(data), DType::F64) => {
                    let wide: Vec<f64> = data.iter().map(|&v| v.into()).collect();
                    Tensor::from_array((shape.clone(), wide))?.into()
                }
                (Input::F32(data), _) => TensorRef::from_array_view((shape.as_slice(), data))?.into(),
                (Input::I64(data), _) => TensorRef::from_array_view((shape.as_slice(), data))?.into(),
            });
        }
        for weight in &self.weights {
            if let Weight::F32(array) = weight
                && let Some(data) = array.as_slice()
            {
                values.push(TensorRef::from_array_view((array.shape(), data))?.into());
            }
        }
        let results = self.session.run(values.as_slice())?;
        for ((output, result), dtype) in outputs.iter_mut().zip(results.values()).zip(&self.outputs) {
            output.clear();
            match dtype {
                DType::F16 => {
                    output.extend(result.try_extract_tensor::<f16>()?.1.iter().map(|v| v.to_f32()));
                }
                DType::F64 => {
                    let (shape, values) = result.try_extract_tensor::<f64>()?;
                    let row = shape.last().map_or(1, |&n| n.max(1) as usize);
                    values.chunks(row).for_each(|row| narrow(row, output));
                }
                _ => output.extend_from_slice(result.try_extract_tensor::<f32>()?.1),
            }
        }
        Ok(())
    }
}

/// Appends a row in single precision: relative to its largest element if the order of two would be lost
/// otherwise.
fn narrow(row: &[f64], output: &mut Vec<f32>) {
    let mut sorted = row.to_vec();
    sorted.sort_by(f64::total_cmp);
    let confused = sorted.windows(2).any(|w| w[0] < w[1] && w[0] as f32 == w[1] as f32);
    let largest = sorted.last().copied().filter(|z| confused && z.is_finite()).unwrap_or(0.0);
    output.extend(row.iter().map(|z| (z - largest) as f32));
}

/// `1.32 (fab30a4)`: the C interface names the minor version and, in its build info, the commit.
fn version(path: &Path) -> String {
    let minor = ort::util::probe(path).map_or("1".into(), |minor| format!("1.{minor}"));
    let commit = ort::info().split("git-commit-id=").nth(1).and_then(|rest| rest.split(',').next());
    commit.map_or(minor.clone(), |commit| format!("{minor} ({commit})"))
}

fn explain(error: &LoadDynamicError) -> String {
    match error {
        LoadDynamicError::Dlopen { error, path } => {
            let cause = error.source().map_or_else(|| error.to_string(), ToString::to_string);
            format!("{} does not load: {cause}", path.display())
        }
        LoadDynamicError::MissingApi { path } => format!("{} is not ONNX Runtime's library", path.display()),
        LoadDynamicError::BadVersion { version_str, path } => {
            let oldest = ort::MINOR_VERSION;
            format!("{} is version {version_str}, at least 1.{oldest} is needed", path.display())
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_double_precision_keep_their_order() {
        let mut output = Vec::new();
        narrow(&[0.25, 0.75], &mut output);
        narrow(&[1e9, 1e9 + 2.0, -f64::INFINITY], &mut output);
        narrow(&[f64::INFINITY, 1.0, 1.0 + 1e-12], &mut output);
        let infinity = f32::INFINITY;
        assert_eq!(output, [0.25, 0.75, -2.0, 0.0, -infinity, infinity, 1.0, 1.0]);
    }
}
