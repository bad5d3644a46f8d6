//! Softmax and its logarithm.

use super::{Backward, Rule};
use crate::Result;

pub(super) const RULES: &[(&str, Rule)] = &[("Softmax", softmax), ("LogSoftmax", log_softmax)];

/// `yᵢ = exp(xᵢ)/Σⱼ exp(xⱼ)`: `yᵢ·(gᵢ − Σⱼ gⱼyⱼ)`.
fn softmax(b: &Backward) -> Result<()> {
    let (y, axis) = (b.y(0), axis(b)?);
    let gy = b.g() * y;
    b.give(0, gy - y * gy.reduce("ReduceSum", &[axis], true))
}

/// `yᵢ = xᵢ − ln Σⱼ exp(xⱼ)`: `gᵢ − exp(yᵢ)·Σⱼ gⱼ`.
fn log_softmax(b: &Backward) -> Result<()> {
    let (g, axis) = (b.g(), axis(b)?);
    b.give(0, g - b.y(0).apply("Exp") * g.reduce("ReduceSum", &[axis], true))
}

fn axis(b: &Backward) -> Result<usize> {
    b.axis(b.node.int("axis", -1), b.x(0).shape()?.rank())
}
