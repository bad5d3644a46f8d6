//! Sums and means over axes.

use super::Linear;
use crate::bound::rows::{batch_axis, volume};
use crate::bound::site::{Image, Site, Terms, Tightness, affine};
use crate::{Dim, Result, Var};

pub(super) const RULES: &[(&str, Linear)] = &[
    ("ReduceSum", weightless),
    ("ReduceMean", weightless),
    ("GlobalAveragePool", weightless),
    ("AveragePool", weightless),
    ("CumSum", running),
    ("Resize", resize),
];

/// Nearest and linear interpolation have no negative weights. Where the extents change by powers of 2, places are computed exactly, so
/// that the runtime's weights are those of the standard.
fn resize<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let exact = |(from, to): (&Dim, &Dim)| match (from, to) {
        (Dim::Known(from), Dim::Known(to)) if *from > 0 && *to > 0 => {
            let (more, less) = (from.max(to), from.min(to));
            more.is_multiple_of(*less) && (more / less).is_power_of_two()
        }
        (from, to) => from == to,
    };
    let simple = matches!(s.node.text("mode", "nearest"), "nearest" | "linear")
        && s.node.text("coordinate_transformation_mode", "half_pixel") != "align_corners";
    if simple && x.shape.0.iter().zip(&s.shape()?.0).all(exact) { weightless(s) } else { Ok(None) }
}

/// Sums of a sample's own elements with weights that are not negative: the operator is its own `|W|`.
fn weightless<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let y = s.shape()?;
    let (from, to) = (batch_axis(&x.shape)?, batch_axis(&y)?);
    // Along the batch nothing is summed: it keeps its extent.
    if x.shape.0[from] != y.0[to] {
        return Ok(None);
    }
    let windows = s.node.ints("kernel_shape").filter(|_| s.node.op == "AveragePool");
    let terms = match windows {
        Some(kernel) => {
            let taps = kernel.iter().map(|&k| usize::try_from(k).unwrap_or(1)).product();
            Terms { forward: taps, back: taps }
        }
        None if s.node.op == "Resize" => Terms { forward: volume(&x.shape)?, back: volume(&y)? },
        None => Terms { forward: volume(&x.shape)? / volume(&y)?.max(1), back: 1 },
    };
    let tightness = if x.tightness == Tightness::Box { Tightness::Tight } else { Tightness::Loose };
    let run = |x, _| s.apply(&[(0, x)])[0];
    Ok(Some(vec![affine(x, run, None, terms, tightness)?]))
}

/// Running sums of a sample's own elements.
fn running<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let (Some(x), Some(axis)) = (s.only(0), s.fixed(1).and_then(Var::as_ints)) else { return Ok(None) };
    let &[axis] = axis.as_slice() else { return Ok(None) };
    let Some(length) = x.shape.0[s.axis(axis, x.shape.rank())?].known() else { return Ok(None) };
    let terms = Terms { forward: length, back: length };
    let tightness = if x.tightness == Tightness::Box { Tightness::Tight } else { Tightness::Loose };
    let run = |x, _| s.apply(&[(0, x)])[0];
    Ok(Some(vec![affine(x, run, None, terms, tightness)?]))
}
