//! What a fitted temperature does to a network's confidence.

use serde::{Deserialize, Serialize};

use super::{Calibration, Quality};
use crate::figure::Figure;

/// A fitted temperature, and how well confidence and accuracy agree before and after; see [`Calibration`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Calibrated {
    /// The data whose samples it was fitted to and measured on: `mnist:DIR (test)`.
    pub data: String,
    /// How many samples it was fitted to.
    pub fitted: u64,
    /// How many others the figures below are of.
    pub measured: u64,
    /// The temperature of the largest likelihood, T; its interval is over samples.
    pub temperature: Figure,
    /// The network as it is.
    pub before: Quality,
    /// The network with its logits divided by T.
    pub after: Quality,
}

impl From<Calibration> for Calibrated {
    fn from(found: Calibration) -> Calibrated {
        Calibrated {
            data: found.data.to_string(),
            fitted: found.fitted,
            measured: found.measured,
            temperature: found.temperature,
            before: found.before,
            after: found.after,
        }
    }
}
