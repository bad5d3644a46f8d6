use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use super::{Audit, PacketSummary, Progress};
use crate::data::Selection;
use crate::uncertainty::{Effort, Figures, Kind, Survey};
use crate::{Norm, Result, ThreatModel};

/// Which packets to measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PacketPlan {
    /// The window's width `s`, in input units.
    pub scale: f64,
    /// How many of the audit's samples are centres: a random part of them, the first where those are the first.
    pub centres: usize,
    /// Points per centre.
    pub samples: usize,
    /// Where those are worth too little ([`crate::uncertainty::ESS_FLOOR`]), more are taken, up to so many.
    pub max_samples: usize,
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
            centres: 8,
            samples: 2000,
            max_samples: 32_000,
        })
    }
}

impl Audit<'_> {
    /// The centres of packets.
    fn centres(&self, count: usize) -> Selection {
        match self.samples {
            Selection::All => Selection::Random { count, seed: self.seed },
            Selection::First(n) => Selection::First(count.min(n)),
            Selection::Random { count: n, seed } => Selection::Random { count: count.min(n), seed },
        }
    }

    /// Measures all packets, centres side by side.
    pub(super) fn measure_packets(
        &self,
        stop: &AtomicBool,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Vec<PacketSummary>> {
        let mut summaries = Vec::new();
        for plan in &self.packets {
            let survey = Survey {
                engine: self.engine,
                hidden: None,
                data: self.data,
                kind: Kind::Gaussian,
                scales: vec![plan.scale],
                label: None,
                centres: self.centres(plan.centres),
                stratified: false,
                samples: plan.samples,
                effort: Effort {
                    max_samples: plan.max_samples,
                    rel_tol: None,
                    chains: plan.max_samples > plan.samples,
                    modes: false,
                },
                seed: self.seed,
                probed: 0,
            };
            let outcome = survey.run(stop, |done, total| progress(Progress::Packets { done, total }))?;
            summaries.extend(outcome.curve.iter().map(|figures| summary(plan, figures)));
        }
        Ok(summaries)
    }
}

fn summary(plan: &PacketPlan, figures: &Figures) -> PacketSummary {
    let (value, interval) = (f64::NAN, [f64::NAN; 2]);
    let absent = crate::uncertainty::Measured { value, interval };
    let [drift, dispersion, stein] =
        [figures.drift, figures.dispersion, figures.stein].map(|figure| figure.unwrap_or(absent));
    PacketSummary {
        packet: figures.packet.clone(),
        scale: plan.scale,
        label: None,
        centres: figures.packets,
        sigma_x: figures.sigma_x.value,
        sigma_p: figures.sigma_p.value,
        product: figures.product.value,
        product_interval: figures.product.interval,
        bound: figures.bound.unwrap_or(0.5),
        drift: drift.value,
        drift_interval: drift.interval,
        dispersion: dispersion.value,
        dispersion_interval: dispersion.interval,
        stein: stein.value,
        stein_interval: stein.interval,
        samples: figures.samples,
        ess: figures.ess,
        enough_samples: figures.enough_samples,
        valid: figures.valid,
    }
}
