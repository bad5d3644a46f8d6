//! The mean of packets over several centres.

use super::estimate::{Estimate, Interval};
use super::packet::{Checks, Packet};

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
    /// distances to the value add in quadrature, as in Zou and Donner, Statistics in Medicine
    /// 27:1693, 2008), not the variation from centre to centre. Every figure, the maps included,
    /// is the arithmetic mean of the packets' figures, except `samples` and `ess`, which are
    /// summed, and `product_min`, the smallest. `enough_samples` asks every packet for its own,
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
        let estimate = |figure: fn(&Self) -> (f64, Interval)| {
            let (mut value, mut below, mut above) = (0.0, 0.0, 0.0);
            for (figure, interval) in packets.iter().map(figure) {
                value += figure / count;
                below += ((figure - interval.low) / count).powi(2);
                above += ((interval.high - figure) / count).powi(2);
            }
            let interval = Interval { low: value - below.sqrt(), high: value + above.sqrt() };
            Estimate { value, interval }
        };
        let map = |map: fn(&Self) -> &[f64]| {
            let mut means = vec![0.0; map(first).len()];
            for packet in packets {
                means.iter_mut().zip(map(packet)).for_each(|(mean, value)| *mean += value / count);
            }
            means
        };

        let sigma_x = estimate(|p| (p.sigma_x, p.sigma_x_interval));
        let sigma_p = estimate(|p| (p.sigma_p, p.sigma_p_interval));
        let product = estimate(|p| (p.product, p.product_interval));
        let drift = estimate(|p| (p.drift, p.drift_interval));
        let dispersion = estimate(|p| (p.dispersion, p.dispersion_interval));
        let checks = Checks {
            stein: estimate(|p| (p.stein, p.stein_interval)),
            excess_drift: estimate(|p| (p.excess_drift, p.excess_drift_interval)),
            stray_drift: estimate(|p| (p.stray_drift, p.stray_drift_interval)),
        };
        Ok(Self {
            scale: first.scale,
            samples: packets.iter().map(|p| p.samples).sum(),
            ess: packets.iter().map(|p| p.ess).sum(),
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
            sigma_x_map: map(|p| &p.sigma_x_map),
            sigma_p_map: map(|p| &p.sigma_p_map),
        })
    }
}
