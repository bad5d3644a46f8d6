//! OpenVINO, loaded when it is asked for.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use kennard_graph::{Graph, Node, Types, define, infer};
use openvino::{CompiledModel, Core, DeviceType, InferRequest, RwPropertyKey, Tensor};

use crate::input::{Input, narrowed};
use crate::{Precision, Result, RuntimeError, locate, on_deep_stack, prepare, rten};

pub const NAME: &str = "openvino";

const FILES: locate::LibraryName = locate::LibraryName {
    variable: "OPENVINO_DYLIB_PATH",
    package: ["openvino", "libs"],
    stem: "openvino_c",
};

/// The loaded library.
pub struct OpenVinoLibrary {
    pub path: PathBuf,
    pub version: String,
    /// Its settings are those of the next model that is compiled.
    core: Mutex<Core>,
}

pub struct OpenVinoProgram {
    request: InferRequest,
    /// Of those that anything is made of.
    inputs: Vec<Option<Tensor>>,
    outputs: usize,
    /// The request runs what this is.
    _model: CompiledModel,
}

impl fmt::Debug for OpenVinoLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenVinoLibrary").field("path", &self.path).field("version", &self.version).finish()
    }
}

/// The library, loaded at the first call that finds one.
pub fn load() -> Result<&'static OpenVinoLibrary, String> {
    static LIBRARY: locate::Loaded<OpenVinoLibrary> = locate::Loaded::none();
    LIBRARY.or_open(&FILES, OpenVinoLibrary::open)
}

impl OpenVinoLibrary {
    fn open(path: &Path) -> Result<OpenVinoLibrary, String> {
        let located = |problem: String| format!("{}: {problem}", path.display());
        check(path).map_err(located)?;
        openvino_sys::library::load_from(path).map_err(located)?;
        let mut core = Core::new().map_err(|e| located(e.to_string()))?;
        for (key, value) in SETTINGS {
            let key = RwPropertyKey::Other((*key).into());
            core.set_property(&DeviceType::CPU, &key, value).map_err(|e| located(e.to_string()))?;
        }
        let version = openvino::version().build_number;
        Ok(OpenVinoLibrary { path: path.into(), version: short(&version), core: Mutex::new(core) })
    }

    pub fn compile(&self, graph: &Graph, threads: usize, precision: Precision) -> Result<OpenVinoProgram> {
        let graph = &plain(graph)?;
        let bytes = prepare::bytes(graph);
        let program = on_deep_stack(|| self.program(graph, &bytes, threads, precision))
            .map_err(|message| RuntimeError::Compile { runtime: NAME, message })?;
        program.ok_or(RuntimeError::Precision { runtime: NAME, precision, why: " on this processor" })
    }

    /// None where the processor does not compute in the precision.
    fn program(
        &self,
        graph: &Graph,
        bytes: &[u8],
        threads: usize,
        precision: Precision,
    ) -> Result<Option<OpenVinoProgram>, String> {
        let mut core = self.core.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let threads = threads.to_string();
        core.set_property(&DeviceType::CPU, &RwPropertyKey::InferenceNumThreads, &threads).map_err(said)?;
        let (hint, mode) = match precision {
            Precision::F32 => ("f32", "ACCURACY"),
            Precision::Bf16 => ("bf16", "PERFORMANCE"),
        };
        // Where nothing is said, a processor with instructions for bfloat16 computes in that.
        core.set_property(&DeviceType::CPU, &RwPropertyKey::HintInferencePrecision, hint).map_err(said)?;
        core.set_property(&DeviceType::CPU, &RwPropertyKey::HintExecutionMode, mode).map_err(said)?;
        let model = core.read_model_from_buffer(bytes, None).map_err(said)?;
        let mut model = core.compile_model(&model, DeviceType::CPU).map_err(said)?;
        drop(core);
        let taken = model.get_property(&RwPropertyKey::HintInferencePrecision.into()).map_err(said)?;
        if taken != hint {
            return Ok(None);
        }
        let request = model.create_infer_request().map_err(said)?;
        let inputs = graph.inputs.iter().map(|value| match is_used(graph, &value.name) {
            true => request.get_tensor(&value.name).map(Some).map_err(said),
            false => Ok(None),
        });
        let inputs = inputs.collect::<Result<_, _>>()?;
        Ok(Some(OpenVinoProgram { request, inputs, outputs: graph.outputs.len(), _model: model }))
    }
}

/// What of OpenVINO's libraries the C library alone names.
const NAMED: &[u8] = b"ov_get_openvino_version";

/// Refuses another library: a process keeps the first that is loaded, and a function that it lacks is missed by a panic.
fn check(path: &Path) -> Result<(), String> {
    if path.is_dir() {
        return Err("it is a directory; name the file libopenvino_c.so in it".into());
    }
    // A name alone is looked for by the system, and what cannot be read is not loaded.
    let Ok(bytes) = fs::read(path) else { return Ok(()) };
    match bytes.windows(NAMED.len()).any(|part| part == NAMED) {
        true => Ok(()),
        false => Err("it is not OpenVINO's C library (libopenvino_c.so)".into()),
    }
}

impl OpenVinoProgram {
    pub fn run(&mut self, inputs: &[Input<'_>], outputs: &mut [Vec<f32>]) -> Result<()> {
        let failed = |message| RuntimeError::Run { runtime: NAME, message };
        for (tensor, input) in self.inputs.iter_mut().zip(inputs) {
            let Some(tensor) = tensor.as_mut().filter(|_| input.len() > 0) else { continue };
            match *input {
                Input::F32(data) => {
                    tensor.get_data_mut().map_err(said).map_err(failed)?.copy_from_slice(data);
                }
                Input::I64(data) => {
                    // It computes in 32 bits, and would cut off what is beyond without a word.
                    data.iter().try_for_each(|&v| narrowed(v).map(drop)).map_err(failed)?;
                    tensor.get_data_mut().map_err(said).map_err(failed)?.copy_from_slice(data);
                }
            }
        }
        self.request.infer().map_err(said).map_err(failed)?;
        for (i, output) in outputs.iter_mut().enumerate().take(self.outputs) {
            output.clear();
            let tensor = self.request.get_output_tensor_by_index(i).map_err(said).map_err(failed)?;
            if tensor.get_size().map_err(said).map_err(failed)? > 0 {
                output.extend_from_slice(tensor.get_data().map_err(said).map_err(failed)?);
            }
        }
        Ok(())
    }
}

/// The graph with what it computes otherwise than the standard says in basic operators, where these are another matter.
///
/// # Errors
/// Where they are not; the message names the node. (`tests/node_tests.rs` found which these are.)
fn plain(graph: &Graph) -> Result<Graph> {
    let graph = define(graph, rten::is_foreign)?;
    let graph = define(&graph, |node| match node.op.as_str() {
        "Resize" => !rten::plain_resize(node),
        "LSTM" => node.input(PEEPHOLES).is_some(),
        "GridSample" => true,
        _ => false,
    })?;
    let types = infer(&graph)?;
    let wrong = graph.nodes.iter().find_map(|node| {
        let problem = wrong(node, &types).map(String::from);
        Some((node, problem.or_else(|| too_large(node, &graph))?))
    });
    let refused = |(node, why): (&Node, String)| {
        let message = format!("node `{}` ({}): {why}", node.label(), node.op);
        RuntimeError::Compile { runtime: NAME, message }
    };
    wrong.map(refused).map_or(Ok(()), Err)?;
    Ok(graph)
}

/// The input of `LSTM` with the weights of its peepholes.
const PEEPHOLES: usize = 7;

/// What it makes of a node that the standard does not, without a word.
fn wrong(node: &Node, types: &Types) -> Option<&'static str> {
    let floats = || {
        let y = node.outputs.first().and_then(|name| types.get(name));
        y.is_none_or(|ty| ty.dtype.is_float())
    };
    match node.op.as_str() {
        // It divides by a scale through its reciprocal, and sums products of integers as floats.
        "ConvInteger"
        | "DynamicQuantizeLinear"
        | "MatMulInteger"
        | "QLinearConv"
        | "QLinearMatMul"
        | "QuantizeLinear" => Some("it rounds quantised arithmetic otherwise than the standard says"),
        "Div" if !floats() => Some("it rounds quotients of integers otherwise than the standard says"),
        "BitShift" => Some("it shifts bits otherwise than the standard says"),
        "DFT" => Some("it takes another axis than the standard says"),
        "RoiAlign" if node.text("mode", "avg") == "max" => {
            Some("it takes another maximum than the standard says")
        }
        _ => None,
    }
}

/// What is wrong with a whole number that a node computes with, which it would cut off without a word. The ends of 64 bits stand
/// for no limit.
fn too_large(node: &Node, graph: &Graph) -> Option<String> {
    let computes = matches!(
        node.op.as_str(),
        "Abs"
            | "Add"
            | "Cast"
            | "Clip"
            | "Div"
            | "Equal"
            | "Greater"
            | "GreaterOrEqual"
            | "Less"
            | "LessOrEqual"
            | "MatMul"
            | "Max"
            | "Min"
            | "Mod"
            | "Mul"
            | "Neg"
            | "Pow"
            | "Sub"
            | "Sum"
            | "Where"
    );
    let constants = node.inputs.iter().filter(|_| computes).filter_map(|name| graph.constants.get(name));
    constants.filter_map(|tensor| tensor.to_ints()).find_map(|values| {
        let limit = |v: i64| v == i64::MIN || v == i64::MAX;
        values.iter().filter(|v| !limit(**v)).find_map(|&v| narrowed(v).err())
    })
}

/// Sessions side by side, each with threads of its own that are not all bound to one core.
const SETTINGS: &[(&str, &str)] = &[("NUM_STREAMS", "1"), ("ENABLE_CPU_PINNING", "NO")];

/// Whether anything is made of an input; of others it forgets that they are there.
fn is_used(graph: &Graph, name: &str) -> bool {
    let taken = graph.nodes.iter().flat_map(|node| &node.inputs);
    taken.chain(graph.outputs.iter().map(|value| &value.name)).any(|used| used == name)
}

/// What it says, without where in its own code it says so.
fn said(error: openvino::InferenceError) -> String {
    error.to_string()
}

/// `2026.4.1-22126-a5b3d78dd7d` of `2026.4.1-22126-a5b3d78dd7d-releases/2026/4`, and the precision of all that no one asks to be computed in another.
fn short(build: &str) -> String {
    let parts: Vec<&str> = build.split('-').take(3).collect();
    format!("{} f32", parts.join("-"))
}

#[cfg(test)]
mod tests {
    use kennard_graph::{Builder, DType, Dim, Tensor, TensorType};

    use super::*;

    /// It computes in 32 bits: what does not fit is refused by the node's name, the end of a slice is not.
    #[test]
    fn whole_numbers_beyond_32_bits_are_refused() {
        let made = |factor: f64| {
            let builder = Builder::new(&Graph::default()).unwrap();
            let dims = [1, 4].map(Dim::Known);
            let x = builder.input("x", TensorType::new(DType::F32, dims.to_vec()));
            let factor = builder.constant(Tensor::full(&[1], factor, DType::I64));
            builder.output("y", x.cast(DType::I64).with("Mul", factor).cast(DType::F32));
            plain(&builder.finish().unwrap()).map(drop)
        };
        made(2f64.powi(30)).unwrap();
        let message = made(2f64.powi(33)).unwrap_err().to_string();
        assert!(message.contains("8589934592 is beyond 32 bits") && message.contains("(Mul)"), "{message}");
    }
}
