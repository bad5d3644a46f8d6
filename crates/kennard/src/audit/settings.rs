use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Audit, PacketPlan};
use crate::attack::{Attack, Version};
use crate::certify::BoundMethod;
use crate::classifier::Preprocessing;
use crate::data::Selection;
use crate::run::{About, DataIdentity, Manifest, RuntimeSummary, Shard};
use crate::{Lattice, Precision, RequestError, Result, ThreatModel};

/// What confines attacks so that epsilon is only the largest of many sizes: boxes, and radii of features.
pub(crate) const OWN_SIZES: [&str; 2] = ["each sample in a box of its own", "an epsilon for each feature"];

/// Everything that the figures of an audit depend on. Audits with equal settings give equal samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditSettings {
    /// SHA-256 of the model, in hexadecimal.
    #[serde(default)]
    pub model: String,
    /// What is done to inputs in front of the model.
    #[serde(default)]
    pub preprocessing: Preprocessing,
    /// The data.
    pub data: DataIdentity,
    /// Which samples.
    pub samples: Selection,
    /// What the attacks may do.
    pub threat_model: ThreatModel,
    /// Whether attacks are confined to a box of its own for each sample, which lies beside the inputs in the data.
    #[serde(default)]
    pub boxes: bool,
    /// How far each feature may move, where they have radii of their own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub eps_per_feature: Vec<f64>,
    /// Which points are valid, where not all are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lattice: Option<Lattice>,
    /// The attacks.
    pub attacks: Vec<NamedAttack>,
    /// Whether an attack tries only what those before it left standing.
    pub cascade: bool,
    /// Attacks that seek the closest adversarial point.
    pub minimal: Vec<NamedAttack>,
    /// Whether certificates are sought before attacks.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub certify: bool,
    /// The last method of bounds that is tried.
    #[serde(default = "BoundMethod::tightest", skip_serializing_if = "BoundMethod::is_tightest")]
    pub bounds: BoundMethod,
    /// Whether certified radii are sought.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub radii: bool,
    /// The most that a method of bounds may cost a sample, in passes with a gradient.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certify_within: Option<u64>,
    /// Whether the loss gradient is taken at every sample.
    #[serde(default)]
    pub probe: bool,
    /// The packets.
    #[serde(default)]
    pub packets: Vec<PacketPlan>,
    /// The part of the samples that is examined.
    #[serde(default)]
    pub shard: Shard,
    /// The seed of all random numbers.
    pub seed: u64,
    /// Whether every attack spends its whole budget on every sample.
    #[serde(default)]
    pub full: bool,
    /// The most passes that an attack may spend on a sample.
    pub budget: Option<u64>,
    /// What attacks' searches are computed in.
    #[serde(default, with = "as_text")]
    pub search_precision: Precision,
    /// What runs the model.
    pub runtime: RuntimeSummary,
    /// Samples per micro-batch.
    #[serde(default)]
    pub micro_batch: usize,
    /// How the untouched model is asked, in words.
    #[serde(default)]
    pub untouched: String,
    /// Kennard's version.
    #[serde(default)]
    pub kennard: String,
}

/// An attack with its parameters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedAttack {
    /// Its name.
    pub name: String,
    /// Its parameters, under names of its own.
    #[serde(default)]
    pub parameters: Value,
}

impl NamedAttack {
    /// The name and the parameters of an attack.
    pub fn of(attack: &dyn Attack) -> NamedAttack {
        NamedAttack { name: attack.name().into(), parameters: attack.settings() }
    }
}

impl AuditSettings {
    /// The settings of an audit.
    ///
    /// # Errors
    /// When a file of the data cannot be read.
    pub fn of(audit: &Audit) -> Result<AuditSettings> {
        let engine = audit.engine;
        Ok(AuditSettings {
            model: audit.model.sha256.clone(),
            preprocessing: engine.classifier().preprocessing().clone(),
            data: DataIdentity::of(audit.data)?,
            samples: audit.samples,
            threat_model: audit.threat,
            boxes: audit.boxes.as_ref().is_some_and(|boxes| boxes.radii().is_empty()),
            eps_per_feature: audit.boxes.as_ref().map_or_else(Vec::new, |boxes| boxes.radii().to_vec()),
            lattice: audit.lattice.clone(),
            attacks: audit.attacks.iter().map(|attack| NamedAttack::of(attack.as_ref())).collect(),
            cascade: audit.cascade,
            minimal: audit.minimal.iter().map(|attack| NamedAttack::of(attack.as_ref())).collect(),
            certify: audit.certify,
            bounds: audit.bounds,
            radii: audit.radii,
            certify_within: audit.certify_within,
            probe: audit.probe,
            packets: audit.packets.clone(),
            shard: audit.shard,
            seed: audit.seed,
            full: audit.full,
            budget: audit.budget,
            search_precision: engine.search_precision(),
            runtime: engine.runtime().into(),
            micro_batch: engine.plan().micro_batch,
            untouched: engine.untouched(),
            kennard: env!("CARGO_PKG_VERSION").into(),
        })
    }

    /// Whether attacks are allowed the same points as in another audit of the same samples.
    #[cfg(feature = "report")]
    pub(crate) fn allows_the_same(&self, other: &AuditSettings) -> bool {
        self.threat_model == other.threat_model && self.confines_alike(other)
    }

    /// Whether what confines attacks beside the threat model is the same.
    pub(super) fn confines_alike(&self, other: &AuditSettings) -> bool {
        self.boxes == other.boxes
            && self.eps_per_feature == other.eps_per_feature
            && self.lattice == other.lattice
    }

    /// What confines attacks beside the threat model, in words; [`OWN_SIZES`] among them say that epsilon is only the
    /// largest of many.
    pub(super) fn confined(&self) -> Vec<String> {
        let all = self.eps_per_feature.len();
        let free: Vec<f64> = self.eps_per_feature.iter().copied().filter(|eps| *eps > 0.0).collect();
        let frozen = (free.len() < all).then(|| format!("{} of {all} features frozen", all - free.len()));
        let own = free.iter().any(|eps| *eps != free[0]).then(|| OWN_SIZES[1].into());
        let boxes = self.boxes.then(|| OWN_SIZES[0].into());
        let valid = self.lattice.is_some().then(|| "at valid points alone".into());
        [boxes, own, frozen, valid].into_iter().flatten().collect()
    }

    /// Whether certificates are sought at epsilon.
    pub(super) fn certifies(&self) -> bool {
        self.certify && self.threat_model.eps.is_finite()
    }

    /// The version of AutoAttack whose attacks, in its order and with its parameters, these are, and what they search in where that
    /// is not single precision. Each tries what those before it left, and within no other budget than its own.
    pub(super) fn autoattack(&self) -> Option<String> {
        let as_published = self.cascade && !self.full && self.budget.is_none();
        let is = |version: &Version| {
            let own = version.attacks(self.threat_model.norm);
            let own: Vec<NamedAttack> = own.iter().map(|attack| NamedAttack::of(attack.as_ref())).collect();
            as_published && own == self.attacks
        };
        let version = [Version::Standard, Version::Plus, Version::Rand].into_iter().find(is)?;
        Some(match self.search_precision {
            Precision::F32 => version.to_string(),
            precision => format!("{version}, searched in {precision}"),
        })
    }
}

impl Manifest<AuditSettings> {
    /// The manifest of an audit that was started by `command`.
    ///
    /// # Errors
    /// When a file of the data cannot be read, or the shard has no sample.
    pub fn new(audit: &Audit, command: Vec<String>) -> Result<Manifest<AuditSettings>> {
        let whole = audit.samples.indices(audit.data.len()).len();
        if whole > 0 && audit.indices().len() == 0 {
            let Shard { number, of } = audit.shard;
            return Err(RequestError::EmptyShard { number, of, samples: whole }.into());
        }
        Ok(Manifest::of(command, audit.engine.plan(), About::of(audit), AuditSettings::of(audit)?))
    }
}

/// A precision as the text that it is written as.
pub(super) mod as_text {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use crate::Precision;

    pub fn is_single(precision: &Precision) -> bool {
        *precision == Precision::F32
    }

    pub fn serialize<S: Serializer>(precision: &Precision, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(precision)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Precision, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl About {
    /// What an audit is about.
    pub(super) fn of(audit: &Audit) -> About {
        About {
            model: audit.model.clone(),
            samples: audit.indices().len() as u64,
            classes: audit.data.class_names().to_vec(),
            checkpoint: audit.checkpoint.clone(),
            certificates: audit.certificates.clone(),
        }
    }
}
