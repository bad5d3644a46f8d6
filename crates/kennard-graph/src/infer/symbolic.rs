use std::cmp::Ordering;
use std::fmt;

use half::f16;
use ndarray::{ArrayD, ArrayViewD, Dimension, IxDyn};

use super::rearrange::{gather, rearrange};
use super::shape::shape_range;
use super::{Context, dim};
use crate::{Attribute, DType, Dim, Tensor, TensorType};

/// A number that may be a multiple of the batch size, which is at least 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sym {
    /// An integer, or a truth value as 0 or 1.
    Known(i64),
    /// So many times the batch size; not zero times.
    Batch(i64),
    /// A float.
    Real(f64),
}

impl fmt::Display for Sym {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sym::Known(n) => write!(f, "{n}"),
            Sym::Batch(1) => write!(f, "N"),
            Sym::Batch(k) => write!(f, "{k}N"),
            Sym::Real(x) => write!(f, "{x}"),
        }
    }
}

/// The elements of a small tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Symbolic(pub ArrayD<Sym>);

/// Longer tensors are data, not shapes.
const LONGEST: usize = 64;

impl Symbolic {
    pub fn of_tensor(tensor: &Tensor) -> Option<Symbolic> {
        if tensor.len() > LONGEST {
            return None;
        }
        let elements: Vec<Sym> = match tensor.to_ints() {
            Some(ints) => ints.into_iter().map(Sym::Known).collect(),
            None => tensor.to_floats()?.into_iter().map(Sym::Real).collect(),
        };
        ArrayD::from_shape_vec(IxDyn(tensor.shape()), elements).ok().map(Symbolic)
    }

    /// The elements in row-major order.
    pub fn iter(&self) -> impl Iterator<Item = Sym> {
        self.0.iter().copied()
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The only element.
    pub fn single(&self) -> Option<Sym> {
        self.0.iter().copied().next().filter(|_| self.0.len() == 1)
    }

    /// The integers, if none depends on the batch.
    pub fn known(&self) -> Option<Vec<i64>> {
        let known = |s: Sym| match s {
            Sym::Known(n) => Some(n),
            _ => None,
        };
        self.iter().map(known).collect()
    }

    /// The tensor, if no element depends on the batch.
    pub fn tensor(&self, dtype: DType) -> Option<Tensor> {
        if dtype.is_float() {
            let floats: Option<Vec<f64>> =
                self.iter().map(|s| if let Sym::Real(x) = s { Some(x) } else { None }).collect();
            let floats = ArrayD::from_shape_vec(self.0.raw_dim(), floats?).ok()?;
            return Some(Tensor::from(floats).to_float_type(dtype));
        }
        let ints = ArrayD::from_shape_vec(self.0.raw_dim(), self.known()?).ok()?;
        Some(match dtype {
            DType::I32 => ints.mapv(|v| v as i32).into(),
            DType::I8 => ints.mapv(|v| v as i8).into(),
            DType::U8 => ints.mapv(|v| v as u8).into(),
            DType::Bool => ints.mapv(|v| v != 0).into(),
            _ => ints.into(),
        })
    }
}

/// The values of a node's outputs of these types, where they can be followed.
pub(super) fn values(c: &Context, outputs: &[TensorType]) -> Vec<Option<Symbolic>> {
    if outputs.iter().any(|ty| dim::allocation(&ty.shape).is_none_or(|n| n > LONGEST)) {
        return Vec::new();
    }
    let shapes: Vec<Vec<usize>> = outputs.iter().filter_map(|ty| ty.shape.known()).collect();
    let followed = follow(c, outputs, &shapes).unwrap_or_default();
    let fits = |(value, shape): (ArrayD<Sym>, &Vec<usize>)| {
        (value.shape() == shape.as_slice()).then_some(Symbolic(value))
    };
    followed.into_iter().zip(&shapes).map(fits).collect()
}

fn follow(c: &Context, outputs: &[TensorType], shapes: &[Vec<usize>]) -> Option<Vec<ArrayD<Sym>>> {
    let (ty, shape) = (outputs.first()?, IxDyn(shapes.first()?));
    let filled = |sym: Sym| Some(vec![ArrayD::from_elem(shape.clone(), sym)]);
    match c.node.op.as_str() {
        "Shape" => {
            let dims = &c.shape(0).ok()?.0;
            let range = shape_range(c, dims.len());
            let elements: Option<Vec<Sym>> = dims[range].iter().copied().map(of_dim).collect();
            return ArrayD::from_shape_vec(shape, elements?).ok().map(|a| vec![a]);
        }
        "Size" => return filled(of_dim(dim::product(&c.shape(0).ok()?.0)?)?),
        "ConstantOfShape" => {
            return filled(match c.node.attributes.get("value") {
                Some(Attribute::Tensor(value)) => Symbolic::of_tensor(value)?.single()?,
                _ => Sym::Real(0.0),
            });
        }
        _ => {}
    }
    let first = c.value(0)?.0.view();
    let all = || -> Option<Vec<ArrayViewD<Sym>>> {
        (0..c.arity()).map(|i| c.value(i).map(|v| v.0.view())).collect()
    };
    let y = match c.node.op.as_str() {
        "Gather" => {
            let indices = ArrayD::from_shape_vec(c.value(1)?.0.raw_dim(), c.ints(1)?).ok()?;
            gather(c, &first, &indices.view(), &shapes[0])?
        }
        "Range" => {
            let (start, step) = (c.element(0)?, c.element(2)?);
            let numbers: Option<Vec<Sym>> = (0..shape[0])
                .map(|i| {
                    let i = if ty.dtype.is_float() { Sym::Real(i as f64) } else { Sym::Known(i as i64) };
                    fits(add(start, fits(multiply(i, step)?, ty.dtype)?)?, ty.dtype)
                })
                .collect();
            ArrayD::from_shape_vec(shape, numbers?).ok()?
        }
        "ReduceProd" | "ReduceSum" | "ReduceMax" | "ReduceMin" if shape.size() == 1 => {
            let op: Binary = match c.node.op.as_str() {
                "ReduceProd" => multiply,
                "ReduceSum" => add,
                "ReduceMax" => max,
                _ => min,
            };
            let mut elements = first.iter().copied();
            let start = elements.next()?;
            ArrayD::from_elem(shape, elements.try_fold(start, |a, b| fits(op(a, b)?, ty.dtype))?)
        }
        "Cast" | "CastLike" => mapped(&first, |s| cast(s, ty.dtype))?,
        "Where" => {
            let condition = first.broadcast(shape.clone())?;
            let (a, b) = (c.value(1)?.0.broadcast(shape.clone())?, c.value(2)?.0.broadcast(shape.clone())?);
            let choose = |at: IxDyn| match condition[&at] {
                Sym::Known(0) => Some(b[&at]),
                Sym::Known(_) => Some(a[&at]),
                _ => None,
            };
            let all: Option<Vec<Sym>> = ndarray::indices(shape.clone()).into_iter().map(choose).collect();
            ArrayD::from_shape_vec(shape, all?).ok()?
        }
        op => {
            if let Some(unary) = unary(op) {
                mapped(&first, |s| fits(unary(s)?, ty.dtype))?
            } else if let Some(binary) = binary(op) {
                let mut total = first.broadcast(shape.clone())?.to_owned();
                for other in &all()?[1..] {
                    let other = other.broadcast(shape.clone())?;
                    let pairs = total.iter().zip(&other);
                    let all: Option<Vec<Sym>> = pairs.map(|(&a, &b)| fits(binary(a, b)?, ty.dtype)).collect();
                    total = ArrayD::from_shape_vec(shape.clone(), all?).ok()?;
                }
                total
            } else {
                let inputs = if op == "Concat" { all()? } else { vec![first] };
                return rearrange(c, &inputs, shapes);
            }
        }
    };
    Some(vec![y])
}

fn of_dim(d: Dim) -> Option<Sym> {
    match d {
        Dim::Known(n) => i64::try_from(n).ok().map(Sym::Known),
        Dim::Batch(k) => i64::try_from(k).ok().map(Sym::Batch),
    }
}

fn mapped(x: &ArrayViewD<Sym>, f: impl Fn(Sym) -> Option<Sym>) -> Option<ArrayD<Sym>> {
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

fn truth(b: bool) -> Sym {
    Sym::Known(b.into())
}

fn batch(k: i64) -> Sym {
    if k == 0 { Sym::Known(0) } else { Sym::Batch(k) }
}

/// A number rounded to its element type; `None` where the type cannot hold it.
fn fits(s: Sym, dtype: DType) -> Option<Sym> {
    let within = |low: i64, high: i64| match s {
        Sym::Known(n) => (low..=high).contains(&n),
        Sym::Batch(k) => (low..=high).contains(&k),
        Sym::Real(_) => false,
    };
    match (dtype, s) {
        (DType::F32, Sym::Real(x)) => Some(Sym::Real((x as f32).into())),
        (DType::F16, Sym::Real(x)) => Some(Sym::Real(f16::from_f64(x).into())),
        (DType::F64, Sym::Real(_)) => Some(s),
        (DType::F32 | DType::F64, Sym::Batch(_)) => Some(s),
        (DType::I64, Sym::Known(_) | Sym::Batch(_)) => Some(s),
        (DType::I32, _) => within(i32::MIN.into(), i32::MAX.into()).then_some(s),
        (DType::I8, _) => within(-128, 127).then_some(s),
        (DType::U8, _) => within(0, 255).then_some(s),
        (DType::Bool, _) => within(0, 1).then_some(s),
        _ => None,
    }
}

fn cast(s: Sym, dtype: DType) -> Option<Sym> {
    match (s, dtype) {
        (Sym::Known(n), DType::Bool) => Some(truth(n != 0)),
        (Sym::Known(n), to) if to.is_float() => fits(Sym::Real(n as f64), to),
        (Sym::Real(x), DType::Bool) => Some(truth(x != 0.0)),
        (Sym::Real(x), to) if !to.is_float() => {
            let exact = x.trunc();
            (exact.abs() < (1u64 << 53) as f64).then_some(Sym::Known(exact as i64)).and_then(|s| fits(s, to))
        }
        (Sym::Batch(_), DType::Bool) => Some(truth(true)),
        (s, to) => fits(s, to),
    }
}

/// Multiples of the batch stay integers in float tensors; so do floats that meet them.
fn integral(x: f64) -> Option<i64> {
    (x.fract() == 0.0 && x.abs() < (1u64 << 53) as f64).then_some(x as i64)
}

fn add(a: Sym, b: Sym) -> Option<Sym> {
    match (a, b) {
        (Sym::Known(a), Sym::Known(b)) => a.checked_add(b).map(Sym::Known),
        (Sym::Batch(a), Sym::Batch(b)) => a.checked_add(b).map(batch),
        (Sym::Real(a), Sym::Real(b)) => Some(Sym::Real(a + b)),
        (Sym::Known(0) | Sym::Real(0.0), s @ Sym::Batch(_))
        | (s @ Sym::Batch(_), Sym::Known(0) | Sym::Real(0.0)) => Some(s),
        _ => None,
    }
}

fn multiply(a: Sym, b: Sym) -> Option<Sym> {
    match (a, b) {
        (Sym::Known(a), Sym::Known(b)) => a.checked_mul(b).map(Sym::Known),
        (Sym::Real(a), Sym::Real(b)) => Some(Sym::Real(a * b)),
        (Sym::Known(a), Sym::Batch(b)) | (Sym::Batch(b), Sym::Known(a)) => a.checked_mul(b).map(batch),
        (Sym::Real(0.0), Sym::Batch(_)) | (Sym::Batch(_), Sym::Real(0.0)) => Some(Sym::Real(0.0)),
        (Sym::Real(a), Sym::Batch(b)) | (Sym::Batch(b), Sym::Real(a)) => {
            integral(a)?.checked_mul(b).map(batch)
        }
        _ => None,
    }
}

/// Integers are truncated; multiples of the batch must divide exactly.
fn divide(a: Sym, b: Sym) -> Option<Sym> {
    let exact = |k: i64, n: i64| (k.checked_rem(n)? == 0).then(|| k.checked_div(n)).flatten();
    match (a, b) {
        (Sym::Known(a), Sym::Known(b)) => a.checked_div(b).map(Sym::Known),
        (Sym::Real(a), Sym::Real(b)) => Some(Sym::Real(a / b)),
        (Sym::Batch(k), Sym::Known(n)) => exact(k, n).map(batch),
        (Sym::Batch(k), Sym::Real(x)) => exact(k, integral(x)?).map(batch),
        _ => None,
    }
}

fn rounded(s: Sym, round: fn(f64) -> f64) -> Option<Sym> {
    Some(if let Sym::Real(x) = s { Sym::Real(round(x)) } else { s })
}

/// How two numbers compare for every batch size from 1 on.
fn compare(a: Sym, b: Sym) -> Option<Ordering> {
    match (a, b) {
        (Sym::Known(a), Sym::Known(b)) => Some(a.cmp(&b)),
        (Sym::Real(a), Sym::Real(b)) => a.partial_cmp(&b),
        (Sym::Batch(a), Sym::Batch(b)) => Some(a.cmp(&b)),
        (Sym::Batch(k), Sym::Known(n)) if k > 0 && n < k => Some(Ordering::Greater),
        (Sym::Batch(k), Sym::Known(n)) if k < 0 && n > k => Some(Ordering::Less),
        (Sym::Known(_), Sym::Batch(_)) => compare(b, a).map(Ordering::reverse),
        _ => None,
    }
}

fn equal(a: Sym, b: Sym) -> Option<bool> {
    match (a, b) {
        (Sym::Batch(k), Sym::Known(n)) | (Sym::Known(n), Sym::Batch(k)) if n.checked_rem(k)? != 0 => {
            Some(false)
        }
        _ => compare(a, b).map(Ordering::is_eq),
    }
}

fn min(a: Sym, b: Sym) -> Option<Sym> {
    larger(a, b).map(|first| if first { b } else { a })
}

fn max(a: Sym, b: Sym) -> Option<Sym> {
    larger(a, b).map(|first| if first { a } else { b })
}

/// Whether `a` is at least `b`.
fn larger(a: Sym, b: Sym) -> Option<bool> {
    match (a, b) {
        // Equal at one image, larger beyond.
        (Sym::Batch(k), Sym::Known(n)) if k > 0 && n == k => Some(true),
        (Sym::Known(n), Sym::Batch(k)) if k > 0 && n == k => Some(false),
        _ => compare(a, b).map(Ordering::is_ge),
    }
}
