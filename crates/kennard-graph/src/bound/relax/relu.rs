use super::{Relaxation, Relaxed, Slopes, relaxed};
use crate::Result;
use crate::bound::interval::Interval;
use crate::bound::rounding::{TINY, U};
use crate::bound::site::Site;

pub(super) const RULES: &[(&str, Relaxation)] = &[("Relu", relu)];

/// `y = max(x, 0)` for x in `[l, u]`: below the chord, and above `α·x` for any α in [0, 1], which is 1 where `u > −l`, else 0.
///
/// The chord's slope is taken as it is computed, α. As `max(x, 0) − α·x` is convex, it is nowhere above its values at the ends.
fn relu<'b>(s: &Site<'_, 'b>) -> Result<Option<Relaxed<'b>>> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let Interval { lower, upper } = x.interval;
    let (l, u) = (lower.with("Min", lower.number(0.0)), upper.with("Max", upper.number(0.0)));
    let width = u - l;
    let chord = u / width.with("Max", width.number(TINY));
    let above = (-(chord * l)).with("Max", u * (1.0 - chord)) * (1.0 + 8.0 * U) + TINY;
    let slope = (lower + upper).above(0.0);
    let intercepts = Interval { lower: above.zeros_like(), upper: above };
    let interval = x.interval.map(|end| end.apply("Relu"));
    let slopes = vec![Slopes { input: 0, lower: slope, upper: chord }];
    Ok(Some(relaxed(s, interval, slopes, intercepts)?))
}
