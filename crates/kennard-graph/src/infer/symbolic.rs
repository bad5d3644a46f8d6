use std::cmp::Ordering;
use std::fmt;

use half::f16;
use ndarray::{ArrayD, IxDyn};

use crate::{DType, Tensor};

/// A number that may be a multiple of the batch size, which is at least 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sym {
    /// An integer, or a truth value as 0 or 1.
    Known(i64),
    /// This many times the batch size; not zero times.
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
pub(super) const LONGEST: usize = 64;

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
            DType::I16 => ints.mapv(|v| v as i16).into(),
            DType::U16 => ints.mapv(|v| v as u16).into(),
            DType::Bool => ints.mapv(|v| v != 0).into(),
            _ => ints.into(),
        })
    }
}

pub(super) fn truth(b: bool) -> Sym {
    Sym::Known(b.into())
}

fn batch(k: i64) -> Sym {
    if k == 0 { Sym::Known(0) } else { Sym::Batch(k) }
}

/// A number rounded to its element type; `None` where the type cannot hold it.
pub(super) fn fits(s: Sym, dtype: DType) -> Option<Sym> {
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
        (DType::I8 | DType::U8 | DType::I16 | DType::U16, _) => {
            let [least, most] = dtype.levels()?;
            within(least as i64, most as i64).then_some(s)
        }
        (DType::Bool, _) => within(0, 1).then_some(s),
        _ => None,
    }
}

pub(super) fn cast(s: Sym, dtype: DType) -> Option<Sym> {
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

pub(super) fn add(a: Sym, b: Sym) -> Option<Sym> {
    match (a, b) {
        (Sym::Known(a), Sym::Known(b)) => a.checked_add(b).map(Sym::Known),
        (Sym::Batch(a), Sym::Batch(b)) => a.checked_add(b).map(batch),
        (Sym::Real(a), Sym::Real(b)) => Some(Sym::Real(a + b)),
        (Sym::Known(0) | Sym::Real(0.0), s @ Sym::Batch(_))
        | (s @ Sym::Batch(_), Sym::Known(0) | Sym::Real(0.0)) => Some(s),
        _ => None,
    }
}

pub(super) fn multiply(a: Sym, b: Sym) -> Option<Sym> {
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
pub(super) fn divide(a: Sym, b: Sym) -> Option<Sym> {
    let exact = |k: i64, n: i64| (k.checked_rem(n)? == 0).then(|| k.checked_div(n)).flatten();
    match (a, b) {
        (Sym::Known(a), Sym::Known(b)) => a.checked_div(b).map(Sym::Known),
        (Sym::Real(a), Sym::Real(b)) => Some(Sym::Real(a / b)),
        (Sym::Batch(k), Sym::Known(n)) => exact(k, n).map(batch),
        (Sym::Batch(k), Sym::Real(x)) => exact(k, integral(x)?).map(batch),
        _ => None,
    }
}

/// Of integers, with the dividend's sign; of multiples of the batch, where they divide exactly.
pub(super) fn remainder(a: Sym, b: Sym) -> Option<Sym> {
    match (a, b) {
        (Sym::Known(a), Sym::Known(b)) => a.checked_rem(b).map(Sym::Known),
        (Sym::Batch(k), Sym::Known(n)) => (k.checked_rem(n)? == 0).then_some(Sym::Known(0)),
        _ => None,
    }
}

/// The same with the divisor's sign.
pub(super) fn modulo(a: Sym, b: Sym) -> Option<Sym> {
    match (remainder(a, b)?, b) {
        (Sym::Known(rest), Sym::Known(n)) if rest != 0 && (rest < 0) != (n < 0) => Some(Sym::Known(rest + n)),
        (rest, _) => Some(rest),
    }
}

pub(super) fn rounded(s: Sym, round: fn(f64) -> f64) -> Option<Sym> {
    Some(if let Sym::Real(x) = s { Sym::Real(round(x)) } else { s })
}

/// How two numbers compare for every batch size from 1 on.
pub(super) fn compare(a: Sym, b: Sym) -> Option<Ordering> {
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

pub(super) fn equal(a: Sym, b: Sym) -> Option<bool> {
    match (a, b) {
        (Sym::Batch(k), Sym::Known(n)) | (Sym::Known(n), Sym::Batch(k)) if n.checked_rem(k)? != 0 => {
            Some(false)
        }
        _ => compare(a, b).map(Ordering::is_eq),
    }
}

pub(super) fn min(a: Sym, b: Sym) -> Option<Sym> {
    larger(a, b).map(|first| if first { b } else { a })
}

pub(super) fn max(a: Sym, b: Sym) -> Option<Sym> {
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
