//! How large the ends of intervals can become, from the weights alone: as far as that is within the range nothing overflows, and nothing
//! is checked where a graph of bounds runs but the ends from which it was reckoned, its input's as a rule.
//!
//! An infinity or NaN need not be seen by a later check: a ReLU makes 0 of −∞, and of NaN in some runtimes.

use super::interval::Interval;
use super::rounding::{HUGE, TINY, gamma};
use super::site::{Reach, Site, smallest};
use crate::{Result, Var};

/// Operators that return elements of their first input, and nothing else.
pub(super) const MOVES: &[&str] = &["Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"];

/// Ends are checked anew once growth exceeds this.
const FARTHEST: f64 = 1e12;

/// More than the sums and margins of a single operator are off by.
const ROOM: f64 = 1.01;

/// A tensor whose ends are checked where the graph runs.
pub(super) struct Anchor<'b> {
    interval: Interval<'b>,
    /// The largest growth of all tensors that are reckoned from it.
    growth: f64,
    offset: f64,
    /// Whether it is the model's input, whose box may be empty.
    is_input: bool,
}

impl<'b> Anchor<'b> {
    pub fn of(interval: Interval<'b>) -> Anchor<'b> {
        Anchor { interval, growth: 1.0, offset: 0.0, is_input: false }
    }

    pub fn input(interval: Interval<'b>) -> Anchor<'b> {
        Anchor { is_input: true, ..Anchor::of(interval) }
    }

    /// Speaks for another tensor too.
    pub fn cover(&mut self, reach: Reach) {
        self.growth = self.growth.max(reach.growth);
        self.offset = self.offset.max(reach.offset);
    }

    /// 1 for every sample whose ends here are so small that nothing reckoned from them is beyond the range, else 0: `[N]`. An empty
    /// interval counts as beyond it.
    pub fn sound(&self) -> Result<Var<'b>> {
        let most = (HUGE - self.offset) / self.growth * (1.0 - 1e-6);
        let Interval { lower, upper } = self.interval;
        let within = if self.is_input {
            let high = upper.with("LessOrEqual", upper.number(most));
            high.with("And", lower.with("GreaterOrEqual", lower.number(-most)))
        } else {
            (lower.apply("Abs") + upper.apply("Abs")).with("LessOrEqual", lower.number(most))
        };
        smallest(within.with("And", upper.with("GreaterOrEqual", lower)).cast_like(lower))
    }
}

/// How large the ends of a node's result can be; none where that is not known, or is much.
///
/// For `y = W·x + b`, s being the largest absolute value of the ends of x, every sum on the way, every end and every margin is at
/// most `(1 + γ)⁴` times `‖W‖∞ s + ‖b‖∞`, and so are the sums `l + u` but for a factor of 2.
pub(super) fn of(s: &Site<'_, '_>) -> Option<Reach> {
    let from = |i: usize| s.known(i)?.reach;
    let alone = || s.only(0).and_then(|x| x.reach);
    let reach = match s.node.op.as_str() {
        "Relu" => alone()?,
        op if MOVES.contains(&op) => alone()?,
        "Gemm" | "MatMul" | "Conv" => sums(s, alone()?)?,
        "Add" | "Sub" => {
            let mut total: Option<Reach> = None;
            let mut offset = TINY;
            for i in 0..s.node.inputs.len() {
                if s.known(i).is_none() {
                    offset += largest(s.floats(i)?);
                    continue;
                }
                let reach = from(i)?;
                total = Some(match total {
                    None => reach,
                    Some(sum) if sum.anchor == reach.anchor => {
                        Reach { growth: sum.growth + reach.growth, offset: sum.offset + reach.offset, ..sum }
                    }
                    Some(_) => return None,
                });
            }
            grown(total?, 1.0, offset)
        }
        "Mul" => {
            let at = usize::from(s.only(1).is_some());
            let reach = s.only(at)?.reach?;
            grown(reach, largest(s.floats(1 - at)?), 0.0)
        }
        "Div" => {
            let sizes = s.floats(1)?.iter().map(|v| v.abs());
            grown(alone()?, 1.0 / sizes.fold(f64::INFINITY, f64::min), 0.0)
        }
        _ => return None,
    };
    (reach.growth <= FARTHEST && reach.offset <= FARTHEST).then_some(reach)
}

/// Times a factor, and beyond by an offset, with room for margins.
fn grown(reach: Reach, factor: f64, offset: f64) -> Reach {
    // What stands for results below the normal range comes with weights.
    let tiny = 1e-15 * (1.0 + factor);
    Reach {
        growth: reach.growth * factor * ROOM,
        offset: (reach.offset * factor + offset + tiny) * ROOM,
        ..reach
    }
}

/// Sums of products with weights, and biases.
fn sums(s: &Site<'_, '_>, x: Reach) -> Option<Reach> {
    let w = s.fixed(1)?;
    let dims = w.shape().ok()?.known()?;
    let first = *dims.first()?;
    if s.node.op == "MatMul" && dims.len() != 2 {
        return None;
    }
    let values = s.floats(1)?;
    let products = values.len() / first.max(1);
    let gemm = s.node.op == "Gemm";
    let by_row = s.node.op == "Conv" || gemm && s.node.int("transB", 0) != 0;
    let (terms, longest) = if by_row {
        let sum = |row: &[f64]| row.iter().map(|v| v.abs()).sum::<f64>();
        (products, values.chunks(products.max(1)).map(sum).fold(0.0, f64::max))
    } else {
        let mut sums = vec![0.0; products];
        for row in values.chunks(products.max(1)) {
            sums.iter_mut().zip(row).for_each(|(sum, v)| *sum += v.abs());
        }
        (first, largest(&sums))
    };
    let bias = if s.optional(2).is_some() { largest(s.floats(2)?) } else { 0.0 };
    let off = (1.0 + gamma(terms).ok()?).powi(4);
    let [alpha, beta] = ["alpha", "beta"].map(|name| if gemm { s.node.float(name, 1.0).abs() } else { 1.0 });
    Some(grown(x, longest * alpha * off, bias * beta * off))
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |most, value| most.max(value.abs()))
}
