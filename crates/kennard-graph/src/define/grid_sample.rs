//! Images sampled at the points of a grid (Jaderberg et al. 2015, arXiv 1506.02025).

use super::Definition;
use crate::builder::Call;
use crate::{DType, Dim, Result, Shape, Tensor, Var};

pub(super) const DEFINITIONS: &[(&str, Definition)] = &[("GridSample", grid_sample)];

/// `y[n, c, p] = Σ w(q − u(p)) x[n, c, q]` over the pixels q next to the point u(p): one (`nearest`), two along each
/// axis (`linear`) or four (`cubic`, a = −¾, as in PyTorch). The grid's last axis counts the image's from the end.
fn grid_sample<'b>(c: &Call<'_, 'b>) -> Result<Var<'b>> {
    let (x, grid) = (c.x(0), c.x(1));
    let (image, points) = (x.shape()?, grid.shape()?);
    let misfit = || c.node.error(format!("data {image} cannot be sampled at a grid {points}"));
    let fixed = |dims: &[Dim]| dims.iter().map(|d| d.known()).collect::<Option<Vec<usize>>>();
    let [n, channels, lengths @ ..] = image.0.as_slice() else { return Err(misfit()) };
    let (Some(channels), Some(lengths)) = (channels.known(), fixed(lengths)) else { return Err(misfit()) };
    let outputs = points.0.get(1..points.rank().saturating_sub(1)).unwrap_or_default();
    let count = fixed(outputs).and_then(|dims| dims.iter().try_fold(1usize, |n, &d| n.checked_mul(d)));
    let (Some(count), Some(volume)) = (count, lengths.iter().try_fold(1usize, |n, &d| n.checked_mul(d)))
    else {
        return Err(misfit());
    };
    // More axes would take more pixels than anybody wants.
    if lengths.len() > 3
        || lengths.len() + 2 != points.rank()
        || points.0.last() != Some(&Dim::Known(lengths.len()))
        || volume == 0
    {
        return Err(misfit());
    }

    // The pixels of every point, by their place among all, with the weights of the axes so far.
    let every_channel = c.builder.constant(Tensor::full(&[1, channels, 1], 0.0, DType::I64));
    let mut pixels: Vec<(Var, Option<Var>)> = vec![(every_channel, None)];
    for (axis, &length) in lengths.iter().enumerate() {
        let of_grid = (lengths.len() - 1 - axis) as i64;
        let u = grid.slice(&[points.rank() as i64 - 1], &[of_grid], &[of_grid + 1], &[1]);
        let u = u.reshape(&Shape(vec![*n, Dim::Known(1), Dim::Known(count)])).cast_like(x);
        let taps = taps(c, u, length)?;
        let further = |(place, weight): &(Var<'b>, Option<Var<'b>>)| {
            let (place, weight) = (*place * place.number(length as f64), *weight);
            let each = taps.iter().map(move |tap| {
                (place + tap.pixel, Some(weight.map_or(tap.weight, |weight| weight * tap.weight)))
            });
            each.collect::<Vec<_>>()
        };
        pixels = pixels.iter().flat_map(further).collect();
    }
    let flat = x.reshape(&Shape(vec![*n, Dim::Known(channels), Dim::Known(volume)]));
    let along = [("axis", 2i64.into())];
    let terms = pixels.into_iter().filter_map(|(place, weight)| {
        Some(c.builder.op("GatherElements", &[Some(flat), Some(place)], &along) * weight?)
    });
    let sum = terms.reduce(|sum, term| sum + term).ok_or_else(misfit)?;
    Ok(sum.reshape(&Shape([&image.0[..2], outputs].concat())))
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
        other => Err(c.node.error(format!("its padding_mode `{other}` is not in the ONNX standard"))),
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
        other => Err(c.node.error(format!("its mode `{other}` is not in the ONNX standard"))),
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
