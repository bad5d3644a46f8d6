//! The figures of a packet.

use super::Lobe;
use super::error::AverageError;
use super::mixing::{Mixing, R_HAT_LIMIT};
use super::modes::Modes;
use super::moments::{CoordinateSpread, GROUPS, Moments, Spread, displacement};
use super::spread::{Spreads, misclassified};
use crate::Figure;
use crate::stats::{mean, pseudo_values, scatter};

/// How often the identities of a right measurement seem violated, by design.
///
/// The design takes means of samples for normal. Measured over 29 000 packets with enough samples
/// in 1 to 784 dimensions: 0 to 0.2 %, and 0.7 % where weights were heaviest.
pub const FALSE_ALARM: f64 = 0.001;

/// An interval whose width is a smaller share of its value is of no width.
const ROUNDING: f64 = 1e-9;

/// Position and momentum spread of a Gaussian-windowed packet, or of the mean over several.
///
/// `s` is the window's width. Lengths are in input units, momenta in their inverse; products,
/// drift and dispersion have no unit. Intervals are of 95 %.
///
/// Figures named `sigma_*` and `product` without `map`, `mean` or `min` are aggregated over the
/// d coordinates as root mean squares: `σ² = mean_i σ_i²`, and `product` is that of the
/// aggregates. Each figure is corrected for its own bias of order 1/ESS, so `product` equals
/// `sigma_x · sigma_p` up to the sampling error only.
#[derive(Debug, Clone, PartialEq)]
pub struct Packet {
    /// The window's width `s`.
    pub scale: f64,
    /// The spreads. Their covariance is −½ by Stein's identity, which is equally the test of
    /// `Var(x_i) = s²(1 + 2 c_i)`; their effective sample size may be that of Markov chains, and there are enough
    /// samples only where chains agree as well.
    pub spreads: Spreads,
    /// The largest split-R̂ of Markov chains; none where samples are weighted.
    pub r_hat: Option<f64>,
    /// What the product cannot fall below: ½, since a window on R^d has no boundary.
    pub bound: f64,

    /// `σ_x/s − 1`: how much the loss widens the position spread beyond the window's, s. Zero where it is flat.
    pub excess_x: Figure,
    /// `2 s σ_p − 1`: how much it widens the conjugate spread beyond the window's, 1/(2s).
    pub excess_p: Figure,
    /// `‖⟨x⟩ − x₀‖ / s = 2 s ‖E[h]‖`: how far the loss displaces the packet. Half of it is the
    /// log-loss that an l2 step of size s gains to first order.
    pub drift: Figure,
    /// `s² tr Cov(h)`: how much the log-gradient varies within the packet.
    pub dispersion: Figure,

    /// Displacement of the samples beyond `2 s² E[h]`, along `E[h]`, in units of s: 0 by Stein's
    /// identity.
    pub excess_drift: Figure,
    /// Displacement of the samples beyond `2 s² E[h]`, along the direction in which half of the
    /// samples shows the most, in units of s: 0 by Stein's identity.
    pub stray_drift: Figure,

    /// Whether the covariance, `excess_drift` and `stray_drift` have the values that Stein's identity
    /// demands.
    ///
    /// The identities fail when the gradient is not that of the loss (`excess_drift` sees a wrong
    /// factor or sign, `stray_drift` one in some coordinates only), when samples do not reach
    /// where the packet is, or when points are clamped. Among right measurements of enough
    /// samples a fraction [`FALSE_ALARM`] fails.
    pub identities_hold: bool,

    /// Whether nothing speaks for a part of the packet that no sample reached.
    ///
    /// What speaks for one: a far lobe that only one of many starts found, more lobes than can be sampled,
    /// or figures that do not vary from sample to sample, as where all units that respond are dead (unless
    /// the log-odds are known to be [affine](super::LogOdds::is_affine)).
    pub reached: bool,

    /// The lobes that the packet falls into, the largest share first; none where it has one part, and in the mean over
    /// several packets.
    pub lobes: Vec<Lobe>,
    /// The peaks of those lobes that searches from the centre did not find (each d).
    pub(crate) peaks: Vec<Vec<f32>>,

    /// The leading modes, where they were asked for.
    pub modes: Option<Modes>,
}

impl Packet {
    /// Whether the figures can be trusted: enough samples, the identities hold, and no part of the packet
    /// seems missed.
    pub fn valid(&self) -> bool {
        self.spreads.enough_samples && self.identities_hold && self.reached
    }

    /// Whether the log-gradient varies from sample to sample, by more than rounding.
    pub(crate) fn varies(&self) -> bool {
        2.0 * self.drift.error() > ROUNDING * self.drift.value
    }

    /// The widest of the intervals of σ_x, σ_p, product, drift and dispersion: its half-width as a
    /// share of the value. A figure that is zero with certainty counts as exact.
    pub fn relative_error(&self) -> f64 {
        let own = self.drift.relative_error().max(self.dispersion.relative_error());
        self.spreads.relative_error().max(own)
    }

    /// The mean of independently measured packets around different centres.
    ///
    /// Intervals are over images: of 95 % for centres drawn at random like these, whose scatter holds the sampling error
    /// of each packet. (Those of the figures that identities know, the same around every centre, hold the sampling error
    /// alone. A single packet keeps its own. None reaches where the figure cannot be, such as below the bound.) Every figure, the maps included,
    /// is the arithmetic mean of the packets' figures, except `samples` and `ess`, which are
    /// summed, `product_min`, the smallest, and `r_hat`, the largest. `enough_samples` asks every packet for its own,
    /// because the sum may hide a centre that was hardly sampled; `identities_hold` tests the
    /// means, so its false-alarm rate stays that of one packet.
    ///
    /// # Errors
    /// When `packets` is empty, or scales or dimensions differ.
    pub fn average(packets: &[Self]) -> Result<Self, AverageError> {
        let first = packets.first().ok_or(AverageError::Empty)?;
        let shape = |packet: &Self| (packet.scale, packet.spreads.sigma_x_map.len());
        if let Some(index) = packets.iter().position(|packet| shape(packet) != shape(first)) {
            let (scale, dimension) = shape(&packets[index]);
            let (first_scale, first_dimension) = shape(first);
            return Err(AverageError::Mixed { index, scale, dimension, first_scale, first_dimension });
        }

        let figure =
            |of: fn(&Self) -> Figure| Figure::over_images(&packets.iter().map(of).collect::<Vec<_>>());
        let known = |of: fn(&Self) -> Figure| Figure::average(packets.iter().map(of));
        let modes: Option<Vec<&Modes>> = packets.iter().map(|p| p.modes.as_ref()).collect();
        let spreads = Spreads::over_images(packets.iter().map(|p| &p.spreads))?;
        let spreads = Spreads {
            sigma_x: spreads.sigma_x.at_least(0.0),
            sigma_p: spreads.sigma_p.at_least(0.0),
            product: spreads.product.at_least(first.bound),
            ..spreads
        };
        let (excess_drift, stray_drift) = (known(|p| p.excess_drift), known(|p| p.stray_drift));
        Ok(Self {
            scale: first.scale,
            r_hat: packets.iter().filter_map(|p| p.r_hat).reduce(f64::max),
            bound: first.bound,
            excess_x: figure(|p| p.excess_x).at_least(-1.0),
            excess_p: figure(|p| p.excess_p).at_least(-1.0),
            drift: figure(|p| p.drift).at_least(0.0),
            dispersion: figure(|p| p.dispersion).at_least(0.0),
            excess_drift,
            stray_drift,
            identities_hold: identities_hold(&spreads, excess_drift, stray_drift),
            reached: packets.iter().all(|p| p.reached),
            lobes: Vec::new(),
            peaks: Vec::new(),
            modes: modes.and_then(|modes| Modes::average(&modes)),
            spreads,
        })
    }

    /// The packet of samples whose weighted distribution is `ψ²`; at least one has weight. They are enough from
    /// `floor` effective ones on.
    ///
    /// The estimators are the identities of this module's documentation, as jackknife
    /// pseudo-values, regressed on the one figure that is known: a squeezed state (quadratic
    /// `ln l`) is then exact in every sample, as a displaced one is anyway.
    pub(super) fn from_moments(scale: f64, floor: f64, moments: &Moments) -> Self {
        Self::new(scale, floor, moments, moments.ess())
    }

    /// The packet of states of Markov chains, a chain per group.
    pub(super) fn from_chains(scale: f64, floor: f64, moments: &Moments, mixing: Mixing) -> Self {
        let mut packet = Self::new(scale, floor, moments, mixing.ess);
        packet.r_hat = Some(mixing.r_hat);
        packet.spreads.enough_samples &= mixing.r_hat <= R_HAT_LIMIT;
        packet
    }

    fn new(scale: f64, floor: f64, moments: &Moments, ess: f64) -> Self {
        let whole = moments.whole();
        let spread = whole.spread();
        let deleted = moments.deleted(&whole);
        let values = |figure: fn(&Spread) -> f64| pseudo_values(figure(&spread), deleted.iter().map(figure));
        let stein = values(Spread::stein);
        // Stein's identity makes this zero in the mean, whatever the loss.
        let control: Vec<f64> = stein.iter().map(|value| value + 0.5).collect();
        let estimate = |figure| Figure::controlled_mean(&values(figure), &control);

        let sigma_x = estimate(|s| 1.0 + 2.0 * s.covariance).root().scaled(scale);
        let sigma_p = estimate(|s| s.gradient + (1.0 - 2.0 * s.covariance) / 4.0).root().scaled(1.0 / scale);
        let product = estimate(Spread::product_squared).root();
        // σ_x²/s² − 1 and 4 s² σ_p² − 1, which the window has no part in.
        let excess_x = estimate(|s| 2.0 * s.covariance).root_excess();
        let excess_p = estimate(|s| 4.0 * s.gradient - 2.0 * s.covariance).root_excess();
        let dimension = whole.z.len() as f64;
        let dispersion = estimate(|s| s.gradient).scaled(dimension);
        let drift = {
            let values = values(|s| s.drift_squared);
            let variance = scatter(&values) / (GROUPS * (GROUPS - 1)) as f64;
            let noise = moments.drift_noise(&whole);
            Figure::student(mean(&values), (variance - noise).max(noise), GROUPS - 1).root()
        };
        let excess_drift = moments.discrepancy(|sums| sums.h.clone(), displacement);
        let stray_drift = moments.discrepancy(displacement, displacement);

        let coordinates = moments.coordinates(&whole, ess);
        let products = || coordinates.iter().map(CoordinateSpread::product);
        let spreads = Spreads {
            samples: moments.samples(),
            ess,
            sigma_x,
            sigma_p,
            product,
            product_mean: products().sum::<f64>() / dimension,
            product_min: products().fold(f64::INFINITY, f64::min),
            covariance: Figure::mean(&stein),
            misclassified: misclassified(&spread, &deleted, ess),
            enough_samples: ess >= floor,
            sigma_x_map: coordinates.iter().map(|c| scale * c.sigma_x()).collect(),
            sigma_p_map: coordinates.iter().map(|c| c.sigma_p() / scale).collect(),
        };
        Self {
            scale,
            r_hat: None,
            bound: 0.5,
            excess_x,
            excess_p,
            drift,
            dispersion,
            excess_drift,
            stray_drift,
            identities_hold: identities_hold(&spreads, excess_drift, stray_drift),
            reached: true,
            lobes: Vec::new(),
            peaks: Vec::new(),
            modes: None,
            spreads,
        }
    }
}

impl CoordinateSpread {
    /// `σ_x,i / s`; zero where noise makes the square negative.
    fn sigma_x(&self) -> f64 {
        (1.0 + 2.0 * self.covariance).max(0.0).sqrt()
    }

    /// `s σ_p,i`.
    fn sigma_p(&self) -> f64 {
        (self.gradient + (1.0 - 2.0 * self.covariance) / 4.0).max(0.0).sqrt()
    }

    fn product(&self) -> f64 {
        self.sigma_x() * self.sigma_p()
    }
}

impl Spread {
    /// `mean_i Cov(x_i, g_i)`
    pub(super) fn stein(&self) -> f64 {
        self.covariance - self.position / 2.0
    }

    /// `¼ + Var(x) Var(h) − Cov(x, h)²`, exactly ¼ in every sample when `h` is linear in `x`.
    pub(super) fn product_squared(&self) -> f64 {
        0.25 + self.position * self.gradient - self.covariance * self.covariance
    }
}

/// Whether the figures that Stein's identity knows agree with it; the false-alarm rate is shared among them.
fn identities_hold(spreads: &Spreads, excess_drift: Figure, stray_drift: Figure) -> bool {
    let rate = FALSE_ALARM / 3.0;
    spreads.covariance.agrees(-0.5, rate) && excess_drift.agrees(0.0, rate) && stray_drift.agrees(0.0, rate)
}
