use kennard_graph::GraphError;

use crate::Precision;

/// The result of this crate's functions.
pub type Result<T, E = RuntimeError> = std::result::Result<T, E>;

/// What can go wrong when a graph is run.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// No such runtime.
    #[error("there is no runtime `{0}`; choose auto, rten, onnxruntime or openvino")]
    UnknownChoice(String),
    /// No such precision.
    #[error("there is no precision `{0}`; choose f32 or bf16")]
    UnknownPrecision(String),
    /// A runtime does not compute in a precision.
    #[error("{runtime} does not compute in {precision}{why}")]
    Precision {
        /// The runtime.
        runtime: &'static str,
        /// The precision.
        precision: Precision,
        /// Why, or what does.
        why: &'static str,
    },
    /// ONNX Runtime is not installed, or not usable.
    #[error(
        "ONNX Runtime cannot be used: {0}. Install it (`pip install --upgrade onnxruntime`), or set ORT_DYLIB_PATH to \
         its library (libonnxruntime.so), or choose the runtime rten, which needs nothing installed"
    )]
    OnnxRuntimeMissing(String),
    /// OpenVINO is not installed, or not usable.
    #[error(
        "OpenVINO cannot be used: {0}. Install it (`pip install openvino`), or set OPENVINO_DYLIB_PATH to its library \
         (libopenvino_c.so), or choose another runtime"
    )]
    OpenVinoMissing(String),
    /// The graph could not be prepared.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// A graph's input or output is of a kind that sessions do not take or give.
    #[error("the graph's {port} `{name}` is {found}; {wanted}")]
    Signature {
        /// Whether it is an `input` or an `output`.
        port: &'static str,
        /// Its name.
        name: String,
        /// Its type.
        found: String,
        /// What would do.
        wanted: &'static str,
    },
    /// A runtime refused a graph.
    #[error("{runtime} cannot run this model: {message}. Try another runtime")]
    Compile {
        /// The runtime.
        runtime: &'static str,
        /// What it says.
        message: String,
    },
    /// A runtime lacks an operator that others have.
    #[error(
        "{runtime} has no operator {op} (node `{node}`). Use the runtime onnxruntime (`pip install --upgrade onnxruntime`); \
         there {attacks}, which need no gradient, attack the model"
    )]
    NoOperator {
        /// The runtime.
        runtime: &'static str,
        /// The operator.
        op: String,
        /// The node's name, or its first output's.
        node: String,
        /// What attacks such a model there.
        attacks: &'static str,
    },
    /// A runtime has single precision alone, and the graph computes in double precision.
    #[error(
        "{runtime} computes in single precision, and the model computes its tensor `{tensor}` in double precision, on \
         which its answers may depend. Use the runtime onnxruntime (`pip install --upgrade onnxruntime`), or export the \
         model in float32"
    )]
    DoublePrecision {
        /// The runtime.
        runtime: &'static str,
        /// The tensor.
        tensor: String,
    },
    /// The data given do not fit the graph's inputs.
    #[error("input {index}: the session expects {wanted}, but got {found}")]
    Input {
        /// The position of the input.
        index: usize,
        /// What the graph takes.
        wanted: String,
        /// What was given.
        found: String,
    },
    /// A runtime computes something else than the standard says.
    #[error(
        "{runtime} computes this model wrongly: {what}. Use the runtime onnxruntime (`pip install onnxruntime`)"
    )]
    Wrong {
        /// The runtime.
        runtime: &'static str,
        /// Which node, and what it gave.
        what: String,
    },
    /// A live module failed.
    #[error("the module failed: {message}")]
    Live {
        /// What it says.
        message: String,
    },
    /// A runtime failed while running.
    #[error("{runtime} failed while running the model: {message}")]
    Run {
        /// The runtime.
        runtime: &'static str,
        /// What it says.
        message: String,
    },
}

impl RuntimeError {
    /// That of a runtime that has single precision alone.
    pub(crate) fn lacks(runtime: &'static str, precision: Precision) -> RuntimeError {
        RuntimeError::Precision { runtime, precision, why: "; the runtime openvino does" }
    }
}
