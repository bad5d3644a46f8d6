//! One pass over a graph, node by node in order, writing a new one: constants are computed, and
//! rewrites tried on what remains. A rewrite looks back at the nodes already written.

use std::collections::{HashMap, HashSet};

use super::constant::{self, Budget};
use crate::infer::Types;
use crate::key::{node_key, tensor_key};
use crate::{Graph, Names, Node, Result, Shape, Tensor, TensorType};

/// What a node can be replaced by.
pub(crate) enum Rewritten {
    /// Its first output is this tensor.
    Tensor(String),
    /// These nodes make its outputs, under their names.
    Nodes(Vec<Node>),
}

/// Tries to replace a node. It must compute the same, whoever else reads the tensors involved.
pub(crate) type Rewrite = fn(&mut Pass, &Node) -> Option<Rewritten>;

/// Rewrites that undo each other would not end.
const DEEPEST: usize = 16;
/// Constants up to this size are compared with each other.
const COMPARED: usize = 64;

pub(crate) struct Pass<'r> {
    graph: Graph,
    types: Types,
    rewrites: &'r [Rewrite],
    names: Names,
    budget: Budget,
    outputs: HashSet<String>,
    /// Tensors that equal an earlier one, and that one.
    same: HashMap<String, String>,
    /// The node that makes each tensor, as an index into the new graph's.
    producers: HashMap<String, usize>,
    /// How many nodes and outputs read each tensor.
    readers: HashMap<String, usize>,
    /// The outputs of what has been computed, by [`node_key`].
    made: HashMap<Vec<u8>, Vec<String>>,
    /// Small constants, by [`tensor_key`].
    constants: HashMap<Vec<u8>, String>,
    changed: bool,
}

impl<'r> Pass<'r> {
    /// The graph after one pass, and whether anything has changed.
    pub fn run(graph: &Graph, rewrites: &'r [Rewrite]) -> Result<(Graph, bool)> {
        let mut source = graph.clone();
        source.prune();
        let mut pass = Pass::new(&source, rewrites);
        for node in &source.nodes {
            pass.emit(node.clone(), 0)?;
        }
        pass.graph.prune();
        Ok((pass.graph, pass.changed))
    }

    fn new(source: &Graph, rewrites: &'r [Rewrite]) -> Pass<'r> {
        let mut readers = HashMap::new();
        let ends = source.outputs.iter().map(|v| &v.name);
        for name in source.nodes.iter().flat_map(|node| &node.inputs).chain(ends) {
            *readers.entry(name.clone()).or_default() += 1;
        }
        let mut pass = Pass {
            graph: Graph { nodes: Vec::with_capacity(source.nodes.len()), ..source.clone() },
            types: Types::of_ends(source),
            rewrites,
            names: Names::of(source),
            budget: Budget::of(source),
            outputs: source.outputs.iter().map(|v| v.name.clone()).collect(),
            same: HashMap::new(),
            producers: HashMap::new(),
            readers,
            made: HashMap::new(),
            constants: HashMap::new(),
            changed: false,
        };
        if !rewrites.is_empty() {
            for (name, tensor) in &source.constants {
                if let Some(equal) = pass.equal_constant(name, tensor) {
                    pass.same.insert(name.clone(), equal);
                }
            }
        }
        pass
    }

    /// The tensor's value, if it is constant.
    pub fn constant(&self, name: &str) -> Option<&Tensor> {
        self.graph.constants.get(name)
    }

    /// The node that makes the tensor.
    pub fn producer(&self, name: &str) -> Option<&Node> {
        self.producers.get(name).map(|&i| &self.graph.nodes[i])
    }

    /// The node that makes the tensor, if it is of this operator and nothing else reads it.
    pub fn sole_producer(&self, name: &str, op: &str) -> Option<&Node> {
        let read_once = self.readers.get(name) == Some(&1);
        self.producer(name).filter(|node| read_once && node.op == op)
    }

    /// The tensor's type, if it is known.
    pub fn ty(&self, name: &str) -> Option<&TensorType> {
        self.types.get(name)
    }

    /// The tensor's shape, if it is known.
    pub fn shape(&self, name: &str) -> Option<&Shape> {
        self.ty(name).map(|ty| &ty.shape)
    }

    /// What is known of all tensors so far.
    pub fn types(&self) -> &Types {
        &self.types
    }

    /// Whether any node or output reads the tensor.
    pub fn is_read(&self, name: &str) -> bool {
        self.readers.get(name).is_some_and(|&n| n > 0)
    }

    /// A new constant, or an equal one that exists; its name.
    pub fn add_constant(&mut self, stem: &str, tensor: Tensor) -> String {
        if let Some(equal) = self.equal_constant("", &tensor) {
            return equal;
        }
        let name = self.names.fresh(stem);
        self.equal_constant(&name, &tensor);
        self.types.insert_constant(&name, &tensor);
        self.graph.constants.insert(name.clone(), tensor);
        name
    }

    /// A small constant equal to this one. If there is none, `name` is remembered as the first.
    fn equal_constant(&mut self, name: &str, tensor: &Tensor) -> Option<String> {
        if tensor.len() > COMPARED {
            return None;
        }
        let key = tensor_key(tensor);
        if let Some(equal) = self.constants.get(&key) {
            return Some(equal.clone());
        }
        if !name.is_empty() {
            self.constants.insert(key, name.into());
        }
        None
    }

    fn emit(&mut self, mut node: Node, depth: usize) -> Result<()> {
        for name in &mut node.inputs {
            if let Some(same) = self.same.get(name) {
                *name = same.clone();
            }
        }
        self.types.step(&node)?;
        let makes_output = node.outputs.iter().any(|name| self.outputs.contains(name));
        if !makes_output
            && let Some(tensors) = constant::outputs(&self.types, &self.graph, &node, &mut self.budget)
        {
            for (name, tensor) in node.outputs.iter().zip(tensors).filter(|(name, _)| !name.is_empty()) {
                self.types.insert_constant(name, &tensor);
                self.graph.constants.insert(name.clone(), tensor);
            }
            self.release(&node.inputs);
            self.changed = true;
            return Ok(());
        }
        if let Some(target) = constant::reshape_target(&self.types, &self.graph, &node) {
            let target = self.add_constant(&format!("{}/shape", node.outputs[0]), target);
            let computed = std::mem::replace(&mut node.inputs[1], target);
            self.release(&[computed]);
            self.changed = true;
        }
        if depth < DEEPEST {
            for rewrite in self.rewrites {
                match rewrite(self, &node) {
                    None => {}
                    Some(Rewritten::Tensor(name)) => {
                        self.replace(&node, &[name]);
                        return Ok(());
                    }
                    Some(Rewritten::Nodes(nodes)) => {
                        for name in nodes.iter().flat_map(|node| &node.inputs) {
                            *self.readers.entry(name.clone()).or_default() += 1;
                        }
                        self.release(&node.inputs);
                        self.changed = true;
                        return nodes.into_iter().try_for_each(|node| self.emit(node, depth + 1));
                    }
                }
            }
        }
        match self.computed_before(&node) {
            Some(outputs) => self.replace(&node, &outputs),
            None => self.push(node),
        }
        Ok(())
    }

    /// Reads the tensors `names` instead of the node's outputs. Outputs of the graph keep their name.
    fn replace(&mut self, node: &Node, names: &[String]) {
        for (old, new) in node.outputs.iter().zip(names).filter(|(old, _)| !old.is_empty()) {
            let moved = self.readers.get(old).copied().unwrap_or(0);
            *self.readers.entry(new.clone()).or_default() += moved;
            self.same.insert(old.clone(), new.clone());
            if self.outputs.contains(old) {
                self.push(Node {
                    name: node.name.clone(),
                    op: "Identity".into(),
                    inputs: vec![new.clone()],
                    outputs: vec![old.clone()],
                    ..Node::default()
                });
            }
        }
        self.changed |= node.op != "Identity" || !self.outputs.contains(&node.outputs[0]);
        self.release(&node.inputs);
    }

    fn push(&mut self, node: Node) {
        for name in node.outputs.iter().filter(|name| !name.is_empty()) {
            self.producers.insert(name.clone(), self.graph.nodes.len());
        }
        self.graph.nodes.push(node);
    }

    /// Counts one reader less for each of these tensors; nodes that nobody reads no longer read theirs.
    fn release(&mut self, names: &[String]) {
        let mut stack = names.to_vec();
        while let Some(name) = stack.pop() {
            let Some(count) = self.readers.get_mut(&name).filter(|count| **count > 0) else { continue };
            *count -= 1;
            if *count == 0
                && let Some(node) = self.producer(&name)
                && !node.outputs.iter().any(|name| self.is_read(name))
            {
                stack.extend(node.inputs.clone());
            }
        }
    }

    /// The outputs of an earlier node that computes the same.
    fn computed_before(&mut self, node: &Node) -> Option<Vec<String>> {
        if self.rewrites.is_empty() || !is_function(node) {
            return None;
        }
        let key = node_key(node);
        match self.made.get(&key) {
            Some(outputs) => Some(outputs.clone()),
            None => {
                self.made.insert(key, node.outputs.clone());
                None
            }
        }
    }
}

/// Whether equal nodes give equal results, and are quickly compared.
fn is_function(node: &Node) -> bool {
    let random = node.draws() || node.op == "Dropout" || node.op.contains("::");
    let large = |a: &crate::Attribute| matches!(a, crate::Attribute::Tensor(t) if t.len() > COMPARED);
    !random && !node.attributes.values().any(large) && !node.outputs.iter().any(String::is_empty)
}
