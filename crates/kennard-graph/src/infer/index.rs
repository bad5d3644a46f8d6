//! Gathering and scattering by index.

use super::{Context, Inferred, ShapeRule, Sym, one};
use crate::{Dim, Shape};

pub(super) const RULES: &[(&str, ShapeRule)] = &[
    ("Gather", gather),
    ("GatherElements", gather_elements),
    ("GatherND", gather_nd),
    ("ScatterElements", scatter_elements),
    ("ScatterND", scatter_nd),
    ("OneHot", one_hot),
    // Their results' extents depend on the data.
    ("NonZero", |_| Ok(None)),
    ("Compress", |_| Ok(None)),
    ("Unique", |_| Ok(None)),
];

/// `data[:axis] + indices + data[axis + 1:]`.
fn gather(c: &Context) -> Inferred {
    let (data, indices) = (c.input(0)?, c.shape(1)?);
    let axis = c.axis(c.node.int("axis", 0), data.shape.rank())?;
    let dims = [&data.shape.0[..axis], &indices.0, &data.shape.0[axis + 1..]];
    one(data.dtype, Shape(dims.concat()))
}

fn gather_elements(c: &Context) -> Inferred {
    let (data, indices) = (c.input(0)?, c.shape(1)?);
    c.axis(c.node.int("axis", 0), data.shape.rank())?;
    if indices.rank() != data.shape.rank() {
        return c.fail(format!("data {} and indices {indices} must have the same rank", data.shape));
    }
    one(data.dtype, indices.clone())
}

/// `indices[:-1] + data[batch_dims + indices[-1]:]`.
fn gather_nd(c: &Context) -> Inferred {
    let (data, indices) = (c.input(0)?, c.shape(1)?);
    let misfit = || c.fail(format!("data {} cannot be gathered at indices {indices}", data.shape));
    let Some((&last, lead)) = indices.0.split_last() else { return misfit() };
    let Dim::Known(depth) = last else { return Ok(None) };
    let from = usize::try_from(c.node.int("batch_dims", 0)).ok().and_then(|b| b.checked_add(depth));
    match from.and_then(|from| data.shape.0.get(from..)) {
        Some(rest) => one(data.dtype, Shape([lead, rest].concat())),
        None => misfit(),
    }
}

fn scatter_elements(c: &Context) -> Inferred {
    let (data, indices, updates) = (c.input(0)?, c.shape(1)?, c.shape(2)?);
    c.axis(c.node.int("axis", 0), data.shape.rank())?;
    if indices != updates || indices.rank() != data.shape.rank() {
        return c.fail(format!("data {}, indices {indices} and updates {updates} do not fit", data.shape));
    }
    Ok(Some(vec![data.clone()]))
}

fn scatter_nd(c: &Context) -> Inferred {
    let (data, indices, updates) = (c.input(0)?, c.shape(1)?, c.shape(2)?);
    let misfit =
        || c.fail(format!("data {}, indices {indices} and updates {updates} do not fit", data.shape));
    let Some((&last, lead)) = indices.0.split_last() else { return misfit() };
    if let Dim::Known(depth) = last {
        match data.shape.0.get(depth..) {
            Some(rest) if [lead, rest].concat() == updates.0 => {}
            _ => return misfit(),
        }
    }
    Ok(Some(vec![data.clone()]))
}

/// An axis of extent `depth` put in at `axis`; the element type of the two values.
fn one_hot(c: &Context) -> Inferred {
    let (indices, values) = (c.shape(0)?, c.input(2)?);
    let axis = c.axis(c.node.int("axis", -1), indices.rank() + 1)?;
    let depth = match c.element(1) {
        Some(Sym::Real(depth)) if depth.fract() == 0.0 => Sym::Known(depth as i64),
        Some(depth) => depth,
        None => return Ok(None),
    };
    let Some(depth) = c.dim(depth)? else { return Ok(None) };
    let mut shape = indices.clone();
    shape.0.insert(axis, depth);
    one(values.dtype, shape)
}
