use super::{Context, Inferred, ShapeRule, one};
use crate::{DType, Dim, Result, Shape, TensorType};

pub(super) const RULES: &[(&str, ShapeRule)] = &[
    ("Add", broadcast),
    ("Sub", broadcast),
    ("Mul", broadcast),
    ("Div", broadcast),
    ("Pow", broadcast),
    ("Min", broadcast),
    ("Max", broadcast),
    ("Sum", broadcast),
    ("Mean", broadcast),
    ("PRelu", broadcast),
    ("Mod", broadcast),
    ("Equal", compare),
    ("Greater", compare),
    ("GreaterOrEqual", compare),
    ("Less", compare),
    ("LessOrEqual", compare),
    ("And", compare),
    ("Or", compare),
    ("Xor", compare),
    ("Not", same),
    ("Where", choose),
    ("Cast", cast),
    ("Clip", same),
    ("Identity", same),
    ("Neg", same),
    ("Abs", same),
    ("Sqrt", same),
    ("Exp", same),
    ("Log", same),
    ("Reciprocal", same),
    ("Erf", same),
    ("Sign", same),
    ("Floor", same),
    ("Ceil", same),
    ("Round", same),
    ("Sin", same),
    ("Cos", same),
    ("Relu", same),
    ("LeakyRelu", same),
    ("ThresholdedRelu", same),
    ("Elu", same),
    ("Selu", same),
    ("Celu", same),
    ("Softplus", same),
    ("Softsign", same),
    ("Sigmoid", same),
    ("Tanh", same),
    ("HardSigmoid", same),
    ("HardSwish", same),
    ("Gelu", same),
    ("Mish", same),
    ("Softmax", same),
    ("LogSoftmax", same),
    ("Hardmax", same),
    ("CumSum", same),
    ("Sinh", same),
    ("Cosh", same),
    ("Tan", same),
    ("Asin", same),
    ("Acos", same),
    ("Atan", same),
    ("Asinh", same),
    ("Acosh", same),
    ("Atanh", same),
    ("Shrink", same),
    ("Trilu", same),
    ("ReverseSequence", same),
    ("IsNaN", test),
    ("IsInf", test),
    ("CastLike", |c| one(c.input(1)?.dtype, c.shape(0)?.clone())),
    ("Dropout", dropout),
];

/// The first input's type.
fn same(c: &Context) -> Inferred {
    Ok(Some(vec![c.input(0)?.clone()]))
}

/// The first input's shape; truth values.
fn test(c: &Context) -> Inferred {
    one(DType::Bool, c.shape(0)?.clone())
}

/// Values and the mask of those kept.
fn dropout(c: &Context) -> Inferred {
    let x = c.input(0)?;
    Ok(Some(vec![x.clone(), TensorType::new(DType::Bool, x.shape.clone())]))
}

/// All inputs broadcast together; the first one's element type.
fn broadcast(c: &Context) -> Inferred {
    one(c.input(0)?.dtype, broadcast_inputs(c)?)
}

/// All inputs broadcast together; truth values.
fn compare(c: &Context) -> Inferred {
    one(DType::Bool, broadcast_inputs(c)?)
}

/// `Where(condition, a, b)`: all broadcast; the element type of `a`.
fn choose(c: &Context) -> Inferred {
    one(c.input(1)?.dtype, broadcast_inputs(c)?)
}

/// `Cast`: another element type.
fn cast(c: &Context) -> Inferred {
    one(c.dtype(c.node.int("to", 0))?, c.shape(0)?.clone())
}

fn broadcast_inputs(c: &Context) -> Result<Shape> {
    let mut shape = c.shape(0)?.clone();
    for i in 1..c.arity() {
        let other = c.shape(i)?;
        match broadcast_shapes(&shape, other) {
            Some(both) => shape = both,
            None => return c.fail(format!("{shape} and {other} do not broadcast")),
        }
    }
    Ok(shape)
}

/// The shape two tensors have when broadcast together, or `None` if they do not fit.
pub(crate) fn broadcast_shapes(a: &Shape, b: &Shape) -> Option<Shape> {
    let rank = a.rank().max(b.rank());
    let dim = |s: &Shape, i: usize| (i + s.rank()).checked_sub(rank).map_or(Dim::Known(1), |j| s.0[j]);
    let dims = (0..rank).map(|i| match (dim(a, i), dim(b, i)) {
        (x, y) if x == y => Some(x),
        (Dim::Known(1), y) => Some(y),
        (x, Dim::Known(1)) => Some(x),
        _ => None,
    });
    dims.collect::<Option<Vec<Dim>>>().map(Shape)
}
