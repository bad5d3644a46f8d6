//! `samples.parquet`: one row per sample.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type, Int32Type, Int64Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch,
};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{AttackRecord, Record};
use crate::data::guarded;
use crate::run::files::parquet_bytes;
use crate::{Error, Result};

/// The bytes of the table. Columns of an attack are called after it, those of a minimum-norm attack after
/// `minimal` and it; they are null where it did not try, the norm and the prediction also where it failed. Whether
/// a sample is robust is null while attacks on it are still to come. Prediction and margin of a sample that could
/// not be evaluated are null.
pub(super) fn to_parquet(attacks: &[&str], minimal: &[&str], records: &[Record]) -> Result<Vec<u8>, String> {
    fn of<T>(records: &[Record], field: impl Fn(&Record) -> T) -> impl Iterator<Item = T> {
        records.iter().map(field)
    }
    let mut columns: Vec<(String, ArrayRef, bool)> = vec![
        ("index".into(), Arc::new(Int64Array::from_iter_values(of(records, |r| r.index as i64))), false),
        ("label".into(), Arc::new(Int32Array::from_iter_values(of(records, |r| r.label as i32))), false),
        (
            "prediction".into(),
            Arc::new(Int32Array::from_iter(of(records, |r| r.prediction.map(|class| class as i32)))),
            true,
        ),
        (
            "margin".into(),
            Arc::new(Float32Array::from_iter(of(records, |r| Some(r.margin).filter(|m| !m.is_nan())))),
            true,
        ),
        (
            "evaluated".into(),
            Arc::new(BooleanArray::from_iter(of(records, |r| Some(r.is_evaluated())))),
            false,
        ),
        ("random".into(), Arc::new(BooleanArray::from_iter(of(records, |r| Some(r.random)))), false),
        ("cosine".into(), Arc::new(Float64Array::from_iter(of(records, |r| r.cosine))), true),
        (
            "robust".into(),
            Arc::new(BooleanArray::from_iter(of(records, |r| (!r.pending).then(|| r.is_robust())))),
            true,
        ),
    ];
    for (i, name) in attacks.iter().enumerate() {
        let entries: Vec<_> = records.iter().map(|r| r.attacks.get(i).and_then(Option::as_ref)).collect();
        columns.extend(attack_columns(name, &entries));
    }
    for (i, name) in minimal.iter().enumerate() {
        let entries: Vec<_> = records.iter().map(|r| r.minimal.get(i).and_then(Option::as_ref)).collect();
        columns.extend(attack_columns(&format!("minimal.{name}"), &entries));
    }
    let batch = RecordBatch::try_from_iter_with_nullable(columns).map_err(|e| e.to_string())?;
    parquet_bytes(&batch).map_err(|e| e.to_string())
}

fn attack_columns(name: &str, entries: &[Option<&AttackRecord>]) -> Vec<(String, ArrayRef, bool)> {
    fn of<T>(
        entries: &[Option<&AttackRecord>],
        field: fn(&AttackRecord) -> T,
    ) -> impl Iterator<Item = Option<T>> {
        entries.iter().map(move |entry| entry.map(field))
    }
    let flag = |field| -> ArrayRef { Arc::new(BooleanArray::from_iter(of(entries, field))) };
    let count =
        |field: fn(&AttackRecord) -> i64| -> ArrayRef { Arc::new(Int64Array::from_iter(of(entries, field))) };
    let norms = entries.iter().map(|entry| entry.and_then(|a| a.norm));
    let predictions = entries.iter().map(|entry| entry.and_then(|a| a.prediction).map(|class| class as i32));
    let columns: [(&str, ArrayRef); 12] = [
        ("broken", flag(|a| a.broken)),
        ("within", flag(|a| a.within)),
        ("margin", Arc::new(Float32Array::from_iter(of(entries, |a| a.margin)))),
        ("norm", Arc::new(Float64Array::from_iter(norms))),
        ("prediction", Arc::new(Int32Array::from_iter(predictions))),
        ("found_after", count(|a| a.found_after as i64)),
        ("forwards", count(|a| a.forwards as i64)),
        ("backwards", count(|a| a.backwards as i64)),
        ("zero_gradients", count(|a| a.zero_gradients as i64)),
        ("non_finite_gradients", count(|a| a.non_finite_gradients as i64)),
        ("unanswered", count(|a| a.unanswered as i64)),
        ("disputed", flag(|a| a.disputed)),
    ];
    columns.into_iter().map(|(column, array)| (format!("{name}.{column}"), array, true)).collect()
}

/// The records of a table that [`to_parquet`] made.
///
/// # Errors
/// When the file is missing, damaged, or another program's.
pub(super) fn from_parquet(path: &Path, attacks: &[&str], minimal: &[&str]) -> Result<Vec<Record>> {
    let error = |message: String| Error::Run { path: path.into(), message };
    let file = std::fs::File::open(path).map_err(|e| error(format!("cannot be read: {e}")))?;
    let damaged = |problem: String| error(format!("is damaged ({problem}); run that part again"));
    let read = || -> std::result::Result<_, Box<dyn std::error::Error>> {
        let mut records = Vec::new();
        for batch in ParquetRecordBatchReaderBuilder::try_new(file)?.build()? {
            match (Columns { batch: &batch? }).records(attacks, minimal) {
                Ok(more) => records.extend(more),
                Err(column) => return Ok(Err(column)),
            }
        }
        Ok(Ok(records))
    };
    let records = guarded(read).map_err(damaged)?.map_err(|column| {
        error(format!(
            "has no column `{column}` of the right kind; was it written by this version of Kennard?"
        ))
    })?;
    // Numbers that came out negative are too large for any of the columns.
    let sound = |record: &Record| {
        let entries = record.attacks.iter().chain(&record.minimal).flatten();
        let counts = entries.flat_map(|a| [a.found_after, a.forwards, a.backwards, a.zero_gradients]);
        record.label.max(record.prediction.unwrap_or(0)) <= i32::MAX as usize
            && counts.max().unwrap_or(0) <= i64::MAX as u64
    };
    let ordered = records.is_sorted_by(|a, b| a.index < b.index);
    match records.iter().all(sound) && ordered && records.last().is_none_or(|r| r.index <= i64::MAX as usize)
    {
        true => Ok(records),
        false => Err(damaged("its numbers are negative, or its samples out of order".to_owned())),
    }
}

/// Typed access to a batch; an error is the name of a column that is missing or of another type.
struct Columns<'b> {
    batch: &'b RecordBatch,
}

type Missing = String;

impl Columns<'_> {
    fn get(&self, name: &str) -> Result<&ArrayRef, Missing> {
        self.batch.column_by_name(name).ok_or_else(|| name.to_string())
    }

    fn records(&self, attacks: &[&str], minimal: &[&str]) -> Result<Vec<Record>, Missing> {
        let index = self.get("index")?.as_primitive_opt::<Int64Type>().ok_or("index")?;
        let label = self.get("label")?.as_primitive_opt::<Int32Type>().ok_or("label")?;
        let prediction = self.get("prediction")?.as_primitive_opt::<Int32Type>().ok_or("prediction")?;
        let margin = self.get("margin")?.as_primitive_opt::<Float32Type>().ok_or("margin")?;
        let random = self.get("random")?.as_boolean_opt().ok_or("random")?;
        let cosine = self.get("cosine")?.as_primitive_opt::<Float64Type>().ok_or("cosine")?;
        let robust = self.get("robust")?.as_boolean_opt().ok_or("robust")?;
        let attacks: Vec<_> = attacks.iter().map(|name| self.attack(name)).collect::<Result<_, _>>()?;
        let minimal: Vec<_> =
            minimal.iter().map(|name| self.attack(&format!("minimal.{name}"))).collect::<Result<_, _>>()?;
        let record = |row: usize| Record {
            index: index.value(row) as usize,
            label: label.value(row) as usize,
            prediction: prediction.is_valid(row).then(|| prediction.value(row) as usize),
            margin: if margin.is_valid(row) { margin.value(row) } else { f32::NAN },
            random: random.value(row),
            cosine: cosine.is_valid(row).then(|| cosine.value(row)),
            pending: robust.is_null(row),
            attacks: attacks.iter().map(|entries| entries[row].clone()).collect(),
            minimal: minimal.iter().map(|entries| entries[row].clone()).collect(),
        };
        Ok((0..self.batch.num_rows()).map(record).collect())
    }

    fn attack(&self, name: &str) -> Result<Vec<Option<AttackRecord>>, Missing> {
        let column = |field: &str| format!("{name}.{field}");
        let flag = |field: &str| self.get(&column(field))?.as_boolean_opt().ok_or(column(field));
        let count =
            |field: &str| self.get(&column(field))?.as_primitive_opt::<Int64Type>().ok_or(column(field));
        let (broken, within, disputed) = (flag("broken")?, flag("within")?, flag("disputed")?);
        let margin =
            self.get(&column("margin"))?.as_primitive_opt::<Float32Type>().ok_or(column("margin"))?;
        let norm = self.get(&column("norm"))?.as_primitive_opt::<Float64Type>().ok_or(column("norm"))?;
        let prediction =
            self.get(&column("prediction"))?.as_primitive_opt::<Int32Type>().ok_or(column("prediction"))?;
        let found_after = count("found_after")?;
        let (forwards, backwards) = (count("forwards")?, count("backwards")?);
        let zero_gradients = count("zero_gradients")?;
        let (non_finite_gradients, unanswered) = (count("non_finite_gradients")?, count("unanswered")?);
        let entry = |row: usize| {
            broken.is_valid(row).then(|| AttackRecord {
                broken: broken.value(row),
                within: within.value(row),
                margin: margin.value(row),
                norm: norm.is_valid(row).then(|| norm.value(row)),
                prediction: prediction.is_valid(row).then(|| prediction.value(row) as usize),
                found_after: found_after.value(row) as u64,
                forwards: forwards.value(row) as u64,
                backwards: backwards.value(row) as u64,
                zero_gradients: zero_gradients.value(row) as u64,
                non_finite_gradients: non_finite_gradients.value(row) as u64,
                unanswered: unanswered.value(row) as u64,
                disputed: disputed.value(row),
            })
        };
        Ok((0..self.batch.num_rows()).map(entry).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let tried = AttackRecord {
            broken: true,
            within: true,
            non_finite_gradients: 2,
            margin: -0.1,
            norm: Some(0.3),
            prediction: Some(4),
            found_after: 7,
            ..Default::default()
        };
        let stood =
            AttackRecord { margin: 0.25, forwards: 3, unanswered: 1, disputed: true, ..Default::default() };
        let record = |index, attacks, minimal| Record {
            index,
            label: 3,
            prediction: Some(3),
            margin: 1.5,
            random: index == 1,
            cosine: (index == 1).then_some(0.1),
            pending: index == 2,
            attacks,
            minimal,
        };
        let records = vec![
            record(0, vec![Some(tried.clone()), None], vec![Some(tried)]),
            record(1, vec![None, Some(stood.clone())], vec![None]),
            record(2, vec![None, None], vec![None]),
        ];
        let path = std::env::temp_dir().join(format!("kennard-table-{}.parquet", std::process::id()));
        std::fs::write(&path, to_parquet(&["a", "b"], &["c"], &records).unwrap()).unwrap();
        assert_eq!(from_parquet(&path, &["a", "b"], &["c"]).unwrap(), records);
        let unevaluated = Record { prediction: None, margin: f32::NAN, ..record(2, vec![None], vec![]) };
        let other = std::env::temp_dir().join(format!("kennard-table-{}-nan.parquet", std::process::id()));
        std::fs::write(&other, to_parquet(&["a"], &[], &[unevaluated]).unwrap()).unwrap();
        let back = from_parquet(&other, &["a"], &[]).unwrap();
        std::fs::remove_file(&other).unwrap();
        assert!(back[0].prediction.is_none() && back[0].margin.is_nan() && !back[0].is_correct());
        let message = from_parquet(&path, &["a", "d"], &[]).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(message.contains("d.broken"), "{message}");
    }
}
