mod attacks;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use attacks::{AttackSummary, Clean, MinimalSummary, Robust};

use super::certified::{Certified, CertifiedBy};
use super::distances::Distances;
use super::judged::Judged;
use super::packet_summary::PacketSummary;
use super::predicted::PredictedDistances;
use super::settings::as_text;
use super::{AttackRecord, AuditSettings, CertifiedRadii, Record, Warning};
use crate::calibration::Calibrated;
use crate::certify::BoundMethod;
use crate::data::Selection;
use crate::probe::Cosines;
use crate::run::files::to_json_text;
use crate::run::{About, DataSummary, Manifest, ModelSummary, Shard};
use crate::stats::Share;
use crate::{Precision, Result, ThreatModel};

/// The figures of an audit, as in `summary.json`. Shares are fractions, intervals are of 95 %,
/// times are in seconds. The keys are a promise: a change of meaning changes `version`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Summary {
    /// The version of this format.
    pub version: u32,
    /// The model.
    pub model: ModelSummary,
    /// The data.
    pub data: DataSummary,
    /// Whether all that was asked for was done. While it is not, what is pending is said with each figure.
    pub complete: bool,
    /// Which samples of the data were to be examined.
    pub selection: Selection,
    /// The part of these that the figures are of, where that is not all.
    #[serde(default, skip_serializing_if = "Shard::is_whole")]
    pub shard: Shard,
    /// How many these are; in a shard, those of the shard.
    pub total: u64,
    /// How many of them the model was asked about.
    pub samples: u64,
    /// The runtime's name.
    pub runtime: String,
    /// What attacks' searches are computed in, where that is not single precision; verdicts, margins and distances are of single
    /// precision all the same.
    #[serde(default, with = "as_text", skip_serializing_if = "as_text::is_single")]
    pub search_precision: Precision,
    /// The seed of all random numbers.
    pub seed: u64,
    /// What the attacks were allowed.
    pub threat_model: ThreatModel,
    /// Epsilon as people write it: `8/255` where it is such a fraction.
    pub eps_text: String,
    /// What else confined them, in words: features that are frozen, or have an epsilon of their own, valid points, boxes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confined: Vec<String>,
    /// The version of AutoAttack that the attacks are, if they are one.
    pub autoattack: Option<String>,
    /// The most passes that an attack might spend on a sample; absent where there was no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<u64>,
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
    /// What is proved: the lower end of what the robust accuracy is; absent where no certificates were sought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certified: Option<Certified>,
    /// How many samples are classified correctly, neither certified nor broken, with nothing still to come: between these two
    /// lies the truth. Absent where no certificates were sought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecided: Option<u64>,
    /// How far away the closest adversarial points are that each minimum-norm attack found.
    pub minimal: Vec<MinimalSummary>,
    /// How far away the closest of all these are; absent where there was no such attack.
    pub closest: Option<Distances>,
    /// How far around the samples is proved, beside these; absent where certificates or distances were not sought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub radii: Option<CertifiedRadii>,
    /// The cosines of samples and their loss gradients; null where the audit does not probe.
    pub cosines: Option<Cosines>,
    /// Predicted and found distances to the decision boundary, at the packets' centres; null where not measured.
    #[serde(default)]
    pub distances: Option<PredictedDistances>,
    /// The temperature at which packets are measured too, where it was fitted, and the expected calibration error before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibrated>,
    /// The packets.
    pub packets: Vec<PacketSummary>,
    /// What had to be reached, and whether it is.
    pub requirements: Vec<Judged>,
    /// What a reader should know before believing the figures.
    pub warnings: Vec<Warning>,
    /// Wall-clock time of the audit.
    pub seconds: f64,
}

impl Summary {
    /// The version of the format.
    pub const VERSION: u32 = 2;

    /// The summary of an audit before its first sample. Times, packets and warnings are not known yet.
    pub(super) fn blank(about: &About, settings: &AuditSettings) -> Summary {
        let mut summary = Summary {
            version: Summary::VERSION,
            model: about.model.clone(),
            data: settings.data.clone().into(),
            complete: false,
            selection: settings.samples,
            shard: settings.shard,
            total: about.samples,
            samples: 0,
            runtime: settings.runtime.name.clone(),
            search_precision: settings.search_precision,
            seed: settings.seed,
            threat_model: settings.threat_model,
            eps_text: settings.threat_model.eps_text(),
            confined: settings.confined(),
            autoattack: settings.autoattack(),
            budget: None,
            clean: Clean::default(),
            not_evaluated: 0,
            cascade: settings.cascade,
            attacks: settings.attacks.iter().map(|attack| AttackSummary::blank(&attack.name)).collect(),
            robust: None,
            certified: settings.certifies().then(|| Certified::blank(settings.bounds)),
            undecided: settings.certifies().then_some(0),
            minimal: settings.minimal.iter().map(|attack| MinimalSummary::blank(&attack.name)).collect(),
            closest: None,
            radii: settings.radii.then(|| CertifiedRadii::blank(settings.bounds)),
            cosines: settings.probe.then(Cosines::default),
            distances: None,
            calibration: None,
            packets: Vec::new(),
            requirements: Vec::new(),
            warnings: Vec::new(),
            seconds: 0.0,
        };
        summary.take_parameters(settings);
        summary
    }

    /// The summary of a run under way: its manifest, and what it knows of samples. No time is known.
    pub(super) fn begun(manifest: &Manifest<AuditSettings>, records: &[Record]) -> Summary {
        let mut summary = Summary::blank(&manifest.about, &manifest.settings);
        summary.count(records);
        summary.times().for_each(|time| *time = f64::NAN);
        summary
    }

    /// Takes the times of a summary that was kept of the same run, where it is of the same work.
    pub(super) fn take_times_of(&mut self, mut kept: Summary) {
        if self.work() == kept.work() {
            self.times().zip(kept.times()).for_each(|(time, kept)| *time = *kept);
        }
    }

    /// How far the work is, to be compared.
    fn work(&self) -> impl PartialEq {
        let attacks = self.attacks.iter().map(|a| (a.name.as_str(), a.pending, a.forwards, a.backwards));
        let minimal = self.minimal.iter().map(|a| (a.name.as_str(), a.pending, a.forwards, a.backwards));
        let certified = self.certified.as_ref().map(|certified| certified.pending);
        let radii = self.radii.as_ref().map(|radii| radii.pending);
        (self.samples, attacks.chain(minimal).collect::<Vec<_>>(), certified, radii)
    }

    /// All times, always in the same order.
    pub(super) fn times(&mut self) -> impl Iterator<Item = &mut f64> {
        let Summary { attacks, minimal, certified, radii, seconds, .. } = self;
        let certified = certified.iter_mut().flat_map(|certified| &mut certified.methods);
        let methods = certified.chain(radii.iter_mut().flat_map(|radii| &mut radii.methods));
        let attacks = attacks.iter_mut().map(|attack| &mut attack.seconds);
        let attacks = attacks.chain(minimal.iter_mut().map(|attack| &mut attack.seconds));
        attacks.chain(methods.map(|by| &mut by.seconds)).chain([seconds])
    }

    /// The text of `summary.json`.
    ///
    /// # Errors
    /// When a figure cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        to_json_text(self)
    }

    /// The names of the attacks, and of the minimum-norm attacks.
    pub(super) fn names(&self) -> (Vec<&str>, Vec<&str>) {
        let attacks = self.attacks.iter().map(|attack| attack.name.as_str()).collect();
        (attacks, self.minimal.iter().map(|attack| attack.name.as_str()).collect())
    }

    /// Fills in all figures that follow from the records, of which there is one for each sample that the model
    /// was asked about.
    pub(super) fn count(&mut self, records: &[Record]) {
        let number = |of: &dyn Fn(&Record) -> bool| records.iter().filter(|record| of(record)).count() as u64;
        self.samples = records.len() as u64;
        let total = self.total;
        let unseen = total.saturating_sub(self.samples);
        let pending = unseen + number(&|record| record.pending);
        let correct = Share { count: number(&|record| record.is_correct()), pending: unseen, total };
        self.clean = Clean {
            correct: correct.count,
            pending: unseen,
            accuracy: correct.known(),
            interval: correct.interval(),
        };
        self.not_evaluated = number(&|record| !record.is_evaluated());
        for (i, attack) in self.attacks.iter_mut().enumerate() {
            let first = if self.cascade { 0 } else { i };
            let broken = |record: &Record| record.attacks[first..=i].iter().flatten().any(|a| a.broken);
            let tried = || records.iter().filter_map(|record| record.attacks[i].as_ref());
            let count = number(&|record| record.is_correct() && !record.pending && !broken(record));
            let robust = Share { count, pending, total };
            attack.robust = count;
            attack.pending = pending;
            attack.robust_accuracy = robust.known();
            attack.bracket = robust.bracket();
            attack.interval = robust.interval();
            attack.forwards = tried().map(|a| a.forwards).sum();
            attack.backwards = tried().map(|a| a.backwards).sum();
            attack.non_finite_gradients = tried().map(|a| a.non_finite_gradients).sum();
            attack.proved = proved(tried());
        }
        if let Some(cosines) = &mut self.cosines {
            *cosines = Cosines::of(records.iter().map(|record| record.cosine));
            if unseen > 0 {
                cosines.cosine = None;
            }
        }
        let open = unseen + number(&|record| record.is_open());
        let robust = Share { count: number(&|record| record.is_robust()), pending: open, total };
        let attacked = !(self.attacks.is_empty() && self.minimal.is_empty());
        self.robust = (attacked && self.threat_model.eps.is_finite()).then(|| Robust {
            robust: robust.count,
            pending: open,
            robust_accuracy: robust.known(),
            bracket: robust.bracket(),
            interval: robust.interval(),
        });
        if let Some(certified) = &mut self.certified {
            certified.count(records, unseen, total);
            // What is still to be bounded or attacked is pending.
            let undecided = |record: &Record| !record.pending && !record.is_lost() && !record.is_certified();
            self.undecided = Some(number(&undecided));
        }
        let done = || records.iter().filter(|record| !record.pending);
        let so_far = |distances: Distances| match pending {
            0 => distances,
            _ => Distances { found: distances.found, ..Distances::default() },
        };
        for (i, attack) in self.minimal.iter_mut().enumerate() {
            let tried = || records.iter().filter_map(|record| record.minimal[i].as_ref());
            attack.pending = pending;
            attack.distances = so_far(Distances::of(done().map(|record| record.distance_by(i))));
            attack.forwards = tried().map(|a| a.forwards).sum();
            attack.backwards = tried().map(|a| a.backwards).sum();
            attack.non_finite_gradients = tried().map(|a| a.non_finite_gradients).sum();
            attack.proved = proved(tried());
        }
        self.closest =
            (!self.minimal.is_empty()).then(|| so_far(Distances::of(done().map(Record::distance))));
        if let Some(radii) = &mut self.radii {
            radii.count(records, unseen, pending);
        }
    }

    /// The time that methods of bounds took, summed over this many workers.
    pub(super) fn take_times(&mut self, times: &BTreeMap<BoundMethod, Duration>, workers: usize) {
        if let Some(certified) = &mut self.certified {
            CertifiedBy::take_times(&mut certified.methods, times, workers);
        }
    }

    /// Whether every sample is done with.
    pub fn is_whole(&self) -> bool {
        self.clean.pending == 0
            && self.attacks.iter().all(|attack| attack.pending == 0)
            && self.minimal.iter().all(|attack| attack.pending == 0)
            && self.certified.as_ref().is_none_or(|certified| certified.pending == 0)
            && self.radii.as_ref().is_none_or(|radii| radii.pending == 0)
    }
}

/// How often an attack proved its answer; none where it is not one that does.
fn proved<'a>(tried: impl Iterator<Item = &'a AttackRecord>) -> Option<u64> {
    tried.filter_map(|attack| attack.proved).map(u64::from).reduce(|sum, one| sum + one)
}
