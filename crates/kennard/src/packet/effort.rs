//! How long to sample.

use super::spread::{ESS_FLOOR, Spreads};

/// When a packet has been sampled enough.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effort {
    /// At most this many points per packet.
    pub max_samples: usize,
    /// How narrow intervals must be: the half-width of each of σ_x, σ_p, the product, drift and
    /// dispersion, as a share of its value. Without it, [`Self::floor`] effective
    /// samples are enough.
    pub rel_tol: Option<f64>,
    /// Effective samples that are enough: [`ESS_FLOOR`](super::ESS_FLOOR), fewer where those of several packets are
    /// pooled.
    pub floor: f64,
    /// Whether Markov chains may take over from weighted samples that would stay below the floor.
    pub chains: bool,
    /// Whether to find the leading modes.
    pub modes: bool,
}

impl Default for Effort {
    /// As many points as the floor needs, up to 32 000, with Markov chains and without modes.
    fn default() -> Effort {
        Effort { max_samples: 32_000, rel_tol: None, floor: ESS_FLOOR, chains: true, modes: false }
    }
}

impl Effort {
    /// Neither more nor fewer samples than `samples`.
    pub fn exactly(samples: usize) -> Effort {
        Effort { max_samples: samples, rel_tol: None, floor: ESS_FLOOR, chains: false, modes: false }
    }

    /// Whether a packet needs no further samples, whose widest interval is of this relative error.
    pub(super) fn satisfied(&self, spreads: &Spreads, relative_error: f64) -> bool {
        spreads.enough_samples && self.rel_tol.is_none_or(|tolerance| relative_error <= tolerance)
    }
}
