//! Functions composed of few others.

use super::Definition;
use crate::builder::Call;
use crate::{Dim, Result, Tensor, Var};

pub(super) const DEFINITIONS: &[(&str, Definition)] = &[
    ("Div", |c| Ok(c.x(0) * c.x(1).apply("Reciprocal"))),
    ("LogSoftmax", |c| Ok(-denominator(c)?.apply("Log"))),
    ("Mean", mean),
    ("ReduceL1", |c| Ok(over(c, "ReduceSum", c.x(0).apply("Abs")))),
    ("ReduceL2", |c| Ok(over(c, "ReduceSumSquare", c.x(0)).apply("Sqrt"))),
    ("ReduceLogSum", |c| Ok(over(c, "ReduceSum", c.x(0)).apply("Log"))),
    ("ReduceLogSumExp", |c| Ok(over(c, "ReduceSum", c.x(0).apply("Exp")).apply("Log"))),
    ("ReduceSumSquare", |c| Ok(over(c, "ReduceSum", c.x(0) * c.x(0)))),
    ("Sigmoid", |c| Ok((c.x(0) * 0.5).apply("Tanh") * 0.5 + 0.5)),
    ("Softmax", |c| Ok(denominator(c)?.apply("Reciprocal"))),
];

/// The mean of the inputs.
fn mean<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let n = c.node.inputs.len();
    let sum = (0..n).map(|i| c.x(i)).reduce(|a, b| a + b);
    sum.map(|sum| sum / n as f64).ok_or_else(|| c.node.error("it has no inputs"))
}

/// A reduction of these terms over the node's axes.
fn over<'b>(c: &Call<'_, 'b>, op: &str, terms: Var<'b>) -> Var<'b> {
    let attributes: Vec<_> =
        c.node.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    c.builder.op(op, &[Some(terms), c.optional(1)], &attributes)
}

/// Longer axes are not compared element by element with each other.
const PAIRS: usize = 32;

/// `Σⱼ exp(xⱼ − xᵢ)` along the axis: of it a softmax is the reciprocal, and nothing that varies is multiplied. On long axes
/// `Σⱼ exp(xⱼ)·exp(−xᵢ)`, relative to the first element.
fn denominator<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let x = c.x(0);
    let shape = x.shape()?;
    let axis = c.axis(c.node.int("axis", -1), shape.rank())?;
    let Dim::Known(n) = shape.0[axis] else {
        return Err(c.node.error(format!("its axis {axis} has no fixed extent")));
    };
    let a = axis as i64;
    if n > PAIRS {
        let centred = x - x.slice(&[a], &[0], &[1], &[1]);
        let sum = centred.apply("Exp").reduce("ReduceSum", &[axis], true);
        return Ok(sum * (-centred).apply("Exp"));
    }
    // An element less itself is 0 whatever is known of it.
    let mut dims = vec![1; shape.rank() - axis + 1];
    (dims[0], dims[1]) = (n, n);
    let apart = ndarray::ArrayD::from_shape_fn(dims, |i| f64::from(u8::from(i[0] != i[1])));
    let apart = c.builder.constant(Tensor::from(apart).to_float_type(x.ty()?.dtype));
    let differences = (x.unsqueeze(&[a]) - x.unsqueeze(&[a + 1])) * apart;
    Ok(differences.apply("Exp").reduce("ReduceSum", &[axis + 1], false))
}
