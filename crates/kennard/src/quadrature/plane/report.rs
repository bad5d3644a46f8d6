//! What is found of a problem in the plane.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::Figure;
use crate::figure::paired;
use crate::quadrature::{Coordinate, Integral};

/// What was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlaneReport {
    /// The name of the problem.
    pub problem: String,
    /// Standard deviation of the points' noise.
    pub noise: f64,
    /// The seed of the points.
    pub seed: u64,
    /// Points that were classified.
    pub samples: u64,
    /// How many of these were classified correctly.
    pub correct: u64,
    /// `correct / samples`, with its Clopper–Pearson interval.
    #[serde(flatten, with = "paired::accuracy")]
    pub accuracy: Figure,
    /// The box packet of each label.
    pub boxes: Vec<SquarePacket>,
    /// The window packets at each scale.
    pub windows: Vec<WindowPackets>,
}

/// The packet `ψ ∝ l` on the unit square.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SquarePacket {
    /// The label.
    pub label: usize,
    /// The figures of each coordinate.
    pub coordinates: Vec<CoordinateFigures>,
    /// `ln ∫ l²`.
    pub log_norm: f64,
    /// Points per coordinate of the last rule.
    pub order: usize,
    /// Whether the figures settled to 1e-5.
    pub converged: bool,
}

/// One coordinate of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CoordinateFigures {
    /// `E[x_i]`.
    pub mean: Figure,
    /// `σ_x,i`.
    pub sigma_x: Figure,
    /// `σ_p,i`.
    pub sigma_p: Figure,
    /// `σ_x,i σ_p,i`.
    pub product: Figure,
    /// `B_i`.
    pub boundary: Figure,
    /// `½ |1 − B_i|`.
    pub bound: Figure,
    /// `Cov(x_i, g_i)`, which must be `−½ (1 − B_i)`.
    pub stein: Figure,
    /// `Cov(x_i, g_i) + ½ (1 − B_i)`, zero but for the errors.
    pub discrepancy: f64,
}

/// The packets under windows of one scale. `σ_x`, `σ_p` are root mean squares over the coordinates.
///
/// Figures are means over centres, with Student's 95 % interval for centres drawn like these. It is cut where no
/// mean can lie: at ½ for the product, else at zero.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WindowPackets {
    /// The width `s` of the windows, in input units.
    pub scale: f64,
    /// How many centres.
    pub centres: u64,
    /// `σ_x`.
    #[serde(serialize_with = "as_mean")]
    pub sigma_x: Figure,
    /// `σ_p`.
    #[serde(serialize_with = "as_mean")]
    pub sigma_p: Figure,
    /// `σ_x σ_p` of the aggregates.
    #[serde(serialize_with = "as_mean")]
    pub product: Figure,
    /// The smallest `σ_x,i σ_p,i` of all centres and coordinates.
    pub product_min: f64,
    /// What it cannot fall below: ½.
    pub bound: f64,
    /// `‖⟨x⟩ − x₀‖ / s`.
    #[serde(serialize_with = "as_mean")]
    pub drift: Figure,
    /// `s² Σ_i Var(h_i)`.
    #[serde(serialize_with = "as_mean")]
    pub dispersion: Figure,
    /// `P(misclassified)`, the share of `ψ²` at misclassified points.
    #[serde(serialize_with = "as_mean")]
    pub misclassified: Figure,
    /// The largest estimated error of a centre's `P(misclassified)`.
    pub misclassified_error: f64,
    /// The largest estimated error of a product.
    pub error: f64,
    /// The largest `|Cov(x_i, g_i) + ½|`.
    pub discrepancy: f64,
    /// Whether all figures of all centres settled to 1e-5.
    pub converged: bool,
}

/// A mean over centres as files have it: `{"mean", "interval"}`.
fn as_mean<S: Serializer>(figure: &Figure, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    let mut fields = serializer.serialize_struct("Mean", 2)?;
    fields.serialize_field("mean", &figure.value)?;
    fields.serialize_field("interval", &figure.interval)?;
    fields.end()
}

impl CoordinateFigures {
    /// The figures of coordinate `i`.
    pub(in crate::quadrature) fn of(spreads: &Integral, i: usize) -> CoordinateFigures {
        let figure = |of: fn(&Coordinate) -> f64| spreads.figure(i, of);
        CoordinateFigures {
            mean: figure(|c| c.mean),
            sigma_x: figure(|c| c.sigma_x),
            sigma_p: figure(|c| c.sigma_p),
            product: figure(Coordinate::product),
            boundary: figure(|c| c.boundary),
            bound: figure(Coordinate::bound),
            stein: figure(|c| c.covariance),
            discrepancy: spreads.coordinates[i].discrepancy(),
        }
    }
}
