//! The ends of a graph that is a classifier: one input, one output.

use super::{Graph, Value};
use crate::{Dim, GraphError, Result};

impl Graph {
    /// The one input of a classifier.
    ///
    /// # Errors
    /// When the graph has none or several, or it takes batches of 0 samples.
    pub fn single_input(&self) -> Result<&Value> {
        match self.inputs.as_slice() {
            [one] if one.ty.shape.0.first() == Some(&Dim::Known(0)) => Err(GraphError::Shape(format!(
                "the input `{}` {} takes batches of 0 samples. Export the model with a free batch",
                one.name, one.ty
            ))),
            [one] => Ok(one),
            many => Err(GraphError::Shape(format!(
                "a classifier has one input, this model has {}: {}. Export it with one input, the others fixed",
                many.len(),
                many.iter().map(|v| format!("`{}` {}", v.name, v.ty)).collect::<Vec<_>>().join(", ")
            ))),
        }
    }

    /// The one output of a classifier, if it can be scores of the classes.
    ///
    /// # Errors
    /// As [`Graph::single_output`], and where it is one of integers that no real numbers are quantised to.
    pub fn scores(&self) -> Result<&Value> {
        let output = self.single_output()?;
        // Quantised scores are scores.
        if output.ty.dtype.is_float() || output.ty.dtype.levels().is_some() {
            return Ok(output);
        }
        Err(GraphError::Shape(format!(
            "the model's output `{}` is {}: labels, as it seems, and no scores. Export the model with its logits or probabilities",
            output.name, output.ty
        )))
    }

    /// The one output of a classifier.
    ///
    /// # Errors
    /// When the graph has none or several.
    pub fn single_output(&self) -> Result<&Value> {
        match self.outputs.as_slice() {
            [one] => Ok(one),
            many => Err(GraphError::Shape(format!(
                "a classifier has one output, this model has {}: {}. Export it with the logits alone",
                many.len(),
                many.iter().map(|v| format!("`{}` {}", v.name, v.ty)).collect::<Vec<_>>().join(", ")
            ))),
        }
    }
}
