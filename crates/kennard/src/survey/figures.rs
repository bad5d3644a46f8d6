//! Figures as they go to files and screens.

use serde::{Deserialize, Serialize};

use super::Failure;
use crate::packet::empirical::EmpiricalFigures;
use crate::packet::estimate::{Estimate, Interval};
use crate::packet::mixture::DataFigures;
use crate::packet::modes::{Mode, Modes};
use crate::packet::packet::Packet;
use crate::packet::spread::Spreads;
use crate::packet::uniform::BoxFigures;
use crate::probe::Cosines;
use crate::run::{DataSummary, ModelSummary};
use crate::warning::Warning;

/// A value with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written")]
pub struct Measured {
    pub value: f64,
    pub interval: [f64; 2],
}

/// As it stands in files: with the interval, or, in older ones, some figures without.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Measured { value: f64, interval: [f64; 2] },
    Bare(f64),
}

impl From<Written> for Measured {
    fn from(written: Written) -> Measured {
        match written {
            Written::Measured { value, interval } => Measured { value, interval },
            Written::Bare(value) => Measured { value, interval: [f64::NAN; 2] },
        }
    }
}

impl Measured {
    pub(super) fn new(value: f64, Interval { low, high }: Interval) -> Measured {
        Measured { value, interval: [low, high] }
    }
}

impl From<Estimate> for Measured {
    fn from(estimate: Estimate) -> Measured {
        Measured::new(estimate.value, estimate.interval)
    }
}

/// The figures of [`Modes`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModesFigures {
    /// Along the leading modes of `s² Cov(h)`, the largest first.
    pub leading: Vec<ModeFigures>,
    /// Along the drift.
    pub drift: Option<ModeFigures>,
    /// Eigenvalues of `I + 2C` in the space of the leading modes, ascending.
    pub squeeze: Vec<f64>,
    /// Eigenvalues of `s² Cov(g)` in that space, descending.
    pub momentum: Vec<f64>,
    /// For each leading mode, `½/ρ` with the correlation `ρ` of `x` along it and `g` along its conjugate; ½
    /// where `ln l` is quadratic.
    pub principal: Vec<Measured>,
    /// Directions of `momentum` (d), in the input's order; empty for a mean.
    #[serde(skip)]
    pub momentum_directions: Vec<Vec<f64>>,
}

/// The figures of a [`Mode`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModeFigures {
    /// Its part of the dispersion.
    pub dispersion: Measured,
    /// `1 + 2 c_u`.
    pub squeeze: Measured,
    /// `σ_x σ_p` along it.
    pub product: Measured,
    /// How far, as a share of `dispersion`, an eigenvalue may be from it.
    pub residual: f64,
    /// The direction (d), in the input's order; empty for a mean.
    #[serde(skip)]
    pub direction: Vec<f64>,
}

impl From<&Modes> for ModesFigures {
    fn from(modes: &Modes) -> ModesFigures {
        ModesFigures {
            leading: modes.leading.iter().map(ModeFigures::from).collect(),
            drift: modes.drift.as_ref().map(ModeFigures::from),
            squeeze: modes.squeeze.clone(),
            momentum: modes.momentum.clone(),
            principal: modes.principal.iter().map(|principal| (*principal).into()).collect(),
            momentum_directions: modes.momentum_directions.clone(),
        }
    }
}

impl From<&Mode> for ModeFigures {
    fn from(mode: &Mode) -> ModeFigures {
        ModeFigures {
            dispersion: mode.dispersion.into(),
            squeeze: mode.squeeze.into(),
            product: mode.product.into(),
            residual: mode.residual,
            direction: mode.direction.clone(),
        }
    }
}

/// The figures of one packet, or of the mean over several.
///
/// Lengths are in input units, momenta in their inverse. What a packet does not have is `None`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Which packet: `gaussian`, `data`, `box` or `empirical`.
    pub packet: String,
    /// The window's width `s`.
    pub scale: Option<f64>,
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
    pub sigma_x: Measured,
    /// Spread of the log-gradient, likewise.
    pub sigma_p: Measured,
    /// `σ_x σ_p`.
    pub product: Measured,
    /// What the product cannot fall below.
    pub bound: Option<f64>,
    /// Mean over coordinates of `σ_x,i σ_p,i`.
    pub product_mean: f64,
    /// Smallest `σ_x,i σ_p,i`.
    pub product_min: f64,
    /// Displacement in units of `s`.
    pub drift: Option<Measured>,
    /// `s² tr Cov(h)`.
    pub dispersion: Option<Measured>,
    /// Mean over coordinates of `Cov(x_i, g_i)`: −½ where the packet has no boundary.
    pub stein: Option<Measured>,
    /// Boundary term `B`, mean over coordinates: what takes the bound from ½ to `½ |1 − B|`. From
    /// samples inside the box.
    pub boundary: Option<Measured>,
    /// `B` again, from samples on the faces.
    pub boundary_faces: Option<Measured>,
    /// Whether every packet has at least [`ESS_FLOOR`](super::ESS_FLOOR) effective samples.
    pub enough_samples: bool,
    /// Whether nothing speaks for a part of a packet that no sample reached.
    #[serde(default = "yes")]
    pub reached: bool,
    /// Whether the figures can be trusted: enough samples, the identities hold, and nothing seems missed.
    pub valid: bool,
    /// The leading modes.
    pub modes: Option<ModesFigures>,
    /// What was approximated or is missing.
    pub notes: Vec<String>,
    /// `σ_x,i` (d), in the input's order.
    #[serde(skip)]
    pub sigma_x_map: Vec<f64>,
    /// `σ_p,i` (d), in the input's order.
    #[serde(skip)]
    pub sigma_p_map: Vec<f64>,
}

/// Files from before `reached` have figures that nobody doubted.
fn yes() -> bool {
    true
}

impl Figures {
    /// The figures of a packet under a Gaussian window.
    pub fn of_gaussian(packet: &Packet, label: Option<u64>, centre: Option<u64>, packets: u64) -> Figures {
        Figures {
            packet: "gaussian".into(),
            scale: Some(packet.scale),
            label,
            centre,
            packets,
            samples: packet.samples as u64,
            ess: packet.ess,
            r_hat: packet.r_hat,
            sigma_x: Measured::new(packet.sigma_x, packet.sigma_x_interval),
            sigma_p: Measured::new(packet.sigma_p, packet.sigma_p_interval),
            product: Measured::new(packet.product, packet.product_interval),
            bound: Some(packet.bound),
            product_mean: packet.product_mean,
            product_min: packet.product_min,
            drift: Some(Measured::new(packet.drift, packet.drift_interval)),
            dispersion: Some(Measured::new(packet.dispersion, packet.dispersion_interval)),
            stein: Some(Measured::new(packet.stein, packet.stein_interval)),
            boundary: None,
            boundary_faces: None,
            modes: packet.modes.as_ref().map(ModesFigures::from),
            notes: Vec::new(),
            enough_samples: packet.enough_samples,
            reached: packet.reached,
            valid: packet.valid(),
            sigma_x_map: packet.sigma_x_map.clone(),
            sigma_p_map: packet.sigma_p_map.clone(),
        }
    }

    /// The figures of the packet on a box.
    pub fn of_box(packet: &BoxFigures, label: Option<u64>, packets: u64) -> Figures {
        Figures {
            bound: Some(packet.bound),
            boundary: Some(Measured::new(packet.boundary, packet.boundary_interval)),
            boundary_faces: Some(Measured::new(packet.boundary_faces, packet.boundary_faces_interval)),
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
        let note = format!(
            "{kept} of {components} components computed with; those left out hold at most {lost:.1e} of a sample"
        );
        Figures {
            scale: Some(packet.scale),
            bound: Some(packet.bound),
            notes: vec![note],
            reached: packet.reached,
            valid: packet.valid(),
            ..Figures::of_spreads("data", &packet.spreads, label, packets)
        }
    }

    fn of_spreads(packet: &str, spreads: &Spreads, label: Option<u64>, packets: u64) -> Figures {
        Figures {
            packet: packet.into(),
            scale: None,
            label,
            centre: None,
            packets,
            samples: spreads.samples as u64,
            ess: spreads.ess,
            r_hat: None,
            sigma_x: Measured::new(spreads.sigma_x, spreads.sigma_x_interval),
            sigma_p: Measured::new(spreads.sigma_p, spreads.sigma_p_interval),
            product: Measured::new(spreads.product, spreads.product_interval),
            bound: None,
            product_mean: spreads.product_mean,
            product_min: spreads.product_min,
            drift: None,
            dispersion: None,
            stein: Some(Measured::new(spreads.covariance, spreads.covariance_interval)),
            boundary: None,
            boundary_faces: None,
            modes: None,
            notes: Vec::new(),
            enough_samples: spreads.enough_samples,
            reached: true,
            valid: false,
            sigma_x_map: spreads.sigma_x_map.clone(),
            sigma_p_map: spreads.sigma_p_map.clone(),
        }
    }
}

/// The figures of a survey, as in `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SurveySummary {
    /// The version of this format.
    pub version: u32,
    pub model: ModelSummary,
    pub data: DataSummary,
    /// The hidden tensor whose packets these are; null for the input's.
    pub tensor: Option<String>,
    /// The runtime's name.
    pub runtime: String,
    /// The seed of all random numbers.
    pub seed: u64,
    /// The mean over packets at each scale, in the order asked for.
    pub curve: Vec<Figures>,
    /// The packets that could not be measured, which are in no figure.
    #[serde(default)]
    pub failed: Vec<Failure>,
    /// The single-backward probe; null where there was none.
    pub cosines: Option<Cosines>,
    /// What a reader should know before believing the figures.
    pub warnings: Vec<Warning>,
    /// Wall-clock time.
    pub seconds: f64,
}
