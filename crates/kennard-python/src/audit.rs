//! Audits and attacks.

use kennard::audit::{Checkpoint, Progress};
use kennard_cli::calls;
use numpy::{PyArray1, PyArray2};
use pyo3::prelude::*;

use crate::data::Arrays;
use crate::outcome::Outcome;
use crate::run::{Caller, Left};
use crate::{Given, json, read, run, work, work_for};

/// The place of a sample, the place of the attack that broke it (minimum-norm attacks last), and the point (d).
type Broken = (usize, usize, Py<PyArray1<f32>>);

/// An audit of `model` on `data`, or on what the options name. `options` is JSON: settings under the command's names.
/// `checkpoint` is the name of a training run and the epoch that the model is of. `progress` is called with what is done,
/// how much of it, and of how much. With `points`, the adversarial points come too.
#[pyfunction]
#[pyo3(signature = (model, data, options, progress=None, checkpoint=None, points=false))]
pub fn audit(
    py: Python<'_>,
    model: Given,
    data: Option<&Arrays>,
    options: &str,
    progress: Option<Py<PyAny>>,
    checkpoint: Option<(String, u64)>,
    points: bool,
) -> PyResult<(Outcome, Vec<Broken>)> {
    let checkpoint = checkpoint.map(|(run, epoch)| Checkpoint { run, epoch });
    let caller = Caller { left: Left::Resumable, ..Caller::default() };
    audited(py, (model, data, options), progress, caller, checkpoint, points)
}

/// An audit with minimum-norm attacks. The setting `minimal` is the argument `attack` of the Python function, and errors name it so.
#[pyfunction]
#[pyo3(signature = (model, data, options, progress=None, points=false))]
pub fn minimal(
    py: Python<'_>,
    model: Given,
    data: Option<&Arrays>,
    options: &str,
    progress: Option<Py<PyAny>>,
    points: bool,
) -> PyResult<(Outcome, Vec<Broken>)> {
    let caller = Caller { left: Left::Resumable, renamed: Some(["minimal", "attack"]), ..Caller::default() };
    audited(py, (model, data, options), progress, caller, None, points)
}

fn audited(
    py: Python<'_>,
    asked: (Given, Option<&Arrays>, &str),
    progress: Option<Py<PyAny>>,
    caller: Caller,
    checkpoint: Option<Checkpoint>,
    points: bool,
) -> PyResult<(Outcome, Vec<Broken>)> {
    let found = work_for(py, asked, progress, caller, |model, data, options, stop, hear| {
        let mut broken = Vec::new();
        let outcome = calls::audit(model, data, options, checkpoint, stop, |progress| {
            if let (true, Progress::Examined(examined)) = (points, progress) {
                let found = examined.adversarials.iter().enumerate();
                broken.extend(found.filter_map(|(attack, found)| {
                    Some((examined.record.index, attack, found.as_ref()?.point.clone()))
                }));
            }
            run::tell(progress, hear);
        })?;
        Ok((outcome, broken))
    })?;
    let (outcome, broken) = found;
    let told = told(&outcome)?;
    let broken = broken
        .into_iter()
        .map(|(index, attack, point)| (index, attack, PyArray1::from_vec(py, point).unbind()));
    Ok((told, broken.collect()))
}

/// What an audit found, as Python sees it.
pub fn told(outcome: &kennard::audit::Outcome) -> PyResult<Outcome> {
    Outcome::found(outcome.summary.to_json(), outcome.table())
}

/// Refuses settings of an audit, JSON, that no model and no data could make valid.
#[pyfunction]
pub fn check_audit(options: &str) -> PyResult<()> {
    calls::check_audit(read(options)?).map_err(|error| run::exception(&error))
}

/// Refuses settings of an audit, of attacks or of certificates, JSON, that do not say how large perturbations may be.
#[pyfunction]
pub fn check_size(options: &str) -> PyResult<()> {
    calls::check_size(read(options)?).map_err(|error| run::exception(&error))
}

/// The adversarial points that attacks find.
#[pyclass(frozen)]
pub struct Found {
    /// The names of the attacks.
    #[pyo3(get)]
    names: Vec<String>,
    /// One flat array (n×d) per attack, minimum-norm attacks last; a sample that the attack did not break is there as it is.
    #[pyo3(get)]
    points: Vec<Py<PyArray2<f32>>>,
    /// What was found out about each sample: JSON, one entry per sample, in order.
    #[pyo3(get)]
    records: String,
}

/// The adversarial points of attacks on `model` at `data` (n samples of d elements).
#[pyfunction]
#[pyo3(signature = (model, data, options, progress=None))]
pub fn attack(
    py: Python<'_>,
    model: Given,
    data: &Arrays,
    options: &str,
    progress: Option<Py<PyAny>>,
) -> PyResult<Found> {
    let asked = (model, Some(data), options);
    let found = work(py, asked, progress, Left::Nothing, |model, data, options, stop, hear| {
        let mut all = Vec::new();
        let tell = |progress: Progress<'_>| run::tell(progress, hear);
        let names = calls::attack(model, data, options, stop, tell, |examined| {
            all.push(examined);
            Ok(())
        })?;
        all.sort_by_key(|examined| examined.record.index);
        Ok((names, all))
    })?;
    let (names, examined) = found;
    let points = (0..names.len()).map(|attack| {
        let rows: Vec<Vec<f32>> = examined
            .iter()
            .map(|examined| match &examined.adversarials[attack] {
                Some(found) => found.point.clone(),
                None => examined.input.clone(),
            })
            .collect();
        Ok(PyArray2::from_vec2(py, &rows)?.unbind())
    });
    let records: Vec<_> = examined.iter().map(|examined| &examined.record).collect();
    Ok(Found { names, points: points.collect::<PyResult<_>>()?, records: json(&records)? })
}
