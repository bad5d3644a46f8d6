//! The error packet.

use rand_chacha::ChaCha8Rng;

use super::boundary::nearest_classes;
use super::chains::{CHAINS, Chains};
use super::closest::{Nearest, closest};
use super::design::design;
use super::line::{self, LinePacket};
use super::margins::{Asked, Leads};
use super::moments::{GROUPS, Moments, Row};
use super::proposal::{Part, Proposal};
use super::sampling::{draw, follow, places};
use super::{DistanceError, Margins};
use crate::Figure;
use crate::packet::vector::dot;
use crate::random::stream;

/// Classes whose boundary may be the nearest.
const NEAREST: usize = 9;
/// Weighted samples between questions about slopes.
const BLOCK: usize = 64;
/// Steps that a chain takes for every weighted sample that was not enough, over the number of chains.
const PATIENCE: usize = 8;
/// Chains agree up to this split-R̂.
const R_HAT: f64 = 1.05;

/// The error packet `ψ(x) ∝ max(0, max_j z_j − z_y) √N(x; x₀, s² I)`: where a label is rejected near a sample.
///
/// It is what the packet of the cross-entropy becomes as logits grow, and no factor on the logits changes it. It
/// vanishes on the decision boundary, so the product of its spreads is at least ½. For a plane boundary at the distance
/// r much larger than s, along the normal: `⟨x⟩ → r`, `σ_x → √3 s²/r`, `σ_p → r/(2s²)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorPacket {
    /// The window's width `s`, in input units. In d dimensions the window reaches `s√d`: beyond about r/√d the packet
    /// consists of far errors in random directions.
    pub scale: f64,
    /// Weighted samples; where their effective sample size is too small, Markov chains follow the packet, and take 13 times as many steps where that does not help.
    pub samples: usize,
    /// The seed of all random numbers.
    pub seed: u64,
}

/// How an error packet was sampled.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Sampled {
    /// By weighted samples of displaced windows.
    Weighted,
    /// By Markov chains with this split-R̂. What they give of `σ_p` has an infinite variance, so it is not given.
    Chains {
        /// Split-R̂ of places along the attack.
        r_hat: f64,
    },
}

/// The figures of an error packet along the direction of attack.
#[derive(Clone, Debug, PartialEq)]
pub struct ErrorFigures {
    /// The distance of the attack's point from the sample, in l2 and input units.
    pub attack: f64,
    /// The class that the attack's direction crosses into.
    pub class: usize,
    /// `⟨x − x₀⟩` along the attack, in input units.
    pub mean: Figure,
    /// `σ_x` along the attack, in input units.
    pub sigma_x: Figure,
    /// `σ_p` along the attack, in inverse input units; none from chains.
    pub sigma_p: Option<Figure>,
    /// `σ_x σ_p`.
    pub product: Option<Figure>,
    /// Classes that lead within the packet, with their shares of it, or of the chains that ended there.
    pub lobes: Vec<(usize, f64)>,
    /// The packet of the network restricted to the attack's line, by quadrature.
    pub line: Option<LinePacket>,
    /// How it was sampled.
    pub sampled: Sampled,
    /// The effective sample size.
    pub ess: f64,
    /// Whether that is enough, and chains agree.
    pub enough: bool,
    /// Passes that it took, a gradient counted as three.
    pub passes: u64,
}

impl ErrorFigures {
    /// The share of the packet where the attack's class leads.
    pub fn share(&self) -> f64 {
        self.lobes.iter().find(|(class, _)| *class == self.class).map_or(0.0, |(_, share)| *share)
    }
}

/// A direction from the sample.
struct Toward {
    axis: Vec<f64>,
    distance: f64,
    class: usize,
}

impl ErrorPacket {
    /// Measures the packet of a sample of `label` at `centre` (d), along the way to `attacked` (d), a misclassified point
    /// near it, or, without one elsewhere, to the nearest crossing of the boundary that a search finds. `sample_index` keys the random numbers.
    ///
    /// # Errors
    /// When the scale, the centre, the label or the number of samples is invalid, there is one class only, nothing near the
    /// sample is misclassified, the oracle fails, or a logit is not a number.
    pub fn measure<O: Margins>(
        &self,
        centre: &[f32],
        label: usize,
        sample_index: u64,
        attacked: Option<&[f32]>,
        oracle: &mut O,
    ) -> Result<ErrorFigures, DistanceError<O::Error>> {
        DistanceError::check_scale(self.scale)?;
        if self.samples < GROUPS {
            return Err(DistanceError::Samples { samples: self.samples, least: GROUPS });
        }
        let mut asked = Asked::new(oracle, centre, label)?;
        let mut random = stream(self.seed, &[sample_index, self.scale.to_bits()], "error packet");
        let attack = self.attack(&mut asked, attacked)?;
        let mut proposal = design(&mut asked, self.scale, &mut random)?;
        let toward: Vec<f64> = attack.axis.iter().map(|x| x * attack.distance / self.scale).collect();
        proposal.parts.splice(0..0, Part::at(&toward));
        proposal = Proposal::new(proposal.parts);
        let worth = |leads: &Leads| 2.0 * leads.largest().1.max(0.0).ln();
        follow(&mut asked, self.scale, &mut proposal, &mut random, worth)?;
        let mut moments = Moments::of(&self.weighted(&mut asked, &proposal, &attack.axis, &mut random)?);
        let mut chains = None;
        if !moments.as_ref().is_some_and(Moments::enough) {
            // Chains find where each part of the packet really is, and samples are drawn there once more.
            proposal = proposal.distinct();
            chains = Chains::start(&mut asked, self.scale, &proposal, &mut random)?;
            if let Some(chains) = &mut chains {
                chains.follow(&mut asked, self.scale, &mut random)?;
                proposal = chains.proposal().clone();
                follow(&mut asked, self.scale, &mut proposal, &mut random, worth)?;
                moments = Moments::of(&self.weighted(&mut asked, &proposal, &attack.axis, &mut random)?);
            }
        }
        let moments = moments.ok_or(DistanceError::NoErrors(self.scale))?;
        let line = line::through(&mut asked, &attack.axis, attack.distance, self.scale)?;
        let s = self.scale;
        if moments.enough() {
            return Ok(ErrorFigures {
                attack: attack.distance,
                class: attack.class,
                mean: moments.mean.scaled(s),
                sigma_x: moments.sigma_x.scaled(s),
                sigma_p: Some(moments.sigma_p.scaled(1.0 / s)),
                product: Some(moments.product),
                lobes: moments.shares,
                line,
                sampled: Sampled::Weighted,
                ess: moments.ess,
                enough: true,
                passes: asked.passes,
            });
        }
        let steps = (PATIENCE * self.samples / CHAINS).max(16);
        let chains = chains.ok_or(DistanceError::NoErrors(s))?.among(&proposal, &mut random);
        let found = chains.sample(&mut asked, s, &attack.axis, steps, &mut random)?;
        let share = |(class, count): (usize, usize)| (class, count as f64 / CHAINS as f64);
        Ok(ErrorFigures {
            attack: attack.distance,
            class: attack.class,
            mean: found.mean.scaled(s),
            sigma_x: found.sigma_x.scaled(s),
            sigma_p: None,
            product: None,
            lobes: found.ends.into_iter().map(share).collect(),
            line,
            sampled: Sampled::Chains { r_hat: found.r_hat },
            ess: found.ess,
            enough: found.ess >= super::RARE_FLOOR && found.r_hat <= R_HAT,
            passes: asked.passes,
        })
    }

    fn attack<O: Margins>(
        &self,
        asked: &mut Asked<O>,
        attacked: Option<&[f32]>,
    ) -> Result<Toward, DistanceError<O::Error>> {
        let found = match attacked {
            Some(point) if asked.distance(point) > 0.0 => {
                let class = asked.leads(point)?.remove(0).largest().0;
                Some(Nearest { way: places(asked.centre, point, 1.0), class })
            }
            _ => {
                let starts = nearest_classes(asked, NEAREST)?;
                closest(asked, &starts)?
            }
        };
        let Nearest { way, class } = found.ok_or(DistanceError::NoErrors(self.scale))?;
        let distance = dot(&way, &way).sqrt();
        if distance.is_nan() || distance <= 0.0 {
            return Err(DistanceError::NoErrors(self.scale));
        }
        Ok(Toward { axis: way.iter().map(|x| x / distance).collect(), distance, class })
    }

    /// Weighted samples that are misclassified, with their slopes along a unit vector (d).
    fn weighted<O: Margins>(
        &self,
        asked: &mut Asked<O>,
        proposal: &Proposal,
        axis: &[f64],
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<Row>, DistanceError<O::Error>> {
        let mut rows = Vec::new();
        for start in (0..self.samples).step_by(BLOCK) {
            let count = BLOCK.min(self.samples - start);
            let (mut points, mut classes, mut index) = (Vec::new(), Vec::new(), start);
            let first = rows.len();
            draw(asked, self.scale, proposal, count, random, |sample| {
                let (class, lead) = sample.leads.largest();
                if lead > 0.0 {
                    points.extend_from_slice(sample.point);
                    classes.push(class);
                    rows.push(Row {
                        group: index % GROUPS,
                        log_weight: sample.log_ratio,
                        log_lead: lead.ln(),
                        along: dot(axis, sample.z),
                        slope: 0.0,
                        class,
                    });
                }
                index += 1;
            })?;
            let slopes = asked.slopes(&points, &classes)?;
            for (row, slope) in rows[first..].iter_mut().zip(slopes) {
                let momentum = self.scale * dot(axis, &slope.gradient) - slope.lead * row.along / 2.0;
                row.slope = momentum * momentum;
            }
        }
        Ok(rows)
    }
}
