//! `samples.parquet`: one row per sample.

mod fields;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};

use fields::{ATTACK, BOUNDS, DISTANCES, PROVED, RADII, ROBUST, SAMPLE};

use super::{AttackRecord, Record, Summary};
use crate::Result;
use crate::attack::Leaves;
use crate::run::columns::{self, Field};
use crate::run::files::parquet_bytes;

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
    // Numbers that came out negative are too large for any of the columns.
    let sound = |record: &Record| {
        let entries = record.attacks.iter().chain(&record.minimal).flatten();
        let counts = entries.flat_map(|a| [a.found_after, a.forwards, a.backwards, a.zero_gradients]);
        record.label.max(record.prediction.unwrap_or(0)) <= i32::MAX as usize
            && counts.max().unwrap_or(0) <= i64::MAX as u64
    };
    let ordered = |records: &[Record]| {
        records.is_sorted_by(|a, b| a.index < b.index)
            && records.last().is_none_or(|r| r.index <= i64::MAX as usize)
    };
    columns::records(
        path,
        |batch| rows(batch, sought),
        |records| records.iter().all(sound) && ordered(records),
    )
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
