use super::{Relaxation, Relaxed, Slopes, Way, relaxed};
use crate::bound::interval::Interval;
use crate::bound::rounding::{TINY, U};
use crate::bound::rows::{Rows, volume};
use crate::bound::site::Site;
use crate::{DType, Dim, Result, TensorType};

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
    let mut node = relaxed(s, interval, slopes, intercepts)?;
    // The upper intercept is nowhere below the lower one: half of it is an error like others, in one product with them.
    if let Some(spread) = node.charge.spread.take() {
        node.charge.error = node.charge.error + spread * (1.0 + 4.0 * U);
    }
    // No slope is steeper than 1, whichever is chosen from outside.
    node.charge.error = node.charge.error + x.interval.size() * (12.0 * U);
    Ok(Some(node))
}

/// The way past the same node with a slope α of the lower line for each row, from an input `[N, R, n]`: where the sign of x is known
/// the line is that of the function, elsewhere any number counts as the nearest in [0, 1].
pub(in crate::bound) fn sloped<'b>(s: &Site<'_, 'b>, rows: Rows, name: &str) -> Result<Way<'b>> {
    let (Some(x), Some(Relaxed { way: Way::Planes(planes), .. })) = (s.only(0), relu(s)?) else {
        return Err(s.node.error("has no slopes to choose"));
    };
    let (zero, one) = (x.interval.lower.number(0.0), x.interval.lower.number(1.0));
    let dims = vec![Dim::BATCH, Dim::Known(rows.0), Dim::Known(volume(&x.shape)?)];
    let given = s.builder.input(name, TensorType::new(DType::F32, dims));
    let alpha = s.builder.op("Clip", &[Some(given), Some(zero), Some(one)], &[]);
    let alpha = rows.split(rows.unflat(alpha, &x.shape)?, &x.shape)?;
    let active = x.interval.lower.with("GreaterOrEqual", zero);
    let open = x.interval.upper.with("Greater", zero).with("And", active.apply("Not")).cast_like(zero);
    let lower = alpha * rows.lift(open)? + rows.lift(active.cast_like(zero))?;
    let lower = rows.join(lower, &x.shape);
    Ok(Way::Planes(planes.into_iter().map(|plane| Slopes { lower, ..plane }).collect()))
}
