//! What an audit found, for Python.

use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::{Array, RecordBatch, StructArray};
use kennard::audit;
use pyo3::prelude::*;
use pyo3::types::PyCapsule;

use crate::run::exception;

/// What an audit found: the text of `summary.json`, and a table of the samples by the Arrow C data interface.
#[pyclass(frozen)]
pub struct Outcome {
    #[pyo3(get)]
    summary: String,
    samples: RecordBatch,
}

impl Outcome {
    pub fn new(outcome: audit::Outcome) -> PyResult<Outcome> {
        let raise = |error: kennard::Error| exception(&error);
        let summary = outcome.summary.to_json().map_err(raise)?;
        let samples = outcome.table().map_err(raise)?;
        Ok(Outcome { summary, samples })
    }
}

#[pymethods]
impl Outcome {
    /// How many samples there are.
    fn __len__(&self) -> usize {
        self.samples.num_rows()
    }

    /// The table of samples, as PyCapsules of schema and array.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        // Readers cast what they want otherwise, as the interface allows.
        drop(requested_schema);
        let raise = |error: arrow_schema::ArrowError| crate::KennardError::new_err(error.to_string());
        let data = StructArray::from(self.samples.clone()).into_data();
        let schema = FFI_ArrowSchema::try_from(data.data_type()).map_err(raise)?;
        let array = FFI_ArrowArray::new(&data);
        Ok((
            PyCapsule::new_with_value(py, schema, c"arrow_schema")?,
            PyCapsule::new_with_value(py, array, c"arrow_array")?,
        ))
    }
}
