//! Distances to the decision boundary at a survey's centres.

mod centre;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use itertools::izip;

pub(crate) use centre::CentreDistances;
use centre::over_centres;

use super::sites::{Site, SiteWork};
use super::{PacketKind, Survey};
use crate::data::Sample;
use crate::distance::{
    DistanceError, EngineMargins, ErrorPacket, Margins, Sampled, SlopeDistances, SmoothedRadius,
    crossing_towards, crossings_in,
};
use crate::error::with_causes;
use crate::packet::moves;
use crate::{Error, Figure, Norm, Result};

/// Figures by name, of one sample or as medians over several: `margin`, `gradient_norm`, `searched`, `first_order`,
/// `packet` (each also in `.linf` and `.l1`), `radius`, and along the attack `error.attack`, `error.mean`,
/// `error.sigma_x`, `error.sigma_p`, `error.product`; `error.share` is the share of the error packet that is of the attack's
/// class, `error.attacked` that in the attack's direction, and `error.r_hat` says how far its chains disagree: where the others
/// are missing or the mean is not the attack's distance, these say why. What there is not is absent; in medians, which are
/// over the centres that are classified correctly, distances
/// that were not found count as infinite, and figures of error packets are of the centres that have them.
pub type DistanceFigures = BTreeMap<String, Figure>;

/// The names of all such figures, in the order of tables.
pub(super) const NAMES: [&str; 18] = [
    "margin",
    "gradient_norm",
    "searched",
    "first_order",
    "first_order.linf",
    "first_order.l1",
    "packet",
    "packet.linf",
    "packet.l1",
    "radius",
    "error.attack",
    "error.mean",
    "error.sigma_x",
    "error.sigma_p",
    "error.product",
    "error.share",
    "error.attacked",
    "error.r_hat",
];

/// Points for mean slopes, and the fewest for radii and error packets.
const SLOPES: usize = 64;
const RADIUS: usize = 1000;

/// A scale, a site, and the peaks of a packet's far lobes there, across which the boundary may be where a search from the
/// centre finds none.
type ScaledSite<'s> = (f64, &'s Site, &'s [Vec<f32>]);

/// How much is spent on a centre.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DistanceEffort {
    /// Points for mean slopes, for each class.
    pub slopes: usize,
    /// Weighted samples for the smoothed radius.
    pub radius: usize,
    /// Weighted samples for the error packet, if that is wanted.
    pub errors: Option<usize>,
    /// The norm of the boundary search.
    pub norm: Norm,
}

impl DistanceEffort {
    /// Passes, forward and backward counted apart, that a centre takes without an error packet.
    pub fn passes(&self, classes: usize) -> usize {
        let others = classes.saturating_sub(1).clamp(1, 9);
        // Both searches, the design points, then slopes; logits of the searches and of the proposal's rounds.
        let gradients = 3 * others + 8 * others + 24 + 5 * 16 * 6 + others * self.slopes;
        2 * gradients + 405 + 256 + 3 * 384 + self.radius
    }
}

/// The median of each figure over the centres that are classified correctly, and what a reader should know of them; `with_errors` is
/// the number of centres whose packets have misclassified points, though no search found one.
pub(super) fn medians(measured: &[&CentreDistances], with_errors: usize) -> (DistanceFigures, Vec<String>) {
    // Beyond the boundary some distances are negative, to the class that is right, and others are not.
    let correct: Vec<&CentreDistances> = measured.iter().copied().filter(|m| m.is_correct()).collect();
    let all: Vec<DistanceFigures> = correct.iter().map(|measured| measured.figures()).collect();
    let of = |name: &str| {
        let figure = |(measured, figures): (&&CentreDistances, &DistanceFigures)| {
            figures.get(name).copied().or_else(|| measured.beyond(name))
        };
        let known: Vec<Figure> = correct.iter().zip(&all).filter_map(figure).collect();
        Some((name.to_string(), over_centres(&known, measured.len())?))
    };
    let count =
        |of: &dyn Fn(&CentreDistances) -> bool| measured.iter().filter(|measured| of(measured)).count();
    let total = measured.len();
    let mut notes = Vec::new();
    if correct.len() < total {
        notes.push(match correct.len() {
            0 => format!("no medians of distances: none of {total} centres is classified correctly"),
            some => {
                format!("medians of distances are of {some} of {total} centres, those classified correctly")
            }
        });
    }
    let mut note = |count: usize, what: &str| {
        if count > 0 {
            notes.push(format!("{what} at {count} of {total} centres"));
        }
    };
    note(count(&|m| !m.predicted.all_classes), "only the 9 classes nearest by first order were looked at");
    note(
        count(&|m| m.radius().is_none()),
        "no smoothed radius: too few samples on the rarer side of the boundary",
    );
    note(count(&|m| m.searched.is_none()), "the search finds no crossing of the boundary");
    let without_errors = count(&CentreDistances::is_without_errors).saturating_sub(with_errors);
    note(without_errors, "no error packet: no margin below zero near the centre");
    note(
        with_errors,
        "no error packet: the search from the sample finds no boundary, though the packet has points beyond it,",
    );
    let chains = |m: &CentreDistances| matches!(&m.errors, Some(Ok(errors)) if errors.enough && !matches!(errors.sampled, Sampled::Weighted));
    note(count(&chains), "the error packet is of Markov chains, without σ_p,");
    let few = |m: &CentreDistances| matches!(&m.errors, Some(Ok(errors)) if !errors.enough);
    note(
        count(&few),
        "the error packet has too few effective samples, or chains that disagree, and is left out",
    );
    let lobes =
        |m: &CentreDistances| matches!(&m.errors, Some(Ok(errors)) if errors.enough && errors.share() < 0.5);
    note(count(&lobes), "most of the error packet is of another class than the nearest");
    let whole = count(&|m| m.is_correct() && matches!(&m.errors, Some(Ok(errors)) if errors.enough));
    note(if whole < correct.len() { whole } else { 0 }, "figures of the error packet are medians of those");
    (NAMES.iter().filter_map(|name| of(name)).collect(), notes)
}

impl Survey<'_> {
    /// The distances at each place of work, where they are asked for and can be had, given the peaks of the far lobes that were found there.
    pub(super) fn distances_beside(
        &self,
        work: &[SiteWork],
        peaks: &[&[Vec<f32>]],
        stop: &AtomicBool,
    ) -> Result<Vec<Option<CentreDistances>>> {
        if !self.distances || self.kind != PacketKind::Gaussian {
            return Ok(vec![None; work.len()]);
        }
        let effort = DistanceEffort {
            slopes: SLOPES,
            radius: self.samples.max(RADIUS),
            errors: Some(self.samples.max(RADIUS)),
            norm: Norm::L2,
        };
        let scales = work.iter().map(|(scale, ..)| scale.unwrap_or(f64::NAN));
        let sites = work.iter().map(|(_, _, site)| *site);
        let places: Vec<ScaledSite> = izip!(scales, sites, peaks.iter().copied()).collect();
        let found = self.distances_at(&places, effort, stop)?;
        Ok(found.into_iter().map(|found| found?.ok()).collect())
    }

    /// The distances at every centre, in the order of [`Survey::run`]: none where `stop` came first, an error where they
    /// cannot be had.
    fn distances_at(
        &self,
        work: &[ScaledSite],
        effort: DistanceEffort,
        stop: &AtomicBool,
    ) -> Result<Vec<Option<std::result::Result<CentreDistances, String>>>> {
        let oracle = |evaluator| EngineMargins::until(evaluator, stop);
        let measure = |oracle: &mut EngineMargins, &(scale, site, peaks): &ScaledSite| {
            let Site::Centre(sample, rest) = site else {
                return Ok(Err("distances are of samples, and there is none here".to_string()));
            };
            if !moves(scale, &sample.input) {
                return Ok(Err("the scale is finer than float32 distinguishes at this sample".to_string()));
            }
            oracle.hold(rest);
            let found = self.distances_of(scale, sample, peaks, effort, oracle);
            match found {
                Ok(found) => Ok(Ok(found)),
                Err(DistanceError::Oracle(error)) => {
                    Err(Error::Unmeasured { what: format!("distances at {site}"), why: with_causes(&error) })
                }
                Err(error) => Ok(Err(error.to_string())),
            }
        };
        self.answering().each_of(work, self.workers(), stop, oracle, measure, |_| ())
    }

    fn distances_of<O: Margins>(
        &self,
        scale: f64,
        sample: &Sample,
        peaks: &[Vec<f32>],
        effort: DistanceEffort,
        oracle: &mut O,
    ) -> std::result::Result<CentreDistances, DistanceError<O::Error>> {
        let (centre, label) = (sample.input.as_slice(), sample.label);
        let (seed, key) = (self.seed, sample.index as u64);
        let crossed = crossings_in(effort.norm, centre, label, oracle)?;
        let mut searched = crossed.first().map(|crossing| crossing.distance);
        // Where a search follows slopes that vanish or mislead, the boundary may be on the way to a far lobe.
        let mut across: Vec<Vec<f32>> = Vec::new();
        if searched.is_none() {
            let distance = |point: &[f32]| effort.norm.distance(centre, point);
            for peak in peaks {
                across.extend(crossing_towards(centre, label, peak, oracle)?);
            }
            across.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
            searched = across.first().map(|point| distance(point));
        }
        let known: Vec<Vec<f32>> =
            crossed.into_iter().map(|crossing| crossing.across).chain(across.iter().cloned()).collect();
        let slopes = SlopeDistances { scale, samples: effort.slopes, seed };
        let radius = SmoothedRadius { scale, samples: effort.radius, seed };
        let errors = match effort.errors {
            None => None,
            Some(samples) => {
                match (ErrorPacket { scale, samples, seed }).measure(centre, label, key, &known, oracle) {
                    Ok(found) => Some(Ok(found)),
                    Err(error @ DistanceError::NoErrors(_)) => Some(Err(error.to_string())),
                    Err(error) => return Err(error),
                }
            }
        };
        Ok(CentreDistances {
            predicted: slopes.measure(centre, label, key, oracle)?,
            radius: radius.measure_from(centre, label, key, &across, oracle)?,
            searched,
            errors,
        })
    }

    /// The distances at those centres of this survey's first scale that `wanted` has, by the place of each in the data set.
    pub(crate) fn distances(
        &self,
        effort: DistanceEffort,
        wanted: impl Fn(usize) -> bool,
        stop: &AtomicBool,
    ) -> Result<Vec<(usize, std::result::Result<CentreDistances, String>)>> {
        let scale = self.scales.first().copied().unwrap_or(f64::NAN);
        let mut sites = self.sites()?;
        sites.retain(|site| site.centre().is_some_and(|centre| wanted(centre as usize)));
        let work: Vec<ScaledSite> = sites.iter().map(|site| (scale, site, [].as_slice())).collect();
        let found = self.distances_at(&work, effort, stop)?;
        let places = sites.iter().map(|site| site.centre().unwrap_or_default() as usize);
        Ok(places.zip(found).filter_map(|(place, found)| Some((place, found?))).collect())
    }
}
