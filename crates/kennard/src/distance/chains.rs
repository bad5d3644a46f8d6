//! Markov chains on an error packet.

mod steps;
mod sums;

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardUniform};

use steps::{bare, choose};
use sums::{ChainSums, moved, summed};

use super::margins::CountedOracle;
use super::proposal::Proposal;
use super::sampling::draw;
use super::{DistanceError, Margins};
use crate::Figure;
use crate::packet::vector::dot;

/// Chains side by side, and samples that they start from.
pub(super) const CHAINS: usize = 64;
const START: usize = 1024;
/// These take at most this many numbers.
const START_NUMBERS: usize = 1 << 25;
/// Rounds in which parts follow their chains, steps of each, and the rounds that count for where a part ends.
const ROUNDS: usize = 8;
const ROUND: usize = 80;
const LAST: usize = 4;
/// Parts with less than this share, over their number, hold hardly any of the packet.
const HELD: f64 = 0.3;
/// Steps from one try of a chain to jump to another part to the next.
const JUMP: usize = 2;
/// The acceptance that steps are adapted to while chains settle.
const ACCEPTANCE: f64 = 0.3;

/// Chains on `ψ² ∝ lead² N(0, I)`.
///
/// A chain moves by `v = a + ρ(z − a) + √(1 − ρ²) ξ`, `ξ` of the covariance of one part of a proposal and `a` its
/// middle, which keeps that part's distribution; accepted by the ratio of `ψ²` over that density (preconditioned
/// Crank–Nicolson: Cotter, Roberts, Stuart and White, Statistical Science 28:424, 2013). The part is narrow along its
/// axis, as the packet is, so that steps need not be as small there.
///
/// Where several parts hold the packet, no chain of small steps gets from one to another, and chains would count each part by
/// how many of them started there. So now and then a chain tries to jump: `ProposalPart::carried` is undone by the way back and
/// stretches space by the ratio of the widths, so that the ratio of `ψ²` over the parts' densities accepts it.
pub(super) struct ErrorChains {
    proposal: Proposal,
    states: Vec<ErrorChainState>,
    /// `√(1 − ρ²)`, one for all chains.
    stride: f64,
}

#[derive(Clone)]
struct ErrorChainState {
    /// In units of `s` from the centre (d).
    z: Vec<f64>,
    log_lead: f64,
    class: usize,
    part: usize,
    /// `ln` of `ψ²` over the density of the chain's part.
    log_own: f64,
}

/// What chains found, in units of `s`.
pub(super) struct ChainFigures {
    pub mean: Figure,
    pub sigma_x: Figure,
    /// How many chains ended where each class leads.
    pub ends: Vec<(usize, usize)>,
    /// For each part of the proposal, how often a chain was there, and the sum of places along the part's axis.
    pub parts: Vec<[f64; 2]>,
    pub ess: f64,
    pub r_hat: f64,
}

impl ErrorChains {
    /// Starts as many chains in each part of the proposal: half at the part's own samples, chosen with their weights as
    /// probabilities, half on its axis, without noise. None where nothing is misclassified.
    pub fn start<O: Margins>(
        asked: &mut CountedOracle<O>,
        scale: f64,
        proposal: &Proposal,
        random: &mut ChaCha8Rng,
    ) -> Result<Option<ErrorChains>, DistanceError<O::Error>> {
        let mut drawn: Vec<ErrorChainState> = Vec::new();
        let count = START.min(START_NUMBERS / asked.centre.len()).max(CHAINS);
        draw(asked, scale, proposal, count, random, |sample| {
            let (class, lead) = sample.leads.largest();
            if lead > 0.0
                && let Some(part) = sample.part.or_else(|| proposal.nearest(sample.z))
            {
                let mut state =
                    ErrorChainState { z: sample.z.to_vec(), log_lead: lead.ln(), class, part, log_own: 0.0 };
                state.weigh(proposal);
                drawn.push(state);
            }
        })?;
        let bare = bare(asked, scale, proposal)?;
        let mut found: Vec<usize> = (0..proposal.parts.len()).collect();
        found.retain(|part| drawn.iter().chain(&bare).any(|state| state.part == *part));
        if found.is_empty() {
            return Ok(None);
        }
        let mut states = Vec::with_capacity(CHAINS);
        for chain in 0..CHAINS {
            let part = found[chain % found.len()];
            let own = || drawn.iter().filter(|state| state.part == part);
            let without_noise = bare.iter().find(|state| state.part == part);
            let state = match without_noise {
                Some(state) if (chain / found.len()).is_multiple_of(2) || own().next().is_none() => {
                    Some(state)
                }
                _ => choose(own(), random),
            };
            states.extend(state.cloned());
        }
        Ok(Some(ErrorChains { proposal: proposal.clone(), states, stride: 0.3 }))
    }

    /// Lets each part of the proposal that has chains move to their mean, and chains with it.
    pub fn follow<O: Margins>(
        &mut self,
        asked: &mut CountedOracle<O>,
        scale: f64,
        random: &mut ChaCha8Rng,
    ) -> Result<(), DistanceError<O::Error>> {
        let mut sums = vec![ChainSums::new(asked.centre.len()); CHAINS];
        for round in 0..ROUNDS {
            if round <= ROUNDS - LAST {
                sums.iter_mut().for_each(ChainSums::clear);
            }
            for step in 0..ROUND {
                self.adapt(step, asked, scale, random)?;
                if step >= ROUND / 4 {
                    let parts = &self.proposal.parts;
                    sums.iter_mut()
                        .zip(&self.states)
                        .for_each(|(sums, state)| sums.add(&state.z, &parts[state.part].axis));
                }
            }
            for part in 0..self.proposal.parts.len() {
                let own = sums.iter().zip(&self.states).filter(|(_, state)| state.part == part);
                let own: Vec<&ChainSums> = own.map(|(sums, _)| sums).collect();
                if let Some(moved) = moved(&self.proposal.parts[part], &own) {
                    self.proposal.parts[part] = moved;
                }
            }
            self.states.iter_mut().for_each(|state| state.weigh(&self.proposal));
        }
        Ok(())
    }

    /// The parts that chains follow.
    pub fn proposal(&self) -> &Proposal {
        &self.proposal
    }

    /// The same chains with the shares and widths of a proposal of the same parts: those of parts that hold hardly any
    /// of the packet go on from where chains of the others are.
    pub fn among(mut self, proposal: &Proposal, random: &mut ChaCha8Rng) -> ErrorChains {
        self.proposal = proposal.clone();
        let held =
            |state: &ErrorChainState| proposal.parts[state.part].share >= HELD / proposal.parts.len() as f64;
        let others: Vec<ErrorChainState> = self.states.iter().filter(|state| held(state)).cloned().collect();
        for state in &mut self.states {
            let chance: f64 = StandardUniform.sample(random);
            if !held(state) && !others.is_empty() {
                *state = others[(chance * others.len() as f64) as usize % others.len()].clone();
            }
            state.weigh(proposal);
        }
        self
    }

    /// Places along a unit vector (d), over this many steps after two thirds as many to settle in.
    pub fn sample<O: Margins>(
        mut self,
        asked: &mut CountedOracle<O>,
        scale: f64,
        axis: &[f64],
        steps: usize,
        random: &mut ChaCha8Rng,
    ) -> Result<ChainFigures, DistanceError<O::Error>> {
        for step in 0..2 * steps / 3 {
            self.adapt(step, asked, scale, random)?;
            if step % JUMP == 0 {
                self.jump(asked, scale, random)?;
            }
        }
        let mut places = vec![Vec::new(); CHAINS];
        let mut parts = vec![[0.0; 2]; self.proposal.parts.len()];
        for step in 0..steps {
            self.advance(asked, scale, random)?;
            if step % JUMP == 0 {
                self.jump(asked, scale, random)?;
            }
            for (places, state) in places.iter_mut().zip(&self.states) {
                places.push(dot(axis, &state.z));
                // Where a chain is, whatever part it moves by.
                let part = self.proposal.nearest(&state.z).unwrap_or(state.part);
                let sums = &mut parts[part];
                sums[0] += 1.0;
                sums[1] += dot(&self.proposal.parts[part].axis, &state.z);
            }
        }
        let mut ends: Vec<(usize, usize)> = Vec::new();
        for state in &self.states {
            match ends.iter_mut().find(|(class, _)| *class == state.class) {
                Some((_, count)) => *count += 1,
                None => ends.push((state.class, 1)),
            }
        }
        ends.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Ok(summed(&places, ends, parts))
    }
}

impl ErrorChainState {
    fn weigh(&mut self, proposal: &Proposal) {
        let part = &proposal.parts[self.part];
        self.log_own = 2.0 * self.log_lead - part.log_gain(dot(&part.axis, &self.z));
    }
}
