use std::ops::Deref;

use super::interval::Interval;
use super::rounding::{HUGE, TINY, U, gamma, room};
use super::rows::{column, sum_of_last, volume};
use crate::builder::Call;
use crate::{Attribute, Dim, GraphError, Result, Shape, Var};

/// How close an interval is to what the tensor takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tightness {
    /// Elements may depend on each other, or the bounds be too wide.
    Loose,
    /// Every element reaches both of its bounds (but for rounding).
    Tight,
    /// And they do so independently of each other: a box.
    Box,
}

/// What is known of a tensor that depends on the input.
#[derive(Clone)]
pub(super) struct Known<'b> {
    pub interval: Interval<'b>,
    pub shape: Shape,
    pub tightness: Tightness,
    /// How far the tensor as a network in single precision computes it may be from it; none where that is not followed.
    pub error: Option<Var<'b>>,
    /// Whether no lower end is below 0.
    pub not_negative: bool,
    /// How large the ends can be, where that is known.
    pub reach: Option<Reach>,
}

impl<'b> Known<'b> {
    /// The largest absolute value.
    pub fn size(&self) -> Var<'b> {
        let Interval { upper, .. } = self.interval;
        if self.not_negative && upper.counts_rounding() { upper } else { self.interval.size() }
    }
}

/// The ends of an interval are at most `growth·s + offset` in absolute value, s being the largest absolute value of the ends of a
/// tensor that is checked.
#[derive(Clone, Copy)]
pub(super) struct Reach {
    /// Which of those that are checked.
    pub anchor: usize,
    pub growth: f64,
    pub offset: f64,
}

/// A node at which some inputs are known by intervals; the others are constant.
pub(super) struct Site<'a, 'b> {
    pub call: Call<'a, 'b>,
    pub inputs: Vec<Option<Known<'b>>>,
    /// Whether what is constant is computed beforehand.
    pub folds: bool,
}

impl<'a, 'b> Deref for Site<'a, 'b> {
    type Target = Call<'a, 'b>;

    fn deref(&self) -> &Call<'a, 'b> {
        &self.call
    }
}

impl<'b> Site<'_, 'b> {
    /// The inputs that depend on the model's.
    pub fn varying(&self) -> Vec<usize> {
        (0..self.inputs.len()).filter(|&i| self.inputs[i].is_some()).collect()
    }

    /// Input `i`, if it is the only one that depends on the model's.
    pub fn only(&self, i: usize) -> Option<&Known<'b>> {
        if self.varying() == [i] { self.known(i) } else { None }
    }

    /// What is known of input `i`; `None` if it is constant.
    pub fn known(&self, i: usize) -> Option<&Known<'b>> {
        self.inputs.get(i)?.as_ref()
    }

    /// One end of every input that varies.
    pub fn ends(&self, end: fn(Interval<'b>) -> Var<'b>) -> Vec<(usize, Var<'b>)> {
        let varying = self.inputs.iter().enumerate();
        varying.filter_map(|(i, known)| Some((i, end(known.as_ref()?.interval)))).collect()
    }

    /// The shape of the first output.
    pub fn shape(&self) -> Result<Shape> {
        self.apply(&self.ends(|x| x.lower))[0].shape()
    }

    /// Input `i`, if there is one and it is the same for all samples.
    pub fn fixed(&self, i: usize) -> Option<Var<'b>> {
        let given = self.optional(i).filter(|_| self.known(i).is_none())?;
        given.shape().is_ok_and(|shape| shape.known().is_some()).then_some(given)
    }

    /// The node with other tensors in the places of those that vary.
    pub fn apply(&self, replaced: &[(usize, Var<'b>)]) -> Vec<Var<'b>> {
        self.apply_as(&self.node.op, replaced)
    }

    /// The same with another operator.
    pub fn apply_as(&self, op: &str, replaced: &[(usize, Var<'b>)]) -> Vec<Var<'b>> {
        let input = |i: usize| {
            let other = replaced.iter().find(|(j, _)| *j == i).map(|(_, var)| *var);
            other.or_else(|| self.optional(i))
        };
        let inputs: Vec<Option<Var>> = (0..self.node.inputs.len()).map(input).collect();
        let attributes: Vec<(&str, Attribute)> =
            self.node.attributes.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        self.builder.op_n(op, &inputs, &attributes, self.node.outputs.len().max(1))
    }
}

/// One output of a node.
pub(super) struct Image<'b> {
    pub interval: Interval<'b>,
    pub tightness: Tightness,
    /// For a walk back to use, if the node has any.
    pub charge: Option<Charge<'b>>,
    /// The error of [`Known`], where the rule brings it.
    pub rounding: Option<Var<'b>>,
}

/// What a walk back adds at a node: for a functional Λ of its output, `⟨Λ, value⟩ ∓ ⟨|Λ|, spread + error⟩`.
#[derive(Clone)]
pub(super) struct Charge<'b> {
    /// The same for all samples, or not; broadcast.
    pub value: Option<Var<'b>>,
    /// Half of how far two planes are apart where their inputs are 0; of any sign.
    pub spread: Option<Var<'b>>,
    /// `[N, …]`, not negative: it covers rounding as well.
    pub error: Var<'b>,
    /// What results below the normal range cost beside that, `[N, 1, 1]`.
    pub floor: Option<Var<'b>>,
}

impl<'b> Image<'b> {
    /// Elements moved and not computed.
    pub fn moved(interval: Interval<'b>, tightness: Tightness) -> Image<'b> {
        Image { interval, tightness, charge: None, rounding: None }
    }
}

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

/// The largest absolute value of constant weights; none where a factor of no less than γ could take some of them out of the normal range.
pub(super) fn heaviest(w: Var) -> Option<f64> {
    let values = w.as_constant()?.to_floats()?;
    let sizes = || values.iter().map(|value| value.abs());
    sizes().all(|size| size == 0.0 || size >= SMALL).then(|| sizes().fold(0.0, f64::max))
}

/// Weights below this may lose digits to a factor.
const SMALL: f64 = 1e-30;

/// What products below the normal range can cost a walk back through a node, whose inputs have these sizes and whose result
/// has `elements` elements: for every element of its inputs, as many of them as are in a sum.
pub(super) fn floor<'b>(sizes: &[Var<'b>], terms: usize, elements: usize) -> Result<Var<'b>> {
    let mut total: Option<Var> = None;
    for &size in sizes {
        let sum = summed(size)? * (TINY * terms.max(1) as f64);
        total = Some(total.map_or(sum + TINY * elements as f64, |total| total + sum));
    }
    total.ok_or_else(|| GraphError::Shape("a node without inputs has no bounds".into()))
}

/// The smallest of all that belongs to a sample: `[N]`.
pub(super) fn smallest(tensor: Var<'_>) -> Result<Var<'_>> {
    let shape = tensor.shape()?;
    Ok(column(tensor, &shape)?.reduce("ReduceMin", &[1, 2], false))
}

/// The sum of all that belongs to a sample: `[N, 1, 1]`.
pub(super) fn summed(tensor: Var<'_>) -> Result<Var<'_>> {
    let shape = tensor.shape()?;
    let row = Shape(vec![Dim::BATCH, Dim::Known(1), Dim::Known(volume(&shape)?)]);
    sum_of_last(column(tensor, &shape)?.reshape(&row))
}

/// 1 for every sample whose interval is one of numbers within the range, else 0: `[N]`.
pub(super) fn sound<'b>(interval: Interval<'b>) -> Result<Var<'b>> {
    let width = interval.upper - interval.lower;
    smallest(width.with("LessOrEqual", width.number(HUGE)).cast_like(width))
}
