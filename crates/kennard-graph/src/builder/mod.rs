//! Graphs under construction.

mod call;
mod state;
#[cfg(test)]
mod tests;
mod var;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

pub(crate) use call::Call;
use state::State;
pub use var::Var;

use crate::key::{node_key, tensor_key};
use crate::{Attribute, Graph, GraphError, Names, Node, Result, Tensor, TensorType, Value, infer};

/// Appends nodes to a graph, with types inferred as they come.
///
/// Tensors are [`Var`]s with arithmetic, so that a rule reads as its formula: `g * (1.0 - y * y)`.
/// Arithmetic cannot return errors, so the first one is kept and [`Builder::finish`] returns it.
pub struct Builder {
    state: RefCell<State>,
}

impl Builder {
    /// Begins with a copy of `graph`.
    ///
    /// # Errors
    /// When the graph's shapes contradict each other.
    pub fn new(graph: &Graph) -> Result<Builder> {
        let builder = Builder::without_nodes(graph)?;
        for node in &graph.nodes {
            builder.push(node.clone());
        }
        Ok(builder)
    }

    /// Begins with the inputs, outputs and constants of `graph`; its names stay taken, so that its
    /// nodes can be pushed one by one.
    pub(crate) fn without_nodes(graph: &Graph) -> Result<Builder> {
        let bare = Graph { nodes: Vec::new(), ..graph.clone() };
        let state = State {
            types: infer(&bare)?,
            graph: bare,
            names: Vec::new(),
            ids: HashMap::new(),
            taken: Names::of(graph),
            made: HashMap::new(),
            constants: HashMap::new(),
            error: None,
            counts_rounding: true,
        };
        Ok(Builder { state: RefCell::new(state) })
    }

    /// Bounds made from here on are what they would be in exact arithmetic: to be made small, not to be believed.
    pub(crate) fn ignore_rounding(&self) {
        self.state.borrow_mut().counts_rounding = false;
    }

    /// Keeps these names from being given to new tensors.
    pub(crate) fn reserve<'n>(&self, names: impl IntoIterator<Item = &'n String>) {
        let mut state = self.state.borrow_mut();
        names.into_iter().for_each(|name| state.taken.insert(name));
    }

    /// A name that no tensor has yet: `stem` itself, or `stem` with a number.
    pub(crate) fn unused(&self, stem: &str) -> String {
        self.state.borrow_mut().taken.fresh(stem)
    }

    /// Adds a constant under its own name.
    pub(crate) fn define(&self, name: &str, tensor: Tensor) {
        let mut state = self.state.borrow_mut();
        state.types.insert_constant(name, &tensor);
        state.taken.insert(name);
        state.graph.constants.insert(name.into(), tensor);
    }

    /// Appends a node as it stands.
    pub(crate) fn push(&self, node: Node) {
        let mut state = self.state.borrow_mut();
        if let Err(error) = state.types.step(&node) {
            state.error.get_or_insert(error);
        }
        state.graph.nodes.push(node);
    }

    /// Says of which type a tensor is, where that cannot be inferred.
    pub(crate) fn assume(&self, name: &str, ty: TensorType) {
        let mut state = self.state.borrow_mut();
        if state.types.get(name).is_none() {
            state.types.insert(name, ty);
        }
    }

    /// The type that a node's first output would have.
    fn inferred(&self, node: &Node) -> Result<TensorType> {
        let state = self.state.borrow();
        let outputs = state.types.outputs(node)?;
        let first = outputs.and_then(|outputs| outputs.into_iter().next());
        first.ok_or_else(|| node.error("the shape of its result cannot be inferred"))
    }

    /// The graph that was built, without what no output needs.
    ///
    /// # Errors
    /// The first thing that went wrong while building.
    pub fn finish(self) -> Result<Graph> {
        let state = self.state.into_inner();
        if let Some(error) = state.error {
            return Err(error);
        }
        let mut graph = state.graph;
        // What stands for an 8-bit integer may have become a float.
        for output in &mut graph.outputs {
            if let Some(ty) = state.types.get(&output.name) {
                output.ty.dtype = ty.dtype;
            }
        }
        graph.prune();
        Ok(graph)
    }

    /// An existing tensor.
    ///
    /// # Errors
    /// When the graph has no tensor of that name.
    pub fn var(&self, name: &str) -> Result<Var<'_>> {
        let mut state = self.state.borrow_mut();
        if name.is_empty() || !state.taken.contains(name) {
            return Err(state.graph.no_tensor(name));
        }
        let id = state.intern(name);
        drop(state);
        Ok(Var { builder: self, id })
    }

    /// A new graph input.
    pub fn input(&self, name: &str, ty: TensorType) -> Var<'_> {
        let mut state = self.state.borrow_mut();
        let name = state.taken.fresh(name);
        state.types.insert(&name, ty.clone());
        state.graph.inputs.push(Value { name: name.clone(), ty });
        let id = state.intern(&name);
        drop(state);
        Var { builder: self, id }
    }

    /// A constant tensor.
    pub fn constant(&self, tensor: Tensor) -> Var<'_> {
        let mut state = self.state.borrow_mut();
        let key = (tensor.len() <= 64).then(|| tensor_key(&tensor));
        if let Some(&id) = key.as_ref().and_then(|key| state.constants.get(key)) {
            return Var { builder: self, id };
        }
        let name = state.taken.fresh("c");
        state.types.insert_constant(&name, &tensor);
        state.graph.constants.insert(name.clone(), tensor);
        let id = state.intern(&name);
        if let Some(key) = key {
            state.constants.insert(key, id);
        }
        drop(state);
        Var { builder: self, id }
    }

    /// A constant tensor under a name of its own, a weight say. The name must be free.
    pub fn named(&self, name: &str, tensor: Tensor) -> Var<'_> {
        if self.state.borrow().taken.contains(name) {
            self.fail(GraphError::Shape(format!("the graph already has a tensor `{name}`")));
        }
        self.define(name, tensor);
        let id = self.state.borrow_mut().intern(name);
        Var { builder: self, id }
    }

    /// A vector of integers: axes, or a shape.
    pub fn ints(&self, values: &[i64]) -> Var<'_> {
        self.constant(Tensor::ints(values))
    }

    /// Appends a node with one output. `None` is an optional input left out. The inputs must be this builder's:
    /// with another's, [`Builder::finish`] fails.
    pub fn op(&self, op: &str, inputs: &[Option<Var>], attributes: &[(&str, Attribute)]) -> Var<'_> {
        self.op_n(op, inputs, attributes, 1)[0]
    }

    /// Appends a node with `n` outputs (at least one).
    pub fn op_n(
        &self,
        op: &str,
        inputs: &[Option<Var>],
        attributes: &[(&str, Attribute)],
        n: usize,
    ) -> Vec<Var<'_>> {
        let inputs: Vec<String> = inputs.iter().map(|v| v.map_or(String::new(), |v| self.own(v))).collect();
        let attributes: BTreeMap<String, Attribute> =
            attributes.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
        let outputs = vec![String::new(); n];
        let mut node = Node { name: String::new(), op: op.into(), inputs, outputs, attributes };
        let key = node_key(&node);
        let mut state = self.state.borrow_mut();
        if let Some(ids) = state.made.get(&key) {
            return ids.iter().map(|&id| Var { builder: self, id }).collect();
        }
        node.outputs = (0..n).map(|_| state.taken.fresh(op)).collect();
        node.name = node.outputs[0].clone();
        if let Err(error) = state.types.step(&node) {
            state.error.get_or_insert(error);
        }
        let ids: Vec<u32> = node.outputs.iter().map(|name| state.intern(name)).collect();
        state.graph.nodes.push(node);
        state.made.insert(key, ids.clone());
        drop(state);
        ids.into_iter().map(|id| Var { builder: self, id }).collect()
    }

    /// Adds a graph output that carries `var` under `name`.
    pub fn output(&self, name: &str, var: Var) {
        let source = self.own(var);
        let mut state = self.state.borrow_mut();
        let problem = match state.types.get(&source) {
            None => Some(state.untyped(&source)),
            Some(_) if state.taken.contains(name) => {
                Some(GraphError::Shape(format!("the graph already has a tensor `{name}`")))
            }
            Some(_) => None,
        };
        if let Some(problem) = problem {
            state.error.get_or_insert(problem);
            return;
        }
        if let Some(ty) = state.types.get(&source).cloned() {
            let node = Node {
                name: name.into(),
                op: "Identity".into(),
                inputs: vec![source],
                outputs: vec![name.into()],
                ..Node::default()
            };
            state.graph.nodes.push(node);
            state.taken.insert(name);
            state.types.insert(name, ty.clone());
            state.graph.outputs.push(Value { name: name.into(), ty });
        }
    }

    /// Gives a tensor another name, which no node makes.
    pub(crate) fn name(&self, name: &str, var: Var) {
        let inputs = vec![self.own(var)];
        self.state.borrow_mut().taken.insert(name);
        self.push(Node { op: "Identity".into(), inputs, outputs: vec![name.into()], ..Node::default() });
    }

    /// The name of a tensor of this builder. One of another builder would be taken for whatever tensor has
    /// its number here: the builder fails.
    fn own(&self, var: Var) -> String {
        if !std::ptr::eq(var.builder, self) {
            let message = format!("the tensor `{}` belongs to another builder", var.name());
            self.fail(GraphError::Shape(message));
            return String::new();
        }
        var.name()
    }

    /// Drops the graph's outputs, to name others.
    pub fn clear_outputs(&self) {
        self.state.borrow_mut().graph.outputs.clear();
    }

    /// Keeps an error for [`Builder::finish`].
    pub fn fail(&self, error: GraphError) {
        self.state.borrow_mut().error.get_or_insert(error);
    }
}
