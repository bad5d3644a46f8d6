//! The native part of the Python package `kennard`.

mod certificates;
mod data;
mod live;
mod measure;
mod outcome;
mod run;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use kennard::audit::{Checkpoint, Progress, Summary};
use kennard::data::DataSet;
use kennard::graph::ModelFile;
use kennard::report::Markup;
use kennard::serde_json;
use kennard_cli::calls::{self, Arguments, Model};
use numpy::{PyArray1, PyArray2};
use pyo3::create_exception;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use serde::Serialize;

use data::Arrays;
use live::{Module, Raised};
use outcome::Outcome;
use run::{Heard, Left};

// Their modules are those that they are imported from, by which other processes find them (pickle).
create_exception!(
    kennard,
    KennardError,
    PyRuntimeError,
    "What can go wrong in Kennard; the message says what to do."
);

create_exception!(kennard, InUse, KennardError, "Another process works in the directory of the run.");

/// The model that an argument is: a path, the bytes of an ONNX file, or a module that computes its own passes.
#[derive(FromPyObject)]
enum Given {
    #[pyo3(transparent)]
    Path(PathBuf),
    #[pyo3(transparent)]
    Bytes(Vec<u8>),
    #[pyo3(transparent)]
    Module(Py<PyAny>),
}

impl Given {
    fn model(self, py: Python<'_>, raised: &Raised) -> PyResult<Model> {
        Ok(match self {
            Given::Path(file) => Model::File(file),
            Given::Bytes(bytes) => {
                let file = ModelFile::from_bytes(&bytes).map_err(|error| run::exception(&error.into()))?;
                Model::Memory { name: "a model in memory".into(), file: Box::new(file) }
            }
            Given::Module(object) => {
                let object = object.bind(py);
                Model::Live {
                    name: object.getattr("label")?.extract()?,
                    sha256: object.getattr("sha256")?.extract()?,
                    parameters: object.getattr("parameters")?.extract()?,
                    classes: object.getattr("classes")?.extract()?,
                    module: Arc::new(Module::new(object, raised.clone())?),
                }
            }
        })
    }
}

/// Options of a command: JSON, under the command's names.
fn read(options: &str) -> PyResult<Arguments> {
    serde_json::from_str(options).map_err(|error| KennardError::new_err(error.to_string()))
}

/// Does what `act` does with a model, samples and options; without samples, the options name them. See [`run::run`].
fn work<R: Send>(
    py: Python<'_>,
    (model, data, options): (Given, Option<&Arrays>, &str),
    progress: Option<Py<PyAny>>,
    left: Left,
    act: impl FnOnce(&Model, Option<DataSet>, Arguments, &AtomicBool, &mut dyn FnMut(Heard)) -> kennard::Result<R>
    + Send,
) -> PyResult<R> {
    let raised: Raised = Arc::new(Mutex::new(None));
    let model = model.model(py, &raised)?;
    let held = data.is_some();
    let data = data.map(|data| data.open(&raised)).transpose()?;
    let options = read(options)?;
    run::run(py, progress, &raised, left, held, |stop, hear| act(&model, data, options, stop, hear))
}

/// A text of JSON.
fn json(value: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| KennardError::new_err(error.to_string()))
}

/// An audit of `model` on `data`, or on what the options name. `options` is JSON: settings under the command's names.
/// `checkpoint` is the name of a training run and the epoch that the model is of. `progress` is called with what is done,
/// how much of it, and of how much. With `points`, the adversarial points come too.
#[pyfunction]
#[pyo3(signature = (model, data, options, progress=None, checkpoint=None, points=false))]
fn audit(
    py: Python<'_>,
    model: Given,
    data: Option<&Arrays>,
    options: &str,
    progress: Option<Py<PyAny>>,
    checkpoint: Option<(String, u64)>,
    points: bool,
) -> PyResult<(Outcome, Vec<Broken>)> {
    let checkpoint = checkpoint.map(|(run, epoch)| Checkpoint { run, epoch });
    let asked = (model, data, options);
    let found = work(py, asked, progress, Left::Resumable, |model, data, options, stop, hear| {
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

/// Refuses settings of an audit, JSON, that no model and no data could make valid.
#[pyfunction]
fn check_audit(options: &str) -> PyResult<()> {
    calls::check_audit(read(options)?).map_err(|error| run::exception(&error))
}

/// What an audit found, as Python sees it.
fn told(outcome: &kennard::audit::Outcome) -> PyResult<Outcome> {
    let summary = outcome.summary.to_json().map_err(|error| run::exception(&error))?;
    let table = outcome.table().map_err(|error| run::exception(&error))?;
    Ok(Outcome::new(summary, table))
}

/// The place of a sample, that of the attack that broke it (minimum-norm attacks last), and the point (d).
type Broken = (usize, usize, Py<PyArray1<f32>>);

/// The 95 % interval of a share (Clopper and Pearson).
#[pyfunction]
fn interval(count: u64, of: u64) -> (f64, f64) {
    let [low, high] = kennard::stats::clopper_pearson(count, of);
    (low, high)
}

/// The adversarial points that attacks find.
#[pyclass(frozen)]
struct Found {
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
fn attack(
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

/// Puts the shards of a run together in the directory `out`.
#[pyfunction]
fn merge(py: Python<'_>, shards: Vec<PathBuf>, out: PathBuf) -> PyResult<Outcome> {
    let outcome = py.detach(|| calls::merge(&shards, &out)).map_err(|error| run::exception(&error))?;
    told(&outcome)
}

/// Makes a page of the directories of runs; or the table of a paper, in LaTeX or Markdown.
#[pyfunction]
#[pyo3(signature = (runs, file, table=None))]
fn report(py: Python<'_>, runs: Vec<PathBuf>, file: PathBuf, table: Option<&str>) -> PyResult<()> {
    let markup = match table {
        None => None,
        Some("latex") => Some(Markup::Latex),
        Some("markdown") => Some(Markup::Markdown),
        Some(other) => {
            let message = format!("table: '{other}' is unknown; give 'latex' or 'markdown'");
            return Err(PyValueError::new_err(message));
        }
    };
    let write = || match markup {
        Some(markup) => calls::table(&runs, markup, &file),
        None => calls::report(&runs, &file),
    };
    py.detach(write).map_err(|error| run::exception(&error))
}

/// The attacks of an audit's figures (JSON), each with what is not as usual about it.
#[pyfunction]
fn cited(summary: &str) -> PyResult<Vec<String>> {
    let summary: Summary =
        serde_json::from_str(summary).map_err(|error| KennardError::new_err(error.to_string()))?;
    Ok(summary.each_attack_in_words())
}

/// The options of a command, as arguments.
#[pyfunction]
fn option_names(command: &str) -> Vec<String> {
    calls::option_names(command).unwrap_or_default()
}

/// The known word that was likely meant, if one is close enough.
#[pyfunction]
fn nearest(word: &str, known: Vec<String>) -> Option<String> {
    kennard::data::nearest(word, &known).map(str::to_owned)
}

/// The attacks of a version of AutoAttack in a norm, as an audit takes them one by one: JSON, a list of names with parameters.
#[pyfunction]
fn version_attacks(version: &str, norm: &str) -> PyResult<String> {
    json(&calls::version_attacks(version, norm).map_err(|error| run::exception(&error))?)
}

/// Does what the words of a command line say, the command's own name first; returns the status to end with.
#[pyfunction]
fn main(py: Python<'_>, words: Vec<OsString>) -> u8 {
    py.detach(|| kennard_cli::answer_to(words))
}

#[pymodule]
fn _kennard(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("KennardError", module.py().get_type::<KennardError>())?;
    module.add("InUse", module.py().get_type::<InUse>())?;
    module.add_class::<Arrays>()?;
    module.add_class::<Outcome>()?;
    module.add_function(wrap_pyfunction!(audit, module)?)?;
    module.add_function(wrap_pyfunction!(check_audit, module)?)?;
    module.add_function(wrap_pyfunction!(measure::class_labels, module)?)?;
    module.add_function(wrap_pyfunction!(certificates::certify, module)?)?;
    module.add_function(wrap_pyfunction!(certificates::smooth, module)?)?;
    module.add_function(wrap_pyfunction!(certificates::bound, module)?)?;
    module.add_function(wrap_pyfunction!(measure::uncertainty, module)?)?;
    module.add_function(wrap_pyfunction!(measure::calibrate, module)?)?;
    module.add_function(wrap_pyfunction!(measure::train, module)?)?;
    module.add_function(wrap_pyfunction!(measure::grad, module)?)?;
    module.add_function(wrap_pyfunction!(measure::tracked, module)?)?;
    module.add_function(wrap_pyfunction!(interval, module)?)?;
    module.add_class::<Found>()?;
    module.add_function(wrap_pyfunction!(attack, module)?)?;
    module.add_function(wrap_pyfunction!(merge, module)?)?;
    module.add_function(wrap_pyfunction!(report, module)?)?;
    module.add_function(wrap_pyfunction!(cited, module)?)?;
    module.add_function(wrap_pyfunction!(option_names, module)?)?;
    module.add_function(wrap_pyfunction!(nearest, module)?)?;
    module.add_function(wrap_pyfunction!(version_attacks, module)?)?;
    module.add_function(wrap_pyfunction!(main, module)?)
}
