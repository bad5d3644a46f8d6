//! Shape inference, one function per operator, one file per family.
//!
//! Beside types, inference follows small integer tensors ([`Symbolic`]): exporters write shape
//! arithmetic (`Shape → Gather → Concat → Reshape`) into the graph, and with the batch as the one
//! symbol it can be followed exactly.

mod conv;
mod dim;
mod einsum;
mod elementwise;
mod follow;
mod index;
mod layout;
mod matmul;
mod normalization;
mod pool;
mod quantize;
mod rearrange;
mod recurrent;
mod reduce;
mod resize;
mod shape;
mod spectrum;
mod symbolic;
mod table;
#[cfg(test)]
mod tests;
mod window;

use std::collections::HashMap;

pub(crate) use dim::allocation;
pub(crate) use elementwise::broadcast_shapes;
pub(crate) use layout::{padding, permutation};
pub(crate) use rearrange::{gather, pad, rearrange};
pub(crate) use reduce::reduced_axes;
pub(crate) use symbolic::{Sym, Symbolic};
pub(crate) use window::{AutoPad, KernelWindow, list};

use crate::{DType, Dim, Graph, Node, Result, Shape, Tensor, TensorType};

/// What is known of every tensor of a graph.
#[derive(Clone, Debug, Default)]
pub struct Types {
    types: HashMap<String, TensorType>,
    values: HashMap<String, Symbolic>,
}

/// Infers the type of every tensor. Tensors made by operators that inference does not know, and
/// all that depend on them, are absent from the result.
///
/// # Errors
/// When a node contradicts its operator's definition (shapes that do not fit, say).
pub fn infer(graph: &Graph) -> Result<Types> {
    let mut types = Types::of_ends(graph);
    for node in &graph.nodes {
        types.step(node)?;
    }
    Ok(types)
}

impl Types {
    /// The types of the inputs and constants.
    pub(crate) fn of_ends(graph: &Graph) -> Types {
        let mut types = Types::default();
        for value in &graph.inputs {
            types.insert(&value.name, value.ty.clone());
        }
        for (name, tensor) in &graph.constants {
            types.insert_constant(name, tensor);
        }
        types
    }

    /// The type of a tensor, if it is known.
    pub fn get(&self, name: &str) -> Option<&TensorType> {
        self.types.get(name)
    }

    /// What is known of the elements of a small integer tensor.
    pub(crate) fn value(&self, name: &str) -> Option<&Symbolic> {
        self.values.get(name)
    }

    pub(crate) fn insert(&mut self, name: &str, ty: TensorType) {
        self.types.insert(name.into(), ty);
    }

    pub(crate) fn insert_constant(&mut self, name: &str, tensor: &Tensor) {
        self.insert(name, TensorType { dtype: tensor.dtype(), shape: Shape::fixed(tensor.shape()) });
        if let Some(value) = Symbolic::of_tensor(tensor) {
            self.values.insert(name.into(), value);
        }
    }

    /// The types of a node's outputs, if they can be inferred.
    pub(crate) fn outputs(&self, node: &Node) -> Result<Option<Vec<TensorType>>> {
        match (rule(&node.op), self.context(node)) {
            (Some(rule), Some(context)) => rule(&context),
            _ => Ok(None),
        }
    }

    /// Infers one node's outputs from its inputs, which must have been seen before.
    pub(crate) fn step(&mut self, node: &Node) -> Result<()> {
        let Some(rule) = rule(&node.op) else { return Ok(()) };
        let Some(context) = self.context(node) else { return Ok(()) };
        let Some(outputs) = rule(&context)? else { return Ok(()) };
        if let Some(ty) = outputs.iter().find(|ty| !ty.shape.is_possible()) {
            return Err(node.error(format!("its result would have the impossible shape {}", ty.shape)));
        }
        let values = follow::values(&context, &outputs);
        for (name, value) in node.outputs.iter().zip(values) {
            if let Some(value) = value.filter(|_| !name.is_empty()) {
                self.values.insert(name.clone(), value);
            }
        }
        for (name, ty) in node.outputs.iter().zip(outputs) {
            if !name.is_empty() {
                self.types.insert(name.clone(), ty);
            }
        }
        Ok(())
    }

    /// The node with what is known of its inputs; `None` if the type of one is unknown.
    pub(crate) fn context<'a>(&'a self, node: &'a Node) -> Option<Context<'a>> {
        let known = |name: &String| match self.types.get(name) {
            None if !name.is_empty() => None,
            ty => Some(ty),
        };
        let inputs = node.inputs.iter().map(known).collect::<Option<_>>()?;
        Some(Context { node, inputs, types: self })
    }
}

/// The types of a node's outputs; `None` when they cannot be known before running.
type Inferred = Result<Option<Vec<TensorType>>>;
/// The inference function of an operator.
type ShapeRule = fn(&Context) -> Inferred;

const TABLES: &[&[(&str, ShapeRule)]] = &[
    elementwise::RULES,
    conv::RULES,
    matmul::RULES,
    normalization::RULES,
    pool::RULES,
    layout::RULES,
    reduce::RULES,
    shape::RULES,
    index::RULES,
    quantize::RULES,
    recurrent::RULES,
    resize::RULES,
    spectrum::RULES,
    einsum::RULES,
    table::RULES,
];

/// A node and what is known of its inputs.
pub(crate) struct Context<'a> {
    pub node: &'a Node,
    inputs: Vec<Option<&'a TensorType>>,
    types: &'a Types,
}

impl<'a> Context<'a> {
    /// The number of inputs, trailing ones that are left out not counted.
    pub fn arity(&self) -> usize {
        self.inputs.iter().rposition(Option::is_some).map_or(0, |i| i + 1)
    }

    /// The type of input `i`; an error if the node lacks it.
    pub fn input(&self, i: usize) -> Result<&'a TensorType> {
        self.optional(i).ok_or_else(|| self.node.error(format!("input {i} is missing")))
    }

    /// The type of input `i`, if the node has it.
    pub fn optional(&self, i: usize) -> Option<&'a TensorType> {
        self.inputs.get(i).copied().flatten()
    }

    /// The shape of input `i`; an error if the node lacks it.
    pub fn shape(&self, i: usize) -> Result<&'a Shape> {
        Ok(&self.input(i)?.shape)
    }

    /// The elements of the integer input `i`, as far as they are known.
    pub fn value(&self, i: usize) -> Option<&'a Symbolic> {
        self.types.value(self.node.input(i)?)
    }

    /// The elements of the integer input `i`, if all are known numbers.
    pub fn ints(&self, i: usize) -> Option<Vec<i64>> {
        self.value(i)?.known()
    }

    /// The element of a scalar input, or of one with a single element.
    pub fn element(&self, i: usize) -> Option<Sym> {
        self.value(i)?.single()
    }

    /// The elements of input `i` as extents; `None` if they are not known.
    pub fn dims(&self, i: usize) -> Result<Option<Shape>> {
        let Some(value) = self.value(i) else { return Ok(None) };
        Ok(value.iter().map(|sym| self.dim(sym)).collect::<Result<Option<Vec<Dim>>>>()?.map(Shape))
    }

    /// An element of a shape tensor as an extent; `None` if it is not known.
    pub fn dim(&self, sym: Sym) -> Result<Option<Dim>> {
        dim::of_sym(sym).or_else(|sym| self.fail(format!("{sym} is no extent")))
    }

    /// The element type with this number.
    pub fn dtype(&self, code: i64) -> Result<DType> {
        DType::from_code(code)
            .ok_or_else(|| self.node.error(format!("element type {code} is not one Kennard knows")))
    }

    /// An error about this node.
    pub fn fail<T>(&self, message: impl Into<String>) -> Result<T> {
        Err(self.node.error(message))
    }

    /// An axis brought to `0..rank`.
    pub fn axis(&self, axis: i64, rank: usize) -> Result<usize> {
        let wrapped = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
        if (0..rank as i64).contains(&wrapped) {
            Ok(wrapped as usize)
        } else {
            Err(self.node.error(format!("axis {axis} does not exist in a tensor of rank {rank}")))
        }
    }
}

/// One output of the first input's element type.
fn one(dtype: DType, shape: Shape) -> Inferred {
    Ok(Some(vec![TensorType { dtype, shape }]))
}

/// Whether inference knows this operator, if not always its results' shapes.
pub(crate) fn is_known(op: &str) -> bool {
    rule(op).is_some()
}

fn rule(op: &str) -> Option<ShapeRule> {
    TABLES.iter().copied().flatten().find(|(name, _)| *name == op).map(|(_, rule)| *rule)
}
