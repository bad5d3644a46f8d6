use kennard_graph::{DType, Graph, Node, Types, Value, infer, simplify};

use crate::{Result, RuntimeError};

/// No tensor may have more elements: 2 GiB of floats. A hostile model could ask for any amount of
/// memory, and a program that asks for too much is killed.
const LARGEST: usize = 1 << 29;

/// The graph in single precision, checked to be one that a session can run.
pub fn in_single_precision(graph: &Graph) -> Result<Graph> {
    let graph = graph.with_floats(DType::F32);
    check(&graph, |dtype| dtype == DType::F32)?;
    Ok(graph)
}

/// The same check for a graph that keeps its types.
pub fn in_own_types(graph: &Graph) -> Result<Graph> {
    check(graph, DType::is_float)?;
    Ok(graph.clone())
}

fn check(graph: &Graph, is_float: fn(DType) -> bool) -> Result<()> {
    for value in &graph.inputs {
        let fits = is_float(value.ty.dtype) || value.ty.dtype == DType::I64;
        check_end(value, "input", fits, "a session takes floats and i64")?;
    }
    for value in &graph.outputs {
        let fits = is_float(value.ty.dtype);
        check_end(value, "output", fits, "a session returns floats; cast it in the graph")?;
    }
    let types = infer(graph)?;
    for node in &graph.nodes {
        for ty in node.outputs.iter().filter_map(|name| types.get(name)) {
            if ty.shape.volume().is_none_or(|(n, _)| n > LARGEST) {
                let message = format!("its output {ty} is too large; take a smaller batch");
                return Err(node.error(message).into());
            }
        }
    }
    Ok(())
}

fn check_end(value: &Value, port: &'static str, fits: bool, wanted: &'static str) -> Result<()> {
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

/// A tensor of this type, if one is computed when the graph runs: constants, and what follows from them
/// alone, do not count.
pub fn computed_in(graph: &Graph, dtype: DType) -> Result<Option<String>> {
    let graph = simplify(graph)?;
    let types = infer(&graph)?;
    let outputs = graph.nodes.iter().flat_map(|node| &node.outputs);
    let mut names = graph.inputs.iter().map(|value| &value.name).chain(outputs);
    Ok(names.find(|name| is_of(&types, name, dtype)).cloned())
}

/// A tensor of 64-bit integers that is made of floats when the graph runs.
pub fn wide_integers(graph: &Graph) -> Result<Option<String>> {
    let graph = simplify(graph)?;
    let types = infer(&graph)?;
    let ty = |name: Option<&String>| types.get(name?);
    let made = |node: &&Node| {
        node.op == "Cast"
            && ty(node.inputs.first()).is_some_and(|ty| ty.dtype.is_float())
            && ty(node.outputs.first()).is_some_and(|ty| ty.dtype == DType::I64)
    };
    Ok(graph.nodes.iter().find(made).and_then(|node| node.outputs.first().cloned()))
}

fn is_of(types: &Types, name: &str, dtype: DType) -> bool {
    types.get(name).is_some_and(|ty| ty.dtype == dtype)
}

/// A runtime's message with the node that it is about as the model calls it: runtimes know nodes by what they make, and operators
/// that they lack by their names alone.
pub fn placed(graph: &Graph, message: String) -> String {
    let made = |name: &String| {
        !name.is_empty()
            && ["in node \"", "Node, (\""].iter().any(|at| message.contains(&format!("{at}{name}\"")))
    };
    let lacked = |op: &str| {
        let name = op.rsplit("::").next().unwrap_or(op);
        message.contains("is not a registered") && message.contains(&format!(":{name}("))
    };
    match graph.nodes.iter().find(|node| node.outputs.iter().any(made) || lacked(&node.op)) {
        Some(node) => format!("node `{}` ({}): {message}", node.label(), node.op),
        None => message,
    }
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
