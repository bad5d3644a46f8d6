//! `samples.parquet`: one row per sample.

use std::path::Path;

use arrow_array::{Array, ArrayRef, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{AttackRecord, Record};
use crate::certify::{Bounded, CertifiedRadius};
use crate::data::guarded;
use crate::run::columns::Field;
use crate::run::files::parquet_bytes;
use crate::{Error, Result};

/// The columns of a sample, and whether they may be null. Whether a sample is robust is null while attacks on it are
/// still to come. Prediction and margin of a sample that could not be evaluated are null.
const SAMPLE: [(&str, bool, Field<Record>); 8] = [
    ("index", false, Field::Count(|r| Some(r.index as u64), |r, v| r.index = v.unwrap_or_default() as usize)),
    ("label", false, Field::Class(|r| Some(r.label), |r, v| r.label = v.unwrap_or_default())),
    ("prediction", true, Field::Class(|r| r.prediction, |r, v| r.prediction = v)),
    (
        "margin",
        true,
        Field::Single(|r| Some(r.margin).filter(|m| !m.is_nan()), |r, v| r.margin = v.unwrap_or(f32::NAN)),
    ),
    ("evaluated", false, Field::Derived(|r| Some(r.is_evaluated()))),
    ("random", false, Field::Flag(|r| Some(r.random), |r, v| r.random = v.unwrap_or_default())),
    ("cosine", true, Field::Double(|r| r.cosine, |r, v| r.cosine = v)),
    ("robust", true, Field::Flag(|r| (!r.pending).then(|| r.is_robust()), |r, v| r.pending = v.is_none())),
];

/// Columns of distances to the decision boundary, null where they were not measured. Tables from before have none.
const DISTANCES: [(&str, Field<Record>); 9] = [
    (
        "distance.first_order",
        Field::Double(|r| r.predictions.first_order, |r, v| r.predictions.first_order = v),
    ),
    ("distance.packet", Field::Double(|r| r.predictions.packet, |r, v| r.predictions.packet = v)),
    (
        "distance.packet.low",
        Field::Double(
            |r| Some(r.predictions.packet_interval?[0]),
            |r, v| r.predictions.packet_interval = v.map(|v| [v; 2]),
        ),
    ),
    (
        "distance.packet.high",
        Field::Double(
            |r| Some(r.predictions.packet_interval?[1]),
            |r, v| set_high(&mut r.predictions.packet_interval, v),
        ),
    ),
    ("distance.radius", Field::Double(|r| r.predictions.radius, |r, v| r.predictions.radius = v)),
    (
        "distance.radius.low",
        Field::Double(
            |r| Some(r.predictions.radius_interval?[0]),
            |r, v| r.predictions.radius_interval = v.map(|v| [v; 2]),
        ),
    ),
    (
        "distance.radius.high",
        Field::Double(
            |r| Some(r.predictions.radius_interval?[1]),
            |r, v| set_high(&mut r.predictions.radius_interval, v),
        ),
    ),
    ("distance.searched", Field::Double(|r| r.predictions.searched, |r, v| r.predictions.searched = v)),
    (
        "distance.gradient_norm",
        Field::Double(|r| r.predictions.gradient_norm, |r, v| r.predictions.gradient_norm = v),
    ),
];

/// Columns of certificates, in tables of runs that sought some; null where nothing was tried.
const BOUNDS: [(&str, Field<Record>); 3] = [
    ("certified", Field::Derived(|r| r.bound.map(|bound| bound.is_certified()))),
    (
        "bound.margin",
        Field::Single(
            |r| Some(r.bound?.margin),
            |r, v| r.bound = v.map(|margin| Bounded { margin, ..Bounded::default() }),
        ),
    ),
    (
        "bound.method",
        Field::Text(
            |r| Some(r.bound?.method.to_string()),
            |r, v| {
                r.bound = r
                    .bound
                    .zip(v.and_then(|v| v.parse().ok()))
                    .map(|(bound, method)| Bounded { method, ..bound })
            },
        ),
    ),
];

/// Columns of certified radii, in tables of runs that sought some; null where nothing was tried.
const RADII: [(&str, Field<Record>); 2] = [
    (
        "certified.radius",
        Field::Double(
            |r| Some(r.radius?.radius),
            |r, v| r.radius = v.map(|radius| CertifiedRadius { radius, ..CertifiedRadius::default() }),
        ),
    ),
    (
        "certified.radius.method",
        Field::Text(
            |r| Some(r.radius?.method.to_string()),
            |r, v| {
                r.radius = r
                    .radius
                    .zip(v.and_then(|v| v.parse().ok()))
                    .map(|(found, method)| CertifiedRadius { method, ..found })
            },
        ),
    ),
];

/// The upper end of an interval whose lower end was read before.
fn set_high(interval: &mut Option<[f64; 2]>, high: Option<f64>) {
    *interval = interval.zip(high).map(|([low, _], high)| [low, high]);
}

/// The columns of an attack, after its name, those of a minimum-norm attack after `minimal` and its name. They are null
/// where it did not try, the norm and the prediction also where it failed.
const ATTACK: [(&str, Field<AttackRecord>); 12] = [
    ("broken", Field::Flag(|a| Some(a.broken), |a, v| a.broken = v.unwrap_or_default())),
    ("within", Field::Flag(|a| Some(a.within), |a, v| a.within = v.unwrap_or_default())),
    ("margin", Field::Single(|a| Some(a.margin), |a, v| a.margin = v.unwrap_or_default())),
    ("norm", Field::Double(|a| a.norm, |a, v| a.norm = v)),
    ("prediction", Field::Class(|a| a.prediction, |a, v| a.prediction = v)),
    ("found_after", Field::Count(|a| Some(a.found_after), |a, v| a.found_after = v.unwrap_or_default())),
    ("forwards", Field::Count(|a| Some(a.forwards), |a, v| a.forwards = v.unwrap_or_default())),
    ("backwards", Field::Count(|a| Some(a.backwards), |a, v| a.backwards = v.unwrap_or_default())),
    (
        "zero_gradients",
        Field::Count(|a| Some(a.zero_gradients), |a, v| a.zero_gradients = v.unwrap_or_default()),
    ),
    (
        "non_finite_gradients",
        Field::Count(|a| Some(a.non_finite_gradients), |a, v| a.non_finite_gradients = v.unwrap_or_default()),
    ),
    ("unanswered", Field::Count(|a| Some(a.unanswered), |a, v| a.unanswered = v.unwrap_or_default())),
    ("disputed", Field::Flag(|a| Some(a.disputed), |a, v| a.disputed = v.unwrap_or_default())),
];

/// The bytes of the table.
pub(super) fn to_parquet(attacks: &[&str], minimal: &[&str], records: &[Record]) -> Result<Vec<u8>, String> {
    parquet_bytes(&to_batch(attacks, minimal, records)?).map_err(|e| e.to_string())
}

/// The table.
pub(super) fn to_batch(
    attacks: &[&str],
    minimal: &[&str],
    records: &[Record],
) -> Result<RecordBatch, String> {
    let rows: Vec<_> = records.iter().map(Some).collect();
    let mut columns: Vec<(String, ArrayRef, bool)> = SAMPLE
        .iter()
        .map(|(name, nullable, field)| ((*name).into(), field.array(&rows), *nullable))
        .collect();
    columns.extend(DISTANCES.iter().map(|(name, field)| ((*name).into(), field.array(&rows), true)));
    if records.iter().any(|record| record.bound.is_some()) {
        columns.extend(BOUNDS.iter().map(|(name, field)| ((*name).into(), field.array(&rows), true)));
    }
    if records.iter().any(|record| record.radius.is_some()) {
        columns.extend(RADII.iter().map(|(name, field)| ((*name).into(), field.array(&rows), true)));
    }
    let mut add = |name: String, entries: Vec<Option<&AttackRecord>>| {
        let of =
            |(column, field): &(&str, Field<_>)| (format!("{name}.{column}"), field.array(&entries), true);
        columns.extend(ATTACK.iter().map(of));
    };
    for (i, name) in attacks.iter().enumerate() {
        add(name.to_string(), records.iter().map(|r| r.attacks.get(i)?.as_ref()).collect());
    }
    for (i, name) in minimal.iter().enumerate() {
        add(format!("minimal.{name}"), records.iter().map(|r| r.minimal.get(i)?.as_ref()).collect());
    }
    RecordBatch::try_from_iter_with_nullable(columns).map_err(|e| e.to_string())
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
            match rows(&batch?, attacks, minimal) {
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

/// The records of a batch; an error is the name of a column that is missing or of another type.
fn rows(batch: &RecordBatch, attacks: &[&str], minimal: &[&str]) -> Result<Vec<Record>, String> {
    let mut records = vec![Record::default(); batch.num_rows()];
    for (name, _, field) in &SAMPLE {
        field.read(batch, name, &mut records).ok_or(*name)?;
    }
    for (name, field) in &DISTANCES {
        let _ = field.read(batch, name, &mut records);
    }
    for (name, field) in BOUNDS.iter().chain(&RADII) {
        let _ = field.read(batch, name, &mut records);
    }
    for name in attacks {
        let entries = entries(batch, name)?;
        records.iter_mut().zip(entries).for_each(|(record, entry)| record.attacks.push(entry));
    }
    for name in minimal {
        let entries = entries(batch, &format!("minimal.{name}"))?;
        records.iter_mut().zip(entries).for_each(|(record, entry)| record.minimal.push(entry));
    }
    Ok(records)
}

/// What one attack achieved on each sample.
fn entries(batch: &RecordBatch, attack: &str) -> Result<Vec<Option<AttackRecord>>, String> {
    let mut entries = vec![AttackRecord::default(); batch.num_rows()];
    for (column, field) in &ATTACK {
        let name = format!("{attack}.{column}");
        field.read(batch, &name, &mut entries).ok_or(name)?;
    }
    let tried = batch.column_by_name(&format!("{attack}.broken"));
    let tried = |row: usize| tried.is_some_and(|column| column.is_valid(row));
    Ok(entries.into_iter().enumerate().map(|(row, entry)| tried(row).then_some(entry)).collect())
}

#[cfg(test)]
mod tests {
    use super::super::Predictions;
    use super::*;
    use crate::certify::BoundMethod;

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
            bound: (index < 2).then_some(Bounded { margin: index as f32 - 0.5, method: BoundMethod::Crown }),
            radius: (index < 2).then(|| {
                let radius = if index == 0 { f64::INFINITY } else { 0.125 };
                CertifiedRadius { radius, method: BoundMethod::CrownIbp }
            }),
            predictions: Predictions {
                packet: Some(0.25),
                packet_interval: (index == 1).then_some([0.2, 0.3]),
                radius: (index == 0).then_some(0.5),
                ..Default::default()
            },
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
