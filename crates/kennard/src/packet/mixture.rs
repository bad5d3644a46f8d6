//! The packet under a window that follows a data set.

mod figures;

pub use figures::DataFigures;
use figures::identities_hold;

use super::LogOdds;
use super::effort::Effort;
use super::error::MeasureError;
use super::moments::Moments;
use super::neighbours::{KEPT, left_out, log_gradient, mean, nearest};
use super::points::Points;
use super::sampler::Sampler;
use super::spread::Spreads;
use super::vector::dot;
use crate::random::packet_stream;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

/// The packet `ψ ∝ l · √ρ`, `ρ` the equal mixture of `N(x_j, s² I)` over data points `x_j` of one
/// label.
///
/// Samples are pairs of a component and a point of it, drawn where a look at the loss around each
/// `x_j` expects the packet: the component with a probability that follows `∫ l² N(x; x_j, s² I)`,
/// the point from the component or from the component displaced. Weights make it exact whatever
/// was expected. In `g = h + ∂ ln √ρ`, the mixture's share is
/// `½ Σ_k r_k (x_k − x)/s²` with `r_k` the components' responsibilities for `x`, of which those of
/// the [`KEPT`] components nearest to `x_j` are computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DataPacket {
    /// The components' width `s`, in input units.
    pub scale: f64,
    /// Weighted samples. Another three points per component find where the packet is.
    pub samples: usize,
    /// The seed of all random numbers.
    pub seed: u64,
}

/// How many components are looked at for far lobes.
const LOOKED_AT: usize = 2;
/// How many samples each of them is looked at with.
const LOOKS: usize = 256;
/// A lobe that weighs this many times as much as the whole packet seems to was missed.
const MISSED: f64 = 2.0;

/// The shares of samples that are drawn without regard to what is expected: of components, and of
/// points of a component. They keep every weight below 25 times that of a sampler without
/// expectations.
const DEFENCE: f64 = 0.2;

impl DataPacket {
    /// Measures the packet of `label` around `centres` (n×d, all of the label), as far as `effort`
    /// demands.
    ///
    /// # Errors
    /// When the parameters make no packet, the oracle fails, or its answers are not finite.
    pub fn measure_until<O: LogOdds>(
        &self,
        effort: &Effort,
        centres: &[&[f32]],
        label: usize,
        oracle: &mut O,
    ) -> Result<DataFigures, MeasureError<O::Error>> {
        let dimension = centres.first().map_or(0, |centre| centre.len());
        MeasureError::check_scale(self.scale)?;
        MeasureError::check_size(self.samples, dimension)?;
        centres.iter().try_for_each(|centre| MeasureError::check_fine(self.scale, centre))?;
        let random = self.stream(label);
        let points = Points { dimension, label, oracle };
        let mut sampler = Mixture {
            scale: self.scale,
            centres,
            nearest: nearest(centres),
            reference: mean(centres),
            points,
            random,
            moments: Moments::with_positions(dimension),
            lost: 0.0,
        };
        let expected = sampler.expect()?;
        sampler.draw(&expected, self.samples)?;
        let reached = sampler.reaches_lobes()?;
        let mut goal = self.samples;
        loop {
            sampler.draw(&expected, goal)?;
            let spreads = Spreads::from_moments(self.scale, &sampler.moments);
            if effort.satisfied(&spreads, spreads.relative_error()) || goal >= effort.max_samples {
                return Ok(sampler.finish(spreads, reached));
            }
            goal = (2 * goal).min(effort.max_samples);
        }
    }

    fn stream(&self, label: usize) -> ChaCha8Rng {
        packet_stream(self.seed, label as u64, *b"data    ", self.scale)
    }
}

struct Mixture<'a, O> {
    scale: f64,
    centres: &'a [&'a [f32]],
    /// For each centre, itself and those nearest to it, the nearest first.
    nearest: Vec<Vec<usize>>,
    /// The mean of the centres, which positions are taken from.
    reference: Vec<f64>,
    points: Points<'a, O>,
    random: ChaCha8Rng,
    moments: Moments,
    lost: f64,
}

/// Where the packet is expected.
struct Expected {
    /// For each component, its displacement in units of `s` (d).
    shifts: Vec<Vec<f64>>,
    /// The components' cumulative probabilities, and the logarithms of `1/(n q_j)`.
    cumulative: Vec<f64>,
    log_corrections: Vec<f64>,
}

impl Expected {
    /// The component that a number between 0 and 1 chooses.
    fn component(&self, chance: f64) -> usize {
        self.cumulative.partition_point(|sum| *sum <= chance).min(self.cumulative.len() - 1)
    }

    /// The logarithm of the weight of a sample at `z` (d) from the centre of component `j`.
    fn log_weight(&self, j: usize, z: &[f64], log_loss: f64) -> f64 {
        let shift = &self.shifts[j];
        let gain = dot(shift, z) - dot(shift, shift) / 2.0;
        // ln (DEFENCE + (1 − DEFENCE) e^gain)
        let top = gain.max(0.0);
        let density = DEFENCE * (-top).exp() + (1.0 - DEFENCE) * (gain - top).exp();
        2.0 * log_loss + self.log_corrections[j] - top - density.ln()
    }
}

impl<O: LogOdds> Mixture<'_, O> {
    /// A linear `ln l` displaces a component by `2 η`; two steps of that with a mean in between,
    /// and the size of `l² N` there.
    fn expect(&mut self) -> Result<Expected, MeasureError<O::Error>> {
        let (n, scale, centres) = (self.centres.len(), self.scale, self.centres);
        let mut shifts = vec![vec![0.0; self.points.dimension]; n];
        let mut peaks = vec![f64::NEG_INFINITY; n];
        for round in 0..3 {
            let from = shifts.clone();
            self.points.evaluate(
                n,
                &mut self.random,
                |j, _, point| {
                    for ((x, &centre), shift) in point.iter_mut().zip(centres[j]).zip(&from[j]) {
                        *x = (f64::from(centre) + scale * shift) as f32;
                    }
                },
                |j, evaluated| {
                    let peak = 2.0 * evaluated.log_loss - dot(&from[j], &from[j]) / 2.0;
                    peaks[j] = peaks[j].max(peak);
                    if round < 2 && evaluated.log_loss > f64::NEG_INFINITY {
                        let step = [1.0, 0.5][round];
                        for (shift, &gradient) in shifts[j].iter_mut().zip(evaluated.gradient) {
                            let goal = 2.0 * scale * evaluated.slope * f64::from(gradient);
                            *shift += step * (goal - *shift);
                        }
                    }
                },
            )?;
        }
        let top = peaks.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let heights: Vec<f64> = peaks
            .iter()
            .map(|peak| if *peak > f64::NEG_INFINITY { (peak - top).exp() } else { 0.0 })
            .collect();
        let total: f64 = heights.iter().sum();
        let even = 1.0 / n as f64;
        let share = |height: f64| if total > 0.0 { height / total } else { even };
        let chances: Vec<f64> =
            heights.iter().map(|height| DEFENCE * even + (1.0 - DEFENCE) * share(*height)).collect();
        let log_corrections = chances.iter().map(|chance| (even / chance).ln()).collect();
        let cumulative = chances.iter().scan(0.0, |sum, chance| {
            *sum += chance;
            Some(*sum)
        });
        Ok(Expected { shifts, cumulative: cumulative.collect(), log_corrections })
    }

    /// Whether the packets of some components, drawn at random, far lobes of theirs included, weigh no more than the
    /// samples so far say of all together.
    fn reaches_lobes(&mut self) -> Result<bool, MeasureError<O::Error>> {
        let mut random = ChaCha8Rng::from_seed(self.random.get_seed());
        random.set_stream(1);
        let total = self.moments.log_mean_weight() + (self.centres.len() as f64).ln();
        for _ in 0..LOOKED_AT.min(self.centres.len()) {
            let place: f64 = StandardUniform.sample(&mut random);
            let j = (place * self.centres.len() as f64) as usize % self.centres.len();
            let mut sampler = Sampler {
                centre: self.centres[j],
                scale: self.scale,
                label: self.points.label,
                oracle: &mut *self.points.oracle,
                random: random.clone(),
            };
            let mut moments = Moments::new(self.points.dimension);
            let proposal = sampler.proposal()?;
            match sampler.weigh(&proposal, LOOKS, &mut moments, &mut None) {
                Err(MeasureError::NoWeight) => continue,
                weighed => weighed?,
            }
            let log_norm = moments.log_mean_weight();
            let found = sampler.scout(&proposal, log_norm, &moments.whole().h, &[], &mut random)?;
            if found.map_or(log_norm, |found| found.log_norm) > total + MISSED.ln() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn draw(&mut self, expected: &Expected, goal: usize) -> Result<(), MeasureError<O::Error>> {
        let (scale, centres, nearest, reference) = (self.scale, self.centres, &self.nearest, &self.reference);
        let (moments, lost) = (&mut self.moments, &mut self.lost);
        let first = moments.samples();
        let dimension = reference.len();
        let (mut z, mut x, mut g) = (vec![0.0; dimension], vec![0.0; dimension], vec![0.0; dimension]);
        let components = std::cell::RefCell::new(vec![0; goal - first]);
        self.points.evaluate(
            goal - first,
            &mut self.random,
            |index, random, point| {
                let chance: f64 = StandardUniform.sample(random);
                let displaced: f64 = StandardUniform.sample(random);
                let j = expected.component(chance);
                components.borrow_mut()[index] = j;
                let shift = (displaced >= DEFENCE).then_some(&expected.shifts[j]);
                for (i, (x, &centre)) in point.iter_mut().zip(centres[j]).enumerate() {
                    let normal: f64 = StandardNormal.sample(random);
                    let z = normal + shift.map_or(0.0, |shift| shift[i]);
                    *x = (f64::from(centre) + scale * z) as f32;
                }
            },
            |index, evaluated| {
                let j = components.borrow()[index];
                for ((z, &x), &centre) in z.iter_mut().zip(evaluated.point).zip(centres[j]) {
                    *z = (f64::from(x) - f64::from(centre)) / scale;
                }
                let log_weight = expected.log_weight(j, &z, evaluated.log_loss);
                for ((x, &value), reference) in x.iter_mut().zip(evaluated.point).zip(reference) {
                    *x = (f64::from(value) - reference) / scale;
                }
                log_gradient(scale, centres, &nearest[j], &evaluated, &z, &mut g);
                if (first + index).is_multiple_of(64) {
                    *lost = lost.max(left_out(scale, centres, &nearest[j], evaluated.point));
                }
                moments.push(log_weight, &x, &g, evaluated.wrong);
            },
        )?;
        if moments.ess() == 0.0 { Err(MeasureError::NoWeight) } else { Ok(()) }
    }

    fn finish(self, spreads: Spreads, reached: bool) -> DataFigures {
        let mean_gradient = |sums: &super::moments::MomentSums| sums.h.clone();
        let stray = self.moments.discrepancy(mean_gradient, mean_gradient);
        DataFigures {
            scale: self.scale,
            identities_hold: identities_hold(&spreads, stray),
            spreads,
            bound: 0.5,
            stray,
            components: self.centres.len(),
            kept: self.centres.len().min(KEPT),
            reached,
            lost: self.lost,
        }
    }
}
