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

mod subspace;
#[cfg(test)]
mod tests;

use serde::Serialize;

use subspace::Subspace;

use super::direction::{Direction, orthonormal};
use super::plane::CoordinateFigures;
use super::share::{Seen, misclassified};
use crate::answer::{margin, predict};
use crate::data::{DataSet, Sample};
use crate::engine::{Engine, Evaluator, Query};
use crate::error::{positive, with_causes};
use crate::packet::oracle::{EngineOracle, LogOdds};
use crate::packet::{Effort, GaussianPacket};
use crate::{Error, Figure, PacketError, Result};

/// Which packets to measure: one per scale, through one sample.
#[non_exhaustive]
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
    /// The packets, in the order of the scales.
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
    /// `P(misclassified)`, the share of `ψ²` at points where another class's logit is at least the label's.
    pub misclassified: f64,
    /// The estimated error of `misclassified`.
    pub misclassified_error: f64,
    /// `ln ∫ l² exp(−‖t‖²/(2s²)) dt`.
    pub log_norm: f64,
    /// Points per direction of the last rule.
    pub order: usize,
    /// Whether the figures settled, to 1e-5 on a line and to 1e-4 in a plane.
    pub converged: bool,
    #[serde(skip)]
    cut: Subspace,
}

/// Points that find a mode.
const SAMPLES: usize = 2000;
const MAX_SAMPLES: usize = 16_000;

impl<'a> SlicePlan<'a> {
    /// Packets of these widths through the sample at this place in the data set; modes are found with seed 0.
    pub fn new(
        engine: &'a Engine,
        data: &'a DataSet,
        sample: usize,
        directions: Vec<Direction>,
        scales: Vec<f64>,
    ) -> Self {
        SlicePlan { engine, data, sample, directions, scales, seed: 0 }
    }
}

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
            let share = slice.misclassified_share(self.engine)?;
            (slice.misclassified, slice.misclassified_error) = (share.value, share.error());
        }
        if let (true, Some(first)) = (slices.is_empty(), failed.first()) {
            return Err(PacketError::NoneMeasured { asked: failed.len(), first: first.reason.clone() }.into());
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
        let allowed = "it must be positive and finite, in input units";
        self.scales.iter().try_for_each(|scale| positive("the window's scale", *scale, allowed))?;
        match self.directions.len() {
            1 | 2 => Ok(()),
            count => Err(PacketError::Directions { count }.into()),
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
        let missing = || Error::NoSuch {
            what: "sample",
            number: index,
            range: format!("{} has {}, from 0", self.data.spec(), self.data.len()),
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
                let failed = |e: crate::packet::MeasureError<Error>| Error::Unmeasured {
                    what: format!("the packet around sample {index}, for its mode"),
                    why: with_causes(&e),
                };
                let packet = packet
                    .measure_until(&effort, &centre.input, centre.label, index, oracle)
                    .map_err(failed)?;
                let mode = packet.modes.and_then(|modes| modes.leading.into_iter().next());
                let lacking = || Error::Unmeasured {
                    what: format!("the mode of the packet around sample {index}"),
                    why: "it has none".into(),
                };
                Ok(mode.ok_or_else(lacking)?.direction)
            }
            Direction::Towards(other) => {
                let other = self.find(other)?.input;
                Ok(other.iter().zip(&centre.input).map(|(&a, &b)| f64::from(a) - f64::from(b)).collect())
            }
        }
    }
}

impl Slice {
    /// At points n×k along the directions: `ψ²` in 1/(input unit)ᵏ, and by how much the largest logit of
    /// another class exceeds the label's.
    ///
    /// # Errors
    /// When the runtime fails.
    pub fn at(&self, engine: &Engine, points: &[f64]) -> Result<(Vec<f64>, Vec<f64>)> {
        let (logarithms, leads) =
            Evaluator::lend(engine, |mut evaluator| self.logarithms(&mut evaluator, points))?;
        Ok((logarithms.into_iter().map(f64::exp).collect(), leads))
    }

    /// `ln ψ²` and the other classes' lead at points n×k.
    fn logarithms(&self, evaluator: &mut Evaluator, points: &[f64]) -> Result<Seen> {
        let Subspace { centre, label, axes } = &self.cut;
        let (k, d, label) = (axes.len(), centre.len(), *label);
        let (mut logarithms, mut leads) = (Vec::new(), Vec::new());
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
                logarithms.push(2.0 * log_loss - window - self.log_norm);
                leads.push(-f64::from(margin(z, label)));
            }
        }
        Ok((logarithms, leads))
    }

    fn misclassified_share(&self, engine: &Engine) -> Result<Figure> {
        let spread = |c: &CoordinateFigures| [c.mean.value, c.sigma_x.value];
        let spreads: Vec<[f64; 2]> = self.coordinates.iter().map(spread).collect();
        Evaluator::lend(engine, |mut evaluator| {
            misclassified(&spreads, |points| self.logarithms(&mut evaluator, points))
        })
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
