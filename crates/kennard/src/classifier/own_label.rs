//! The label that a model's file itself returns, beside the scores that are judged.

use kennard_graph::{DType, Graph, GraphError, ModelFile, flatten_output, numbers, whole_input};

use super::Preprocessing;
use super::fit::{self, fitted};
use crate::Result;

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
    /// The label that a file returns of samples of `shape` (without the batch), beside the scores of this many classes, whose names
    /// are these where they have some. Nothing where the file returns no label.
    ///
    /// # Errors
    /// When it cannot be compared with the scores: it is not seen which class a label is of, or the file computes in other floats
    /// than single precision.
    pub fn of(
        file: &ModelFile,
        shape: &[usize],
        preprocessing: &Preprocessing,
        classes: usize,
        names: &[String],
    ) -> Result<Option<OwnLabel>> {
        let ends = preprocessing.taken(file, Some(shape))?;
        let Some((graph, labels)) = file.labels(&ends, classes, names)? else { return Ok(None) };
        if let Some(label) = labels.iter().find(|label| label.unsigned_abs() > WHOLE) {
            let message = format!("its label {label} is beyond what single precision holds");
            return Err(GraphError::Label(message).into());
        }
        let graph = flatten_output(&numbers(&graph)?)?;
        let dtype = graph.single_input()?.ty.dtype;
        let graph = match dtype {
            DType::F32 => fitted(&graph, shape, preprocessing)?.0,
            _ if dtype.is_float() => {
                let message =
                    format!("the model takes {dtype:?}, and the label is computed in single precision");
                return Err(GraphError::Label(message).into());
            }
            _ => {
                let levels = fit::levels(dtype, preprocessing);
                let fitting = levels.as_ref().map_or(preprocessing, |(fitting, _)| fitting);
                fitted(&whole_input(&graph)?, shape, fitting)?.0
            }
        };
        Ok(Some(OwnLabel { graph, labels }))
    }

    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
    }

    /// The class that a label names.
    pub(crate) fn class(&self, label: f32) -> Option<usize> {
        self.labels.iter().position(|&own| own as f32 == label)
    }
}
