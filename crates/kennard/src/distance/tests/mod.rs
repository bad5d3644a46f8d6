//! Distances against closed forms.
//!
//! Seeds are fixed. A test that compares a random figure with its expectation states how often a right program would
//! fail it with other seeds.

mod boundaries;
mod errors;
mod published;
mod radii;
mod slopes;

use super::{Margins, Slopes};
use std::convert::Infallible;

/// A classifier given as a function of a point (d) that returns the logits (K) and fills their gradients (K×d).
pub(super) struct Analytic<F> {
    pub classes: usize,
    pub function: F,
}

impl<F: Fn(&[f32], &mut [Vec<f64>]) -> Vec<f64>> Analytic<F> {
    fn look(&self, point: &[f32]) -> (Vec<f64>, Vec<Vec<f64>>) {
        let mut gradients = vec![vec![0.0; point.len()]; self.classes];
        ((self.function)(point, &mut gradients), gradients)
    }
}

impl<F: Fn(&[f32], &mut [Vec<f64>]) -> Vec<f64>> Margins for (usize, Analytic<F>) {
    type Error = Infallible;

    fn classes(&self) -> usize {
        self.1.classes
    }

    fn batch_size(&self) -> usize {
        16
    }

    fn logits(&mut self, points: &[f32]) -> Result<Vec<f32>, Infallible> {
        Ok(points.chunks_exact(self.0).flat_map(|point| self.1.look(point).0).map(|z| z as f32).collect())
    }

    fn slopes(&mut self, points: &[f32], label: usize, others: &[usize]) -> Result<Slopes, Infallible> {
        let mut slopes = Slopes::default();
        for (point, &other) in points.chunks_exact(self.0).zip(others) {
            let (logits, gradients) = self.1.look(point);
            slopes.logits.extend(logits.iter().map(|z| *z as f32));
            let apart = gradients[other].iter().zip(&gradients[label]);
            slopes.gradient.extend(apart.map(|(a, b)| (a - b) as f32));
        }
        Ok(slopes)
    }
}

/// What writes gradients (a vector of d per class) and returns logits.
pub(super) trait Logits: Fn(&[f32], &mut [Vec<f64>]) -> Vec<f64> {}
impl<F: Fn(&[f32], &mut [Vec<f64>]) -> Vec<f64>> Logits for F {}

/// Logits `factor·(w_k·x + b_k)`: rows of `d` weights, then the offsets.
pub(super) fn linear(
    weights: Vec<Vec<f64>>,
    offsets: Vec<f64>,
    factor: f64,
) -> (usize, Analytic<impl Logits>) {
    let (dimension, classes) = (weights[0].len(), weights.len());
    let function = move |point: &[f32], gradients: &mut [Vec<f64>]| {
        let mut logits = Vec::new();
        for ((row, offset), gradient) in weights.iter().zip(&offsets).zip(gradients) {
            let product: f64 = row.iter().zip(point).map(|(w, x)| w * f64::from(*x)).sum();
            logits.push(factor * (product + offset));
            gradient.iter_mut().zip(row).for_each(|(g, w)| *g = factor * w);
        }
        logits
    };
    (dimension, Analytic { classes, function })
}

/// Two classes and a ball of radius `r` around `middle` (d) that is the other's: the label's logit is zero, the other's
/// `r − ‖x − middle‖`, or, `inside`, the opposite.
pub(super) fn ball(middle: Vec<f64>, r: f64, inside: bool) -> (usize, Analytic<impl Logits>) {
    let sign = if inside { -1.0 } else { 1.0 };
    let dimension = middle.len();
    let function = move |point: &[f32], gradients: &mut [Vec<f64>]| {
        let apart: Vec<f64> = point.iter().zip(&middle).map(|(x, c)| f64::from(*x) - c).collect();
        let length = apart.iter().map(|x| x * x).sum::<f64>().sqrt();
        gradients[1].iter_mut().zip(&apart).for_each(|(g, x)| *g = -sign * x / length);
        vec![0.0, sign * (r - length)]
    };
    (dimension, Analytic { classes: 2, function })
}
