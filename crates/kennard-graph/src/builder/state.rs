//! What a builder holds: the graph so far, and names and types of its tensors.

use std::collections::{HashMap, HashSet};

use crate::{Graph, GraphError, Names, Types, infer};

pub(super) struct State {
    pub(super) graph: Graph,
    pub(super) types: Types,
    pub(super) names: Vec<String>,
    pub(super) ids: HashMap<String, u32>,
    pub(super) taken: Names,
    /// Nodes made here, by what they compute ([`node_key`](crate::key::node_key)), so that no expression is computed twice.
    pub(super) made: HashMap<Vec<u8>, Vec<u32>>,
    /// Small constants made here, by [`tensor_key`](crate::key::tensor_key).
    pub(super) constants: HashMap<Vec<u8>, u32>,
    pub(super) error: Option<GraphError>,
    /// Whether bounds made here leave room for rounding.
    pub(super) counts_rounding: bool,
}

impl State {
    pub(super) fn intern(&mut self, name: &str) -> u32 {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let id = self.names.len() as u32;
        self.names.push(name.into());
        self.ids.insert(name.into(), id);
        id
    }

    /// Why a tensor's type is not known: the first node before it at which inference ended.
    pub(super) fn untyped(&self, name: &str) -> GraphError {
        let mut before = HashSet::from([name]);
        let mut first = None;
        for node in self.graph.nodes.iter().rev() {
            if node.outputs.iter().any(|output| before.contains(output.as_str())) {
                let unknown = |name: &&String| !name.is_empty() && self.types.get(name).is_none();
                before.extend(node.inputs.iter().filter(unknown).map(String::as_str));
                first = Some(node);
            }
        }
        match first {
            // Whatever has a gradient rule or a definition is known here.
            Some(node) if !infer::is_known(&node.op) => {
                GraphError::NoRule { node: node.label().into(), op: node.op.clone() }
            }
            Some(node) => node.error(
                "the shape of its result cannot be inferred; export the model with fixed shapes except the batch",
            ),
            None => GraphError::Shape(format!("the shape of the tensor `{name}` cannot be inferred")),
        }
    }
}
