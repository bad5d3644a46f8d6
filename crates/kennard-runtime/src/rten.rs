//! rten: pure Rust, built in.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use kennard_graph::{DType, Graph, Node, define, simplify};
use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueOrView, ValueView};

use crate::{Input, Result, RuntimeError, prepare};

pub const NAME: &str = "rten";
pub const VERSION: &str = "0.27.0";

/// Whether a node is spelled out in basic operators, as rten's own kernel will not do.
fn spelled_out(node: &Node) -> bool {
    match node.op.as_str() {
        // There is none.
        "Celu"
        | "GroupNormalization"
        | "Hardmax"
        | "LRN"
        | "MeanVarianceNormalization"
        | "Mish"
        | "Selu"
        | "Shrink"
        | "SpaceToDepth"
        | "ThresholdedRelu" => true,
        // It takes the last of equal elements, rounds otherwise, says that the sign of 0 is 1, overflows.
        "ArgMax" | "ArgMin" | "QuantizeLinear" | "Sign" | "Softplus" => true,
        // It knows the usual attributes, types and ranks only.
        "GridSample" | "IsInf" | "OneHot" | "Pow" => true,
        "Pad" => node.input(3).is_some(),
        // To truth values it rounds.
        "Cast" => node.int("to", 0) == DType::Bool.code(),
        "BatchNormalization" => node.int("training_mode", 0) != 0,
        "Resize" => !plain_resize(node),
        _ => false,
    }
}

/// Whether rten computes this `Resize`. For `cubic` it would silently compute `linear`.
fn plain_resize(node: &Node) -> bool {
    let coordinates = node.text("coordinate_transformation_mode", "half_pixel");
    matches!(node.text("mode", "nearest"), "nearest" | "linear")
        && matches!(coordinates, "half_pixel" | "pytorch_half_pixel" | "align_corners" | "asymmetric")
        && node.int("antialias", 0) == 0
        && node.ints("axes").is_none()
        && node.text("keep_aspect_ratio_policy", "stretch") == "stretch"
}

pub struct Program {
    model: Model,
    inputs: Vec<Port>,
    outputs: Vec<NodeId>,
    options: RunOptions,
}

struct Port {
    id: NodeId,
    shape: Vec<usize>,
    /// rten has no 64-bit integers; they are narrowed here.
    narrow: Vec<i32>,
}

impl Program {
    pub fn compile(graph: &Graph, threads: Option<Arc<ThreadPool>>) -> Result<Program> {
        let graph = simplify(&define(graph, spelled_out)?)?;
        let model = guard(|| {
            let mut options = ModelOptions::with_all_ops();
            options.prepack_weights(true).load(prepare::bytes(&graph)).map_err(|e| e.to_string())
        })
        .map_err(refused)?;
        let id = |name: &str| model.node_id(name).map_err(|e| refused(e.to_string()));
        let port = |v: &kennard_graph::Value| {
            let shape = v.ty.shape.known().unwrap_or_default();
            Ok(Port { id: id(&v.name)?, shape, narrow: Vec::new() })
        };
        let inputs = graph.inputs.iter().map(port).collect::<Result<_>>()?;
        let outputs = graph.outputs.iter().map(|v| id(&v.name)).collect::<Result<_>>()?;
        Ok(Program { model, inputs, outputs, options: RunOptions::default().with_thread_pool(threads) })
    }

    pub fn run(&mut self, inputs: &[Input<'_>], outputs: &mut [Vec<f32>]) -> Result<()> {
        for (port, input) in self.inputs.iter_mut().zip(inputs) {
            if let Input::I64(data) = input {
                port.narrow.clear();
                for &v in *data {
                    let narrow = i32::try_from(v).map_err(|_| failed(format!("{v} is beyond 32 bits")))?;
                    port.narrow.push(narrow);
                }
            }
        }
        let mut views: Vec<(NodeId, ValueOrView)> = Vec::with_capacity(inputs.len());
        for (port, input) in self.inputs.iter().zip(inputs) {
            let view = match input {
                Input::F32(data) => ValueView::from_shape(&port.shape, data).map_err(|e| e.to_string()),
                Input::I64(_) => ValueView::from_shape(&port.shape, &port.narrow).map_err(|e| e.to_string()),
            };
            views.push((port.id, view.map_err(failed)?.into()));
        }
        let options = self.options.clone();
        let values = guard(|| self.model.run(views, &self.outputs, Some(options)).map_err(|e| e.to_string()))
            .map_err(failed)?;
        for (output, value) in outputs.iter_mut().zip(values) {
            match value {
                Value::FloatTensor(tensor) => *output = tensor.into_data(),
                other => return Err(failed(format!("an output is no float tensor but {}", other.dtype()))),
            }
        }
        Ok(())
    }
}

/// Makes a panic an error: rten reports what it does not support as errors, but a model that breaks
/// its assumptions may hit an assertion.
fn guard<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let text = |panic: Box<dyn Any + Send>| {
        let text = panic.downcast_ref::<&str>().map(|s| s.to_string());
        text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default()
    };
    // Nothing outlives a panic but the model, which a run does not change.
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(format!("it panicked: {}", text(panic))))
}

fn refused(message: String) -> RuntimeError {
    RuntimeError::Compile { runtime: NAME, message }
}

fn failed(message: String) -> RuntimeError {
    RuntimeError::Run { runtime: NAME, message }
}
