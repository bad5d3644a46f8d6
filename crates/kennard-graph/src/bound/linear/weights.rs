//! Sums of products with constant weights.

use std::collections::BTreeMap;

use super::Linear;
use crate::bound::affine::{Term, Terms, affine, affine_with, heaviest};
use crate::bound::rows::batch_axis;
use crate::bound::site::{Image, Known, Site, Tightness};
use crate::gradient::equation;
use crate::{Result, Var};

pub(super) const RULES: &[(&str, Linear)] =
    &[("Gemm", gemm), ("MatMul", matmul), ("Einsum", einsum), ("Conv", conv), ("ConvTranspose", conv)];

/// The tightness of a sum of what varies: a sum over a box is as wide as its bounds say.
fn summed(x: &Known) -> Tightness {
    if x.tightness == Tightness::Box { Tightness::Tight } else { Tightness::Loose }
}

/// Whether samples lie along the first axis, and the bias is the same for all of them.
fn is_layer(s: &Site, x: &Known) -> Result<bool> {
    Ok(batch_axis(&x.shape)? == 0 && (s.optional(2).is_none() || s.fixed(2).is_some()))
}

/// `Y = α·X·W' + β·C`.
fn gemm<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let (Some(x), Some(w)) = (s.only(0), s.fixed(1)) else { return Ok(None) };
    if !is_layer(s, x)? || s.node.int("transA", 0) != 0 {
        return Ok(None);
    }
    let alpha = s.node.float("alpha", 1.0);
    let run = |x: Var<'b>, absolute: bool, factor: f64, added: Option<Var<'b>>| {
        let (w, alpha) = if absolute { (w.apply("Abs"), alpha.abs()) } else { (w, alpha) };
        let alpha = (alpha * factor) as f32;
        let attributes = [("alpha", alpha.into()), ("transB", s.node.int("transB", 0).into())];
        let inputs: Vec<Option<Var>> = [Some(x), Some(w)].into_iter().chain(added.map(Some)).collect();
        s.builder.op("Gemm", &inputs, &attributes)
    };
    let beta = s.node.float("beta", 1.0);
    let term = s.fixed(2).map(|c| Term::exact(if beta == 1.0 { c } else { c * beta }));
    let [rows, columns] = sides(w)?;
    let terms = if s.node.int("transB", 0) == 0 { [rows, columns] } else { [columns, rows] };
    let terms = Terms { forward: terms[0], back: terms[1] };
    let heaviest = s.floats(1).filter(|_| alpha == 1.0).and_then(heaviest);
    Ok(Some(vec![affine_with(x, run, term, terms, summed(x), heaviest)?]))
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
    let [rows, columns] = sides(w)?;
    let terms = if left { [rows, columns] } else { [columns, rows] };
    // Several matrices may be applied to one operand.
    let matrices = w.shape()?.volume().map_or(1, |(n, _)| n / (rows * columns).max(1)).max(1);
    let terms = Terms { forward: terms[0], back: terms[1].saturating_mul(matrices) };
    Ok(Some(vec![affine(x, run, None, terms, summed(x))?]))
}

/// Sums of products of one operand with a constant one, whose letters are all written out.
fn einsum<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let varying = s.varying();
    let &[at] = varying.as_slice() else { return Ok(None) };
    let (Some(x), Ok((letters, out))) = (s.known(at), equation(&s.call)) else { return Ok(None) };
    if letters.len() != s.node.inputs.len() {
        return Ok(None);
    }
    let mut constants = Vec::new();
    for i in (0..letters.len()).filter(|&i| i != at) {
        let Some(w) = s.fixed(i) else { return Ok(None) };
        constants.push((i, w));
    }
    // A product of x and one constant that falls below the normal range would be multiplied by the next, which no margin counts.
    if constants.len() > 1 {
        return Ok(None);
    }
    let Some(batch) = letters[at].chars().nth(batch_axis(&x.shape)?) else { return Ok(None) };
    if !out.contains(batch) || constants.iter().any(|&(i, _)| letters[i].contains(batch)) {
        return Ok(None);
    }
    // The extents along every other letter: of x, and of all.
    let mut extents: BTreeMap<char, [usize; 2]> = BTreeMap::new();
    let shapes = constants.iter().map(|&(i, w)| Ok((i, w.shape()?))).collect::<Result<Vec<_>>>()?;
    for (i, shape) in shapes.iter().map(|(i, shape)| (*i, shape)).chain([(at, &x.shape)]) {
        for (letter, dim) in letters[i].chars().zip(&shape.0).filter(|(letter, _)| *letter != batch) {
            let extent = dim.known().unwrap_or(1).max(1);
            let [own, all] = extents.entry(letter).or_insert([1, 1]);
            *own = if i == at { extent } else { *own };
            *all = extent.max(*all);
        }
    }
    let mut terms = Terms { forward: 1, back: 1 };
    for (letter, [own, all]) in &extents {
        if !out.contains(*letter) {
            terms.forward = terms.forward.saturating_mul(*all);
        }
        terms.back = terms.back.saturating_mul(all / own);
    }
    let run = |x: Var<'b>, absolute: bool| {
        let mut operands = vec![(at, x)];
        if absolute {
            operands.extend(constants.iter().map(|&(i, w)| (i, w.apply("Abs"))));
        }
        s.apply(&operands)[0]
    };
    // Constants may cancel in their own sum, and their sizes do not.
    Ok(Some(vec![affine(x, run, None, terms, Tightness::Loose)?]))
}

/// The rows and columns of a matrix; a vector is a column on the right and a row on the left.
fn sides(w: Var) -> Result<[usize; 2]> {
    let dims: Vec<usize> = w.shape()?.0.iter().filter_map(|d| d.known()).collect();
    Ok(match dims.as_slice() {
        [.., rows, columns] => [*rows, *columns],
        [n] => [*n, *n],
        [] => [1, 1],
    })
}

/// A convolution or its adjoint. The weights are `[M, C/groups, …]`, or `[C, M/groups, …]`.
fn conv<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let (Some(x), Some(w)) = (s.only(0), s.fixed(1)) else { return Ok(None) };
    if !is_layer(s, x)? {
        return Ok(None);
    }
    let rank = x.shape.rank();
    let attributes: Vec<_> =
        s.node.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let places: Vec<i64> = (1..rank as i64 - 1).collect();
    let run = |x: Var<'b>, absolute: bool, factor: f64, added: Option<Var<'b>>| {
        let w = if absolute { w.apply("Abs") } else { w };
        let w = if factor == 1.0 { w } else { w * factor };
        let bias = added.map(|added| Some(added.squeeze(&places)));
        let inputs: Vec<Option<Var>> = [Some(x), Some(w)].into_iter().chain(bias).collect();
        s.builder.op(&s.node.op, &inputs, &attributes)
    };
    let term = s.fixed(2).map(|bias| Term::exact(bias.unsqueeze(&places)));
    let dims: Vec<usize> = w.shape()?.0.iter().filter_map(|d| d.known()).collect();
    let [first, second, taps @ ..] = dims.as_slice() else { return Ok(None) };
    let groups = usize::try_from(s.node.int("group", 1)).unwrap_or(1).max(1);
    // Where the window moves by more than one, fewer of its places see an element.
    let stride =
        |i: usize| s.node.ints("strides").and_then(|v| usize::try_from(*v.get(i)?).ok()).unwrap_or(1).max(1);
    let all: usize = taps.iter().product();
    let dense = s.node.ints("dilations").is_none_or(|v| v.iter().all(|&d| d == 1));
    let seen = taps.iter().enumerate().map(|(i, &k)| if dense { k.div_ceil(stride(i)) } else { k }).product();
    let (near, far) = (first / groups, *second);
    let terms = match s.node.op.as_str() {
        "Conv" => Terms { forward: far.saturating_mul(all), back: near.saturating_mul(seen) },
        _ => Terms { forward: near.saturating_mul(seen), back: far.saturating_mul(all) },
    };
    // Elsewhere a factor would be a pass over the weights each time.
    let heaviest = s.floats(1).filter(|_| s.folds).and_then(heaviest);
    Ok(Some(vec![affine_with(x, run, term, terms, summed(x), heaviest)?]))
}
