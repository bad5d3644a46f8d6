//! The error packet.

use rand_chacha::ChaCha8Rng;

use super::boundary::{first_crossing, nearest_classes};
use super::chains::{CHAINS, ErrorChains};
use super::closest::{Nearest, closest};
use super::design::design;
use super::facets::{Facet, facets, sums_of};
use super::line::{self, LinePacket};
use super::margins::{CountedOracle, Leads};
use super::moments::{ErrorMoments, GROUPS, MomentRow};
use super::proposal::{Proposal, ProposalPart};
use super::sampling::{draw, follow, places};
use super::{DistanceError, Margins};
use crate::Figure;
use crate::packet::vector::dot;
use crate::random::stream;

/// Classes whose boundary may be the nearest.
const NEAREST: usize = 9;
/// How many of the points that a caller hands in are starts: the nearest.
const HANDED: usize = 9;
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
    /// The window's width `s`, in input units. In d dimensions the window reaches `s√d`: from about r/√d on its noise turns
    /// the packet away from the attack, and beyond, the packet consists of far errors in random directions.
    pub scale: f64,
    /// Weighted samples; where their effective sample size is too small, Markov chains follow the packet, and take some 20 times as many points where that does not help.
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
    /// Directions in which the packet lies, the largest share first: where the mean along the attack is not the attack's
    /// distance, most of it lies in others, or chains disagree.
    pub facets: Vec<Facet>,
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

    /// Split-R̂ of chains; none without chains.
    pub fn r_hat(&self) -> Option<f64> {
        match self.sampled {
            Sampled::Weighted => None,
            Sampled::Chains { r_hat } => Some(r_hat),
        }
    }

    /// The share of the packet in the direction of the attack, or nearly so (cosine of at least 0.9).
    pub fn attacked(&self) -> f64 {
        self.facets.iter().filter(|facet| facet.is_attacked()).map(|facet| facet.share).sum()
    }
}

/// A direction from the sample, in which the boundary is crossed.
#[derive(Clone)]
struct Toward {
    axis: Vec<f64>,
    distance: f64,
    class: usize,
}

impl Toward {
    /// Where it is crossed (d), in units of a scale from the sample.
    fn in_units_of(&self, scale: f64) -> Vec<f64> {
        self.axis.iter().map(|x| x * self.distance / scale).collect()
    }
}

/// Where straight lines to the points (each d) that a caller hands in cross the boundary first, the nearest first; none from a
/// misclassified sample.
fn handed_in<O: Margins>(
    asked: &mut CountedOracle<O>,
    points: &[Vec<f32>],
) -> Result<Vec<Toward>, DistanceError<O::Error>> {
    let mut found = Vec::new();
    for point in points {
        let way = places(asked.centre, point, 1.0);
        let length = dot(&way, &way).sqrt();
        if !(length > 0.0 && length.is_finite()) {
            continue;
        }
        let axis: Vec<f64> = way.iter().map(|x| x / length).collect();
        let Some(distance) = first_crossing(asked, &axis, length)? else { continue };
        let mut across = Vec::with_capacity(axis.len());
        asked.displace(&axis, distance, &mut across);
        let class = asked.leads(&across)?[0].largest().0;
        found.push(Toward { axis, distance, class });
    }
    found.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    found.truncate(HANDED);
    Ok(found)
}

impl ErrorPacket {
    /// Measures the packet of a sample of `label` at `centre` (d), along the way to the nearest crossing of the boundary, which a
    /// search finds, or lies before one of `attacked`, misclassified points (each d) that the caller knows. Samples and chains
    /// start around all of these. `sample_index` keys the random numbers.
    ///
    /// # Errors
    /// When the scale, the centre, the label or the number of samples is invalid, there is one class only, nothing near the
    /// sample is misclassified, the oracle fails, or a logit is not a number.
    pub fn measure<O: Margins>(
        &self,
        centre: &[f32],
        label: usize,
        sample_index: u64,
        attacked: &[Vec<f32>],
        oracle: &mut O,
    ) -> Result<ErrorFigures, DistanceError<O::Error>> {
        DistanceError::check_scale(self.scale)?;
        if self.samples < GROUPS {
            return Err(DistanceError::Samples { samples: self.samples, least: GROUPS });
        }
        let mut asked = CountedOracle::new(oracle, centre, label)?;
        let mut random = stream(self.seed, &[sample_index, self.scale.to_bits()], "error packet");
        let handed = handed_in(&mut asked, attacked)?;
        let attack = self.attack(&mut asked, &handed)?;
        let mut proposal = design(&mut asked, self.scale, &mut random)?;
        proposal.parts.splice(0..0, ProposalPart::at(&attack.in_units_of(self.scale)));
        for way in &handed {
            proposal.add(&way.in_units_of(self.scale));
        }
        proposal = Proposal::new(proposal.parts);
        let worth = |leads: &Leads| 2.0 * leads.largest().1.max(0.0).ln();
        follow(&mut asked, self.scale, &mut proposal, &mut random, worth)?;
        let mut rows = self.weighted(&mut asked, &proposal, &attack.axis, &mut random)?;
        let mut moments = ErrorMoments::of(&rows);
        let mut chains = None;
        if !moments.as_ref().is_some_and(ErrorMoments::enough) {
            // Chains find where each part of the packet really is, and samples are drawn there once more.
            proposal = proposal.distinct();
            chains = ErrorChains::start(&mut asked, self.scale, &proposal, &mut random)?;
            if let Some(chains) = &mut chains {
                chains.follow(&mut asked, self.scale, &mut random)?;
                proposal = chains.proposal().clone();
                follow(&mut asked, self.scale, &mut proposal, &mut random, worth)?;
                rows = self.weighted(&mut asked, &proposal, &attack.axis, &mut random)?;
                moments = ErrorMoments::of(&rows);
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
                facets: facets(&proposal, &sums_of(&rows, proposal.parts.len()), &attack.axis, s),
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
            facets: facets(&proposal, &found.parts, &attack.axis, s),
            line,
            sampled: Sampled::Chains { r_hat: found.r_hat },
            ess: found.ess,
            enough: found.ess >= super::RARE_FLOOR && found.r_hat <= R_HAT,
            passes: asked.passes,
        })
    }

    fn attack<O: Margins>(
        &self,
        asked: &mut CountedOracle<O>,
        handed: &[Toward],
    ) -> Result<Toward, DistanceError<O::Error>> {
        let starts = nearest_classes(asked, NEAREST)?;
        let own = closest(asked, &starts)?.and_then(|Nearest { way, class }| {
            let distance = dot(&way, &way).sqrt();
            let axis = way.iter().map(|x| x / distance).collect();
            (distance > 0.0).then_some(Toward { axis, distance, class })
        });
        let nearest = own.iter().chain(handed).min_by(|a, b| a.distance.total_cmp(&b.distance));
        nearest.cloned().ok_or(DistanceError::NoErrors(self.scale))
    }

    /// Weighted samples that are misclassified, with their slopes along a unit vector (d).
    fn weighted<O: Margins>(
        &self,
        asked: &mut CountedOracle<O>,
        proposal: &Proposal,
        axis: &[f64],
        random: &mut ChaCha8Rng,
    ) -> Result<Vec<MomentRow>, DistanceError<O::Error>> {
        let mut rows = Vec::new();
        for start in (0..self.samples).step_by(BLOCK) {
            let count = BLOCK.min(self.samples - start);
            let (mut points, mut classes, mut index) = (Vec::new(), Vec::new(), start);
            let first = rows.len();
            draw(asked, self.scale, proposal, count, random, |sample| {
                let (class, lead) = sample.leads.largest();
                if lead > 0.0
                    && let Some(part) = proposal.nearest(sample.z)
                {
                    points.extend_from_slice(sample.point);
                    classes.push(class);
                    rows.push(MomentRow {
                        group: index % GROUPS,
                        log_weight: sample.log_ratio,
                        log_lead: lead.ln(),
                        along: dot(axis, sample.z),
                        slope: 0.0,
                        class,
                        nearest: (part, dot(&proposal.parts[part].axis, sample.z)),
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
