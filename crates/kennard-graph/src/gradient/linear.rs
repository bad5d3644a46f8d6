//! Operators that are one linear map along each of some axes. The map is found by the operator itself:
//! applied to the unit vectors it gives its matrix, exactly as the runtime at hand computes it (with its
//! rounding of coordinates, say). That is a constant, which the runtimes fold when they load the graph.

use ndarray::ArrayD;

use super::Backward;
use crate::{Attribute, Dim, Result, Shape, Tensor, Var};

/// Matrices above 32 MB are refused.
const LARGEST: usize = 1 << 23;

/// `x̄ = Mᵀ·ȳ` along one axis, for an operator that maps the axis by `y = M·x` and has the given inputs
/// beside `x` and attributes when applied to the last axis of `[1, n, 1, n]`.
pub(super) fn along<'b>(
    b: &Backward<'_, 'b>,
    g: Var<'b>,
    axis: usize,
    extent: usize,
    inputs: &[Option<Var<'b>>],
    attributes: &[(&str, Attribute)],
) -> Result<Var<'b>> {
    let shape = g.shape()?;
    let Dim::Known(outputs) = shape.0[axis] else {
        return Err(b.node.error(format!("axis {axis} of {shape} is not fixed")));
    };
    if extent.saturating_mul(extent.max(outputs)) > LARGEST {
        return Err(b.node.error(format!("an axis of {extent} elements is too long for the gradient rule")));
    }
    let units: Tensor =
        ArrayD::from_shape_fn(vec![1, extent, 1, extent], |i| f64::from(u8::from(i[1] == i[3]))).into();
    let units = b.builder.constant(units.to_float_type(g.ty()?.dtype));
    let inputs: Vec<_> = [Some(units)].into_iter().chain(inputs.iter().copied()).collect();
    // Row j: where the element j goes.
    let rows = b.builder.op(&b.node.op, &inputs, attributes).reshape(&Shape::fixed(&[extent, outputs]));

    let behind = Shape(shape.0[axis + 1..].to_vec());
    if behind.rank() == 0 {
        return Ok(g.with("MatMul", rows.transpose(&[1, 0])));
    }
    let flat = behind.flat().ok_or_else(|| b.node.error(format!("{shape} has several batch axes")))?;
    let before = &shape.0[..axis];
    let columns = g.reshape(&Shape([before, &[shape.0[axis], flat]].concat()));
    let product = rows.with("MatMul", columns);
    Ok(product.reshape(&Shape([before, &[Dim::Known(extent)], &behind.0].concat())))
}
