//! Powers with a constant exponent.

use super::curve::{Curve, Line, Lines, choose};
use super::{Relaxation, Relaxed};
use crate::bound::interval::Interval;
use crate::bound::rounding::TINY;
use crate::bound::site::Site;
use crate::{Result, Var};

pub(super) const RULES: &[(&str, Relaxation)] = &[("Pow", pow)];

/// What a runtime's power is off by at most, as a share of itself.
const SHARE: f64 = 1e-5;

/// `xᵖ`: convex everywhere for even p; above 0 convex for `p ≤ 0` and `p ≥ 1`, else concave. Where x may be 0 or below it, it
/// is known to grow for odd p, and of other exponents nothing is said.
fn pow<'b>(s: &Site<'_, 'b>) -> Result<Option<Relaxed<'b>>> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let Some(p) = s.fixed(1).and_then(|v| v.as_constant()).and_then(|v| v.item()) else { return Ok(None) };
    // An exponent of more axes gives the power these axes too.
    if !p.is_finite() || p.abs() > 64.0 || s.shape()? != x.shape {
        return Ok(None);
    }
    let even = p >= 2.0 && p % 2.0 == 0.0;
    let power = |x: Var<'b>, p: f64| x.with("Pow", x.number(p));
    let concave = 0.0 < p && p < 1.0;
    let sign = if concave { -1.0 } else { 1.0 };
    let value = |x: Var<'b>| power(x, p) * sign;
    let slope = |x: Var<'b>| power(x, p - 1.0) * (p * sign);
    let curve = Curve { value: &value, slope: &slope, share: SHARE, much: 0.0, slope_share: 2.0 * SHARE };
    let Interval { lower, upper } = x.interval;
    let zero = lower.number(0.0);
    let touching = x.interval.centre().with("Max", lower).with("Min", upper);
    let lines = curve.convex(x.interval, touching);
    let lines = if concave { lines.negated() } else { lines };
    let (low, high) = (power(lower, p), power(upper, p));
    let ends = Interval { lower: low.with("Min", high), upper: low.with("Max", high) }.widened(SHARE, TINY);
    let interval = if even {
        let across = lower.with("Less", zero).with("And", upper.with("Greater", zero));
        Interval {
            lower: choose(across, zero.expand_like(lower), ends.lower.with("Max", zero)),
            upper: ends.upper,
        }
    } else if p >= 1.0 && p % 2.0 == 1.0 {
        let positive = lower.with("Greater", zero);
        let flat = |intercept: Var<'b>| Line { slope: intercept.zeros_like(), intercept };
        let lines = lines.or(positive, Lines { lower: flat(ends.lower), upper: flat(ends.upper) });
        return lines.relaxed(s, 0, ends);
    } else {
        let positive = lower.with("Greater", zero);
        let nowhere = lower.number(f64::INFINITY);
        Interval {
            lower: choose(positive, ends.lower, -nowhere),
            upper: choose(positive, ends.upper, nowhere),
        }
    };
    lines.relaxed(s, 0, interval)
}
