//! A network's packet along a line or a plane through a data point, by quadrature.
//!
//! With one or two orthonormal directions `e_j`, the loss is looked at where `x = x₀ + Σ_j t_j e_j`, and
//!
//! ```text
//! ψ(t) ∝ l(x₀ + Σ_j t_j e_j) · √N(t; 0, s² I)
//! ```
//!
//! is a packet of one or two dimensions: the network restricted to the line or plane, not a marginal of its
//! packet in all dimensions. All identities hold for it, and the bound is ½ along each direction.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Serialize;

use super::direction::{Direction, orthonormal};
use super::plane::CoordinateFigures;
use super::share::{cells, misclassified};
use super::{Domain, Quadrature, Wave};
use crate::answer::{margin, predict};
use crate::data::{DataSet, Sample};
use crate::engine::{Engine, Evaluator, Query};
use crate::error::with_causes;
use crate::packet::oracle::EngineOracle;
use crate::packet::points::Points;
use crate::packet::vector::dot;
use crate::packet::{Effort, GaussianPacket, LogOdds};
use crate::{Error, Result};

/// Which packets to measure: one per scale, through one sample.
pub struct SlicePlan<'a> {
    /// The classifier.
    pub engine: &'a Engine,
    /// The data set.
    pub data: &'a DataSet,
    /// The sample's place in the data set.
    pub sample: usize,
    /// One direction for a line, two for a plane. Of a second, the part orthogonal to the first counts.
    pub directions: Vec<Direction>,
    /// Widths `s` of the windows, in input units.
    pub scales: Vec<f64>,
    /// The seed of the samples that find a mode.
    pub seed: u64,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SliceReport {
    /// The sample's place in the data set.
    pub sample: u64,
    /// The label of the sample.
    pub label: u64,
    /// The class that the model predicts.
    pub prediction: u64,
    /// `gradient`, `mode`, or `sample N`.
    pub directions: Vec<String>,
    /// In the order of the scales.
    pub slices: Vec<Slice>,
    /// The scales at which there is no packet.
    pub failed: Vec<FailedSlice>,
}

/// A scale at which the packet could not be measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FailedSlice {
    /// `s`.
    pub scale: f64,
    /// Why.
    pub reason: String,
}

/// The packet at one scale.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Slice {
    /// `s`.
    pub scale: f64,
    /// Along each direction, the sample at zero.
    pub coordinates: Vec<CoordinateFigures>,
    /// What no product can fall below: ½.
    pub bound: f64,
    /// `‖⟨t⟩‖ / s`.
    pub drift: f64,
    /// `s² Σ_j Var(h_j)`.
    pub dispersion: f64,
    /// `P(misclassified)`, the share of `ψ²` at points where another class's logit is at least the label's, by the midpoint
    /// rule: to about 1 % on a line, 5 % in a plane.
    pub misclassified: f64,
    /// `ln ∫ l² exp(−‖t‖²/(2s²)) dt`.
    pub log_norm: f64,
    /// Points per direction of the last rule.
    pub order: usize,
    /// Whether the figures settled, to 1e-5 on a line and to 1e-4 in a plane.
    pub converged: bool,
    #[serde(skip)]
    cut: Subspace,
}

/// A line or a plane through a point.
#[derive(Clone, Debug, PartialEq)]
struct Subspace {
    centre: Vec<f32>,
    label: usize,
    /// Orthonormal (k×d).
    axes: Vec<Vec<f64>>,
}

const LINE: Quadrature = Quadrature { tolerance: 1e-5, max_order: 4096 };
const PLANE: Quadrature = Quadrature { tolerance: 1e-4, max_order: 128 };
/// Points that find a mode.
const SAMPLES: usize = 2000;
const MAX_SAMPLES: usize = 16_000;
impl SlicePlan<'_> {
    /// Measures the packets.
    ///
    /// # Errors
    /// When a scale or a direction makes no packet, there is no such sample, or the runtime fails.
    pub fn measure(&self) -> Result<SliceReport> {
        self.check()?;
        let centre = self.find(self.sample)?;
        self.engine.classifier().check_label(centre.index, centre.label)?;
        let (label, points) = (centre.label, centre.input.clone());
        let query = Query::untouched(points);
        let outputs = Evaluator::lend(self.engine, |mut evaluator| evaluator.evaluate(&query))?.logits;
        let (mut slices, failed) = Evaluator::lend(self.engine, |evaluator| {
            self.slices(&centre, &mut EngineOracle::new(evaluator, self.engine))
        })?;
        for slice in &mut slices {
            slice.misclassified = slice.misclassified_share(self.engine)?;
        }
        if let (true, Some(first)) = (slices.is_empty(), failed.first()) {
            return Err(Error::Packet(format!("there is no packet at any scale. {}", first.reason)));
        }
        Ok(SliceReport {
            sample: self.sample as u64,
            label: label as u64,
            prediction: predict(&outputs) as u64,
            directions: self.names(),
            slices,
            failed,
        })
    }

    /// Refuses scales and directions that make no packet.
    fn check(&self) -> Result<()> {
        if let Some(scale) = self.scales.iter().find(|scale| !(**scale > 0.0 && scale.is_finite())) {
            return Err(Error::Packet(format!(
                "the window's scale is {scale}; it must be positive and finite, in input units"
            )));
        }
        match self.directions.len() {
            1 | 2 => Ok(()),
            count => Err(Error::Packet(format!("{count} directions: one makes a line, two make a plane"))),
        }
    }

    fn names(&self) -> Vec<String> {
        self.directions.iter().map(Direction::to_string).collect()
    }

    /// The packets at all scales, and the scales at which there is none; an error where there is but one scale.
    fn slices(&self, centre: &Sample, oracle: &mut EngineOracle) -> Result<(Vec<Slice>, Vec<FailedSlice>)> {
        let (mut slices, mut failed) = (Vec::new(), Vec::new());
        for &scale in &self.scales {
            match self.slice(scale, centre, oracle) {
                Ok(slice) => slices.push(slice),
                Err(error) if self.scales.len() == 1 => return Err(error),
                Err(error) => failed.push(FailedSlice { scale, reason: with_causes(&error) }),
            }
        }
        Ok((slices, failed))
    }

    fn slice(&self, scale: f64, centre: &Sample, oracle: &mut EngineOracle) -> Result<Slice> {
        let along = |direction: &Direction| self.along(*direction, centre, scale, oracle);
        let directions: Vec<Vec<f64>> = self.directions.iter().map(along).collect::<Result<_>>()?;
        let axes = orthonormal(directions, &self.names())?;
        Subspace { centre: centre.input.clone(), label: centre.label, axes }.measure(scale, oracle)
    }

    fn find(&self, index: usize) -> Result<Sample> {
        let missing = || {
            let count = self.data.len();
            Error::Packet(format!("there is no sample {index}: {} has {count}, from 0", self.data.spec()))
        };
        self.data.samples()?.nth(index).transpose()?.ok_or_else(missing)
    }

    /// A direction (d), of any length.
    fn along(
        &self,
        direction: Direction,
        centre: &Sample,
        scale: f64,
        oracle: &mut EngineOracle,
    ) -> Result<Vec<f64>> {
        match direction {
            Direction::Gradient => {
                let (mut u, mut gradient) = ([0.0], vec![0.0; centre.input.len()]);
                oracle.evaluate(&centre.input, centre.label, &mut u, &mut gradient)?;
                Ok(gradient.into_iter().map(f64::from).collect())
            }
            Direction::Mode => {
                let packet = GaussianPacket { scale, samples: SAMPLES, seed: self.seed };
                let effort = Effort { max_samples: MAX_SAMPLES, modes: true, ..Effort::default() };
                let index = centre.index as u64;
                let failed = |e: crate::packet::MeasureError<Error>| {
                    let why = with_causes(&e);
                    Error::Packet(format!("the packet around sample {index}, for its mode: {why}"))
                };
                let packet = packet
                    .measure_until(&effort, &centre.input, centre.label, index, oracle)
                    .map_err(failed)?;
                let mode = packet.modes.and_then(|modes| modes.leading.into_iter().next());
                let lacking = || Error::Packet(format!("the packet around sample {index} has no modes"));
                Ok(mode.ok_or_else(lacking)?.direction)
            }
            Direction::Towards(other) => {
                let other = self.find(other)?.input;
                Ok(other.iter().zip(&centre.input).map(|(&a, &b)| f64::from(a) - f64::from(b)).collect())
            }
        }
    }
}

impl Subspace {
    fn measure<O: LogOdds>(&self, scale: f64, oracle: &mut O) -> Result<Slice> {
        let k = self.axes.len();
        let domain = Domain::Window { centre: vec![0.0; k], scale };
        let rule = if k == 1 { LINE } else { PLANE };
        let integral = rule
            .measure(&domain, |points| self.wave(points, oracle))
            .map_err(|e| Error::Packet(format!("the packet at scale {scale}: {}", with_causes(&e))))?;
        let square = |of: fn(&super::Coordinate) -> f64| -> f64 { integral.coordinates.iter().map(of).sum() };
        Ok(Slice {
            scale,
            coordinates: (0..k).map(|i| CoordinateFigures::of(&integral, i)).collect(),
            bound: 0.5,
            drift: square(|c| c.mean * c.mean).sqrt() / scale,
            dispersion: scale * scale * square(|c| c.roughness),
            // Told by logits, which an oracle does not give.
            misclassified: f64::NAN,
            log_norm: integral.log_norm,
            order: integral.order,
            converged: integral.converged,
            cut: self.clone(),
        })
    }

    /// The input at `t` (k), rounded to single precision.
    fn point(&self, t: &[f64], x: &mut [f32]) {
        for (i, (x, &centre)) in x.iter_mut().zip(&self.centre).enumerate() {
            let moved: f64 = self.axes.iter().zip(t).map(|(axis, t)| t * axis[i]).sum();
            *x = (f64::from(centre) + moved) as f32;
        }
    }

    /// The loss at points n×k, as a wave function.
    fn wave<O: LogOdds>(
        &self,
        at: &[f64],
        oracle: &mut O,
    ) -> Result<Wave, crate::packet::MeasureError<O::Error>> {
        let k = self.axes.len();
        let mut wave = Wave::default();
        let mut points = Points { dimension: self.centre.len(), label: self.label, oracle };
        points.evaluate(
            at.len() / k,
            &mut ChaCha8Rng::from_seed(Default::default()),
            |n, _, x| self.point(&at[n * k..(n + 1) * k], x),
            |_, seen| {
                wave.exponent.push(seen.log_loss);
                wave.value.push(1.0);
                let gradient: Vec<f64> = seen.gradient.iter().map(|&g| f64::from(g)).collect();
                wave.gradient.extend(self.axes.iter().map(|axis| seen.slope * dot(axis, &gradient)));
            },
        )?;
        Ok(wave)
    }
}

impl Slice {
    /// At points n×k along the directions: `ψ²` in 1/(input unit)ᵏ, and by how much the largest logit of
    /// another class exceeds the label's.
    ///
    /// # Errors
    /// When the runtime fails.
    pub fn at(&self, engine: &Engine, points: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let Subspace { centre, label, axes } = &self.cut;
        let (k, d, label) = (axes.len(), centre.len(), *label);
        Evaluator::lend(engine, |mut evaluator| {
            let (mut density, mut margins) = (Vec::new(), Vec::new());
            let batch = evaluator.micro_batch();
            for at in points.chunks(batch * k) {
                let mut x = vec![0.0; at.len() / k * d];
                for (t, x) in at.chunks_exact(k).zip(x.chunks_exact_mut(d)) {
                    self.cut.point(t, x);
                }
                let query = Query::logits(x);
                let logits = evaluator.evaluate(&query)?.logits;
                for (t, z) in at.chunks_exact(k).zip(logits.chunks_exact(evaluator.classes())) {
                    let log_loss = crate::packet::log_loss::log_softplus(log_odds(z, label)).0;
                    let window = t.iter().map(|t| t * t).sum::<f64>() / (2.0 * self.scale * self.scale);
                    density.push((2.0 * log_loss - window - self.log_norm).exp());
                    margins.push(-f64::from(margin(z, label)));
                }
            }
            Ok((density, margins))
        })
    }

    fn misclassified_share(&self, engine: &Engine) -> Result<f64> {
        let spread = |c: &CoordinateFigures| [c.mean.value, c.sigma_x.value];
        let spreads: Vec<[f64; 2]> = self.coordinates.iter().map(spread).collect();
        let (densities, leads) = self.at(engine, &cells(&spreads))?;
        let log_densities: Vec<f64> = densities.iter().map(|density| density.ln()).collect();
        Ok(misclassified(&log_densities, &leads))
    }

    /// The ends of each direction between which nearly all of the packet and of its window lie.
    pub fn ends(&self) -> Vec<[f64; 2]> {
        let ends = |c: &CoordinateFigures| {
            let (mean, reach) = (c.mean.value, 3.5 * c.sigma_x.value);
            [(mean - reach).min(-3.0 * self.scale), (mean + reach).max(3.0 * self.scale)]
        };
        self.coordinates.iter().map(ends).collect()
    }
}

/// `logsumexp_{j≠y}(z_j) − z_y`.
fn log_odds(z: &[f32], label: usize) -> f64 {
    let others = || z.iter().enumerate().filter(|(j, _)| *j != label).map(|(_, &z)| f64::from(z));
    let top = others().fold(f64::NEG_INFINITY, f64::max);
    top + others().map(|z| (z - top).exp()).sum::<f64>().ln() - f64::from(z[label])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `l = eᵘ` to rounding, for `u = a·x − 40`.
    struct Exponential(Vec<f32>);

    impl LogOdds for Exponential {
        type Error = std::convert::Infallible;

        fn batch_size(&self) -> usize {
            7
        }

        fn evaluate(
            &mut self,
            points: &[f32],
            _: usize,
            u: &mut [f32],
            gradient: &mut [f32],
        ) -> Result<(), Self::Error> {
            let d = self.0.len();
            for ((x, u), g) in points.chunks(d).zip(u).zip(gradient.chunks_mut(d)) {
                *u = x.iter().zip(&self.0).map(|(x, a)| x * a).sum::<f32>() - 40.0;
                g.copy_from_slice(&self.0);
            }
            Ok(())
        }
    }

    /// A model that has no gradient.
    struct Rough;

    impl LogOdds for Rough {
        type Error = Error;

        fn batch_size(&self) -> usize {
            1
        }

        fn evaluate(&mut self, _: &[f32], _: usize, _: &mut [f32], _: &mut [f32]) -> Result<()> {
            Err(Error::NoGradient("the node `trees` has no gradient rule".into()))
        }
    }

    #[test]
    fn what_failed_is_said_to_its_first_cause() {
        let cut = Subspace { centre: vec![0.5; 2], label: 0, axes: vec![vec![1.0, 0.0]] };
        let said = cut.measure(0.25, &mut Rough).unwrap_err().to_string();
        assert!(said.starts_with("the packet at scale 0.25: "), "{said}");
        assert!(said.ends_with("could not be evaluated: the node `trees` has no gradient rule"), "{said}");
    }

    /// A locally exponential loss displaces the packet by `2 s² a` and leaves it a coherent state: along
    /// each direction by that direction's part of it.
    #[test]
    fn an_exponential_loss_displaces_the_packet() {
        let a = [3.0f32, 0.0, -4.0, 0.0];
        let scale = 0.25;
        let directions = [vec![3.0, 0.0, -4.0, 0.0], vec![1.0, 2.0, 0.0, 0.0]];
        let names = ["gradient".to_string(), "sample 2".to_string()];
        for k in [1, 2] {
            let axes = orthonormal(directions[..k].to_vec(), &names).unwrap();
            let cut = Subspace { centre: vec![0.5, 0.25, 0.0, 1.0], label: 0, axes };
            let slice = cut.measure(scale, &mut Exponential(a.to_vec())).unwrap();
            assert!(slice.converged);
            let expected = [2.0 * scale * scale * 5.0, 0.0];
            for (c, mean) in slice.coordinates.iter().zip(expected) {
                // Log-odds in single precision near −40 are known to 2e-6.
                for (found, exact) in [
                    (c.mean.value, mean),
                    (c.sigma_x.value, scale),
                    (c.sigma_p.value, 0.5 / scale),
                    (c.product.value, 0.5),
                    (c.stein.value, -0.5),
                ] {
                    assert!((found - exact).abs() < 2e-5, "{found} {exact}: {slice:?}");
                }
            }
            assert!((slice.drift - 2.0 * scale * 5.0).abs() < 1e-4);
            assert!(slice.dispersion < 1e-6);
        }
        let twins = vec![directions[0].clone(), directions[0].iter().map(|x| -2.0 * x).collect()];
        assert!(orthonormal(twins, &names).unwrap_err().to_string().contains("span no plane"));
        let none = vec![vec![0.0; 4]];
        assert!(orthonormal(none, &names).unwrap_err().to_string().contains("length 0"));
    }
}
