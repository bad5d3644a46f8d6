//! Runs a graph with an ordinary ONNX runtime: [rten], which is built in, ONNX Runtime, which is
//! looked for when the program starts and never needed to build it, or OpenVINO, where it is asked for.
//!
//! A graph is compiled for one batch size into a [`Session`], which runs it on slices of floats:
//!
//! ```
//! use kennard_graph::{Builder, DType, Dim, Graph, TensorType};
//! use kennard_runtime::{Choice, Input, Runtime};
//!
//! // Or Graph::load("model.onnx")?
//! let builder = Builder::new(&Graph::default())?;
//! let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(2)]));
//! builder.output("y", (x * x).reduce("ReduceSum", &[1], false));
//! let model = builder.finish()?;
//!
//! let runtime = Runtime::open(Choice::Auto)?;
//! let mut session = runtime.compile(&model.with_batch(2), &runtime.threads(1))?;
//! let mut outputs = Vec::new();
//! session.run(&[Input::F32(&[3.0, 4.0, 0.0, 1.0])], &mut outputs)?;
//! assert_eq!(outputs[0], [25.0, 1.0]);
//! # Ok::<(), kennard_runtime::RuntimeError>(())
//! ```
//!
//! # Figures
//! [`Runtime::compile`] computes everything in single precision, whatever floats the model holds, and
//! rewrites graphs for speed; [`Runtime::compile_as_given`] keeps to the graph. In a session of one
//! thread that `compile` made a sample's figures do not depend, to the last bit, on the other samples of its batch nor on
//! its place among them; they do depend on the batch size and on the runtime, by rounding. (Several
//! threads share the work in ways that may round otherwise.) Subnormal numbers are kept, though they
//! are slow: computing with nothing else takes up to a hundred times as long.
//!
//! # Features
//! `onnxruntime` and `openvino`, on by default, look for these. Without them there is rten alone.
//!
//! # Network
//! Recent builds of ONNX Runtime report their use over the network, unless `ORT_DISABLE_TELEMETRY` is set:
//! see [`start_without_telemetry`].
//!
//! [rten]: https://docs.rs/rten

#![warn(missing_docs)]

#[cfg(feature = "onnxruntime")]
mod blocked;
mod choice;
mod deep;
mod differences;
mod error;
mod fastest;
mod input;
#[cfg(feature = "onnxruntime")]
mod lent;
mod live;
#[cfg(any(feature = "onnxruntime", feature = "openvino"))]
mod locate;
#[cfg_attr(not(feature = "onnxruntime"), path = "onnxruntime_left_out.rs")]
mod onnxruntime;
#[cfg_attr(not(feature = "openvino"), path = "openvino_left_out.rs")]
mod openvino;
mod places;
mod precision;
mod prepare;
mod reference;
mod rten;
mod session;
mod telemetry;
mod threads;
mod verify;

use std::path::Path;
use std::sync::Arc;

use kennard_graph::Graph;

pub use choice::Choice;
pub use deep::on_deep_stack;
pub use error::{Result, RuntimeError};
pub use input::Input;
/// The graphs that are compiled.
pub use kennard_graph as graph;
pub use live::Live;
pub use precision::Precision;
pub use session::Session;
pub use telemetry::start_without_telemetry;
pub use threads::Threads;

/// A runtime, ready to compile graphs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Runtime {
    backend: Backend,
    /// Name and version of what computes in its place; graphs are compiled by rten.
    live: Option<[Arc<str>; 2]>,
    reason: Arc<str>,
}

/// What computes graphs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Backend {
    Rten,
    OnnxRuntime(&'static onnxruntime::OnnxRuntimeLibrary),
    OpenVino(&'static openvino::OpenVinoLibrary),
}

impl Runtime {
    /// Opens a runtime.
    ///
    /// The library of ONNX Runtime or OpenVINO is searched in this order:
    /// 1. the file named by the environment variable `ORT_DYLIB_PATH` or `OPENVINO_DYLIB_PATH`, and then nowhere else;
    /// 2. the Python package `onnxruntime` or `openvino` in the active environment (`VIRTUAL_ENV`, `CONDA_PREFIX`);
    /// 3. the system's libraries;
    /// 4. the Python package where the `python3` on the path looks for packages.
    ///
    /// The first one that loads is used for the life of the process.
    ///
    /// # Errors
    /// With [`Choice::OnnxRuntime`] and [`Choice::OpenVino`], when the library is not found, not loadable, or older than
    /// version 1.18 or 2025.1.
    pub fn open(choice: Choice) -> Result<Runtime> {
        let of = |backend, reason: String| Runtime { backend, live: None, reason: reason.into() };
        let found = |backend, path: &Path| of(backend, format!("found at {}", path.display()));
        let onnxruntime = |library: &'static onnxruntime::OnnxRuntimeLibrary| {
            found(Backend::OnnxRuntime(library), &library.path)
        };
        match choice {
            Choice::Rten => Ok(of(Backend::Rten, "asked for".into())),
            Choice::OnnxRuntime => {
                onnxruntime::load().map(onnxruntime).map_err(RuntimeError::OnnxRuntimeMissing)
            }
            Choice::OpenVino => openvino::load()
                .map(|library| found(Backend::OpenVino(library), &library.path))
                .map_err(RuntimeError::OpenVinoMissing),
            Choice::Auto => Ok(match onnxruntime::load() {
                Ok(library) => onnxruntime(library),
                Err(why) => of(Backend::Rten, format!("ONNX Runtime cannot be used: {why}")),
            }),
        }
    }

    /// The runtime beside a live module, whose passes the module's own library computes. Graphs, such as those of
    /// losses of its outputs, run on rten.
    pub fn beside(module: &dyn Live) -> Runtime {
        let reason = "the model is a live module".into();
        Runtime {
            backend: Backend::Rten,
            live: Some([module.name().into(), module.version().into()]),
            reason,
        }
    }

    /// `rten`, `onnxruntime` or `openvino`; beside a live module the name of what computes that.
    pub fn name(&self) -> &str {
        match (&self.live, self.backend) {
            (Some([name, _]), _) => name,
            (None, Backend::OnnxRuntime(_)) => onnxruntime::NAME,
            (None, Backend::OpenVino(_)) => openvino::NAME,
            (None, Backend::Rten) => rten::NAME,
        }
    }

    /// Its version; of OpenVINO also the precision that it computes in.
    pub fn version(&self) -> &str {
        match (&self.live, self.backend) {
            (Some([_, version]), _) => version,
            (None, Backend::OnnxRuntime(library)) => &library.version,
            (None, Backend::OpenVino(library)) => &library.version,
            (None, Backend::Rten) => rten::VERSION,
        }
    }

    /// Why this runtime was taken: where it was found, or why the other could not be used.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Threads for sessions to compute on; at least one.
    pub fn threads(&self, count: usize) -> Threads {
        let count = count.max(1);
        let rten = matches!(self.backend, Backend::Rten);
        let pool = rten.then(|| Arc::new(::rten::ThreadPool::with_num_threads(count)));
        Threads { count, pool }
    }

    /// Makes a session for a graph whose batch size is fixed ([`Graph::with_batch`]). Floats become
    /// single precision.
    ///
    /// # Errors
    /// When a dimension is still open, an input is neither float nor `i64`, an output is no float,
    /// a tensor would have more than 2²⁹ elements, or the runtime cannot run one of the operators.
    pub fn compile(&self, graph: &Graph, threads: &Threads) -> Result<Session> {
        self.compile_in(graph, threads, Precision::F32)
    }

    /// Makes a session for a graph whose batch size is fixed, to be computed as it stands: in its own types
    /// and without a rewrite of ours. What is given for an input of another float type is rounded or widened;
    /// what an output of double precision holds is rounded, and where that would confuse the order of two
    /// elements of its last axis, all of them are returned relative to the largest.
    ///
    /// rten and OpenVINO have single precision alone. rten gets operators that it lacks or computes otherwise spelled
    /// out in basic ones; where it does not run the graph as it stands, it is simplified, and
    /// [`Session::is_simplified`] says so.
    ///
    /// # Errors
    /// As [`Runtime::compile`]; and where rten or OpenVINO would have to compute in double precision.
    pub fn compile_as_given(&self, graph: &Graph, threads: &Threads) -> Result<Session> {
        self.check_precision(graph)?;
        Session::as_given(graph, self.backend, threads)
    }

    /// The same as [`compile`](Runtime::compile), computed in a precision of choice; inputs and outputs stay in single precision.
    ///
    /// # Errors
    /// As there; and where the runtime, or the processor, does not compute in that precision.
    pub fn compile_in(&self, graph: &Graph, threads: &Threads, precision: Precision) -> Result<Session> {
        Session::new(graph, self.backend, threads, precision)
    }

    /// Compares what this runtime makes of a graph of one input with plain kernels of our own, node by node, on the
    /// elements `input`: rten, whose kernels the standard's own tests do not all cover. ONNX Runtime is taken at its word, and
    /// so is what our kernels do not know. OpenVINO, some of whose kernels make numbers of NaN, is compared with rten where
    /// that answers NaN. Returns how many nodes were compared.
    ///
    /// # Errors
    /// When a result is another by more than rounding, or a number in place of NaN; the message names the node.
    pub fn verify(&self, graph: &Graph, input: &[f32]) -> Result<usize> {
        if self.live.is_some() {
            return Ok(0);
        }
        match self.backend {
            Backend::Rten => verify::verify(&prepare::in_single_precision(graph)?, input),
            Backend::OnnxRuntime(_) => Ok(0),
            Backend::OpenVino(_) => {
                let answers = || -> Result<Vec<Vec<f32>>> {
                    let mut outputs = Vec::new();
                    let mut session = self.compile_as_given(graph, &self.threads(1))?;
                    session.run(&[Input::F32(input)], &mut outputs)?;
                    Ok(outputs)
                };
                let single = prepare::in_single_precision(graph)?;
                verify::keeps_nan(&single, input, openvino::NAME, answers).map(|()| 0)
            }
        }
    }

    /// The runtime for arithmetic that must be as a graph says, operation by operation, as that of bounds: this one, or rten in
    /// place of OpenVINO, which replaces divisions by products with reciprocals, which are rounded once more.
    pub fn as_given(&self) -> Runtime {
        match self.backend {
            Backend::OpenVino(_) => Runtime { backend: Backend::Rten, ..self.clone() },
            Backend::Rten | Backend::OnnxRuntime(_) => self.clone(),
        }
    }
}
