//! Calls about certificates: of a model, of what noise makes of it, and bounds as files.

use std::sync::{Arc, Mutex};

use kennard_cli::calls;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::data::Arrays;
use crate::live::Raised;
use crate::outcome::Outcome;
use crate::run::Left;
use crate::{Given, read, run, told};

/// Certificates of `model` on `data`, or on what the options name.
#[pyfunction]
#[pyo3(signature = (model, data, options, progress=None))]
pub fn certify(
    py: Python<'_>,
    model: Given,
    data: Option<&Arrays>,
    options: &str,
    progress: Option<Py<PyAny>>,
) -> PyResult<Outcome> {
    let raised: Raised = Arc::new(Mutex::new(None));
    let model = model.model(py, &raised)?;
    let held = data.is_some();
    let data = data.map(|data| data.open(&raised)).transpose()?;
    let options = read(options)?;
    let outcome = run::run(py, progress, &raised, Left::Resumable, held, |stop, hear| {
        calls::certify(&model, data, options, stop, |progress| run::tell(progress, hear))
    })?;
    told(&outcome)
}

/// Certificates of `model` under noise, on `data`, or on what the options name.
#[pyfunction]
#[pyo3(signature = (model, data, options, progress=None))]
pub fn smooth(
    py: Python<'_>,
    model: Given,
    data: Option<&Arrays>,
    options: &str,
    progress: Option<Py<PyAny>>,
) -> PyResult<Outcome> {
    let raised: Raised = Arc::new(Mutex::new(None));
    let model = model.model(py, &raised)?;
    let held = data.is_some();
    let data = data.map(|data| data.open(&raised)).transpose()?;
    let options = read(options)?;
    let found = run::run(py, progress, &raised, Left::Resumable, held, |stop, hear| {
        calls::smooth(&model, data, options, stop, |done, total| hear(("samples", done, total)))
    })?;
    let summary = found.summary.to_json().map_err(|error| run::exception(&error))?;
    let table = found.table().map_err(|error| run::exception(&error))?;
    Ok(Outcome::new(summary, table))
}

/// The bounds of a model, as the bytes of an ONNX file.
#[pyfunction]
pub fn bound<'py>(py: Python<'py>, model: Given, options: &str) -> PyResult<Bound<'py, PyBytes>> {
    let raised: Raised = Arc::new(Mutex::new(None));
    let model = model.model(py, &raised)?;
    let options = read(options)?;
    let found = run::run(py, None, &raised, Left::Nothing, false, |_, _| {
        Ok(calls::bound(&model, options)?.to_bytes())
    })?;
    Ok(PyBytes::new(py, &found))
}
