//! Samples in Python's memory.

use kennard::data::{Contents, DataError, DataSet, FileDigest, Raw, Row, Rows, Source};
use numpy::{PyArray2, PyArrayMethods, PyReadonlyArray1};
use pyo3::prelude::*;

use crate::live::{Raised, keep};
use crate::run::{ARRAYS, exception};

/// Samples that NumPy holds, read where they are, or that an object reads one by one.
#[pyclass(frozen)]
pub struct Arrays {
    inputs: Inputs,
    labels: Vec<usize>,
    shape: Vec<usize>,
    names: Vec<String>,
    sha256: String,
}

/// Where the inputs are.
#[derive(FromPyObject)]
enum Inputs {
    /// n×d, row-major.
    #[pyo3(transparent)]
    Array(Py<PyArray2<f32>>),
    /// An object whose method `row(place)` returns a flat array of d elements.
    #[pyo3(transparent)]
    Reader(Py<PyAny>),
}

impl Inputs {
    fn clone_ref(&self, py: Python<'_>) -> Inputs {
        match self {
            Inputs::Array(array) => Inputs::Array(array.clone_ref(py)),
            Inputs::Reader(reader) => Inputs::Reader(reader.clone_ref(py)),
        }
    }

    fn row(&self, place: usize) -> PyResult<Vec<f32>> {
        Python::attach(|py| match self {
            Inputs::Array(array) => Ok(array.bind(py).readonly().as_array().row(place).to_vec()),
            Inputs::Reader(reader) => {
                let row = reader.bind(py).call_method1("row", (place,))?;
                Ok(row.extract::<PyReadonlyArray1<f32>>()?.as_slice()?.to_vec())
            }
        })
    }
}

#[pymethods]
impl Arrays {
    /// `inputs` is an array n×d, row-major, or has a method `row(place)`; `labels` (n); `shape` is that of one sample, of d
    /// elements; `sha256` is the digest of both.
    #[new]
    fn new(
        inputs: Inputs,
        labels: Vec<usize>,
        shape: Vec<usize>,
        names: Vec<String>,
        sha256: String,
    ) -> Arrays {
        Arrays { inputs, labels, shape, names, sha256 }
    }

    /// How many samples there are.
    fn __len__(&self) -> usize {
        self.labels.len()
    }
}

impl Arrays {
    /// The data set. `raised` keeps what a reader raises.
    pub fn open(&self, raised: &Raised) -> PyResult<DataSet> {
        let highest = self.labels.iter().max().map_or(0, |highest| highest + 1);
        let contents = Contents {
            len: self.labels.len(),
            shape: self.shape.clone(),
            classes: if self.names.is_empty() { highest } else { self.names.len() },
            class_names: self.names.clone(),
            ..Contents::default()
        };
        let source = Held {
            inputs: Python::attach(|py| self.inputs.clone_ref(py)),
            labels: self.labels.clone(),
            bytes: (self.labels.len() * self.shape.iter().product::<usize>() * size_of::<f32>()) as u64,
            sha256: self.sha256.clone(),
            raised: raised.clone(),
        };
        DataSet::from_source(ARRAYS, contents, source).map_err(|error| exception(&error.into()))
    }
}

struct Held {
    inputs: Inputs,
    labels: Vec<usize>,
    bytes: u64,
    sha256: String,
    raised: Raised,
}

impl Source for Held {
    fn rows(&self) -> Result<Rows, DataError> {
        let inputs = Python::attach(|py| self.inputs.clone_ref(py));
        let (labels, raised) = (self.labels.clone(), self.raised.clone());
        let row = move |(place, label)| match inputs.row(place) {
            Ok(input) => Ok(Row { input: Raw::Floats(input), label }),
            Err(error) => Err(DataError::Option { problem: keep(&raised, error) }),
        };
        Ok(Box::new(labels.into_iter().enumerate().map(row)))
    }

    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        Ok(vec![FileDigest { file: "memory".into(), bytes: self.bytes, sha256: self.sha256.clone() }])
    }
}
