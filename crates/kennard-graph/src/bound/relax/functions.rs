//! Functions of one number.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI, PI};

use super::curve::{Curve, Line, Lines, choose, monotone};
use super::{Relaxation, Relaxed};
use crate::bound::interval::Interval;
use crate::bound::rounding::{TINY, U};
use crate::bound::site::{Known, Site};
use crate::{Result, Var};

pub(super) const RULES: &[(&str, Relaxation)] = &[
    ("Tanh", tanh),
    ("Erf", erf),
    ("Softsign", softsign),
    ("Atan", atan),
    ("Exp", exp),
    ("Softplus", softplus),
    ("Elu", elu),
    ("Log", log),
    ("Sqrt", sqrt),
    ("Reciprocal", reciprocal),
    ("Gelu", gelu),
    ("Sin", |s| wave(s, "Sin", |x| x.apply("Cos"))),
    ("Cos", |s| wave(s, "Cos", |x| -x.apply("Sin"))),
];

/// What runtimes' elementary functions are off by at most: this share of the result, or this much where results are near a
/// number other than 0.
const SHARE: f64 = 4e-6;
pub(in crate::bound) const MUCH: f64 = 1e-6;
/// The same of division and square roots, which are rounded correctly.
const ROUNDED: f64 = 2.0 * U;

type Bounded<'b> = Result<Option<Relaxed<'b>>>;

/// `1/cosh² x` is computed so that it is off by a share of itself.
fn tanh<'b>(s: &Site<'_, 'b>) -> Bounded<'b> {
    let slope = |x: Var<'b>| {
        let e = (x.apply("Abs") * -2.0).apply("Exp");
        let d = 1.0 + e;
        4.0 * e / (d * d)
    };
    s_shaped(
        s,
        &Curve { value: &|x| x.apply("Tanh"), slope: &slope, share: 0.0, much: MUCH, slope_share: 1e-4 },
        12.0,
    )
}

fn erf<'b>(s: &Site<'_, 'b>) -> Bounded<'b> {
    let slope = |x: Var<'b>| (-(x * x)).apply("Exp") * FRAC_2_SQRT_PI;
    s_shaped(
        s,
        &Curve { value: &|x| x.apply("Erf"), slope: &slope, share: 0.0, much: MUCH, slope_share: 1e-4 },
        6.0,
    )
}

fn softsign<'b>(s: &Site<'_, 'b>) -> Bounded<'b> {
    let value = |x: Var<'b>| x / (1.0 + x.apply("Abs"));
    let slope = |x: Var<'b>| {
        let d = 1.0 + x.apply("Abs");
        1.0 / (d * d)
    };
    s_shaped(
        s,
        &Curve { value: &value, slope: &slope, share: 4.0 * ROUNDED, much: 0.0, slope_share: 8.0 * ROUNDED },
        1e6,
    )
}

fn atan<'b>(s: &Site<'_, 'b>) -> Bounded<'b> {
    let slope = |x: Var<'b>| 1.0 / (1.0 + x * x);
    s_shaped(
        s,
        &Curve {
            value: &|x| x.apply("Atan"),
            slope: &slope,
            share: SHARE,
            much: MUCH,
            slope_share: 8.0 * ROUNDED,
        },
        1e6,
    )
}

fn s_shaped<'b>(s: &Site<'_, 'b>, curve: &Curve<'_, 'b>, far: f64) -> Bounded<'b> {
    let Some(x) = s.only(0) else { return Ok(None) };
    curve.s_shaped(x.interval, far).relaxed(s, 0, monotone(x, curve))
}

/// A convex function that does not fall; it touches its tangent at the centre.
fn convex<'b>(s: &Site<'_, 'b>, curve: &Curve<'_, 'b>) -> Bounded<'b> {
    let Some(x) = s.only(0) else { return Ok(None) };
    curve.convex(x.interval, within(x, x.interval.centre())).relaxed(s, 0, monotone(x, curve))
}

/// A point of the interval.
fn within<'b>(x: &Known<'b>, t: Var<'b>) -> Var<'b> {
    t.with("Max", x.interval.lower).with("Min", x.interval.upper)
}

/// The tangent touches no further than 1 from the lower end, so that it stays above 0 there.
fn exp<'b>(s: &Site<'_, 'b>) -> Bounded<'b> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let curve = Curve {
        value: &|x| x.apply("Exp"),
        slope: &|x| x.apply("Exp"),
        share: SHARE,
        much: 0.0,
        slope_share: SHARE,
    };
    let touching = within(x, x.interval.centre().with("Min", x.interval.lower + 0.99));
    let interval = monotone(x, &curve);
    let positive = Interval { lower: interval.lower.with("Max", interval.lower.number(0.0)), ..interval };
    curve.convex(x.interval, touching).relaxed(s, 0, positive)
}

/// The slope is the logistic function by `exp`: `Sigmoid` is not exact to a share of itself far below 0 (ONNX Runtime's is off by 7e-8
/// there).
fn softplus<'b>(s: &Site<'_, 'b>) -> Bounded<'b> {
    let decay = |x: Var<'b>| (-x.apply("Abs")).apply("Exp");
    let value = |x: Var<'b>| x.apply("Relu") + (1.0 + decay(x)).apply("Log");
    let slope = |x: Var<'b>| {
        let e = decay(x);
        choose(x.with("Greater", x.number(0.0)), x.number(1.0).expand_like(x), e) / (1.0 + e)
    };
    convex(s, &Curve { value: &value, slope: &slope, share: SHARE, much: 5.0 * MUCH, slope_share: 1e-4 })
}

/// Convex for `0 ≤ α ≤ 1`.
fn elu<'b>(s: &Site<'_, 'b>) -> Bounded<'b> {
    let alpha = s.node.float("alpha", 1.0);
    if !(0.0..=1.0).contains(&alpha) {
        return Ok(None);
    }
    let decay = move |x: Var<'b>| x.with("Min", x.number(0.0)).apply("Exp");
    let value = |x: Var<'b>| x.apply("Relu") + (decay(x) - 1.0) * alpha;
    let slope =
        |x: Var<'b>| choose(x.with("Greater", x.number(0.0)), x.number(1.0).expand_like(x), decay(x) * alpha);
    convex(s, &Curve { value: &value, slope: &slope, share: SHARE, much: 5.0 * MUCH, slope_share: SHARE })
}

/// Concave; where x may be 0 or below it is no number, and nothing is said.
fn log<'b>(s: &Site<'_, 'b>) -> Bounded<'b> {
    let slope = |x: Var<'b>| -x.apply("Reciprocal");
    let minus =
        Curve { value: &|x| -x.apply("Log"), slope: &slope, share: SHARE, much: MUCH, slope_share: ROUNDED };
    concave(s, &minus)
}

fn sqrt<'b>(s: &Site<'_, 'b>) -> Bounded<'b> {
    let slope = |x: Var<'b>| -0.5 / x.apply("Sqrt").with("Max", x.number(TINY));
    let minus = Curve {
        value: &|x| -x.apply("Sqrt"),
        slope: &slope,
        share: ROUNDED,
        much: 0.0,
        slope_share: 2.0 * ROUNDED,
    };
    concave(s, &minus)
}

/// A concave function that does not fall, given as its negative.
fn concave<'b>(s: &Site<'_, 'b>, minus: &Curve<'_, 'b>) -> Bounded<'b> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let interval = x.interval.map(|x| -(minus.value)(x)).widened(minus.share, minus.much);
    minus.convex(x.interval, within(x, x.interval.centre())).negated().relaxed(s, 0, interval)
}

/// Convex above 0, concave below. Where x may be 0, nothing is said.
fn reciprocal<'b>(s: &Site<'_, 'b>) -> Bounded<'b> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let Interval { lower, upper } = x.interval;
    let zero = lower.number(0.0);
    let value = |x: Var<'b>| x.apply("Reciprocal");
    let slope = |x: Var<'b>| {
        let y = x.apply("Reciprocal");
        -(y * y)
    };
    let curve = Curve { value: &value, slope: &slope, share: ROUNDED, much: 0.0, slope_share: 4.0 * ROUNDED };
    let touching = within(x, x.interval.centre());
    let right = curve.convex(x.interval, touching);
    // 1/x = −1/(−x)
    let mirrored = curve.convex(-x.interval, -touching);
    let turned = |line: Line<'b>| Line { slope: line.slope, intercept: -line.intercept };
    let left = Lines { lower: turned(mirrored.upper), upper: turned(mirrored.lower) };
    let positive = lower.with("Greater", zero);
    let interval = Interval { lower: value(upper), upper: value(lower) }.widened(ROUNDED, 0.0);
    let somewhere = positive.with("Or", upper.with("Less", zero));
    let nowhere = lower.number(f64::INFINITY);
    let interval = Interval {
        lower: choose(somewhere, interval.lower, -nowhere),
        upper: choose(somewhere, interval.upper, nowhere),
    };
    right.or(positive, left).relaxed(s, 0, interval)
}

/// `x·Φ(x)`: near its tangent, as its second derivative is nowhere larger than `√(2/π)` in size; and, where the interval is
/// long, near `max(x, 0)`, which it is below by at most 0.17.
fn gelu<'b>(s: &Site<'_, 'b>) -> Bounded<'b> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let tangent = s.node.text("approximate", "none") == "tanh";
    let value = |x: Var<'b>| {
        let inner = if tangent {
            x * (x * x * (0.044715 * (2.0 / PI).sqrt()) + (2.0 / PI).sqrt())
        } else {
            x * FRAC_1_SQRT_2
        };
        x * (inner.apply(if tangent { "Tanh" } else { "Erf" }) * 0.5 + 0.5)
    };
    let slope = |x: Var<'b>| {
        if tangent {
            let square = x * x;
            let t = (x * (square * (0.044715 * (2.0 / PI).sqrt()) + (2.0 / PI).sqrt())).apply("Tanh");
            let inner = square * (3.0 * 0.044715 * (2.0 / PI).sqrt()) + (2.0 / PI).sqrt();
            (t + 1.0) * 0.5 + x * 0.5 * (1.0 - t * t) * inner
        } else {
            let density = (x * x * -0.5).apply("Exp") * (1.0 / (2.0 * PI).sqrt());
            (x * FRAC_1_SQRT_2).apply("Erf") * 0.5 + 0.5 + x * density
        }
    };
    let curve =
        Curve { value: &value, slope: &slope, share: 4.0 * SHARE, much: 5.0 * MUCH, slope_share: 1e-4 };
    let near = curve.smooth(x.interval, 0.82);
    let Interval { lower, upper } = x.interval;
    let zero = lower.number(0.0);
    let (l, u) = (lower.with("Min", zero), upper.with("Max", zero));
    let chord = u / (u - l).with("Max", lower.number(TINY));
    let above = (-(chord * l)).with("Max", u * (1.0 - chord)) * (1.0 + 8.0 * U) + TINY;
    let below = (lower + upper).above(0.0);
    let far = Lines {
        lower: Line { slope: below, intercept: lower.number(-DIP).expand_like(lower) },
        upper: Line { slope: chord, intercept: above },
    };
    // Far below 0 the product is of a large number with what is left of a difference.
    let close = (upper - lower)
        .with("Less", lower.number(1.0))
        .with("And", lower.with("Greater", lower.number(-5.0)));
    let interval = x.interval.map(|end| end.apply("Relu"));
    let interval = Interval { lower: interval.lower - DIP, upper: interval.upper };
    near.or(close, far).relaxed(s, 0, interval)
}

/// No more than this is `max(x, 0)` above the smooth one.
const DIP: f64 = 0.1701;

/// Farther from 0 than this, runtimes lose digits of sines.
const LOST: f64 = 100.0;

/// A sine: near its tangent, or anywhere in `[−1, 1]`.
fn wave<'b>(s: &Site<'_, 'b>, op: &str, slope: impl Fn(Var<'b>) -> Var<'b>) -> Bounded<'b> {
    let Some(x) = s.only(0) else { return Ok(None) };
    let value = |x: Var<'b>| x.apply(op);
    let curve = Curve { value: &value, slope: &slope, share: SHARE, much: MUCH, slope_share: SHARE };
    let near = curve.smooth(x.interval, 1.0);
    let lower = x.interval.lower;
    let flat =
        |height: f64| Line { slope: lower.zeros_like(), intercept: lower.number(height).expand_like(lower) };
    let far = Lines { lower: flat(-1.0), upper: flat(1.0) };
    let known = lower
        .with("Greater", lower.number(-LOST))
        .with("And", x.interval.upper.with("Less", lower.number(LOST)));
    let close = (x.interval.upper - lower).with("Less", lower.number(2.0)).with("And", known);
    let interval = Interval { lower: far.lower.intercept, upper: far.upper.intercept };
    near.or(close, far).relaxed(s, 0, interval)
}
