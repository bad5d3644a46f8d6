//! Columns of a Parquet table, each with the field of a row that it holds: one list for writing and reading.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, ListArray, RecordBatch,
    StringArray,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::files::{failed_to_read, refused};
use crate::Result;
use crate::data::guarded;

/// The value of a row; none where the column is null.
type Get<R, T> = fn(&R) -> Option<T>;
/// Puts into a row what [`Get`] gave.
type Put<R, T> = fn(&mut R, Option<T>);

/// What a column of rows of type `R` holds.
pub(crate) enum Field<R> {
    /// True or false.
    Flag(Get<R, bool>, Put<R, bool>),
    /// True or false, following from other columns: it is written, and not read.
    Derived(Get<R, bool>),
    /// A class, in 32 bits.
    Class(Get<R, usize>, Put<R, usize>),
    /// A count, in 64 bits.
    Count(Get<R, u64>, Put<R, u64>),
    /// A number in single precision.
    Single(Get<R, f32>, Put<R, f32>),
    /// A number in double precision.
    Double(Get<R, f64>, Put<R, f64>),
    /// A text.
    Text(Get<R, String>, Put<R, String>),
    /// Numbers in single precision.
    List(Get<R, Vec<f32>>, Put<R, Vec<f32>>),
}

impl<R> Field<R> {
    /// The column of these rows; null where there is none.
    pub fn array(&self, rows: &[Option<&R>]) -> ArrayRef {
        fn of<R, T>(rows: &[Option<&R>], get: Get<R, T>) -> impl Iterator<Item = Option<T>> {
            rows.iter().map(move |row| row.and_then(get))
        }
        match *self {
            Field::Flag(get, _) | Field::Derived(get) => Arc::new(BooleanArray::from_iter(of(rows, get))),
            Field::Class(get, _) => {
                Arc::new(Int32Array::from_iter(of(rows, get).map(|v| v.map(|v| v as i32))))
            }
            Field::Count(get, _) => {
                Arc::new(Int64Array::from_iter(of(rows, get).map(|v| v.map(|v| v as i64))))
            }
            Field::Single(get, _) => Arc::new(Float32Array::from_iter(of(rows, get))),
            Field::Double(get, _) => Arc::new(Float64Array::from_iter(of(rows, get))),
            Field::Text(get, _) => Arc::new(StringArray::from_iter(of(rows, get))),
            Field::List(get, _) => {
                let lists = of(rows, get).map(|list| list.map(|list| list.into_iter().map(Some)));
                Arc::new(ListArray::from_iter_primitive::<Float32Type, _, _>(lists))
            }
        }
    }

    /// Fills in a column of all rows of a batch. Nothing where it is missing or of another type. Negative integers come
    /// out as numbers too large for the column.
    pub fn read(&self, batch: &RecordBatch, name: &str, rows: &mut [R]) -> Option<()> {
        fn put<R, T>(rows: &mut [R], set: Put<R, T>, values: impl Iterator<Item = Option<T>>) {
            rows.iter_mut().zip(values).for_each(|(row, value)| set(row, value));
        }
        let array = batch.column_by_name(name);
        match *self {
            Field::Derived(_) => {}
            Field::Flag(_, set) => put(rows, set, array?.as_boolean_opt()?.iter()),
            Field::Class(_, set) => {
                let values = array?.as_primitive_opt::<Int32Type>()?.iter();
                put(rows, set, values.map(|v| v.map(|v| v as usize)));
            }
            Field::Count(_, set) => {
                let values = array?.as_primitive_opt::<Int64Type>()?.iter();
                put(rows, set, values.map(|v| v.map(|v| v as u64)));
            }
            Field::Single(_, set) => put(rows, set, array?.as_primitive_opt::<Float32Type>()?.iter()),
            Field::Double(_, set) => put(rows, set, array?.as_primitive_opt::<Float64Type>()?.iter()),
            Field::Text(_, set) => {
                put(rows, set, array?.as_string_opt::<i32>()?.iter().map(|v| v.map(String::from)));
            }
            Field::List(_, set) => {
                let lists = array?.as_list_opt::<i32>()?;
                lists.values().as_primitive_opt::<Float32Type>()?;
                let values = |list: ArrayRef| list.as_primitive::<Float32Type>().values().to_vec();
                put(rows, set, lists.iter().map(|list| list.map(values)));
            }
        }
        Some(())
    }
}

/// What `read` makes of each batch of a Parquet file; an error says how the file is damaged.
pub(crate) fn batches<T>(file: File, read: impl Fn(&RecordBatch) -> T) -> Result<Vec<T>, String> {
    guarded(|| -> Result<_, Box<dyn std::error::Error>> {
        let batches = ParquetRecordBatchReaderBuilder::try_new(file)?.build()?;
        batches.map(|batch| Ok(read(&batch?))).collect()
    })
}

/// The records of a table of a run. `rows` makes those of a batch, or names a column that is missing or of another type; `sound`
/// says whether the records can be of a run.
///
/// # Errors
/// When the file is missing, damaged, or another program's.
pub(crate) fn records<R>(
    path: &Path,
    rows: impl Fn(&RecordBatch) -> Result<Vec<R>, String>,
    sound: impl Fn(&[R]) -> bool,
) -> Result<Vec<R>> {
    let file = File::open(path).map_err(|e| failed_to_read(path, &e))?;
    let damaged = |problem: &str| refused(path, format!("is damaged ({problem}); run that part again"));
    let mut records = Vec::new();
    for rows in batches(file, rows).map_err(|problem| damaged(&problem))? {
        records.extend(rows.map_err(|column| {
            let message = "of the right kind; was it written by this version of Kennard?";
            refused(path, format!("has no column `{column}` {message}"))
        })?);
    }
    match sound(&records) {
        true => Ok(records),
        false => Err(damaged("its numbers are negative, or its samples out of order")),
    }
}
