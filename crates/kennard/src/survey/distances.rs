//! Distances to the decision boundary at a survey's centres.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use itertools::izip;

use super::sites::{Site, Work};
use super::{PacketKind, Survey};
use crate::data::Sample;
use crate::distance::{
    DistanceError, EngineMargins, ErrorFigures, ErrorPacket, Margins, NORMS, Predicted, Radius, Sampled,
    SlopeDistances, SmoothedRadius, crossing_towards, crossings_in,
};
use crate::error::with_causes;
use crate::figure::Basis;
use crate::stats::median;
use crate::{Error, Figure, Norm, Result};

/// Figures by name, of one sample or as medians over several: `margin`, `gradient_norm`, `searched`, `first_order`,
/// `packet` (each also in `.linf` and `.l1`), `radius`, and along the attack `error.attack`, `error.mean`,
/// `error.sigma_x`, `error.sigma_p`, `error.product`, `error.share`. What there is not is absent; in medians, distances that
/// were not found count as infinite, and figures of error packets are of the centres that have them.
pub type DistanceFigures = BTreeMap<String, Figure>;

/// The names of all such figures, in the order of tables.
pub(super) const NAMES: [&str; 16] = [
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
];

/// Points for mean slopes, and the fewest for radii and error packets.
const SLOPES: usize = 64;
const RADIUS: usize = 1000;

/// A scale, a site, and the peaks of a packet's far lobes there, across which the boundary may be where a search from the
/// centre finds none.
type Place<'s> = (f64, &'s Site, &'s [Vec<f32>]);

/// How much is spent on a centre.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DistanceEffort {
    /// Points for mean slopes, for each class.
    pub slopes: usize,
    /// Weighted samples for the smoothed radius.
    pub radius: usize,
    /// The same for the error packet, if it is wanted.
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

/// What was measured at one centre.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    pub predicted: Predicted,
    pub radius: Radius,
    /// The nearest crossing that the search found.
    pub searched: Option<f64>,
    /// The error packet, or why there is none.
    pub errors: Option<std::result::Result<ErrorFigures, String>>,
}

impl Measured {
    /// The predicted distance in one of [`NORMS`], by margin over mean slope.
    pub fn packet(&self, norm: Norm) -> Option<Figure> {
        let place = NORMS.iter().position(|known| *known == norm)?;
        Some(self.predicted.packet[place]).filter(|figure| figure.value.is_finite())
    }

    /// The same at the sample alone.
    pub fn first_order(&self, norm: Norm) -> Option<f64> {
        let place = NORMS.iter().position(|known| *known == norm)?;
        Some(self.predicted.first_order[place]).filter(|distance| distance.is_finite())
    }

    /// The smoothed radius, where it is to be trusted.
    pub fn radius(&self) -> Option<Figure> {
        self.radius.radius.filter(|figure| self.radius.enough && figure.value.is_finite())
    }

    /// Whether an error packet was sought in vain.
    pub fn is_without_errors(&self) -> bool {
        matches!(self.errors, Some(Err(_)))
    }

    /// What stands for a figure that a centre lacks, in medians: a distance that was not found is infinite, on the side of the
    /// boundary that the centre is on. None of what is no distance to it.
    fn beyond(&self, name: &str) -> Option<Figure> {
        let side = match name {
            "searched" => 1.0,
            "radius" => self.radius.radius.map(|figure| figure.value).or(self.radius.beyond).unwrap_or(1.0),
            name if name.starts_with("first_order") || name.starts_with("packet") => self.predicted.margin,
            _ => return None,
        };
        Some(Figure::exact(f64::INFINITY.copysign(side)))
    }

    /// All figures by their names.
    pub fn figures(&self) -> DistanceFigures {
        let known = |value: f64| Some(Figure::exact(value)).filter(|figure| figure.value.is_finite());
        let errors = self.errors.as_ref().and_then(|errors| errors.as_ref().ok()).filter(|e| e.enough);
        let of = |figure: fn(&ErrorFigures) -> Option<Figure>| errors.and_then(figure);
        let all = [
            known(self.predicted.margin),
            known(self.predicted.gradient_norm),
            self.searched.and_then(known),
            self.first_order(Norm::L2).and_then(known),
            self.first_order(Norm::Linf).and_then(known),
            self.first_order(Norm::L1).and_then(known),
            self.packet(Norm::L2),
            self.packet(Norm::Linf),
            self.packet(Norm::L1),
            self.radius(),
            errors.and_then(|errors| known(errors.attack)),
            of(|errors| Some(errors.mean)),
            of(|errors| Some(errors.sigma_x)),
            of(|errors| errors.sigma_p),
            of(|errors| errors.product),
            errors.and_then(|errors| known(errors.share())),
        ];
        let named = NAMES.iter().zip(all).filter_map(|(name, figure)| Some((name.to_string(), figure?)));
        named.collect()
    }
}

/// The median of a figure over the centres that have it, of this many; it may be infinite. That of a single centre is its own, with the interval
/// of its samples where it is of samples.
fn over_centres(figures: &[Figure], centres: usize) -> Option<Figure> {
    match figures {
        [only] if centres == 1 && only.basis != Basis::Population => Some(*only),
        _ => {
            let (value, interval) = median(figures.iter().map(|figure| figure.value))?;
            Some(Figure::perhaps(value, interval))
        }
    }
}

/// The median of each figure over centres, and what a reader should know of them; the packets of so many centres `with_errors`
/// have misclassified points, though no search found one.
pub(super) fn medians(measured: &[&Measured], with_errors: usize) -> (DistanceFigures, Vec<String>) {
    let all: Vec<DistanceFigures> = measured.iter().map(|measured| measured.figures()).collect();
    let of = |name: &str| {
        let figure = |(measured, figures): (&&Measured, &DistanceFigures)| {
            figures.get(name).copied().or_else(|| measured.beyond(name))
        };
        let known: Vec<Figure> = measured.iter().zip(&all).filter_map(figure).collect();
        Some((name.to_string(), over_centres(&known, all.len())?))
    };
    let count = |of: &dyn Fn(&Measured) -> bool| measured.iter().filter(|measured| of(measured)).count();
    let total = measured.len();
    let mut notes = Vec::new();
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
    let without_errors = count(&Measured::is_without_errors).saturating_sub(with_errors);
    note(without_errors, "no error packet: no margin below zero near the centre");
    note(
        with_errors,
        "no error packet: the search from the sample finds no boundary, though the packet has points beyond it,",
    );
    let chains = |m: &Measured| matches!(&m.errors, Some(Ok(errors)) if errors.enough && !matches!(errors.sampled, Sampled::Weighted));
    note(count(&chains), "the error packet is of Markov chains, without σ_p,");
    let few = |m: &Measured| matches!(&m.errors, Some(Ok(errors)) if !errors.enough);
    note(
        count(&few),
        "the error packet has too few effective samples, or chains that disagree, and is left out",
    );
    let lobes = |m: &Measured| matches!(&m.errors, Some(Ok(errors)) if errors.enough && errors.share() < 0.5);
    note(count(&lobes), "most of the error packet is of another class than the nearest");
    let whole = count(&|m| matches!(&m.errors, Some(Ok(errors)) if errors.enough));
    note(if whole < total { whole } else { 0 }, "figures of the error packet are medians of those");
    (NAMES.iter().filter_map(|name| of(name)).collect(), notes)
}

impl Survey<'_> {
    /// The distances at each place of work, where they are asked for and can be had, given the peaks of the far lobes that were found there.
    pub(super) fn distances_beside(
        &self,
        work: &[Work],
        peaks: &[&[Vec<f32>]],
        stop: &AtomicBool,
    ) -> Result<Vec<Option<Measured>>> {
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
        let places: Vec<Place> = izip!(scales, sites, peaks.iter().copied()).collect();
        let found = self.distances_at(&places, effort, stop)?;
        Ok(found.into_iter().map(|found| found?.ok()).collect())
    }

    /// The distances at every centre, in the order of [`Survey::run`]: none where `stop` came first, an error where they
    /// cannot be had.
    fn distances_at(
        &self,
        work: &[Place],
        effort: DistanceEffort,
        stop: &AtomicBool,
    ) -> Result<Vec<Option<std::result::Result<Measured, String>>>> {
        let oracle = |evaluator| EngineMargins::until(evaluator, stop);
        let measure = |oracle: &mut EngineMargins, &(scale, site, peaks): &Place| {
            let Site::Centre(sample, rest) = site else {
                return Ok(Err("distances are of samples, and there is none here".to_string()));
            };
            oracle.hold(rest);
            let found = self.distances_of(scale, sample, peaks, effort, oracle);
            match found {
                Ok(found) => Ok(Ok(found)),
                Err(DistanceError::Oracle(error)) => {
                    Err(Error::Packet(format!("distances at {site}: {}", with_causes(&error))))
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
    ) -> std::result::Result<Measured, DistanceError<O::Error>> {
        let (centre, label) = (sample.input.as_slice(), sample.label);
        let (seed, key) = (self.seed, sample.index as u64);
        let searched = crossings_in(effort.norm, centre, label, oracle)?;
        let mut searched = searched.first().map(|crossing| crossing.distance);
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
        let nearest = across.first().map(Vec::as_slice);
        let slopes = SlopeDistances { scale, samples: effort.slopes, seed };
        let radius = SmoothedRadius { scale, samples: effort.radius, seed };
        let errors = match effort.errors {
            None => None,
            Some(samples) => {
                match (ErrorPacket { scale, samples, seed }).measure(centre, label, key, nearest, oracle) {
                    Ok(found) => Some(Ok(found)),
                    Err(error @ DistanceError::NoErrors(_)) => Some(Err(error.to_string())),
                    Err(error) => return Err(error),
                }
            }
        };
        Ok(Measured {
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
    ) -> Result<Vec<(usize, std::result::Result<Measured, String>)>> {
        let scale = self.scales.first().copied().unwrap_or(f64::NAN);
        let mut sites = self.sites()?;
        sites.retain(|site| site.centre().is_some_and(|centre| wanted(centre as usize)));
        let work: Vec<Place> = sites.iter().map(|site| (scale, site, [].as_slice())).collect();
        let found = self.distances_at(&work, effort, stop)?;
        let places = sites.iter().map(|site| site.centre().unwrap_or_default() as usize);
        Ok(places.zip(found).filter_map(|(place, found)| Some((place, found?))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One centre has the interval of its samples, which is what `packets.parquet` has of it; a few centres have none.
    #[test]
    fn a_few_centres_have_no_interval_over_centres() {
        let sampled = |value: f64| Figure::student(value, 0.01, 63);
        let alone = over_centres(&[sampled(0.2)], 1).unwrap();
        assert_eq!(alone, sampled(0.2));
        assert_eq!(over_centres(&[Figure::exact(0.2)], 1).unwrap().known_interval(), None);
        assert_eq!(over_centres(&[sampled(0.2)], 4).unwrap().known_interval(), None);
        let five = [0.1, 0.2, 0.3, 0.4, 0.5].map(sampled);
        let found = over_centres(&five, 5).unwrap();
        assert_eq!((found.value, found.known_interval()), (0.3, None));
        let six = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6].map(sampled);
        assert_eq!(over_centres(&six, 6).unwrap().known_interval(), Some([0.1, 0.6]));
        assert!(over_centres(&[], 0).is_none());
    }

    /// A radius, a crossing or a distance that most centres lack is infinite in the median, and not that of the others; an error
    /// packet is of those that have one.
    #[test]
    fn what_most_centres_lack_is_infinite() {
        let centre = |radius: Option<f64>, searched: Option<f64>, errors: Option<f64>| Measured {
            predicted: Predicted {
                margin: 1.0,
                gradient_norm: 2.0,
                classes: 1,
                all_classes: true,
                first_order: [0.5, searched.unwrap_or(f64::INFINITY), 0.5],
                packet: [Figure::exact(0.5); 3],
            },
            radius: Radius {
                radius: radius.map(|radius| Figure::new(radius, [radius; 2])),
                log_share: -1.0,
                relative_error: 0.1,
                beyond: radius.is_none().then_some(0.3),
                ess: 200.0,
                enough: radius.is_some(),
                passes: 1,
            },
            searched,
            errors: Some(errors.ok_or_else(String::new).map(|mean| ErrorFigures {
                attack: mean,
                class: 1,
                mean: Figure::exact(mean),
                sigma_x: Figure::exact(0.1),
                sigma_p: None,
                product: None,
                lobes: vec![(1, 1.0)],
                line: None,
                sampled: Sampled::Weighted,
                ess: 200.0,
                enough: true,
                passes: 1,
            })),
        };
        let near = centre(Some(0.2), Some(0.25), Some(0.3));
        let far = centre(None, None, None);
        let (figures, notes) = medians(&[&near, &far, &far], 1);
        for name in ["radius", "searched", "first_order"] {
            assert_eq!(figures[name].value, f64::INFINITY, "{name}");
        }
        assert_eq!((figures["first_order.linf"].value, figures["packet"].value), (0.5, 0.5));
        assert_eq!((figures["margin"].value, figures["error.mean"].value), (1.0, 0.3));
        let noted = |what: &str| notes.iter().any(|note| note == what);
        assert!(noted("the search finds no crossing of the boundary at 2 of 3 centres"), "{notes:?}");
        assert!(noted("figures of the error packet are medians of those at 1 of 3 centres"), "{notes:?}");
        assert!(
            noted("no error packet: no margin below zero near the centre at 1 of 3 centres"),
            "{notes:?}"
        );
        let beyond = "though the packet has points beyond it, at 1 of 3 centres";
        assert!(notes.iter().any(|note| note.ends_with(beyond)), "{notes:?}");
        // As many near as far: the lower of the two in the middle.
        let (figures, _) = medians(&[&near, &near, &far, &far], 0);
        assert_eq!((figures["radius"].value, figures["searched"].value), (0.2, 0.25));
        let wrong =
            Measured { predicted: Predicted { margin: -1.0, ..far.predicted.clone() }, ..far.clone() };
        assert_eq!(medians(&[&wrong], 0).0["first_order"].value, f64::NEG_INFINITY);
    }
}
