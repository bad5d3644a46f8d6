use serde::{Deserialize, Serialize};

use super::distances::Distances;
use super::{About, Audit, DataSummary, ModelSummary, Record, Warning};
use crate::stats::clopper_pearson;
use crate::uncertainty::Cosines;
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
    /// How many samples the model has no answer for, it being NaN: neither correct nor robust, in every share.
    #[serde(default)]
    pub not_evaluated: u64,
    /// Whether an attack tried only what those before it left standing.
    pub cascade: bool,
    /// Accuracy under each attack; in a cascade, under it and those before it.
    pub attacks: Vec<AttackSummary>,
    /// Accuracy under the worst attack of each sample, minimum-norm attacks within epsilon included; absent where
    /// there was no attack, or no epsilon.
    pub robust: Option<Robust>,
    /// How far away the closest adversarial points are that each minimum-norm attack found.
    pub minimal: Vec<MinimalSummary>,
    /// How far away the closest of all these are; absent where there was no such attack.
    pub closest: Option<Distances>,
    /// The cosines of samples and their loss gradients; null where the audit does not probe.
    pub cosines: Option<Cosines>,
    /// The packets.
    pub packets: Vec<PacketSummary>,
    /// What a reader should know before believing the figures.
    pub warnings: Vec<Warning>,
    /// Wall-clock time of the audit.
    pub seconds: f64,
}

/// Accuracy on the samples as they are.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Gradients among them that had an entry that was not finite.
    #[serde(default)]
    pub non_finite_gradients: u64,
    /// The attack's share of the wall-clock time, that of an interrupted run before not included.
    pub seconds: f64,
}

/// What a minimum-norm attack found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MinimalSummary {
    /// The attack's name.
    pub name: String,
    /// The distances.
    pub distances: Distances,
    /// Points evaluated without a gradient.
    pub forwards: u64,
    /// Points evaluated with their gradient (a forward and a backward pass each).
    pub backwards: u64,
    /// Gradients among them that had an entry that was not finite.
    #[serde(default)]
    pub non_finite_gradients: u64,
    /// The attack's share of the wall-clock time, that of an interrupted run before not included.
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

impl Summary {
    /// The version of the format.
    pub const VERSION: u32 = 1;

    /// The summary of an audit before its first sample.
    pub(super) fn blank(audit: &Audit) -> Result<Summary> {
        Ok(Summary {
            version: Summary::VERSION,
            model: About::new(audit)?.model,
            data: DataSummary::of(audit.data)?,
            samples: 0,
            runtime: audit.engine.runtime().name().into(),
            seed: audit.seed,
            threat_model: audit.threat,
            clean: Clean::default(),
            not_evaluated: 0,
            cascade: audit.cascade,
            attacks: audit.attacks.iter().map(|a| AttackSummary::blank(a.name())).collect(),
            robust: None,
            minimal: audit.minimal.iter().map(|a| MinimalSummary::blank(a.name())).collect(),
            closest: None,
            cosines: audit.probe.then(Cosines::default),
            packets: Vec::new(),
            warnings: audit.engine.warnings().to_vec(),
            seconds: 0.0,
        })
    }

    /// The names of the attacks, and of the minimum-norm attacks.
    pub(super) fn names(&self) -> (Vec<&str>, Vec<&str>) {
        let attacks = self.attacks.iter().map(|attack| attack.name.as_str()).collect();
        (attacks, self.minimal.iter().map(|attack| attack.name.as_str()).collect())
    }

    /// Fills in all figures that follow from the records.
    pub(super) fn count(&mut self, records: &[Record]) {
        let samples = records.len() as u64;
        let share = |count: u64| if samples == 0 { 0.0 } else { count as f64 / samples as f64 };
        let number = |of: &dyn Fn(&Record) -> bool| records.iter().filter(|record| of(record)).count() as u64;
        self.samples = samples;
        let correct = number(&|record| record.is_correct());
        self.clean = Clean { correct, accuracy: share(correct), interval: clopper_pearson(correct, samples) };
        self.not_evaluated = number(&|record| !record.is_evaluated());
        for (i, attack) in self.attacks.iter_mut().enumerate() {
            let first = if self.cascade { 0 } else { i };
            let broken = |record: &Record| record.attacks[first..=i].iter().flatten().any(|a| a.broken);
            let tried = || records.iter().filter_map(|record| record.attacks[i].as_ref());
            attack.robust = number(&|record| record.is_correct() && !broken(record));
            attack.robust_accuracy = share(attack.robust);
            attack.interval = clopper_pearson(attack.robust, samples);
            attack.forwards = tried().map(|a| a.forwards).sum();
            attack.backwards = tried().map(|a| a.backwards).sum();
            attack.non_finite_gradients = tried().map(|a| a.non_finite_gradients).sum();
        }
        if let Some(cosines) = &mut self.cosines {
            *cosines = Cosines::of(records.iter().map(|record| record.cosine));
        }
        let robust = number(&|record| record.is_robust());
        let attacked = !(self.attacks.is_empty() && self.minimal.is_empty());
        self.robust = (attacked && self.threat_model.eps.is_finite()).then(|| Robust {
            robust,
            robust_accuracy: share(robust),
            interval: clopper_pearson(robust, samples),
        });
        for (i, attack) in self.minimal.iter_mut().enumerate() {
            let tried = || records.iter().filter_map(|record| record.minimal[i].as_ref());
            attack.distances = Distances::of(records.iter().map(|record| record.distance_by(i)));
            attack.forwards = tried().map(|a| a.forwards).sum();
            attack.backwards = tried().map(|a| a.backwards).sum();
            attack.non_finite_gradients = tried().map(|a| a.non_finite_gradients).sum();
        }
        self.closest =
            (!self.minimal.is_empty()).then(|| Distances::of(records.iter().map(Record::distance)));
    }
}
