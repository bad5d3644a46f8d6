//! Two-class problems in the plane: packets by quadrature, without sampling error.
//!
//! Per label the paper's packet `ψ ∝ l` on the unit square, with its boundary term and the bound that
//! holds there; per scale the window packets `ψ ∝ l √N(x; x₀, s² I)` around data points, whose bound
//! is ½. `l` is the cross-entropy of the label.

use std::sync::atomic::AtomicBool;

use kennard_graph::Loss;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use super::share::{cells, misclassified};
use super::{Coordinate, Domain, Integral, Quadrature, Wave};
use crate::answer::predict;
use crate::data::{Problem, Sample};
use crate::engine::{Engine, Evaluator, Query};
use crate::error::with_causes;
use crate::packet::log_loss::log_softplus;
use crate::stats::clopper_pearson;
use crate::{Error, Figure, Result};

/// What to measure of a classifier of points in the plane.
#[derive(Clone, Debug, PartialEq)]
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

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlaneReport {
    /// The name of the problem.
    pub problem: String,
    /// Standard deviation of the points' noise.
    pub noise: f64,
    /// The seed of the points.
    pub seed: u64,
    /// Points that were classified.
    pub samples: u64,
    /// Of these, those that were classified correctly.
    pub correct: u64,
    /// `correct / samples`.
    pub accuracy: f64,
    /// Clopper–Pearson, 95 %.
    pub accuracy_interval: [f64; 2],
    /// The box packet of each label.
    pub boxes: Vec<SquarePacket>,
    /// The window packets at each scale.
    pub windows: Vec<WindowPackets>,
}

/// The packet `ψ ∝ l` on the unit square.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SquarePacket {
    /// The label.
    pub label: usize,
    /// The figures of each coordinate.
    pub coordinates: Vec<CoordinateFigures>,
    /// `ln ∫ l²`.
    pub log_norm: f64,
    /// Points per coordinate of the last rule.
    pub order: usize,
    /// Whether the figures settled to 1e-5.
    pub converged: bool,
}

/// One coordinate of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CoordinateFigures {
    /// `E[x_i]`.
    pub mean: Figure,
    /// `σ_x,i`.
    pub sigma_x: Figure,
    /// `σ_p,i`.
    pub sigma_p: Figure,
    /// `σ_x,i σ_p,i`.
    pub product: Figure,
    /// `B_i`.
    pub boundary: Figure,
    /// `½ |1 − B_i|`.
    pub bound: Figure,
    /// `Cov(x_i, g_i)`, which must be `−½ (1 − B_i)`.
    pub stein: Figure,
    /// `Cov(x_i, g_i) + ½ (1 − B_i)`, zero but for the errors.
    pub discrepancy: f64,
}

/// The packets under windows of one scale. `σ_x`, `σ_p` are root mean squares over the coordinates.
///
/// Figures are means over centres, with Student's 95 % interval for centres drawn like these. It is cut where no
/// mean can lie: at ½ for the product, else at zero.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowPackets {
    /// The width `s` of the windows, in input units.
    pub scale: f64,
    /// How many centres.
    pub centres: u64,
    /// `σ_x`.
    #[serde(serialize_with = "as_mean")]
    pub sigma_x: Figure,
    /// `σ_p`.
    #[serde(serialize_with = "as_mean")]
    pub sigma_p: Figure,
    /// `σ_x σ_p` of the aggregates.
    #[serde(serialize_with = "as_mean")]
    pub product: Figure,
    /// The smallest `σ_x,i σ_p,i` of all centres and coordinates.
    pub product_min: f64,
    /// What it cannot fall below: ½.
    pub bound: f64,
    /// `‖⟨x⟩ − x₀‖ / s`.
    #[serde(serialize_with = "as_mean")]
    pub drift: Figure,
    /// `s² Σ_i Var(h_i)`.
    #[serde(serialize_with = "as_mean")]
    pub dispersion: Figure,
    /// `P(misclassified)`, the share of `ψ²` at misclassified points, by the midpoint rule.
    #[serde(serialize_with = "as_mean")]
    pub misclassified: Figure,
    /// The largest estimated error of a product.
    pub error: f64,
    /// The largest `|Cov(x_i, g_i) + ½|`.
    pub discrepancy: f64,
    /// Whether all figures of all centres settled to 1e-5.
    pub converged: bool,
}

/// A mean over centres as files have it: `{"mean", "interval"}`.
fn as_mean<S: Serializer>(figure: &Figure, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_struct("Mean", 2)?;
    fields.serialize_field("mean", &figure.value)?;
    fields.serialize_field("interval", &figure.interval)?;
    fields.end()
}

/// A packet to integrate.
struct Job {
    domain: Domain,
    label: usize,
}

impl PlanePlan {
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
            return Err(Error::Mismatch(format!(
                "the model takes {d} numbers and knows {classes} classes; give one of [N, 2] points and 2 logits"
            )));
        }
        if !(self.noise >= 0.0 && self.noise.is_finite()) {
            return Err(Error::Mismatch(format!("the noise is {}; it must be zero or positive", self.noise)));
        }
        let samples = self.points();
        let centres = self.centres.min(samples.len());
        if centres < 2 {
            return Err(Error::Mismatch("an interval needs two centres; take at least 2 samples".into()));
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
            accuracy: correct as f64 / n as f64,
            accuracy_interval: clopper_pearson(correct, n),
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
            let why = with_causes(&e);
            Error::Packet(format!("the packet of label {} on {:?}: {why}", job.label, job.domain))
        })
    };
    let go_on = AtomicBool::new(false);
    let done = engine.each_of(jobs, engine.plan().sessions, &go_on, |evaluator| evaluator, work, |_| ())?;
    Ok(done.into_iter().flatten().collect())
}

/// The share of each window's packet at points that get the other label.
fn misclassified_shares(engine: &Engine, jobs: &[Job], spreads: &[Integral]) -> Result<Vec<f64>> {
    let share = |evaluator: &mut Evaluator, job: &Job, spreads: &Integral| -> Result<f64> {
        let Domain::Window { centre, scale } = &job.domain else { return Ok(f64::NAN) };
        let coordinates: Vec<[f64; 2]> = spreads.coordinates.iter().map(|c| [c.mean, c.sigma_x]).collect();
        let points = cells(&coordinates);
        let answer = evaluator.evaluate(&query(&points, job.label))?;
        let log_density = |(&u, x): (&f32, &[f64])| {
            let far: f64 = x.iter().zip(centre).map(|(x, c)| (x - c).powi(2)).sum();
            2.0 * log_softplus(f64::from(u)).0 - far / (2.0 * scale * scale)
        };
        let log_densities: Vec<f64> =
            answer.loss.iter().zip(points.chunks_exact(2)).map(log_density).collect();
        let lead = |z: &[f32]| f64::from(z[1 - job.label]) - f64::from(z[job.label]);
        let leads: Vec<f64> = answer.logits.chunks_exact(2).map(lead).collect();
        Ok(misclassified(&log_densities, &leads))
    };
    Evaluator::lend(engine, |mut evaluator| -> Result<Vec<f64>> {
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

impl CoordinateFigures {
    /// Of coordinate `i`.
    pub(super) fn of(spreads: &Integral, i: usize) -> CoordinateFigures {
        let figure = |of: fn(&Coordinate) -> f64| spreads.figure(i, of);
        CoordinateFigures {
            mean: figure(|c| c.mean),
            sigma_x: figure(|c| c.sigma_x),
            sigma_p: figure(|c| c.sigma_p),
            product: figure(Coordinate::product),
            boundary: figure(|c| c.boundary),
            bound: figure(Coordinate::bound),
            stein: figure(|c| c.covariance),
            discrepancy: spreads.coordinates[i].discrepancy(),
        }
    }
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

fn window_packets(scale: f64, centres: &[Sample], spreads: &[Integral], wrong: &[f64]) -> WindowPackets {
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
    let share = Figure::mean(wrong);
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
        error: largest(&mut all().map(|(s, i)| s.figure(i, Coordinate::product).error())),
        discrepancy: largest(&mut all().map(|(s, i)| s.coordinates[i].discrepancy().abs())),
        converged: spreads.iter().all(|s| s.converged),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::engine::EngineOptions;
    use crate::packet::{GaussianPacket, LogOdds};
    use crate::{Classifier, Graph, Preprocessing, Runtime, RuntimeChoice};

    struct Network<'e>(Evaluator<'e>);

    impl LogOdds for Network<'_> {
        type Error = Error;

        fn batch_size(&self) -> usize {
            self.0.micro_batch()
        }

        fn evaluate(&mut self, points: &[f32], label: usize, u: &mut [f32], du: &mut [f32]) -> Result<()> {
            let points: Vec<f64> = points.iter().map(|&x| f64::from(x)).collect();
            let answer = self.0.evaluate(&query(&points, label))?;
            u.copy_from_slice(&answer.loss);
            du.copy_from_slice(&answer.gradient);
            Ok(())
        }
    }

    /// The same packets by quadrature and by sampling. The sampler's 95 % intervals are taken three
    /// times as wide, so that a right result fails once in 10⁸ cases.
    #[test]
    fn quadrature_and_sampling_agree() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        if !fixtures.is_dir() {
            println!("skipped: the repository's models are not in the package");
            return;
        }
        for (problem, scale) in [(Problem::Moons, 0.02), (Problem::Circles, 0.05), (Problem::Xor, 0.02)] {
            let model = Graph::load(fixtures.join(format!("plane_{problem}.onnx"))).unwrap();
            let classifier = Classifier::new(&model, &[2], &Preprocessing::default()).unwrap();
            let runtime = Runtime::open(RuntimeChoice::Rten).unwrap();
            let engine = Engine::new(classifier, runtime, &EngineOptions::default()).unwrap();
            for sample in problem.samples(3, 0.03, 11) {
                let centre = sample.input.iter().map(|&x| f64::from(x)).collect();
                let job = Job { domain: Domain::Window { centre, scale }, label: sample.label };
                let exact = &integrate(&engine, &[job]).unwrap()[0];
                let packet = GaussianPacket { scale, samples: 20_000, seed: 1 };
                let sampled = Evaluator::lend(&engine, |evaluator| {
                    packet.measure(&sample.input, sample.label, 0, &mut Network(evaluator)).unwrap()
                });
                assert!(sampled.valid(), "{problem} {}: {sampled:?}", sample.index);
                let spreads = [exact.clone(), exact.clone()];
                let window = window_packets(scale, &[sample.clone(), sample.clone()], &spreads, &[0.0, 0.0]);
                for (name, exact, found) in [
                    ("σ_x", window.sigma_x, sampled.spreads.sigma_x),
                    ("σ_p", window.sigma_p, sampled.spreads.sigma_p),
                    ("product", window.product, sampled.spreads.product),
                    ("drift", window.drift, sampled.drift),
                    ("dispersion", window.dispersion, sampled.dispersion),
                ] {
                    let [low, high] = found.interval.map(|end| found.value + 3.0 * (end - found.value));
                    assert!((low..=high).contains(&exact.value), "{problem} {name}: {exact:?} {found:?}");
                }
            }
        }
    }
}
