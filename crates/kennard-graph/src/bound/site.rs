use std::cell::OnceCell;
use std::ops::Deref;

use super::interval::Interval;
use super::rounding::{HUGE, TINY};
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
    /// The constant of every input, once it was asked for.
    floats: Vec<OnceCell<Option<Vec<f64>>>>,
}

impl<'a, 'b> Deref for Site<'a, 'b> {
    type Target = Call<'a, 'b>;

    fn deref(&self) -> &Call<'a, 'b> {
        &self.call
    }
}

impl<'a, 'b> Site<'a, 'b> {
    pub fn new(call: Call<'a, 'b>, inputs: Vec<Option<Known<'b>>>, folds: bool) -> Site<'a, 'b> {
        let floats = vec![OnceCell::new(); inputs.len()];
        Site { call, inputs, folds, floats }
    }

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

    /// The first output at the lower ends of all inputs that vary.
    pub fn lowest(&self) -> Var<'b> {
        self.apply(&self.ends(|x| x.lower))[0]
    }

    /// The first output at all lower ends and at all upper ends: its interval, where it never falls as an input rises.
    pub fn interval(&self) -> Interval<'b> {
        Interval { lower: self.lowest(), upper: self.apply(&self.ends(|x| x.upper))[0] }
    }

    /// The first output where all that varies is 0.
    pub fn at_zero(&self) -> Var<'b> {
        self.apply(&self.ends(|x| x.lower.zeros_like()))[0]
    }

    /// The shape of the first output.
    pub fn shape(&self) -> Result<Shape> {
        self.lowest().shape()
    }

    /// Input `i`, if there is one and it is the same for all samples.
    pub fn fixed(&self, i: usize) -> Option<Var<'b>> {
        let given = self.optional(i).filter(|_| self.known(i).is_none())?;
        given.shape().is_ok_and(|shape| shape.known().is_some()).then_some(given)
    }

    /// The elements of input `i` in row-major order, if it is a constant of floats.
    pub fn floats(&self, i: usize) -> Option<&[f64]> {
        let given = || self.optional(i).filter(|_| self.known(i).is_none());
        self.floats.get(i)?.get_or_init(|| given()?.as_constant()?.to_floats()).as_deref()
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
    /// What a walk back is charged, if anything.
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

/// What products below the normal range can cost a walk back through a node, whose inputs have these sizes and whose result
/// has `elements` elements: `terms` of them for every element of its inputs.
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

/// 1 for every sample whose interval is one of numbers within the range and not empty, else 0: `[N]`.
pub(super) fn sound<'b>(interval: Interval<'b>) -> Result<Var<'b>> {
    let width = interval.upper - interval.lower;
    let narrow = width.with("LessOrEqual", width.number(HUGE));
    smallest(narrow.with("And", width.with("GreaterOrEqual", width.number(0.0))).cast_like(width))
}
