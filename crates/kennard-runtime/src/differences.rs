//! What runtimes do otherwise than a graph says, or than each other.

use kennard_graph::{DType, Graph, Tensor, is_defined, simplify};

#[cfg(feature = "onnxruntime")]
use crate::lent;
use crate::{Backend, Result, Runtime, RuntimeError, openvino, places, prepare, rten};

impl Runtime {
    /// The name of a tensor that the graph computes in half precision and this runtime in single precision,
    /// if there is one.
    ///
    /// # Errors
    /// When the graph computes in double precision and this runtime does not.
    pub fn check_precision(&self, graph: &Graph) -> Result<Option<String>> {
        let runtime = match self.backend {
            Backend::OnnxRuntime(_) => return Ok(None),
            Backend::OpenVino(_) => openvino::NAME,
            Backend::Rten => rten::NAME,
        };
        if let Some(tensor) = prepare::computed_in(graph, DType::F64)? {
            return Err(RuntimeError::DoublePrecision { runtime, tensor });
        }
        prepare::computed_in(graph, DType::F16)
    }

    /// The name of a tensor that the graph makes of floats in 64-bit integers and this runtime in 32 bits, if there
    /// is one.
    ///
    /// # Errors
    /// When shapes contradict each other.
    pub fn narrows_integers(&self, graph: &Graph) -> Result<Option<String>> {
        match self.backend {
            Backend::OnnxRuntime(_) => Ok(None),
            Backend::Rten | Backend::OpenVino(_) => prepare::wide_integers(graph),
        }
    }

    /// The operator of another domain than the standard's that this runtime lacks and computes in basic operators, which round
    /// otherwise, if the graph has one.
    pub fn spells_out(&self, graph: &Graph) -> Option<String> {
        let foreign = graph.nodes.iter().find(|node| rten::is_foreign(node) && is_defined(&node.op));
        match self.backend {
            Backend::OnnxRuntime(_) => None,
            Backend::Rten | Backend::OpenVino(_) => foreign.map(|node| node.op.clone()),
        }
    }

    /// The bytes of a graph's constants that every session has a copy of, or more than one; the others lie in the graph's own memory,
    /// once for all sessions.
    pub fn copied(&self, graph: &Graph) -> usize {
        match self.backend {
            #[cfg(feature = "onnxruntime")]
            Backend::OnnxRuntime(_) => lent::copied(graph),
            _ => graph.constants.values().map(Tensor::bytes).fold(0, usize::saturating_add),
        }
    }

    /// Whether, in a session of [`Runtime::compile_as_given`], a sample's figures may depend by rounding on
    /// its place in the batch.
    ///
    /// # Errors
    /// When shapes contradict each other.
    pub fn rounds_by_place(&self, graph: &Graph) -> Result<bool> {
        if !matches!(self.backend, Backend::OnnxRuntime(_)) {
            return Ok(false);
        }
        for dtype in [DType::F16, DType::F64] {
            if prepare::computed_in(graph, dtype)?.is_some() {
                return Ok(true);
            }
        }
        Ok(places::matter(graph)? || places::matter(&simplify(graph)?)?)
    }
}
