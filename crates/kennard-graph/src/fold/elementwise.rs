//! Elementwise operators.

use half::f16;
use ndarray::{ArrayD, ArrayViewD, IxDyn};

use super::element::{Element, Int, Real, with_number};
use crate::infer::Context;
use crate::{DType, Tensor};

type Float1 = fn(f64) -> f64;
type Float2 = fn(f64, f64) -> f64;
type Int1 = fn(i64) -> Option<i64>;
type Int2 = fn(i64, i64) -> Option<i64>;
type Compare<T> = fn(&T, &T) -> bool;
type Logic = fn(bool, bool) -> bool;

/// One input: on floats, on integers.
const UNARY: &[(&str, Float1, Int1)] = &[
    ("Neg", |x| -x, i64::checked_neg),
    ("Abs", f64::abs, i64::checked_abs),
    ("Sign", |x| if x == 0.0 { x } else { x.signum() }, |x| Some(x.signum())),
    ("Floor", f64::floor, Some),
    ("Ceil", f64::ceil, Some),
    ("Round", f64::round_ties_even, Some),
    ("Sqrt", f64::sqrt, |_| None),
    ("Exp", f64::exp, |_| None),
    ("Log", f64::ln, |_| None),
    ("Reciprocal", f64::recip, |_| None),
    ("Relu", |x| if x < 0.0 { 0.0 } else { x }, |x| Some(x.max(0))),
    ("Sigmoid", |x| 1.0 / (1.0 + (-x).exp()), |_| None),
    ("Tanh", f64::tanh, |_| None),
    ("Sin", f64::sin, |_| None),
    ("Cos", f64::cos, |_| None),
];

/// Two or more inputs, taken from left to right: on floats, on integers.
const BINARY: &[(&str, Float2, Int2)] = &[
    ("Add", |a, b| a + b, i64::checked_add),
    ("Sub", |a, b| a - b, i64::checked_sub),
    ("Mul", |a, b| a * b, i64::checked_mul),
    ("Div", |a, b| a / b, i64::checked_div),
    ("Pow", f64::powf, |a, b| a.checked_pow(b.try_into().ok()?)),
    ("Min", |a, b| if a.is_nan() || a < b { a } else { b }, |a, b| Some(a.min(b))),
    ("Max", |a, b| if a.is_nan() || a > b { a } else { b }, |a, b| Some(a.max(b))),
    ("Sum", |a, b| a + b, i64::checked_add),
];

/// Comparisons: on floats, on integers.
const COMPARE: &[(&str, Compare<f64>, Compare<i64>)] = &[
    ("Equal", PartialEq::eq, PartialEq::eq),
    ("Greater", PartialOrd::gt, PartialOrd::gt),
    ("GreaterOrEqual", PartialOrd::ge, PartialOrd::ge),
    ("Less", PartialOrd::lt, PartialOrd::lt),
    ("LessOrEqual", PartialOrd::le, PartialOrd::le),
];

/// Operators on truth values.
const LOGIC: &[(&str, Logic)] = &[("And", |a, b| a && b), ("Or", |a, b| a || b), ("Xor", |a, b| a != b)];

pub(super) fn supports(op: &str) -> bool {
    matches!(op, "Not" | "Mod" | "Clip")
        || UNARY.iter().any(|(name, ..)| *name == op)
        || BINARY.iter().any(|(name, ..)| *name == op)
        || COMPARE.iter().any(|(name, ..)| *name == op)
        || LOGIC.iter().any(|(name, ..)| *name == op)
}

pub(super) fn evaluate(c: &Context, inputs: &[Option<&Tensor>], shape: &[usize]) -> Option<Tensor> {
    let op = c.node.op.as_str();
    let x = inputs.first().copied().flatten()?;
    let other = || inputs.get(1).copied().flatten();
    if let Some((_, float, int)) = UNARY.iter().find(|(name, ..)| *name == op) {
        return unary(x, *float, *int);
    }
    if let Some((_, float, int)) = BINARY.iter().find(|(name, ..)| *name == op) {
        return inputs[1..].iter().try_fold(x.clone(), |x, y| binary(&x, (*y)?, shape, *float, *int));
    }
    if let Some((_, float, int)) = COMPARE.iter().find(|(name, ..)| *name == op) {
        return compare(x, other()?, shape, *float, *int);
    }
    if let Some((_, logic)) = LOGIC.iter().find(|(name, ..)| *name == op) {
        let y = zipped(bool::view(x)?, bool::view(other()?)?, shape, |a, b| Some(logic(a, b)))?;
        return Some(y.into());
    }
    match op {
        "Not" => Some(bool::view(x)?.mapv(|v| !v).into()),
        "Mod" => binary(
            x,
            other()?,
            shape,
            |a, b| a % b,
            match c.node.int("fmod", 0) {
                0 => |a, b| a.checked_rem(b)?.checked_add(b)?.checked_rem(b),
                _ => |a, b| a.checked_rem(b),
            },
        ),
        "Clip" => {
            let bound = |i: usize| inputs.get(i).copied().flatten();
            let low = match bound(1) {
                Some(low) => binary(x, low, shape, |a, b| if a < b { b } else { a }, |a, b| Some(a.max(b)))?,
                None => x.clone(),
            };
            match bound(2) {
                Some(high) => {
                    binary(&low, high, shape, |a, b| if a > b { b } else { a }, |a, b| Some(a.min(b)))
                }
                None => Some(low),
            }
        }
        _ => None,
    }
}

fn unary(x: &Tensor, float: Float1, int: Int1) -> Option<Tensor> {
    with_number!(x,
        T => Some(T::view(x)?.mapv(|v| T::narrow(float(v.wide()))).into()),
        T => {
            let all = T::view(x)?.iter().map(|v| T::fit(int(v.wide())?)).collect::<Option<Vec<T>>>()?;
            Some(ArrayD::from_shape_vec(IxDyn(x.shape()), all).ok()?.into())
        }
    )
}

fn binary(a: &Tensor, b: &Tensor, shape: &[usize], float: Float2, int: Int2) -> Option<Tensor> {
    if a.dtype() != b.dtype() {
        // Pow may have an exponent of another type; an integer to the power of a float is left alone.
        if !a.dtype().is_float() {
            return None;
        }
        return binary(a, &cast(b, a.dtype())?, shape, float, int);
    }
    with_number!(a,
        T => Some(zipped(T::view(a)?, T::view(b)?, shape, |a, b| Some(T::narrow(float(a.wide(), b.wide()))))?.into()),
        T => Some(zipped(T::view(a)?, T::view(b)?, shape, |a, b| T::fit(int(a.wide(), b.wide())?))?.into())
    )
}

fn compare(
    a: &Tensor,
    b: &Tensor,
    shape: &[usize],
    float: Compare<f64>,
    int: Compare<i64>,
) -> Option<Tensor> {
    if let (Some(a), Some(b)) = (bool::view(a), bool::view(b)) {
        return Some(zipped(a, b, shape, |a, b| Some(int(&a.into(), &b.into())))?.into());
    }
    with_number!(a,
        T => Some(zipped(T::view(a)?, T::view(b)?, shape, |a, b| Some(float(&a.wide(), &b.wide())))?.into()),
        T => Some(zipped(T::view(a)?, T::view(b)?, shape, |a, b| Some(int(&a.wide(), &b.wide())))?.into())
    )
}

/// A function of two elements on two arrays broadcast to `shape`.
fn zipped<A: Copy, Y: Copy>(
    a: ArrayViewD<A>,
    b: ArrayViewD<A>,
    shape: &[usize],
    f: impl Fn(A, A) -> Option<Y>,
) -> Option<ArrayD<Y>> {
    let (a, b) = (a.broadcast(IxDyn(shape))?, b.broadcast(IxDyn(shape))?);
    let all = a.iter().zip(b.iter()).map(|(&a, &b)| f(a, b)).collect::<Option<Vec<Y>>>()?;
    ArrayD::from_shape_vec(IxDyn(shape), all).ok()
}

/// The elements in another type. `None` where a float does not fit into an integer type: the standard
/// leaves that open.
pub(super) fn cast(x: &Tensor, to: DType) -> Option<Tensor> {
    if x.dtype() == to {
        return Some(x.clone());
    }
    let shape = IxDyn(x.shape());
    if let Some(ints) = x.to_ints() {
        macro_rules! each {
            ($convert:expr) => {
                ArrayD::from_shape_vec(shape, ints.into_iter().map($convert).collect()).ok()?.into()
            };
        }
        return Some(match to {
            DType::F32 => each!(|v| v as f32),
            DType::F64 => each!(|v| v as f64),
            DType::F16 => each!(|v| f16::from_f64(v as f64)),
            DType::I64 => each!(|v| v),
            DType::I32 => each!(i32::wrap),
            DType::I8 => each!(i8::wrap),
            DType::U8 => each!(u8::wrap),
            DType::I16 => each!(i16::wrap),
            DType::U16 => each!(u16::wrap),
            DType::Bool => each!(|v| v != 0),
        });
    }
    if to.is_float() {
        return Some(x.to_float_type(to));
    }
    fn whole<T: Int>(floats: &[f64], shape: IxDyn) -> Option<Tensor> {
        let fit = |&v: &f64| T::fit(if v.abs() < 9e18 { v.trunc() as i64 } else { return None });
        let all = floats.iter().map(fit).collect::<Option<Vec<T>>>()?;
        Some(T::tensor(ArrayD::from_shape_vec(shape, all).ok()?))
    }
    let floats = x.to_floats()?;
    match to {
        DType::I64 => whole::<i64>(&floats, shape),
        DType::I32 => whole::<i32>(&floats, shape),
        DType::I8 => whole::<i8>(&floats, shape),
        DType::U8 => whole::<u8>(&floats, shape),
        DType::I16 => whole::<i16>(&floats, shape),
        DType::U16 => whole::<u16>(&floats, shape),
        _ => Some(ArrayD::from_shape_vec(shape, floats.iter().map(|&v| v != 0.0).collect()).ok()?.into()),
    }
}
