//! Intervals of operators, for nodes that walks do not pass.

use super::interval::Interval;
use super::rounding::{HUGE, U};
use super::rows::batch_axis;
use super::site::Site;
use crate::{DType, Result, Shape, Var};

/// A node's interval, or `None` where it has none.
pub(super) type Span = for<'a, 'b> fn(&Site<'a, 'b>) -> Result<Option<Interval<'b>>>;

pub(super) fn rule(op: &str) -> Option<Span> {
    RULES.iter().find(|(name, _)| *name == op).map(|(_, rule)| *rule)
}

const RULES: &[(&str, Span)] = &[
    ("Abs", absolute),
    ("Ceil", rising),
    ("Clip", |s| if s.only(0).is_some() { rising(s) } else { Ok(None) }),
    ("Equal", equal),
    ("Floor", rising),
    ("GlobalMaxPool", rising),
    ("Greater", compared),
    ("GreaterOrEqual", compared),
    ("HardSigmoid", |s| if s.node.float("alpha", 0.2) >= 0.0 { rounded(s) } else { Ok(None) }),
    ("IsInf", not_finite),
    ("IsNaN", not_finite),
    ("LeakyRelu", |s| if s.node.float("alpha", 0.01) >= 0.0 { rounded(s) } else { Ok(None) }),
    ("Less", compared),
    ("LessOrEqual", compared),
    ("Max", rising),
    ("MaxPool", rising),
    ("Min", rising),
    ("ReduceMax", rising),
    ("ReduceMin", rising),
    ("ReduceSumSquare", |s| Ok(s.only(0).is_some().then(|| not_negative(s)))),
    ("Round", rising),
    ("Sign", rising),
    ("Where", chosen),
];

/// Never falls where an input rises, and is not rounded: from all lower to all upper ends. The batch stays where it is.
fn rising<'b>(s: &Site<'_, 'b>) -> Result<Option<Interval<'b>>> {
    let ends = s.interval();
    Ok(apart(s, &ends.lower.shape()?)?.then_some(ends))
}

/// Whether the samples of a result of this shape are those of the inputs.
fn apart(s: &Site, shape: &Shape) -> Result<bool> {
    let Ok(axis) = batch_axis(shape) else { return Ok(false) };
    for i in s.varying() {
        let Some(x) = s.known(i) else { continue };
        if x.shape.0[batch_axis(&x.shape)?] != shape.0[axis] {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What input `i` lies in, if it is a tensor of floats, or of truth values that vary.
fn operand<'b>(s: &Site<'_, 'b>, i: usize) -> Result<Option<Interval<'b>>> {
    if let Some(x) = s.known(i) {
        return Ok(Some(x.interval));
    }
    let Some(given) = s.optional(i) else { return Ok(None) };
    Ok(given.ty()?.dtype.is_float().then_some(Interval { lower: given, upper: given }))
}

/// A comparison as 0 or 1: 1 for sure if the pair of ends that is farthest from it passes it, 0 if the nearest pair fails it. Nothing
/// is rounded.
fn compared<'b>(s: &Site<'_, 'b>) -> Result<Option<Interval<'b>>> {
    let (Some(x), Some(y)) = (operand(s, 0)?, operand(s, 1)?) else { return Ok(None) };
    let (farthest, nearest) = match s.node.op.as_str() {
        "Greater" | "GreaterOrEqual" => ((x.lower, y.upper), (x.upper, y.lower)),
        _ => ((x.upper, y.lower), (x.lower, y.upper)),
    };
    let passes = |(x, y): (Var<'b>, Var<'b>)| x.with(&s.node.op, y).cast(DType::F32);
    let interval = Interval { lower: passes(farthest), upper: passes(nearest) };
    Ok(apart(s, &interval.lower.shape()?)?.then_some(interval))
}

/// The same of equality: 1 for sure between numbers that are known, 0 between intervals that do not meet.
fn equal<'b>(s: &Site<'_, 'b>) -> Result<Option<Interval<'b>>> {
    let (Some(x), Some(y)) = (operand(s, 0)?, operand(s, 1)?) else { return Ok(None) };
    let both = |[(a, b), (c, d)]: [(Var<'b>, Var<'b>); 2]| {
        a.with("LessOrEqual", b).with("And", c.with("LessOrEqual", d)).cast(DType::F32)
    };
    let interval = Interval {
        lower: both([(x.upper, y.lower), (y.upper, x.lower)]),
        upper: both([(x.lower, y.upper), (y.lower, x.upper)]),
    };
    Ok(apart(s, &interval.lower.shape()?)?.then_some(interval))
}

/// Whether an element is no finite number: never between ends that are, and open elsewhere.
fn not_finite<'b>(s: &Site<'_, 'b>) -> Result<Option<Interval<'b>>> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let finite = |end: Var<'b>| end.apply("Abs").with("LessOrEqual", end.number(HUGE));
    let within = finite(x.interval.lower).with("And", finite(x.interval.upper));
    let upper = within.apply("Not").cast(DType::F32);
    Ok(Some(Interval { lower: upper.zeros_like(), upper }))
}

/// One of two by a condition that varies: either of them where it is open.
fn chosen<'b>(s: &Site<'_, 'b>) -> Result<Option<Interval<'b>>> {
    let Some(condition) = s.known(0) else { return Ok(None) };
    let (Some(x), Some(y)) = (operand(s, 1)?, operand(s, 2)?) else { return Ok(None) };
    let Interval { lower, upper } = condition.interval;
    let half = lower.number(0.5);
    let (always, never) = (lower.with("Greater", half), upper.with("Less", half));
    let choose = |condition, yes, no| s.builder.op("Where", &[Some(condition), Some(yes), Some(no)], &[]);
    let end = |x: Var<'b>, y: Var<'b>, extreme: &str| choose(always, x, choose(never, y, x.with(extreme, y)));
    let interval = Interval { lower: end(x.lower, y.lower, "Min"), upper: end(x.upper, y.upper, "Max") };
    Ok(apart(s, &interval.lower.shape()?)?.then_some(interval))
}

/// The same, rounded.
fn rounded<'b>(s: &Site<'_, 'b>) -> Result<Option<Interval<'b>>> {
    Ok(rising(s)?.map(|interval| interval.widened(8.0 * U, 4.0 * U)))
}

/// Squares and their sums.
fn not_negative<'b>(s: &Site<'_, 'b>) -> Interval<'b> {
    let like = s.lowest();
    Interval { lower: like.zeros_like(), upper: like.number(HUGE).expand_like(like) }
}

fn absolute<'b>(s: &Site<'_, 'b>) -> Result<Option<Interval<'b>>> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let Interval { lower, upper } = x.interval;
    let least = lower.with("Max", -upper).with("Max", lower.number(0.0));
    Ok(Some(Interval { lower: least, upper: x.interval.size() }))
}
