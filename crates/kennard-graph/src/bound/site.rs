use std::ops::Deref;

use super::interval::Interval;
use super::rounding::{HUGE, TINY, U, gamma};
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
}

/// A node at which some inputs are known by intervals; the others are constant.
pub(super) struct Site<'a, 'b> {
    pub call: Call<'a, 'b>,
    pub inputs: Vec<Option<Known<'b>>>,
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
    /// What results below the normal range cost beside that, `[N]`.
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
    let run = |x, absolute, added: Option<Var<'b>>| {
        let y = run(x, absolute);
        added.map_or(y, |added| y + added)
    };
    affine_with(x, run, term, terms, tightness)
}

/// The same of an operator that adds the term itself: `run(x, absolute, added)`.
pub(super) fn affine_with<'b>(
    x: &Known<'b>,
    run: impl Fn(Var<'b>, bool, Option<Var<'b>>) -> Var<'b>,
    term: Option<Term<'b>>,
    terms: Terms,
    tightness: Tightness,
) -> Result<Image<'b>> {
    let share = gamma(terms.forward)?;
    let c = x.interval.centre();
    let tiny = TINY * terms.forward.max(1) as f64;
    let run = |x: Var<'b>, absolute: bool, added: Option<Var<'b>>| match added {
        Some(added) if !c.counts_rounding() => run(x, absolute, None) + added,
        added => run(x, absolute, added),
    };
    let centre = run(c, false, term.map(|term| term.value));
    let radius = if c.counts_rounding() {
        // [`Interval::radius`] within, in as few passes over the elements as it takes.
        let half = 0.5 * (1.0 + 8.0 * U) * (1.0 + share);
        let off = 4.0 * U * (1.0 + share) + share;
        let r = (x.interval.upper - x.interval.lower) * half + c.apply("Abs") * off + 2.0 * TINY;
        match term {
            Some(term) => run(r, true, Some(term.size * share + tiny)),
            None => run(r, true, None) + tiny,
        }
    } else {
        run(x.interval.radius(), true, None)
    };
    let size = run(x.interval.size(), true, term.map(|term| term.size));
    // `|Ŵx̂ − Wx| ≤ γ(|W||x̂| + |b|) + |W|e`, and a share of that for its own rounding.
    let rounding = x.error.map(|e| {
        let own = ((x.interval.size() + e) * share + e) * (1.0 + 2.0 * share);
        let added = term.map(|term| term.size * (share * (1.0 + 2.0 * share)));
        run(own, true, added) + tiny
    });
    let interval = Interval { lower: centre - radius, upper: centre + radius };
    let shape = size.shape()?;
    let error = size * gamma(terms.back)? + tiny;
    let floor = Some(floor(&[x.interval.size()], terms.back, volume(&shape)?)?);
    let value = term.map(|term| term.value);
    Ok(Image { interval, tightness, charge: Some(Charge { value, spread: None, error, floor }), rounding })
}

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

/// The sum of all that belongs to a sample: `[N]`.
pub(super) fn summed(tensor: Var<'_>) -> Result<Var<'_>> {
    let shape = tensor.shape()?;
    let row = Shape(vec![Dim::BATCH, Dim::Known(1), Dim::Known(volume(&shape)?)]);
    Ok(sum_of_last(column(tensor, &shape)?.reshape(&row))?.reshape(&Shape(vec![Dim::BATCH])))
}

/// 1 for every sample whose interval is one of numbers within the range, else 0: `[N]`.
pub(super) fn sound<'b>(interval: Interval<'b>) -> Result<Var<'b>> {
    let width = interval.upper - interval.lower;
    smallest(width.with("LessOrEqual", width.number(HUGE)).cast_like(width))
}
