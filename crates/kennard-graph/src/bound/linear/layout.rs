//! Elements kept, moved and copied.

use super::Linear;
use crate::bound::interval::Interval;
use crate::bound::rounding::{TINY, gamma};
use crate::bound::rows::{batch_axis, volume};
use crate::bound::site::{Charge, Image, Site, Tightness, floor};
use crate::{GraphError, Result, Shape, Var};

pub(super) const RULES: &[(&str, Linear)] = &[
    ("Identity", |s| moved(s, Copies::None)),
    ("Cast", cast),
    ("Reshape", same_elements),
    ("Flatten", same_elements),
    ("Squeeze", same_elements),
    ("Unsqueeze", same_elements),
    ("Transpose", transpose),
    ("DepthToSpace", |s| moved(s, Copies::None)),
    ("SpaceToDepth", |s| moved(s, Copies::None)),
    ("Slice", slice),
    ("Split", |s| moved(s, Copies::None)),
    ("Trilu", trilu),
    ("Concat", concat),
    ("Pad", pad),
    ("Expand", expand),
    ("Tile", |s| moved(s, Copies::Some)),
    ("Gather", |s| moved(s, Copies::Some)),
    ("GatherND", gather_nd),
    ("Where", choose),
];

/// Whether an element may be in several places of the result.
#[derive(Clone, Copy, PartialEq)]
enum Copies {
    None,
    Some,
}

/// Between floats: a number stays what it is. (That a model rounds to half precision is its own forward error.)
fn cast<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let float = s.lowest().ty()?.dtype.is_float();
    Ok(float.then(|| vec![Image::moved(x.interval, x.tightness)]))
}

/// The operator applied to both bounds of its first input, all else being constant.
fn moved<'b>(s: &Site<'_, 'b>, copies: Copies) -> Result<Option<Vec<Image<'b>>>> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let (lowers, uppers) = (s.apply(&[(0, x.interval.lower)]), s.apply(&[(0, x.interval.upper)]));
    let images = lowers.into_iter().zip(uppers).map(|(lower, upper)| {
        let y = lower.shape()?;
        if x.shape.0[batch_axis(&x.shape)?] != y.0[batch_axis(&y)?] {
            return Ok(None);
        }
        Ok(Some(image(Interval { lower, upper }, x.interval.size(), x.tightness, copies)?))
    });
    images.collect()
}

fn image<'b>(interval: Interval<'b>, x: Var<'b>, tightness: Tightness, copies: Copies) -> Result<Image<'b>> {
    if copies == Copies::None {
        return Ok(Image::moved(interval, tightness));
    }
    // The adjoint sums over the copies.
    let terms = volume(&interval.lower.shape()?)?;
    let charge = Charge {
        value: None,
        spread: None,
        error: interval.size() * gamma(terms)? + TINY,
        floor: Some(floor(&[x], terms, terms)?),
    };
    let tightness = tightness.min(Tightness::Tight);
    Ok(Image { interval, tightness, charge: Some(charge), rounding: None })
}

/// The same elements in the same order. A sample's stay its own where the batch is behind as many elements as before.
fn same_elements<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let interval = s.interval();
    let before = |shape: &Shape| Ok::<_, GraphError>(Shape(shape.0[..batch_axis(shape)?].to_vec()).volume());
    let same = before(&x.shape)? == before(&interval.lower.shape()?)?;
    Ok(same.then(|| vec![Image::moved(interval, x.tightness)]))
}

/// A part; the batch is not turned around.
fn slice<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let batch = batch_axis(&x.shape)?;
    let ints = |i: usize| s.optional(i).map_or(Some(Vec::new()), |v| v.as_ints());
    let (Some(starts), Some(axes), Some(steps)) = (ints(1), ints(3), ints(4)) else { return Ok(None) };
    let axis = |i: usize| s.axis(axes.get(i).copied().unwrap_or(i as i64), x.shape.rank());
    for i in 0..starts.len() {
        if axis(i)? == batch && steps.get(i).is_some_and(|&step| step != 1) {
            return Ok(None);
        }
    }
    moved(s, Copies::None)
}

/// A triangle of matrices; the batch is no side of them.
fn trilu<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let Some(x) = s.only(0) else { return Ok(None) };
    if batch_axis(&x.shape)? + 2 >= x.shape.rank() { Ok(None) } else { moved(s, Copies::None) }
}

/// Axes permuted, the batch among them.
fn transpose<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let Some(x) = s.only(0) else { return Ok(None) };
    Ok(Some(vec![Image::moved(s.interval(), x.tightness)]))
}

/// Side by side, not along the batch.
fn concat<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let varying = s.varying();
    let interval = s.interval();
    let y = interval.lower.shape()?;
    let axis = batch_axis(&y)?;
    if s.axis(s.node.int("axis", 0), y.rank())? == axis {
        return Ok(None);
    }
    let known = varying.iter().filter_map(|&i| s.known(i));
    let tightness = known.map(|x| x.tightness).min().unwrap_or(Tightness::Loose);
    let tightness = if varying.len() > 1 { tightness.min(Tightness::Tight) } else { tightness };
    if varying.len() == s.node.inputs.len() {
        return Ok(Some(vec![Image::moved(interval, tightness)]));
    }
    Ok(Some(vec![with_value(interval, s.at_zero(), tightness)?]))
}

/// An image with elements of its own: `value` where nothing varies, else 0.
fn with_value<'b>(interval: Interval<'b>, value: Var<'b>, tightness: Tightness) -> Result<Image<'b>> {
    let n = volume(&value.shape()?)?;
    let error = value.apply("Abs") * gamma(1)? + TINY;
    let charge =
        Charge { value: Some(value), spread: None, error, floor: Some(floor(&[value.apply("Abs")], 1, n)?) };
    Ok(Image { interval, tightness, charge: Some(charge), rounding: None })
}

/// A margin of a constant value; other margins copy elements.
fn pad<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    if s.node.text("mode", "constant") != "constant" {
        return moved(s, Copies::Some);
    }
    let Some(x) = s.only(0) else { return Ok(None) };
    let number = s.optional(2).map(|v| v.as_constant().and_then(|v| v.item()));
    match number {
        None | Some(Some(0.0)) => moved(s, Copies::None),
        _ => Ok(Some(vec![with_value(s.interval(), s.at_zero(), x.tightness)?])),
    }
}

/// Copies along axes of extent 1, or in front.
fn expand<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let y = s.shape()?;
    let (axis, own) = (batch_axis(&y)?, batch_axis(&x.shape)?);
    if own + y.rank() - x.shape.rank() != axis || x.shape.0[own] != y.0[axis] {
        return Ok(None);
    }
    Ok(Some(vec![image(s.interval(), x.interval.size(), x.tightness, Copies::Some)?]))
}

/// Elements at constant places along the axes before the batch.
fn gather_nd<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let (Some(x), Some(places)) = (s.only(0), s.fixed(1)) else { return Ok(None) };
    let batch = batch_axis(&x.shape)?;
    let depth = places.shape()?.0.last().and_then(|dim| dim.known());
    if s.node.int("batch_dims", 0) != 0 || depth.is_none_or(|depth| depth > batch) {
        return Ok(None);
    }
    moved(s, Copies::Some)
}

/// One of two by a condition that is the same for all samples.
fn choose<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    if s.fixed(0).is_none() {
        return Ok(None);
    }
    let interval = s.interval();
    let y = interval.lower.shape()?;
    let (axis, n) = (batch_axis(&y)?, volume(&y)?);
    let varying = s.varying();
    let (mut tightness, mut copies, mut sizes) = (Tightness::Box, false, Vec::new());
    for i in 1..s.node.inputs.len() {
        let Some(x) = s.known(i) else {
            if s.optional(i).is_some_and(|given| given.ty().is_ok_and(|ty| ty.dtype.is_float())) {
                continue;
            }
            return Ok(None);
        };
        let own = batch_axis(&x.shape)?;
        if own + y.rank() - x.shape.rank() != axis || x.shape.0[own] != y.0[axis] {
            return Ok(None);
        }
        tightness = tightness.min(x.tightness);
        copies |= volume(&x.shape)? != n;
        sizes.push(x.interval.size());
    }
    let tightness = if varying.len() > 1 || copies { tightness.min(Tightness::Tight) } else { tightness };
    if varying.len() > 1 && !copies {
        return Ok(Some(vec![Image::moved(interval, tightness)]));
    }
    let value = (varying.len() == 1).then(|| s.at_zero());
    sizes.extend(value.map(|value| value.apply("Abs")));
    // The adjoint sums over copies.
    let terms = if copies { n } else { 1 };
    let error = interval.size() * gamma(terms)? + TINY;
    let charge = Charge { value, spread: None, error, floor: Some(floor(&sizes, terms, n)?) };
    Ok(Some(vec![Image { interval, tightness, charge: Some(charge), rounding: None }]))
}
