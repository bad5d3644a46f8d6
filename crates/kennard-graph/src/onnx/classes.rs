//! The labels of the classes that a file lists, in the order of its scores.

use super::external::Files;
use super::labels::{ARRANGING, DEEPEST, NUMBERS, TEXT, TEXTS, beside, encoded, is_named, list, maker};
use super::proto::*;
use super::symbols::name_of;
use super::tensor::read_tensor;
use crate::Ends;

/// What a label is one of.
enum Listed {
    /// The place of the largest score.
    Places,
    /// One of these, in the order of the scores.
    Labels(Vec<String>),
}

/// The labels of the classes, numbers as texts: those of the only output of labels beside the scores, or, where there is none,
/// those that the classifier in the file has, if it is the only one. Nothing where the file does not say them.
pub(super) fn of(model: &ModelProto, ends: &Ends) -> Option<Vec<String>> {
    let graph = model.graph.as_ref()?;
    let listed = match beside(graph, ends).as_slice() {
        [] => only(graph),
        [output] => match behind(graph, name_of(output), DEEPEST)? {
            Listed::Places => None,
            Listed::Labels(labels) => Some(labels),
        },
        _ => None,
    };
    listed.filter(|labels| {
        let mut sorted: Vec<&String> = labels.iter().collect();
        sorted.sort();
        !labels.is_empty() && sorted.windows(2).all(|pair| pair[0] != pair[1])
    })
}

/// The one list that nodes have, if there is only one.
fn only(graph: &GraphProto) -> Option<Vec<String>> {
    let mut lists: Vec<Vec<String>> = graph.node.iter().filter_map(of_node).collect();
    lists.dedup();
    if lists.len() == 1 { lists.pop() } else { None }
}

/// Follows a label back through at most `depth` nodes.
fn behind(graph: &GraphProto, label: &str, depth: usize) -> Option<Listed> {
    let depth = depth.checked_sub(1)?;
    let node = &graph.node[maker(graph, label)?];
    let first = node.input.first()?;
    match node.op_type.as_deref()? {
        "Cast" => behind(graph, first, depth),
        op if ARRANGING.contains(&op) => behind(graph, first, depth),
        "ArgMax" => Some(Listed::Places),
        "ArrayFeatureExtractor" | "Gather" => of_tensor(list(graph, node)?).map(Listed::Labels),
        "LabelEncoder" => {
            let given = encoded(node)?;
            let text =
                |number: i64| given.iter().find(|(key, _)| *key == number).map(|(_, text)| text.clone());
            let labels: Option<Vec<String>> = match behind(graph, first, depth)? {
                Listed::Places => (0..i64::try_from(given.len()).ok()?).map(text).collect(),
                Listed::Labels(numbers) => numbers.iter().map(|number| text(number.parse().ok()?)).collect(),
            };
            labels.map(Listed::Labels)
        }
        _ if node.output.first().is_some_and(|own| own == label) => of_node(node).map(Listed::Labels),
        _ => None,
    }
}

/// The labels in a node's attributes.
fn of_node(node: &NodeProto) -> Option<Vec<String>> {
    let ints = |own: &&AttributeProto| NUMBERS.iter().any(|name| is_named(own, name)) && !own.ints.is_empty();
    if let Some(own) = node.attribute.iter().find(ints) {
        return Some(own.ints.iter().map(i64::to_string).collect());
    }
    let own = node.attribute.iter().find(|own| is_named(own, TEXTS) && !own.strings.is_empty())?;
    own.strings.iter().map(|text| String::from_utf8(text.to_vec()).ok()).collect()
}

/// The labels in a list that is a tensor.
fn of_tensor(list: &TensorProto) -> Option<Vec<String>> {
    if list.data_type.map(i64::from) == Some(TEXT) {
        return list.string_data.iter().map(|text| String::from_utf8(text.to_vec()).ok()).collect();
    }
    let numbers = read_tensor(list, &Files::new(None)).ok()?.to_ints()?;
    Some(numbers.iter().map(i64::to_string).collect())
}
