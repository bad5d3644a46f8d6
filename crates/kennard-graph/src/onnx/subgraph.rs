//! Branches and loops of a file, put in the place of the nodes that have them: the branch that is taken, the body once for
//! each turn.

use std::collections::HashMap;

use super::nodes::{Importer, Scope, text};
use super::proto::*;
use super::tensor::read_tensor;
use crate::{Attribute, Node, Result, Tensor};

/// Turns of a loop beyond these are refused even where a turn is nothing.
const TURNS: i64 = 10_000;

impl Importer<'_> {
    /// Appends the branch that an `If` takes.
    pub(super) fn branch(&self, proto: &NodeProto, node: &Node, scope: &Scope) -> Result<()> {
        let taken = self.truth(node.input(0).unwrap_or("")).ok_or_else(|| {
            node.error("its condition depends on the input; export the model without data-dependent branches")
        })?;
        let name = if taken { "then_branch" } else { "else_branch" };
        let results = self.once(subgraph(proto, node, name)?, node, scope, Vec::new())?;
        self.pass_on(node, &results)
    }

    /// Appends the body of a `Loop`, once for each turn. Its inputs are the most turns, whether to begin, and states; the
    /// body's the turn, whether to go on, and the states; it returns whether to go on, the states, and what is collected.
    pub(super) fn turns(&self, proto: &NodeProto, node: &Node, scope: &Scope) -> Result<()> {
        let body = subgraph(proto, node, "body")?;
        let unknown = || {
            node.error(
                "how often it goes round depends on the input; export the model with a fixed number of turns",
            )
        };
        let most = match node.input(0) {
            Some(name) => {
                *self.numbers(name).and_then(|n| n.first().copied()).as_ref().ok_or_else(unknown)?
            }
            None => i64::MAX,
        };
        let mut states: Vec<String> = node.inputs.get(2..).unwrap_or_default().to_vec();
        let mut go_on = node.input(1).map_or(Some(true), |name| self.truth(name)).ok_or_else(unknown)?;
        let mut collected: Vec<Vec<String>> =
            vec![Vec::new(); body.output.len().saturating_sub(1 + states.len())];
        let mut turn = 0;
        while turn < most && go_on {
            if turn >= TURNS {
                return Err(node.error(format!("it goes round more than {TURNS} times")));
            }
            let number =
                self.scalar(&format!("{}/turn", node.label()), ndarray::arr0(turn).into_dyn().into());
            let truth = self.scalar(&format!("{}/on", node.label()), ndarray::arr0(true).into_dyn().into());
            let given = [vec![number, truth], states.clone()].concat();
            let mut results = self.once(body, node, scope, given)?.into_iter();
            let decides = results.next().ok_or_else(|| node.error("its body returns nothing"))?;
            go_on = self.truth(&decides).ok_or_else(unknown)?;
            states = results.by_ref().take(states.len()).collect();
            results.zip(&mut collected).for_each(|(name, all)| all.push(name));
            turn += 1;
        }
        for all in collected {
            states.push(self.stacked(node, states.len(), &all, 0)?);
        }
        self.pass_on(node, &states)
    }

    /// Appends the body of a `Scan`, once for each slice of its last inputs, which the first, states, go through.
    pub(super) fn scan(&self, proto: &NodeProto, node: &Node, scope: &Scope) -> Result<()> {
        if scope.version() < 9 {
            return Err(node
                .error("of this old operator set it cannot be unrolled; export the model with a newer one"));
        }
        let body = subgraph(proto, node, "body")?;
        let count = int(proto, "num_scan_inputs").and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let kept = node.inputs.len().checked_sub(count).filter(|_| count > 0);
        let kept = kept.ok_or_else(|| node.error(format!("its num_scan_inputs is {count}")))?;
        let (mut states, scanned) = (node.inputs[..kept].to_vec(), &node.inputs[kept..]);
        let pick = |name: &str, i: usize| ints(proto, name).get(i).copied().unwrap_or(0);
        let rank = |name: &str| self.builder().var(name).and_then(|v| v.shape()).map(|s| s.rank() as i64);
        let axis = |name: &str, i: usize| -> Result<i64> {
            let axis = pick("scan_input_axes", i);
            Ok(if axis < 0 { axis + rank(name)? } else { axis })
        };
        let first = (&scanned[0], axis(&scanned[0], 0)?);
        let length = self.builder().var(first.0)?.shape()?.0.get(first.1 as usize).and_then(|d| d.known());
        let length = length.ok_or_else(|| node.error("the length of what it goes through is not fixed"))?;
        if length as i64 > TURNS {
            return Err(node.error(format!("it goes round more than {TURNS} times")));
        }
        let mut collected: Vec<Vec<String>> = vec![Vec::new(); body.output.len().saturating_sub(kept)];
        for turn in 0..length {
            let mut given = states.clone();
            for (i, name) in scanned.iter().enumerate() {
                let backwards = pick("scan_input_directions", i) != 0;
                let at = if backwards { length - 1 - turn } else { turn };
                let index = self.builder().constant(ndarray::arr0(at as i64).into_dyn().into());
                let axis = axis(name, i)?;
                let x = self.builder().var(name)?;
                let slice = self.builder().op("Gather", &[Some(x), Some(index)], &[("axis", axis.into())]);
                self.declare(&slice.name());
                given.push(slice.name());
            }
            let mut results = self.once(body, node, scope, given)?.into_iter();
            states = results.by_ref().take(kept).collect();
            results.zip(&mut collected).for_each(|(name, all)| all.push(name));
        }
        for (i, mut all) in collected.into_iter().enumerate() {
            if pick("scan_output_directions", i) != 0 {
                all.reverse();
            }
            states.push(self.stacked(node, states.len(), &all, pick("scan_output_axes", i))?);
        }
        self.pass_on(node, &states)
    }

    /// Appends the nodes of a subgraph whose inputs are these tensors; returns the names of its outputs.
    fn once(
        &self,
        graph: &GraphProto,
        node: &Node,
        scope: &Scope,
        given: Vec<String>,
    ) -> Result<Vec<String>> {
        let mut names: HashMap<&str, String> = HashMap::new();
        if given.len() != graph.input.len() {
            return Err(node.error(format!(
                "it gives {} inputs to the graph inside it, which takes {}",
                given.len(),
                graph.input.len()
            )));
        }
        for (input, given) in graph.input.iter().zip(given) {
            names.insert(text(&input.name), given);
        }
        for tensor in graph.initializer.iter().filter(|t| !text(&t.name).is_empty()) {
            let name = self.scalar(text(&tensor.name), read_tensor(tensor, self.files())?);
            names.insert(text(&tensor.name), name);
        }
        let outputs: Vec<&str> = graph.output.iter().map(|v| text(&v.name)).collect();
        self.inside(&graph.node, &outputs, node, scope.within(names))
    }

    /// Several tensors along a new axis, for an output of the node; of none it has no value.
    fn stacked(&self, node: &Node, output: usize, names: &[String], axis: i64) -> Result<String> {
        if names.is_empty() {
            let why = node.error("it never goes round, and there is nothing to collect");
            if let Some(name) = node.outputs.get(output).filter(|name| !name.is_empty()) {
                self.leave_empty(name, why);
            }
            return Ok(String::new());
        }
        let builder = self.builder();
        let parts = names.iter().map(|name| Ok(Some(builder.var(name)?.unsqueeze(&[axis]))));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let all = builder.op("Concat", &parts, &[("axis", Attribute::Int(axis))]);
        self.declare(&all.name());
        Ok(all.name())
    }

    /// A constant under a name like this one.
    fn scalar(&self, stem: &str, tensor: Tensor) -> String {
        let name = self.builder().unused(stem);
        self.builder().define(&name, tensor);
        self.declare(&name);
        name
    }

    /// The integers or truth values of a tensor, if they are known.
    fn numbers(&self, name: &str) -> Option<Vec<i64>> {
        let var = self.builder().var(name).ok()?;
        let constant = var.as_constant().and_then(|c| c.item()).map(|v| vec![v as i64]);
        constant.or_else(|| var.as_ints().filter(|v| v.len() == 1))
    }

    fn truth(&self, name: &str) -> Option<bool> {
        Some(self.numbers(name)?.first() != Some(&0))
    }
}

fn subgraph<'p>(proto: &'p NodeProto, node: &Node, name: &str) -> Result<&'p GraphProto> {
    let found = proto.attribute.iter().find(|a| text(&a.name) == name).and_then(|a| a.g.as_ref());
    found.ok_or_else(|| node.error(format!("it has no {name}")))
}

fn int(proto: &NodeProto, name: &str) -> Option<i64> {
    proto.attribute.iter().find(|a| text(&a.name) == name)?.i
}

fn ints<'p>(proto: &'p NodeProto, name: &str) -> &'p [i64] {
    proto.attribute.iter().find(|a| text(&a.name) == name).map_or(&[], |a| &a.ints)
}
