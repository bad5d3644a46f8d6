//! Bounds of what is affine in one tensor: sums of products with weights, and a term.

use std::ops::Add;

use super::interval::Interval;
use super::rounding::{TINY, U, gamma, room};
use super::rows::volume;
use super::site::{Charge, Image, Known, Tightness, floor};
use crate::{Result, Var};

/// A term that a linear node adds, and at least its size; both broadcast against the output.
#[derive(Clone, Copy)]
pub(super) struct Term<'b> {
    pub value: Var<'b>,
    pub size: Var<'b>,
}

impl<'b> Term<'b> {
    /// A number that is no result of a computation.
    pub fn exact(value: Var<'b>) -> Term<'b> {
        Term { value, size: value.apply("Abs") }
    }
}

impl Add for Term<'_> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Term { value: self.value + other.value, size: self.size + other.size }
    }
}

/// How many products are in a sum, at most.
#[derive(Clone, Copy)]
pub(super) struct Terms {
    /// For an element of the result.
    pub forward: usize,
    /// For an element of the input, on the way back.
    pub back: usize,
}

/// `y = W·x + b` for one x that varies: `run(x, false)` is `W·x` and `run(x, true)` is `|W|·x`.
///
/// In real arithmetic y is within `|W|·r` of `W·c + b`. What is computed is within `γ·(|W||c| + |b|)` of that, so the radius is
/// `r + γ(r + |c|)` before the weights.
pub(super) fn affine<'b>(
    x: &Known<'b>,
    run: impl Fn(Var<'b>, bool) -> Var<'b>,
    term: Option<Term<'b>>,
    terms: Terms,
    tightness: Tightness,
) -> Result<Image<'b>> {
    let run = |x, absolute, _: f64, added: Option<Var<'b>>| {
        let y = run(x, absolute);
        added.map_or(y, |added| y + added)
    };
    affine_with(x, run, term, terms, tightness, None)
}

/// The same of an operator that adds the term itself, and whose weights take a factor on the way: `run(x, absolute, factor, added)`. The
/// factors are all 1 where it is not known how large the weights are ([`heaviest`]).
///
/// In real arithmetic, and with `s = γ`, the radius before the weights is `(u − l)·h + |u + l|·o`, `h = ½(1 + 8U)(1 + s)` and
/// `2o = 4U(1 + s) + s`. Where no l is negative that is `(h + o)·(u − κl)`, `κ = (h − o)/(h + o)`, else `h·((u − l) + |u + l|·o/h)`.
/// What is computed of `κl` is off by `2U·l`, of which no more than `1.7U·l` counts; of `4U(u + l)/2` the rounding of `l + u` takes a
/// quarter, and `3U·l` or more are left. All other roundings are shares of the radius itself, as those of factors are. In place of an
/// absolute term before the weights stands one behind them.
pub(super) fn affine_with<'b>(
    x: &Known<'b>,
    run: impl Fn(Var<'b>, bool, f64, Option<Var<'b>>) -> Var<'b>,
    term: Option<Term<'b>>,
    terms: Terms,
    tightness: Tightness,
    heaviest: Option<f64>,
) -> Result<Image<'b>> {
    let share = gamma(terms.forward)?;
    let Interval { lower, upper } = x.interval;
    let counts = lower.counts_rounding();
    let tiny = TINY * terms.forward.max(1) as f64;
    let run = |x: Var<'b>, absolute: bool, factor: f64, added: Option<Var<'b>>| match added {
        Some(added) if !counts => run(x, absolute, factor, None) + added,
        added => run(x, absolute, factor, added),
    };
    // [`Interval::radius`] within, in as few passes over the elements as it takes.
    let half = 0.5 * (1.0 + 8.0 * U) * (1.0 + share);
    let off = 4.0 * U * (1.0 + share) + share;
    let radius = |r: Var<'b>, factor: f64, tiny: f64| match term {
        Some(term) => run(r, true, factor, Some(term.size * (share * room(share)) + tiny)),
        None => run(r, true, factor, None) + tiny,
    };
    let value = term.map(|term| term.value);
    let (centre, radius) = match heaviest {
        Some(heaviest) if counts => {
            let sum = lower + upper;
            let centre = run(sum, false, 0.5, value);
            let (r, factor) = if x.not_negative {
                let factor = half + 0.5 * off;
                (upper - lower * ((half - 0.5 * off) / factor), factor)
            } else {
                ((upper - lower) + sum.apply("Abs") * (0.5 * off / half), half)
            };
            (centre, radius(r, factor, tiny * (1.0 + 2.0 * heaviest)))
        }
        _ => {
            let c = x.interval.centre();
            let centre = run(c, false, 1.0, value);
            let radius = if counts {
                radius((upper - lower) * half + c.apply("Abs") * off + 2.0 * TINY, 1.0, tiny)
            } else {
                run(x.interval.radius(), true, 1.0, None)
            };
            (centre, radius)
        }
    };
    // `|Ŵx̂ − Wx| ≤ γ(|W||x̂| + |b|) + |W|e`, and a share of that for its own rounding; a share that falls below the normal range
    // is lost, and weights may be large.
    let rounding = x.error.map(|e| {
        let own = ((x.size() + e) * share + e) * (1.0 + 2.0 * share) + TINY;
        let added = term.map(|term| term.size * (share * (1.0 + 2.0 * share)));
        run(own, true, 1.0, added) + tiny
    });
    let interval = Interval { lower: centre - radius, upper: centre + radius };
    let back = gamma(terms.back)? * room(share);
    let error = match (heaviest, term) {
        (Some(_), Some(term)) if counts => run(x.size(), true, back, Some(term.size * back + tiny)),
        _ => run(x.size(), true, 1.0, term.map(|term| term.size)) * back + tiny,
    };
    let floor = Some(floor(&[x.size()], terms.back, volume(&error.shape()?)?)?);
    Ok(Image { interval, tightness, charge: Some(Charge { value, spread: None, error, floor }), rounding })
}

/// The largest absolute value of weights; none where a factor of no less than γ could take some of them out of the normal range.
pub(super) fn heaviest(weights: &[f64]) -> Option<f64> {
    let sizes = || weights.iter().map(|weight| weight.abs());
    sizes().all(|size| size == 0.0 || size >= SMALL).then(|| sizes().fold(0.0, f64::max))
}

/// Weights below this may lose digits to a factor.
const SMALL: f64 = 1e-30;
