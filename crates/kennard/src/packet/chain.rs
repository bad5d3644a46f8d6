//! Markov chains on `ψ²`, for packets that importance sampling misses.

use super::LogOdds;
use super::error::MeasureError;
use super::mixing::{CHAINS, Mixing, SCALARS, Trace};
use super::moments::{LogUnit, Moments};
use super::sampler::{EvaluatedSample, Sampler, ShiftProposal};
use super::sketch::Sketch;
use super::vector::{axpy, dot};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};
use std::cell::RefCell;

/// Steps from the window (`l⁰`, where chains start as independent samples) to the packet (`l²`), and
/// steps there before samples count.
const TEMPERING: usize = 64;
const SETTLING: usize = 128;

/// Samples that chains start from where tempering did not find the packet.
const RESTART: usize = 1024;

/// The acceptance that step sizes are adapted to while tempering and settling: the best of Langevin
/// proposals in many dimensions (Roberts and Rosenthal, JRSS B 60:255, 1998).
const ACCEPTANCE: f64 = 0.574;

/// Chains of one packet, by preconditioned Crank–Nicolson with Langevin drift: with
/// `Φ = −β ln l` and `z ~ N(0, I)` as the reference,
///
/// ```text
/// (2 + δ) v = (2 − δ) z − 2δ ∂Φ(z) + √(8δ) ξ,   ξ ~ N(0, I)
/// ```
///
/// accepted with probability `min(1, exp(ρ(z, v) − ρ(v, z)))`,
/// `ρ(z, v) = Φ(z) + ½ (v − z)·∂Φ(z) + (δ/4) (z + v)·∂Φ(z) + (δ/4) ‖∂Φ(z)‖²` (pCNL of Cotter,
/// Roberts, Stuart and White, Statistical Science 28:424, 2013, eq. 4.9). At δ = 2 a flat or linear
/// `ln l` gives independent samples.
pub(super) struct Chains {
    states: Vec<ChainState>,
    /// δ, between 0 and 2
    step: f64,
    /// Two directions that chains are compared along: `η` of the first chain, which tells its part of
    /// the packet from others, and of all together.
    directions: Vec<Vec<f64>>,
    trace: Trace,
}

struct ChainState {
    z: Vec<f64>,
    /// `η = s ∂ ln l`
    h: Vec<f64>,
    log_loss: f64,
    wrong: bool,
    /// z·z, z·η, η·η
    products: [f64; 3],
}

impl Chains {
    /// Chains that have reached the packet.
    pub fn start<O: LogOdds>(sampler: &mut Sampler<O>) -> Result<Self, MeasureError<O::Error>> {
        let mut states = Vec::with_capacity(CHAINS);
        sampler.draw(CHAINS, |_, _| None, |_, sample| states.push(ChainState::new(&sample)))?;
        let mut chains = Self { states, step: 1.0, directions: Vec::new(), trace: Trace::default() };
        for t in 0..TEMPERING {
            chains.adapt(2.0 * (t + 1) as f64 / TEMPERING as f64, 1.0, sampler)?;
        }
        chains.settle(sampler)?;
        Ok(chains)
    }

    /// Where the first `count` chains are (each d).
    pub fn places(&self, count: usize) -> Vec<Vec<f64>> {
        self.states.iter().take(count).map(|state| state.z.clone()).collect()
    }

    /// Starts one chain in `every` anew from samples of `proposal`, each from one that is drawn by weight.
    pub fn restart<O: LogOdds>(
        &mut self,
        proposal: &ShiftProposal,
        every: usize,
        sampler: &mut Sampler<O>,
    ) -> Result<(), MeasureError<O::Error>> {
        let mut random = ChaCha8Rng::from_rng(&mut sampler.random);
        let (mut unit, mut total) = (LogUnit::default(), 0.0);
        let states = &mut self.states;
        sampler.draw(
            RESTART,
            |_, random| proposal.choose(random),
            |_, sample| {
                if sample.log_loss == f64::NEG_INFINITY {
                    return;
                }
                let log_weight = 2.0 * sample.log_loss + proposal.log_ratio(sample.z);
                let (weight, change) = unit.weigh(log_weight);
                total = total * change.unwrap_or(1.0) + weight;
                for state in states.iter_mut().step_by(every) {
                    // Each state is then one of the samples so far, with a probability as its weight.
                    let chance: f64 = StandardUniform.sample(&mut random);
                    if chance * total < weight {
                        state.set(&sample);
                    }
                }
            },
        )?;
        self.step = 1.0;
        self.settle(sampler)
    }

    /// Lets chains forget where they came from.
    fn settle<O: LogOdds>(&mut self, sampler: &mut Sampler<O>) -> Result<(), MeasureError<O::Error>> {
        for t in 0..SETTLING {
            self.adapt(2.0, 1.0 / (1.0 + t as f64 / 8.0), sampler)?;
        }
        if self.states.iter().any(|state| state.log_loss == f64::NEG_INFINITY) {
            return Err(MeasureError::NoWeight);
        }
        let mut all = vec![0.0; sampler.centre.len()];
        self.states.iter().for_each(|state| axpy(&mut all, 1.0, &state.h));
        self.directions = vec![self.states[0].h.clone(), all];
        Ok(())
    }

    /// A step of every chain, after which the step size follows the acceptance.
    fn adapt<O: LogOdds>(
        &mut self,
        beta: f64,
        gain: f64,
        sampler: &mut Sampler<O>,
    ) -> Result<(), MeasureError<O::Error>> {
        let accepted = self.advance(beta, sampler)?;
        self.step = (self.step * (gain * (accepted - ACCEPTANCE)).exp()).clamp(1e-6, 2.0);
        Ok(())
    }

    /// Takes every chain's next `steps` states for samples.
    pub fn sample<O: LogOdds>(
        &mut self,
        steps: usize,
        sampler: &mut Sampler<O>,
        moments: &mut Moments,
        sketch: &mut Option<Sketch>,
    ) -> Result<(), MeasureError<O::Error>> {
        for _ in 0..steps {
            self.advance(2.0, sampler)?;
            for state in &self.states {
                moments.push(0.0, &state.z, &state.h, state.wrong);
                if let Some(sketch) = sketch {
                    sketch.push(0.0, &state.z, &state.h);
                }
            }
            self.trace.push(self.states.iter().map(|state| state.scalars(&self.directions)));
        }
        Ok(())
    }

    pub fn mixing(&self) -> Mixing {
        self.trace.mixing()
    }

    /// One step of every chain on `l^β`; returns the mean probability of acceptance.
    fn advance<O: LogOdds>(
        &mut self,
        beta: f64,
        sampler: &mut Sampler<O>,
    ) -> Result<f64, MeasureError<O::Error>> {
        let step = self.step;
        let (keep, drift, noise) = (
            (2.0 - step) / (2.0 + step),
            2.0 * step * beta / (2.0 + step),
            (8.0 * step).sqrt() / (2.0 + step),
        );
        let (centre, scale) = (sampler.centre, sampler.scale);
        let states = RefCell::new((&mut self.states, [0.0; CHAINS]));
        let mut acceptance = 0.0;
        sampler.evaluate(
            CHAINS,
            |k, random, point| {
                let (states, chances) = &mut *states.borrow_mut();
                let state = &states[k];
                for (((x, &centre), z), h) in point.iter_mut().zip(centre).zip(&state.z).zip(&state.h) {
                    let normal: f64 = StandardNormal.sample(random);
                    *x = (f64::from(centre) + scale * (keep * z + drift * h + noise * normal)) as f32;
                }
                // Here, so that the stream does not depend on the batch size.
                chances[k] = StandardUniform.sample(random);
            },
            |k, sample| {
                let (states, chances) = &mut *states.borrow_mut();
                let state = &mut states[k];
                let chance = state.acceptance(&sample, beta, step);
                acceptance += chance / CHAINS as f64;
                if chances[k] < chance {
                    state.set(&sample);
                }
            },
        )?;
        Ok(acceptance)
    }
}

impl ChainState {
    fn new(sample: &EvaluatedSample) -> Self {
        let EvaluatedSample { z, h, log_loss, wrong } = *sample;
        Self { z: z.to_vec(), h: h.to_vec(), log_loss, wrong, products: Self::products(z, h) }
    }

    fn products(z: &[f64], h: &[f64]) -> [f64; 3] {
        [dot(z, z), dot(z, h), dot(h, h)]
    }

    fn set(&mut self, sample: &EvaluatedSample) {
        self.z.copy_from_slice(sample.z);
        self.h.copy_from_slice(sample.h);
        self.log_loss = sample.log_loss;
        self.wrong = sample.wrong;
        self.products = Self::products(sample.z, sample.h);
    }

    /// The probability that a chain on `l^β` moves from here to a sample proposed with step `δ`.
    fn acceptance(&self, sample: &EvaluatedSample, beta: f64, step: f64) -> f64 {
        if sample.log_loss == f64::NEG_INFINITY {
            return 0.0;
        }
        if self.log_loss == f64::NEG_INFINITY {
            return 1.0;
        }
        let (zh, hh) = (dot(sample.z, sample.h), dot(sample.h, sample.h));
        let (vh, zu) = (dot(sample.z, &self.h), dot(&self.z, sample.h));
        let [_, own, own_hh] = self.products;
        // ρ from each side, ∂Φ = −β η
        let rho = |log_loss: f64, there: f64, here: f64, square: f64| {
            -beta * log_loss - beta / 2.0 * (there - here) - step / 4.0 * beta * (there + here)
                + step / 4.0 * beta * beta * square
        };
        let forward = rho(self.log_loss, vh, own, own_hh);
        let backward = rho(sample.log_loss, zu, zh, hh);
        (forward - backward).exp().min(1.0)
    }

    fn scalars(&self, directions: &[Vec<f64>]) -> [f64; SCALARS] {
        let [zz, zh, hh] = self.products;
        let along = |i: usize| directions.get(i).map_or(0.0, |direction| dot(direction, &self.z));
        [self.log_loss, zz, zh, hh, along(0), along(1)]
    }
}
