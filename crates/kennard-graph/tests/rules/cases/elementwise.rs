use kennard_graph::{Attribute, DType, Tensor};
use ndarray::{ArrayD, IxDyn};

use crate::case::{Case, case, spread, uniform};

/// A function of one number, at numbers in a range where it is smooth.
fn smooth(op: &str, low: f32, high: f32) -> Case {
    case(&format!("elementwise/{op}"), |m| {
        let x = m.batched(uniform(&[2, 3, 2], low, high, 1));
        m.op(op, &[x], &[]);
    })
}

/// An operator of two tensors that broadcast against each other, the first from `low..high`, the second
/// from 0.5..2.
fn binary(name: &str, op: &str, a: &[usize], b: &[usize], low: f32) -> Case {
    case(&format!("elementwise/{op} {name}"), |m| {
        let a = m.input(uniform(a, low, 2.0, 1));
        let b = m.weight(uniform(b, 0.5, 2.0, 2));
        m.op(op, &[a, b], &[]);
    })
}

/// A power with a fixed exponent.
fn power(name: &str, exponent: Tensor, low: f32) -> Case {
    case(&format!("elementwise/Pow {name}"), |m| {
        let x = m.batched(uniform(&[2, 3, 2], low, 2.0, 1));
        m.op("Pow", &[x, m.constant(exponent)], &[]);
    })
}

fn scalar(value: f64) -> Tensor {
    Tensor::scalar(value, DType::F32)
}

fn vector(values: &[f32]) -> Tensor {
    ArrayD::from_shape_vec(IxDyn(&[values.len()]), values.to_vec()).unwrap().into()
}

/// An operator of any number of tensors, no two elements of which are closer than 0.1.
fn variadic(op: &str, shapes: &[&[usize]]) -> Case {
    case(&format!("elementwise/{op} of {}", shapes.len()), |m| {
        let volume = |shape: &[usize]| shape.iter().product::<usize>();
        let mut values =
            spread(&[shapes.iter().map(|s| volume(s)).sum()], 1).to_floats().unwrap().into_iter();
        let inputs: Vec<_> = shapes
            .iter()
            .map(|shape| {
                let some = values.by_ref().take(volume(shape)).map(|v| v as f32).collect();
                m.weight(ArrayD::from_shape_vec(IxDyn(shape), some).unwrap().into())
            })
            .collect();
        m.op(op, &inputs, &[]);
    })
}

/// Clipped between two ends of which either may be absent.
fn clip(name: &str, low: Option<f64>, high: Option<f64>, learned: bool) -> Case {
    case(&format!("elementwise/Clip {name}"), |m| {
        let x = m.batched(spread(&[2, 3, 4], 1));
        let end = |v: f64| if learned { m.weight(scalar(v)) } else { m.constant(scalar(v)) };
        m.output(m.builder.op("Clip", &[Some(x), low.map(end), high.map(end)], &[]));
    })
}

fn choose(name: &str, condition: &[usize], a: &[usize], b: &[usize]) -> Case {
    case(&format!("elementwise/Where {name}"), |m| {
        let n: usize = condition.iter().product();
        let pattern = (0..n).map(|i| i % 3 == 1).collect();
        let condition = m.input(ArrayD::from_shape_vec(IxDyn(condition), pattern).unwrap().into());
        let (a, b) = (m.input(uniform(a, -1.0, 1.0, 1)), m.weight(uniform(b, -1.0, 1.0, 2)));
        m.op("Where", &[condition, a, b], &[]);
    })
}

/// To an integer and back: flat. Only the other factor has a gradient.
fn truncated() -> Case {
    case("elementwise/Cast to an integer", |m| {
        let x = m.batched(spread(&[2, 3, 4], 1));
        m.output(x.cast(DType::I64).cast(DType::F32) * x);
    })
}

/// To double precision and back.
fn widened() -> Case {
    case("elementwise/Cast to a float", |m| {
        let x = m.batched(uniform(&[2, 3], -1.0, 1.0, 1));
        m.output(x.cast(DType::F64).apply("Tanh").cast(DType::F32));
    })
}

fn cast_like() -> Case {
    case("elementwise/CastLike", |m| {
        let (x, like) = (m.batched(uniform(&[2, 3], -1.0, 1.0, 1)), m.constant(vector(&[0.0])));
        m.op("CastLike", &[x, like], &[]);
    })
}

/// In inference mode; the mask is not read.
fn dropout() -> Case {
    case("elementwise/Dropout", |m| {
        let x = m.batched(uniform(&[2, 3], -1.0, 1.0, 1));
        let training = m.constant(Tensor::scalar(0.0, DType::Bool));
        m.output(m.builder.op("Dropout", &[Some(x), None, Some(training)], &[("seed", Attribute::Int(1))]));
    })
}

/// With a kink at 0.
fn abs() -> Case {
    case("elementwise/Abs", |m| {
        let x = m.batched(spread(&[2, 3, 2], 1));
        m.op("Abs", &[x], &[]);
    })
}

#[rustfmt::skip]
pub fn cases() -> Vec<Case> {
    vec![
        smooth("Identity",   -1.0, 1.0),
        smooth("Neg",        -1.0, 1.0),
        abs(),
        smooth("Exp",        -1.0, 1.0),
        smooth("Log",         0.5, 2.0),
        smooth("Sqrt",        0.5, 2.0),
        smooth("Reciprocal",  0.5, 2.0),
        smooth("Erf",        -2.0, 2.0),
        smooth("Sin",        -3.0, 3.0),
        smooth("Cos",        -3.0, 3.0),
        smooth("Tan",        -1.0, 1.0),
        smooth("Asin",       -0.8, 0.8),
        smooth("Acos",       -0.8, 0.8),
        smooth("Atan",       -2.0, 2.0),
        smooth("Sinh",       -1.0, 1.0),
        smooth("Cosh",       -1.0, 1.0),
        smooth("Asinh",      -2.0, 2.0),
        smooth("Acosh",       1.5, 3.0),
        smooth("Atanh",      -0.6, 0.6),

        binary("same shapes",         "Add", &[2, 3],    &[2, 3],    -2.0),
        binary("a bias",              "Add", &[2, 3, 4], &[3, 1],    -2.0),
        binary("same shapes",         "Sub", &[2, 3],    &[2, 3],    -2.0),
        binary("both broadcast",      "Sub", &[2, 1, 4], &[3, 1],    -2.0),
        binary("same shapes",         "Mul", &[2, 3],    &[2, 3],    -2.0),
        binary("the first broadcast", "Mul", &[4],       &[2, 3, 4], -2.0),
        binary("same shapes",         "Div", &[2, 3],    &[2, 3],    -2.0),
        binary("a scalar",            "Div", &[2, 3],    &[],        -2.0),
        binary("same shapes",         "Pow", &[2, 3],    &[2, 3],     0.5),
        binary("both broadcast",      "Pow", &[2, 1, 4], &[3, 1],     0.5),
        power("to 0",    scalar(0.0),  -2.0),
        power("to 1",    scalar(1.0),  -2.0),
        power("to 2",    scalar(2.0),  -2.0),
        power("to 3",    scalar(3.0),  -2.0),
        power("to 1/2",  scalar(0.5),   0.5),
        power("to -3/2", scalar(-1.5),  0.5),
        power("to each its own", vector(&[3.0, 2.0]), -2.0),
        power("to each its own with 0", vector(&[0.0, 2.5]), 0.5),
        power("to an integer", Tensor::scalar(3.0, DType::I64), -2.0),

        variadic("Sum",  &[&[2, 3]]),
        variadic("Sum",  &[&[2, 3], &[3], &[2, 1]]),
        variadic("Mean", &[&[2, 3], &[3], &[2, 1]]),
        variadic("Max",  &[&[2, 3]]),
        variadic("Max",  &[&[2, 3], &[3]]),
        variadic("Max",  &[&[2, 3], &[3], &[2, 1]]),
        variadic("Min",  &[&[2, 3], &[3]]),
        variadic("Min",  &[&[2, 3], &[3], &[2, 1]]),
        clip("between", Some(-0.5), Some(0.8), false),
        clip("above",   Some(-0.5), None,      false),
        clip("below",   None,       Some(0.8), false),
        clip("nowhere", None,       None,      false),
        clip("between learned ends", Some(-0.5), Some(0.8), true),
        choose("same shapes", &[2, 3], &[2, 3], &[2, 3]),
        choose("broadcast",   &[3, 1], &[2, 1, 4], &[4]),
        truncated(),
        widened(),
        cast_like(),
        dropout(),
    ]
}
