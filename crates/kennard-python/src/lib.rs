//! The native part of the Python package `kennard`.

mod audit;
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

use kennard::audit::Summary;
use kennard::data::DataSet;
use kennard::graph::ModelFile;
use kennard::report::Markup;
use kennard::serde_json;
use kennard_cli::calls::{self, Arguments, Model};
use pyo3::create_exception;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use serde::Serialize;

use data::Arrays;
use live::{Module, Raised};
use outcome::Outcome;
use run::{Caller, Heard, Left};

// The exceptions name the module that Python imports them from, so that pickle finds them in other processes.
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
    asked: (Given, Option<&Arrays>, &str),
    progress: Option<Py<PyAny>>,
    left: Left,
    act: impl FnOnce(&Model, Option<DataSet>, Arguments, &AtomicBool, &mut dyn FnMut(Heard)) -> kennard::Result<R>
    + Send,
) -> PyResult<R> {
    work_for(py, asked, progress, Caller { left, ..Caller::default() }, act)
}

/// The same; of `caller`, what is known from model and samples is filled in.
fn work_for<R: Send>(
    py: Python<'_>,
    (model, data, options): (Given, Option<&Arrays>, &str),
    progress: Option<Py<PyAny>>,
    caller: Caller,
    act: impl FnOnce(&Model, Option<DataSet>, Arguments, &AtomicBool, &mut dyn FnMut(Heard)) -> kennard::Result<R>
    + Send,
) -> PyResult<R> {
    let raised: Raised = Arc::new(Mutex::new(None));
    let model = model.model(py, &raised)?;
    let slopeless = matches!(&model, Model::Live { module, .. } if !module.is_differentiable());
    let caller = Caller { held: data.is_some(), slopeless, ..caller };
    let data = data.map(|data| data.open(&raised)).transpose()?;
    let options = read(options)?;
    run::run(py, progress, &raised, caller, |stop, hear| act(&model, data, options, stop, hear))
}

/// A text of JSON.
fn json(value: &impl Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|error| KennardError::new_err(error.to_string()))
}

/// The 95 % interval of a share (Clopper and Pearson).
#[pyfunction]
fn interval(count: u64, of: u64) -> (f64, f64) {
    let [low, high] = kennard::stats::clopper_pearson(count, of);
    (low, high)
}

/// Puts the shards of a run together in the directory `out`.
#[pyfunction]
fn merge(py: Python<'_>, shards: Vec<PathBuf>, out: PathBuf) -> PyResult<Outcome> {
    let outcome = py.detach(|| calls::merge(&shards, &out)).map_err(|error| run::exception(&error))?;
    audit::told(&outcome)
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
    module.add_function(wrap_pyfunction!(audit::audit, module)?)?;
    module.add_function(wrap_pyfunction!(audit::minimal, module)?)?;
    module.add_function(wrap_pyfunction!(audit::check_audit, module)?)?;
    module.add_function(wrap_pyfunction!(audit::check_size, module)?)?;
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
    module.add_class::<audit::Found>()?;
    module.add_function(wrap_pyfunction!(audit::attack, module)?)?;
    module.add_function(wrap_pyfunction!(merge, module)?)?;
    module.add_function(wrap_pyfunction!(report, module)?)?;
    module.add_function(wrap_pyfunction!(cited, module)?)?;
    module.add_function(wrap_pyfunction!(option_names, module)?)?;
    module.add_function(wrap_pyfunction!(nearest, module)?)?;
    module.add_function(wrap_pyfunction!(version_attacks, module)?)?;
    module.add_function(wrap_pyfunction!(main, module)?)
}
