//! The label that a file returns beside its scores, and which class it names.

use super::external::Files;
use super::proto::*;
use super::symbols::{element_type, name_of};
use super::tensor::read_tensor;
use crate::DType;

/// As many nodes are looked through that arrange or cast.
const DEEPEST: usize = 16;

/// Attributes with the labels of classes in the order of the scores.
const LISTS: [&str; 2] = ["classlabels_ints", "classlabels_int64s"];

/// The only output of integers, and the labels of the classes in the order of the scores. Nothing where there is no such output, or
/// it is not seen which of the classes its labels are.
pub(super) fn of(graph: &GraphProto, files: &Files, classes: usize) -> Option<(String, Vec<i64>)> {
    let integer = |dtype| matches!(dtype, DType::I64 | DType::I32);
    let mut outputs = graph.output.iter().filter(|v| element_type(v).is_ok_and(integer));
    let (output, None) = (outputs.next()?, outputs.next()) else { return None };
    let name = name_of(output);
    let labels = listed(graph, files, name, classes)?;
    (labels.len() == classes).then(|| (name.to_owned(), labels))
}

/// The labels of the classes, from the node that makes the label.
fn listed(graph: &GraphProto, files: &Files, output: &str, classes: usize) -> Option<Vec<i64>> {
    let mut name = output;
    for _ in 0..DEEPEST {
        let node = graph.node.iter().find(|node| node.output.iter().any(|made| made == name))?;
        match node.op_type.as_deref()? {
            "Cast" | "Flatten" | "Identity" | "Reshape" | "Squeeze" | "Unsqueeze" => {
                name = node.input.first()?.as_str();
            }
            "ArgMax" => return i64::try_from(classes).ok().map(|classes| (0..classes).collect()),
            "ArrayFeatureExtractor" => {
                let list =
                    graph.initializer.iter().find(|tensor| tensor.name == node.input.first().cloned())?;
                return read_tensor(list, files).ok()?.to_ints();
            }
            _ => {
                let is_list = |own: &&AttributeProto| LISTS.contains(&own.name.as_deref().unwrap_or(""));
                let list = node.attribute.iter().find(is_list).filter(|list| !list.ints.is_empty())?;
                return (node.output.first()? == name).then(|| list.ints.clone());
            }
        }
    }
    None
}
