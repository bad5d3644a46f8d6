//! Intervals of operators, for nodes that walks do not pass.

use super::interval::Interval;
use super::rounding::{HUGE, U};
use super::rows::batch_axis;
use super::site::Site;
use crate::Result;

/// A node's interval, or `None` where it has none.
pub(super) type Span = for<'a, 'b> fn(&Site<'a, 'b>) -> Result<Option<Interval<'b>>>;

pub(super) fn rule(op: &str) -> Option<Span> {
    RULES.iter().find(|(name, _)| *name == op).map(|(_, rule)| *rule)
}

const RULES: &[(&str, Span)] = &[
    ("Abs", absolute),
    ("Ceil", rising),
    ("Clip", |s| if s.only(0).is_some() { rising(s) } else { Ok(None) }),
    ("Floor", rising),
    ("GlobalMaxPool", rising),
    ("HardSigmoid", |s| if s.node.float("alpha", 0.2) >= 0.0 { rounded(s) } else { Ok(None) }),
    ("LeakyRelu", |s| if s.node.float("alpha", 0.01) >= 0.0 { rounded(s) } else { Ok(None) }),
    ("Max", rising),
    ("MaxPool", rising),
    ("Min", rising),
    ("ReduceMax", rising),
    ("ReduceMin", rising),
    ("ReduceSumSquare", |s| Ok(s.only(0).is_some().then(|| not_negative(s)))),
    ("Round", rising),
    ("Sign", rising),
];

/// Never falls where an input rises, and is not rounded: from all lower to all upper ends. The batch stays where it is.
fn rising<'b>(s: &Site<'_, 'b>) -> Result<Option<Interval<'b>>> {
    let ends = Interval { lower: s.apply(&s.ends(|x| x.lower))[0], upper: s.apply(&s.ends(|x| x.upper))[0] };
    let shape = ends.lower.shape()?;
    let Ok(axis) = batch_axis(&shape) else { return Ok(None) };
    for i in s.varying() {
        let Some(x) = s.known(i) else { continue };
        if x.shape.0[batch_axis(&x.shape)?] != shape.0[axis] {
            return Ok(None);
        }
    }
    Ok(Some(ends))
}

/// The same, rounded.
fn rounded<'b>(s: &Site<'_, 'b>) -> Result<Option<Interval<'b>>> {
    Ok(rising(s)?.map(|interval| interval.widened(8.0 * U, 4.0 * U)))
}

/// Squares and their sums.
fn not_negative<'b>(s: &Site<'_, 'b>) -> Interval<'b> {
    let like = s.apply(&s.ends(|x| x.lower))[0];
    Interval { lower: like.zeros_like(), upper: like.number(HUGE).expand_like(like) }
}

fn absolute<'b>(s: &Site<'_, 'b>) -> Result<Option<Interval<'b>>> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let Interval { lower, upper } = x.interval;
    let least = lower.with("Max", -upper).with("Max", lower.number(0.0));
    Ok(Some(Interval { lower: least, upper: x.interval.size() }))
}
