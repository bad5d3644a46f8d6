//! Recurrent layers: `x [T, N, I]`.

use super::{Context, Inferred, ShapeRule};
use crate::{Dim, Shape, TensorType};

pub(super) const RULES: &[(&str, ShapeRule)] = &[("LSTM", recurrent), ("GRU", recurrent), ("RNN", recurrent)];

/// All hidden states, the last one, and for `LSTM` the last cell state.
fn recurrent(c: &Context) -> Inferred {
    let (x, r) = (c.input(0)?, c.shape(2)?);
    let (&[a, b, _], &[directions, _, hidden]) = (x.shape.0.as_slice(), r.0.as_slice()) else {
        return c.fail(format!("data {} must have rank 3, and so must its recurrent weights {r}", x.shape));
    };
    if c.node.int("hidden_size", 0) > 0
        && hidden.known() != usize::try_from(c.node.int("hidden_size", 0)).ok()
    {
        return c.fail(format!("its hidden_size is not that of its recurrent weights {r}"));
    }
    let wanted = if c.node.text("direction", "forward") == "bidirectional" { 2 } else { 1 };
    if directions != Dim::Known(wanted) {
        return c.fail(format!("its recurrent weights {r} should be of {wanted} directions"));
    }
    let (all, last) = (vec![a, directions, b, hidden], vec![directions, b, hidden]);
    let last = TensorType::new(x.dtype, Shape(last));
    Ok(Some(vec![TensorType::new(x.dtype, Shape(all)), last.clone(), last]))
}
