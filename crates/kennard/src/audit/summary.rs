use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Audit, CLEAN, Record, Warning};
use crate::data::digest;
use crate::engine::Cost;
use crate::stats::clopper_pearson;
use crate::{Result, ThreatModel};

/// The figures of an audit, as in `summary.json`. Shares are fractions, intervals are of 95 %,
/// times are in seconds. The keys are a promise: a change of meaning changes `version`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The version of this format.
    pub version: u32,
    /// The model.
    pub model: ModelSummary,
    /// The data.
    pub data: DataSummary,
    /// How many samples were examined.
    pub samples: u64,
    /// The runtime's name.
    pub runtime: String,
    /// The seed of all random numbers.
    pub seed: u64,
    /// What the attacks were allowed.
    pub threat_model: ThreatModel,
    /// Accuracy on the samples as they are.
    pub clean: Clean,
    /// Accuracy under each attack.
    pub attacks: Vec<AttackSummary>,
    /// Accuracy under the worst attack of each sample; absent where there was no attack.
    pub robust: Option<Robust>,
    /// The packets.
    pub packets: Vec<PacketSummary>,
    /// What a reader should know before believing the figures.
    pub warnings: Vec<Warning>,
    /// Wall-clock time of the audit.
    pub seconds: f64,
}

/// Which model was audited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelSummary {
    /// Its path.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Number of weights.
    pub parameters: u64,
    /// Shape of one sample.
    pub input: Vec<usize>,
    /// Number of classes.
    pub classes: u64,
}

/// Which data it was audited on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataSummary {
    /// As named on the command line.
    pub name: String,
    /// `test` or `train`.
    pub split: String,
    /// Its files.
    pub files: Vec<FileHash>,
    /// What was done to the samples (resizing, say).
    pub notes: Vec<String>,
}

/// A file's identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHash {
    /// Its name.
    pub file: String,
    /// Its SHA-256, in hexadecimal.
    pub sha256: String,
}

/// Accuracy on the samples as they are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clean {
    /// How many are classified correctly.
    pub correct: u64,
    /// Their share.
    pub accuracy: f64,
    /// Its Clopper–Pearson interval.
    pub interval: [f64; 2],
}

/// Accuracy under an attack.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttackSummary {
    /// The attack's name.
    pub name: String,
    /// How many samples stay correctly classified.
    pub robust: u64,
    /// Their share of all samples.
    pub robust_accuracy: f64,
    /// Its Clopper–Pearson interval.
    pub interval: [f64; 2],
    /// Points evaluated without a gradient.
    pub forwards: u64,
    /// Points evaluated with their gradient (a forward and a backward pass each).
    pub backwards: u64,
    /// The attack's share of the wall-clock time.
    pub seconds: f64,
}

/// Accuracy under the worst attack of each sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Robust {
    /// How many samples no attack breaks.
    pub robust: u64,
    /// Their share of all samples.
    pub robust_accuracy: f64,
    /// Its Clopper–Pearson interval.
    pub interval: [f64; 2],
}

/// A packet's figures, averaged over its centres.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PacketSummary {
    /// Which packet.
    pub packet: String,
    /// The window's width `s`, in input units.
    pub scale: f64,
    /// The label whose samples are the centres; null where all are.
    pub label: Option<u64>,
    /// How many samples are centres, from the first.
    pub centres: u64,
    /// Position spread `σ_x`.
    pub sigma_x: f64,
    /// Conjugate spread `σ_p`.
    pub sigma_p: f64,
    /// `σ_x σ_p`.
    pub product: f64,
    /// Its interval.
    pub product_interval: [f64; 2],
    /// What the product cannot fall below.
    pub bound: f64,
    /// Displacement of the packet in units of `s`.
    pub drift: f64,
    /// Its interval.
    pub drift_interval: [f64; 2],
    /// `s² tr Cov(h)`.
    pub dispersion: f64,
    /// Its interval.
    pub dispersion_interval: [f64; 2],
    /// Mean of `Cov(x_i, g_i)`: −½ if all is well.
    pub stein: f64,
    /// Its interval.
    pub stein_interval: [f64; 2],
    /// Points evaluated.
    pub samples: u64,
    /// Effective sample size, summed over the centres.
    pub ess: f64,
    /// Whether every centre has at least 1 000 effective samples.
    pub enough_samples: bool,
    /// Whether the figures can be trusted: enough effective samples, and Stein's identities hold.
    pub valid: bool,
}

/// Counts over records.
pub(super) struct Tally {
    pub samples: u64,
    pub correct: u64,
    pub robust: u64,
    attacks: Vec<u64>,
}

impl Tally {
    pub fn new(attacks: usize) -> Tally {
        Tally { samples: 0, correct: 0, robust: 0, attacks: vec![0; attacks] }
    }

    pub fn count(&mut self, record: &Record) {
        self.samples += 1;
        self.correct += u64::from(record.is_correct());
        self.robust += u64::from(record.is_robust());
        for (robust, attack) in self.attacks.iter_mut().zip(&record.attacks) {
            *robust += u64::from(!attack.broken);
        }
    }

    fn share(&self, count: u64) -> f64 {
        if self.samples == 0 { 0.0 } else { count as f64 / self.samples as f64 }
    }
}

impl Audit<'_> {
    pub(super) fn summarize(
        &self,
        tally: &Tally,
        costs: &BTreeMap<usize, Cost>,
        packets: Vec<PacketSummary>,
    ) -> Result<Summary> {
        let classifier = self.engine.classifier();
        let interval = |count| clopper_pearson(count, tally.samples);
        let sessions = self.engine.plan().sessions as f64;
        let attack = |(i, robust): (usize, &u64)| {
            let cost = costs.get(&(CLEAN + 1 + i)).copied().unwrap_or_default();
            AttackSummary {
                name: self.attacks[i].name().into(),
                robust: *robust,
                robust_accuracy: tally.share(*robust),
                interval: interval(*robust),
                forwards: cost.forwards,
                backwards: cost.backwards,
                seconds: cost.time.as_secs_f64() / sessions,
            }
        };
        Ok(Summary {
            version: 1,
            model: ModelSummary {
                file: self.model.display().to_string(),
                sha256: digest(self.model)?.sha256,
                parameters: classifier.parameters() as u64,
                input: classifier.shape().to_vec(),
                classes: classifier.classes() as u64,
            },
            data: DataSummary {
                name: self.data.spec().to_string(),
                split: self.data.split().to_string(),
                files: self
                    .data
                    .fingerprint()?
                    .into_iter()
                    .map(|d| FileHash { file: d.file, sha256: d.sha256 })
                    .collect(),
                notes: self.data.notes(),
            },
            samples: tally.samples,
            runtime: self.engine.runtime().name().into(),
            seed: self.seed,
            threat_model: self.threat,
            clean: Clean {
                correct: tally.correct,
                accuracy: tally.share(tally.correct),
                interval: interval(tally.correct),
            },
            attacks: tally.attacks.iter().enumerate().map(attack).collect(),
            robust: (!self.attacks.is_empty()).then(|| Robust {
                robust: tally.robust,
                robust_accuracy: tally.share(tally.robust),
                interval: interval(tally.robust),
            }),
            packets,
            warnings: Vec::new(),
            seconds: 0.0,
        })
    }
}
