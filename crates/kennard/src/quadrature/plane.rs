//! Two-class problems in the plane: packets by quadrature, without sampling error.
//!
//! Per label the paper's packet `ψ ∝ l` on the unit square, with its boundary term and the bound that
//! holds there; per scale the window packets `ψ ∝ l √N(x; x₀, s² I)` around data points, whose bound
//! is ½. `l` is the cross-entropy of the label.

mod report;
#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicBool;

use kennard_graph::Loss;

pub use report::{CoordinateFigures, PlaneReport, SquarePacket, WindowPackets};

use super::share::misclassified;
use super::{Coordinate, Domain, Integral, Quadrature, Wave};
use crate::answer::predict;
use crate::data::{Problem, Sample};
use crate::engine::{Engine, Evaluator, Query};
use crate::error::with_causes;
use crate::packet::log_loss::log_softplus;
use crate::stats::clopper_pearson;
use crate::{Error, Figure, Mismatch, Result};

/// What to measure of a classifier of points in the plane.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PlanePlan {
    /// Which problem.
    pub problem: Problem,
    /// Standard deviation of the points' noise, in input units.
    pub noise: f64,
    /// The seed of the points.
    pub seed: u64,
    /// How many points to classify.
    pub samples: usize,
    /// Widths `s` of the windows, in input units.
    pub scales: Vec<f64>,
    /// How many points, from the first, are centres of windows; at least 2.
    pub centres: usize,
}

/// The domain of the box packets.
pub const SQUARE: [[f64; 2]; 2] = [[0.0, 1.0]; 2];

/// Networks answer in single precision: figures settle to about this, where the loss is smooth.
const QUADRATURE: Quadrature = Quadrature { tolerance: 1e-5, max_order: 512 };

/// A packet to integrate.
struct Job {
    domain: Domain,
    label: usize,
}

impl PlanePlan {
    /// 2000 points of seed 0 without noise, and windows of these widths around the first 8.
    pub fn new(problem: Problem, scales: Vec<f64>) -> PlanePlan {
        PlanePlan { problem, noise: 0.0, seed: 0, samples: 2000, scales, centres: 8 }
    }

    /// The points.
    pub fn points(&self) -> Vec<Sample> {
        self.problem.samples(self.samples, self.noise, self.seed)
    }

    /// Measures the classifier.
    ///
    /// # Errors
    /// When it does not take points in the plane or has not two classes, a setting makes no sense, or the
    /// model's answers are no numbers.
    pub fn measure(&self, engine: &Engine) -> Result<PlaneReport> {
        let (d, classes) = (engine.classifier().dimension(), engine.classifier().classes());
        if (d, classes) != (2, 2) {
            return Err(Mismatch::NotOfPlane { elements: d, classes }.into());
        }
        if !(self.noise >= 0.0 && self.noise.is_finite()) {
            return Err(Error::OutOfRange {
                setting: "the noise".into(),
                value: self.noise,
                allowed: "it must be zero or positive".into(),
            });
        }
        let samples = self.points();
        let centres = self.centres.min(samples.len());
        if centres < 2 {
            return Err(Error::TooFew {
                count: centres as u64,
                what: "centres",
                purpose: "for an interval; take at least 2 samples".into(),
            });
        }
        let correct = count_correct(engine, &samples)?;
        let mut jobs: Vec<Job> =
            (0..2).map(|label| Job { domain: Domain::Box(SQUARE.to_vec()), label }).collect();
        for &scale in &self.scales {
            jobs.extend(samples[..centres].iter().map(|sample| {
                let centre = sample.input.iter().map(|&x| f64::from(x)).collect();
                Job { domain: Domain::Window { centre, scale }, label: sample.label }
            }));
        }
        let spreads = integrate(engine, &jobs)?;
        let (boxes, windows) = spreads.split_at(2);
        let wrong = misclassified_shares(engine, &jobs[2..], windows)?;
        let windows = windows.chunks_exact(centres).zip(wrong.chunks_exact(centres)).zip(&self.scales);
        let n = samples.len() as u64;
        Ok(PlaneReport {
            problem: self.problem.to_string(),
            noise: self.noise,
            seed: self.seed,
            samples: n,
            correct,
            accuracy: Figure::new(correct as f64 / n as f64, clopper_pearson(correct, n)),
            boxes: boxes.iter().enumerate().map(|(label, spreads)| box_packet(label, spreads)).collect(),
            windows: windows
                .map(|((of, wrong), &scale)| window_packets(scale, &samples[..centres], of, wrong))
                .collect(),
        })
    }
}

impl SquarePacket {
    /// `ψ²` in 1/(input unit)² and the margin `z₁ − z₀` at points n×2.
    ///
    /// # Errors
    /// When the runtime fails.
    pub fn at(&self, engine: &Engine, points: &[[f64; 2]]) -> Result<(Vec<f64>, Vec<f64>)> {
        Evaluator::lend(engine, |mut evaluator| {
            let answer = evaluator.evaluate(&query(points.as_flattened(), self.label))?;
            let log_loss = answer.loss.iter().map(|&u| log_softplus(f64::from(u)).0);
            let density = log_loss.map(|log_loss| (2.0 * log_loss - self.log_norm).exp()).collect();
            let margin = answer.logits.chunks_exact(2).map(|z| f64::from(z[1]) - f64::from(z[0])).collect();
            Ok((density, margin))
        })
    }
}

/// Asks about points of the plane (n×2).
pub(crate) fn query(points: &[f64], label: usize) -> Query {
    let points = points.iter().map(|&x| x as f32).collect();
    Query::gradient(Loss::LogOdds, points, label)
}

fn count_correct(engine: &Engine, samples: &[Sample]) -> Result<u64> {
    let points = samples.iter().flat_map(|sample| sample.input.clone()).collect();
    let query = Query::untouched(points);
    let logits = Evaluator::lend(engine, |mut evaluator| evaluator.evaluate(&query))?.logits;
    if logits.iter().any(|z| z.is_nan()) {
        return Err(Error::NotANumber("the model's output for some points is NaN; check the model".into()));
    }
    let right = logits.chunks_exact(2).zip(samples).filter(|(z, sample)| predict(z) == sample.label);
    Ok(right.count() as u64)
}

/// Integrates all packets, side by side.
fn integrate(engine: &Engine, jobs: &[Job]) -> Result<Vec<Integral>> {
    let work = |evaluator: &mut Evaluator, job: &Job| {
        QUADRATURE.measure(&job.domain, |points| loss(evaluator, points, job.label)).map_err(|e| {
            let what = format!("the packet of label {} on {:?}", job.label, job.domain);
            Error::Unmeasured { what, why: with_causes(&e) }
        })
    };
    let go_on = AtomicBool::new(false);
    let done = engine.each_of(jobs, engine.plan().sessions, &go_on, |evaluator| evaluator, work, |_| ())?;
    Ok(done.into_iter().flatten().collect())
}

/// The share of each window's packet at points that get the other label.
fn misclassified_shares(engine: &Engine, jobs: &[Job], spreads: &[Integral]) -> Result<Vec<Figure>> {
    let share = |evaluator: &mut Evaluator, job: &Job, spreads: &Integral| -> Result<Figure> {
        let Domain::Window { centre, scale } = &job.domain else { return Ok(Figure::exact(f64::NAN)) };
        let coordinates: Vec<[f64; 2]> = spreads.coordinates.iter().map(|c| [c.mean, c.sigma_x]).collect();
        misclassified(&coordinates, |points| {
            let answer = evaluator.evaluate(&query(points, job.label))?;
            let log_density = |(&u, x): (&f32, &[f64])| {
                let far: f64 = x.iter().zip(centre).map(|(x, c)| (x - c).powi(2)).sum();
                2.0 * log_softplus(f64::from(u)).0 - far / (2.0 * scale * scale)
            };
            let log_densities = answer.loss.iter().zip(points.chunks_exact(2)).map(log_density).collect();
            let lead = |z: &[f32]| f64::from(z[1 - job.label]) - f64::from(z[job.label]);
            Ok((log_densities, answer.logits.chunks_exact(2).map(lead).collect()))
        })
    };
    Evaluator::lend(engine, |mut evaluator| -> Result<Vec<Figure>> {
        jobs.iter().zip(spreads).map(|(job, spreads)| share(&mut evaluator, job, spreads)).collect()
    })
}

/// The cross-entropy of a label as a wave function in the plane.
pub(crate) fn loss(evaluator: &mut Evaluator, points: &[f64], label: usize) -> Result<Wave> {
    let answer = evaluator.evaluate(&query(points, label))?;
    let mut wave = Wave::default();
    for (&u, gradient) in answer.loss.iter().zip(answer.gradient.chunks_exact(2)) {
        let (log_loss, slope) = log_softplus(f64::from(u));
        wave.exponent.push(log_loss);
        wave.value.push(1.0);
        wave.gradient.extend(gradient.iter().map(|&du| slope * f64::from(du)));
    }
    Ok(wave)
}

fn box_packet(label: usize, spreads: &Integral) -> SquarePacket {
    SquarePacket {
        label,
        coordinates: (0..spreads.coordinates.len()).map(|i| CoordinateFigures::of(spreads, i)).collect(),
        log_norm: spreads.log_norm,
        order: spreads.order,
        converged: spreads.converged,
    }
}

fn window_packets(scale: f64, centres: &[Sample], spreads: &[Integral], wrong: &[Figure]) -> WindowPackets {
    let over = |least: f64, figure: &dyn Fn(&Integral, &Sample) -> f64| {
        let values: Vec<f64> = spreads.iter().zip(centres).map(|(s, centre)| figure(s, centre)).collect();
        let mean = Figure::mean(&values);
        let [low, high] = mean.interval;
        // The quadrature's error may carry a mean itself a little below.
        Figure { interval: [low.max(least.min(mean.value)), high], ..mean }
    };
    let rms = |spreads: &Integral, figure: fn(&Coordinate) -> f64| spreads.rms(figure).value;
    let all = || spreads.iter().flat_map(|s| (0..s.coordinates.len()).map(move |i| (s, i)));
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let share = Figure::mean(&wrong.iter().map(|share| share.value).collect::<Vec<_>>());
    let within = share.interval.map(|end| end.clamp(0.0, 1.0));
    WindowPackets {
        scale,
        centres: centres.len() as u64,
        sigma_x: over(0.0, &|s, _| rms(s, |c| c.sigma_x)),
        sigma_p: over(0.0, &|s, _| rms(s, |c| c.sigma_p)),
        product: over(0.5, &|s, _| rms(s, |c| c.sigma_x) * rms(s, |c| c.sigma_p)),
        product_min: all().map(|(s, i)| s.coordinates[i].product()).fold(f64::INFINITY, f64::min),
        bound: 0.5,
        drift: over(0.0, &|s, centre| {
            let moved =
                s.coordinates.iter().zip(&centre.input).map(|(c, &x)| (c.mean - f64::from(x)).powi(2));
            moved.sum::<f64>().sqrt() / scale
        }),
        dispersion: over(0.0, &|s, _| scale * scale * s.coordinates.iter().map(|c| c.roughness).sum::<f64>()),
        misclassified: Figure { interval: within, ..share },
        misclassified_error: largest(&mut wrong.iter().map(Figure::error)),
        error: largest(&mut all().map(|(s, i)| s.figure(i, Coordinate::product).error())),
        discrepancy: largest(&mut all().map(|(s, i)| s.coordinates[i].discrepancy().abs())),
        converged: spreads.iter().all(|s| s.converged),
    }
}
