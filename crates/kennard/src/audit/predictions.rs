//! Predicted distances to the decision boundary, of one sample.

use serde::{Deserialize, Serialize};

use crate::Norm;
use crate::survey::CentreDistances;

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

/// Which figure predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predictor {
    SmoothedRadius,
    PacketDistance,
    FirstOrder,
}

impl Predictor {
    /// In order of preference.
    const ALL: [Predictor; 3] = [Predictor::SmoothedRadius, Predictor::PacketDistance, Predictor::FirstOrder];

    /// What predicts of these samples: in l2 the smoothed radius, which knows the boundary's curvature, where nine of ten have
    /// one. Narrow windows have one near the boundary alone, and its median would be of those samples.
    pub fn of(samples: &[&Predictions], norm: Norm) -> Predictor {
        let known = |predictor: &Predictor| {
            let known = samples.iter().filter(|predictions| predictions.by(*predictor).is_some());
            10 * known.count() >= 9 * samples.len()
        };
        let mut all =
            Predictor::ALL.into_iter().filter(|p| norm == Norm::L2 || *p != Predictor::SmoothedRadius);
        all.find(known).unwrap_or(Predictor::PacketDistance)
    }

    pub fn name(self) -> &'static str {
        match self {
            Predictor::SmoothedRadius => "smoothed radius",
            Predictor::PacketDistance => "packet distance",
            Predictor::FirstOrder => "first order",
        }
    }

    pub fn named(name: &str) -> Option<Predictor> {
        Predictor::ALL.into_iter().find(|predictor| predictor.name() == name)
    }
}

impl Predictions {
    pub(super) fn new(measured: &CentreDistances, norm: Norm) -> Predictions {
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

    pub(super) fn by(&self, predictor: Predictor) -> Option<f64> {
        match predictor {
            Predictor::SmoothedRadius => self.radius,
            Predictor::PacketDistance => self.packet,
            Predictor::FirstOrder => self.first_order,
        }
    }
}
