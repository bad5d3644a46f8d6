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

/// The terms of a sum that vary, added up.
struct Sum<'b> {
    interval: Interval<'b>,
    /// The sums of the absolute values of both ends.
    ends: Interval<'b>,
    /// The largest absolute value of each term, and their sum.
    sizes: Vec<Var<'b>>,
    size: Var<'b>,
}

impl<'b> Sum<'b> {
    /// The sum of terms with their signs; none where there is no term.
    fn of(terms: &[(&Known<'b>, f64)]) -> Option<Sum<'b>> {
        let (mut interval, mut ends, mut sizes) = (None, None, Vec::new());
        for &(x, sign) in terms {
            let term = if sign < 0.0 { -x.interval } else { x.interval };
            interval = Some(interval.map_or(term, |sum: Interval<'b>| sum + term));
            let absolute = term.map(|end| end.apply("Abs"));
            ends = Some(ends.map_or(absolute, |sum: Interval<'b>| sum + absolute));
            sizes.push(x.interval.size());
        }
        let size = sizes.iter().copied().reduce(|a, b| a + b)?;
        Some(Sum { interval: interval?, ends: ends?, sizes, size })
    }

    /// The sum with a term that does not vary.
    fn and(self, term: Term<'b>) -> Sum<'b> {
        Sum {
            interval: self.interval.map(|end| end + term.value),
            ends: self.ends.map(|end| end + term.size),
            size: self.size + term.size,
            ..self
        }
    }

    /// What a walk back costs at the result `y`, every sum in it rounded by the share `few`.
    fn charge(&self, constant: Option<Term<'b>>, y: Var<'b>, copies: bool, few: f64) -> Result<Charge<'b>> {
        let n = volume(&y.shape()?)?;
        // The functional itself passes as it is, unless it is summed over copies.
        let (terms, error) = match constant {
            _ if copies => (n, self.size * gamma(n)?),
            Some(term) => (1, term.size * few),
            None => (1, self.size * few),
        };
        let batched =
            |v: Var<'b>| if v.shape().is_ok_and(|s| s.known().is_none()) { v.expand_like(y) } else { v };
        Ok(Charge {
            value: constant.map(|term| batched(term.value)),
            spread: None,
            error: (error + TINY).expand_like(y),
            floor: Some(floor(&self.sizes, terms, n)?),
        })
    }
}

/// A sum of the inputs and their negatives.
fn signed<'b>(s: &Site<'_, 'b>, signs: &[f64]) -> Result<Option<Vec<Image<'b>>>> {
    let mut constant: Option<Term> = None;
    let mut varying: Vec<(&Known<'b>, f64)> = Vec::new();
    for (i, &sign) in signs.iter().enumerate() {
        if let Some(x) = s.known(i) {
            varying.push((x, sign));
            continue;
        }
        let Some(given) = s.optional(i) else { return Ok(None) };
        let term = Term::exact(if sign < 0.0 { -given } else { given });
        constant = Some(constant.map_or(term, |sum| sum + term));
    }
    let y = s.lowest();
    let shape = y.shape()?;
    if !aligned(&varying, &shape)? {
        return Ok(None);
    }
    let Some(mut sum) = Sum::of(&varying) else { return Ok(None) };
    let few = gamma(signs.len())?;
    let alone = varying.len() == 1;
    let tightness = if alone { varying[0].0.tightness } else { Tightness::Loose };
    let widens = |x: &Known| Ok::<bool, crate::GraphError>(volume(&x.shape)? != volume(&shape)?);
    let copies = varying.iter().map(|(x, _)| widens(x)).collect::<Result<Vec<_>>>()?.contains(&true);
    if alone && constant.is_none() && !copies {
        let rounding = varying[0].0.error;
        return Ok(Some(vec![Image { rounding, ..Image::moved(sum.interval, tightness) }]));
    }
    if let Some(term) = constant {
        sum = sum.and(term);
    }
    let tightness = if copies { tightness.min(Tightness::Tight) } else { tightness };
    let errors: Option<Vec<Var>> = varying.iter().map(|(x, _)| x.error).collect();
    let errors = errors.and_then(|errors| errors.into_iter().reduce(|a, b| a + b));
    let rounding = errors.map(|e| ((e + (sum.size + e) * few) * (1.0 + 2.0 * few) + TINY).expand_like(y));
    let interval = if y.counts_rounding() {
        let margin = sum.ends.map(|end| end * few + TINY);
        Interval { lower: sum.interval.lower - margin.lower, upper: sum.interval.upper + margin.upper }
    } else {
        sum.interval
    };
    let interval = interval.map(|end| end.expand_like(y));
    if constant.is_none() && !copies {
        return Ok(Some(vec![Image { rounding, ..Image::moved(interval, tightness) }]));
    }
    let charge = sum.charge(constant, y, copies, few)?;
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
