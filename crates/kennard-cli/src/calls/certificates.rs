//! Certificates, of a model and of what noise makes of it, and bounds as graphs.

use std::sync::atomic::AtomicBool;

use kennard::audit::{Outcome, Progress};
use kennard::data::DataSet;
use kennard::smoothing::SmoothingOutcome;
use kennard::{Graph, Result};
use kennard_graph::ModelFile;

use super::{Arguments, Model, Terms, audited, open, requirements, settings, work};
use crate::bound::Bounding;
use crate::certify::Certificates;
use crate::noise::{Smoothing, run_in};
use crate::setup::Asking;

/// Certificates by bounds: `kennard certify`.
///
/// # Errors
/// As [`super::audit`], and when there is nothing to prove, or the model cannot be bounded.
pub fn certify(
    model: &Model,
    data: Option<DataSet>,
    mut options: Arguments,
    stop: &AtomicBool,
    progress: impl FnMut(Progress),
) -> Result<Outcome> {
    let resume = open::resume(&mut options);
    let requirements = requirements(options.remove("require"))?;
    let certificates: Certificates = settings(options)?;
    let terms = Terms { requirements, resume, ..Terms::default() };
    audited(model, data, &certificates.audit()?, terms, stop, progress)
}

/// Certificates of the smoothed classifier, the model under noise: `kennard smooth`. `progress` hears how many samples are done,
/// and of how many.
///
/// # Errors
/// As [`super::audit`], and when the noise is missing, or no certificate can reach a radius.
pub fn smooth(
    model: &Model,
    data: Option<DataSet>,
    mut options: Arguments,
    stop: &AtomicBool,
    mut progress: impl FnMut(u64, u64),
) -> Result<SmoothingOutcome> {
    let resume = open::resume(&mut options);
    let smoothing: Smoothing = settings(options)?;
    // Before the model is opened.
    smoothing.sigma()?;
    let taken = smoothing.selection()?;
    let (data, engine, model) =
        work(model, data, &smoothing.data, taken, Asking::ManyPoints, &smoothing.model, &smoothing.run)?;
    let certification = smoothing.certification(model, &engine, &data)?;
    let Some(path) = smoothing.out() else {
        return certification.run(stop, |now| progress(now.done, now.total));
    };
    let outcome =
        run_in(path, &certification, Vec::new(), resume, stop, |now| progress(now.done, now.total))?;
    crate::smooth::leave(&outcome.summary, Vec::new(), path)?;
    Ok(outcome)
}

/// The bounds of a model as a graph of its own: `kennard bound`.
///
/// # Errors
/// When the model cannot be read, or has no bounds.
pub fn bound(model: &Model, options: Arguments) -> Result<Graph> {
    let bounding: Bounding = settings(options)?;
    match model {
        Model::File(path) => bounding.of_model(&ModelFile::open(path)?),
        Model::Memory { file, .. } => bounding.of_model(file),
        Model::Live { .. } => Err(super::train::live("to bound")),
    }
}
