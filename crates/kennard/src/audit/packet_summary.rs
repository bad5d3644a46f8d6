//! What an audit's summary says of a packet.

use serde::{Deserialize, Serialize};

use crate::Figure;
use crate::figure::paired;
use crate::packet::Modes;
use crate::survey::Figures;

/// A packet's figures, averaged over its centres.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct PacketSummary {
    /// Which packet.
    pub packet: String,
    /// The window's width `s`, in input units.
    pub scale: f64,
    /// The temperature that the logits are divided by; none is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The label whose samples are the centres; null where all are.
    pub label: Option<u64>,
    /// How many samples are centres.
    pub centres: u64,
    /// Position spread `σ_x`.
    pub sigma_x: f64,
    /// Conjugate spread `σ_p`.
    pub sigma_p: f64,
    /// `σ_x σ_p`.
    #[serde(flatten, with = "paired::product")]
    pub product: Figure,
    /// What the product cannot fall below.
    pub bound: f64,
    /// `σ_x/s − 1`: what the network does to the window's position spread.
    #[serde(default)]
    pub excess_x: Option<Figure>,
    /// `2 s σ_p − 1`: what it does to the window's conjugate spread.
    #[serde(default)]
    pub excess_p: Option<Figure>,
    /// The share of the packet at misclassified points.
    #[serde(default)]
    pub misclassified: Option<Figure>,
    /// The leading modes, and the product along them and along the drift.
    #[serde(default)]
    pub modes: Option<Modes>,
    /// Displacement of the packet in units of `s`.
    #[serde(flatten, with = "paired::drift")]
    pub drift: Figure,
    /// `s² tr Cov(h)`.
    #[serde(flatten, with = "paired::dispersion")]
    pub dispersion: Figure,
    /// Mean of `Cov(x_i, g_i)`: −½ if all is well.
    #[serde(flatten, with = "paired::stein")]
    pub stein: Figure,
    /// Points evaluated.
    pub samples: u64,
    /// Effective sample size, summed over the centres.
    pub ess: f64,
    /// Whether every centre has its share of 1 000 effective samples, at least 30.
    pub enough_samples: bool,
    /// Whether nothing speaks for a part of a packet that no sample reached.
    #[serde(default = "crate::survey::yes")]
    pub reached: bool,
    /// Whether the figures can be trusted: enough effective samples, Stein's identities hold, and nothing seems missed.
    pub valid: bool,
}

impl PacketSummary {
    /// The figures of packets of this scale.
    pub(super) fn new(scale: f64, figures: &Figures) -> PacketSummary {
        PacketSummary {
            packet: figures.packet.clone(),
            scale,
            temperature: figures.temperature,
            label: None,
            centres: figures.packets,
            sigma_x: figures.sigma_x.value,
            sigma_p: figures.sigma_p.value,
            product: figures.product,
            bound: figures.bound.unwrap_or(0.5),
            excess_x: figures.excess_x,
            excess_p: figures.excess_p,
            misclassified: figures.misclassified,
            modes: figures.modes.clone(),
            drift: figures.drift.unwrap_or(Figure::UNKNOWN),
            dispersion: figures.dispersion.unwrap_or(Figure::UNKNOWN),
            stein: figures.stein.unwrap_or(Figure::UNKNOWN),
            samples: figures.samples,
            ess: figures.ess,
            enough_samples: figures.enough_samples,
            reached: figures.reached,
            valid: figures.valid,
        }
    }

    /// σ_p with its interval over images, from that of its excess: `2 s σ_p = 1 + e`.
    pub(crate) fn conjugate_spread(&self) -> Figure {
        let ends = |excess: Figure| excess.interval.map(|excess| (1.0 + excess) / (2.0 * self.scale));
        Figure::perhaps(self.sigma_p, self.excess_p.map(ends))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: 2 s σ_p − 1 from 0.1 to 0.3 with s = 0.5 is σ_p from 1.1 to 1.3. The product, which hardly varies, says nothing
    /// of it.
    #[test]
    fn the_conjugate_spread_is_as_uncertain_as_its_excess() {
        let summary: PacketSummary = serde_json::from_value(serde_json::json!({
            "packet": "gaussian", "scale": 0.5, "centres": 32, "sigma_x": 0.42, "sigma_p": 1.2, "bound": 0.5,
            "product": 0.504, "product_interval": [0.503, 0.505], "excess_p": { "value": 0.2, "interval": [0.1, 0.3] },
            "drift": 0.1, "drift_interval": [0.1, 0.1], "dispersion": 0.1, "dispersion_interval": [0.1, 0.1],
            "stein": -0.5, "stein_interval": [-0.5, -0.5], "samples": 500, "ess": 400.0, "enough_samples": true, "valid": true,
        }))
        .unwrap();
        let [low, high] = summary.conjugate_spread().interval;
        assert!((low - 1.1).abs() < 1e-12 && (high - 1.3).abs() < 1e-12, "{low} {high}");
    }
}
