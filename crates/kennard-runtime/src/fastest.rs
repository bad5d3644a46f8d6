//! Which precision a runtime computes in on this processor.

use kennard_graph::{Builder, DType, Graph, Shape, TensorType};

use crate::{Backend, Precision, Result, Runtime, RuntimeError, onnxruntime, openvino, rten};

impl Runtime {
    /// Refuses a precision that [`compile_in`](Runtime::compile_in) would refuse for any graph.
    ///
    /// # Errors
    /// Where the runtime, or the processor, does not compute in it.
    pub fn computes_in(&self, precision: Precision) -> Result<()> {
        match (self.backend, precision) {
            (_, Precision::F32) => Ok(()),
            // Which processors it computes on it knows best.
            (Backend::OpenVino(library), _) => library.compile(&product()?, 1, precision).map(drop),
            (Backend::OnnxRuntime(_), _) => Err(RuntimeError::lacks(onnxruntime::NAME, precision)),
            (Backend::Rten, _) => Err(RuntimeError::lacks(rten::NAME, precision)),
        }
    }

    /// The lowest precision that is sure to be faster than single precision here, and why: it follows from the runtime and from the
    /// features of the processor, never from a stopwatch, so that it is the same at every start.
    pub fn fastest_precision(&self) -> (Precision, String) {
        let wanted = Precision::Bf16;
        match self.computes_in(wanted) {
            Err(error) => (Precision::F32, error.to_string()),
            Ok(()) if !wanted.has_instructions() => {
                (Precision::F32, "this processor has no instructions for bfloat16 (avx512_bf16)".into())
            }
            Ok(()) => (wanted, format!("{} and this processor (avx512_bf16) compute in it", openvino::NAME)),
        }
    }
}

/// A product of two numbers.
fn product() -> Result<Graph> {
    let builder = Builder::new(&Graph::default())?;
    let [x, y] =
        ["x", "y"].map(|name| builder.input(name, TensorType::new(DType::F32, Shape::fixed(&[1, 1]))));
    builder.output("product", x.with("MatMul", y));
    Ok(builder.finish()?)
}
