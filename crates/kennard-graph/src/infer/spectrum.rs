//! `STFT(x, step, window, length)`, `DFT(x, length, axis)` and `AffineGrid(theta, size)`.

use super::{Context, Inferred, ShapeRule, one};
use crate::{Dim, Result, Shape};

pub(super) const RULES: &[(&str, ShapeRule)] = &[("STFT", stft), ("DFT", dft), ("AffineGrid", affine_grid)];

/// A number that is an extent.
fn extent(c: &Context, i: usize) -> Result<Option<usize>> {
    let Some([value]) = c.ints(i).as_deref().map(<[i64]>::to_vec).and_then(|v| <[i64; 1]>::try_from(v).ok())
    else {
        return Ok(None);
    };
    let fits = usize::try_from(value).ok().filter(|&n| n > 0 && n <= i32::MAX as usize);
    fits.map(Some).ok_or_else(|| c.node.error(format!("its input {i} is {value}, no length")))
}

/// `[N, L, 1 or 2]` to `[N, frames, frequencies, 2]`.
fn stft(c: &Context) -> Inferred {
    let x = c.input(0)?;
    let [n, length, ..] = x.shape.0.as_slice() else {
        return c.fail(format!("its signal {} has no axis of time", x.shape));
    };
    let window = c.optional(2).and_then(|ty| ty.shape.0.first().copied()).and_then(Dim::known);
    let frame = if c.optional(3).is_some() { extent(c, 3)? } else { window };
    let (Some(step), Some(frame), Some(length)) = (extent(c, 1)?, frame, length.known()) else {
        return Ok(None);
    };
    if frame == 0 || frame > length {
        return c.fail(format!("frames of {frame} do not fit into a signal of {length}"));
    }
    let frames = (length - frame) / step + 1;
    let frequencies = if c.node.int("onesided", 1) != 0 { frame / 2 + 1 } else { frame };
    one(x.dtype, Shape(vec![*n, Dim::Known(frames), Dim::Known(frequencies), Dim::Known(2)]))
}

fn dft(c: &Context) -> Inferred {
    let x = c.input(0)?;
    let rank = x.shape.rank();
    let axis = if c.optional(2).is_some() { c.ints(2).and_then(|v| v.first().copied()) } else { Some(-2) };
    let Some(axis) = axis else { return Ok(None) };
    let axis = c.axis(axis, rank)?;
    if axis + 1 == rank {
        return c.fail("its axis is that of real and imaginary parts");
    }
    let [onesided, inverse] = ["onesided", "inverse"].map(|name| c.node.int(name, 0) != 0);
    let length = match (c.optional(1).is_some(), x.shape.0[axis].known()) {
        (true, _) => extent(c, 1)?,
        (false, Some(half)) if onesided && inverse => Some(2 * half.saturating_sub(1)).filter(|&n| n > 0),
        (false, given) => given,
    };
    let Some(length) = length else { return Ok(None) };
    let mut shape = x.shape.clone();
    shape.0[axis] = Dim::Known(if onesided && !inverse { length / 2 + 1 } else { length });
    // One half of a spectrum is that of real numbers.
    shape.0[rank - 1] = Dim::Known(if onesided && inverse { 1 } else { 2 });
    one(x.dtype, shape)
}

/// `theta [N, d, d + 1]`, sizes `[N, C, …]` to `[N, …, d]`.
fn affine_grid(c: &Context) -> Inferred {
    let theta = c.input(0)?;
    let Some(size) = c.dims(1)? else { return Ok(None) };
    let d = size.rank().saturating_sub(2);
    if !matches!(d, 2 | 3) || theta.shape.0.get(1..) != Some(&[Dim::Known(d), Dim::Known(d + 1)]) {
        return c.fail(format!("matrices {} make no grid for {size}", theta.shape));
    }
    let shape = [&theta.shape.0[..1], &size.0[2..], &[Dim::Known(d)]].concat();
    one(theta.dtype, Shape(shape))
}
