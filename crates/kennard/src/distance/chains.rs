//! Markov chains on an error packet.

use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal, StandardUniform};

use super::margins::Asked;
use super::proposal::{Part, Proposal, WIDER};
use super::sampling::{draw, places};
use super::{DistanceError, Margins};
use crate::Figure;
use crate::packet::vector::{axpy, dot};
use crate::stats::{mean, pseudo_values, scatter};

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
/// The acceptance that steps are adapted to while chains settle.
const ACCEPTANCE: f64 = 0.3;

/// Chains on `ψ² ∝ lead² N(0, I)`.
///
/// A chain moves by `v = a + ρ(z − a) + √(1 − ρ²) ξ`, `ξ` of the covariance of one part of a proposal and `a` its
/// middle, which keeps that part's distribution; accepted by the ratio of `ψ²` over that density (preconditioned
/// Crank–Nicolson: Cotter, Roberts, Stuart and White, Statistical Science 28:424, 2013). The part is narrow along its
/// axis, as the packet is, so that steps need not be as small there.
pub(super) struct Chains {
    proposal: Proposal,
    states: Vec<State>,
    /// `√(1 − ρ²)`, one for all chains.
    stride: f64,
}

#[derive(Clone)]
struct State {
    /// In units of `s` from the centre (d).
    z: Vec<f64>,
    log_lead: f64,
    class: usize,
    part: usize,
    /// `ln` of `ψ²` over the density of the chain's part.
    log_own: f64,
}

/// What chains found, in units of `s`.
pub(super) struct Found {
    pub mean: Figure,
    pub sigma_x: Figure,
    /// How many chains ended where each class leads.
    pub ends: Vec<(usize, usize)>,
    pub ess: f64,
    pub r_hat: f64,
}

impl Chains {
    /// As many chains in each part of the proposal: half start at the part's own samples, chosen with their weights as
    /// probabilities, half on its axis, without noise. None where nothing is misclassified.
    pub fn start<O: Margins>(
        asked: &mut Asked<O>,
        scale: f64,
        proposal: &Proposal,
        random: &mut ChaCha8Rng,
    ) -> Result<Option<Chains>, DistanceError<O::Error>> {
        let mut drawn: Vec<State> = Vec::new();
        let count = START.min(START_NUMBERS / asked.centre.len()).max(CHAINS);
        draw(asked, scale, proposal, count, random, |sample| {
            let (class, lead) = sample.leads.largest();
            if lead > 0.0
                && let Some(part) = sample.part.or_else(|| proposal.nearest(sample.z))
            {
                let mut state =
                    State { z: sample.z.to_vec(), log_lead: lead.ln(), class, part, log_own: 0.0 };
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
        Ok(Some(Chains { proposal: proposal.clone(), states, stride: 0.3 }))
    }

    /// Lets each part of the proposal that has chains move to their mean, and chains with it.
    pub fn follow<O: Margins>(
        &mut self,
        asked: &mut Asked<O>,
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
    pub fn among(mut self, proposal: &Proposal, random: &mut ChaCha8Rng) -> Chains {
        self.proposal = proposal.clone();
        let held = |state: &State| proposal.parts[state.part].share >= HELD / proposal.parts.len() as f64;
        let others: Vec<State> = self.states.iter().filter(|state| held(state)).cloned().collect();
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
        asked: &mut Asked<O>,
        scale: f64,
        axis: &[f64],
        steps: usize,
        random: &mut ChaCha8Rng,
    ) -> Result<Found, DistanceError<O::Error>> {
        for step in 0..2 * steps / 3 {
            self.adapt(step, asked, scale, random)?;
        }
        let mut places = vec![Vec::new(); CHAINS];
        for _ in 0..steps {
            self.advance(asked, scale, random)?;
            places.iter_mut().zip(&self.states).for_each(|(places, state)| places.push(dot(axis, &state.z)));
        }
        let mut ends: Vec<(usize, usize)> = Vec::new();
        for state in &self.states {
            match ends.iter_mut().find(|(class, _)| *class == state.class) {
                Some((_, count)) => *count += 1,
                None => ends.push((state.class, 1)),
            }
        }
        ends.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        Ok(summed(&places, ends))
    }

    /// A step of every chain, after which the stride follows the share of those that moved.
    fn adapt<O: Margins>(
        &mut self,
        step: usize,
        asked: &mut Asked<O>,
        scale: f64,
        random: &mut ChaCha8Rng,
    ) -> Result<(), DistanceError<O::Error>> {
        let accepted = self.advance(asked, scale, random)?;
        let gain = 1.0 / (1.0 + step as f64 / 16.0).sqrt();
        self.stride = (self.stride * (gain * (accepted - ACCEPTANCE)).exp()).clamp(1e-3, 1.0);
        Ok(())
    }

    /// One step of every chain; returns the share of those that moved.
    fn advance<O: Margins>(
        &mut self,
        asked: &mut Asked<O>,
        scale: f64,
        random: &mut ChaCha8Rng,
    ) -> Result<f64, DistanceError<O::Error>> {
        let d = asked.centre.len();
        let keep = (1.0 - self.stride * self.stride).sqrt();
        let (mut points, mut chances) = (Vec::with_capacity(CHAINS * d), Vec::<f64>::new());
        for state in &self.states {
            let part = &self.proposal.parts[state.part];
            let mut next: Vec<f64> = (0..d).map(|_| StandardNormal.sample(random)).collect();
            // A draw of the part, less its middle.
            part.displace(&mut next);
            axpy(&mut next, -part.along, &part.axis);
            next.iter_mut().zip(&state.z).for_each(|(next, z)| *next = self.stride * *next + keep * z);
            axpy(&mut next, (1.0 - keep) * part.along, &part.axis);
            asked.displace(&next, scale, &mut points);
            chances.push(StandardUniform.sample(random));
        }
        let leads = asked.leads(&points)?;
        let mut moved = 0;
        let proposed = points.chunks_exact(d).zip(&leads).zip(chances);
        for (state, ((point, leads), chance)) in self.states.iter_mut().zip(proposed) {
            let (class, lead) = leads.largest();
            if lead > 0.0 {
                let z = places(asked.centre, point, scale);
                let mut next = State { z, log_lead: lead.ln(), class, part: state.part, log_own: 0.0 };
                next.weigh(&self.proposal);
                if chance.ln() < next.log_own - state.log_own {
                    *state = next;
                    moved += 1;
                }
            }
        }
        Ok(f64::from(moved) / self.states.len() as f64)
    }
}

impl State {
    fn weigh(&mut self, proposal: &Proposal) {
        let part = &proposal.parts[self.part];
        self.log_own = 2.0 * self.log_lead - part.log_gain(dot(&part.axis, &self.z));
    }
}

/// One of states, with their weights as probabilities.
fn choose<'s>(states: impl Iterator<Item = &'s State> + Clone, random: &mut ChaCha8Rng) -> Option<&'s State> {
    let top = states.clone().map(|state| state.log_own).fold(f64::NEG_INFINITY, f64::max);
    let weight = |state: &State| (state.log_own - top).exp();
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
fn bare<O: Margins>(
    asked: &mut Asked<O>,
    scale: f64,
    proposal: &Proposal,
) -> Result<Vec<State>, DistanceError<O::Error>> {
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
        let mut state = State { z, log_lead: lead.max(0.0).ln(), class, part, log_own: 0.0 };
        state.weigh(proposal);
        (lead > 0.0).then_some(state)
    });
    Ok(states.collect())
}

/// Sums over the states of a chain.
#[derive(Clone)]
struct ChainSums {
    count: f64,
    /// (d)
    z: Vec<f64>,
    /// Of places along the axis of its part, and of their squares.
    along: f64,
    square: f64,
}

impl ChainSums {
    fn new(dimension: usize) -> ChainSums {
        ChainSums { count: 0.0, z: vec![0.0; dimension], along: 0.0, square: 0.0 }
    }

    fn clear(&mut self) {
        *self = ChainSums::new(self.z.len());
    }

    fn add(&mut self, z: &[f64], axis: &[f64]) {
        let along = dot(axis, z);
        self.count += 1.0;
        axpy(&mut self.z, 1.0, z);
        self.along += along;
        self.square += along * along;
    }
}

/// The part around the mean of its chains, and as wide along its axis as they are, with a margin; none without chains. Of
/// the displacement across the axis, the share that the noise of the chains' means explains is left out (James and
/// Stein 1961).
fn moved(part: &Part, own: &[&ChainSums]) -> Option<Part> {
    let chains = own.len() as f64;
    let count: f64 = own.iter().map(|sums| sums.count).sum();
    if own.len() < 2 || count == 0.0 {
        return None;
    }
    let mut across = vec![0.0; part.axis.len()];
    let mut squares = 0.0;
    for sums in own {
        axpy(&mut across, 1.0 / count, &sums.z);
        squares += dot(&sums.z, &sums.z) / (sums.count * sums.count);
    }
    let noise = (squares - chains * dot(&across, &across)).max(0.0) / (chains * (chains - 1.0));
    let along = dot(&part.axis, &across);
    axpy(&mut across, -along, &part.axis);
    let kept = (1.0 - noise / dot(&across, &across)).max(0.0);
    let mut design: Vec<f64> = across.iter().map(|x| kept * x).collect();
    axpy(&mut design, along, &part.axis);
    let place = own.iter().map(|sums| sums.along).sum::<f64>() / count;
    let variance = own.iter().map(|sums| sums.square).sum::<f64>() / count - place * place;
    Part::at(&design).map(|at| Part { width: WIDER * variance.max(0.0).sqrt(), share: part.share, ..at })
}

/// Chains are independent: intervals are those of their means, and the effective sample size follows from how much the
/// means scatter.
fn summed(places: &[Vec<f64>], ends: Vec<(usize, usize)>) -> Found {
    let means: Vec<f64> = places.iter().map(|places| mean(places)).collect();
    let origin = mean(&means);
    let squares: Vec<f64> =
        places.iter().map(|p| p.iter().map(|t| (t - origin).powi(2)).sum::<f64>() / p.len() as f64).collect();
    let chains = places.len() as f64;
    let variance = |square: f64, shift: f64| (square - shift * shift).max(0.0);
    let whole = variance(mean(&squares), 0.0);
    let deleted = squares.iter().zip(&means).map(|(square, m)| {
        let rest = chains - 1.0;
        variance((chains * mean(&squares) - square) / rest, -(m - origin) / rest)
    });
    let sigma = Figure::mean(&pseudo_values(whole, deleted)).root();
    // Between halves of chains and within them (split-R̂ of Gelman et al., Bayesian Data Analysis, 3rd edition, 11.4).
    let halves: Vec<&[f64]> = places.iter().flat_map(|p| p.chunks_exact(p.len() / 2).take(2)).collect();
    let n = halves[0].len() as f64;
    let within = halves.iter().map(|half| scatter(half) / (n - 1.0)).sum::<f64>() / halves.len() as f64;
    let half_means: Vec<f64> = halves.iter().map(|half| mean(half)).collect();
    let between = scatter(&half_means) / (half_means.len() - 1) as f64;
    Found {
        mean: Figure::mean(&means),
        sigma_x: sigma,
        ends,
        ess: whole / (scatter(&means) / (chains - 1.0)) * chains,
        r_hat: ((n - 1.0) / n + between / within).sqrt(),
    }
}
