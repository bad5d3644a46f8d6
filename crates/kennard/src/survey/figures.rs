//! Figures as they go to files and screens.

use serde::{Deserialize, Serialize};

use super::distances::DistanceFigures;
use crate::Figure;
use crate::packet::{BoxFigures, DataFigures, EmpiricalFigures, Lobe, Modes, Packet, Spreads};

/// The figures of one packet, or of the mean over several.
///
/// Lengths are in input units, momenta in their inverse. What a packet does not have is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Figures {
    /// Which packet: `gaussian`, `data`, `box` or `empirical`.
    pub packet: String,
    /// The window's width `s`.
    pub scale: Option<f64>,
    /// The temperature that the logits are divided by; none is 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// The label, where it is one.
    pub label: Option<u64>,
    /// The place in the data set of the sample that is the centre, where it is one.
    pub centre: Option<u64>,
    /// How many packets this is the mean of.
    pub packets: u64,
    /// Samples taken.
    pub samples: u64,
    /// Effective sample size, summed over the packets.
    pub ess: f64,
    /// The largest split-R̂ of Markov chains; none where no packet needed them.
    pub r_hat: Option<f64>,
    /// Position spread, aggregated over coordinates as a root mean square.
    pub sigma_x: Figure,
    /// Spread of the log-gradient, likewise.
    pub sigma_p: Figure,
    /// `σ_x σ_p`.
    pub product: Figure,
    /// What the product cannot fall below.
    pub bound: Option<f64>,
    /// Mean over coordinates of `σ_x,i σ_p,i`.
    pub product_mean: f64,
    /// Smallest `σ_x,i σ_p,i`.
    pub product_min: f64,
    /// `σ_x/s − 1`: what the network does to the window's position spread.
    #[serde(default)]
    pub excess_x: Option<Figure>,
    /// `2 s σ_p − 1`: what it does to the window's conjugate spread.
    #[serde(default)]
    pub excess_p: Option<Figure>,
    /// The share of the packet at misclassified points.
    #[serde(default)]
    pub misclassified: Option<Figure>,
    /// Displacement in units of `s`.
    pub drift: Option<Figure>,
    /// `s² tr Cov(h)`.
    pub dispersion: Option<Figure>,
    /// Mean over coordinates of `Cov(x_i, g_i)`: −½ where the packet has no boundary.
    pub stein: Option<Figure>,
    /// Boundary term `B`, mean over coordinates: what takes the bound from ½ to `½ |1 − B|`. From
    /// samples inside the box.
    pub boundary: Option<Figure>,
    /// `B` again, from samples on the faces.
    pub boundary_faces: Option<Figure>,
    /// Whether every packet has at least [`ESS_FLOOR`](crate::packet::ESS_FLOOR) effective samples.
    pub enough_samples: bool,
    /// Whether nothing speaks for a part of a packet that no sample reached.
    #[serde(default = "yes")]
    pub reached: bool,
    /// Whether the figures can be trusted: enough samples, the identities hold, and nothing seems missed.
    pub valid: bool,
    /// The leading modes.
    pub modes: Option<Modes>,
    /// The lobes that one packet falls into, the largest share first; none where it has one part.
    #[serde(default)]
    pub lobes: Vec<Lobe>,
    /// Distances to the decision boundary at the centre, or their medians over several.
    #[serde(default)]
    pub distances: DistanceFigures,
    /// What was approximated or is missing.
    pub notes: Vec<String>,
    /// `σ_x,i` (d), in the input's order.
    #[serde(skip)]
    pub sigma_x_map: Vec<f64>,
    /// `σ_p,i` (d), in the input's order.
    #[serde(skip)]
    pub sigma_p_map: Vec<f64>,
}

/// Files from before `reached` and `complete` have figures that nobody doubted, of runs that were not stopped.
pub(crate) fn yes() -> bool {
    true
}

/// What it means that a packet was not reached.
pub(crate) const NOT_REACHED: &str = "the figures do not vary from sample to sample, or only one of many searches found a part of the \
                                      packet, so other parts may have been missed";

impl Figures {
    /// The figures of a packet under a Gaussian window.
    pub fn of_gaussian(packet: &Packet, label: Option<u64>, centre: Option<u64>, packets: u64) -> Figures {
        Figures {
            scale: Some(packet.scale),
            centre,
            r_hat: packet.r_hat,
            bound: Some(packet.bound),
            excess_x: Some(packet.excess_x),
            excess_p: Some(packet.excess_p),
            drift: Some(packet.drift),
            dispersion: Some(packet.dispersion),
            modes: packet.modes.clone(),
            lobes: packet.lobes.clone(),
            reached: packet.reached,
            valid: packet.valid(),
            ..Figures::of_spreads("gaussian", &packet.spreads, label, packets)
        }
    }

    /// The figures of the packet on a box.
    pub fn of_box(packet: &BoxFigures, label: Option<u64>, packets: u64) -> Figures {
        Figures {
            bound: Some(packet.bound),
            boundary: Some(packet.boundary),
            boundary_faces: Some(packet.boundary_faces),
            valid: packet.valid(),
            ..Figures::of_spreads("box", &packet.spreads, label, packets)
        }
    }

    /// The figures of the packet on a data set's points.
    pub fn of_empirical(packet: &EmpiricalFigures, label: Option<u64>, packets: u64) -> Figures {
        let mut notes = vec![
            "the measure is atomic: no bound holds, and there is no identity to check".to_string(),
            "these are all the points, so the figures have no sampling error".to_string(),
        ];
        if packet.left_out > 0 {
            let left_out = packet.left_out;
            notes.push(format!(
                "{left_out} points are left out: the loss or its gradient is not finite there"
            ));
        }
        Figures {
            stein: None,
            notes,
            valid: packet.valid(),
            ..Figures::of_spreads("empirical", &packet.spreads, label, packets)
        }
    }

    /// The figures of the packet under a mixture of windows.
    pub fn of_data(packet: &DataFigures, label: Option<u64>, packets: u64) -> Figures {
        let DataFigures { components, kept, lost, .. } = packet;
        let labels = if packets > 1 { format!(" of {packets} labels") } else { String::new() };
        let note = (kept < components).then(|| {
            format!(
                "{kept} of {components} components{labels} computed with; those left out hold at most {lost:.1e} \
                 of a sample"
            )
        });
        Figures {
            scale: Some(packet.scale),
            bound: Some(packet.bound),
            notes: Vec::from_iter(note),
            reached: packet.reached,
            valid: packet.valid(),
            ..Figures::of_spreads("data", &packet.spreads, label, packets)
        }
    }

    fn of_spreads(packet: &str, spreads: &Spreads, label: Option<u64>, packets: u64) -> Figures {
        Figures {
            packet: packet.into(),
            scale: None,
            temperature: None,
            label,
            centre: None,
            packets,
            samples: spreads.samples as u64,
            ess: spreads.ess,
            r_hat: None,
            sigma_x: spreads.sigma_x,
            sigma_p: spreads.sigma_p,
            product: spreads.product,
            bound: None,
            product_mean: spreads.product_mean,
            product_min: spreads.product_min,
            excess_x: None,
            excess_p: None,
            misclassified: Some(spreads.misclassified),
            drift: None,
            dispersion: None,
            stein: Some(spreads.covariance),
            boundary: None,
            boundary_faces: None,
            distances: DistanceFigures::new(),
            modes: None,
            lobes: Vec::new(),
            notes: Vec::new(),
            enough_samples: spreads.enough_samples,
            reached: true,
            valid: false,
            sigma_x_map: spreads.sigma_x_map.clone(),
            sigma_p_map: spreads.sigma_p_map.clone(),
        }
    }
}
