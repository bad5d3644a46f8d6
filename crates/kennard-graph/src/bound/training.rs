//! Bounds in the graph of a training step, where the weights are inputs and the network's own nodes stand beside them.

use std::collections::HashMap;

use super::interval::Interval;
use super::region::Inputs;
use super::rows::Rows;
use super::totals::Side;
use super::trace::Trace;
use super::{Method, spelled, volume};
use crate::{Builder, Graph, GraphError, Node, Result, Var};

/// A model as its bounds need it, which computes the same.
pub(crate) struct Prepared {
    pub graph: Graph,
    originals: HashMap<String, Node>,
}

/// Writes composites out.
///
/// # Errors
/// When one cannot be.
pub(crate) fn prepared(model: &Graph, input: &str) -> Result<Prepared> {
    let (graph, originals) = spelled::out(model, input, Method::Crown)?;
    Ok(Prepared { graph, originals })
}

/// The largest values `[N, R]` of functionals `spec [N, R, K]` of the model's first output over the box of its first input from
/// `lower` to `upper`. `builder` holds the model. What overflows has no bound of infinity here, which would have no gradient.
///
/// # Errors
/// See [`super::bound`].
pub(crate) fn largest<'b>(
    builder: &'b Builder,
    Prepared { graph: model, originals }: &Prepared,
    method: Method,
    [lower, upper]: [Var<'b>; 2],
    spec: Var<'b>,
) -> Result<Var<'b>> {
    let input = model.inputs.first().ok_or_else(|| GraphError::Shape("there is no input".into()))?;
    let output = model.outputs.first().ok_or_else(|| GraphError::Shape("there is no output".into()))?;
    let region = Inputs::of_box(Interval { lower, upper });
    let mut trace = Trace::new(builder, &input.name, &input.ty.shape, region, method, originals)?;
    for node in &model.nodes {
        // What does not vary stands there already, with the model.
        if trace.varies(node) {
            trace.step(node)?;
        }
    }
    let shape = trace.known(&output.name)?.shape.clone();
    debug_assert_eq!(spec.shape()?.0[2].known(), Some(volume(&shape)?));
    let rows = Rows(spec.shape()?.0[1].known().unwrap_or(1));
    trace.walk(&output.name, rows.unflat(spec, &shape)?, rows, Side::Upper)
}
