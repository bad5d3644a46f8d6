//! How far what a network computes in single precision may be from what it is in real arithmetic (running error analysis: Higham,
//! Accuracy and Stability of Numerical Algorithms, chapters 3 and 4), over a whole region: every tensor has an error e from its
//! interval and the errors before it, and each element computed is within e of the real one. Sums may be taken in any
//! order, with or without fused products.
//!
//! Linear nodes bring their errors from their own rules. Here are the nodes that move or choose elements, and functions. What has no rule
//! has no error: nothing is said about anything after it.

use std::f64::consts::FRAC_2_SQRT_PI;

use super::relax::MUCH;
use super::rounding::{TINY, U, gamma};
use super::site::{Known, Site};
use crate::{Result, Var};

/// Elements that are moved, copied, or chosen among others have the error that they had, or the largest among them.
const MOVED: &[&str] = &[
    "Concat",
    "DepthToSpace",
    "Expand",
    "Flatten",
    "Gather",
    "GatherND",
    "GlobalMaxPool",
    "Identity",
    "Max",
    "MaxPool",
    "Pad",
    "ReduceMax",
    "Reshape",
    "Slice",
    "SpaceToDepth",
    "Split",
    "Squeeze",
    "Tile",
    "Transpose",
    "Trilu",
    "Unsqueeze",
    "Where",
];

/// The errors of a node's outputs, `made` being those that the rule of a linear node brought.
pub(super) fn of<'b>(s: &Site<'_, 'b>, made: Vec<Option<Var<'b>>>) -> Result<Vec<Option<Var<'b>>>> {
    let nothing = vec![None; s.node.outputs.len()];
    if !is_followed(s) {
        return Ok(nothing);
    }
    if made.iter().any(Option::is_some) {
        return Ok(made);
    }
    // What is chosen as the smallest is off by no more than the largest error, too.
    let op = match s.node.op.as_str() {
        "Min" => "Max",
        "ReduceMin" => "ReduceMax",
        op => op,
    };
    if MOVED.contains(&op) {
        return Ok(moved(s, op).into_iter().map(Some).collect());
    }
    let error = match (op, s.only(0)) {
        ("Mul", None) => product(s),
        (_, Some(x)) => function(s, x)?,
        _ => None,
    };
    Ok(error.map_or(nothing, |error| vec![Some(error)]))
}

fn is_float(tensor: &Var) -> bool {
    tensor.ty().is_ok_and(|ty| ty.dtype.is_float())
}

/// Whether the errors of all that varies are known, and all other numbers are constants.
fn is_followed(s: &Site) -> bool {
    (0..s.node.inputs.len()).all(|i| match s.known(i) {
        Some(x) => x.error.is_some(),
        None => s.optional(i).is_none_or(|given| !is_float(&given) || given.as_constant().is_some()),
    })
}

/// An operator of this node's inputs applied to their errors, which are 0 of constants.
fn moved<'b>(s: &Site<'_, 'b>, op: &str) -> Vec<Var<'b>> {
    let error = |i: usize| match s.known(i) {
        Some(x) => Some((i, x.error?)),
        None => s.optional(i).filter(is_float).map(|given| (i, given.zeros_like())),
    };
    let errors: Vec<(usize, Var)> = (0..s.node.inputs.len()).filter_map(error).collect();
    s.apply_as(op, &errors)
}

/// The error of a product of two tensors that vary, element by element: `|x̂·ŷ − x·y| ≤ |x̂|·e_y + e_x·|y|`.
fn product<'b>(s: &Site<'_, 'b>) -> Option<Var<'b>> {
    let (x, y) = (s.known(0)?, s.known(1)?);
    let (a, b) = (x.error?, y.error?);
    let (of_x, of_y) = (x.interval.size(), y.interval.size());
    let computed = of_x + a;
    Some((computed * b + a * of_y + computed * (of_y + b) * (2.0 * U)) * (1.0 + 16.0 * U) + TINY)
}

/// A function of one tensor: the error times its largest slope, and what the function itself is off by.
fn function<'b>(s: &Site<'_, 'b>, x: &Known<'b>) -> Result<Option<Var<'b>>> {
    let Some(e) = x.error else { return Ok(None) };
    let size = x.interval.size() + e;
    let number = |name: &str, default: f64| s.node.float(name, default).abs();
    let error = match s.node.op.as_str() {
        // Where what is computed is surely not positive, it is 0 on both sides.
        "Relu" => return Ok(Some(e * (x.interval.upper + e).above(0.0))),
        "Abs" | "Cast" | "Clip" => return Ok(Some(e)),
        "LeakyRelu" => {
            let slope = number("alpha", f64::from(0.01f32));
            e * slope.max(1.0) + size * (2.0 * U * slope)
        }
        "HardSigmoid" => {
            let (slope, shift) = (number("alpha", f64::from(0.2f32)), number("beta", 0.5));
            e * slope + (size * slope + shift) * gamma(2)?
        }
        "Tanh" => e + MUCH,
        "Erf" => e * FRAC_2_SQRT_PI + MUCH,
        _ => return Ok(None),
    };
    Ok(Some(error * (1.0 + 16.0 * U) + TINY))
}
