//! Activation functions, and dropout.

use super::Definition;
use crate::builder::Call;
use crate::{DType, Result, Tensor, Var};

pub(super) const DEFINITIONS: &[(&str, Definition)] = &[
    ("Celu", celu),
    ("Dropout", dropout),
    ("Elu", elu),
    ("Hardmax", hardmax),
    ("HardSwish", hard_swish),
    ("Mish", mish),
    ("Selu", selu),
    ("Shrink", shrink),
    ("Softplus", softplus),
    ("ThresholdedRelu", thresholded_relu),
];

/// `x` where x > 0, else `α·(exp(x/α) − 1)`, for α > 0 (Barron 2017, arXiv 1704.07483).
fn celu<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let alpha = c.node.float("alpha", 1.0);
    if alpha > 0.0 {
        Ok((c.x(0) / alpha).apply("Elu") * alpha)
    } else {
        Err(c.node.error(format!("its alpha is {alpha}, but must be above 0")))
    }
}

/// `α·elu₁(x) + (1 − α)·max(x, 0)`, of which the first is convex.
fn elu<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let (x, alpha) = (c.x(0), c.node.float("alpha", 1.0));
    Ok(x.apply("Elu") * alpha + x.apply("Relu") * (1.0 - alpha))
}

/// `x`: in inference mode nothing is dropped.
fn dropout<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let training = c.optional(2).map(|mode| mode.as_constant().and_then(|mode| mode.item()));
    match training {
        None | Some(Some(0.0)) => Ok(c.x(0)),
        _ => Err(c.node.error("in training mode its result is random; export the model in evaluation mode")),
    }
}

/// 1 at the first of the largest elements along the axis, else 0.
fn hardmax<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    let axis = c.axis(c.node.int("axis", -1), x.shape()?.rank())?;
    let hit = x.with("Equal", x.reduce("ReduceMax", &[axis], true)).cast_like(x);
    let position = hit.with("CumSum", c.builder.constant(Tensor::scalar(axis as f64, DType::I64)));
    Ok(hit * position.below(1.5))
}

/// `x·min(max(x/6 + 1/2, 0), 1)` (Howard et al. 2019, arXiv 1905.02244, section 5.2).
fn hard_swish<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    Ok(x * x.apply_with("HardSigmoid", &[("alpha", (1.0f32 / 6.0).into()), ("beta", 0.5f32.into())]))
}

/// `x·tanh(ln(1 + eˣ))` (Misra 2019, arXiv 1908.08681).
///
/// With `n = eˣ·(eˣ + 2)` the tangent is `n/(n + 2)`. It is 1 long before n overflows, so the exponent is cut
/// there. (`Softplus` and `Tanh` cost ten times as much in ONNX Runtime.)
fn mish<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    let enough = if x.ty()?.dtype == DType::F16 { 5.0 } else { 20.0 };
    let cut = c.builder.op("Clip", &[Some(x), None, Some(x.number(enough))], &[]);
    let e = cut.apply("Exp");
    let n = e * (e + 2.0);
    Ok(x * (n / (n + 2.0)))
}

/// The defaults that ONNX gives `Selu` (Klambauer et al. 2017, arXiv 1706.02515).
const SELU_ALPHA: f64 = 1.673_263_192_176_818_8;
/// See [`SELU_ALPHA`].
const SELU_GAMMA: f64 = 1.050_700_992_584_228_5;

/// `γ·x` where x > 0, else `γα·(eˣ − 1)` (Klambauer et al. 2017, arXiv 1706.02515).
fn selu<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let alpha = c.node.float("alpha", SELU_ALPHA) as f32;
    Ok(c.x(0).apply_with("Elu", &[("alpha", alpha.into())]) * c.node.float("gamma", SELU_GAMMA))
}

/// `x − bias` where x > λ, `x + bias` where x < −λ, else 0.
fn shrink<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let (x, lambd, bias) = (c.x(0), c.node.float("lambd", 0.5), c.node.float("bias", 0.0));
    if lambd < 0.0 {
        return Err(c.node.error(format!("its lambd is {lambd}, but must not be negative")));
    }
    let (right, left) = (x.above(lambd), x.below(-lambd));
    Ok(x * (right + left) + (left - right) * bias)
}

/// `ln(1 + eˣ) = max(x, 0) + ln(1 + exp(−|x|))`: the operator itself where it cannot overflow, for runtimes
/// whose kernel does.
fn softplus<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    Ok(x.apply("Relu") + (-x.apply("Abs")).apply("Softplus"))
}

/// `x` where x > α, else 0.
fn thresholded_relu<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    Ok(x * x.above(c.node.float("alpha", 1.0)))
}
