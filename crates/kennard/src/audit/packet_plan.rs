use serde::{Deserialize, Serialize};

use crate::packet::ESS_FLOOR;
use crate::{Error, Norm, Result, ThreatModel};

/// Which packets to measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PacketPlan {
    /// The window's width `s`, in input units.
    pub scale: f64,
    /// The temperature that the logits are divided by, where it is not 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// How many of the audit's samples are centres: a random part of them, as even among the labels as can be.
    pub centres: usize,
    /// Points per centre.
    pub samples: usize,
    /// Where their effective sample size is too small ([`PacketPlan::floor`]), more are taken, up to this many.
    pub max_samples: usize,
    /// Whether to take no more passes than the attacks took: with fewer centres, or not at all. A network of at
    /// most 10 million multiplications a pass is granted `samples` at each centre in any case.
    pub bounded: bool,
}

/// Refuses plans that come to nothing.
pub(super) fn check(plans: &[PacketPlan]) -> Result<()> {
    let points = |plan: &PacketPlan| plan.max_samples.max(plan.samples);
    match plans.iter().find(|plan| (points(plan) as f64) < plan.floor()) {
        None => Ok(()),
        Some(plan) => Err(Error::TooFew {
            count: points(plan) as u64,
            what: "points",
            purpose: format!("for a packet: its figures need an effective sample size of {}", plan.floor()),
        }
        .advise(". Take {packet_samples = 500}, or {packet_samples = 0} to measure no packet")),
    }
}

impl PacketPlan {
    /// The packets whose window has the attack's size: the root mean square (l2), the mean absolute
    /// sum (l1), or the standard deviation per element (linf) of the window equals ε. `None` where ε
    /// is zero or infinite, and for l0.
    pub fn at_attack_size(threat: &ThreatModel, dimension: usize) -> Option<PacketPlan> {
        let d = dimension as f64;
        let scale = match threat.norm {
            Norm::Linf => threat.eps,
            Norm::L2 => threat.eps / d.sqrt(),
            Norm::L1 => threat.eps / (d * (2.0 / std::f64::consts::PI).sqrt()),
            Norm::L0 => return None,
        };
        (scale > 0.0 && scale.is_finite()).then_some(PacketPlan {
            scale,
            temperature: None,
            centres: 32,
            samples: 500,
            max_samples: 8000,
            bounded: true,
        })
    }

    /// Effective samples that each centre needs, of which all together need [`ESS_FLOOR`]: their share, and not fewer
    /// than 30. A centre's own figures scatter then, which the interval over images holds.
    pub fn floor(&self) -> f64 {
        (ESS_FLOOR / self.centres.max(1) as f64).clamp(30.0, ESS_FLOOR)
    }
}
