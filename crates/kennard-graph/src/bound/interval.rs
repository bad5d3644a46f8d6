use std::ops::{Add, Neg};

use super::rounding::{TINY, U};
use crate::Var;

/// Two tensors of one shape `[N, …]` between which a third lies, element by element.
#[derive(Clone, Copy)]
pub(super) struct Interval<'b> {
    pub lower: Var<'b>,
    pub upper: Var<'b>,
}

impl<'b> Interval<'b> {
    /// The centre, rounded.
    pub fn centre(self) -> Var<'b> {
        (self.lower + self.upper) * 0.5
    }

    /// At least how far both ends are from [`Interval::centre`].
    pub fn radius(self) -> Var<'b> {
        let width = self.upper - self.lower;
        if !width.counts_rounding() {
            return width * 0.5;
        }
        let half = width * (0.5 * (1.0 + 8.0 * U));
        half + self.centre().apply("Abs") * (4.0 * U) + TINY
    }

    /// The largest absolute value.
    pub fn size(self) -> Var<'b> {
        self.upper.with("Max", -self.lower)
    }

    /// The same function of both ends.
    pub fn map(self, f: impl Fn(Var<'b>) -> Var<'b>) -> Interval<'b> {
        Interval { lower: f(self.lower), upper: f(self.upper) }
    }

    /// What lies in both.
    pub fn meet(self, other: Interval<'b>) -> Interval<'b> {
        Interval { lower: self.lower.with("Max", other.lower), upper: self.upper.with("Min", other.upper) }
    }

    /// Both ends moved outwards by this share of them and this much.
    pub fn widened(self, share: f64, much: f64) -> Interval<'b> {
        if !self.lower.counts_rounding() {
            return self;
        }
        let margin = |v: Var<'b>| v.apply("Abs") * (share + 2.0 * U) + (much * 1.001 + TINY);
        Interval { lower: self.lower - margin(self.lower), upper: self.upper + margin(self.upper) }
    }
}

impl Add for Interval<'_> {
    type Output = Self;

    /// Sums, rounded.
    fn add(self, other: Self) -> Self {
        Interval { lower: self.lower + other.lower, upper: self.upper + other.upper }
    }
}

impl Neg for Interval<'_> {
    type Output = Self;

    fn neg(self) -> Self {
        Interval { lower: -self.upper, upper: -self.lower }
    }
}
