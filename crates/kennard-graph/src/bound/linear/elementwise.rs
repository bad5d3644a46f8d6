//! Sums, and products with constants, element by element.

use super::Linear;
use crate::bound::affine::{Term, Terms, affine};
use crate::bound::interval::Interval;
use crate::bound::rounding::{TINY, gamma};
use crate::bound::rows::{batch_axis, volume};
use crate::bound::site::{Charge, Image, Known, Site, Tightness, floor};
use crate::{Result, Tensor, Var};

pub(super) const RULES: &[(&str, Linear)] = &[
    ("Neg", |s| signed(s, &[-1.0])),
    ("Add", |s| signed(s, &[1.0, 1.0])),
    ("Sub", |s| signed(s, &[1.0, -1.0])),
    ("Sum", |s| signed(s, &vec![1.0; s.node.inputs.len()])),
    ("Mul", mul),
    ("Div", div),
    ("BatchNormalization", batch_normalization),
];

/// A sum of the inputs and their negatives.
fn signed<'b>(s: &Site<'_, 'b>, signs: &[f64]) -> Result<Option<Vec<Image<'b>>>> {
    let mut constant: Option<Term> = None;
    let mut varying: Vec<(&Known<'b>, f64)> = Vec::new();
    for (i, &sign) in signs.iter().enumerate() {
        let turned = |v: Var<'b>| if sign < 0.0 { -v } else { v };
        match s.known(i) {
            Some(x) => varying.push((x, sign)),
            None => {
                let Some(given) = s.optional(i) else { return Ok(None) };
                let term = Term::exact(turned(given));
                constant = Some(
                    constant.map_or(term, |c| Term { value: c.value + term.value, size: c.size + term.size }),
                );
            }
        }
    }
    let y = s.apply(&s.ends(|x| x.lower))[0];
    let shape = y.shape()?;
    if !aligned(&varying, &shape)? {
        return Ok(None);
    }
    let mut sum: Option<Interval> = None;
    // Of both ends, the sizes of their terms.
    let mut ends: Option<Interval> = None;
    let mut sizes = Vec::new();
    for &(x, sign) in &varying {
        let Interval { lower, upper } = x.interval;
        let part = if sign < 0.0 { Interval { lower: -upper, upper: -lower } } else { x.interval };
        sum =
            Some(sum.map_or(part, |s| Interval { lower: s.lower + part.lower, upper: s.upper + part.upper }));
        let absolute = part.map(|end| end.apply("Abs"));
        ends = Some(ends.map_or(absolute, |e| Interval {
            lower: e.lower + absolute.lower,
            upper: e.upper + absolute.upper,
        }));
        sizes.push(x.interval.size());
    }
    let (Some(mut sum), Some(mut ends), Some(mut size)) =
        (sum, ends, sizes.iter().copied().reduce(|a, b| a + b))
    else {
        return Ok(None);
    };
    let few = gamma(signs.len())?;
    let alone = varying.len() == 1;
    let tightness = if alone { varying[0].0.tightness } else { Tightness::Loose };
    let widens = |x: &Known| Ok::<bool, crate::GraphError>(volume(&x.shape)? != volume(&shape)?);
    let copies = varying.iter().map(|(x, _)| widens(x)).collect::<Result<Vec<_>>>()?.contains(&true);
    if alone && constant.is_none() && !copies {
        let rounding = varying[0].0.error;
        return Ok(Some(vec![Image { rounding, ..Image::moved(sum, tightness) }]));
    }
    if let Some(term) = constant {
        sum = sum.map(|end| end + term.value);
        ends = ends.map(|end| end + term.size);
        size = size + term.size;
    }
    let tightness = if copies { tightness.min(Tightness::Tight) } else { tightness };
    let errors: Option<Vec<Var>> = varying.iter().map(|(x, _)| x.error).collect();
    let errors = errors.and_then(|errors| errors.into_iter().reduce(|a, b| a + b));
    let rounding = errors.map(|e| ((e + (size + e) * few) * (1.0 + 2.0 * few) + TINY).expand_like(y));
    let interval = if y.counts_rounding() {
        let margin = ends.map(|end| end * few + TINY);
        Interval { lower: sum.lower - margin.lower, upper: sum.upper + margin.upper }
    } else {
        sum
    };
    let interval = interval.map(|end| end.expand_like(y));
    if constant.is_none() && !copies {
        return Ok(Some(vec![Image { rounding, ..Image::moved(interval, tightness) }]));
    }
    // The functional itself passes as it is, unless it is summed over copies.
    let (terms, error) = match constant {
        _ if copies => (volume(&shape)?, size * gamma(volume(&shape)?)?),
        Some(term) => (1, term.size * few),
        None => (1, size * few),
    };
    let batched =
        |v: Var<'b>| if v.shape().is_ok_and(|s| s.known().is_none()) { v.expand_like(y) } else { v };
    let charge = Charge {
        value: constant.map(|term| batched(term.value)),
        spread: None,
        error: (error + TINY).expand_like(y),
        floor: Some(floor(&sizes, terms, volume(&shape)?)?),
    };
    Ok(Some(vec![Image { interval, tightness, charge: Some(charge), rounding }]))
}

/// Whether every operand keeps its samples apart from others: its batch axis is that of the result.
fn aligned(varying: &[(&Known, f64)], shape: &crate::Shape) -> Result<bool> {
    let axis = batch_axis(shape)?;
    for (x, _) in varying {
        let own = batch_axis(&x.shape)?;
        if own + shape.rank() - x.shape.rank() != axis || x.shape.0[own] != shape.0[axis] {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A product with what does not vary.
fn mul<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let at = usize::from(s.only(1).is_some());
    let (Some(x), Some(w)) = (s.only(at), s.optional(1 - at)) else { return Ok(None) };
    scaled(x, |x, absolute| x * if absolute { w.apply("Abs") } else { w }, None)
}

/// A division by a constant.
fn div<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let (Some(x), Some(w)) = (s.only(0), s.fixed(1)) else { return Ok(None) };
    scaled(x, |x, absolute| x / if absolute { w.apply("Abs") } else { w }, None)
}

fn scaled<'b>(
    x: &Known<'b>,
    run: impl Fn(Var<'b>, bool) -> Var<'b>,
    term: Option<Term<'b>>,
) -> Result<Option<Vec<Image<'b>>>> {
    let shape = run(x.interval.lower, false).shape()?;
    if !aligned(&[(x, 1.0)], &shape)? {
        return Ok(None);
    }
    let copies = volume(&shape)? / volume(&x.shape)?.max(1);
    let tightness = if copies > 1 { x.tightness.min(Tightness::Tight) } else { x.tightness };
    let terms = Terms { forward: 1, back: copies };
    Ok(Some(vec![affine(x, run, term, terms, tightness)?]))
}

/// `γ·(x − μ)/√(σ² + ε) + β` per channel with given statistics.
fn batch_normalization<'b>(s: &Site<'_, 'b>) -> Result<Option<Vec<Image<'b>>>> {
    let Some(x) = s.only(0) else { return Ok(None) };
    if s.node.int("training_mode", 0) != 0 || batch_axis(&x.shape)? != 0 {
        return Ok(None);
    }
    let [Some(gamma), Some(beta), Some(mu), Some(variance)] = [1, 2, 3, 4].map(|i| s.floats(i)) else {
        return Ok(None);
    };
    let channels = gamma.len();
    if [beta, mu, variance].iter().any(|v| v.len() != channels) {
        return Ok(None);
    }
    // In double precision: the difference may be small, and its size says by how much it is off.
    let epsilon = s.node.float("epsilon", f64::from(1e-5f32));
    let factor: Vec<f64> = gamma.iter().zip(variance).map(|(g, v)| g / (v + epsilon).sqrt()).collect();
    let shift: Vec<f64> = (0..channels).map(|i| beta[i] - mu[i] * factor[i]).collect();
    let size: Vec<f64> = (0..channels).map(|i| beta[i].abs() + (mu[i] * factor[i]).abs()).collect();
    let mut dims = vec![1; x.shape.rank().saturating_sub(1)];
    if let Some(first) = dims.first_mut() {
        *first = channels;
    }
    let constant = |values: &[f64]| {
        let array = ndarray::ArrayD::from_shape_vec(dims.clone(), values.iter().map(|&v| v as f32).collect());
        array.map(|array| s.builder.constant(Tensor::from(array))).map_err(|e| s.node.error(e.to_string()))
    };
    let absolute: Vec<f64> = factor.iter().map(|f| f.abs()).collect();
    let (factor, absolute) = (constant(&factor)?, constant(&absolute)?);
    let term = Term { value: constant(&shift)?, size: constant(&size)? };
    let images = scaled(x, |x, sizes| x * if sizes { absolute } else { factor }, Some(term))?;
    // In single precision σ² + ε is off by any share of itself where the two have different signs.
    let cancels = epsilon < 0.0 || variance.iter().any(|v| *v < 0.0);
    let image = |image: Image<'b>| Image { rounding: image.rounding.filter(|_| !cancels), ..image };
    Ok(images.map(|images| images.into_iter().map(image).collect()))
}
