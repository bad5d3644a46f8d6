//! What commands do, as functions for other languages: models and data as a caller holds them, settings under the names of
//! the command's options.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use kennard::audit::{Audit, Examined, Manifest, Outcome, Progress, Requirement, RunDirectory};
use kennard::data::{DataSet, Split};
use kennard::engine::Engine;
use kennard::graph::ModelFile;
use kennard::run::ModelSummary;
use kennard::serde_json::{Map, Value};
use kennard::{Classifier, Error, Preprocessing, Result, Runtime};
use kennard_runtime::Live;

use crate::settings::{Part, Settings, Source};
use crate::{report, setup};

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
        file: ModelFile,
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
pub type Options = Map<String, Value>;

/// An audit: `kennard audit`. `data` are the samples, unless the option `data` names them. `stop` ends it early, with what
/// is known by then; `progress` hears how far it is.
///
/// # Errors
/// When options are unknown or missing, model and data do not fit together, or a runtime or the module fails.
pub fn audit(
    model: &Model,
    data: Option<DataSet>,
    mut options: Options,
    stop: &AtomicBool,
    progress: impl FnMut(Progress),
) -> Result<Outcome> {
    let resume = options.remove("resume").is_some_and(|value| value == Value::Bool(true));
    let requirements = requirements(options.remove("require"))?;
    crate::out::be_quiet();
    let settings = settings(options)?;
    let (data, engine, summary) = open(model, data, &settings)?;
    let audit = Audit { requirements, ..setup::whole_audit(summary, &settings, &data, &engine)? };
    let Some(path) = settings.out() else { return audit.run(stop, progress) };
    let manifest = Manifest::new(&audit, Vec::new())?;
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
    options: Options,
    stop: &AtomicBool,
    mut progress: impl FnMut(Progress),
    mut each: impl FnMut(Examined) -> Result<()>,
) -> Result<Vec<String>> {
    crate::out::be_quiet();
    let settings = settings(options)?;
    let (data, engine, summary) = open(model, data, &settings)?;
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

/// Makes a page of the directories of runs: `kennard report`.
///
/// # Errors
/// When one of them holds no run, or the page cannot be written.
pub fn report(runs: &[PathBuf], page: &Path) -> Result<()> {
    kennard::report::write(runs, page).map(drop)
}

/// The names of the options that audits and attacks take, as arguments: `packet_samples`.
pub fn option_names() -> Vec<String> {
    let own = ["resume", "require"].map(String::from);
    Settings::keys().into_iter().chain(own).map(|name| name.replace('-', "_")).collect()
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

/// The settings of an audit. What is none counts as left out.
fn settings(options: Options) -> Result<Settings> {
    let given = options.into_iter().filter(|(_, value)| !value.is_null());
    let table: toml::Table = given
        .map(|(name, value)| {
            let value = toml::Value::try_from(&value)
                .map_err(|error| Error::Setting(format!("{name} = {value}: {error}")))?;
            Ok((name.replace('_', "-"), value))
        })
        .collect::<Result<_>>()?;
    Settings::read_all(&Source::Table(&table)).map_err(Error::Setting)
}

/// The data, the model at work on them, and which model it is.
fn open(
    model: &Model,
    data: Option<DataSet>,
    settings: &Settings,
) -> Result<(DataSet, Engine, ModelSummary)> {
    let file_on =
        |file: &ModelFile, data| setup::open_file(file, data, &settings.data, &settings.model, &settings.run);
    let (data, engine, summary) = match model {
        Model::File(file) => {
            let (data, engine) = file_on(&ModelFile::open(file)?, data)?;
            let summary = ModelSummary::of_file(file, engine.classifier())?;
            (data, engine, summary)
        }
        Model::Memory { name, file } => {
            let (data, engine) = file_on(file, data)?;
            let graph = settings.model.preprocessing().graph(file, Some(data.shape()))?;
            let summary = ModelSummary::of_graph(name, &graph, engine.classifier());
            (data, engine, summary)
        }
        Model::Live { module, name, sha256, parameters, classes } => {
            let (data, engine) = module_on(module, [*parameters, *classes], data, settings)?;
            let summary = ModelSummary {
                file: name.clone(),
                sha256: sha256.clone(),
                parameters: *parameters as u64,
                input: data.shape().to_vec(),
                classes: *classes as u64,
            };
            (data, engine, summary)
        }
    };
    let engine = setup::with_surrogate(engine, &data, settings)?;
    Ok((data, engine, summary))
}

/// A live module of this many weights and classes at work on the data.
fn module_on(
    module: &Arc<dyn Live>,
    [parameters, classes]: [usize; 2],
    data: Option<DataSet>,
    settings: &Settings,
) -> Result<(DataSet, Engine)> {
    if settings.model.preprocessing() != Preprocessing::default() {
        return Err(Error::Setting(
            "a live module takes the samples as they are: scale and normalise them inside the module".into(),
        ));
    }
    let mut data = match data {
        Some(data) => data,
        None => DataSet::open(&settings.data.spec()?, &settings.data.options(Split::Test)?)?,
    };
    let classifier = Classifier::live(module.clone(), data.shape(), classes, parameters)?;
    let options = settings.run.options();
    let engine = Engine::new(classifier, Runtime::beside(module.as_ref()), &options)?;
    let first = setup::first(&data)?;
    let engine = engine.probe(&first.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    data.fit_classes(classes)?;
    Ok((data, engine))
}
