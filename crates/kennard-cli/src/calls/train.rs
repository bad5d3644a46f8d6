//! Networks trained, and gradients as graphs.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use kennard::data::DataSet;
use kennard::experiment::recipe::StartingNetwork;
use kennard::graph::ModelFile;
use kennard::train::{Epoch, Training, TrainingDirectory};
use kennard::{Error, Graph, Mismatch, Result};

use super::{Arguments, Model, open, settings};
use crate::grad::Derivative;
use crate::{recipe, report};

/// A network that was trained.
#[derive(Clone, Debug)]
pub struct Taught {
    /// What each epoch gave.
    pub epochs: Vec<Epoch>,
    /// The epoch of the best checkpoint, 0 where none was finished.
    pub best: usize,
    /// The network with the last weights.
    pub model: Graph,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// Trains a network: `kennard train`; `model` further, where one is given. The option `out` is the directory of the run.
/// `progress` hears how many steps are done, and of how many.
///
/// # Errors
/// As [`super::audit`]; where the recipe makes no sense, training diverges, or the directory cannot be used.
pub fn train(
    model: Option<&Model>,
    data: Option<DataSet>,
    mut options: Arguments,
    stop: &AtomicBool,
    mut progress: impl FnMut(u64, u64),
) -> Result<Taught> {
    let resume = open::resume(&mut options);
    let out = options.remove("out").and_then(|out| out.as_str().map(PathBuf::from));
    let out = out.ok_or_else(|| crate::settings::missing(crate::settings::OUT))?;
    let settings: recipe::Settings = settings(options)?;
    let network = model.map(|model| starting(model, data.as_ref())).transpose()?;
    let course = settings.prepare_with(data, network)?;
    let directory = TrainingDirectory::open(&out, Vec::new(), &course.settings, resume)?;
    let training = Training {
        model: &course.model,
        recipe: &course.recipe,
        samples: &course.samples,
        runtime: &course.runtime,
        threads: course.threads,
    };
    let epochs = course.recipe.epochs;
    let trained = training.run(Some(&directory), stop, |now| {
        let done = now.epoch.saturating_sub(1) * now.steps + now.step;
        progress(done as u64, (epochs * now.steps) as u64);
    })?;
    if !trained.interrupted {
        report::beside(&out, "")?;
    }
    let best = kennard::train::best(&trained.epochs, &course.recipe.method).map_or(0, |epoch| epoch.epoch);
    let notes = course.notes.into_iter().chain(trained.damage).collect();
    Ok(Taught { epochs: trained.epochs, best, model: trained.model, notes })
}

/// The network to go on from.
fn starting(model: &Model, data: Option<&DataSet>) -> Result<StartingNetwork> {
    match model {
        Model::File(path) => StartingNetwork::file(path),
        Model::Memory { name, file } => StartingNetwork::in_memory(name, file, data.map(DataSet::shape)),
        Model::Live { .. } => Err(live("to train")),
    }
}

/// The gradient of a model as a graph of its own: `kennard grad`.
///
/// # Errors
/// When the model cannot be read or differentiated, or has no such tensor.
pub fn grad(model: &Model, options: Arguments) -> Result<Graph> {
    let derivative: Derivative = settings(options)?;
    match model {
        Model::File(path) => Ok(derivative.of_model(&ModelFile::open(path)?)?.0),
        Model::Memory { file, .. } => Ok(derivative.of_model(file)?.0),
        Model::Live { .. } => Err(live("to differentiate")),
    }
}

pub(super) fn live(needs: &'static str) -> Error {
    Mismatch::NoGraph { model: "a live module".into(), needs }.into()
}
