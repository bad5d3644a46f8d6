//! What commands do, as functions for other languages: models and data as a caller holds them, settings under the names of
//! the command's options.

mod certificates;
mod measure;
mod open;
mod tracked;
mod train;
mod version;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kennard::audit::{
    Audit, AuditManifest, Checkpoint, Examined, Outcome, Progress, Requirement, RunDirectory,
};
use kennard::data::DataSet;
use kennard::graph::ModelFile;
use kennard::report::{Markup, Report};
use kennard::serde_json::{Map, Value};
use kennard::{Error, Result};
use kennard_runtime::Live;

use crate::settings::{Part, Settings};
use crate::{report, setup};

pub use certificates::{bound, certify, smooth};
pub use measure::{Measured, calibrate, uncertainty};
pub use tracked::tracked;
pub use train::{Taught, grad, train};
pub use version::version_attacks;

use open::{settings, work};

/// A model as a caller holds it.
#[derive(Clone)]
#[non_exhaustive]
pub enum Model {
    /// An ONNX file.
    File(PathBuf),
    /// The content of an ONNX file in memory, with the name that files call it by.
    Memory {
        /// The name.
        name: String,
        /// The content.
        file: Box<ModelFile>,
    },
    /// A module that computes its passes itself.
    Live {
        /// The module.
        module: Arc<dyn Live>,
        /// The name that files call it by.
        name: String,
        /// A digest of its weights, in hexadecimal.
        sha256: String,
        /// How many weights it has.
        parameters: usize,
        /// How many logits it returns for a sample.
        classes: usize,
    },
}

/// Settings under the names of the command's options, `packet_samples` or `packet-samples`.
pub type Arguments = Map<String, Value>;

/// An audit: `kennard audit`. `data` are the samples, unless the option `data` names them. Where the model is one of several
/// checkpoints under the same audit, `checkpoint` says which. `stop` ends it early, with what is known by then; `progress`
/// hears how far it is.
///
/// # Errors
/// When options are unknown or missing, model and data do not fit together, or a runtime or the module fails.
pub fn audit(
    model: &Model,
    data: Option<DataSet>,
    mut options: Arguments,
    checkpoint: Option<Checkpoint>,
    stop: &AtomicBool,
    progress: impl FnMut(Progress),
) -> Result<Outcome> {
    let resume = open::resume(&mut options);
    let requirements = requirements(options.remove("require"))?;
    let settings: Settings = settings(options)?;
    let terms = Terms { requirements, checkpoint, resume };
    audited(model, data, &settings, terms, stop, progress)
}

/// Refuses settings of an audit that no model and no data could make valid: unknown attacks, norms and parameters of attacks,
/// sizes and requirements that cannot be read, and no size at all.
///
/// # Errors
/// Names the setting.
pub fn check_audit(mut options: Arguments) -> Result<()> {
    open::resume(&mut options);
    requirements(options.remove("require"))?;
    let settings: Settings = settings(options)?;
    settings.attacks.attacks(&settings.threat, setup::SMOOTH)?;
    settings.attacks.minimal()?;
    settings.selection()?;
    if settings.threat.eps.is_some() && !settings.reach.is_said() {
        settings.threat.model()?;
    }
    settings.check_size()
}

/// Refuses settings of an audit, of attacks or of certificates that do not say how large perturbations may be.
///
/// # Errors
/// Names what is missing, or a setting that cannot be read.
pub fn check_size(mut options: Arguments) -> Result<()> {
    open::resume(&mut options);
    options.remove("require");
    settings::<Settings>(options)?.check_size()
}

/// What an audit has beside its settings.
#[derive(Default)]
struct Terms {
    requirements: Vec<Requirement>,
    checkpoint: Option<Checkpoint>,
    resume: bool,
}

/// Runs an audit, in its directory where it has one.
fn audited(
    model: &Model,
    data: Option<DataSet>,
    settings: &Settings,
    terms: Terms,
    stop: &AtomicBool,
    progress: impl FnMut(Progress),
) -> Result<Outcome> {
    let (data, engine, summary) = open::opened(model, data, settings)?;
    let Terms { requirements, checkpoint, resume } = terms;
    let audit = Audit { requirements, checkpoint, ..setup::whole_audit(summary, settings, &data, &engine)? };
    let Some(path) = settings.out() else { return audit.run(stop, progress) };
    let manifest = AuditManifest::new(&audit, Vec::new())?;
    let outcome = audit.run_in(RunDirectory::open(path, &manifest, resume)?, stop, progress)?;
    report::beside(path, "")?;
    Ok(outcome)
}

/// Attacks samples and hands over what was found of each, in no certain order: `kennard attack`. Returns the names of the
/// attacks, in the order of what they found.
///
/// # Errors
/// As [`audit`], and what `each` returns.
pub fn attack(
    model: &Model,
    data: Option<DataSet>,
    options: Arguments,
    stop: &AtomicBool,
    mut progress: impl FnMut(Progress),
    mut each: impl FnMut(Examined) -> Result<()>,
) -> Result<Vec<String>> {
    let settings: Settings = settings(options)?;
    if settings.own.packet_samples.is_some_and(|samples| samples > 0) {
        return Err(Error::Setting("packet_samples: attacks alone draw no packets; leave it out".into()));
    }
    let (data, engine, summary) = open::opened(model, data, &settings)?;
    let audit = setup::audit(summary, &settings, &data, &engine)?;
    let total = audit.indices().len() as u64;
    let mut done = 0;
    audit.adversarials(stop, |examined| {
        done += 1;
        progress(Progress::Attacks { done, pending: total - done, bracket: [0.0, 1.0] });
        each(examined)
    })?;
    let names = audit.attacks.iter().map(|attack| attack.name());
    Ok(names.chain(audit.minimal.iter().map(|attack| attack.name())).map(String::from).collect())
}

/// Puts the shards of a run together in the directory `out`: `kennard merge`.
///
/// # Errors
/// When a shard is missing, unfinished or damaged, there twice, or of another run, or `out` holds another run.
pub fn merge(shards: &[PathBuf], out: &Path) -> Result<Outcome> {
    crate::out::be_quiet();
    let merged = kennard::audit::merge(shards)?;
    merged.write(out)?;
    report::beside(out, "")?;
    Ok(merged.outcome)
}

/// Makes a page of the directories of runs: `kennard report`.
///
/// # Errors
/// When one of them holds no run, or the page cannot be written.
pub fn report(runs: &[PathBuf], page: &Path) -> Result<()> {
    kennard::report::write(runs, page).map(drop)
}

/// Writes the rows that a paper needs of the directories of runs, and a sentence to cite: `kennard report --table`.
///
/// # Errors
/// When one of them holds no run, none of them an audit, or the file cannot be written.
pub fn table(runs: &[PathBuf], markup: Markup, file: &Path) -> Result<()> {
    kennard::run::write_whole(file, Report::read(runs)?.table(markup)?.as_bytes())
}

/// The options of a command, as arguments: `packet_samples`. None where it is no command that is a function here.
pub fn option_names(command: &str) -> Option<Vec<String>> {
    let (keys, own): (_, &[&str]) = match command {
        "audit" => (Settings::keys(), &["resume", "require"]),
        "attack" => {
            let unused = ["out", "certify", "temperature"];
            (Settings::keys().into_iter().filter(|key| !unused.contains(&key.as_ref())).collect(), &[])
        }
        "uncertainty" => (measure::Uncertainty::keys(), &[]),
        "calibrate" => (measure::Calibration::keys(), &["out"]),
        "train" => (crate::recipe::Settings::keys(), &["out", "resume"]),
        "certify" => (crate::certify::Certificates::keys(), &["resume", "require"]),
        "smooth" => (crate::noise::Smoothing::keys(), &["resume"]),
        "bound" => (crate::bound::Bounding::keys(), &[]),
        "grad" => (crate::grad::Derivative::keys(), &[]),
        _ => return None,
    };
    let own = own.iter().map(|name| (*name).to_owned());
    Some(keys.into_iter().chain(own).map(|name| name.replace('-', "_")).collect())
}

fn requirements(given: Option<Value>) -> Result<Vec<Requirement>> {
    let texts = match given {
        None => Vec::new(),
        Some(Value::String(text)) => text.split(',').map(|text| Value::from(text.trim())).collect(),
        Some(Value::Array(texts)) => texts,
        Some(other) => vec![other],
    };
    let read = |value: Value| match value.as_str() {
        Some(text) => {
            text.parse::<Requirement>().map_err(|error| Error::Setting(format!("require: {error}")))
        }
        None => Err(Error::Setting(format!("require: {value} is no text like robust>=0.6"))),
    };
    texts.into_iter().map(read).collect()
}
