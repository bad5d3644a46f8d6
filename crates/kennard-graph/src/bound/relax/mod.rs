//! Nodes that are not linear, between planes: what lies above `Σ αᵢ·xᵢ + β` and below another such sum.

mod bilinear;
mod curve;
mod functions;
mod power;
mod relu;

use super::interval::Interval;
use super::rounding::{TINY, U};
use super::rows::volume;
use super::site::{Charge, Site, floor};
use crate::{Result, Var};

/// A node between planes.
pub(super) struct Relaxed<'b> {
    pub interval: Interval<'b>,
    pub way: Way<'b>,
    pub charge: Charge<'b>,
}

/// How a functional passes.
pub(super) enum Way<'b> {
    /// Between two planes, element by element.
    Planes(Vec<Slopes<'b>>),
    /// By the adjoint of the node at these values of its inputs.
    At(Vec<(usize, Var<'b>)>),
}

/// The slopes of the two planes along one input, of the output's shape or of its functionals'.
#[derive(Clone, Copy)]
pub(super) struct Slopes<'b> {
    pub input: usize,
    pub lower: Var<'b>,
    pub upper: Var<'b>,
}

pub(super) use functions::MUCH;
pub(super) use relu::sloped;

/// A node's output from its inputs, or `None` where there are no planes.
pub(super) type Relaxation = for<'a, 'b> fn(&Site<'a, 'b>) -> Result<Option<Relaxed<'b>>>;

const TABLES: &[&[(&str, Relaxation)]] =
    &[functions::RULES, power::RULES, relu::RULES, &[("Mul", bilinear::mul), ("MatMul", bilinear::matmul)]];

pub(super) fn rule(op: &str) -> Option<Relaxation> {
    TABLES.iter().copied().flatten().find(|(name, _)| *name == op).map(|(_, rule)| *rule)
}

/// The node between these planes, whose intercepts are sound for the slopes as they are. A functional passes with one
/// product for each slope.
fn relaxed<'b>(
    s: &Site<'_, 'b>,
    interval: Interval<'b>,
    slopes: Vec<Slopes<'b>>,
    intercepts: Interval<'b>,
) -> Result<Relaxed<'b>> {
    let (centre, spread) = (intercepts.centre(), (intercepts.upper - intercepts.lower) * 0.5);
    let mut error = (centre.apply("Abs") + spread.apply("Abs")) * (4.0 * U) + TINY;
    let mut sizes = Vec::new();
    for slope in &slopes {
        let Some(x) = s.known(slope.input) else { continue };
        let size = x.interval.size();
        let steepest = slope.lower.apply("Abs").with("Max", slope.upper.apply("Abs"));
        error = error + steepest * size * (12.0 * U);
        sizes.push(size);
    }
    let floor = Some(floor(&sizes, 1, volume(&interval.lower.shape()?)?)?);
    let charge = Charge { value: Some(centre), spread: Some(spread), error, floor };
    Ok(Relaxed { interval, way: Way::Planes(slopes), charge })
}
