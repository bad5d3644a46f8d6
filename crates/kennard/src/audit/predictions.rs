//! Predicted distances to the decision boundary, of one sample.

use serde::{Deserialize, Serialize};

use crate::Norm;
use crate::survey::Measured;

/// What was measured of a sample's distance to the decision boundary, in the threat model's norm; the smoothed radius is
/// one in l2. None where it was not measured, or cannot be had.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Predictions {
    /// Margin over slope at the sample.
    pub first_order: Option<f64>,
    /// Margin over mean slope under the packets' window.
    pub packet: Option<f64>,
    /// The ends of its interval.
    pub packet_interval: Option<[f64; 2]>,
    /// The smoothed radius under the packets' window, in l2.
    pub radius: Option<f64>,
    /// The ends of its interval.
    pub radius_interval: Option<[f64; 2]>,
    /// The nearest crossing of the boundary that a search from the sample found, bounds left aside.
    pub searched: Option<f64>,
    /// The l2 norm of the log-odds' gradient.
    pub gradient_norm: Option<f64>,
}

impl Predictions {
    pub(super) fn new(measured: &Measured, norm: Norm) -> Predictions {
        let (packet, radius) = (measured.packet(norm), measured.radius());
        Predictions {
            first_order: measured.first_order(norm),
            packet: packet.map(|figure| figure.value),
            packet_interval: packet.map(|figure| figure.interval),
            radius: radius.map(|figure| figure.value),
            radius_interval: radius.map(|figure| figure.interval),
            searched: measured.searched,
            gradient_norm: Some(measured.predicted.gradient_norm).filter(|norm| norm.is_finite()),
        }
    }

    /// The predicted distance: in l2 the smoothed radius, which knows the boundary's curvature.
    pub fn predicted(&self, norm: Norm) -> Option<f64> {
        if norm == Norm::L2 { self.radius } else { self.packet }
    }
}
