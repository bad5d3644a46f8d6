//! Conjugate spreads from sample moments alone, for packets whose window no identity takes out.

use super::error::AverageError;
use super::moments::{Moments, Spread};
use crate::Figure;
use crate::stats::{mean_map, pseudo_values};

/// Effective samples that a packet needs before its figures are to be trusted.
///
/// Intervals of 95 % then cover about as often; 85 to 90 % were measured where the effective
/// samples were a quarter of all. No sampler sees a part of the packet that none of its samples
/// reached: where several classes pull with drifts of 3 and more, figures can miss one of them.
pub const ESS_FLOOR: f64 = 1000.0;

/// Conjugate spreads of a packet, or of the mean over several.
///
/// Units, aggregation over coordinates and intervals are those of [`Packet`](super::Packet).
#[derive(Debug, Clone, PartialEq)]
pub struct Spreads {
    /// Points at which the network was evaluated.
    pub samples: usize,
    /// Effective sample size of the weights `l²`.
    pub ess: f64,
    /// Spread of the input, `√(mean_i Var(x_i))`.
    pub sigma_x: Figure,
    /// Spread of the log-gradient, `√(mean_i Var(g_i))`.
    pub sigma_p: Figure,
    /// `σ_x σ_p`.
    pub product: Figure,
    /// Mean over coordinates of `σ_x,i σ_p,i`.
    pub product_mean: f64,
    /// Smallest `σ_x,i σ_p,i`.
    pub product_min: f64,
    /// Mean over coordinates of `Cov(x_i, g_i)`. No product of a coordinate is below the magnitude
    /// of its covariance (Cauchy–Schwarz).
    pub covariance: Figure,
    /// `P(misclassified)`: the share of the packet at points where another class's logit is at least the label's.
    pub misclassified: Figure,
    /// Whether every packet in this figure has `ess ≥` [`ESS_FLOOR`].
    pub enough_samples: bool,
    /// `σ_x,i` (d), in the input's order.
    pub sigma_x_map: Vec<f64>,
    /// `σ_p,i` (d), in the input's order.
    pub sigma_p_map: Vec<f64>,
}

impl Spreads {
    /// From samples of `(x − x₀)/unit` and `unit · g`, with positions; at least one has weight.
    pub(super) fn from_moments(unit: f64, moments: &Moments) -> Self {
        let whole = moments.whole();
        let spread = whole.spread();
        let deleted = moments.deleted(&whole);
        let estimate = |figure: fn(&Spread) -> f64| {
            Figure::mean(&pseudo_values(figure(&spread), deleted.iter().map(figure)))
        };
        let sigma_x = estimate(|s| s.position).root().scaled(unit);
        let sigma_p = estimate(|s| s.gradient).root().scaled(1.0 / unit);
        let product = estimate(|s| s.position * s.gradient).root();
        let covariance = estimate(|s| s.covariance);
        let misclassified = misclassified(&spread, &deleted, moments.ess());
        Self::with_maps(unit, moments, moments.ess(), [sigma_x, sigma_p, product, covariance, misclassified])
    }

    /// The figures of a population, all points of which are here: sums that are exact. At least one has
    /// weight.
    pub(super) fn of_population(moments: &Moments) -> Self {
        let spread = moments.whole().spread();
        let root = |square: f64| square.max(0.0).sqrt();
        let (sigma_x, sigma_p) = (root(spread.position), root(spread.gradient));
        let figures =
            [sigma_x, sigma_p, sigma_x * sigma_p, spread.covariance, spread.wrong].map(Figure::exact);
        Self::with_maps(1.0, moments, f64::INFINITY, figures)
    }

    /// With the figures of each coordinate, whose bias is that of `ess` samples.
    fn with_maps(unit: f64, moments: &Moments, ess: f64, figures: [Figure; 5]) -> Self {
        let [sigma_x, sigma_p, product, covariance, misclassified] = figures;
        let whole = moments.whole();
        let coordinates = moments.coordinates(&whole, ess);
        let positions = moments.positions(&whole, ess);
        let root = |square: f64| square.max(0.0).sqrt();
        let sigma_x_map: Vec<f64> = positions.iter().map(|variance| unit * root(*variance)).collect();
        let sigma_p_map: Vec<f64> = coordinates.iter().map(|c| root(c.gradient) / unit).collect();
        let products = || sigma_x_map.iter().zip(&sigma_p_map).map(|(x, p)| x * p);
        Self {
            samples: moments.samples(),
            ess: moments.ess(),
            sigma_x,
            sigma_p,
            product,
            product_mean: products().sum::<f64>() / sigma_x_map.len() as f64,
            product_min: products().fold(f64::INFINITY, f64::min),
            covariance,
            misclassified,
            enough_samples: moments.ess() >= ESS_FLOOR,
            sigma_x_map,
            sigma_p_map,
        }
    }

    /// The mean of independently measured packets, taken as given: intervals hold the sampling error of each.
    ///
    /// # Errors
    /// When `packets` is empty.
    pub fn average<'a>(
        packets: impl ExactSizeIterator<Item = &'a Self> + Clone,
    ) -> Result<Self, AverageError> {
        Self::average_by(packets, |figures| Figure::average(figures.iter().copied()))
    }

    /// The mean over images: as [`Packet::average`](super::Packet::average). The covariance is the same around all of
    /// them, and its interval that of the samples.
    ///
    /// # Errors
    /// When `packets` is empty.
    pub(super) fn over_images<'a>(
        packets: impl ExactSizeIterator<Item = &'a Self> + Clone,
    ) -> Result<Self, AverageError> {
        Self::average_by(packets, Figure::over_images)
    }

    fn average_by<'a>(
        packets: impl ExactSizeIterator<Item = &'a Self> + Clone,
        mean: fn(&[Figure]) -> Figure,
    ) -> Result<Self, AverageError> {
        let count = packets.len();
        if count == 0 {
            return Err(AverageError::Empty);
        }
        let all = || packets.clone();
        let figure = |of: fn(&Self) -> Figure| mean(&all().map(of).collect::<Vec<_>>());
        let map = |of: fn(&Self) -> &[f64]| mean_map(all().map(of));
        Ok(Self {
            samples: all().map(|p| p.samples).sum(),
            ess: all().map(|p| p.ess).sum(),
            sigma_x: figure(|p| p.sigma_x),
            sigma_p: figure(|p| p.sigma_p),
            product: figure(|p| p.product),
            product_mean: all().map(|p| p.product_mean).sum::<f64>() / count as f64,
            product_min: all().map(|p| p.product_min).fold(f64::INFINITY, f64::min),
            covariance: Figure::average(all().map(|p| p.covariance)),
            misclassified: figure(|p| p.misclassified).map(|share| share.clamp(0.0, 1.0)),
            enough_samples: all().all(|p| p.enough_samples),
            sigma_x_map: map(|p| &p.sigma_x_map),
            sigma_p_map: map(|p| &p.sigma_p_map),
        })
    }

    /// The widest of the intervals of σ_x, σ_p and the product: its half-width as a share of the
    /// value.
    pub fn relative_error(&self) -> f64 {
        [self.sigma_x, self.sigma_p, self.product].iter().map(Figure::relative_error).fold(0.0, f64::max)
    }
}

/// The share of misclassified samples, of `ess` effective ones; `deleted` are the moments without each group.
pub(super) fn misclassified(whole: &Spread, deleted: &[Spread], ess: f64) -> Figure {
    let values = pseudo_values(whole.wrong, deleted.iter().map(|spread| spread.wrong));
    Figure::share(whole.wrong, &values, ess)
}
