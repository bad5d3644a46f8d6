//! Whether rten computes a graph as the standard says: each node's result, on some inputs, beside plain kernels of our own
//! that are given the same operands; and the graph as rten optimises it beside the graph node by node.

mod nan;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};

use kennard_graph::{DType, Graph, Node, Tensor, TensorType, Types, Value, fold, infer};

use crate::reference::{Array, element, knows, unravelled};
use crate::rten::{Kept, RtenProgram};
use crate::{Result, RuntimeError};

pub use nan::keeps_nan;

/// Elements of each result that are compared, beside those at its corners: windows go wrong at edges first.
const SAMPLED: usize = 64;
/// Rounding of a sum, relative to the sizes of its terms, or of an element, relative to the operands.
const ROUNDING: f64 = 1e-4;
/// Rounding through the whole graph, relative to the largest output; where activations are quantised a level may be another.
const WHOLE: f64 = 1e-3;
const QUANTISED: f64 = 5e-2;
/// Larger operands are not copied for the kernels.
const LARGEST: usize = 1 << 24;
/// Elements that are kept of all tensors together.
const MOST: usize = 1 << 25;
/// Nodes that are compared of those that do the same.
const ALIKE: usize = 2;

/// Compares; `inputs` are the elements of the graph's one input. Returns how many nodes could be compared.
///
/// # Errors
/// When a result is another by more than rounding; the message names the node.
pub fn verify(graph: &Graph, inputs: &[f32]) -> Result<usize> {
    let types = infer(graph)?;
    let nodes = chosen(graph, &types);
    let ends = graph.outputs.iter().map(|value| value.name.as_str());
    let wanted: HashSet<&str> = nodes.iter().flat_map(|node| tensors(node)).chain(ends).collect();
    // What cannot be run node by node is run simplified, and cannot be compared.
    let Some(kept) = RtenProgram::node_by_node(graph, inputs, &wanted) else { return Ok(0) };
    let compared = each(graph, &types, &nodes, &kept)?;
    whole(graph, inputs, &kept)?;
    Ok(compared)
}

/// The nodes to compare: few of those that compute the same on operands of the same shapes, and as many as there is memory
/// for.
fn chosen<'g>(graph: &'g Graph, types: &Types) -> Vec<&'g Node> {
    let size = |name: &str| types.get(name).and_then(|ty| ty.shape.volume()).map_or(0, |(n, _)| n);
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut room = MOST;
    let mut fits = |node: &&Node| {
        let shapes: Vec<_> = node.inputs.iter().map(|name| types.get(name)).collect();
        let count = seen.entry(format!("{} {:?} {shapes:?}", node.op, node.attributes)).or_default();
        *count += 1;
        let taken = tensors(node).map(size).sum::<usize>();
        let fits = *count <= ALIKE && taken <= room;
        room -= if fits { taken } else { 0 };
        fits
    };
    graph.nodes.iter().filter(|node| fits(node)).collect()
}

/// The tensors of a node that are not constant, or may not be.
fn tensors(node: &Node) -> impl Iterator<Item = &str> {
    node.inputs.iter().chain(node.outputs.first()).map(String::as_str).filter(|name| !name.is_empty())
}

/// Compares nodes; returns of how many that can be told.
fn each(graph: &Graph, types: &Types, nodes: &[&Node], kept: &Kept) -> Result<usize> {
    let mut compared = 0;
    for node in nodes {
        match compare(node, graph, types, kept) {
            None => {}
            Some(None) => compared += 1,
            Some(Some(problem)) => {
                return Err(wrong(format!("its node `{}` ({}) {problem}", node.label(), node.op)));
            }
        }
    }
    Ok(compared)
}

fn wrong(what: String) -> RuntimeError {
    RuntimeError::Wrong { runtime: crate::rten::NAME, what }
}

/// What is wrong with a node's first result; the outer nothing where that cannot be told.
fn compare(node: &Node, graph: &Graph, types: &Types, kept: &Kept) -> Option<Option<String>> {
    let name = node.outputs.first()?;
    let (found, ty) = (kept.get(name)?, types.get(name)?);
    let shape = ty.shape.known()?;
    if shape.iter().product::<usize>() != found.len() || found.is_empty() || found.len() > LARGEST {
        return None;
    }
    let operands = node.inputs.iter().map(|name| operand(name, graph, types, kept));
    let operands: Option<Vec<Operand>> = operands.collect();
    let operands = operands?;
    if knows(&node.op) {
        let arrays: Vec<Option<Array>> =
            operands.iter().map(|o| o.as_ref().map(|(shape, data)| Array { shape, data })).collect();
        for flat in sampled(found.len()) {
            let at = unravelled(flat, &shape);
            let should = element(node, &arrays, &at)?;
            if differs(found[flat], should.value, should.size, ty.dtype) {
                return Some(Some(said(&at, found[flat], should.value)));
            }
        }
        return Some(None);
    }
    let should = folded(node, types, &operands, ty)?;
    let largest = operands.iter().flatten().flat_map(|(_, data)| data.iter());
    let largest = largest.filter(|v| v.is_finite()).fold(0.0f64, |most, v| most.max(v.abs()));
    let wrong = (0..found.len()).find(|&i| {
        let size = should[i].abs().max(if arithmetic(&node.op) { largest } else { 0.0 });
        differs(found[i], should[i], size, ty.dtype)
    });
    Some(wrong.map(|i| said(&unravelled(i, &shape), found[i], should[i])))
}

fn said(at: &[usize], found: f64, should: f64) -> String {
    format!("gives {found} at {at:?}, where {should} is right")
}

/// Operators whose rounding is relative to their operands.
fn arithmetic(op: &str) -> bool {
    matches!(op, "Add" | "Sub" | "Sum" | "Sin" | "Cos" | "Log") || op.starts_with("Reduce")
}

/// Whether an element is another by more than rounding.
fn differs(found: f64, should: f64, size: f64, dtype: DType) -> bool {
    let single = f64::from(should as f32);
    if found == single || found.is_nan() && single.is_nan() {
        return false;
    }
    if !found.is_finite() || !single.is_finite() {
        // Near the largest number either is right.
        return !(found.is_infinite() || single.is_infinite()) || found.abs().min(single.abs()) < 1e38;
    }
    let error = (found - should).abs();
    match dtype {
        // What is rounded to a whole number may be rounded to the next.
        _ if dtype.levels().is_some() => error > 1.0,
        _ if dtype.is_float() => error > ROUNDING * size + 1e-30,
        _ => error > 0.0 && error > 1e-7 * size,
    }
}

/// The places of some elements: all of few, else the first, the last, and some drawn.
fn sampled(count: usize) -> Vec<usize> {
    if count <= 4 * SAMPLED {
        return (0..count).collect();
    }
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % count as u64) as usize
    };
    let mut all: Vec<usize> = (0..SAMPLED).map(|_| draw()).collect();
    all.extend((0..SAMPLED).chain(count - SAMPLED..count));
    all
}

/// Shape and elements of an operand; of one that is left out nothing.
type Operand = Option<(Vec<usize>, Vec<f64>)>;

/// The outer nothing where it is not known.
fn operand(name: &str, graph: &Graph, types: &Types, kept: &Kept) -> Option<Operand> {
    if name.is_empty() {
        return Some(None);
    }
    if let Some(tensor) = graph.constants.get(name) {
        let data = tensor.to_floats().or_else(|| Some(tensor.to_ints()?.iter().map(|&v| v as f64).collect()));
        return Some(Some((tensor.shape().to_vec(), data?)));
    }
    let shape = types.get(name)?.shape.known()?;
    let data = kept.get(name).filter(|data| data.len() <= LARGEST)?;
    (shape.iter().product::<usize>() == data.len()).then(|| Some((shape, data.clone())))
}

/// A node's first result, as folding computes it.
fn folded(node: &Node, types: &Types, operands: &[Operand], ty: &TensorType) -> Option<Vec<f64>> {
    let mut alone = Graph::default();
    for (name, operand) in node.inputs.iter().zip(operands) {
        let Some((shape, data)) = operand else { continue };
        alone.constants.insert(name.clone(), tensor(shape, data, types.get(name)?.dtype)?);
    }
    let (name, result) = (node.outputs.first()?.clone(), "kennard/result".to_string());
    let last = Node {
        op: "Identity".into(),
        inputs: vec![name.clone()],
        outputs: vec![result.clone()],
        ..Node::default()
    };
    alone.nodes = vec![node.clone(), last];
    alone.outputs = vec![Value { name: result, ty: ty.clone() }];
    let folded = fold(&alone).ok()?;
    let source =
        folded.nodes.last().and_then(|node| node.inputs.first()).filter(|_| folded.nodes.len() == 1)?;
    let tensor = folded.constants.get(source)?;
    tensor.to_floats().or_else(|| Some(tensor.to_ints()?.iter().map(|&v| v as f64).collect()))
}

fn tensor(shape: &[usize], data: &[f64], dtype: DType) -> Option<Tensor> {
    use kennard_graph::ndarray::{ArrayD, IxDyn};
    let array = ArrayD::from_shape_vec(IxDyn(shape), data.to_vec()).ok()?;
    Some(match dtype {
        DType::I64 => array.mapv(|v| v as i64).into(),
        DType::I32 => array.mapv(|v| v as i32).into(),
        DType::I8 => array.mapv(|v| v as i8).into(),
        DType::U8 => array.mapv(|v| v as u8).into(),
        DType::I16 => array.mapv(|v| v as i16).into(),
        DType::U16 => array.mapv(|v| v as u16).into(),
        DType::Bool => array.mapv(|v| v != 0.0).into(),
        float => Tensor::from(array).to_float_type(float),
    })
}

/// The outputs of the graph as rten optimises it beside those node by node.
fn whole(graph: &Graph, inputs: &[f32], kept: &Kept) -> Result<()> {
    let Some(outputs) = RtenProgram::optimised(graph, inputs) else { return Ok(()) };
    let quantised =
        graph.nodes.iter().any(|node| node.op.contains("Quantize") || node.op.starts_with("QLinear"));
    let rounding = if quantised { QUANTISED } else { WHOLE };
    for (name, optimised) in graph.outputs.iter().map(|value| &value.name).zip(&outputs) {
        let Some(plain) = kept.get(name).filter(|plain| plain.len() == optimised.len()) else { continue };
        let largest = plain.iter().filter(|v| v.is_finite()).fold(0.0f64, |most, v| most.max(v.abs()));
        let apart =
            plain.iter().zip(optimised).find(|(a, b)| (**a - f64::from(**b)).abs() > rounding * largest);
        if let Some((plain, optimised)) = apart {
            return Err(wrong(format!(
                "its output `{name}` is {optimised} where the nodes are optimised together, {plain} node by node"
            )));
        }
    }
    Ok(())
}
