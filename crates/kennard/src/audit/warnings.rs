use serde::{Deserialize, Serialize};

use super::{Audit, Record, Summary};

/// Something a reader should know before believing the figures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// A fixed name, for machines.
    pub code: String,
    /// What it is and what to do, for people.
    pub message: String,
}

impl Warning {
    /// A warning.
    pub fn new(code: &str, message: impl Into<String>) -> Warning {
        Warning { code: code.into(), message: message.into() }
    }
}

/// The share of samples with zero gradients above which attacks are said to be blind.
const BLIND: f64 = 0.01;

pub(super) fn find(
    audit: &Audit,
    records: &[Record],
    summary: &Summary,
    stopped: bool,
    total: usize,
) -> Vec<Warning> {
    let mut warnings: Vec<Warning> = audit.engine.warnings().to_vec();
    let classes = summary.model.classes as f64;
    if stopped {
        let message = format!(
            "the audit was stopped after {} of {total} samples; the figures are of those",
            summary.samples
        );
        warnings.push(Warning::new("interrupted", message));
    }
    if summary.samples >= 20
        && summary.clean.interval[0] <= 1.0 / classes
        && summary.clean.accuracy < 2.5 / classes
    {
        let message = format!(
            "the accuracy, {:.1} %, is at chance level. Likely causes: the model wants pixels 0..255 (--input-scale 255) or \
             normalised ones (--mean, --std), another channel order (--nhwc), or the labels are in another order",
            100.0 * summary.clean.accuracy
        );
        warnings.push(Warning::new("chance-accuracy", message));
    }
    if records.iter().any(|record| record.random) {
        let message = "the model answers differently when asked twice; robust accuracy of a randomised model needs \
                       attacks that average over its randomness";
        warnings.push(Warning::new("random-outputs", message));
    }
    for (i, attack) in audit.attacks.iter().enumerate() {
        let of_attack = || records.iter().filter_map(|record| record.attacks.get(i));
        let attacked = of_attack().count();
        let blind = of_attack().filter(|record| record.zero_gradients > 0).count();
        if blind as f64 > BLIND * attacked as f64 {
            let message = format!(
                "{}: the gradient was exactly zero at some point for {blind} of {attacked} samples. Its robust accuracy \
                 may overstate the model's: use an attack that needs no gradient beside it",
                attack.name()
            );
            warnings.push(Warning::new("zero-gradients", message));
        }
        let disputed = of_attack().filter(|record| record.disputed).count();
        if disputed > 0 {
            let message = format!(
                "{}: for {disputed} samples a point was misclassified in the simplified graph but not by the model as \
                 given; such points were not counted",
                attack.name()
            );
            warnings.push(Warning::new("disputed-points", message));
        }
    }
    for packet in summary.packets.iter().filter(|packet| !packet.valid) {
        let cause = if packet.enough_samples {
            format!(
                "Stein's identities fail (their mean is {:.4}, it should be -0.5, or the packet is displaced otherwise than \
                 its gradient says): the gradient is not the loss's, or a part of the packet was never sampled",
                packet.stein
            )
        } else {
            format!(
                "a centre has fewer than 1000 effective samples ({:.0} in all): ask for more with --packet-samples",
                packet.ess
            )
        };
        let message = format!("the packet at scale {} is not to be trusted: {cause}", packet.scale);
        warnings.push(Warning::new("packet", message));
    }
    warnings
}
