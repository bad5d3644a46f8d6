//! ONNX file → [`Graph`].

use std::collections::{BTreeMap, HashSet};

use super::TRAINED;
use super::answer::mark;
use super::ends::{Ends, Taken, hold, with_logits};
use super::external::Files;
use super::format::{format_error, opset};
use super::limits;
use super::nodes::Importer;
use super::order::{names_read, order};
use super::proto::*;
use super::symbols::{Symbols, inputs};
use super::tensor::{is_of_4_bits, read_4_bits, read_tensor};
use crate::{Builder, DType, Graph, Node, Result, Shape, TensorType, Value, fold, infer};

pub(super) fn graph(model: &ModelProto) -> Result<&GraphProto> {
    model.graph.as_ref().ok_or_else(|| format_error("it contains no graph"))
}

/// The graph of a file; of a classifier, whose ends are `of`, with one input and one output.
pub(super) fn read(model: &ModelProto, files: &Files, of: Option<&Ends>) -> Result<Graph> {
    let version = opset(&model.opset_import)?;
    let graph = graph(model)?;
    let marked = mark(graph, of.is_some());
    let graph = marked.as_ref().unwrap_or(graph);
    if !graph.sparse_initializer.is_empty() {
        return Err(format_error("it has sparse weights; export it with dense ones"));
    }
    let taken = of.map(|of| Taken::new(graph, of)).transpose()?;
    let outputs: Vec<&ValueInfoProto> = match &taken {
        Some(taken) => taken.outputs.clone(),
        None => graph.output.iter().collect(),
    };
    let names: Vec<&str> = outputs.iter().map(|v| v.name.as_deref().unwrap_or("")).collect();
    let nodes = order(&graph.node, &names)?;

    let fed: Vec<_> = match &taken {
        Some(taken) => vec![taken.input],
        None => inputs(graph),
    };
    let symbols = Symbols::new(model, taken.as_ref().and_then(|taken| taken.sample()));
    let mut base = Graph {
        name: graph.name.clone().unwrap_or_default(),
        inputs: fed.iter().map(|v| symbols.input(v)).collect::<Result<_>>()?,
        bfloat16: computes_in_bfloat16(graph)
            || model.functions.iter().any(|function| rounds_to_bfloat16(&function.node)),
        trained: trained(model),
        ..Graph::default()
    };
    let mut used: Vec<&str> = names.clone();
    nodes.iter().for_each(|node| names_read(node, &mut used));
    base.constants = initializers(graph, &used.into_iter().collect(), files)?;

    let placeholder = TensorType::new(DType::F32, Shape::default());
    base.outputs = names.iter().map(|&name| Value { name: name.into(), ty: placeholder.clone() }).collect();
    let builder = Builder::without_nodes(&base)?;
    builder.reserve(graph.node.iter().flat_map(|node| &node.output));
    // What is held comes before the nodes, with constants that need names.
    builder.reserve(taken.iter().flat_map(|taken| &taken.held).filter_map(|(proto, _)| proto.name.as_ref()));
    let importer = Importer::new(&builder, files, &model.functions, &base)?;
    for (proto, value) in taken.iter().flat_map(|taken| &taken.held) {
        let held = symbols.input(proto)?;
        hold(&builder, &held, *value, &base.inputs[0].name);
        importer.declare(&held.name);
    }
    importer.check_nodes(&graph.node, version)?;
    importer.graph(&nodes, &names, version)?;

    let mut inferred: Vec<Option<TensorType>> =
        names.iter().map(|name| builder.var(name).and_then(|v| v.ty()).ok()).collect();
    let mut result = builder.finish()?;
    limits::check(&result, &infer(&result)?)?;
    let mut stuck = None;
    if inferred.iter().any(Option::is_none) {
        // Arithmetic on constants that inference does not follow.
        let folded = fold(&result)?;
        let types = infer(&folded)?;
        inferred = names.iter().map(|name| types.get(name).cloned()).collect();
        let unknown =
            |node: &Node| node.outputs.iter().any(|name| !name.is_empty() && types.get(name).is_none());
        stuck = folded.nodes.into_iter().find(unknown);
    }
    for ((value, ty), proto) in result.outputs.iter_mut().zip(inferred).zip(&outputs) {
        value.ty = match ty {
            Some(ty) => ty,
            None => symbols.output(proto, stuck.as_ref())?,
        };
    }
    if taken.is_some() { with_logits(result) } else { Ok(result) }
}

/// What the file says training changes.
fn trained(model: &ModelProto) -> Option<Vec<String>> {
    let entry = model.metadata_props.iter().find(|entry| entry.key.as_deref() == Some(TRAINED))?;
    Some(entry.value.iter().flat_map(|names| names.lines()).map(String::from).collect())
}

const BFLOAT16: i32 = 16;

/// Whether an output is of bfloat16, or a node rounds to it or takes it, unless to widen it at once.
fn computes_in_bfloat16(graph: &GraphProto) -> bool {
    let is_bfloat16 = |value: &&ValueInfoProto| {
        let tensor = value.r#type.as_ref().and_then(|ty| ty.tensor_type.as_ref());
        tensor.is_some_and(|tensor| tensor.elem_type == Some(BFLOAT16))
    };
    let ends = graph.input.iter().filter(is_bfloat16).filter_map(|value| value.name.as_deref());
    let weights = graph.initializer.iter().filter(|tensor| tensor.data_type == Some(BFLOAT16));
    let given: HashSet<&str> = ends.chain(weights.filter_map(|tensor| tensor.name.as_deref())).collect();
    let takes = |node: &NodeProto| {
        node.op_type.as_deref() != Some("Cast") && node.input.iter().any(|name| given.contains(name.as_str()))
    };
    graph.output.iter().any(|value| is_bfloat16(&value))
        || graph.node.iter().any(takes)
        || rounds_to_bfloat16(&graph.node)
}

/// Whether a cast to bfloat16 or a constant of it is among the nodes, or either is in their subgraphs.
fn rounds_to_bfloat16(nodes: &[NodeProto]) -> bool {
    nodes.iter().flat_map(|node| &node.attribute).any(|attribute| {
        attribute.name.as_deref() == Some("to") && attribute.i == Some(BFLOAT16.into())
            || attribute.t.iter().any(|tensor| tensor.data_type == Some(BFLOAT16))
            || attribute.g.iter().any(computes_in_bfloat16)
    })
}

/// Refuses 4-bit integers, which are held as 8-bit ones, where anything but their numbers may count.
fn only_dequantised(graph: &GraphProto, tensor: &str) -> Result<()> {
    let takes = |node: &&NodeProto| {
        let mut names = Vec::new();
        names_read(node, &mut names);
        names.contains(&tensor) && node.op_type.as_deref() != Some("DequantizeLinear")
    };
    match graph.node.iter().find(takes) {
        None => Ok(()),
        Some(node) => Err(format_error(format!(
            "the tensor `{tensor}` has integers of 4 bits, which Kennard reads where DequantizeLinear alone takes them; the node \
             `{}` is a {}",
            node.name.as_deref().or(node.output.first().map(String::as_str)).unwrap_or(""),
            node.op_type.as_deref().unwrap_or("")
        ))),
    }
}

fn initializers(
    graph: &GraphProto,
    used: &HashSet<&str>,
    files: &Files,
) -> Result<BTreeMap<String, crate::Tensor>> {
    let mut constants = BTreeMap::new();
    for proto in &graph.initializer {
        let name = proto.name.as_deref().unwrap_or("");
        if name.is_empty() || !used.contains(name) {
            continue;
        }
        let tensor = match is_of_4_bits(proto) {
            true => {
                only_dequantised(graph, name)?;
                read_4_bits(proto, files)?
            }
            false => read_tensor(proto, files)?,
        };
        if constants.insert(name.into(), tensor).is_some() {
            return Err(format_error(format!("there are two tensors `{name}`")));
        }
    }
    Ok(constants)
}
