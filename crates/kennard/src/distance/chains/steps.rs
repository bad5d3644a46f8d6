//! Steps of chains.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

use super::{ACCEPTANCE, CHAINS, ErrorChainState, ErrorChains};
use crate::distance::margins::CountedOracle;
use crate::distance::proposal::Proposal;
use crate::distance::sampling::places;
use crate::distance::{DistanceError, Margins};
use crate::packet::vector::axpy;

impl ErrorChains {
    /// A step of every chain, after which the stride follows the share of those that moved.
    pub(super) fn adapt<O: Margins>(
        &mut self,
        step: usize,
        asked: &mut CountedOracle<O>,
        scale: f64,
        random: &mut ChaCha8Rng,
    ) -> Result<(), DistanceError<O::Error>> {
        let accepted = self.advance(asked, scale, random)?;
        let gain = 1.0 / (1.0 + step as f64 / 16.0).sqrt();
        self.stride = (self.stride * (gain * (accepted - ACCEPTANCE)).exp()).clamp(1e-3, 1.0);
        Ok(())
    }

    /// One step of every chain; returns the share of those that moved.
    pub(super) fn advance<O: Margins>(
        &mut self,
        asked: &mut CountedOracle<O>,
        scale: f64,
        random: &mut ChaCha8Rng,
    ) -> Result<f64, DistanceError<O::Error>> {
        let d = asked.centre.len();
        let keep = (1.0 - self.stride * self.stride).sqrt();
        let (mut points, mut proposed) = (Vec::with_capacity(CHAINS * d), Vec::with_capacity(CHAINS));
        for state in &self.states {
            let part = &self.proposal.parts[state.part];
            let mut next: Vec<f64> = (0..d).map(|_| StandardNormal.sample(random)).collect();
            // A draw of the part, less its middle.
            part.displace(&mut next);
            axpy(&mut next, -part.along, &part.axis);
            next.iter_mut().zip(&state.z).for_each(|(next, z)| *next = self.stride * *next + keep * z);
            axpy(&mut next, (1.0 - keep) * part.along, &part.axis);
            asked.displace(&next, scale, &mut points);
            let chance: f64 = StandardUniform.sample(random);
            proposed.push((state.part, chance));
        }
        let moved = self.accept(asked, scale, &points, &proposed)?;
        Ok(moved as f64 / self.states.len() as f64)
    }

    /// Every chain tries to go to where it would be in another part.
    pub(super) fn jump<O: Margins>(
        &mut self,
        asked: &mut CountedOracle<O>,
        scale: f64,
        random: &mut ChaCha8Rng,
    ) -> Result<(), DistanceError<O::Error>> {
        let parts = &self.proposal.parts;
        if parts.len() < 2 {
            return Ok(());
        }
        let (mut points, mut proposed) = (Vec::new(), Vec::with_capacity(CHAINS));
        for state in &self.states {
            let others = parts.len() - 1;
            let choice: f64 = StandardUniform.sample(random);
            let other = (state.part + 1 + (choice * others as f64) as usize % others) % parts.len();
            asked.displace(&parts[state.part].carried(&parts[other], &state.z), scale, &mut points);
            let chance: f64 = StandardUniform.sample(random);
            proposed.push((other, chance));
        }
        self.accept(asked, scale, &points, &proposed)?;
        Ok(())
    }

    /// Moves each chain to its point (of CHAINS×d), in the part named with it, where a chance from 0 to 1 is below the ratio
    /// of `ψ²` over the parts' densities; returns how many moved.
    fn accept<O: Margins>(
        &mut self,
        asked: &mut CountedOracle<O>,
        scale: f64,
        points: &[f32],
        proposed: &[(usize, f64)],
    ) -> Result<usize, DistanceError<O::Error>> {
        let leads = asked.leads(points)?;
        let mut moved = 0;
        let rows = points.chunks_exact(asked.centre.len()).zip(&leads).zip(proposed);
        for (state, ((point, leads), &(part, chance))) in self.states.iter_mut().zip(rows) {
            let (class, lead) = leads.largest();
            if lead > 0.0 {
                let z = places(asked.centre, point, scale);
                let mut next = ErrorChainState { z, log_lead: lead.ln(), class, part, log_own: 0.0 };
                next.weigh(&self.proposal);
                if chance.ln() < next.log_own - state.log_own {
                    *state = next;
                    moved += 1;
                }
            }
        }
        Ok(moved)
    }
}

/// Chooses one of the states, with their weights as probabilities.
pub(super) fn choose<'s>(
    states: impl Iterator<Item = &'s ErrorChainState> + Clone,
    random: &mut ChaCha8Rng,
) -> Option<&'s ErrorChainState> {
    let top = states.clone().map(|state| state.log_own).fold(f64::NEG_INFINITY, f64::max);
    let weight = |state: &ErrorChainState| (state.log_own - top).exp();
    let chance: f64 = StandardUniform.sample(random);
    let mut left = chance * states.clone().map(weight).sum::<f64>();
    let mut chosen = None;
    for state in states {
        left -= weight(state);
        chosen = Some(state);
        if left <= 0.0 {
            break;
        }
    }
    chosen
}

/// On the axis of each part, a width beyond its middle: a state without noise, where that is misclassified.
pub(super) fn bare<O: Margins>(
    asked: &mut CountedOracle<O>,
    scale: f64,
    proposal: &Proposal,
) -> Result<Vec<ErrorChainState>, DistanceError<O::Error>> {
    let mut points = Vec::new();
    for part in &proposal.parts {
        let z: Vec<f64> = part.axis.iter().map(|x| (part.along + part.width) * x).collect();
        asked.displace(&z, scale, &mut points);
    }
    let leads = asked.leads(&points)?;
    let rows = points.chunks_exact(asked.centre.len()).zip(&leads).enumerate();
    let states = rows.filter_map(|(part, (point, leads))| {
        let (class, lead) = leads.largest();
        let z = places(asked.centre, point, scale);
        let mut state = ErrorChainState { z, log_lead: lead.max(0.0).ln(), class, part, log_own: 0.0 };
        state.weigh(proposal);
        (lead > 0.0).then_some(state)
    });
    Ok(states.collect())
}
