//! The label that a model's file itself returns, beside the scores that are judged.

use kennard_graph::{DType, Graph, ModelFile, flatten_output, numbers, whole_input};

use super::Preprocessing;
use super::fit::{self, fitted};

/// A file's own label of a sample.
#[derive(Clone, Debug)]
pub struct OwnLabel {
    /// From the user's pixels to the label as a number `[N, 1]`, computed as in the file.
    graph: Graph,
    /// The labels of the classes, in the order of the scores.
    labels: Vec<i64>,
}

/// Single precision holds whole numbers up to here.
const WHOLE: u64 = 1 << 24;

impl OwnLabel {
    /// The label that a file returns of samples of `shape` (without the batch), beside the scores of so many classes. Nothing
    /// where it returns none, labels that are texts, one of which it is not seen which class it is, or computes in other
    /// floats than single precision.
    pub fn of(
        file: &ModelFile,
        shape: &[usize],
        preprocessing: &Preprocessing,
        classes: usize,
    ) -> Option<OwnLabel> {
        let ends = preprocessing.taken(file, Some(shape)).ok()?;
        let (graph, labels) = file.labels(&ends, classes)?;
        if labels.iter().any(|label| label.unsigned_abs() > WHOLE) {
            return None;
        }
        let graph = flatten_output(&numbers(&graph).ok()?).ok()?;
        let dtype = graph.single_input().ok()?.ty.dtype;
        let given = match dtype {
            DType::F32 => fitted(&graph, shape, preprocessing),
            _ if dtype.is_float() => return None,
            _ => {
                let levels = fit::levels(dtype, preprocessing);
                let fitting = levels.as_ref().map_or(preprocessing, |(fitting, _)| fitting);
                fitted(&whole_input(&graph).ok()?, shape, fitting)
            }
        };
        Some(OwnLabel { graph: given.ok()?.0, labels })
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The class that a label names.
    pub(crate) fn class(&self, label: f32) -> Option<usize> {
        self.labels.iter().position(|&own| own as f32 == label)
    }
}
