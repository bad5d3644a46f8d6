//! `samples.parquet`: one row per sample.

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::{AttackRecord, Record, Summary};
use crate::attack::Leaves;
use crate::certify::{Bounded, CertifiedRadius};
use crate::data::guarded;
use crate::run::columns::Field;
use crate::run::files::parquet_bytes;
use crate::{Error, Result};

/// What a table has columns of.
pub(super) struct Sought<'a> {
    /// The names of attacks.
    pub attacks: Vec<&'a str>,
    /// The names of minimum-norm attacks.
    pub minimal: Vec<&'a str>,
    /// Whether any of them could break a sample: there is an epsilon.
    pub judged: bool,
    /// Whether certificates were sought.
    pub certified: bool,
    /// Whether certified radii were sought.
    pub radii: bool,
}

impl<'a> Sought<'a> {
    pub fn of(summary: &'a Summary) -> Sought<'a> {
        let (attacks, minimal) = summary.names();
        Sought {
            attacks,
            minimal,
            judged: summary.robust.is_some(),
            certified: summary.certified.is_some(),
            radii: summary.radii.is_some(),
        }
    }

    /// Whether a sample is robust; null while attacks on it are still to come, and where nothing says so: neither was it attacked
    /// within an epsilon, nor is it certified.
    fn robust(&self, record: &Record) -> Option<bool> {
        let said = record.is_lost() || self.judged || record.is_certified();
        (!record.pending && said).then(|| record.is_robust())
    }

    /// Whether something is still to come for a sample that was read, of which it was written whether it is robust.
    fn is_pending(&self, record: &Record, said: bool) -> bool {
        let open = match self.judged {
            true => !said,
            false if self.minimal.is_empty() => self.certified && record.bound.is_none(),
            false => record.minimal.iter().all(Option::is_none),
        };
        open && record.is_correct()
    }
}

/// The columns of a sample, and whether they may be null. Prediction and margin of a sample that could not be evaluated are null.
const SAMPLE: [(&str, bool, Field<Record>); 7] = [
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
];

/// The column that says which samples are robust.
const ROBUST: &str = "robust";

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

/// The column of attacks that prove; of other attacks it is not there.
const PROVED: (&str, Field<AttackRecord>) = ("proved", Field::Flag(|a| a.proved, |a, v| a.proved = v));

/// The bytes of the table.
pub(super) fn to_parquet(sought: &Sought, records: &[Record]) -> Result<Vec<u8>, String> {
    parquet_bytes(&to_batch(sought, records)?).map_err(|e| e.to_string())
}

/// The table.
pub(super) fn to_batch(sought: &Sought, records: &[Record]) -> Result<RecordBatch, String> {
    let rows: Vec<_> = records.iter().map(Some).collect();
    let mut columns: Vec<(String, ArrayRef, bool)> = SAMPLE
        .iter()
        .map(|(name, nullable, field)| ((*name).into(), field.array(&rows), *nullable))
        .collect();
    let robust = records.iter().map(|record| sought.robust(record));
    columns.push((ROBUST.into(), Arc::new(BooleanArray::from_iter(robust)), true));
    columns.extend(DISTANCES.iter().map(|(name, field)| ((*name).into(), field.array(&rows), true)));
    // What was sought has its columns, also where no sample has any.
    if sought.certified {
        columns.extend(BOUNDS.iter().map(|(name, field)| ((*name).into(), field.array(&rows), true)));
    }
    if sought.radii {
        columns.extend(RADII.iter().map(|(name, field)| ((*name).into(), field.array(&rows), true)));
    }
    let mut add = |attack: &str, name: String, entries: Vec<Option<&AttackRecord>>| {
        let of =
            |(column, field): &(&str, Field<_>)| (format!("{name}.{column}"), field.array(&entries), true);
        columns.extend(ATTACK.iter().map(of));
        let proves = attack == Leaves::NAME || entries.iter().flatten().any(|entry| entry.proved.is_some());
        columns.extend(proves.then(|| of(&PROVED)));
    };
    for (i, name) in sought.attacks.iter().enumerate() {
        add(name, name.to_string(), records.iter().map(|r| r.attacks.get(i)?.as_ref()).collect());
    }
    for (i, name) in sought.minimal.iter().enumerate() {
        add(name, format!("minimal.{name}"), records.iter().map(|r| r.minimal.get(i)?.as_ref()).collect());
    }
    RecordBatch::try_from_iter_with_nullable(columns).map_err(|e| e.to_string())
}

/// The records of a table that [`to_parquet`] made.
///
/// # Errors
/// When the file is missing, damaged, or another program's.
pub(super) fn from_parquet(path: &Path, sought: &Sought) -> Result<Vec<Record>> {
    let error = |message: String| Error::Run { path: path.into(), message };
    let file = std::fs::File::open(path).map_err(|e| error(format!("cannot be read: {e}")))?;
    let damaged = |problem: String| error(format!("is damaged ({problem}); run that part again"));
    let read = || -> std::result::Result<_, Box<dyn std::error::Error>> {
        let mut records = Vec::new();
        for batch in ParquetRecordBatchReaderBuilder::try_new(file)?.build()? {
            match rows(&batch?, sought) {
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
fn rows(batch: &RecordBatch, sought: &Sought) -> Result<Vec<Record>, String> {
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
    for name in &sought.attacks {
        let entries = entries(batch, name)?;
        records.iter_mut().zip(entries).for_each(|(record, entry)| record.attacks.push(entry));
    }
    for name in &sought.minimal {
        let entries = entries(batch, &format!("minimal.{name}"))?;
        records.iter_mut().zip(entries).for_each(|(record, entry)| record.minimal.push(entry));
    }
    let robust = batch.column_by_name(ROBUST).and_then(|column| column.as_boolean_opt()).ok_or(ROBUST)?;
    for (row, record) in records.iter_mut().enumerate() {
        record.pending = sought.is_pending(record, robust.is_valid(row));
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
    let _ = PROVED.1.read(batch, &format!("{attack}.{}", PROVED.0), &mut entries);
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
        let named = |attacks: &[&'static str], minimal: &[&'static str]| Sought {
            attacks: attacks.to_vec(),
            minimal: minimal.to_vec(),
            judged: true,
            certified: true,
            radii: true,
        };
        let (sought, one) = (named(&["a", "b"], &["c"]), named(&["a"], &[]));
        let path = std::env::temp_dir().join(format!("kennard-table-{}.parquet", std::process::id()));
        std::fs::write(&path, to_parquet(&sought, &records).unwrap()).unwrap();
        assert_eq!(from_parquet(&path, &sought).unwrap(), records);
        let unevaluated = Record { prediction: None, margin: f32::NAN, ..record(2, vec![None], vec![]) };
        let other = std::env::temp_dir().join(format!("kennard-table-{}-nan.parquet", std::process::id()));
        std::fs::write(&other, to_parquet(&one, &[unevaluated]).unwrap()).unwrap();
        let back = from_parquet(&other, &one).unwrap();
        std::fs::remove_file(&other).unwrap();
        assert!(back[0].prediction.is_none() && back[0].margin.is_nan() && !back[0].is_correct());
        let message = from_parquet(&path, &named(&["a", "d"], &[])).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(message.contains("d.broken"), "{message}");
    }

    /// Where no attack could break it, only a certificate says that a sample is robust; and reading tells what is pending all the same.
    #[test]
    fn nobody_calls_robust_what_nothing_tried() {
        let (attacks, minimal) = (Vec::new(), Vec::new());
        let sought = Sought { attacks, minimal, judged: false, certified: true, radii: false };
        let bound = |margin| Some(Bounded { margin, method: BoundMethod::Intervals });
        let record = |index, prediction, bound, pending| Record {
            index,
            prediction: Some(prediction),
            margin: 1.0,
            bound,
            pending,
            ..Record::default()
        };
        let records = [
            record(0, 0, bound(0.5), false),
            record(1, 0, bound(-0.5), false),
            record(2, 1, None, false),
            record(3, 0, None, true),
        ];
        let batch = to_batch(&sought, &records).unwrap();
        let robust = batch.column_by_name(ROBUST).unwrap().as_boolean().iter();
        assert_eq!(robust.collect::<Vec<_>>(), [Some(true), None, Some(false), None]);
        let read: Vec<bool> = rows(&batch, &sought).unwrap().iter().map(|record| record.pending).collect();
        assert_eq!(read, [false, false, false, true]);
        // Distances without an epsilon break nothing.
        let sought = Sought { minimal: vec!["fmn"], certified: false, ..sought };
        let found = Record { minimal: vec![Some(AttackRecord::default())], ..record(0, 0, None, false) };
        let waiting = Record { minimal: vec![None], ..record(1, 0, None, true) };
        let batch = to_batch(&sought, &[found, waiting]).unwrap();
        assert_eq!(batch.column_by_name(ROBUST).unwrap().null_count(), 2);
        let read: Vec<bool> = rows(&batch, &sought).unwrap().iter().map(|record| record.pending).collect();
        assert_eq!(read, [false, true]);
    }
    /// Which columns there are is for the settings to say: no sample has a bound where none is classified correctly.
    #[test]
    fn columns_follow_what_was_sought() {
        let columns = |certified: bool, radii: bool| -> Vec<String> {
            let (attacks, minimal) = (vec![Leaves::NAME], vec!["fmn"]);
            let sought = Sought { attacks, minimal, judged: true, certified, radii };
            let lost =
                Record { prediction: Some(1), attacks: vec![None], minimal: vec![None], ..Record::default() };
            let schema = to_batch(&sought, &[lost]).unwrap().schema();
            schema.fields().iter().map(|field| field.name().clone()).collect()
        };
        let has = |columns: &[String], name: &str| columns.iter().any(|column| column == name);
        let all = columns(true, true);
        for (name, _) in BOUNDS.iter().chain(&RADII) {
            assert!(has(&all, name) && !has(&columns(false, false), name), "{name}");
        }
        for name in ["leaves.proved", "minimal.fmn.norm", "distance.searched"] {
            assert!(has(&columns(false, false), name), "{name}");
        }
        assert!(!has(&all, "minimal.fmn.proved"));
    }
}
