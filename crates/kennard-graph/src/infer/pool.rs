//! Pools: `x [N, C, D1, …, Dn]`.

use super::window::KernelWindow;
use super::{Context, Inferred, ShapeRule, one};
use crate::{DType, Dim, Shape, TensorType};

pub(super) const RULES: &[(&str, ShapeRule)] = &[
    ("AveragePool", pool),
    ("LpPool", pool),
    ("MaxPool", pool),
    ("GlobalAveragePool", global),
    ("GlobalMaxPool", global),
    ("GlobalLpPool", global),
];

/// Values, and for `MaxPool` the indices of the maxima.
fn pool(c: &Context) -> Inferred {
    let ty = c.input(0)?;
    let x = &ty.shape;
    let kernel = c.node.ints("kernel_shape").unwrap_or_default();
    let extents: Option<Vec<usize>> = kernel.iter().map(|&k| usize::try_from(k).ok()).collect();
    let Some(kernel) = extents.filter(|k| !k.is_empty() && k.len() + 2 == x.rank()) else {
        return c.fail(format!("kernel_shape {kernel:?} does not fit data {x}"));
    };
    let window = KernelWindow::new(c.node, &kernel)?;
    let Some(spatial) = window.outputs(c, x, c.node.int("ceil_mode", 0) != 0)? else { return Ok(None) };
    let shape = Shape([&x.0[..2], spatial.as_slice()].concat());
    Ok(Some(vec![TensorType::new(ty.dtype, shape.clone()), TensorType::new(DType::I64, shape)]))
}

/// Every spatial extent becomes 1.
fn global(c: &Context) -> Inferred {
    let ty = c.input(0)?;
    if ty.shape.rank() < 3 {
        return c.fail(format!("data {} must have rank 3 or more", ty.shape));
    }
    let ones = vec![Dim::Known(1); ty.shape.rank() - 2];
    one(ty.dtype, Shape([&ty.shape.0[..2], ones.as_slice()].concat()))
}
