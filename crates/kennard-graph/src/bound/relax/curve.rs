//! Lines above and below functions of one number. A slope is any number; the intercept is sound for the slope as it was
//! computed. So nothing depends on how well a touching point was found.

use super::{Relaxed, Slopes, relaxed};
use crate::bound::interval::Interval;
use crate::bound::rounding::{TINY, U};
use crate::bound::site::{Known, Site};
use crate::{Result, Var};

/// A function, its derivative, and by how much runtimes may be off: by this share of the result and this much.
#[derive(Clone, Copy)]
pub(super) struct Curve<'c, 'b> {
    pub value: &'c dyn Fn(Var<'b>) -> Var<'b>,
    pub slope: &'c dyn Fn(Var<'b>) -> Var<'b>,
    pub share: f64,
    pub much: f64,
    /// The relative error of the derivative.
    pub slope_share: f64,
}

/// Two lines, the upper one above and the lower one below.
#[derive(Clone, Copy)]
pub(super) struct Lines<'b> {
    pub lower: Line<'b>,
    pub upper: Line<'b>,
}

/// `slope·x + intercept`
#[derive(Clone, Copy)]
pub(super) struct Line<'b> {
    pub slope: Var<'b>,
    pub intercept: Var<'b>,
}

impl<'b> Curve<'_, 'b> {
    /// `φ(x) − αx`, and at least what that is off by.
    fn gap(&self, x: Var<'b>, slope: Var<'b>) -> (Var<'b>, Var<'b>) {
        let (y, linear) = ((self.value)(x), slope * x);
        let margin =
            y.apply("Abs") * (self.share + 8.0 * U) + linear.apply("Abs") * (8.0 * U) + (self.much + TINY);
        (y - linear, margin)
    }

    /// For a convex function: the chord, and the tangent at a point of the interval.
    pub fn convex(&self, x: Interval<'b>, touching: Var<'b>) -> Lines<'b> {
        let Interval { lower: l, upper: u } = x;
        let width = (u - l).with("Max", u.number(TINY));
        let chord = ((self.value)(u) - (self.value)(l)) / width;
        let above = |end: Var<'b>| {
            let (gap, margin) = self.gap(end, chord);
            gap + margin
        };
        let upper = Line { slope: chord, intercept: above(l).with("Max", above(u)) };
        // φ(x) ≥ φ(t) + φ'(t)(x − t): the slope as computed is off by a share of itself, over no more than the width.
        let slope = (self.slope)(touching);
        let (gap, margin) = self.gap(touching, slope);
        let margin = margin + slope.apply("Abs") * (u - l) * (self.slope_share + 2.0 * U);
        Lines { lower: Line { slope, intercept: gap - margin }, upper }
    }

    /// For an odd function that is convex below 0 and concave above: the upper line.
    ///
    /// Where the interval has both signs, the line through the lower end that touches the function above 0 (found by
    /// halving), or the chord where it would touch beyond the upper end. Below 0 `φ(x) − αx` is convex, above 0 it lies below its
    /// tangents, so its maximum is known whatever the slope.
    pub fn above_s_shaped(&self, x: Interval<'b>, far: f64) -> Line<'b> {
        let Interval { lower: l, upper: u } = x;
        let zero = l.number(0.0);
        let (top, low) = (u.with("Max", zero), l.with("Max", zero));
        let at_l = (self.value)(l);
        // Positive where the tangent at t passes below φ(l)'s.
        let ahead = |t: Var<'b>| (self.slope)(t) * (t - l) - ((self.value)(t) - at_l);
        let (mut a, mut b) = (zero.expand_like(l), top.with("Min", l.number(far)));
        for _ in 0..HALVINGS {
            let middle = (a + b) * 0.5;
            let further = ahead(middle).with("Greater", zero);
            (a, b) = (choose(further, middle, a), choose(further, b, middle));
        }
        let concave = l.with("GreaterOrEqual", zero);
        let chordal = ahead(top).with("GreaterOrEqual", zero);
        let middle = (l + u) * 0.5;
        let touching = choose(concave, middle, choose(chordal, top, b));
        let touching = touching.with("Max", low).with("Min", top);
        let width = (u - l).with("Max", l.number(TINY));
        let chord = ((self.value)(u) - at_l) / width;
        let tangent = (self.slope)(touching);
        let chordal = chordal.with("And", concave.apply("Not")).with("Or", u.with("LessOrEqual", zero));
        let slope = choose(chordal, chord, tangent);

        let end = |end: Var<'b>| {
            let (gap, margin) = self.gap(end, slope);
            gap + margin
        };
        let (gap, margin) = self.gap(touching, slope);
        let rest = tangent - slope;
        let onward = (rest * (top - touching)).with("Max", rest * (low - touching)) * (1.0 + 8.0 * U);
        let off = tangent.apply("Abs") * (self.slope_share + 4.0 * U) + slope.apply("Abs") * (4.0 * U);
        let positive = gap + margin + onward + off * (top - low) + TINY;
        let right = choose(u.with("Greater", zero), positive, end(u));
        Line { slope, intercept: end(l).with("Max", right) }
    }

    /// For an odd function that is convex below 0 and concave above: both lines.
    pub fn s_shaped(&self, x: Interval<'b>, far: f64) -> Lines<'b> {
        let mirrored = self.above_s_shaped(-x, far);
        let lower = Line { slope: mirrored.slope, intercept: -mirrored.intercept };
        Lines { lower, upper: self.above_s_shaped(x, far) }
    }

    /// For any function whose second derivative is at most `most` in size: the tangent at the centre, moved up and down.
    pub fn smooth(&self, x: Interval<'b>, most: f64) -> Lines<'b> {
        let (c, r) = (x.centre(), x.radius());
        let slope = (self.slope)(c);
        let (gap, margin) = self.gap(c, slope);
        let off = slope.apply("Abs") * (self.slope_share + 2.0 * U) + self.much;
        let margin = margin + r * r * (most * (0.5 + 8.0 * U)) + r * off + TINY;
        let line = |intercept| Line { slope, intercept };
        Lines { lower: line(gap - margin), upper: line(gap + margin) }
    }
}

/// A share of `2⁻¹⁴` of the interval is near enough.
const HALVINGS: usize = 14;

pub(super) fn choose<'b>(condition: Var<'b>, yes: Var<'b>, no: Var<'b>) -> Var<'b> {
    yes.builder().op("Where", &[Some(condition), Some(yes), Some(no)], &[])
}

impl<'b> Lines<'b> {
    /// The same of `−φ`.
    pub fn negated(self) -> Lines<'b> {
        let minus = |line: Line<'b>| Line { slope: -line.slope, intercept: -line.intercept };
        Lines { lower: minus(self.upper), upper: minus(self.lower) }
    }

    /// These lines where the condition holds, others elsewhere.
    pub fn or(self, condition: Var<'b>, other: Lines<'b>) -> Lines<'b> {
        let line = |a: Line<'b>, b: Line<'b>| Line {
            slope: choose(condition, a.slope, b.slope),
            intercept: choose(condition, a.intercept, b.intercept),
        };
        Lines { lower: line(self.lower, other.lower), upper: line(self.upper, other.upper) }
    }

    /// The node between them.
    pub fn relaxed(
        self,
        s: &Site<'_, 'b>,
        input: usize,
        interval: Interval<'b>,
    ) -> Result<Option<Relaxed<'b>>> {
        let slopes = vec![Slopes { input, lower: self.lower.slope, upper: self.upper.slope }];
        let intercepts = Interval { lower: self.lower.intercept, upper: self.upper.intercept };
        Ok(Some(relaxed(s, interval, slopes, intercepts)?))
    }
}

/// A monotone function's interval.
pub(super) fn monotone<'b>(x: &Known<'b>, curve: &Curve<'_, 'b>) -> Interval<'b> {
    x.interval.map(curve.value).widened(curve.share, curve.much)
}
