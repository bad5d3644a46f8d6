//! Samples in Python's memory.

use kennard::data::{Contents, DataError, DataSet, FileDigest, Raw, Row, Rows, Source};
use numpy::{PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::run::exception;

/// Samples that NumPy holds, read where they are.
#[pyclass(frozen)]
pub struct Arrays {
    inputs: Py<PyArray2<f32>>,
    labels: Vec<usize>,
    shape: Vec<usize>,
    names: Vec<String>,
    sha256: String,
}

#[pymethods]
impl Arrays {
    /// `inputs` is n×d, row-major; `labels` (n); `shape` is that of one sample, of d elements; `sha256` is the digest of
    /// both.
    #[new]
    fn new(
        inputs: PyReadonlyArray2<'_, f32>,
        labels: Vec<usize>,
        shape: Vec<usize>,
        names: Vec<String>,
        sha256: String,
    ) -> Arrays {
        let inputs: &Bound<'_, PyArray2<f32>> = &inputs;
        Arrays { inputs: inputs.clone().unbind(), labels, shape, names, sha256 }
    }
}

impl Arrays {
    /// The data set.
    pub fn open(&self) -> PyResult<DataSet> {
        let highest = self.labels.iter().max().map_or(0, |highest| highest + 1);
        let contents = Contents {
            len: self.labels.len(),
            shape: self.shape.clone(),
            classes: if self.names.is_empty() { highest } else { self.names.len() },
            class_names: self.names.clone(),
            ..Contents::default()
        };
        let source = Python::attach(|py| Held {
            inputs: self.inputs.clone_ref(py),
            labels: self.labels.clone(),
            sha256: self.sha256.clone(),
        });
        DataSet::from_source("memory", contents, source).map_err(|error| exception(&error.into()))
    }
}

struct Held {
    inputs: Py<PyArray2<f32>>,
    labels: Vec<usize>,
    sha256: String,
}

impl Source for Held {
    fn rows(&self) -> Result<Rows, DataError> {
        let inputs = Python::attach(|py| self.inputs.clone_ref(py));
        let labels = self.labels.clone();
        let row = move |(place, label)| {
            let input = Python::attach(|py| {
                let array = inputs.bind(py).readonly();
                array.as_array().row(place).to_vec()
            });
            Ok(Row { input: Raw::Floats(input), label })
        };
        Ok(Box::new(labels.into_iter().enumerate().map(row)))
    }

    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        let bytes = Python::attach(|py| self.inputs.bind(py).len() as u64 * 4);
        Ok(vec![FileDigest { file: "memory".into(), bytes, sha256: self.sha256.clone() }])
    }
}
