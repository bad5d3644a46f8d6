//! Calls about certificates: of a model, of what noise makes of it, and bounds as files.

use kennard_cli::calls;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::audit::told;
use crate::data::Arrays;
use crate::outcome::Outcome;
use crate::run::Left;
use crate::{Given, run, work};

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
    let asked = (model, data, options);
    let outcome = work(py, asked, progress, Left::Resumable, |model, data, options, stop, hear| {
        calls::certify(model, data, options, stop, |progress| run::tell(progress, hear))
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
    let asked = (model, data, options);
    let found = work(py, asked, progress, Left::Resumable, |model, data, options, stop, hear| {
        calls::smooth(model, data, options, stop, |done, total| hear(("samples", done, total)))
    })?;
    Outcome::found(found.summary.to_json(), found.table())
}

/// The bounds of a model, as the bytes of an ONNX file.
#[pyfunction]
pub fn bound<'py>(py: Python<'py>, model: Given, options: &str) -> PyResult<Bound<'py, PyBytes>> {
    let found = work(py, (model, None, options), None, Left::Nothing, |model, _, options, _, _| {
        Ok(calls::bound(model, options)?.to_bytes())
    })?;
    Ok(PyBytes::new(py, &found))
}
