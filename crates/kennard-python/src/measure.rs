//! Calls beside audits and attacks: packets, temperatures, training, gradients, pages of training, and what a file lists.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use kennard::graph::{Ends, ModelFile};
use kennard::train::Epoch;
use kennard_cli::calls;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use serde::Serialize;

use crate::data::Arrays;
use crate::live::Raised;
use crate::outcome::{self, Outcome};
use crate::run::{Caller, Left};
use crate::{Given, KennardError, json, read, run, work};

/// Packets of `model` on `data`, or on what the options name.
#[pyfunction]
#[pyo3(signature = (model, data, options, progress=None))]
pub fn uncertainty(
    py: Python<'_>,
    model: Given,
    data: Option<&Arrays>,
    options: &str,
    progress: Option<Py<PyAny>>,
) -> PyResult<Outcome> {
    let asked = (model, data, options);
    let found = work(py, asked, progress, Left::Kept, |model, data, options, stop, hear| {
        calls::uncertainty(model, data, options, stop, |done, total| hear(("packets", done, total)))
    })?;
    Outcome::found(found.summary.to_json(), found.outcome.table())
}

/// The temperature of `model` on `data`, or on what the options name.
#[pyfunction]
#[pyo3(signature = (model, data, options, progress=None))]
pub fn calibrate(
    py: Python<'_>,
    model: Given,
    data: Option<&Arrays>,
    options: &str,
    progress: Option<Py<PyAny>>,
) -> PyResult<Outcome> {
    let asked = (model, data, options);
    let found = work(py, asked, progress, Left::Nothing, |model, data, options, stop, hear| {
        calls::calibrate(model, data, options, stop, |done, total| hear(("samples", done, total)))
    })?;
    let found = found.ok_or_else(|| KennardError::new_err("interrupted"))?;
    Ok(Outcome::new(json(&found)?, outcome::bins(&found)?))
}

/// What training says of itself.
#[derive(Serialize)]
struct Course {
    epochs: Vec<Epoch>,
    best: usize,
    notes: Vec<String>,
}

/// Trains a network on `data`, or on what the options name; `model` further, where one is given.
#[pyfunction]
#[pyo3(signature = (model, data, options, progress=None))]
pub fn train(
    py: Python<'_>,
    model: Option<Given>,
    data: Option<&Arrays>,
    options: &str,
    progress: Option<Py<PyAny>>,
) -> PyResult<Outcome> {
    let raised: Raised = Arc::new(Mutex::new(None));
    let model = model.map(|model| model.model(py, &raised)).transpose()?;
    let caller = Caller { left: Left::Resumable, held: data.is_some(), ..Caller::default() };
    let data = data.map(|data| data.open(&raised)).transpose()?;
    let options = read(options)?;
    let taught = run::run(py, progress, &raised, caller, |stop, hear| {
        calls::train(model.as_ref(), data, options, stop, |done, total| hear(("steps", done, total)))
    })?;
    let table = outcome::epochs(&taught.epochs)?;
    let course = Course { epochs: taught.epochs, best: taught.best, notes: taught.notes };
    Ok(Outcome::new(json(&course)?, table))
}

/// The gradient of a model, as the bytes of an ONNX file.
#[pyfunction]
pub fn grad<'py>(py: Python<'py>, model: Given, options: &str) -> PyResult<Bound<'py, PyBytes>> {
    let found = work(py, (model, None, options), None, Left::Nothing, |model, _, options, _, _| {
        Ok(calls::grad(model, options)?.to_bytes())
    })?;
    Ok(PyBytes::new(py, &found))
}

/// Makes table, picture and page of audits of one network over its epochs; returns the figures as JSON.
#[pyfunction]
pub fn tracked(py: Python<'_>, name: &str, audits: Vec<(usize, PathBuf)>, out: PathBuf) -> PyResult<String> {
    let found = py.detach(|| calls::tracked(name, &audits, &out)).map_err(|error| run::exception(&error))?;
    json(&found)
}

/// The labels of the classes that an ONNX file lists in the order of its outputs, numbers as texts; none where it does not, or cannot
/// be read.
#[pyfunction]
pub fn class_labels(py: Python<'_>, model: Given) -> Option<Vec<String>> {
    py.detach(|| {
        let file = match model {
            Given::Path(file) => ModelFile::open(file),
            Given::Bytes(bytes) => ModelFile::from_bytes(&bytes),
            Given::Module(_) => return None,
        };
        file.ok().and_then(|file| file.class_labels(&Ends::default()))
    })
}
