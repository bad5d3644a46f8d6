//! Support vector machines: kernels, votes and probabilities in basic operators. The columns of scores are those of ONNX Runtime.

use ndarray::{Array1, Array2, Axis};

use crate::builder::Call;
use crate::machine::{Kernel, Machine, classes};
use crate::{Attribute, Builder, DType, Result, Tensor, Var};

/// The label and the scores.
pub(super) fn classifier<'b>(c: &Call<'_, 'b>) -> Result<Vec<Var<'b>>> {
    let b = c.builder;
    let machine = Machine::of(c.node)?;
    let x = c.x(0).cast(DType::F32);
    let scores = kernel(x, machine.kernel, &machine.vectors)
        .with("MatMul", constant(x, machine.coefficients.into_dyn().into()))
        + constant(x, Array1::from(machine.offsets).into_dyn().into());
    // A class j is the second of j pairs: without a positive score it has j votes.
    let behind = Array1::from_iter((0..machine.classes).map(|j| j as f32));
    let votes = scores.above(0.0).with("MatMul", constant(x, machine.sides.into_dyn().into()))
        + constant(x, behind.into_dyn().into());
    let best = votes.apply_with("ArgMax", &[("axis", 1.into()), ("keepdims", 0.into())]);
    // Labels that are texts are no tensor here, and nothing reads them.
    let label = classes(c.node).0.map_or(best, |labels| b.ints(&labels).with("Gather", best));
    let columns = match machine.likely {
        Some([slope, offset]) => {
            let odds = -(scores * f64::from(slope) + f64::from(offset));
            // As a softmax it can be taken off.
            both(b, odds, odds * 0.0).apply_with("Softmax", &[("axis", Attribute::Int(1))])
        }
        // They contradict the label.
        None if machine.classes == 2 => both(b, -scores, scores),
        None => scores,
    };
    Ok(vec![label, columns])
}

/// Two columns.
fn both<'b>(b: &'b Builder, first: Var<'b>, second: Var<'b>) -> Var<'b> {
    b.op("Concat", &[Some(first), Some(second)], &[("axis", Attribute::Int(1))])
}

/// A constant of the type of `x`.
fn constant<'b>(x: Var<'b>, array: Tensor) -> Var<'b> {
    x.builder().constant(array).cast_like(x)
}

/// The kernel of inputs (N, d) and vectors (V, d): (N, V).
fn kernel<'b>(x: Var<'b>, kernel: Kernel, vectors: &Array2<f32>) -> Var<'b> {
    let columns =
        |vectors: &Array2<f32>| constant(x, vectors.t().as_standard_layout().to_owned().into_dyn().into());
    let affine =
        |gamma: f32, origin: f32| x.with("MatMul", columns(vectors)) * f64::from(gamma) + f64::from(origin);
    match kernel {
        Kernel::Linear => x.with("MatMul", columns(vectors)),
        Kernel::Tanh { gamma, origin } => affine(gamma, origin).apply("Tanh"),
        Kernel::Power { gamma, origin, degree } => {
            let base = affine(gamma, origin);
            (1..degree).fold(base, |power, _| power * base)
        }
        Kernel::Radial { gamma } => {
            // `|x|² − 2 x·v + |v|²` about the mean of the vectors, where little is lost by the difference.
            let centre = vectors.mapv(f64::from).mean_axis(Axis(0)).unwrap_or_default().mapv(|c| c as f32);
            let about = vectors - &centre;
            let norms = about.mapv(|v| v * v).sum_axis(Axis(1));
            let x = x - constant(x, centre.into_dyn().into());
            let square = (x * x).reduce("ReduceSum", &[1], true);
            let distance =
                square - x.with("MatMul", columns(&about)) * 2.0 + constant(x, norms.into_dyn().into());
            (distance * f64::from(-gamma)).apply("Exp")
        }
    }
}
