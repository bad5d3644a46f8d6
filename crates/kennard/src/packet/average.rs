//! The mean of packets over several centres.

use super::estimate::{Estimate, Interval, mean_map};
use super::mixture::DataFigures;
use super::modes::Modes;
use super::moments::{GROUPS, HALF};
use super::packet::{Checks, FALSE_ALARM, Packet};
use super::spread::Spreads;
use super::uniform::BoxFigures;

/// Packets whose mean has no meaning.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AverageError {
    #[error("there are no packets to average; measure at least one centre")]
    Empty,
    #[error(
        "packet {index} has scale {scale} in {dimension} dimensions, the first has {first_scale} in \
         {first_dimension}; average only packets of one scale and input shape"
    )]
    Mixed { index: usize, scale: f64, dimension: usize, first_scale: f64, first_dimension: usize },
}

impl Packet {
    /// The mean of independently measured packets around different centres.
    ///
    /// The centres are taken as given: intervals hold the sampling error of each packet (their
    /// distances to the value add in quadrature), not the variation from centre to centre. Every figure, the maps included,
    /// is the arithmetic mean of the packets' figures, except `samples` and `ess`, which are
    /// summed, `product_min`, the smallest, and `r_hat`, the largest. `enough_samples` asks every packet for its own,
    /// because the sum may hide a centre that was hardly sampled; `identities_hold` tests the
    /// means, so its false-alarm rate stays that of one packet.
    ///
    /// # Errors
    /// When `packets` is empty, or scales or dimensions differ.
    pub fn average(packets: &[Self]) -> Result<Self, AverageError> {
        let first = packets.first().ok_or(AverageError::Empty)?;
        let shape = |packet: &Self| (packet.scale, packet.sigma_x_map.len());
        if let Some(index) = packets.iter().position(|packet| shape(packet) != shape(first)) {
            let (scale, dimension) = shape(&packets[index]);
            let (first_scale, first_dimension) = shape(first);
            return Err(AverageError::Mixed { index, scale, dimension, first_scale, first_dimension });
        }

        let count = packets.len() as f64;
        let mean = |figure: fn(&Self) -> f64| packets.iter().map(figure).sum::<f64>() / count;
        let estimate = |figure: fn(&Self) -> (f64, Interval)| Estimate::average(packets.iter().map(figure));
        let map = |map: fn(&Self) -> &[f64]| mean_map(packets.iter().map(map));

        let sigma_x = estimate(|p| (p.sigma_x, p.sigma_x_interval));
        let sigma_p = estimate(|p| (p.sigma_p, p.sigma_p_interval));
        let product = estimate(|p| (p.product, p.product_interval));
        let drift = estimate(|p| (p.drift, p.drift_interval));
        let dispersion = estimate(|p| (p.dispersion, p.dispersion_interval));
        let modes: Option<Vec<&Modes>> = packets.iter().map(|p| p.modes.as_ref()).collect();
        let checks = Checks {
            stein: estimate(|p| (p.stein, p.stein_interval)),
            excess_drift: estimate(|p| (p.excess_drift, p.excess_drift_interval)),
            stray_drift: estimate(|p| (p.stray_drift, p.stray_drift_interval)),
        };
        Ok(Self {
            scale: first.scale,
            samples: packets.iter().map(|p| p.samples).sum(),
            ess: packets.iter().map(|p| p.ess).sum(),
            r_hat: packets.iter().filter_map(|p| p.r_hat).reduce(f64::max),
            sigma_x: sigma_x.value,
            sigma_x_interval: sigma_x.interval,
            sigma_p: sigma_p.value,
            sigma_p_interval: sigma_p.interval,
            product: product.value,
            product_interval: product.interval,
            bound: first.bound,
            product_mean: mean(|p| p.product_mean),
            product_min: packets.iter().map(|p| p.product_min).fold(f64::INFINITY, f64::min),
            drift: drift.value,
            drift_interval: drift.interval,
            dispersion: dispersion.value,
            dispersion_interval: dispersion.interval,
            stein: checks.stein.value,
            stein_interval: checks.stein.interval,
            excess_drift: checks.excess_drift.value,
            excess_drift_interval: checks.excess_drift.interval,
            stray_drift: checks.stray_drift.value,
            stray_drift_interval: checks.stray_drift.interval,
            enough_samples: packets.iter().all(|p| p.enough_samples),
            identities_hold: checks.hold(),
            reached: packets.iter().all(|p| p.reached),
            modes: modes.and_then(|modes| Modes::average(&modes)),
            sigma_x_map: map(|p| &p.sigma_x_map),
            sigma_p_map: map(|p| &p.sigma_p_map),
        })
    }
}

impl BoxFigures {
    /// The mean of packets of several labels: as [`Packet::average`], the bound included.
    ///
    /// # Errors
    /// When `packets` is empty.
    pub fn average(packets: &[Self]) -> Result<Self, AverageError> {
        let spreads: Vec<&Spreads> = packets.iter().map(|packet| &packet.spreads).collect();
        let estimate = |figure: fn(&Self) -> (f64, Interval)| Estimate::average(packets.iter().map(figure));
        let boundary = estimate(|p| (p.boundary, p.boundary_interval));
        let faces = estimate(|p| (p.boundary_faces, p.boundary_faces_interval));
        Ok(Self {
            spreads: Spreads::average(&spreads)?,
            bound: packets.iter().map(|p| p.bound).sum::<f64>() / packets.len() as f64,
            boundary: boundary.value,
            boundary_interval: boundary.interval,
            boundary_faces: faces.value,
            boundary_faces_interval: faces.interval,
            identities_hold: packets.iter().all(|p| p.identities_hold),
        })
    }
}

impl DataFigures {
    /// The mean of packets of several labels: as [`Packet::average`].
    ///
    /// # Errors
    /// When `packets` is empty. All must have one scale.
    pub fn average(packets: &[Self]) -> Result<Self, AverageError> {
        let spreads: Vec<&Spreads> = packets.iter().map(|packet| &packet.spreads).collect();
        let spreads = Spreads::average(&spreads)?;
        let first = &packets[0];
        let stray = Estimate::average(packets.iter().map(|p| (p.stray, p.stray_interval)));
        let covariance = Estimate { value: spreads.covariance, interval: spreads.covariance_interval };
        let rate = FALSE_ALARM / 2.0;
        Ok(Self {
            scale: first.scale,
            bound: first.bound,
            stray: stray.value,
            stray_interval: stray.interval,
            identities_hold: covariance.agrees(-0.5, rate, GROUPS - 1) && stray.agrees(0.0, rate, HALF - 1),
            components: packets.iter().map(|p| p.components).sum(),
            kept: first.kept,
            reached: packets.iter().all(|p| p.reached),
            lost: packets.iter().map(|p| p.lost).fold(0.0, f64::max),
            spreads,
        })
    }
}
