//! The distances measured at one centre.

use super::{DistanceFigures, NAMES};
use crate::distance::{ErrorFigures, NORMS, Predicted, Radius};
use crate::figure::Basis;
use crate::stats::median;
use crate::{Figure, Norm};

/// What was measured at one centre.
#[derive(Clone, Debug)]
pub(crate) struct CentreDistances {
    pub predicted: Predicted,
    pub radius: Radius,
    /// The nearest crossing that the search found.
    pub searched: Option<f64>,
    /// The error packet, or why there is none.
    pub errors: Option<std::result::Result<ErrorFigures, String>>,
}

impl CentreDistances {
    /// The predicted distance in one of [`NORMS`], by margin over mean slope.
    pub fn packet(&self, norm: Norm) -> Option<Figure> {
        let place = NORMS.iter().position(|known| *known == norm)?;
        Some(self.predicted.packet[place]).filter(|figure| figure.value.is_finite())
    }

    /// The predicted distance in one of [`NORMS`], by margin over slope at the sample alone.
    pub fn first_order(&self, norm: Norm) -> Option<f64> {
        let place = NORMS.iter().position(|known| *known == norm)?;
        Some(self.predicted.first_order[place]).filter(|distance| distance.is_finite())
    }

    /// The smoothed radius, where it is to be trusted.
    pub fn radius(&self) -> Option<Figure> {
        self.radius.radius.filter(|figure| self.radius.enough && figure.value.is_finite())
    }

    /// Whether the centre is classified correctly: beyond the boundary, distances by margins are negative.
    pub fn is_correct(&self) -> bool {
        self.predicted.margin > 0.0
    }

    /// Whether an error packet was sought in vain.
    pub fn is_without_errors(&self) -> bool {
        matches!(self.errors, Some(Err(_)))
    }

    /// What stands for a figure that a centre lacks, in medians: a distance that was not found is infinite, on the side of the
    /// boundary that the centre is on. None of what is no distance to it.
    pub(super) fn beyond(&self, name: &str) -> Option<Figure> {
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
        // Why the others are missing, or the mean is not the attack's distance, is told in any case.
        let found = self.errors.as_ref().and_then(|errors| errors.as_ref().ok());
        let errors = found.filter(|errors| errors.enough);
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
            found.and_then(|errors| known(errors.share())),
            found.and_then(|errors| known(errors.attacked())),
            found.and_then(|errors| known(errors.r_hat()?)),
        ];
        let named = NAMES.iter().zip(all).filter_map(|(name, figure)| Some((name.to_string(), figure?)));
        named.collect()
    }
}

/// The median of a figure over the centres that have it, of this many; it may be infinite. That of a single centre is its own, with the interval
/// of its samples where it is of samples.
pub(super) fn over_centres(figures: &[Figure], centres: usize) -> Option<Figure> {
    match figures {
        [only] if centres == 1 && only.basis != Basis::Population => Some(*only),
        _ => {
            let (value, interval) = median(figures.iter().map(|figure| figure.value))?;
            Some(Figure::perhaps(value, interval))
        }
    }
}
