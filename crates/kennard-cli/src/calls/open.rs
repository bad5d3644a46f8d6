//! Settings, models and data of calls.

use std::sync::Arc;

use kennard::data::{DataSet, Selection, Split};
use kennard::engine::Engine;
use kennard::graph::ModelFile;
use kennard::run::ModelSummary;
use kennard::serde_json::Value;
use kennard::{Classifier, Error, Preprocessing, Result, Runtime};
use kennard_runtime::Live;

use super::{Arguments, Model};
use crate::settings::{self, Data, Part, Run, Settings, Source};
use crate::setup::{self, Asking};

/// Whether the options ask to go on with an interrupted run.
pub(super) fn resume(options: &mut Arguments) -> bool {
    options.remove("resume").is_some_and(|value| value == Value::Bool(true))
}

/// Settings of a command. Null counts as left out.
pub(super) fn settings<S: Part>(options: Arguments) -> Result<S> {
    crate::out::be_quiet();
    let given = options.into_iter().filter(|(_, value)| !value.is_null());
    let table: toml::Table = given
        .map(|(name, value)| {
            let value = toml::Value::try_from(&value)
                .map_err(|error| Error::Setting(format!("{name} = {value}: {error}")))?;
            Ok((name.replace('_', "-"), value))
        })
        .collect::<Result<_>>()?;
    let named = |error| Error::Setting(at_fault::<S>(&table).unwrap_or(error));
    S::read_all(&Source::Table(&table)).map_err(named)
}

/// What is wrong with the first setting whose value cannot be read, under its name.
fn at_fault<S: Part>(table: &toml::Table) -> Option<String> {
    table.iter().find_map(|(name, value)| {
        let alone = toml::Table::from_iter([(name.clone(), value.clone())]);
        let error = S::read(&Source::Table(&alone)).err()?;
        let (name, said) = (name.replace('-', "_"), settings::in_words(&error.to_string()));
        let said = said.lines().next().unwrap_or_default();
        Some(match said.split_once(", expected ") {
            Some((begin, wanted)) if begin.starts_with("invalid ") => {
                let value = serde_json::to_string(value).unwrap_or_default();
                format!("{name}: {value} makes no sense here; give {wanted}")
            }
            _ => format!("{name}: {said}"),
        })
    })
}

/// The data, the model of an audit at work on them, and which model it is.
pub(super) fn opened(
    model: &Model,
    data: Option<DataSet>,
    settings: &Settings,
) -> Result<(DataSet, Engine, ModelSummary)> {
    let taken = settings.selection()?;
    let (data, engine, summary) =
        work(model, data, &settings.data, taken, Asking::OnePoint, &settings.model, &settings.run)?;
    let engine = setup::for_attacks(engine, &data, settings)?;
    Ok((data, engine, summary))
}

/// The data, of which these samples are taken, the model at work on them, and which model it is.
pub(super) fn work(
    model: &Model,
    data: Option<DataSet>,
    named: &Data,
    taken: Selection,
    asking: Asking,
    seen: &settings::Model,
    run: &Run,
) -> Result<(DataSet, Engine, ModelSummary)> {
    Ok(match model {
        Model::File(file) => {
            let read = ModelFile::open(file)?;
            let (data, engine) = setup::open_file(&read, data, named, taken, asking, seen, run)?;
            let summary = ModelSummary::of_file(file, engine.classifier())?;
            (data, engine, summary)
        }
        Model::Memory { name, file } => {
            let (data, engine) = setup::open_file(file, data, named, taken, asking, seen, run)?;
            let graph = seen.preprocessing()?.graph(file, Some(data.shape()))?;
            let summary = ModelSummary::of_graph(name, &graph, engine.classifier());
            (data, engine, summary)
        }
        Model::Live { module, name, sha256, parameters, classes } => {
            if seen.preprocessing()? != Preprocessing::default() {
                return Err(Error::Setting(
                    "a live module takes the samples as they are: scale and normalise them inside the module"
                        .into(),
                ));
            }
            let (data, engine) = module_on(module, [*parameters, *classes], data, named, taken, asking, run)?;
            let summary = ModelSummary {
                file: name.clone(),
                sha256: sha256.clone(),
                parameters: *parameters as u64,
                input: data.shape().to_vec(),
                classes: *classes as u64,
            };
            (data, engine, summary)
        }
    })
}

/// A live module of this many weights and classes at work on the data.
fn module_on(
    module: &Arc<dyn Live>,
    [parameters, classes]: [usize; 2],
    data: Option<DataSet>,
    named: &Data,
    taken: Selection,
    asking: Asking,
    run: &Run,
) -> Result<(DataSet, Engine)> {
    let mut data = match data {
        Some(data) => data,
        None => DataSet::open(&named.spec()?, &named.options(Split::Test)?)?,
    };
    let classifier = Classifier::live(module.clone(), data.shape(), classes, parameters)?;
    let options = run.options();
    let engine = Engine::new(classifier, Runtime::beside(module.as_ref()), &options)?
        .for_samples(asking.rows(&data, taken).unwrap_or(usize::MAX))
        .within(run.memory())?;
    let first = setup::first(&data, taken)?;
    let engine = engine.probe(&first.iter().map(Vec::as_slice).collect::<Vec<_>>())?;
    data.fit_classes(classes)?;
    Ok((data, engine))
}
