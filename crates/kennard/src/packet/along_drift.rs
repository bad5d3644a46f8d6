//! The marginal along the drift, whose direction is itself of samples.
//!
//! A direction `u` from one half of the samples and the mean log-gradient `m` of the other are two independent estimates of one
//! direction. For a matrix `A`, such as `s² Cov(h)`,
//!
//! ```text
//! uᵀ A m / u·m = uᵀ A u + A u · (m − (u·m) u) / u·m
//! ```
//!
//! is what `A` is along the drift, without the error of second order that `uᵀ A u` has: the errors of the two are
//! independent. What is left is of first order, and counts in the interval: the jackknife over groups has that of both halves.

use super::modes::Mode;
use super::moments::{GROUPS, LogUnit, Moments, Spread};
use super::vector::{axpy, dot};
use crate::Figure;
use crate::stats::{mean, pseudo_values};

/// A direction is resolved where the error of `u` is below this angle: no more than a fifth of the drift is noise across it.
const RESOLVED: f64 = 0.2;

/// Measures along the mean log-gradient of the samples up to the last renewal of the direction, on those behind it.
pub(super) struct AlongDrift {
    samples: usize,
    /// Samples after which there is a first direction.
    first: usize,
    unit: LogUnit,
    /// Σ w η of all samples (d).
    total: Vec<f64>,
    along: Option<Marginal>,
}

/// Samples since the direction was chosen, of weight `w`, and their components along it.
struct Marginal {
    /// How many samples chose it.
    before: usize,
    /// `u` (d)
    direction: Vec<f64>,
    moments: Moments,
    weight: f64,
    /// Σ w z·u
    z: f64,
    /// Σ w η, Σ w η (z·u), Σ w η (η·u), each (d)
    h: Vec<f64>,
    hz: Vec<f64>,
    hh: Vec<f64>,
}

impl AlongDrift {
    /// In `dimension` coordinates; `first` samples choose the first direction.
    pub fn new(dimension: usize, first: usize) -> Self {
        Self { samples: 0, first, unit: LogUnit::default(), total: vec![0.0; dimension], along: None }
    }

    /// Takes the direction from all samples so far; those that follow are measured along it.
    pub fn renew(&mut self) {
        self.along = Marginal::new(self.samples, &self.total);
    }

    /// Adds a sample of weight `exp(log_weight)`.
    pub fn push(&mut self, log_weight: f64, z: &[f64], h: &[f64]) {
        if self.samples == self.first {
            self.renew();
        }
        self.samples += 1;
        let (weight, change) = match log_weight > f64::NEG_INFINITY {
            true => self.unit.weigh(log_weight),
            false => (0.0, None),
        };
        if let Some(factor) = change {
            self.total.iter_mut().for_each(|sum| *sum *= factor);
            self.along.iter_mut().for_each(|along| along.scale(factor));
        }
        if weight > 0.0 {
            axpy(&mut self.total, weight, h);
        }
        if let Some(along) = &mut self.along {
            along.push(log_weight, weight, z, h);
        }
    }

    /// The marginal, beside the moments of all samples; none where there is no drift, or too few samples have weight. Where the
    /// direction is not resolved, its figures are those along what was found, without intervals.
    pub fn finish(&self, all: &Moments) -> Option<Mode> {
        self.along.as_ref().filter(|along| along.weight > 0.0)?.finish(all)
    }
}

impl Marginal {
    fn new(before: usize, total: &[f64]) -> Option<Self> {
        let norm = dot(total, total).sqrt();
        let mut moments = Moments::new(1);
        // Groups are those of all samples.
        (0..before % GROUPS).for_each(|_| moments.push(f64::NEG_INFINITY, &[0.0], &[0.0], false));
        let dimension = total.len();
        (norm > 0.0).then(|| Self {
            before,
            direction: total.iter().map(|sum| sum / norm).collect(),
            moments,
            weight: 0.0,
            z: 0.0,
            h: vec![0.0; dimension],
            hz: vec![0.0; dimension],
            hh: vec![0.0; dimension],
        })
    }

    fn push(&mut self, log_weight: f64, weight: f64, z: &[f64], h: &[f64]) {
        let (along_z, along_h) = (dot(&self.direction, z), dot(&self.direction, h));
        self.moments.push(log_weight, &[along_z], &[along_h], false);
        if weight > 0.0 {
            self.weight += weight;
            self.z += weight * along_z;
            axpy(&mut self.h, weight, h);
            axpy(&mut self.hz, weight * along_z, h);
            axpy(&mut self.hh, weight * along_h, h);
        }
    }

    fn scale(&mut self, factor: f64) {
        self.weight *= factor;
        self.z *= factor;
        let sums = self.h.iter_mut().chain(&mut self.hz).chain(&mut self.hh);
        sums.for_each(|sum| *sum *= factor);
    }

    /// `A u` of a covariance, of Σ w η b and Σ w b: its part along `u`, and that across.
    fn image(&self, sum: &[f64], of: f64) -> (f64, Vec<f64>) {
        let factor = of / (self.weight * self.weight);
        let mut image: Vec<f64> =
            sum.iter().zip(&self.h).map(|(sum, h)| sum / self.weight - factor * h).collect();
        let value = dot(&self.direction, &image);
        axpy(&mut image, -value, &self.direction);
        (value, image)
    }

    fn finish(&self, all: &Moments) -> Option<Mode> {
        if self.moments.ess() == 0.0 {
            return None;
        }
        let whole = self.moments.whole();
        let spread = whole.spread();
        let deleted = self.moments.deleted(&whole);
        let values = |figure: fn(&Spread) -> f64| pseudo_values(figure(&spread), deleted.iter().map(figure));
        let control: Vec<f64> = values(Spread::stein).iter().map(|value| value + 0.5).collect();

        let (v, push_across) = self.image(&self.hh, dot(&self.direction, &self.h));
        let (c, pull_across) = self.image(&self.hz, self.z);
        let resolved = self.angle(all) <= RESOLVED;
        let (push, pushes) = self.turned(&push_across, all);
        let (pull, pulls) = self.turned(&pull_across, all);
        let product_squared = |c: f64, v: f64| 0.25 - c * c + (1.0 + 2.0 * c) * v;
        let turned = product_squared(c + pull, v + push) - product_squared(c, v);
        let estimate = |figure: fn(&Spread) -> f64, turn: &dyn Fn(usize) -> f64| {
            let mut values = values(figure);
            if resolved {
                values.iter_mut().enumerate().for_each(|(group, value)| *value += turn(group));
            }
            Figure::controlled_mean(&values, &control)
        };
        let dispersion = estimate(|s| s.gradient, &|group: usize| push + pushes[group]);
        let squeeze = estimate(|s| 1.0 + 2.0 * s.covariance, &|group: usize| 2.0 * (pull + pulls[group]));
        let product = estimate(Spread::product_squared, &|group: usize| {
            turned + (1.0 + 2.0 * c) * pushes[group] + 2.0 * (v - c) * pulls[group]
        });
        let seen = |figure: Figure| if resolved { figure } else { Figure::perhaps(figure.value, None) };
        let across = dot(&push_across, &push_across).sqrt();
        Some(Mode {
            direction: self.direction.clone(),
            dispersion: seen(dispersion.at_least(0.0)),
            squeeze: seen(squeeze.at_least(0.0)),
            product: seen(product.at_least(0.25).root()),
            residual: if v > 0.0 { across / v } else { 0.0 },
            resolved,
        })
    }

    /// The correction that takes a covariance measured along `u` to the direction of the drift, from what it has `across` (d); and,
    /// group by group, the errors of the correction, whose mean is zero.
    fn turned(&self, across: &[f64], all: &Moments) -> (f64, Vec<f64>) {
        if self.direction.len() == 1 {
            return (0.0, vec![0.0; GROUPS]);
        }
        let along = dot(&self.direction, &self.h);
        let (whole, deleted) = all.ratios(across, &self.direction);
        let values = pseudo_values(whole, deleted.into_iter());
        let middle = mean(&values);
        // The difference of two means has the variance of that over all samples times `n²/(n₁ n₂)`.
        let [before, n] = [self.before, all.samples()].map(|count| count as f64);
        let part = (before * (n - before)).sqrt() / n;
        (dot(across, &self.h) / along, values.iter().map(|value| (value - middle) / part).collect())
    }

    /// The angle that the error of `u` makes, in root mean square; infinite where no drift is seen.
    fn angle(&self, all: &Moments) -> f64 {
        if self.direction.len() == 1 {
            return 0.0;
        }
        let whole = all.whole();
        let square = whole.spread().drift_squared;
        let deleted = all.deleted(&whole);
        let unbiased = mean(&pseudo_values(square, deleted.iter().map(|spread| spread.drift_squared)));
        if unbiased <= 0.0 {
            return f64::INFINITY;
        }
        let excess = (square - unbiased).max(0.0) / unbiased;
        (excess * all.samples() as f64 / self.before as f64).sqrt()
    }
}
