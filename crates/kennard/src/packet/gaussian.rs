//! The packet under a Gaussian window, by importance sampling.

use super::LogOdds;
use super::chain::Chains;
use super::effort::Effort;
use super::error::MeasureError;
use super::moments::{GROUPS, Moments};
use super::sampler::{Sampler, ShiftProposal};
use super::scout::{FarLobes, HIGHER};
use super::sketch::Sketch;
use super::windowed::Packet;
use crate::random::packet_stream;
use rand_chacha::ChaCha8Rng;

/// The packet `ψ(x) ∝ l(x) √N(x; x₀, s² I)` around a point.
///
/// Sampled from the window and, mostly, from the window displaced to where the packet is, with
/// weights `l² N(x; x₀, s² I)` over the density of that mixture. Samples of the window alone
/// would keep an effective fraction `exp(−drift²)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GaussianPacket {
    /// The window's width `s`, in input units.
    pub scale: f64,
    /// Weighted samples per centre. Another 128 points find the displacement, and some hundred look for what
    /// they missed.
    pub samples: usize,
    /// The seed of all random numbers.
    pub seed: u64,
}

/// This many chains are followed uphill, to see whether they miss a lobe.
const FOLLOWED: usize = 8;

impl GaussianPacket {
    /// Measures the packet of `label` around `centre` (d).
    ///
    /// The points are a function of the seed, `sample_index`, the scale, and the loss, and sums
    /// run in their order: the result does not depend on the oracle's batch size, up to the
    /// oracle's own rounding. Memory is about `2 KiB · d`, and `4 KiB · d` with
    /// Markov chains, whatever the number of samples.
    ///
    /// # Errors
    /// When the parameters or the centre make no packet, the oracle fails, or it returns
    /// log-odds or gradients that are not finite (except `u = −∞`, a loss of zero).
    pub fn measure<O: LogOdds>(
        &self,
        centre: &[f32],
        label: usize,
        sample_index: u64,
        oracle: &mut O,
    ) -> Result<Packet, MeasureError<O::Error>> {
        self.measure_until(&Effort::exactly(self.samples), centre, label, sample_index, oracle)
    }

    /// Measures the packet as [`measure`](Self::measure) does with the samples of
    /// [`Self::samples`], and goes on while `effort` asks for more.
    ///
    /// # Errors
    /// As [`measure`](Self::measure).
    pub fn measure_until<O: LogOdds>(
        &self,
        effort: &Effort,
        centre: &[f32],
        label: usize,
        sample_index: u64,
        oracle: &mut O,
    ) -> Result<Packet, MeasureError<O::Error>> {
        self.measure_among(effort, centre, label, sample_index, &[], oracle)
    }

    /// Measures the packet as [`measure_until`](Self::measure_until) does. Its parts far from the centre
    /// are looked for from `others` (each d) as well: points of other classes, or across the decision boundary.
    ///
    /// # Errors
    /// As [`measure`](Self::measure).
    pub fn measure_among<O: LogOdds>(
        &self,
        effort: &Effort,
        centre: &[f32],
        label: usize,
        sample_index: u64,
        others: &[&[f32]],
        oracle: &mut O,
    ) -> Result<Packet, MeasureError<O::Error>> {
        self.check(centre)?;
        let random = self.stream(sample_index, *b"gaussian");
        let mut sampler = Sampler { centre, scale: self.scale, label, oracle, random };
        let searched = sampler.proposal()?;
        let mut moments = Moments::new(centre.len());
        let mut sketch = self.sketch(effort, centre, sample_index);
        sampler.weigh(&searched, self.samples, &mut moments, &mut sketch)?;

        let whole = moments.whole();
        let mut random = self.stream(sample_index, *b"scout   ");
        let found = sampler.scout(&searched, moments.log_mean_weight(), &whole.h, others, &mut random)?;
        if let Some(found) = &found {
            moments = Moments::new(centre.len());
            sketch = self.sketch(effort, centre, sample_index);
            sampler.weigh(&found.proposal, self.samples, &mut moments, &mut sketch)?;
        }
        let proposal = found.as_ref().map_or(&searched, |found| &found.proposal);
        let weighted = self.weighted(effort, proposal, &mut sampler, moments, sketch)?;
        let mut packet = match weighted {
            Some(packet) => Packet { reached: found.as_ref().is_none_or(|found| found.reached), ..packet },
            None => self.measure_by_chains(effort, &mut sampler, sample_index, found.as_ref())?,
        };
        packet.peaks = found.as_ref().map_or(Vec::new(), |found| found.peaks(centre, self.scale));
        packet.lobes = found.map_or(Vec::new(), |found| found.shares(&searched));
        packet.reached &= packet.varies() || sampler.oracle.is_affine();
        Ok(packet)
    }

    /// Goes on with weighted samples of `proposal` while `effort` asks for more; none where their
    /// effective sample size would be too small and Markov chains may take over.
    fn weighted<O: LogOdds>(
        &self,
        effort: &Effort,
        proposal: &ShiftProposal,
        sampler: &mut Sampler<O>,
        mut moments: Moments,
        mut sketch: Option<Sketch>,
    ) -> Result<Option<Packet>, MeasureError<O::Error>> {
        let mut goal = self.samples;
        loop {
            sampler.weigh(proposal, goal, &mut moments, &mut sketch)?;
            let mut packet = Packet::from_moments(self.scale, effort.floor, &moments);
            let done =
                effort.satisfied(&packet.spreads, packet.relative_error()) || goal >= effort.max_samples;
            // The effective sample size of all samples.
            let hope = packet.spreads.ess * effort.max_samples as f64 / goal as f64;
            if effort.chains && hope < effort.floor {
                return Ok(None);
            }
            if done {
                packet.modes = sketch.and_then(|sketch| sketch.finish(self.scale, &moments));
                return Ok(Some(packet));
            }
            goal = next_goal(goal, effort, &mut sketch);
        }
    }

    pub(super) fn measure_by_chains<O: LogOdds>(
        &self,
        effort: &Effort,
        sampler: &mut Sampler<O>,
        sample_index: u64,
        found: Option<&FarLobes>,
    ) -> Result<Packet, MeasureError<O::Error>> {
        let mut chains = Chains::start(sampler)?;
        let mut reached = true;
        if let Some(found) = found {
            // Lobes that are higher than where chains are were missed by all; of ones about as high, some chains start
            // there, and disagree with the others where these do not come there.
            let summit = sampler.summit(chains.places(FOLLOWED))?;
            if summit < found.height() + HIGHER {
                let every = if summit < found.height() - HIGHER { 1 } else { 2 };
                chains.restart(&found.proposal, every, sampler)?;
                reached = found.reached;
            }
        }
        let mut moments = Moments::new(sampler.centre.len());
        let mut sketch = self.sketch(effort, sampler.centre, sample_index);
        let mut goal = self.samples;
        loop {
            let steps = (goal - moments.samples()).div_ceil(GROUPS);
            chains.sample(steps, sampler, &mut moments, &mut sketch)?;
            let mut packet = Packet::from_chains(self.scale, effort.floor, &moments, chains.mixing());
            packet.reached = reached;
            goal = moments.samples();
            let satisfied = effort.satisfied(&packet.spreads, packet.relative_error());
            if satisfied || goal >= effort.max_samples {
                packet.modes = sketch.and_then(|sketch| sketch.finish(self.scale, &moments));
                return Ok(packet);
            }
            goal = next_goal(goal, effort, &mut sketch);
        }
    }

    fn sketch(&self, effort: &Effort, centre: &[f32], sample_index: u64) -> Option<Sketch> {
        let mut random = self.stream(sample_index, *b"modes   ");
        effort.modes.then(|| Sketch::new(centre.len(), self.samples, &mut random))
    }

    fn check<E>(&self, centre: &[f32]) -> Result<(), MeasureError<E>> {
        MeasureError::check_scale(self.scale)?;
        MeasureError::check_size(self.samples, centre.len())?;
        match centre.iter().position(|value| !value.is_finite()) {
            Some(coordinate) => Err(MeasureError::Centre { coordinate, value: centre[coordinate] }),
            None => MeasureError::check_fine(self.scale, centre),
        }
    }

    /// A random stream of one sample's packet: its ChaCha key is (seed, sample index, the stream's
    /// name, scale).
    pub(super) fn stream(&self, sample_index: u64, name: [u8; 8]) -> ChaCha8Rng {
        packet_stream(self.seed, sample_index, name, self.scale)
    }
}

/// Up to how many samples are taken next: twice as many. The drift's direction is renewed where enough of them follow to be measured
/// along it.
fn next_goal(goal: usize, effort: &Effort, sketch: &mut Option<Sketch>) -> usize {
    let next = (2 * goal).min(effort.max_samples);
    if 2 * next >= 3 * goal {
        sketch.iter_mut().for_each(Sketch::renew_drift);
    }
    next
}
