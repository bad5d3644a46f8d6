//! Elements picked and placed along one axis by index.

use super::{Backward, Rule};
use crate::{Dim, Result, Var};

pub(super) const RULES: &[(&str, Rule)] =
    &[("TopK", top_k), ("GatherElements", gather_elements), ("ScatterElements", scatter_elements)];

/// The adjoints of the k values return to where these were taken.
fn top_k(b: &Backward) -> Result<()> {
    let x = b.x(0);
    let axis = b.axis(b.node.int("axis", -1), x.shape()?.rank())? as i64;
    b.give(0, scatter(zeros_like(x), b.y(1), b.g(), axis, "none"))
}

/// `y[i] = x[index[i]]` along the axis: each adjoint is added where its element was taken.
fn gather_elements(b: &Backward) -> Result<()> {
    let (x, indices) = (b.x(0), b.x(1));
    let (from, to) = (x.shape()?, indices.shape()?);
    let rank = from.rank();
    let axis = b.axis(b.node.int("axis", 0), rank)?;
    // Along the other axes the indices may cover only the beginning of `x`, which rten's
    // `ScatterElements` does not allow: what they leave out is cut off and padded with zeros again.
    let mut pads = vec![0; 2 * rank];
    let mut begin = x;
    for i in (0..rank).filter(|&i| i != axis && from.0[i] != to.0[i]) {
        let (Dim::Known(whole), Dim::Known(covered)) = (from.0[i], to.0[i]) else {
            return Err(b.node.error(format!("data {from} and indices {to} do not fit for every batch")));
        };
        begin = begin.slice(&[i as i64], &[0], &[covered as i64], &[1]);
        pads[rank + i] = whole as i64 - covered as i64;
    }
    let adjoint = scatter(zeros_like(begin), indices, b.g(), axis as i64, "add");
    b.give(0, if begin.name() == x.name() { adjoint } else { adjoint.with("Pad", b.builder.ints(&pads)) })
}

/// `x` with `updates` put in, or added: the adjoint without, or with, the places they went; and there it
/// is the adjoint of the updates.
fn scatter_elements(b: &Backward) -> Result<()> {
    let (g, indices) = (b.g(), b.x(1));
    let axis = b.node.int("axis", 0);
    match b.node.text("reduction", "none") {
        "none" => b.give(0, scatter(g, indices, zeros_like(b.x(2)), axis, "none"))?,
        "add" => b.give(0, g)?,
        other => return Err(b.node.error(format!("the reduction `{other}` has no gradient rule"))),
    }
    b.give(2, b.builder.op("GatherElements", &[Some(g), Some(indices)], &[("axis", axis.into())]))
}

fn zeros_like(x: Var) -> Var {
    x.number(0.0).expand_like(x)
}

fn scatter<'b>(data: Var<'b>, indices: Var<'b>, updates: Var<'b>, axis: i64, reduction: &str) -> Var<'b> {
    let attributes = [("axis", axis.into()), ("reduction", reduction.into())];
    data.builder().op("ScatterElements", &[Some(data), Some(indices), Some(updates)], &attributes)
}
