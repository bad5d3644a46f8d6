use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::directory::Manifest;
use super::distances::Distances;
use super::summary::autoattack;
use super::{AttackSummary, Audit, Clean, MinimalSummary, Record, Summary};
use crate::data::Selection;
use crate::probe::Cosines;
use crate::run::{DataSummary, FileHash, ModelSummary};
use crate::{Result, ThreatModel};

/// What a run is about, for those who look at it while it goes on. The figures do not depend on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// The model.
    pub model: ModelSummary,
    /// How many samples there are to examine.
    pub samples: u64,
    /// The classes' names, where the data set has some.
    pub classes: Vec<String>,
    /// The training run that the model is a checkpoint of, where the audit is one of several over its epochs.
    pub checkpoint: Option<Checkpoint>,
}

/// A network at one time of its training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The directory of the training run.
    pub run: String,
    /// The epoch, from 1.
    pub epoch: u64,
}

impl About {
    pub(super) fn new(audit: &Audit) -> Result<About> {
        let model = ModelSummary::of(audit.model, audit.engine.classifier())?;
        Ok(About {
            model,
            samples: audit.indices().len() as u64,
            classes: audit.data.class_names().to_vec(),
            checkpoint: audit.checkpoint.clone(),
        })
    }
}

/// What a summary needs of a manifest's settings.
#[derive(Deserialize)]
struct Settings {
    data: Data,
    samples: Selection,
    threat_model: ThreatModel,
    attacks: Vec<Value>,
    cascade: bool,
    #[serde(default)]
    full: bool,
    budget: Option<u64>,
    minimal: Vec<Named>,
    #[serde(default)]
    probe: bool,
    seed: u64,
    runtime: String,
}

#[derive(Deserialize)]
struct Data {
    name: String,
    split: String,
    files: Vec<FileHash>,
}

#[derive(Deserialize)]
struct Named {
    name: String,
}

impl Summary {
    /// The summary of a run under way: its manifest, and what it knows of samples. Times, packets and warnings
    /// are not known yet.
    ///
    /// # Errors
    /// When the manifest is another program's.
    pub(super) fn begun(manifest: &Manifest, records: &[Record]) -> serde_json::Result<Summary> {
        let settings: Settings = serde_json::from_value(manifest.settings.clone())?;
        let Data { name, split, files } = settings.data;
        let as_published = settings.cascade && !settings.full && settings.budget.is_none();
        let autoattack = autoattack(settings.threat_model.norm, as_published, &settings.attacks);
        let name_of = |attack: &Value| attack["name"].as_str().unwrap_or_default().to_string();
        let attacks = settings.attacks.iter().map(|attack| AttackSummary::blank(&name_of(attack)));
        let minimal = settings.minimal.into_iter().map(|attack| MinimalSummary::blank(&attack.name));
        let mut summary = Summary {
            version: Summary::VERSION,
            model: manifest.about.model.clone(),
            data: DataSummary { name, split, files, notes: Vec::new() },
            complete: false,
            selection: settings.samples,
            total: manifest.about.samples,
            samples: 0,
            runtime: settings.runtime.split(' ').next().unwrap_or_default().into(),
            seed: settings.seed,
            threat_model: settings.threat_model,
            eps_text: settings.threat_model.eps_text(),
            autoattack,
            clean: Clean::default(),
            not_evaluated: 0,
            cascade: settings.cascade,
            attacks: attacks.collect(),
            robust: None,
            minimal: minimal.collect(),
            closest: None,
            cosines: settings.probe.then(Cosines::default),
            packets: Vec::new(),
            requirements: Vec::new(),
            warnings: Vec::new(),
            seconds: 0.0,
        };
        summary.count(records);
        Ok(summary)
    }
}

impl AttackSummary {
    pub(super) fn blank(name: &str) -> AttackSummary {
        AttackSummary {
            name: name.into(),
            robust: 0,
            pending: 0,
            robust_accuracy: None,
            bracket: [0.0, 1.0],
            interval: None,
            forwards: 0,
            backwards: 0,
            non_finite_gradients: 0,
            seconds: 0.0,
        }
    }
}

impl MinimalSummary {
    pub(super) fn blank(name: &str) -> MinimalSummary {
        MinimalSummary {
            name: name.into(),
            pending: 0,
            distances: Distances::default(),
            forwards: 0,
            backwards: 0,
            non_finite_gradients: 0,
            seconds: 0.0,
        }
    }
}
