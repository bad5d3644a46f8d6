use std::collections::HashSet;

use crate::Graph;

/// The names of a graph's tensors, so that new tensors get others.
#[derive(Clone, Debug, Default)]
pub struct Names {
    taken: HashSet<String>,
    number: usize,
}

impl Names {
    /// The names in a graph.
    pub fn of(graph: &Graph) -> Names {
        let tensors = graph.nodes.iter().flat_map(|n| n.outputs.iter().chain(&n.inputs));
        let ends = graph.inputs.iter().chain(&graph.outputs).map(|v| &v.name);
        let taken = tensors.chain(ends).chain(graph.constants.keys()).cloned().collect();
        Names { taken, number: 0 }
    }

    /// Whether the name is taken.
    pub fn contains(&self, name: &str) -> bool {
        self.taken.contains(name)
    }

    /// Takes a name.
    pub fn insert(&mut self, name: &str) {
        self.taken.insert(name.into());
    }

    /// Takes `stem` if it is free, else `stem` with a number behind it.
    pub fn fresh(&mut self, stem: &str) -> String {
        let mut name = stem.to_string();
        while !self.taken.insert(name.clone()) {
            self.number += 1;
            name = format!("{stem}_{}", self.number);
        }
        name
    }
}
