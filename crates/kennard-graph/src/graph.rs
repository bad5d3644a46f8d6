mod ends;

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::{DType, GraphError, Tensor, TensorType};

/// The operator set that every graph in memory is written in.
pub const OPSET: i64 = 21;

/// A computation: named tensors, connected by nodes in topological order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Graph {
    /// The graph's name.
    pub name: String,
    /// What a caller feeds, in order.
    pub inputs: Vec<Value>,
    /// What a caller gets, in order.
    pub outputs: Vec<Value>,
    /// The operations; each stands after those that make its inputs.
    pub nodes: Vec<Node>,
    /// The constant tensors (weights and the like), by name.
    pub constants: BTreeMap<String, Tensor>,
    /// Whether the file computes in bfloat16, which is kept and computed in single precision here.
    pub bfloat16: bool,
    /// The constants that training changes, where the file says which: its entry `kennard.trained`, names between line feeds.
    pub trained: Option<Vec<String>>,
}

/// A named tensor with its type: an input or output of a graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Value {
    /// The tensor's name.
    pub name: String,
    /// Its element type and shape.
    pub ty: TensorType,
}

/// One operation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Node {
    /// The node's own name; may be empty.
    pub name: String,
    /// The operator, `Conv` say. Operators of other domains are written `domain::Op`.
    pub op: String,
    /// The tensors it reads; an empty name is an optional input left out.
    pub inputs: Vec<String>,
    /// The tensors it makes; an empty name is an output nobody reads.
    pub outputs: Vec<String>,
    /// Its attributes, by name.
    pub attributes: BTreeMap<String, Attribute>,
}

/// A constant parameter of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// An integer.
    Int(i64),
    /// A float.
    Float(f32),
    /// A text.
    Text(String),
    /// A tensor.
    Tensor(Tensor),
    /// Integers.
    Ints(Vec<i64>),
    /// Floats.
    Floats(Vec<f32>),
    /// Texts.
    Texts(Vec<String>),
}

macro_rules! from_value {
    ($($type:ty => $variant:ident),*) => {$(
        impl From<$type> for Attribute {
            fn from(value: $type) -> Attribute {
                Attribute::$variant(value.into())
            }
        }
    )*};
}
from_value!(i64 => Int, f32 => Float, &str => Text, String => Text, Tensor => Tensor, Vec<i64> => Ints, &[i64] => Ints, Vec<f32> => Floats);

impl Node {
    /// The integer attribute `name`, or `default` where it is absent.
    pub fn int(&self, name: &str, default: i64) -> i64 {
        match self.attributes.get(name) {
            Some(Attribute::Int(v)) => *v,
            _ => default,
        }
    }

    /// The float attribute `name`, or `default` where it is absent.
    pub fn float(&self, name: &str, default: f64) -> f64 {
        match self.attributes.get(name) {
            Some(Attribute::Float(v)) => (*v).into(),
            _ => default,
        }
    }

    /// The text attribute `name`, or `default` where it is absent.
    pub fn text<'a>(&'a self, name: &str, default: &'a str) -> &'a str {
        match self.attributes.get(name) {
            Some(Attribute::Text(v)) => v,
            _ => default,
        }
    }

    /// The integer-list attribute `name`, if present.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attributes.get(name) {
            Some(Attribute::Ints(v)) => Some(v),
            _ => None,
        }
    }

    /// The name of input `i`, or `None` where it is left out.
    pub fn input(&self, i: usize) -> Option<&str> {
        self.inputs.get(i).map(String::as_str).filter(|name| !name.is_empty())
    }

    /// Whether it reads one of these tensors.
    pub fn reads(&self, tensors: &HashSet<&str>) -> bool {
        self.inputs.iter().any(|name| tensors.contains(name.as_str()))
    }

    /// Whether it returns the extents of its input, which the input's elements have no influence on.
    pub fn asks_extents(&self) -> bool {
        matches!(self.op.as_str(), "Shape" | "Size")
    }

    /// Whether it draws random numbers.
    pub fn draws(&self) -> bool {
        self.op.starts_with("Random") || matches!(self.op.as_str(), "Bernoulli" | "Multinomial")
    }

    /// What to call this node in a message: its name, or its first output's.
    pub fn label(&self) -> &str {
        if self.name.is_empty() { self.outputs.first().map_or("", String::as_str) } else { &self.name }
    }

    /// An error about this node.
    pub fn error(&self, message: impl Into<String>) -> GraphError {
        GraphError::Node { node: self.label().into(), op: self.op.clone(), message: message.into() }
    }
}

impl Graph {
    /// The node that makes each tensor, as an index into `nodes`.
    pub fn producers(&self) -> HashMap<&str, usize> {
        self.nodes
            .iter()
            .enumerate()
            .flat_map(|(i, node)| node.outputs.iter().map(move |o| (o.as_str(), i)))
            .filter(|(name, _)| !name.is_empty())
            .collect()
    }

    /// The tensors `from`, and all that depend on them by way of nodes that `passes` allows. An output left out is no tensor.
    pub fn reached<'g>(
        &'g self,
        from: impl IntoIterator<Item = &'g str>,
        passes: impl Fn(&Node) -> bool,
    ) -> HashSet<&'g str> {
        let mut reached: HashSet<&str> = from.into_iter().collect();
        for node in &self.nodes {
            if passes(node) && node.reads(&reached) {
                reached.extend(node.outputs.iter().map(String::as_str).filter(|name| !name.is_empty()));
            }
        }
        reached
    }

    /// Removes nodes and constants that no output depends on.
    pub fn prune(&mut self) {
        let mut needed: HashSet<&str> = self.outputs.iter().map(|o| o.name.as_str()).collect();
        let mut keep = vec![false; self.nodes.len()];
        for (i, node) in self.nodes.iter().enumerate().rev() {
            keep[i] = node.outputs.iter().any(|o| needed.contains(o.as_str()));
            if keep[i] {
                needed.extend(node.inputs.iter().map(String::as_str).filter(|name| !name.is_empty()));
            }
        }
        let constants: HashSet<String> =
            self.constants.keys().filter(|name| needed.contains(name.as_str())).cloned().collect();
        self.constants.retain(|name, _| constants.contains(name));
        let mut keep = keep.into_iter();
        self.nodes.retain(|_| keep.next().unwrap_or(true));
    }

    /// The same graph, in which no tensor but an input or output has one of these names.
    pub(crate) fn freeing(&self, names: &[String]) -> Graph {
        let mut graph = self.clone();
        for name in names {
            let ends = graph.inputs.iter().chain(&graph.outputs);
            let is_end = ends.map(|value| &value.name).any(|end| end == name);
            if is_end || !graph.tensors().any(|tensor| tensor == name) {
                continue;
            }
            let taken: HashSet<String> = graph.tensors().map(String::from).collect();
            let Some(other) = (1..).map(|i| format!("{name}/{i}")).find(|other| !taken.contains(other))
            else {
                continue;
            };
            for node in &mut graph.nodes {
                let tensors = node.inputs.iter_mut().chain(&mut node.outputs);
                tensors.filter(|tensor| *tensor == name).for_each(|tensor| tensor.clone_from(&other));
            }
            if let Some(constant) = graph.constants.remove(name) {
                graph.constants.insert(other, constant);
            }
        }
        graph
    }

    /// The names of all tensors.
    fn tensors(&self) -> impl Iterator<Item = &str> {
        let ends = self.inputs.iter().chain(&self.outputs).map(|value| &value.name);
        let inner = self.nodes.iter().flat_map(|node| node.inputs.iter().chain(&node.outputs));
        ends.chain(inner).chain(self.constants.keys()).map(String::as_str)
    }

    /// The same graph for one batch size: no dimension is symbolic any more.
    pub fn with_batch(&self, batch: usize) -> Graph {
        let mut graph = self.clone();
        for value in graph.inputs.iter_mut().chain(&mut graph.outputs) {
            value.ty.shape = value.ty.shape.with_batch(batch);
        }
        graph
    }

    /// The same graph with every float tensor in one float type (`F32` for execution, `F64` for tests).
    pub fn with_floats(&self, dtype: DType) -> Graph {
        let mut graph = self.clone();
        for value in graph.inputs.iter_mut().chain(&mut graph.outputs) {
            if value.ty.dtype.is_float() {
                value.ty.dtype = dtype;
            }
        }
        // `Resize` takes its region and its scales in single precision only.
        let resized = self.nodes.iter().filter(|node| node.op == "Resize");
        let single: HashSet<&String> = resized.flat_map(|node| node.inputs.iter().skip(1).take(2)).collect();
        for (name, tensor) in &mut graph.constants {
            if !single.contains(name) {
                *tensor = tensor.to_float_type(dtype);
            }
        }
        for node in &mut graph.nodes {
            for attribute in node.attributes.values_mut() {
                if let Attribute::Tensor(tensor) = attribute {
                    *tensor = tensor.to_float_type(dtype);
                }
            }
            for (op, name) in [("Cast", "to"), ("EyeLike", "dtype")] {
                if node.op == op && DType::from_code(node.int(name, 0)).is_some_and(DType::is_float) {
                    node.attributes.insert(name.into(), Attribute::Int(dtype.code()));
                }
            }
        }
        graph
    }

    /// An error that names a missing tensor and some of those there are.
    pub(crate) fn no_tensor(&self, name: &str) -> GraphError {
        let outputs = self.nodes.iter().flat_map(|n| &n.outputs).map(String::as_str);
        let all = self.inputs.iter().map(|v| v.name.as_str()).chain(outputs);
        let names: Vec<&str> = all.take(12).collect();
        GraphError::NoTensor {
            name: name.into(),
            hint: format!("its tensors begin with {}", names.join(", ")),
        }
    }
}

impl DType {
    /// The number ONNX gives this type (`TensorProto.DataType`).
    pub fn code(self) -> i64 {
        match self {
            DType::F32 => 1,
            DType::U8 => 2,
            DType::I8 => 3,
            DType::U16 => 4,
            DType::I16 => 5,
            DType::I32 => 6,
            DType::I64 => 7,
            DType::Bool => 9,
            DType::F16 => 10,
            DType::F64 => 11,
        }
    }

    /// The type that ONNX gives this number, if Kennard knows it.
    pub fn from_code(code: i64) -> Option<DType> {
        use DType::*;
        [F32, U8, I8, U16, I16, I32, I64, Bool, F16, F64].into_iter().find(|d| d.code() == code)
    }
}
