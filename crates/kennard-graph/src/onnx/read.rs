//! ONNX file → [`Graph`].

use std::collections::{BTreeMap, HashSet};

use super::PRODUCER;
use super::external::Files;
use super::format::{format_error, opset};
use super::limits;
use super::nodes::Importer;
use super::order::{names_read, order};
use super::proto::*;
use super::tensor::read_tensor;
use crate::types::{stored_type, type_name};
use crate::{Builder, DType, Dim, Graph, Result, Shape, TensorType, Value, infer};

pub(super) fn read(model: &ModelProto, files: &Files) -> Result<Graph> {
    let version = opset(&model.opset_import)?;
    let graph = model.graph.as_ref().ok_or_else(|| format_error("it contains no graph"))?;
    if !graph.sparse_initializer.is_empty() {
        return Err(format_error("it has sparse weights; export it with dense ones"));
    }
    let outputs: Vec<&str> = graph.output.iter().map(|v| v.name.as_deref().unwrap_or("")).collect();
    let nodes = order(&graph.node, &outputs)?;

    // Before IR version 4 every initializer was listed as an input, too.
    let initialized: HashSet<_> = graph.initializer.iter().map(|t| &t.name).collect();
    let fed: Vec<_> = graph.input.iter().filter(|v| !initialized.contains(&v.name)).collect();
    let symbols = Symbols::new(model, &fed, &graph.output);
    let mut base = Graph {
        name: graph.name.clone().unwrap_or_default(),
        inputs: fed.iter().map(|v| symbols.input(v)).collect::<Result<_>>()?,
        bfloat16: rounds_to_bfloat16(&graph.node)
            || model.functions.iter().any(|function| rounds_to_bfloat16(&function.node)),
        ..Graph::default()
    };
    let mut used: Vec<&str> = outputs.clone();
    nodes.iter().for_each(|node| names_read(node, &mut used));
    base.constants = initializers(graph, &used.into_iter().collect(), files)?;

    let placeholder = TensorType::new(DType::F32, Shape::default());
    base.outputs = outputs.iter().map(|&name| Value { name: name.into(), ty: placeholder.clone() }).collect();
    let builder = Builder::without_nodes(&base)?;
    builder.reserve(graph.node.iter().flat_map(|node| &node.output));
    let importer = Importer::new(&builder, files, &model.functions, &base)?;
    importer.check_nodes(&graph.node, version)?;
    importer.graph(&nodes, &outputs, version)?;

    let inferred: Vec<Option<TensorType>> =
        outputs.iter().map(|name| builder.var(name).and_then(|v| v.ty()).ok()).collect();
    let mut result = builder.finish()?;
    limits::check(&result, &infer(&result)?)?;
    for ((value, ty), proto) in result.outputs.iter_mut().zip(inferred).zip(&graph.output) {
        value.ty = match ty {
            Some(ty) => ty,
            None => symbols.output(proto)?,
        };
    }
    Ok(result)
}

/// Whether a cast to bfloat16 is among the nodes or in their subgraphs.
fn rounds_to_bfloat16(nodes: &[NodeProto]) -> bool {
    const BFLOAT16: i64 = 16;
    nodes.iter().flat_map(|node| &node.attribute).any(|attribute| {
        attribute.name.as_deref() == Some("to") && attribute.i == Some(BFLOAT16)
            || attribute.g.iter().any(|graph| rounds_to_bfloat16(&graph.node))
    })
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
        if constants.insert(name.into(), read_tensor(proto, files)?).is_some() {
            return Err(format_error(format!("there are two tensors `{name}`")));
        }
    }
    Ok(constants)
}

/// What the names of extents mean.
struct Symbols<'a> {
    /// Whether Kennard wrote the file.
    own: bool,
    /// The names that stand for the batch.
    batch: HashSet<&'a str>,
    /// Whether a batch of 0 is an open one. Some exporters write it so; then all inputs and outputs have it.
    zero_is_open: bool,
}

impl<'a> Symbols<'a> {
    fn new(model: &ModelProto, inputs: &[&'a ValueInfoProto], outputs: &[ValueInfoProto]) -> Symbols<'a> {
        let first = |v: &&'a ValueInfoProto| match dims(v)?.first()?.extent.as_ref()? {
            Extent::Param(name) => Some(name.as_str()),
            Extent::Value(_) => None,
        };
        Symbols {
            own: model.producer_name.as_deref() == Some(PRODUCER),
            batch: inputs.iter().filter_map(first).filter(|name| !name.is_empty()).collect(),
            zero_is_open: inputs.iter().copied().chain(outputs).all(begins_with_zero),
        }
    }

    fn input(&self, proto: &ValueInfoProto) -> Result<Value> {
        let name = proto.name.as_deref().unwrap_or("");
        if name.is_empty() {
            return Err(format_error("it has an input without a name"));
        }
        let dtype = element_type(proto)?;
        let dims = dims(proto).ok_or_else(|| {
            format_error(format!(
                "the shape of the input `{name}` is not given; export the model with fixed shapes"
            ))
        })?;
        let dim = |(axis, d): (usize, &DimensionProto)| match self.dim(d) {
            Some(Dim::Known(0)) if axis == 0 && self.zero_is_open => Ok(Dim::BATCH),
            Some(dim) => Ok(dim),
            None if axis == 0 => Ok(Dim::BATCH),
            None => {
                let symbol = match &d.extent {
                    Some(Extent::Param(symbol)) => format!(" (`{symbol}`)"),
                    _ => String::new(),
                };
                Err(format_error(format!(
                    "axis {axis} of the input `{name}`{symbol} has no fixed extent; only the first axis, the batch, may vary. \
                     Export the model with that extent fixed, or fix it with \
                     `python -m onnxruntime.tools.make_dynamic_shape_fixed`"
                )))
            }
        };
        let shape = checked(name, dims.iter().enumerate().map(dim).collect::<Result<_>>()?)?;
        Ok(Value { name: name.into(), ty: TensorType { dtype, shape } })
    }

    /// The type the file gives an output, for those whose type cannot be inferred.
    fn output(&self, proto: &ValueInfoProto) -> Result<TensorType> {
        let name = proto.name.as_deref().unwrap_or("");
        let zero = |axis: usize, d: Dim| axis == 0 && d == Dim::Known(0) && self.zero_is_open;
        let open = |axis: usize, d: Dim| if zero(axis, d) { Dim::BATCH } else { d };
        let dims: Option<Vec<Dim>> = dims(proto)
            .and_then(|dims| dims.iter().enumerate().map(|(i, d)| Some(open(i, self.dim(d)?))).collect());
        let dims = dims.ok_or_else(|| {
            format_error(format!(
                "the shape of the output `{name}` is neither given nor can it be inferred; export the model with fixed \
                 shapes except the batch"
            ))
        })?;
        Ok(TensorType { dtype: element_type(proto)?, shape: checked(name, dims)? })
    }

    /// The extent, if it is known.
    fn dim(&self, dimension: &DimensionProto) -> Option<Dim> {
        match dimension.extent.as_ref()? {
            Extent::Value(n) => Some(Dim::Known(usize::try_from(*n).ok()?)),
            Extent::Param(name) if self.own => match name.strip_suffix('N')? {
                "" => Some(Dim::BATCH),
                k => Some(Dim::Batch(k.parse().ok()?)),
            },
            Extent::Param(name) => self.batch.contains(name.as_str()).then_some(Dim::BATCH),
        }
    }
}

fn dims(proto: &ValueInfoProto) -> Option<&[DimensionProto]> {
    Some(&proto.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?.dim)
}

/// Whether the value is of floats, at least two axes, and the first has the extent 0.
fn begins_with_zero(proto: &ValueInfoProto) -> bool {
    let float = element_type(proto).is_ok_and(DType::is_float);
    let first = dims(proto).filter(|dims| dims.len() > 1).and_then(|dims| dims[0].extent.as_ref());
    float && matches!(first, Some(Extent::Value(0)))
}

fn element_type(proto: &ValueInfoProto) -> Result<DType> {
    let name = proto.name.as_deref().unwrap_or("");
    let tensor = proto.r#type.as_ref().and_then(|t| t.tensor_type.as_ref());
    let tensor = tensor.ok_or_else(|| {
        format_error(format!(
            "`{name}` is no tensor but a sequence, map or the like; export the model with tensors only (for scikit-learn: \
             zipmap=False)"
        ))
    })?;
    let code = tensor.elem_type.unwrap_or(0).into();
    stored_type(code).ok_or_else(|| {
        format_error(format!("`{name}` has elements of {}, which Kennard does not hold", type_name(code)))
    })
}

/// Refuses shapes that no tensor has.
fn checked(name: &str, dims: Vec<Dim>) -> Result<Shape> {
    let shape = Shape(dims);
    if !shape.is_possible() {
        return Err(format_error(format!("`{name}` has an impossible shape")));
    }
    Ok(shape)
}
