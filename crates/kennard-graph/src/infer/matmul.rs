//! Matrix products.

use super::{Context, Inferred, ShapeRule, broadcast_shapes, one};
use crate::{DType, Dim, Result, Shape};

pub(super) const RULES: &[(&str, ShapeRule)] = &[
    ("MatMul", |c| one(c.input(0)?.dtype, product(c, 0, 1)?)),
    ("MatMulInteger", |c| one(DType::I32, product(c, 0, 1)?)),
    ("QLinearMatMul", |c| one(c.input(7)?.dtype, product(c, 0, 3)?)),
    ("Gemm", gemm),
];

/// As in NumPy: the last two axes multiplied, the others broadcast; vectors gain an axis and lose it.
fn product(c: &Context, a: usize, b: usize) -> Result<Shape> {
    let (a, b) = (c.shape(a)?, c.shape(b)?);
    let misfit = || c.node.error(format!("{a} and {b} cannot be multiplied"));
    let (Some((&a_last, a_rest)), Some((&b_last, b_rest))) = (a.0.split_last(), b.0.split_last()) else {
        return Err(misfit());
    };
    let (rows, a_lead) = a_rest.split_last().map_or((None, a_rest), |(&m, lead)| (Some(m), lead));
    let (inner, columns, b_lead) =
        b_rest.split_last().map_or((b_last, None, b_rest), |(&k, lead)| (k, Some(b_last), lead));
    if a_last != inner {
        return Err(misfit());
    }
    let lead = broadcast_shapes(&Shape(a_lead.to_vec()), &Shape(b_lead.to_vec())).ok_or_else(misfit)?;
    Ok(Shape(lead.0.into_iter().chain(rows).chain(columns).collect()))
}

/// `α·A′·B′ + β·C`, matrices only; `C` broadcast to the product.
fn gemm(c: &Context) -> Inferred {
    let turned = |i: usize, attribute: &str| -> Result<(Dim, Dim)> {
        let shape = c.shape(i)?;
        match shape.0[..] {
            [rows, columns] if c.node.int(attribute, 0) == 0 => Ok((rows, columns)),
            [rows, columns] => Ok((columns, rows)),
            _ => c.fail(format!("input {i} {shape} must be a matrix")),
        }
    };
    let ((m, k), (inner, n)) = (turned(0, "transA")?, turned(1, "transB")?);
    if k != inner {
        return c.fail(format!("{} and {} cannot be multiplied", c.shape(0)?, c.shape(1)?));
    }
    let shape = Shape(vec![m, n]);
    if let Some(bias) = c.optional(2)
        && broadcast_shapes(&shape, &bias.shape).as_ref() != Some(&shape)
    {
        return c.fail(format!("the bias {} does not broadcast to {shape}", bias.shape));
    }
    one(c.input(0)?.dtype, shape)
}
