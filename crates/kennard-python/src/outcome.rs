//! What was found, for Python.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::ffi::{FFI_ArrowArray, FFI_ArrowSchema};
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray, StructArray};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType};
use kennard::calibration::{Bin, Calibration};
use kennard::train::Epoch;
use numpy::PyArray1;
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyCapsule, PyType};

use crate::KennardError;
use crate::run::exception;

/// What was found: figures as JSON, and a table by the Arrow C data interface.
#[pyclass(frozen, module = "kennard._kennard")]
pub struct Outcome {
    #[pyo3(get)]
    summary: String,
    table: RecordBatch,
}

impl Outcome {
    /// The figures, as JSON, and the table.
    pub fn new(summary: String, table: RecordBatch) -> Outcome {
        Outcome { summary, table }
    }

    /// What the library found: its figures as JSON and its table, which may fail to be made.
    pub fn found(summary: kennard::Result<String>, table: kennard::Result<RecordBatch>) -> PyResult<Outcome> {
        let summary = summary.map_err(|error| exception(&error))?;
        Ok(Outcome { summary, table: table.map_err(|error| exception(&error))? })
    }
}

fn raise(error: &ArrowError) -> PyErr {
    KennardError::new_err(error.to_string())
}

/// A class, and what it is called with.
type Made<'py> = (Bound<'py, PyType>, (String, Bound<'py, PyBytes>));

#[pymethods]
impl Outcome {
    /// The figures, as JSON, and the table as a stream of Arrow's; what `__reduce__` gives.
    #[new]
    fn restored(summary: String, table: &[u8]) -> PyResult<Outcome> {
        let mut batches = StreamReader::try_new(table, None).map_err(|error| raise(&error))?;
        let first = batches.next().transpose().map_err(|error| raise(&error))?;
        let table = first.unwrap_or_else(|| RecordBatch::new_empty(batches.schema()));
        Ok(Outcome { summary, table })
    }

    /// What pickles and copies are made of.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Made<'py>> {
        let Outcome { summary, table } = slf.get();
        let mut bytes = Vec::new();
        let write = |bytes: &mut Vec<u8>| {
            let mut writer = StreamWriter::try_new(bytes, &table.schema())?;
            writer.write(table)?;
            writer.finish()
        };
        write(&mut bytes).map_err(|error| raise(&error))?;
        Ok((slf.get_type(), (summary.clone(), PyBytes::new(slf.py(), &bytes))))
    }

    /// How many rows the table has.
    fn __len__(&self) -> usize {
        self.table.num_rows()
    }

    /// The names of the table's columns.
    #[getter]
    fn columns(&self) -> Vec<String> {
        self.table.schema().fields().iter().map(|field| field.name().clone()).collect()
    }

    /// A column of numbers or truths, in double precision; NaN where there is none.
    fn column<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyArray1<f64>>> {
        let array = self.table.column_by_name(name).ok_or_else(|| {
            PyKeyError::new_err(format!("there is no column {name}; known are {}", self.columns().join(", ")))
        })?;
        fn of<T: Copy + Into<f64>>(values: impl Iterator<Item = Option<T>>) -> Vec<f64> {
            values.map(|value| value.map_or(f64::NAN, Into::into)).collect()
        }
        let values = match array.data_type() {
            DataType::Boolean => of(array.as_boolean().iter().map(|v| v.map(u8::from))),
            DataType::Int32 => of(array.as_primitive::<Int32Type>().iter()),
            DataType::Int64 => array
                .as_primitive::<Int64Type>()
                .iter()
                .map(|value| value.map_or(f64::NAN, |value| value as f64))
                .collect(),
            DataType::Float32 => of(array.as_primitive::<Float32Type>().iter()),
            DataType::Float64 => of(array.as_primitive::<Float64Type>().iter()),
            other => {
                return Err(PyTypeError::new_err(format!("{name} is a column of {other}, not of numbers")));
            }
        };
        Ok(PyArray1::from_vec(py, values))
    }

    /// The table, as PyCapsules of schema and array.
    #[pyo3(signature = (requested_schema=None))]
    fn __arrow_c_array__<'py>(
        &self,
        py: Python<'py>,
        requested_schema: Option<Bound<'py, PyAny>>,
    ) -> PyResult<(Bound<'py, PyCapsule>, Bound<'py, PyCapsule>)> {
        // Readers cast what they want otherwise, as the interface allows.
        drop(requested_schema);
        let data = StructArray::from(self.table.clone()).into_data();
        let schema = FFI_ArrowSchema::try_from(data.data_type()).map_err(|error| raise(&error))?;
        let array = FFI_ArrowArray::new(&data);
        Ok((
            PyCapsule::new_with_value(py, schema, c"arrow_schema")?,
            PyCapsule::new_with_value(py, array, c"arrow_array")?,
        ))
    }
}

/// The table of a training run: a row per epoch.
pub fn epochs(epochs: &[Epoch]) -> PyResult<RecordBatch> {
    let doubles = |of: fn(&Epoch) -> Option<f64>| -> ArrayRef {
        Arc::new(Float64Array::from_iter(epochs.iter().map(of)))
    };
    let counts: Int64Array = epochs.iter().map(|epoch| Some(epoch.epoch as i64)).collect();
    let columns: [(&str, ArrayRef, bool); 6] = [
        ("epoch", Arc::new(counts), false),
        ("loss", doubles(|epoch| Some(epoch.loss)), false),
        ("train_accuracy", doubles(|epoch| Some(epoch.train_accuracy)), false),
        ("validation_accuracy", doubles(|epoch| epoch.validation_accuracy), true),
        ("robust_validation_accuracy", doubles(|epoch| epoch.robust_validation_accuracy), true),
        ("seconds", doubles(|epoch| Some(epoch.seconds)), false),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).map_err(|error| raise(&error))
}

/// The table of a calibration: a row per bin of confidence, before and after.
pub fn bins(found: &Calibration) -> PyResult<RecordBatch> {
    let rows: Vec<(&str, &Bin)> = [("before", &found.before), ("after", &found.after)]
        .into_iter()
        .flat_map(|(when, quality)| quality.bins.iter().map(move |bin| (when, bin)))
        .collect();
    let counts = |of: fn(&Bin) -> u64| -> ArrayRef {
        Arc::new(rows.iter().map(|(_, bin)| Some(of(bin) as i64)).collect::<Int64Array>())
    };
    let confidence = Float64Array::from_iter(rows.iter().map(|(_, bin)| Some(bin.confidence)));
    let columns: [(&str, ArrayRef, bool); 4] = [
        ("when", Arc::new(StringArray::from_iter_values(rows.iter().map(|(when, _)| when))), false),
        ("confidence", Arc::new(confidence), false),
        ("samples", counts(|bin| bin.samples), false),
        ("correct", counts(|bin| bin.correct), false),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).map_err(|error| raise(&error))
}
