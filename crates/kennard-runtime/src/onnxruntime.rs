//! ONNX Runtime, loaded when first asked for.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

use kennard_graph::Graph;
use ort::LoadDynamicError;
use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{Session, SessionInputValue};
use ort::value::TensorRef;

use crate::{Input, Result, RuntimeError, blocked, locate, places, prepare};

pub const NAME: &str = "onnxruntime";

/// The loaded library. A process has at most one, for its whole life.
#[derive(Debug)]
pub struct Library {
    pub path: PathBuf,
    pub version: String,
    environment: Environment,
}

pub struct Program {
    session: Session,
    shapes: Vec<Vec<usize>>,
}

/// The library, loaded at the first call that finds one.
pub fn load() -> Result<&'static Library, String> {
    static LIBRARY: OnceLock<Library> = OnceLock::new();
    static LOADING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = LOADING.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(library) = LIBRARY.get() {
        return Ok(library);
    }
    let mut problems = Vec::new();
    for path in locate::candidates() {
        match Library::open(&path) {
            Ok(library) => return Ok(LIBRARY.get_or_init(|| library)),
            Err(problem) => problems.push(problem),
        }
    }
    Err(if problems.is_empty() { "it is not installed".into() } else { problems.join("; ") })
}

impl Library {
    fn open(path: &Path) -> Result<Library, String> {
        let builder = ort::init_from(path).map_err(|error| explain(&error))?;
        let environment = builder
            .with_name("kennard")
            .with_telemetry(false)
            // What matters comes back as an error; the log would go to the terminal.
            .with_logger(Arc::new(|_, _, _, _, _| {}))
            .build()
            .map_err(|e| format!("{}: {e}", path.display()))?;
        environment.set_log_level(LogLevel::Error);
        Ok(Library { path: path.into(), version: version(path), environment })
    }

    pub fn compile(&self, graph: &Graph, threads: usize) -> Result<Program> {
        let graph = blocked::blocked(&places::independent(graph)?)?;
        let session = self
            .session(&graph, threads)
            .map_err(|message| RuntimeError::Compile { runtime: NAME, message })?;
        let shapes = graph.inputs.iter().map(|v| v.ty.shape.known().unwrap_or_default()).collect();
        Ok(Program { session, shapes })
    }

    fn session(&self, graph: &Graph, threads: usize) -> Result<Session, String> {
        fn text<R>(error: ort::Error<R>) -> String {
            error.to_string()
        }
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

impl Program {
    pub fn run(&mut self, inputs: &[Input<'_>], outputs: &mut [Vec<f32>]) -> Result<()> {
        self.try_run(inputs, outputs).map_err(|e| RuntimeError::Run { runtime: NAME, message: e.to_string() })
    }

    fn try_run(&mut self, inputs: &[Input<'_>], outputs: &mut [Vec<f32>]) -> ort::Result<()> {
        let mut values: Vec<SessionInputValue> = Vec::with_capacity(inputs.len());
        for (shape, input) in self.shapes.iter().zip(inputs) {
            values.push(match *input {
                Input::F32(data) => TensorRef::from_array_view((shape.as_slice(), data))?.into(),
                Input::I64(data) => TensorRef::from_array_view((shape.as_slice(), data))?.into(),
            });
        }
        let results = self.session.run(values.as_slice())?;
        for (output, result) in outputs.iter_mut().zip(results.values()) {
            output.clear();
            output.extend_from_slice(result.try_extract_tensor::<f32>()?.1);
        }
        Ok(())
    }
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
