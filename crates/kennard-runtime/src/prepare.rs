use kennard_graph::{DType, Graph, Value, infer};

use crate::{Result, RuntimeError};

/// No tensor may have more elements: 2 GiB of floats. A hostile model could ask for any amount of
/// memory, and a program that asks for too much is killed.
const LARGEST: usize = 1 << 29;

/// The graph in single precision, checked to be one that a session can run.
pub fn prepare(graph: &Graph) -> Result<Graph> {
    let graph = graph.with_floats(DType::F32);
    for value in &graph.inputs {
        check(
            value,
            "input",
            matches!(value.ty.dtype, DType::F32 | DType::I64),
            "a session takes floats and i64",
        )?;
    }
    for value in &graph.outputs {
        check(
            value,
            "output",
            value.ty.dtype == DType::F32,
            "a session returns floats; cast it in the graph",
        )?;
    }
    let types = infer(&graph)?;
    for node in &graph.nodes {
        for ty in node.outputs.iter().filter_map(|name| types.get(name)) {
            if ty.shape.volume().is_none_or(|(n, _)| n > LARGEST) {
                let message = format!("its output {ty} is too large; take a smaller batch");
                return Err(node.error(message).into());
            }
        }
    }
    Ok(graph)
}

fn check(value: &Value, port: &'static str, fits: bool, wanted: &'static str) -> Result<()> {
    let error = |wanted| {
        Err(RuntimeError::Signature { port, name: value.name.clone(), found: value.ty.to_string(), wanted })
    };
    if !fits {
        return error(wanted);
    }
    if value.ty.shape.known().is_none() {
        return error("fix the batch size first (Graph::with_batch)");
    }
    Ok(())
}

/// The graph as a file. Its nodes are called after what they make: runtimes want names that no other
/// node has, and put them into their messages.
pub fn bytes(graph: &Graph) -> Vec<u8> {
    let mut graph = graph.clone();
    for node in &mut graph.nodes {
        node.name = node.outputs.iter().find(|name| !name.is_empty()).cloned().unwrap_or_default();
    }
    graph.to_bytes()
}
