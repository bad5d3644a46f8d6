use kennard_graph::{Graph, TensorType, Value, fold};

use crate::input::Input;
use crate::prepare::{in_own_types, in_single_precision};
use crate::{Backend, Precision, Result, RuntimeError, Threads, onnxruntime, openvino, rten};

/// A graph ready to run. It may move between threads; one caller at a time.
pub struct Session {
    inputs: Vec<Value>,
    outputs: Vec<Value>,
    lengths: Vec<usize>,
    program: Program,
}

enum Program {
    Rten(Box<rten::RtenProgram>),
    OnnxRuntime(onnxruntime::OnnxRuntimeProgram),
    OpenVino(openvino::OpenVinoProgram),
}

impl Session {
    pub(crate) fn new(
        graph: &Graph,
        backend: Backend,
        threads: &Threads,
        precision: Precision,
    ) -> Result<Session> {
        let single = |runtime| match precision {
            Precision::F32 => Ok(()),
            _ => Err(RuntimeError::lacks(runtime, precision)),
        };
        let graph = in_single_precision(graph)?;
        let program = match backend {
            Backend::OnnxRuntime(library) => {
                single(onnxruntime::NAME)?;
                Program::OnnxRuntime(library.compile(&graph, threads.count)?)
            }
            Backend::OpenVino(library) => {
                Program::OpenVino(library.compile(&graph, threads.count, precision)?)
            }
            Backend::Rten => {
                single(rten::NAME)?;
                Program::Rten(Box::new(rten::RtenProgram::compile(&graph, threads.pool.clone())?))
            }
        };
        Ok(Session::of(graph, program))
    }

    pub(crate) fn as_given(graph: &Graph, backend: Backend, threads: &Threads) -> Result<Session> {
        let (graph, program) = match backend {
            Backend::OnnxRuntime(library) => {
                let graph = in_own_types(graph)?;
                let program = library.compile_as_given(&graph, threads.count)?;
                (graph, Program::OnnxRuntime(program))
            }
            Backend::OpenVino(library) => {
                // It divides integers otherwise than the standard says; those of shapes are computed beforehand.
                let graph = fold(&in_single_precision(graph)?)?;
                let program = library.compile(&graph, threads.count, Precision::F32)?;
                (graph, Program::OpenVino(program))
            }
            Backend::Rten => {
                // rten divides constants that are whole numbers as integers; what follows from constants alone is
                // computed beforehand.
                let graph = fold(&in_single_precision(graph)?)?;
                let program = rten::RtenProgram::compile_as_given(&graph, threads.pool.clone())?;
                (graph, Program::Rten(Box::new(program)))
            }
        };
        Ok(Session::of(graph, program))
    }

    fn of(graph: Graph, program: Program) -> Session {
        let lengths = graph.inputs.iter().map(|v| length(&v.ty)).collect();
        Session { lengths, inputs: graph.inputs, outputs: graph.outputs, program }
    }

    /// Whether a session of [`Runtime::compile_as_given`](crate::Runtime::compile_as_given) runs a
    /// simplified graph after all.
    pub fn is_simplified(&self) -> bool {
        matches!(&self.program, Program::Rten(program) if program.simplified)
    }

    /// What the session takes, in order; all extents are fixed.
    pub fn inputs(&self) -> &[Value] {
        &self.inputs
    }

    /// What the session returns, in order; all extents are fixed.
    pub fn outputs(&self) -> &[Value] {
        &self.outputs
    }

    /// Runs the graph on `inputs`, in the graph's order. `outputs` becomes one vector per output of
    /// the graph, in row-major order; its memory is used again where the runtime allows.
    ///
    /// # Errors
    /// When the inputs are not those the graph takes, or the runtime fails.
    pub fn run(&mut self, inputs: &[Input<'_>], outputs: &mut Vec<Vec<f32>>) -> Result<()> {
        self.check(inputs)?;
        outputs.resize_with(self.outputs.len(), Vec::new);
        match &mut self.program {
            Program::Rten(program) => program.run(inputs, outputs)?,
            Program::OnnxRuntime(program) => program.run(inputs, outputs)?,
            Program::OpenVino(program) => program.run(inputs, outputs)?,
        }
        for (output, value) in outputs.iter().zip(&self.outputs) {
            if output.len() != length(&value.ty) {
                let message =
                    format!("`{}` should be {}, but has {} elements", value.name, value.ty, output.len());
                return Err(RuntimeError::Run { runtime: self.program.name(), message });
            }
        }
        Ok(())
    }

    fn check(&self, inputs: &[Input<'_>]) -> Result<()> {
        let given = |i: usize| match inputs.get(i) {
            Some(input) => format!("{} elements of {:?}", input.len(), input.dtype()),
            None => "nothing".into(),
        };
        for (i, value) in self.inputs.iter().enumerate() {
            let floats = value.ty.dtype.is_float();
            let fits =
                |input: &Input<'_>| floats == input.dtype().is_float() && input.len() == self.lengths[i];
            if !inputs.get(i).is_some_and(fits) {
                let wanted = format!("`{}` {}", value.name, value.ty);
                return Err(RuntimeError::Input { index: i, wanted, found: given(i) });
            }
        }
        if inputs.len() > self.inputs.len() {
            let index = self.inputs.len();
            return Err(RuntimeError::Input { index, wanted: "no more inputs".into(), found: given(index) });
        }
        Ok(())
    }
}

impl Program {
    fn name(&self) -> &'static str {
        match self {
            Program::Rten(_) => rten::NAME,
            Program::OnnxRuntime(_) => onnxruntime::NAME,
            Program::OpenVino(_) => openvino::NAME,
        }
    }
}

/// The number of elements of a tensor whose extents are all known.
fn length(ty: &TensorType) -> usize {
    ty.shape.volume().map_or(0, |(n, _)| n)
}
