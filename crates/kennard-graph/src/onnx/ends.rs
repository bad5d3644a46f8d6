//! Which inputs and outputs of a file are those of a classifier.

use std::collections::{BTreeMap, HashSet};

use super::format::format_error;
use super::proto::*;
use super::symbols::{dims, element_type, inputs, name_of, written};
use crate::builder::Builder;
use crate::{Attribute, DType, Dim, Graph, GraphError, Result, Tensor, Value};

/// Which ends of a model file are a classifier's, where the file leaves that open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ends {
    /// The input that samples go to. By default the only one that is not held.
    pub input: Option<String>,
    /// The shape of one sample, without the batch, where the file leaves extents open.
    pub sample: Option<Vec<usize>>,
    /// The output with the logits. By default the only one of their shape.
    pub output: Option<String>,
    /// Numbers at which other inputs are held, by name. The initial state of a recurrent layer is 0 by default.
    pub held: BTreeMap<String, f64>,
}

/// What is taken of a file.
pub(super) struct Taken<'a> {
    pub input: &'a ValueInfoProto,
    sample: Option<&'a [usize]>,
    /// The other inputs, and what they are held at.
    pub held: Vec<(&'a ValueInfoProto, f64)>,
    /// The outputs that may have the logits.
    pub outputs: Vec<&'a ValueInfoProto>,
}

impl<'a> Taken<'a> {
    pub fn new(graph: &'a GraphProto, of: &'a Ends) -> Result<Taken<'a>> {
        let all = inputs(graph);
        let there = |name: &String| all.iter().any(|v| name_of(v) == name);
        if let Some(name) = of.input.iter().chain(of.held.keys()).find(|name| !there(name)) {
            return Err(GraphError::NoTensor {
                name: name.clone(),
                hint: format!("its inputs are {}", listed(&all)),
            });
        }
        let state = states(graph);
        let is_held = |v: &ValueInfoProto| of.held.contains_key(name_of(v)) || state.contains(name_of(v));
        let chosen = match &of.input {
            Some(name) => all.iter().find(|v| name_of(v) == name).copied(),
            None => match all.iter().filter(|v| !is_held(v)).collect::<Vec<_>>().as_slice() {
                [one] => Some(**one),
                _ => None,
            },
        };
        if chosen.is_none() && all.len() > 1 && all.iter().all(|v| is_column(v)) {
            return Err(GraphError::Columns { inputs: all.len() });
        }
        let tokens = |v: &&ValueInfoProto| are_tokens(graph, v);
        let asked: &[&ValueInfoProto] = chosen.as_ref().map_or(&all, std::slice::from_ref);
        if let Some(input) = asked.iter().copied().find(|v| tokens(v)) {
            return Err(GraphError::Tokens { input: name_of(input).into() });
        }
        let input = chosen.ok_or_else(|| GraphError::SeveralInputs {
            input: None,
            message: format!(
                "a classifier has one input, this model has {}: {}",
                if all.is_empty() { "none".into() } else { all.len().to_string() },
                listed(&all)
            ),
        })?;
        let mut held = Vec::new();
        for other in all.iter().copied().filter(|v| name_of(v) != name_of(input)) {
            let value = of.held.get(name_of(other)).copied();
            let value = value.or_else(|| state.contains(name_of(other)).then_some(0.0));
            let value = value.ok_or_else(|| GraphError::SeveralInputs {
                input: Some(name_of(other).into()),
                message: format!(
                    "nothing says what goes into the input `{}` {}",
                    name_of(other),
                    written(other)
                ),
            })?;
            held.push((other, value));
        }
        Ok(Taken { input, sample: of.sample.as_deref(), held, outputs: outputs(graph, of)? })
    }

    /// The input, and the shape of one sample, where that is said.
    pub fn sample(&self) -> Option<(&'a ValueInfoProto, &'a [usize])> {
        self.sample.map(|sample| (self.input, sample))
    }

    /// The extents of one sample that the file fixes; nothing where it gives no shape.
    pub fn extents(&self) -> Option<Vec<Option<usize>>> {
        let extent = |d: &DimensionProto| match d.extent {
            Some(Extent::Value(n)) => usize::try_from(n).ok(),
            _ => None,
        };
        Some(dims(self.input)?.iter().skip(1).map(extent).collect())
    }
}

/// The output that is named, or all that may be of logits.
fn outputs<'a>(graph: &'a GraphProto, of: &Ends) -> Result<Vec<&'a ValueInfoProto>> {
    let all: Vec<&ValueInfoProto> = graph.output.iter().collect();
    if let Some(name) = &of.output {
        let named = all.iter().find(|v| name_of(v) == name).copied();
        return named.map(|named| vec![named]).ok_or_else(|| GraphError::NoTensor {
            name: name.clone(),
            hint: format!("its outputs are {}", listed(&all)),
        });
    }
    // Labels are integers, and some converters add maps.
    let float = |v: &&ValueInfoProto| element_type(v).is_ok_and(DType::is_float);
    let floats: Vec<_> = all.iter().copied().filter(float).collect();
    Ok(if floats.is_empty() { all } else { floats })
}

/// Scores in place of the maps from labels to scores that converters of scikit-learn make of them (`ZipMap`).
pub(super) fn without_maps(graph: &mut GraphProto) {
    let is_map = |node: &NodeProto| {
        node.op_type.as_deref() == Some("ZipMap") && node.domain.as_deref() == Some("ai.onnx.ml")
    };
    let batch = inputs(graph).first().and_then(|v| dims(v)?.first().cloned());
    let (maps, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut graph.node).into_iter().partition(is_map);
    graph.node = rest;
    for map in &maps {
        let (Some(scores), Some(made)) = (map.input.first(), map.output.first()) else { continue };
        // One score for each class that the map has.
        let classes = map.attribute.iter().map(|a| a.ints.len().max(a.strings.len())).max().unwrap_or(0);
        let dim = vec![
            batch.clone().unwrap_or(DimensionProto { extent: None }),
            DimensionProto { extent: Some(Extent::Value(classes as i64)) },
        ];
        let tensor_type = Some(TensorTypeProto {
            elem_type: Some(DType::F32.code() as i32),
            shape: Some(TensorShapeProto { dim }),
        });
        for output in graph.output.iter_mut().filter(|v| name_of(v) == made) {
            *output = ValueInfoProto {
                name: Some(scores.clone()),
                r#type: Some(TypeProto { tensor_type: tensor_type.clone() }),
            };
        }
    }
}

/// Whether a value is one element for each sample.
fn is_column(value: &ValueInfoProto) -> bool {
    matches!(dims(value), Some([_, DimensionProto { extent: Some(Extent::Value(1)) }]))
}

fn listed(values: &[&ValueInfoProto]) -> String {
    let one = |v: &&ValueInfoProto| format!("`{}` {}", name_of(v), written(v));
    values.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The inputs that are nothing but the initial state of recurrent layers.
fn states(graph: &GraphProto) -> HashSet<&str> {
    let recurrent = |node: &NodeProto| matches!(node.op_type.as_deref(), Some("LSTM" | "GRU" | "RNN"));
    let (mut state, mut other) = (HashSet::new(), HashSet::new());
    for node in &graph.node {
        for (i, name) in node.input.iter().enumerate() {
            let is_state = recurrent(node) && (i == 5 || i == 6);
            if is_state { &mut state } else { &mut other }.insert(name.as_str());
        }
    }
    state.difference(&other).copied().collect()
}

/// Whether an input's integers go nowhere but into the choice of rows of tables.
fn are_tokens(graph: &GraphProto, input: &ValueInfoProto) -> bool {
    let name = name_of(input);
    let integers = element_type(input).is_ok_and(|dtype| matches!(dtype, DType::I64 | DType::I32));
    let mut chooses = false;
    for node in &graph.node {
        let op = node.op_type.as_deref().unwrap_or("");
        for i in (0..node.input.len()).filter(|&i| node.input[i] == name) {
            if op == "Gather" && i == 1 {
                chooses = true;
            } else if !matches!(op, "Shape" | "Equal") {
                return false;
            }
        }
    }
    integers && chooses
}

/// Gives an input's name to a tensor that is `value` everywhere. A batch of it is that of the input `beside`.
pub(super) fn hold(builder: &Builder, held: &Value, value: f64, beside: &str) {
    let scalar = Tensor::scalar(value, held.ty.dtype);
    if let Some(shape) = held.ty.shape.known() {
        builder.define(&held.name, Tensor::full(&shape, value, held.ty.dtype));
        return;
    }
    let Ok(x) = builder.var(beside) else { return };
    let batch = x.apply_with("Shape", &[("start", 0i64.into()), ("end", 1i64.into())]);
    let extent = |d: &Dim| match d {
        Dim::Known(n) => builder.ints(&[*n as i64]),
        Dim::Batch(k) => batch.with("Mul", builder.ints(&[*k as i64])),
    };
    let extents: Vec<_> = held.ty.shape.0.iter().map(|d| Some(extent(d))).collect();
    let shape = builder.op("Concat", &extents, &[("axis", Attribute::Int(0))]);
    let filled = builder.constant(scalar).with("Expand", shape);
    builder.name(&held.name, filled);
}

/// What several outputs of one number are likely to be.
const COLUMNS: &str = ". Where each is the score of one class (zipmap='columns' in skl2onnx), export the model with zipmap=False";

/// The graph with the one output that has the shape of logits.
///
/// # Errors
/// When none has it, or several.
pub(super) fn with_logits(mut graph: Graph) -> Result<Graph> {
    if graph.outputs.len() == 1 {
        return Ok(graph);
    }
    let classes = |v: &Value| match v.ty.shape.0.as_slice() {
        [_] => Some(1),
        [_, Dim::Known(k), rest @ ..] if rest.iter().all(|d| *d == Dim::Known(1)) => Some(*k),
        _ => None,
    };
    let of = |least: usize| -> Vec<&Value> {
        graph.outputs.iter().filter(|v| classes(v).is_some_and(|k| k >= least)).collect()
    };
    let found = [of(2), of(1)].into_iter().find(|found| !found.is_empty()).unwrap_or_default();
    let [one] = found.as_slice() else {
        let all: Vec<String> = graph.outputs.iter().map(|v| format!("`{}` {}", v.name, v.ty)).collect();
        if all.is_empty() {
            return Err(format_error("it has no output"));
        }
        let columns = found.len() > 1 && found.iter().all(|v| v.ty.shape.rank() == 1);
        return Err(GraphError::SeveralOutputs(format!(
            "a classifier has one output, this model has {}, {} of the shape of logits: {}{}",
            all.len(),
            if found.is_empty() { "none" } else { "several" },
            all.join(", "),
            if columns { COLUMNS } else { "" }
        )));
    };
    graph.outputs = vec![(*one).clone()];
    graph.prune();
    Ok(graph)
}
