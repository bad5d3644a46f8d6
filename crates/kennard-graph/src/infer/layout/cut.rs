//! Operators that cut tensors and put borders around them.

use super::axes;
use crate::infer::{Context, Inferred, Sym, one};
use crate::{Dim, Result, Shape};

/// What `Slice` takes along one axis.
pub(crate) struct SliceSpan {
    pub axis: usize,
    pub start: Sym,
    pub end: Sym,
    pub step: i64,
}

/// The spans of a `Slice(data, starts, ends, axes, steps)` of data of this rank; `None` if they are
/// not known.
pub(crate) fn spans(c: &Context, rank: usize) -> Result<Option<Vec<SliceSpan>>> {
    c.input(1)?;
    c.input(2)?;
    let (Some(starts), Some(ends)) = (c.value(1), c.value(2)) else { return Ok(None) };
    let n = starts.len();
    let list = |i: usize, default: &dyn Fn(i64) -> i64| match c.optional(i) {
        None => Some((0..n as i64).map(default).collect()),
        Some(_) => c.ints(i),
    };
    let (Some(named), Some(steps)) = (list(3, &|i| i), list(4, &|_| 1)) else { return Ok(None) };
    if ends.len() != n || named.len() != n || steps.len() != n {
        return c.fail("starts, ends, axes and steps must have one length");
    }
    if steps.contains(&0) {
        return c.fail("a step is 0");
    }
    let axes = axes(c, &named, rank)?;
    let span = |(((axis, start), end), step)| SliceSpan { axis, start, end, step };
    Ok(Some(axes.into_iter().zip(starts.iter()).zip(ends.iter()).zip(steps).map(span).collect()))
}

impl SliceSpan {
    /// Start and number of elements taken of an axis of `extent` elements, as NumPy clamps them.
    pub fn range(&self, extent: usize) -> Option<(usize, usize)> {
        let (Sym::Known(start), Sym::Known(end)) = (self.start, self.end) else { return None };
        let (n, step) = (extent as i128, i128::from(self.step));
        let wrap = |v: i64| if v < 0 { i128::from(v) + n } else { v.into() };
        let (least, most) = if step > 0 { (0, n) } else { (-1, n - 1) };
        let (start, end) = (wrap(start).clamp(least, most), wrap(end).clamp(least, most));
        let span = if step > 0 { end - start } else { start - end };
        let count = if span <= 0 { 0 } else { (span - 1) / step.abs() + 1 };
        Some((usize::try_from(start.max(0)).ok()?, usize::try_from(count).ok()?))
    }

    /// The extent of the result.
    fn extent(&self, extent: Dim) -> Option<Dim> {
        /// Exporters write any of these for "to the end".
        const FAR: i64 = i32::MAX as i64 - 1;
        match extent {
            Dim::Known(n) => self.range(n).map(|(_, count)| Dim::Known(count)),
            Dim::Batch(k) => {
                let k = i64::try_from(k).ok()?;
                // In units of the batch.
                let place = |s: Sym| match s {
                    Sym::Known(0) => Some(0),
                    Sym::Known(n) if n >= FAR => Some(k),
                    Sym::Known(n) if n <= -FAR => Some(0),
                    Sym::Batch(m) => Some(if m < 0 { m + k } else { m }.clamp(0, k)),
                    _ => None,
                };
                match self.step {
                    1 => {
                        let (start, end) = (place(self.start)?, place(self.end)?);
                        let taken = usize::try_from((end - start).max(0)).ok()?;
                        Some(if taken == 0 { Dim::Known(0) } else { Dim::Batch(taken) })
                    }
                    // The batch reversed.
                    -1 if matches!(self.start, Sym::Known(n) if n == -1 || n >= FAR)
                        && matches!(self.end, Sym::Known(n) if n <= -FAR) =>
                    {
                        Some(extent)
                    }
                    _ => None,
                }
            }
        }
    }
}

pub(super) fn slice(c: &Context) -> Inferred {
    let x = c.input(0)?;
    let Some(spans) = spans(c, x.shape.rank())? else { return Ok(None) };
    let mut shape = x.shape.clone();
    for span in spans {
        match span.extent(shape.0[span.axis]) {
            Some(d) => shape.0[span.axis] = d,
            None => return Ok(None),
        }
    }
    one(x.dtype, shape)
}

/// The elements that `Pad(data, pads, value, axes)` adds before and behind each axis; negative
/// numbers remove. `None` if they are not known.
pub(crate) fn padding(c: &Context, rank: usize) -> Result<Option<Vec<(i64, i64)>>> {
    c.input(1)?;
    let Some(pads) = c.ints(1) else { return Ok(None) };
    let named = match (c.optional(3), c.ints(3)) {
        (None, _) => (0..rank).collect(),
        (Some(_), Some(named)) => axes(c, &named, rank)?,
        (Some(_), None) => return Ok(None),
    };
    let n = named.len();
    if pads.len() != 2 * n {
        return c.fail(format!("pads {pads:?} must have {} elements", 2 * n));
    }
    let mut padding = vec![(0, 0); rank];
    for (i, axis) in named.into_iter().enumerate() {
        padding[axis] = (pads[i], pads[i + n]);
    }
    Ok(Some(padding))
}

pub(super) fn pad(c: &Context) -> Inferred {
    let x = c.input(0)?;
    let Some(padding) = padding(c, x.shape.rank())? else { return Ok(None) };
    let mut dims = Vec::new();
    for (&d, (before, behind)) in x.shape.0.iter().zip(padding) {
        match d {
            d if (before, behind) == (0, 0) => dims.push(d),
            Dim::Batch(_) => return Ok(None),
            Dim::Known(n) => match usize::try_from(n as i128 + i128::from(before) + i128::from(behind)) {
                Ok(n) => dims.push(Dim::Known(n)),
                Err(_) => return c.fail(format!("{} cannot be padded by {before} and {behind}", x.shape)),
            },
        }
    }
    one(x.dtype, Shape(dims))
}
