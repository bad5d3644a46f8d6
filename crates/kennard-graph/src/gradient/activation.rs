//! Activation functions.

use std::f64::consts::{FRAC_1_SQRT_2, PI};

use super::{Backward, Rule};
use crate::Result;

/// `g` is the adjoint of the output `y`; each line gives the adjoint of the input `x`.
///
/// At a kink the slope is the one of PyTorch: the one on the left, 0 for `HardSigmoid`.
#[rustfmt::skip]
pub(super) const RULES: &[(&str, Rule)] = &[
    ("Relu",     |b| b.unary(|g, _, y| g * y.above(0.0))),
    ("Sigmoid",  |b| b.unary(|g, _, y| g * y * (1.0 - y))),
    ("Tanh",     |b| b.unary(|g, _, y| g * (1.0 - y * y))),
    ("Softplus", |b| b.unary(|g, x, _| g * x.apply("Sigmoid"))),
    ("Softsign", |b| b.unary(|g, x, _| { let d = 1.0 + x.apply("Abs"); g / (d * d) })),

    ("LeakyRelu", leaky_relu),
    ("PRelu",     p_relu),
    ("Elu",       elu),
    ("HardSigmoid", hard_sigmoid),
    ("Gelu",        gelu),
];

/// `y = max(x, 0) + α·min(x, 0)`: 1 where x > 0, else α.
fn leaky_relu(b: &Backward) -> Result<()> {
    let alpha = b.node.float("alpha", 0.01);
    b.unary(|g, x, _| {
        let step = x.above(0.0);
        // The usual α take one operation instead of two.
        let slope = if (0.0..=1.0).contains(&alpha) {
            step.with("Clip", step.number(alpha))
        } else {
            step * (1.0 - alpha) + alpha
        };
        g * slope
    })
}

/// `y = max(x, 0) + α·min(x, 0)` with a learned α: 1 where x > 0, else α; `∂y/∂α = min(x, 0)`.
fn p_relu(b: &Backward) -> Result<()> {
    let (g, x, alpha) = (b.g(), b.x(0), b.x(1));
    b.give(0, g * (x.above(0.0) * (1.0 - alpha) + alpha))?;
    b.give(1, g * x.with("Min", x.number(0.0)))
}

/// `y = x` where x > 0, else `α·(eˣ − 1)`: 1 where x > 0, else `α·eˣ`. The exponent is `min(x, 0)`, so that nothing
/// overflows.
fn elu(b: &Backward) -> Result<()> {
    let alpha = b.node.float("alpha", 1.0);
    b.unary(|g, x, _| {
        let decay = x.with("Min", x.number(0.0)).apply("Exp");
        if alpha == 1.0 { g * decay } else { g * (decay * alpha + x.above(0.0) * (1.0 - alpha)) }
    })
}

/// `y = min(max(α·x + β, 0), 1)`: α where 0 < y < 1.
fn hard_sigmoid(b: &Backward) -> Result<()> {
    let alpha = b.node.float("alpha", 0.2);
    b.unary(|g, _, y| {
        let inside = y.with("Greater", y.number(0.0)).with("And", y.with("Less", y.number(1.0)));
        g * alpha * inside.cast_like(y)
    })
}

/// `y = x·Φ(x)` with the normal distribution function Φ: `Φ(x) + x·φ(x)`; or, `approximate = "tanh"`,
/// `Φ(x) ≈ (1 + tanh u)/2` with `u = √(2/π)·(x + 0.044715 x³)` (Hendrycks & Gimpel 2016, arXiv 1606.08415).
fn gelu(b: &Backward) -> Result<()> {
    if b.node.text("approximate", "none") == "tanh" {
        let (c, k) = ((2.0 / PI).sqrt(), 0.044715);
        return b.unary(|g, x, _| {
            let square = x * x;
            let t = (x * (square * (c * k) + c)).apply("Tanh");
            let du = square * (3.0 * c * k) + c;
            g * ((t + 1.0) * 0.5 + x * 0.5 * (1.0 - t * t) * du)
        });
    }
    // With t = x/√2: Φ(x) = (1 + erf t)/2 and x·φ(x) = t·exp(−t²)/√π, the factor put into the exponent.
    b.unary(|g, x, _| {
        let t = x * FRAC_1_SQRT_2;
        let density = t * (-0.5 * PI.ln() - t * t).apply("Exp");
        g * (t.apply("Erf") * 0.5 + 0.5 + density)
    })
}
