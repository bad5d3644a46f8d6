use super::{Backward, Rule};
use crate::{Attribute, Dim, Result, Shape, Var};

pub(super) const RULES: &[(&str, Rule)] = &[("MatMul", matmul), ("Gemm", gemm)];

/// `Y = A·B` over the last two axes: `Ā = Ȳ·Bᵀ`, `B̄ = Aᵀ·Ȳ`, summed over the axes that were broadcast.
/// A vector counts as a row on the left and as a column on the right.
fn matmul(b: &Backward) -> Result<()> {
    let (row, column) = (b.x(0).shape()?.rank() == 1, b.x(1).shape()?.rank() == 1);
    let left = if row { b.x(0).unsqueeze(&[0]) } else { b.x(0) };
    let right = if column { b.x(1).unsqueeze(&[1]) } else { b.x(1) };
    let g = if column { b.g().unsqueeze(&[-1]) } else { b.g() };
    let g = if row { g.unsqueeze(&[-2]) } else { g };
    if b.wants(0) {
        let adjoint = g.with("MatMul", transposed(right)?);
        b.give(0, if row { adjoint.squeeze(&[-2]) } else { adjoint })?;
    }
    if b.wants(1) {
        // One matrix for the whole batch: one product over all rows, instead of many and their sum.
        let shared = right.shape()?.rank() == 2;
        let (left, g) = if shared { (rows(b, left)?, rows(b, g)?) } else { (left, g) };
        let adjoint = transposed(left)?.with("MatMul", g);
        b.give(1, if column { adjoint.squeeze(&[-1]) } else { adjoint })?;
    }
    Ok(())
}

/// The last two axes exchanged.
fn transposed(x: Var) -> Result<Var> {
    let rank = x.shape()?.rank();
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(rank - 2, rank - 1);
    Ok(x.transpose(&order))
}

/// All rows as one matrix.
fn rows<'b>(b: &Backward<'_, 'b>, x: Var<'b>) -> Result<Var<'b>> {
    let mut lead = x.shape()?;
    let columns = lead.0.pop().unwrap_or(Dim::Known(1));
    let rows = lead.flat().ok_or_else(|| b.node.error(format!("{lead} has several batch axes")))?;
    Ok(x.reshape(&Shape(vec![rows, columns])))
}

/// `Y = α·A'·B' + β·C`, `A'` and `B'` being `A` and `B` or their transposes: `Ā' = α·Ȳ·B'ᵀ`,
/// `B̄' = α·A'ᵀ·Ȳ`, `C̄ = β·Ȳ` summed over the axes that were broadcast. `Gemm` takes its operands
/// transposed, so nothing is transposed at run time.
fn gemm(b: &Backward) -> Result<()> {
    let (ta, tb) = (b.node.int("transA", 0) != 0, b.node.int("transB", 0) != 0);
    let g = b.g();
    if b.wants(0) {
        let w = b.x(1);
        b.give(0, if ta { product(b, (w, tb), (g, true)) } else { product(b, (g, false), (w, !tb)) })?;
    }
    if b.wants(1) {
        let x = b.x(0);
        b.give(1, if tb { product(b, (g, true), (x, ta)) } else { product(b, (x, !ta), (g, false)) })?;
    }
    if b.wants(2) {
        b.give(2, g * b.node.float("beta", 1.0))?;
    }
    Ok(())
}

/// `α` times a matrix product; each operand with whether it is to be transposed.
fn product<'b>(b: &Backward<'_, 'b>, left: (Var<'b>, bool), right: (Var<'b>, bool)) -> Var<'b> {
    let alpha = b.node.float("alpha", 1.0) as f32;
    let attributes: [(&str, Attribute); 3] = [
        ("alpha", alpha.into()),
        ("transA", i64::from(left.1).into()),
        ("transB", i64::from(right.1).into()),
    ];
    b.builder.op("Gemm", &[Some(left.0), Some(right.0)], &attributes)
}
