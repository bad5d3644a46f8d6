//! A Python object that computes a classifier's passes.

use std::sync::{Arc, Mutex};

use kennard_runtime::{Live, RuntimeError};
use numpy::{PyArray1, PyReadonlyArray1};
use pyo3::prelude::*;

/// The first exception that a module, or a reader of samples, raised.
pub type Raised = Arc<Mutex<Option<PyErr>>>;

/// Keeps the first exception, and returns what it says.
pub fn keep(raised: &Raised, error: PyErr) -> String {
    let message = Python::attach(|py| error.value(py).to_string());
    raised.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get_or_insert(error);
    message
}

/// An object with the methods `outputs(points)`, `untouched(points)` and, if it is `differentiable`, `forward(points)`, which returns the
/// outputs and something that `backward(that, slopes)` makes the gradient of. All arrays are flat, in single precision. `searching` is
/// the same object computing in less precision, or None.
pub struct Module {
    object: Py<PyAny>,
    name: String,
    version: String,
    differentiable: bool,
    workers: usize,
    passes: usize,
    searching: Option<Box<Module>>,
    raised: Raised,
}

impl Module {
    pub fn new(object: &Bound<'_, PyAny>, raised: Raised) -> PyResult<Module> {
        let searching: Option<Bound<'_, PyAny>> = object.getattr("searching")?.extract()?;
        let searching = searching.map(|twin| Module::new(&twin, raised.clone()).map(Box::new)).transpose()?;
        Ok(Module {
            searching,
            name: object.getattr("library")?.extract()?,
            version: object.getattr("version")?.extract()?,
            differentiable: object.getattr("differentiable")?.extract()?,
            workers: object.getattr("workers")?.extract()?,
            passes: object.getattr("passes")?.extract()?,
            object: object.clone().unbind(),
            raised,
        })
    }

    /// What one of the object's methods returns at points.
    fn ask(&self, method: &str, points: &[f32], outputs: &mut [f32]) -> Result<(), RuntimeError> {
        Python::attach(|py| {
            let mut answer = || {
                let found = self.object.bind(py).call_method1(method, (PyArray1::from_slice(py, points),))?;
                copy(&found, outputs, "logits")
            };
            answer().map_err(|error| self.failed(error))
        })
    }

    /// The error that an exception is to the engine; the exception itself is raised in the end.
    fn failed(&self, error: PyErr) -> RuntimeError {
        RuntimeError::Live { message: keep(&self.raised, error) }
    }
}

/// Copies a flat array into a slice of its length.
fn copy(found: &Bound<'_, PyAny>, into: &mut [f32], what: &str) -> PyResult<()> {
    let found: PyReadonlyArray1<f32> = found.extract()?;
    let found = found.as_slice()?;
    if found.len() != into.len() {
        let (n, wanted) = (found.len(), into.len());
        let message = format!("the module returned {n} numbers as {what}, {wanted} were expected");
        return Err(crate::KennardError::new_err(message));
    }
    into.copy_from_slice(found);
    Ok(())
}

impl Live for Module {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> &str {
        &self.version
    }

    fn outputs(&self, points: &[f32], outputs: &mut [f32]) -> Result<(), RuntimeError> {
        self.ask("outputs", points, outputs)
    }

    fn untouched(&self, points: &[f32], outputs: &mut [f32]) -> Result<(), RuntimeError> {
        self.ask("untouched", points, outputs)
    }

    fn gradient(
        &self,
        points: &[f32],
        slopes: &mut dyn FnMut(&[f32]) -> Result<Vec<f32>, RuntimeError>,
        gradient: &mut [f32],
    ) -> Result<(), RuntimeError> {
        if !self.differentiable {
            return Err(RuntimeError::Live { message: "the model is a function without gradients".into() });
        }
        Python::attach(|py| {
            let object = self.object.bind(py);
            let forward = || -> PyResult<(Vec<f32>, Bound<'_, PyAny>)> {
                let found = object.call_method1("forward", (PyArray1::from_slice(py, points),))?;
                let (outputs, kept): (PyReadonlyArray1<f32>, Bound<'_, PyAny>) = found.extract()?;
                Ok((outputs.as_slice()?.to_vec(), kept))
            };
            let (outputs, kept) = forward().map_err(|error| self.failed(error))?;
            let slopes = slopes(&outputs)?;
            let backward = || {
                let found = object.call_method1("backward", (kept, PyArray1::from_vec(py, slopes)))?;
                copy(&found, gradient, "a gradient")
            };
            backward().map_err(|error| self.failed(error))
        })
    }

    fn is_differentiable(&self) -> bool {
        self.differentiable
    }

    fn searching(&self) -> Option<&dyn Live> {
        self.searching.as_deref().map(|module| -> &dyn Live { module })
    }

    fn passes(&self) -> usize {
        self.passes
    }

    fn workers(&self) -> usize {
        self.workers
    }
}
