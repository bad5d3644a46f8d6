//! Normalization with fixed statistics. Those that compute their own are composites: see
//! `define/normalization.rs`.

use super::{Backward, Rule};
use crate::{Result, Var};

pub(super) const RULES: &[(&str, Rule)] = &[("BatchNormalization", batch_normalization)];

/// `y = γ·x̂ + β` with `x̂ = (x − μ)·r`, `r = 1/√(σ² + ε)` for every channel (axis 1), in inference mode.
///
/// `∂y/∂x = γr`, `∂y/∂γ = x̂`, `∂y/∂β = 1`, `∂y/∂μ = −γr`, `∂y/∂σ² = −x̂·γr²/2`.
fn batch_normalization<'b>(b: &Backward<'_, 'b>) -> Result<()> {
    if b.node.int("training_mode", 0) != 0 {
        return Err(b.node.error(
            "in training mode the samples of a batch depend on each other; export the model in evaluation mode",
        ));
    }
    let (g, x) = (b.g(), b.x(0));
    let rank = x.shape()?.rank();
    let behind: Vec<i64> = (1..rank.saturating_sub(1) as i64).collect();
    let spread = |v: Var<'b>| if behind.is_empty() { v } else { v.unsqueeze(&behind) };
    let others: Vec<usize> = (0..rank).filter(|&axis| axis != 1).collect();
    let sum = |v: Var<'b>| v.reduce("ReduceSum", &others, false);

    let [gamma, mu, variance] = [1, 3, 4].map(|i| b.x(i).cast_like(x));
    let r = (variance + b.node.float("epsilon", 1e-5)).apply("Sqrt").apply("Reciprocal");
    let normalized = (x - spread(mu)) * spread(r);
    b.give(0, g * spread(gamma * r))?;
    b.give(1, sum(g * normalized))?;
    b.give(2, sum(g))?;
    b.give(3, -(sum(g) * gamma * r))?;
    b.give(4, sum(g * normalized) * gamma * r * r * -0.5)
}
