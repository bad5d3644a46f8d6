//! Images sampled at the points of a grid (Jaderberg et al. 2015, arXiv 1506.02025).

use super::Definition;
use crate::builder::Call;
use crate::{DType, Dim, Result, Shape, Tensor, Var};

pub(super) const DEFINITIONS: &[(&str, Definition)] = &[("GridSample", grid_sample)];

/// `y[n, c, p] = Σ w(q − u(p)) x[n, c, q]` over the pixels q next to the point u(p): one (`nearest`), two along each
/// axis (`linear`) or four (`cubic`, a = −¾, as in PyTorch).
fn grid_sample<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let (x, grid) = (c.x(0), c.x(1));
    let (image, points) = (x.shape()?, grid.shape()?);
    let (&[n, Dim::Known(channels), Dim::Known(h), Dim::Known(w)], &[_, ho, wo, Dim::Known(2)]) =
        (image.0.as_slice(), points.0.as_slice())
    else {
        return Err(c.node.error(format!("data {image} at a grid {points}: only images can be sampled")));
    };
    let Some(count) = ho.known().zip(wo.known()).and_then(|(h, w)| h.checked_mul(w)) else {
        return Err(c.node.error(format!("the extents of its grid {points} are not fixed")));
    };
    if h == 0 || w == 0 {
        return Err(c.node.error(format!("there is nothing in data {image}")));
    }
    let along = |axis: i64, length: usize| {
        let u = grid.slice(&[3], &[axis], &[axis + 1], &[1]).reshape(&Shape(vec![
            n,
            Dim::Known(1),
            Dim::Known(count),
        ]));
        taps(c, u.cast_like(x), length)
    };
    let (columns, rows) = (along(0, w)?, along(1, h)?);
    let pixels = x.reshape(&Shape(vec![n, Dim::Known(channels), Dim::Known(h * w)]));
    let every_channel = c.builder.constant(Tensor::full(&[1, channels, 1], 0.0, DType::I64));
    let mut sum = None;
    for row in &rows {
        for column in &columns {
            let place = row.pixel * row.pixel.number(w as f64) + column.pixel + every_channel;
            let taken =
                c.builder.op("GatherElements", &[Some(pixels), Some(place)], &[("axis", 2i64.into())]);
            let term = taken * (row.weight * column.weight);
            sum = Some(sum.map_or(term, |sum| sum + term));
        }
    }
    let sum = sum.ok_or_else(|| c.node.error("it takes no pixels"))?;
    Ok(sum.reshape(&Shape(vec![n, Dim::Known(channels), ho, wo])))
}

/// A pixel along one axis, and its weight, for each point: `[N, 1, P]`.
struct Tap<'b> {
    /// I64, within the image.
    pixel: Var<'b>,
    /// 0 where the pixel is beyond the image and counts as 0.
    weight: Var<'b>,
}

/// The pixels along an axis of this length that belong to the coordinates u, which are −1 and 1 at the ends: of the
/// outermost pixels' centres (`align_corners`) or of the pixels.
fn taps<'b>(c: &Call<'_, 'b>, u: Var<'b>, length: usize) -> Result<Vec<Tap<'b>>> {
    let aligned = c.node.int("align_corners", 0) != 0;
    let n = length as f64;
    let padding = c.node.text("padding_mode", "zeros");
    let (low, high) = if aligned { (0.0, n - 1.0) } else { (-0.5, n - 0.5) };
    let padded = |v: Var<'b>| match padding {
        "zeros" => Ok(v),
        "border" => Ok(clipped(v, n)),
        "reflection" => Ok(clipped(reflected(v, low, high), n)),
        other => Err(c.node.error(format!("its padding_mode `{other}` is none of the standard's"))),
    };
    let at = if aligned { (u + 1.0) * (0.5 * (n - 1.0)) } else { ((u + 1.0) * n - 1.0) * 0.5 };
    let tap = |pixel: Var<'b>, weight: Var<'b>| {
        let inside = clipped(pixel, n);
        let weight = match padding {
            "zeros" => weight * inside.with("Equal", pixel).cast_like(weight),
            _ => weight,
        };
        Tap { pixel: inside.cast(DType::I64), weight }
    };
    match c.node.text("mode", "linear") {
        "nearest" => {
            let pixel = padded(at)?.apply("Round");
            Ok(vec![tap(pixel, pixel.number(1.0))])
        }
        "linear" => {
            let at = padded(at)?;
            let first = at.apply("Floor");
            let t = at - first;
            Ok(vec![tap(first, 1.0 - t), tap(first + 1.0, t)])
        }
        "cubic" => {
            let first = at.apply("Floor");
            let t = at - first;
            let a = -0.75;
            // Of distances up to 1, and from 1 to 2.
            let near = |t: Var<'b>| ((a + 2.0) * t - (a + 3.0)) * t * t + 1.0;
            let far = |t: Var<'b>| ((a * t - 5.0 * a) * t + 8.0 * a) * t - 4.0 * a;
            let weights = [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)];
            let pixels = [first - 1.0, first, first + 1.0, first + 2.0];
            pixels.into_iter().zip(weights).map(|(pixel, w)| Ok(tap(padded(pixel)?, w))).collect()
        }
        other => Err(c.node.error(format!("its mode `{other}` is none of the standard's"))),
    }
}

/// Brought to `0 … n − 1`.
fn clipped(v: Var, n: f64) -> Var {
    v.builder().op("Clip", &[Some(v), Some(v.number(0.0)), Some(v.number(n - 1.0))], &[])
}

/// Folded back at both ends until it lies between them.
fn reflected(v: Var, low: f64, high: f64) -> Var {
    let span = high - low;
    if span <= 0.0 {
        return v * 0.0;
    }
    let beyond = (v - low).apply("Abs");
    let turns = (beyond / span).apply("Floor");
    let rest = beyond - turns * span;
    let odd = turns - (turns * 0.5).apply("Floor") * 2.0;
    rest + odd * (span - rest * 2.0) + low
}
