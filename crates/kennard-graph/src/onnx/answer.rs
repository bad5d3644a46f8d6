//! Support vector machines whose raw scores are a classifier's answer, and linear regressors whose number is.
//!
//! `SVMClassifier` returns a score for each pair of classes, and of two classes ONNX Runtime returns the columns the other way
//! round than its label says. Nodes that follow may count on either, so that it is only where nothing does, and the scores
//! are what the model returns, that they are made one for each class. A regressor's number may be the score of a class where something
//! follows; as the answer it is none.

use std::collections::HashMap;

use super::proto::*;
use crate::upgrade::ANSWER;

/// The most casts that are looked through.
const DEEPEST: usize = 8;

/// The graph with each regressor marked whose result is an output, after nothing but casts, and each machine where it is a classifier's;
/// nothing if there is none.
pub(super) fn mark(graph: &GraphProto, classifies: bool) -> Option<GraphProto> {
    let outputs = graph.output.iter().map(|output| output.name.as_deref().unwrap_or(""));
    let answers =
        |node: &NodeProto, name: &str| (classifies && is_machine(node, name)) || is_regressor(node, name);
    let found = makers(graph, outputs, answers);
    if found.is_empty() {
        return None;
    }
    let mut graph = graph.clone();
    for place in found {
        let name = Some(ANSWER.to_owned());
        let one = AttributeProto { name, r#type: Some(2), i: Some(1), ..AttributeProto::default() };
        graph.node[place].attribute.push(one);
    }
    Some(graph)
}

/// The places of the machines whose scores these tensors are, after nothing but casts.
pub(super) fn machines<'a>(graph: &'a GraphProto, tensors: impl Iterator<Item = &'a str>) -> Vec<usize> {
    makers(graph, tensors, is_machine)
}

/// The places of the wanted nodes that these tensors are of, after nothing but casts.
fn makers<'a>(
    graph: &'a GraphProto,
    tensors: impl Iterator<Item = &'a str>,
    wanted: impl Fn(&NodeProto, &str) -> bool,
) -> Vec<usize> {
    let makers: HashMap<&str, usize> = (0..graph.node.len())
        .flat_map(|place| graph.node[place].output.iter().map(move |name| (name.as_str(), place)))
        .collect();
    let mut found = Vec::new();
    for mut name in tensors {
        for _ in 0..DEEPEST {
            let Some(&place) = makers.get(name) else { break };
            let node = &graph.node[place];
            match node.op_type.as_deref().unwrap_or("") {
                _ if wanted(node, name) => {
                    found.push(place);
                    break;
                }
                "Cast" | "Identity" => name = node.input.first().map_or("", String::as_str),
                _ => break,
            }
        }
    }
    found
}

/// Whether a tensor is the raw scores of a machine.
fn is_machine(node: &NodeProto, name: &str) -> bool {
    node.op_type.as_deref() == Some("SVMClassifier")
        && node.output.get(1).is_some_and(|scores| scores == name)
        && !is_likely(node)
}

/// Whether a tensor is what a linear regressor returns.
fn is_regressor(node: &NodeProto, name: &str) -> bool {
    node.op_type.as_deref() == Some("LinearRegressor") && node.output.first().is_some_and(|own| own == name)
}

/// Whether a machine returns probabilities.
fn is_likely(node: &NodeProto) -> bool {
    node.attribute.iter().any(|own| own.name.as_deref() == Some("prob_a") && !own.floats.is_empty())
}
