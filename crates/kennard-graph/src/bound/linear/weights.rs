//! Sums of products with constant weights.

use super::Linear;
use crate::bound::rows::batch_axis;
use crate::bound::site::{Image, Known, Site, Term, Tightness, affine};
use crate::{Dim, Result, Var};

pub(super) const RULES: &[(&str, Linear)] =
    &[("Gemm", gemm), ("MatMul", matmul), ("Conv", conv), ("ConvTranspose", conv)];

/// Of a sum of what varies: a sum over a box is as wide as its bounds say.
fn summed(x: &Known) -> Tightness {
    if x.tightness == Tightness::Box { Tightness::Tight } else { Tightness::Loose }
}

/// `Y = α·X·W' + β·C`.
fn gemm<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let (Some(x), Some(w)) = (s.only(0), s.fixed(1)) else { return Ok(None) };
    if batch_axis(&x.shape)? != 0
        || s.node.int("transA", 0) != 0
        || s.optional(2).is_some() && s.fixed(2).is_none()
    {
        return Ok(None);
    }
    let alpha = s.node.float("alpha", 1.0);
    let run = |x: Var<'b>, absolute: bool| {
        let (w, alpha) = if absolute { (w.apply("Abs"), alpha.abs()) } else { (w, alpha) };
        let attributes = [("alpha", (alpha as f32).into()), ("transB", s.node.int("transB", 0).into())];
        s.builder.op("Gemm", &[Some(x), Some(w)], &attributes)
    };
    let beta = s.node.float("beta", 1.0);
    let term = s.fixed(2).map(|c| Term::exact(if beta == 1.0 { c } else { c * beta }));
    let terms = longest(&w.shape()?.0);
    Ok(Some(vec![affine(x, run, term, terms, summed(x))?]))
}

/// `Y = X·W` or `W·X`, over the last two axes.
fn matmul<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let left = s.only(0).is_some();
    let (at, x, w) = match (s.only(0), s.only(1)) {
        (Some(x), _) => (0, x, s.fixed(1)),
        (_, Some(x)) => (1, x, s.fixed(0)),
        _ => return Ok(None),
    };
    let Some(w) = w else { return Ok(None) };
    let rank = x.shape.rank();
    let contracted = if left || rank == 1 { rank - 1 } else { rank - 2 };
    if batch_axis(&x.shape)? == contracted {
        return Ok(None);
    }
    let run = |x: Var<'b>, absolute: bool| {
        let w = if absolute { w.apply("Abs") } else { w };
        s.apply(&[(at, x), (1 - at, w)])[0]
    };
    let terms = longest(&w.shape()?.0);
    Ok(Some(vec![affine(x, run, None, terms, summed(x))?]))
}

/// The longest sum in a product with a matrix and in its adjoint; several matrices may be applied to one operand.
fn longest(dims: &[Dim]) -> usize {
    let known = |dims: &[Dim]| dims.iter().filter_map(|d| d.known()).product::<usize>();
    let matrices = known(&dims[..dims.len().saturating_sub(2)]);
    let sides = &dims[dims.len().saturating_sub(2)..];
    sides.iter().filter_map(|d| d.known()).max().unwrap_or(1).saturating_mul(matrices)
}

/// A convolution or its adjoint. The weights are `[M, C/groups, …]`, or `[C, M/groups, …]`.
fn conv<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let (Some(x), Some(w)) = (s.only(0), s.fixed(1)) else { return Ok(None) };
    if batch_axis(&x.shape)? != 0 || s.optional(2).is_some() && s.fixed(2).is_none() {
        return Ok(None);
    }
    let rank = x.shape.rank();
    let attributes: Vec<_> =
        s.node.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let run = |x: Var<'b>, absolute: bool| {
        let w = if absolute { w.apply("Abs") } else { w };
        s.builder.op(&s.node.op, &[Some(x), Some(w)], &attributes)
    };
    let term = s.fixed(2).map(|bias| Term::exact(bias.unsqueeze(&(1..rank as i64 - 1).collect::<Vec<_>>())));
    // All channels of the larger side of a group, at every place of the kernel.
    let dims: Vec<usize> = w.shape()?.0.iter().filter_map(|d| d.known()).collect();
    let [first, second, taps @ ..] = dims.as_slice() else { return Ok(None) };
    let groups = usize::try_from(s.node.int("group", 1)).unwrap_or(1).max(1);
    let terms = (first / groups).max(*second).saturating_mul(taps.iter().product());
    Ok(Some(vec![affine(x, run, term, terms, summed(x))?]))
}
