//! Normalization with fixed statistics. Those that compute their own are composites: see
//! `define/normalization.rs`.

use super::{Backward, Rule};
use crate::{Result, Var};

pub(super) const RULES: &[(&str, Rule)] = &[("BatchNormalization", batch_normalization)];

/// `y = γ·x̂ + β` with `x̂ = (x − μ)·r`, `r = 1/√(σ² + ε)` for every channel (axis 1).
///
/// In inference mode μ and σ² are given: `∂y/∂x = γr`, `∂y/∂γ = x̂`, `∂y/∂β = 1`, `∂y/∂μ = −γr`,
/// `∂y/∂σ² = −x̂·γr²/2`.
fn batch_normalization<'b>(b: &Backward<'_, 'b>) -> Result<()> {
    if b.node.int("training_mode", 0) != 0 {
        return of_the_batch(b);
    }
    let (g, x) = (b.g(), b.x(0));
    let [gamma, mu, variance] = [1, 3, 4].map(|i| b.x(i).cast_like(x));
    let channels = Channels::new(x)?;
    let r = (variance + b.node.float("epsilon", 1e-5)).apply("Sqrt").apply("Reciprocal");
    let normalized = (x - channels.spread(mu)) * channels.spread(r);
    b.give(0, g * channels.spread(gamma * r))?;
    b.give(1, channels.sum(g * normalized))?;
    b.give(2, channels.sum(g))?;
    b.give(3, -(channels.sum(g) * gamma * r))?;
    b.give(4, channels.sum(g * normalized) * gamma * r * r * -0.5)
}

/// In training mode μ and σ² are those of the `n` elements that a channel has in the batch, and running
/// statistics `m·old + (1 − m)·new` come out beside y. With `s = Σȳ`, `γ̄ = r·(Σȳx − μs)` and the
/// adjoints μ̄, σ̄² of the new statistics,
///
/// `x̄ = γr·ȳ + b·x + c`, `b = (2σ̄² − γr²·γ̄)/n`, `c = (μ̄ − γr·s)/n − b·μ`
///
/// (Ioffe & Szegedy 2015, arXiv 1502.03167, section 3, sorted by what must be read once per element).
fn of_the_batch<'b>(b: &Backward<'_, 'b>) -> Result<()> {
    let (g, x) = (b.g(), b.x(0));
    let channels = Channels::new(x)?;
    let shape = x.shape()?;
    let elements = shape.0.iter().enumerate().filter(|(axis, _)| *axis != 1);
    let n = elements.map(|(_, dim)| dim.known()).product::<Option<usize>>().ok_or_else(|| {
        b.node.error("in training mode the samples of a batch depend on each other: fix the batch size first")
    })? as f64;
    let gamma = b.x(1).cast_like(x);
    let momentum = b.node.float("momentum", 0.9);
    // The statistics of the batch itself; outputs 1 and 2 are mixed with the old ones.
    let (mu, variance) = if momentum == 0.0 {
        (b.y(1).cast_like(x), b.y(2).cast_like(x))
    } else {
        let mu = channels.sum(x) / n;
        let centred = x - channels.spread(mu);
        (mu, channels.sum(centred * centred) / n)
    };
    let r = (variance + b.node.float("epsilon", 1e-5)).apply("Sqrt").apply("Reciprocal");
    let s = channels.sum(g);
    let slope = r * (channels.sum(g * x) - mu * s);
    let a = gamma * r;
    let fresh = |i: usize| b.adjoints.get(i).copied().flatten().map(|v| v.cast_like(x) * (1.0 - momentum));
    let factor = -(a * r * slope);
    let factor = fresh(2).map_or(factor, |v| factor + v * 2.0) / n;
    let term = -(a * s);
    let term = fresh(1).map_or(term, |v| term + v) / n - factor * mu;
    b.give(0, channels.affine(g, a, None) + channels.affine(x, factor, Some(term)))?;
    b.give(1, slope)?;
    b.give(2, s)?;
    for (i, output) in [(3, 1), (4, 2)] {
        if let Some(v) = b.adjoints.get(output).copied().flatten() {
            b.give(i, v * momentum)?;
        }
    }
    Ok(())
}

/// The channels, axis 1, of a tensor.
struct Channels {
    rank: usize,
}

impl Channels {
    fn new(x: Var) -> Result<Channels> {
        Ok(Channels { rank: x.shape()?.rank() })
    }

    /// One number a channel, ready to broadcast.
    fn spread<'b>(&self, v: Var<'b>) -> Var<'b> {
        let behind: Vec<i64> = (1..self.rank.saturating_sub(1) as i64).collect();
        if behind.is_empty() { v } else { v.unsqueeze(&behind) }
    }

    /// The sum of each channel.
    fn sum<'b>(&self, v: Var<'b>) -> Var<'b> {
        let others: Vec<usize> = (0..self.rank).filter(|&axis| axis != 1).collect();
        v.reduce("ReduceSum", &others, false)
    }

    /// `factor·x + term` per channel. As a normalisation by known statistics it takes one pass over the
    /// elements in either runtime, and broadcasting takes more.
    fn affine<'b>(&self, x: Var<'b>, factor: Var<'b>, term: Option<Var<'b>>) -> Var<'b> {
        let zero = factor.zeros_like();
        let inputs = [Some(x), Some(factor), Some(term.unwrap_or(zero)), Some(zero), Some(zero + 1.0)];
        x.builder().op("BatchNormalization", &inputs, &[("epsilon", 0f32.into())])
    }
}
