//! [`Graph`] → ONNX file.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use prost::Message;

use super::proto::*;
use super::tensor::{header, write_tensor};
use crate::files::write_whole;
use crate::{Attribute, Dim, Graph, GraphError, Node, OPSET, Result, Tensor, Value};

/// The version of another domain's operators, which stand as they were read.
fn version_of(domain: &str, graph: &Graph) -> i64 {
    match domain {
        "ai.onnx.ml" if graph.nodes.iter().any(|node| node.op == "ai.onnx.ml::TreeEnsemble") => 5,
        // From 1 to 3 attributes of tree ensembles were added; nothing else that has a graph changed.
        "ai.onnx.ml" => 3,
        _ => 1,
    }
}

/// The version of the file format that goes with [`OPSET`].
const IR_VERSION: i64 = 10;
/// Protobuf messages end at 2 GiB; weights beyond this many bytes go to a file beside the model.
pub(super) const LARGEST: usize = 1_900_000_000;
/// Smaller tensors (shapes, axes) always stay in the model, where other tools expect them.
const SMALLEST_EXTERNAL: usize = 1024;
/// Where external tensors begin: readers may map the file into memory.
const ALIGNMENT: u64 = 64;

/// The model file, weights inside.
pub(super) fn to_bytes(graph: &Graph) -> Vec<u8> {
    let weights = graph.constants.iter().map(|(name, tensor)| write_tensor(name, tensor)).collect();
    model(graph, weights).encode_to_vec()
}

/// Writes the file `path`, or none if something fails; weights of more than `largest` bytes go to
/// `path` + `.data`.
pub(super) fn save(graph: &Graph, path: &Path, largest: usize) -> Result<()> {
    let problem =
        |e: io::Error| GraphError::File { path: path.into(), message: format!("cannot be written: {e}") };
    let size: usize = graph.constants.values().map(Tensor::bytes).fold(0, usize::saturating_add);
    let model = if size <= largest {
        to_bytes(graph)
    } else {
        let mut data = path.as_os_str().to_owned();
        data.push(".data");
        model(graph, save_weights(graph, Path::new(&data)).map_err(problem)?).encode_to_vec()
    };
    write_whole(path, |file| file.write_all(&model)).map_err(problem)
}

/// Writes the large constants to `path` and gives the messages that refer to them there.
fn save_weights(graph: &Graph, path: &Path) -> io::Result<Vec<TensorProto>> {
    let location = path.file_name().and_then(|name| name.to_str());
    let location = location.ok_or_else(|| io::Error::other("the file's name is no valid Unicode"))?;
    let mut weights = Vec::with_capacity(graph.constants.len());
    write_whole(path, |file| {
        let mut offset = 0u64;
        for (name, tensor) in &graph.constants {
            if tensor.bytes() < SMALLEST_EXTERNAL {
                weights.push(write_tensor(name, tensor));
                continue;
            }
            let padding = offset.next_multiple_of(ALIGNMENT) - offset;
            file.write_all(&[0; ALIGNMENT as usize][..padding as usize])?;
            file.write_all(&tensor.to_bytes())?;
            let length = tensor.bytes() as u64;
            let entry = |key: &str, value: String| StringStringEntryProto {
                key: Some(key.into()),
                value: Some(value),
            };
            weights.push(TensorProto {
                data_location: Some(1),
                external_data: vec![
                    entry("location", location.into()),
                    entry("offset", (offset + padding).to_string()),
                    entry("length", length.to_string()),
                ],
                ..header(name, tensor)
            });
            offset += padding + length;
        }
        Ok(())
    })?;
    Ok(weights)
}

fn model(graph: &Graph, weights: Vec<TensorProto>) -> ModelProto {
    let domains = graph.nodes.iter().filter_map(|node| Some(node.op.rsplit_once("::")?.0));
    let domains: std::collections::BTreeSet<&str> = domains.collect();
    let import =
        |domain: &str, version| OperatorSetIdProto { domain: Some(domain.into()), version: Some(version) };
    let mut opset_import = vec![import("", OPSET)];
    opset_import.extend(domains.into_iter().map(|domain| import(domain, version_of(domain, graph))));
    ModelProto {
        ir_version: Some(IR_VERSION),
        producer_name: Some(super::PRODUCER.into()),
        producer_version: Some(env!("CARGO_PKG_VERSION").into()),
        graph: Some(GraphProto {
            node: with_own_names(graph.nodes.iter().map(write_node).collect()),
            name: Some(if graph.name.is_empty() { "graph".into() } else { graph.name.clone() }),
            initializer: weights,
            input: graph.inputs.iter().map(write_value).collect(),
            output: graph.outputs.iter().map(write_value).collect(),
            ..GraphProto::default()
        }),
        opset_import,
        metadata_props: trained(graph).into_iter().collect(),
        ..ModelProto::default()
    }
}

/// The entry that says which of the constants are trained.
fn trained(graph: &Graph) -> Option<StringStringEntryProto> {
    let names = graph.trained.as_ref()?.iter().filter(|name| graph.constants.contains_key(*name));
    let names: Vec<&str> = names.map(String::as_str).collect();
    let entry = || StringStringEntryProto { key: Some(super::TRAINED.into()), value: Some(names.join("\n")) };
    (!names.is_empty()).then(entry)
}

/// The nodes with names that no two share, as ONNX Runtime demands: where a name comes again, a number is put
/// behind it.
fn with_own_names(mut nodes: Vec<NodeProto>) -> Vec<NodeProto> {
    let names = nodes.iter().filter_map(|node| node.name.clone());
    let mut taken: HashSet<String> = names.collect();
    let mut given: HashSet<String> = HashSet::new();
    // How far each name's numbers have come, so that thousands of equal names are no square of work.
    let mut numbers: HashMap<String, u64> = HashMap::new();
    for name in nodes.iter_mut().filter_map(|node| node.name.as_mut()) {
        if given.insert(name.clone()) {
            continue;
        }
        let number = numbers.entry(name.clone()).or_default();
        let stem = name.clone();
        while !taken.insert(name.clone()) {
            *number += 1;
            *name = format!("{stem}_{number}");
        }
        given.insert(name.clone());
    }
    nodes
}

fn write_node(node: &Node) -> NodeProto {
    let (domain, op) = node.op.rsplit_once("::").unwrap_or(("", &node.op));
    NodeProto {
        input: node.inputs.clone(),
        output: node.outputs.clone(),
        name: Some(node.name.clone()).filter(|name| !name.is_empty()),
        op_type: Some(op.into()),
        domain: Some(domain.into()).filter(|domain: &String| !domain.is_empty()),
        attribute: node.attributes.iter().map(|(name, value)| write_attribute(name, value)).collect(),
        ..NodeProto::default()
    }
}

fn write_attribute(name: &str, value: &Attribute) -> AttributeProto {
    let mut proto = AttributeProto { name: Some(name.into()), ..AttributeProto::default() };
    proto.r#type = Some(match value {
        Attribute::Int(v) => {
            proto.i = Some(*v);
            ATTRIBUTE_INT
        }
        Attribute::Float(v) => {
            proto.f = Some(*v);
            ATTRIBUTE_FLOAT
        }
        Attribute::Text(v) => {
            proto.s = Some(v.clone().into());
            ATTRIBUTE_STRING
        }
        Attribute::Tensor(v) => {
            proto.t = Some(write_tensor(name, v));
            ATTRIBUTE_TENSOR
        }
        Attribute::Ints(v) => {
            proto.ints = v.clone();
            ATTRIBUTE_INTS
        }
        Attribute::Floats(v) => {
            proto.floats = v.clone();
            ATTRIBUTE_FLOATS
        }
        Attribute::Texts(v) => {
            proto.strings = v.iter().map(|text| text.clone().into()).collect();
            ATTRIBUTE_STRINGS
        }
    });
    proto
}

fn write_value(value: &Value) -> ValueInfoProto {
    let dimension = |d: &Dim| DimensionProto {
        extent: Some(match d {
            Dim::Known(n) => Extent::Value(*n as i64),
            symbolic => Extent::Param(symbolic.to_string()),
        }),
    };
    ValueInfoProto {
        name: Some(value.name.clone()),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: Some(value.ty.dtype.code() as i32),
                shape: Some(TensorShapeProto { dim: value.ty.shape.0.iter().map(dimension).collect() }),
            }),
        }),
    }
}
