//! Sums and means over axes.

use super::Linear;
use crate::bound::affine::{Terms, affine};
use crate::bound::rows::{batch_axis, volume};
use crate::bound::site::{Image, Site, Tightness};
use crate::{Dim, Result, Var};

pub(super) const RULES: &[(&str, Linear)] = &[
    ("ReduceSum", weightless),
    ("ReduceMean", weightless),
    ("GlobalAveragePool", weightless),
    ("AveragePool", weightless),
    ("CumSum", running),
    ("Resize", resize),
];

/// Nearest and linear interpolation have no negative weights. Where the extents change by powers of 2, and the file's scales are these,
/// places are computed exactly, so that the runtime's weights are those of the standard. What lies outside the image is not a sum of
/// its elements.
fn resize<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let y = s.shape()?;
    let power = |(from, to): (&Dim, &Dim)| match (from, to) {
        (Dim::Known(from), Dim::Known(to)) if *from > 0 && *to > 0 => {
            let (more, less) = (from.max(to), from.min(to));
            (more.is_multiple_of(*less) && (more / less).is_power_of_two()).then(|| *to as f64 / *from as f64)
        }
        (from, to) => (from == to).then_some(1.0),
    };
    let ratios: Option<Vec<f64>> = x.shape.0.iter().zip(&y.0).map(power).collect();
    let axes = s.node.ints("axes").map_or_else(|| (0..y.rank() as i64).collect(), <[i64]>::to_vec);
    let at = |axis: i64| usize::try_from(if axis < 0 { axis + y.rank() as i64 } else { axis }).ok();
    let told = |ratios: &[f64], scales: &[f64]| {
        let mut ratio = axes.iter().map(|&axis| ratios.get(at(axis)?));
        scales.iter().all(|scale| ratio.next().flatten() == Some(scale))
    };
    let exact = ratios.is_some_and(|ratios| match s.optional(2) {
        Some(_) => s.floats(2).is_some_and(|scales| told(&ratios, scales)),
        None => true,
    });
    let places = s.node.text("coordinate_transformation_mode", "half_pixel");
    let simple = matches!(s.node.text("mode", "nearest"), "nearest" | "linear")
        && !matches!(places, "align_corners" | "tf_crop_and_resize");
    if simple && exact { weightless(s) } else { Ok(None) }
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
