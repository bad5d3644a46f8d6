//! Products of two tensors that vary.

use super::super::interval::Interval;
use super::super::rounding::{TINY, U, gamma};
use super::super::rows::{batch_axis, volume};
use super::super::site::{Charge, Known, Site, floor};
use super::curve::{Curve, choose};
use super::{Relaxed, Way};
use crate::{Dim, Result, Var};

/// Of two different tensors: near `c_x·y + x·c_y − c_x·c_y`, the plane through the centres that touches none of McCormick's four and
/// lies in the middle between them: `(x − c_x)(y − c_y)` is at most `r_x·r_y` in size. Its adjoint is that of the product itself
/// at the centres.
fn product<'b>(s: &Site<'_, 'b>, interval: Option<Interval<'b>>, terms: usize) -> Result<Relaxed<'b>> {
    let pair = |f: fn(Interval<'b>) -> Var<'b>| s.apply(&s.ends(f))[0];
    let (centre, radii, sizes) = (pair(Interval::centre), pair(Interval::radius), pair(Interval::size));
    let share = gamma(terms)?;
    // `|c_x|·m_y + m_x·|c_y|` is at most twice the product of the sizes.
    let margin = sizes * (2.0 * share) + TINY * terms as f64;
    let rest = radii * (1.0 + 2.0 * share) + margin;
    let charge = Charge {
        value: Some(-centre),
        spread: None,
        error: rest,
        floor: Some(floor(
            &s.ends(Interval::size).into_iter().map(|(_, v)| v).collect::<Vec<_>>(),
            terms,
            volume(&sizes.shape()?)?,
        )?),
    };
    let interval = match interval {
        Some(interval) => interval,
        None => {
            let mixed = |a: fn(Interval<'b>) -> Var<'b>, b: fn(Interval<'b>) -> Var<'b>| {
                let ends: Vec<_> =
                    s.ends(a).into_iter().take(1).chain(s.ends(b).into_iter().skip(1)).collect();
                s.apply(&ends)[0]
            };
            let centre_size = |x: Interval<'b>| x.centre().apply("Abs");
            let radius = mixed(centre_size, Interval::radius) + mixed(Interval::radius, centre_size) + radii;
            let radius = radius * (1.0 + 4.0 * share) + margin;
            Interval { lower: centre - radius, upper: centre + radius }
        }
    };
    let centres = s.ends(Interval::centre);
    Ok(Relaxed { interval, way: Way::At(centres), charge })
}

/// Element by element; of a tensor with itself, its square.
pub(super) fn mul<'b>(s: &Site<'_, 'b>) -> Result<Option<Relaxed<'b>>> {
    let (Some(x), Some(y)) = (s.known(0), s.known(1)) else { return Ok(None) };
    if s.node.inputs[0] == s.node.inputs[1] {
        return square(s, x);
    }
    let shape = s.shape()?;
    let axis = batch_axis(&shape)?;
    for z in [x, y] {
        let own = batch_axis(&z.shape)?;
        if own + shape.rank() - z.shape.rank() != axis || z.shape.0[own] != shape.0[axis] {
            return Ok(None);
        }
    }
    let corners = [
        x.interval.lower * y.interval.lower,
        x.interval.lower * y.interval.upper,
        x.interval.upper * y.interval.lower,
        x.interval.upper * y.interval.upper,
    ];
    let least = corners.into_iter().reduce(|a, b| a.with("Min", b));
    let most = corners.into_iter().reduce(|a, b| a.with("Max", b));
    let interval = least.zip(most).map(|(lower, upper)| Interval { lower, upper }.widened(2.0 * U, 0.0));
    // Copies of a broadcast operand are summed on the way back.
    let copies = volume(&shape)? / volume(&x.shape)?.min(volume(&y.shape)?).max(1);
    Ok(Some(product(s, interval, copies)?))
}

/// `x²`, convex.
fn square<'b>(s: &Site<'_, 'b>, x: &Known<'b>) -> Result<Option<Relaxed<'b>>> {
    let curve =
        Curve { value: &|x| x * x, slope: &|x| x * 2.0, share: 2.0 * U, much: 0.0, slope_share: 2.0 * U };
    let Interval { lower, upper } = x.interval;
    let zero = lower.number(0.0);
    let (low, high) = (lower * lower, upper * upper);
    let across = lower.with("Less", zero).with("And", upper.with("Greater", zero));
    let ends = Interval { lower: low.with("Min", high), upper: low.with("Max", high) }.widened(2.0 * U, 0.0);
    let interval = Interval {
        lower: choose(across, zero.expand_like(lower), ends.lower.with("Max", zero)),
        upper: ends.upper,
    };
    curve.convex(x.interval, x.interval.centre()).relaxed(s, 0, interval)
}

/// Products of matrices over the last two axes; the batch is before these.
pub(super) fn matmul<'b>(s: &Site<'_, 'b>) -> Result<Option<Relaxed<'b>>> {
    let (Some(x), Some(y)) = (s.known(0), s.known(1)) else { return Ok(None) };
    let shape = s.shape()?;
    let axis = batch_axis(&shape)?;
    for z in [x, y] {
        let own = batch_axis(&z.shape)?;
        let rank = z.shape.rank();
        if rank < 3 || own + 2 >= rank || own + shape.rank() - rank != axis || z.shape.0[own] != shape.0[axis]
        {
            return Ok(None);
        }
    }
    let extent = |d: Dim| d.known().unwrap_or(1);
    let (rows, inner) = (x.shape.0[x.shape.rank() - 2], x.shape.0[x.shape.rank() - 1]);
    let columns = y.shape.0[y.shape.rank() - 1];
    let copies = volume(&shape)? / (extent(rows) * extent(columns)).max(1);
    let longest = extent(inner).max(extent(rows)).max(extent(columns)).saturating_mul(copies.max(1));
    Ok(Some(product(s, None, longest)?))
}
