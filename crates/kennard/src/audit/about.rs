use serde::{Deserialize, Serialize};

use super::directory::Manifest;
use super::distances::Distances;
use super::{
    AttackSummary, Audit, Clean, DataSummary, FileHash, MinimalSummary, ModelSummary, Record, Summary,
};
use crate::uncertainty::Cosines;
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
}

impl About {
    pub(super) fn new(audit: &Audit) -> Result<About> {
        let model = ModelSummary::of(audit.model, audit.engine.classifier())?;
        Ok(About { model, samples: audit.indices().len() as u64, classes: audit.data.class_names().to_vec() })
    }
}

/// What a summary needs of a manifest's settings.
#[derive(Deserialize)]
struct Settings {
    data: Data,
    threat_model: ThreatModel,
    attacks: Vec<Named>,
    cascade: bool,
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
    /// The summary of a run under way: its manifest, and the samples that it has finished. Times, packets
    /// and warnings are not known yet.
    ///
    /// # Errors
    /// When the manifest is another program's.
    pub(super) fn begun(manifest: &Manifest, records: &[Record]) -> serde_json::Result<Summary> {
        let settings: Settings = serde_json::from_value(manifest.settings.clone())?;
        let Data { name, split, files } = settings.data;
        let attacks = settings.attacks.into_iter().map(|attack| AttackSummary::blank(&attack.name));
        let minimal = settings.minimal.into_iter().map(|attack| MinimalSummary::blank(&attack.name));
        let mut summary = Summary {
            version: Summary::VERSION,
            model: manifest.about.model.clone(),
            data: DataSummary { name, split, files, notes: Vec::new() },
            samples: 0,
            runtime: settings.runtime.split(' ').next().unwrap_or_default().into(),
            seed: settings.seed,
            threat_model: settings.threat_model,
            clean: Clean::default(),
            cascade: settings.cascade,
            attacks: attacks.collect(),
            robust: None,
            minimal: minimal.collect(),
            closest: None,
            cosines: settings.probe.then(Cosines::default),
            packets: Vec::new(),
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
            robust_accuracy: 0.0,
            interval: [0.0, 1.0],
            forwards: 0,
            backwards: 0,
            seconds: 0.0,
        }
    }
}

impl MinimalSummary {
    pub(super) fn blank(name: &str) -> MinimalSummary {
        MinimalSummary {
            name: name.into(),
            distances: Distances::default(),
            forwards: 0,
            backwards: 0,
            seconds: 0.0,
        }
    }
}
