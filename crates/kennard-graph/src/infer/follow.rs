//! The elements of small tensors followed through the operators that compute shapes.

use ndarray::{ArrayD, ArrayViewD, Dimension, IxDyn};

use super::rearrange::{gather, rearrange};
use super::shape::shape_range;
use super::symbolic::{
    LONGEST, Sym, Symbolic, add, cast, compare, divide, equal, fits, max, min, modulo, multiply, remainder,
    rounded, truth,
};
use super::{Context, dim};
use crate::{Attribute, DType, Dim, TensorType};

type Elements = ArrayD<Sym>;

/// The values of a node's outputs of these types, where they can be followed.
pub(super) fn values(c: &Context, outputs: &[TensorType]) -> Vec<Option<Symbolic>> {
    if outputs.iter().any(|ty| dim::allocation(&ty.shape).is_none_or(|n| n > LONGEST)) {
        return Vec::new();
    }
    let shapes: Vec<Vec<usize>> = outputs.iter().filter_map(|ty| ty.shape.known()).collect();
    let followed = follow(c, outputs, &shapes).unwrap_or_default();
    let fits = |(value, shape): (Elements, &Vec<usize>)| {
        (value.shape() == shape.as_slice()).then_some(Symbolic(value))
    };
    followed.into_iter().zip(&shapes).map(fits).collect()
}

fn follow(c: &Context, outputs: &[TensorType], shapes: &[Vec<usize>]) -> Option<Vec<Elements>> {
    let (dtype, shape) = (outputs.first()?.dtype, IxDyn(shapes.first()?));
    let y = match c.node.op.as_str() {
        "Shape" => of_shape(c, shape)?,
        "Size" => ArrayD::from_elem(shape, of_dim(dim::product(&c.shape(0).ok()?.0)?)?),
        "ConstantOfShape" => filled(c, shape)?,
        "Gather" => {
            let indices = ArrayD::from_shape_vec(c.value(1)?.0.raw_dim(), c.ints(1)?).ok()?;
            gather(c, &c.value(0)?.0.view(), &indices.view(), &shapes[0])?
        }
        "Range" => range(c, dtype, shape)?,
        "ReduceProd" | "ReduceSum" | "ReduceMax" | "ReduceMin" if shape.size() == 1 => {
            reduced(c, dtype, shape)?
        }
        "Cast" | "CastLike" => mapped(&c.value(0)?.0, |s| cast(s, dtype))?,
        "Where" => chosen(c, shape)?,
        "Mod" => combined(c, if c.node.int("fmod", 0) == 0 { modulo } else { remainder }, dtype, shape)?,
        op => {
            if let Some(unary) = unary(op) {
                mapped(&c.value(0)?.0, |s| fits(unary(s)?, dtype))?
            } else if let Some(binary) = binary(op) {
                combined(c, binary, dtype, shape)?
            } else {
                let count = if op == "Concat" { c.arity() } else { 1 };
                return rearrange(c, &inputs(c, count)?, shapes);
            }
        }
    };
    Some(vec![y])
}

/// The first inputs, this many.
fn inputs<'a>(c: &Context<'a>, count: usize) -> Option<Vec<ArrayViewD<'a, Sym>>> {
    (0..count).map(|i| c.value(i).map(|v| v.0.view())).collect()
}

/// `Shape`.
fn of_shape(c: &Context, shape: IxDyn) -> Option<Elements> {
    let dims = &c.shape(0).ok()?.0;
    let range = shape_range(c, dims.len());
    let elements: Option<Vec<Sym>> = dims[range].iter().copied().map(of_dim).collect();
    ArrayD::from_shape_vec(shape, elements?).ok()
}

/// `ConstantOfShape`.
fn filled(c: &Context, shape: IxDyn) -> Option<Elements> {
    let value = match c.node.attributes.get("value") {
        Some(Attribute::Tensor(value)) => Symbolic::of_tensor(value)?.single()?,
        _ => Sym::Real(0.0),
    };
    Some(ArrayD::from_elem(shape, value))
}

/// `Range`: `start + i·step`, rounded as the runtimes do.
fn range(c: &Context, dtype: DType, shape: IxDyn) -> Option<Elements> {
    let (start, step) = (c.element(0)?, c.element(2)?);
    let number = |i: usize| {
        let i = if dtype.is_float() { Sym::Real(i as f64) } else { Sym::Known(i as i64) };
        fits(add(start, fits(multiply(i, step)?, dtype)?)?, dtype)
    };
    let numbers: Option<Vec<Sym>> = (0..shape[0]).map(number).collect();
    ArrayD::from_shape_vec(shape, numbers?).ok()
}

/// A reduction to one element.
fn reduced(c: &Context, dtype: DType, shape: IxDyn) -> Option<Elements> {
    let op: Binary = match c.node.op.as_str() {
        "ReduceProd" => multiply,
        "ReduceSum" => add,
        "ReduceMax" => max,
        _ => min,
    };
    let mut elements = c.value(0)?.iter();
    let start = elements.next()?;
    Some(ArrayD::from_elem(shape, elements.try_fold(start, |a, b| fits(op(a, b)?, dtype))?))
}

/// `Where`.
fn chosen(c: &Context, shape: IxDyn) -> Option<Elements> {
    let [condition, a, b] = [0, 1, 2].map(|i| c.value(i).and_then(|v| v.0.broadcast(shape.clone())));
    let (condition, a, b) = (condition?, a?, b?);
    let choose = |at: IxDyn| match condition[&at] {
        Sym::Known(0) => Some(b[&at]),
        Sym::Known(_) => Some(a[&at]),
        _ => None,
    };
    let all: Option<Vec<Sym>> = ndarray::indices(shape.clone()).into_iter().map(choose).collect();
    ArrayD::from_shape_vec(shape, all?).ok()
}

/// An operator of two or more broadcast inputs.
fn combined(c: &Context, op: Binary, dtype: DType, shape: IxDyn) -> Option<Elements> {
    let all = inputs(c, c.arity())?;
    let mut total = all.first()?.broadcast(shape.clone())?.to_owned();
    for other in &all[1..] {
        let other = other.broadcast(shape.clone())?;
        let pairs = total.iter().zip(&other);
        let combined: Option<Vec<Sym>> = pairs.map(|(&a, &b)| fits(op(a, b)?, dtype)).collect();
        total = ArrayD::from_shape_vec(shape.clone(), combined?).ok()?;
    }
    Some(total)
}

fn of_dim(d: Dim) -> Option<Sym> {
    match d {
        Dim::Known(n) => i64::try_from(n).ok().map(Sym::Known),
        Dim::Batch(k) => i64::try_from(k).ok().map(Sym::Batch),
    }
}

fn mapped(x: &Elements, f: impl Fn(Sym) -> Option<Sym>) -> Option<Elements> {
    let all: Option<Vec<Sym>> = x.iter().map(|&s| f(s)).collect();
    ArrayD::from_shape_vec(x.raw_dim(), all?).ok()
}

type Unary = fn(Sym) -> Option<Sym>;
type Binary = fn(Sym, Sym) -> Option<Sym>;

fn unary(op: &str) -> Option<Unary> {
    Some(match op {
        "Neg" => |s| multiply(s, if let Sym::Real(_) = s { Sym::Real(-1.0) } else { Sym::Known(-1) }),
        "Abs" => |s| match s {
            Sym::Known(n) => n.checked_abs().map(Sym::Known),
            Sym::Batch(k) => k.checked_abs().map(Sym::Batch),
            Sym::Real(x) => Some(Sym::Real(x.abs())),
        },
        "Not" => |s| if let Sym::Known(n) = s { Some(truth(n == 0)) } else { None },
        "Floor" => |s| rounded(s, f64::floor),
        "Ceil" => |s| rounded(s, f64::ceil),
        "Round" => |s| rounded(s, f64::round_ties_even),
        _ => return None,
    })
}

fn binary(op: &str) -> Option<Binary> {
    Some(match op {
        "Add" => add,
        "Sub" => {
            |a, b| add(a, multiply(b, if let Sym::Real(_) = b { Sym::Real(-1.0) } else { Sym::Known(-1) })?)
        }
        "Mul" => multiply,
        "Div" => divide,
        "Min" => min,
        "Max" => max,
        "Equal" => |a, b| equal(a, b).map(truth),
        "Greater" => |a, b| compare(a, b).map(|o| truth(o.is_gt())),
        "GreaterOrEqual" => |a, b| compare(a, b).map(|o| truth(o.is_ge())),
        "Less" => |a, b| compare(a, b).map(|o| truth(o.is_lt())),
        "LessOrEqual" => |a, b| compare(a, b).map(|o| truth(o.is_le())),
        "And" => |a, b| multiply(a, b),
        "Or" => max,
        _ => return None,
    })
}
