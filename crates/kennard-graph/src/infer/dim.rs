//! Arithmetic with extents, checked: a result that overflows or is no multiple of the batch is `None`.

use super::Sym;
use crate::{Dim, Shape};

/// The largest extent a tensor may have: ONNX counts in `i64`.
const MOST: usize = i64::MAX as usize;

/// `n` as an extent.
fn known(n: usize) -> Option<Dim> {
    (n <= MOST).then_some(Dim::Known(n))
}

/// `k × batch` as an extent.
fn batch(k: usize) -> Option<Dim> {
    match k {
        0 => Some(Dim::Known(0)),
        k => (k <= MOST).then_some(Dim::Batch(k)),
    }
}

pub(crate) fn times(a: Dim, b: Dim) -> Option<Dim> {
    match (a, b) {
        (Dim::Known(a), Dim::Known(b)) => known(a.checked_mul(b)?),
        (Dim::Known(a), Dim::Batch(b)) | (Dim::Batch(a), Dim::Known(b)) => batch(a.checked_mul(b)?),
        (Dim::Batch(_), Dim::Batch(_)) => None,
    }
}

pub(crate) fn plus(a: Dim, b: Dim) -> Option<Dim> {
    match (a, b) {
        (Dim::Known(a), Dim::Known(b)) => known(a.checked_add(b)?),
        (Dim::Batch(a), Dim::Batch(b)) => batch(a.checked_add(b)?),
        (a, Dim::Known(0)) | (Dim::Known(0), a) => Some(a),
        _ => None,
    }
}

pub(crate) fn product(dims: &[Dim]) -> Option<Dim> {
    dims.iter().try_fold(Dim::Known(1), |a, &b| times(a, b))
}

/// `a / n` where that is exact for every batch size.
pub(crate) fn divided(a: Dim, n: usize) -> Option<Dim> {
    match a {
        Dim::Known(a) => a.is_multiple_of(n).then(|| a.checked_div(n).map(Dim::Known)).flatten(),
        Dim::Batch(k) => k.is_multiple_of(n).then(|| k.checked_div(n).map(Dim::Batch)).flatten(),
    }
}

/// An extent given by an element of a shape tensor. `Err` where it is negative, `Ok(None)` where it
/// is no extent that can be known.
pub(crate) fn of_sym(sym: Sym) -> Result<Option<Dim>, Sym> {
    match sym {
        Sym::Known(n) => usize::try_from(n).map(|n| Some(Dim::Known(n))).map_err(|_| sym),
        Sym::Batch(k) => usize::try_from(k).map(batch).map_err(|_| sym),
        Sym::Real(_) => Ok(None),
    }
}

/// The extents with one replaced.
pub(crate) fn replaced(shape: &Shape, axis: usize, dim: Dim) -> Shape {
    let mut shape = shape.clone();
    shape.0[axis] = dim;
    shape
}

/// The number of elements to allocate for, if the shape is fixed: zeros count as ones, since an array
/// must not have overflowing extents even when it is empty.
pub(crate) fn allocation(shape: &Shape) -> Option<usize> {
    shape.0.iter().try_fold(1usize, |n, d| n.checked_mul(d.known()?.max(1)))
}
