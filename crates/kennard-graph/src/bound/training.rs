//! Bounds in the graph of a training step, where the weights are inputs and the network's own nodes stand beside them.

use super::interval::Interval;
use super::region::Inputs;
use super::rows::Rows;
use super::totals::Side;
use super::trace::Trace;
use super::{Method, volume};
use crate::{Builder, Graph, GraphError, Result, Var};

/// The largest values `[N, R]` of functionals `spec [N, R, K]` of the model's first output over the box of its first input from
/// `lower` to `upper`. `builder` holds the model. What overflows has no bound of infinity here, which would have no gradient.
///
/// # Errors
/// See [`super::bound`].
pub(crate) fn largest<'b>(
    builder: &'b Builder,
    model: &Graph,
    method: Method,
    [lower, upper]: [Var<'b>; 2],
    spec: Var<'b>,
) -> Result<Var<'b>> {
    let input = model.inputs.first().ok_or_else(|| GraphError::Shape("there is no input".into()))?;
    let output = model.outputs.first().ok_or_else(|| GraphError::Shape("there is no output".into()))?;
    let region = Inputs::of_box(Interval { lower, upper });
    let mut trace = Trace::new(builder, &input.name, &input.ty.shape, region, method)?;
    for node in &model.nodes {
        trace.step(node)?;
    }
    let shape = trace.known(&output.name)?.shape.clone();
    debug_assert_eq!(spec.shape()?.0[2].known(), Some(volume(&shape)?));
    let rows = Rows(spec.shape()?.0[1].known().unwrap_or(1));
    trace.walk(&output.name, rows.unflat(spec, &shape)?, rows, Side::Upper)
}
