use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::Point;
use crate::Result;
use crate::audit::{Audit, AuditManifest, Checkpoint, FinishedRun, Outcome, RunDirectory, Summary};
use crate::certify::BoundMethod;
use crate::data::DataSet;
use crate::engine::Engine;
use crate::run::make_directory;

/// A network of an experiment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainingRun {
    /// Its name, and that of its directory.
    pub name: String,
    /// Its architecture, where it is a new network.
    pub arch: Option<String>,
    /// Passes over the training samples.
    pub epochs: usize,
}

/// What trains and examines the networks of an experiment. Whoever runs an experiment has the settings for that, and
/// shows how far it is.
pub trait Lab {
    /// The networks to train.
    fn runs(&self) -> &[TrainingRun];

    /// Trains a network into a directory, or finishes what an earlier process began. Whether it came to its end.
    ///
    /// # Errors
    /// When settings, data and network do not fit together, or the directory cannot be used.
    fn train(&self, run: &TrainingRun, directory: &Path) -> Result<bool>;

    /// The data that networks are examined on, and a network at work on them.
    ///
    /// # Errors
    /// When one of them cannot be read, or they do not belong together.
    fn open(&self, model: &Path) -> Result<(DataSet, Engine)>;

    /// The audit that each network undergoes.
    ///
    /// # Errors
    /// When the settings make no sense.
    fn audit<'a>(&self, model: &'a Path, data: &'a DataSet, engine: &'a Engine) -> Result<Audit<'a>>;

    /// Whether networks are certified too, where they can be.
    fn certifies(&self) -> bool {
        true
    }

    /// Runs an audit in its directory.
    ///
    /// # Errors
    /// As [`Audit::run_in`].
    fn conduct(&self, audit: &Audit, directory: RunDirectory) -> Result<Outcome>;

    /// Hears what was found of a network.
    fn found(&self, _point: &Point) {}

    /// Hears how far an experiment is that trains and measures by itself.
    fn say(&self, _line: &str) {}

    /// The words of the command, for the record.
    fn command(&self) -> Vec<String>;

    /// Ends the experiment early, once it is set.
    fn stop(&self) -> &AtomicBool;
}

/// Trains a network into a directory, or finishes what an earlier process began, and opens it: its file, the data and the network at
/// work. `None`: interrupted.
pub(super) fn trained(
    lab: &dyn Lab,
    run: &TrainingRun,
    directory: &Path,
) -> Result<Option<(PathBuf, DataSet, Engine)>> {
    if !lab.train(run, directory)? {
        return Ok(None);
    }
    let model = directory.join("last.onnx");
    let (data, engine) = lab.open(&model)?;
    Ok(Some((model, data, engine)))
}

/// Audits a model, which may be a checkpoint, into a directory of its own, unless that holds the same audit already; with
/// certificates by cheap bounds too, where they are wanted and there can be some. `None`: interrupted.
pub(super) fn examine(
    lab: &dyn Lab,
    model: &Path,
    checkpoint: Option<Checkpoint>,
    place: &Path,
    certified: bool,
) -> Result<Option<Summary>> {
    let (data, engine) = lab.open(model)?;
    let mut audit = Audit { checkpoint, ..lab.audit(model, &data, &engine)? };
    // All methods, where certificates are asked for by name.
    if certified && !audit.certify && lab.certifies() {
        let refusal;
        (audit, refusal) = audit.certified_if_possible(BoundMethod::CHEAP);
        if let Some(refusal) = refusal {
            lab.say(&format!("{}: its certified accuracy is not known: {refusal}", model.display()));
        }
    }
    run(lab, &audit, place)
}

/// Runs an audit in a directory, unless that holds it already. `None`: interrupted.
pub(super) fn run(lab: &dyn Lab, audit: &Audit, place: &Path) -> Result<Option<Summary>> {
    make_directory(place)?;
    let manifest = AuditManifest::new(audit, lab.command())?;
    if place.join("summary.json").exists()
        && let Ok(run) = FinishedRun::open(place)
        && run.manifest.settings == manifest.settings
    {
        return Ok(Some(run.outcome.summary));
    }
    let summary = lab.conduct(audit, RunDirectory::open(place, &manifest, true)?)?.summary;
    Ok(summary.complete.then_some(summary))
}
