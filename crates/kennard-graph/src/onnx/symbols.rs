//! What the extents of a file's inputs and outputs mean.

use std::collections::{HashMap, HashSet};

use super::PRODUCER;
use super::format::format_error;
use super::proto::*;
use crate::types::{stored_type, type_name};
use crate::{DType, Dim, GraphError, Node, Result, Shape, TensorType, Value, infer};

/// What the names of extents mean.
pub(super) struct Symbols<'a> {
    /// Whether Kennard wrote the file.
    own: bool,
    /// The names that stand for the batch.
    batch: HashSet<&'a str>,
    /// The names of other extents that are known.
    bound: HashMap<&'a str, usize>,
    /// The input that samples go to, and the shape of one.
    sample: Option<(&'a str, &'a [usize])>,
    /// Whether a batch of 0 is an open one. Some exporters write it so; then all inputs and outputs have it.
    zero_is_open: bool,
}

impl<'a> Symbols<'a> {
    /// The symbols of a file; `sample` is an input, and the shape of one sample of it.
    pub fn new(model: &'a ModelProto, sample: Option<(&'a ValueInfoProto, &'a [usize])>) -> Symbols<'a> {
        let (inputs, outputs) = match &model.graph {
            Some(graph) => (inputs(graph), graph.output.as_slice()),
            None => (Vec::new(), &[][..]),
        };
        Symbols {
            own: model.producer_name.as_deref() == Some(PRODUCER),
            batch: inputs.iter().filter_map(|v| batch_name(v)).collect(),
            bound: sample.map_or_else(HashMap::new, |(v, sample)| bound(v, sample)),
            sample: sample.map(|(v, sample)| (name_of(v), sample)),
            zero_is_open: inputs.iter().copied().any(|v| is_float(&v))
                && inputs.iter().copied().chain(outputs).filter(is_float).all(begins_with_zero),
        }
    }

    pub fn input(&self, proto: &ValueInfoProto) -> Result<Value> {
        let name = name_of(proto);
        if name.is_empty() {
            return Err(format_error("it has an input without a name"));
        }
        let dtype = element_type(proto)?;
        let sample = self.sample.filter(|(input, _)| *input == name).map(|(_, sample)| sample);
        let dims = match (dims(proto), sample) {
            (Some(dims), Some(sample)) => self.filled(proto, dims, sample)?,
            (Some(dims), None) => {
                let dims: Option<Vec<Dim>> =
                    dims.iter().enumerate().map(|(axis, d)| self.of_input(axis, d)).collect();
                dims.ok_or_else(|| open(proto))?
            }
            (None, Some(sample)) => {
                std::iter::once(Dim::BATCH).chain(sample.iter().map(|&n| Dim::Known(n))).collect()
            }
            (None, None) => return Err(open(proto)),
        };
        Ok(Value { name: name.into(), ty: TensorType { dtype, shape: checked(name, dims)? } })
    }

    /// The extents of the input that samples of this shape go to.
    fn filled(&self, proto: &ValueInfoProto, dims: &[DimensionProto], sample: &[usize]) -> Result<Vec<Dim>> {
        let fits = |(d, &n): (&DimensionProto, &usize)| match &d.extent {
            // Some exporters write −1 for what is open.
            Some(Extent::Value(extent)) if *extent >= 0 => *extent == n as i64,
            _ => true,
        };
        if dims.len() != sample.len() + 1 || !dims[1..].iter().zip(sample).all(fits) {
            return Err(GraphError::Shape(format!(
                "a sample of shape {} does not fit the input `{}` {}",
                Shape::fixed(sample),
                name_of(proto),
                written(proto)
            )));
        }
        let batch = self.of_input(0, &dims[0]).unwrap_or(Dim::BATCH);
        Ok(std::iter::once(batch).chain(sample.iter().map(|&n| Dim::Known(n))).collect())
    }

    fn of_input(&self, axis: usize, d: &DimensionProto) -> Option<Dim> {
        match self.dim(d) {
            Some(Dim::Known(0)) if axis == 0 && self.zero_is_open => Some(Dim::BATCH),
            None if axis == 0 => Some(Dim::BATCH),
            dim => dim,
        }
    }

    /// The type the file gives an output, for those whose type cannot be inferred, as inference ends at a node.
    pub fn output(&self, proto: &ValueInfoProto, stuck: Option<&Node>) -> Result<TensorType> {
        let name = name_of(proto);
        let zero = |axis: usize, d: Dim| axis == 0 && d == Dim::Known(0) && self.zero_is_open;
        let open = |axis: usize, d: Dim| if zero(axis, d) { Dim::BATCH } else { d };
        // A first extent about which nothing is said is the batch, as it is of an input.
        let rows = dims(proto).is_some_and(|dims| dims.len() > 1);
        let of_output = |(axis, d): (usize, &DimensionProto)| match self.dim(d) {
            Some(dim) => Some(open(axis, dim)),
            None => (rows && axis == 0 && d.extent.is_none()).then_some(Dim::BATCH),
        };
        let dims: Option<Vec<Dim>> =
            dims(proto).and_then(|dims| dims.iter().enumerate().map(of_output).collect());
        let dims = dims.ok_or_else(|| {
            let at = |node: &Node| format!(", not beyond its node `{}` ({})", node.label(), node.op);
            let at = stuck.map(at).unwrap_or_default();
            let cure = match stuck {
                Some(node) if !infer::is_known(&node.op) => {
                    "its operator is unknown to Kennard. Write the output's shape into the file, or export the model in \
                     operators of the standard"
                }
                _ => "export the model with fixed shapes except the batch",
            };
            format_error(format!(
                "the shape of the output `{name}` is neither given nor can it be inferred{at}; {cure}"
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
            Extent::Param(name) => match self.bound.get(name.as_str()) {
                Some(&extent) => Some(Dim::Known(extent)),
                None => self.batch.contains(name.as_str()).then_some(Dim::BATCH),
            },
        }
    }
}

/// What a caller feeds. Before IR version 4 every initializer was listed as an input, too.
pub(super) fn inputs(graph: &GraphProto) -> Vec<&ValueInfoProto> {
    let initialized: HashSet<_> = graph.initializer.iter().map(|t| &t.name).collect();
    graph.input.iter().filter(|v| !initialized.contains(&v.name)).collect()
}

/// The name of the batch, if this input's first axis has one that stands for nothing else: some exporters call every open
/// axis `?`.
pub(super) fn batch_name(proto: &ValueInfoProto) -> Option<&str> {
    let (first, others) = dims(proto)?.split_first()?;
    let name = symbol(first)?;
    (!others.iter().any(|other| symbol(other) == Some(name))).then_some(name)
}

/// The extents that the names of an input's axes have for samples of this shape; not those of names with several.
fn bound<'a>(proto: &'a ValueInfoProto, sample: &[usize]) -> HashMap<&'a str, usize> {
    let (Some(dims), own) = (dims(proto), batch_name(proto)) else { return HashMap::new() };
    let named = || dims.iter().skip(1).zip(sample).filter_map(|(d, &n)| Some((symbol(d)?, n)));
    let first = dims.first().and_then(symbol);
    let single =
        |name: &str, n: usize| first != Some(name) && named().all(|(other, m)| other != name || m == n);
    named().filter(|&(name, n)| own != Some(name) && single(name, n)).collect()
}

fn symbol(d: &DimensionProto) -> Option<&str> {
    match d.extent.as_ref()? {
        Extent::Param(name) if !name.is_empty() => Some(name),
        _ => None,
    }
}

pub(super) fn name_of(proto: &ValueInfoProto) -> &str {
    proto.name.as_deref().unwrap_or("")
}

/// The error about an input whose extents are not all known.
fn open(proto: &ValueInfoProto) -> GraphError {
    GraphError::OpenShape { input: name_of(proto).into(), shape: written(proto) }
}

/// A shape as the file has it.
pub(super) fn written(proto: &ValueInfoProto) -> String {
    let Some(dims) = dims(proto) else { return "of a shape that is not given".into() };
    let extent = |d: &DimensionProto| match &d.extent {
        Some(Extent::Value(n)) => n.to_string(),
        Some(Extent::Param(name)) if !name.is_empty() => name.clone(),
        _ => "?".into(),
    };
    format!("[{}]", dims.iter().map(extent).collect::<Vec<_>>().join(", "))
}

pub(super) fn dims(proto: &ValueInfoProto) -> Option<&[DimensionProto]> {
    Some(&proto.r#type.as_ref()?.tensor_type.as_ref()?.shape.as_ref()?.dim)
}

/// Whether the value has at least two axes, and the first has the extent 0.
fn begins_with_zero(proto: &ValueInfoProto) -> bool {
    let first = dims(proto).filter(|dims| dims.len() > 1).and_then(|dims| dims[0].extent.as_ref());
    matches!(first, Some(Extent::Value(0)))
}

fn is_float(proto: &&ValueInfoProto) -> bool {
    element_type(proto).is_ok_and(DType::is_float)
}

pub(super) fn element_type(proto: &ValueInfoProto) -> Result<DType> {
    let name = name_of(proto);
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
