//! The leading modes of a packet.

use serde::{Deserialize, Serialize};

use crate::Figure;

/// One direction `u` (of unit length) of a packet: the packet's marginal along it.
///
/// Intervals are of samples that had no part in choosing the direction; along the drift they hold the error of the direction
/// too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mode {
    /// `u` (d), in the input's order; empty for the mean over packets.
    #[serde(skip)]
    pub direction: Vec<f64>,
    /// `v_u = s² uᵀ Cov(h) u`, its part of the dispersion.
    pub dispersion: Figure,
    /// `1 + 2 c_u = uᵀ Cov(x) u / s²`: below 1 the packet is narrower than its window.
    pub squeeze: Figure,
    /// `σ_x σ_p` along `u`. It is ½ unless `ln l` is more than quadratic: twice the product, less 1,
    /// is the excess.
    pub product: Figure,
    /// `‖A u − v_u u‖ / v_u`, `A = s² Cov(h)`: an eigenvalue of `A` is within this much of `v_u`,
    /// relatively. The sketch's error and the samples' noise together.
    pub residual: f64,
    /// Whether the direction is known well enough for figures along it. Only the drift's may not be: figures are then those
    /// along what was found, without intervals.
    #[serde(default = "resolved", skip_serializing_if = "Clone::clone")]
    pub resolved: bool,
}

fn resolved() -> bool {
    true
}

/// The leading modes of a packet, or the mean over several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Modes {
    /// The leading eigenvectors of `s² Cov(h)`, `h = ∂ ln l` the network's share of the log-gradient, the largest
    /// eigenvalue first.
    pub leading: Vec<Mode>,
    /// Along the drift.
    pub drift: Option<Mode>,
    /// Eigenvalues of `I + 2C` in the space of the leading modes, ascending: squeezed below 1,
    /// stretched above.
    pub squeeze: Vec<f64>,
    /// Eigenvalues of `s² Cov(g)` in that space, descending; ¼ is the window's own.
    pub momentum: Vec<f64>,
    /// For each leading mode `u`, `½/ρ`: `ρ` is the correlation of `u·x` with `w·g`, `w = Cov(x) u/s²`, the
    /// direction whose log-gradient a quadratic `ln l` ties to `u·x`. It is ½ where `ln l` is quadratic,
    /// whatever its axes and however well the sketch found them; along other directions than the axes the
    /// product of a squeezed state is larger.
    pub principal: Vec<Figure>,
    /// Directions of `momentum` (d), in the input's order; empty for the mean over packets.
    #[serde(skip)]
    pub momentum_directions: Vec<Vec<f64>>,
}

impl Modes {
    /// The means over images of the figures of several packets' modes, rank by rank.
    pub(crate) fn average(modes: &[&Modes]) -> Option<Modes> {
        modes.first()?;
        let least = |count: fn(&Modes) -> usize| modes.iter().map(|m| count(m)).min().unwrap_or(0);
        let mean =
            |value: &dyn Fn(&Modes) -> f64| modes.iter().map(|m| value(m)).sum::<f64>() / modes.len() as f64;
        let drifts: Option<Vec<&Mode>> = modes.iter().map(|m| m.drift.as_ref()).collect();
        let leading = (0..least(|m| m.leading.len()))
            .map(|rank| Mode::average(&modes.iter().map(|m| &m.leading[rank]).collect::<Vec<_>>()));
        Some(Modes {
            leading: leading.collect(),
            drift: drifts.map(|drifts| Mode::average(&drifts)),
            squeeze: (0..least(|m| m.squeeze.len())).map(|rank| mean(&|m| m.squeeze[rank])).collect(),
            momentum: (0..least(|m| m.momentum.len())).map(|rank| mean(&|m| m.momentum[rank])).collect(),
            principal: (0..least(|m| m.principal.len()))
                .map(|rank| Figure::over_images(&modes.iter().map(|m| m.principal[rank]).collect::<Vec<_>>()))
                .map(|mean| mean.at_least(0.5))
                .collect(),
            momentum_directions: Vec::new(),
        })
    }
}

impl Mode {
    fn average(modes: &[&Mode]) -> Mode {
        let resolved = modes.iter().all(|mode| mode.resolved);
        let figure = |of: fn(&Mode) -> Figure, least: f64| {
            let mean =
                Figure::over_images(&modes.iter().map(|mode| of(mode)).collect::<Vec<_>>()).at_least(least);
            if resolved { mean } else { Figure::perhaps(mean.value, None) }
        };
        Mode {
            direction: Vec::new(),
            dispersion: figure(|m| m.dispersion, 0.0),
            squeeze: figure(|m| m.squeeze, 0.0),
            product: figure(|m| m.product, 0.5),
            residual: modes.iter().map(|m| m.residual).sum::<f64>() / modes.len() as f64,
            resolved,
        }
    }
}
