use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float32Array, Float64Array, Int32Array, Int64Array, RecordBatch};
use arrow_schema::ArrowError;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{AttackRecord, Audit, Outcome, Record, Summary};
use crate::engine::Plan;
use crate::{Error, Result};

/// What was run, so that anyone can run it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Kennard's version.
    pub kennard: String,
    /// The command line.
    pub command: Vec<String>,
    /// The runtime and its version.
    pub runtime: String,
    /// How the engine fed it.
    pub plan: Plan,
    /// The attacks with their settings.
    pub attacks: Vec<serde_json::Value>,
}

impl Manifest {
    /// The manifest of an audit that was started by `command`.
    pub fn new(audit: &Audit, command: Vec<String>) -> Manifest {
        let runtime = audit.engine.runtime();
        Manifest {
            kennard: env!("CARGO_PKG_VERSION").into(),
            command,
            runtime: format!("{} {}", runtime.name(), runtime.version()),
            plan: audit.engine.plan(),
            attacks: audit.attacks.iter().map(|attack| json!({attack.name(): attack.settings()})).collect(),
        }
    }
}

/// Writes `manifest.json`, `samples.parquet` and `summary.json` into `directory`, which is made if
/// need be. Each file is whole or absent: it is written beside its place and moved there; the
/// summary comes last.
///
/// # Errors
/// When the directory cannot be written to, or the disk is full. Files of an earlier run that
/// were not replaced yet stay as they were.
pub fn write_run(directory: &Path, manifest: &Manifest, outcome: &Outcome) -> Result<()> {
    std::fs::create_dir_all(directory).map_err(|e| failed(directory, &e))?;
    let names: Vec<&str> = outcome.summary.attacks.iter().map(|attack| attack.name.as_str()).collect();
    let samples = samples_parquet(&names, &outcome.records)
        .map_err(|e| Error::Write { path: directory.join("samples.parquet"), message: e.to_string() })?;
    write_whole(&directory.join("manifest.json"), &to_json(manifest)?)?;
    write_whole(&directory.join("samples.parquet"), &samples)?;
    write_whole(&directory.join("summary.json"), &to_json(&outcome.summary)?)
}

impl Summary {
    /// The text of `summary.json`.
    ///
    /// # Errors
    /// When a figure cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        String::from_utf8(to_json(self)?).map_err(|e| Error::Summary(e.to_string()))
    }
}

fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| Error::Summary(e.to_string()))?;
    text.push(b'\n');
    Ok(text)
}

/// One row per sample. Columns of an attack are null where the sample was misclassified from the
/// start, its norm also where the attack failed.
fn samples_parquet(attacks: &[&str], records: &[Record]) -> Result<Vec<u8>, ParquetError> {
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("index".into(), Arc::new(Int64Array::from_iter_values(records.iter().map(|r| r.index as i64)))),
        ("label".into(), Arc::new(Int32Array::from_iter_values(records.iter().map(|r| r.label as i32)))),
        (
            "prediction".into(),
            Arc::new(Int32Array::from_iter_values(records.iter().map(|r| r.prediction as i32))),
        ),
        ("margin".into(), Arc::new(Float32Array::from_iter_values(records.iter().map(|r| r.margin)))),
        ("robust".into(), Arc::new(BooleanArray::from_iter(records.iter().map(|r| Some(r.is_robust()))))),
    ];
    for (i, name) in attacks.iter().enumerate() {
        let of = || records.iter().map(move |record| record.attacks.get(i));
        let count = |field: fn(&AttackRecord) -> u64| -> ArrayRef {
            Arc::new(Int64Array::from_iter(of().map(|a| a.map(|a| field(a) as i64))))
        };
        let arrays: [(&str, ArrayRef); 5] = [
            ("broken", Arc::new(BooleanArray::from_iter(of().map(|a| a.map(|a| a.broken))))),
            ("margin", Arc::new(Float32Array::from_iter(of().map(|a| a.map(|a| a.margin))))),
            ("norm", Arc::new(Float64Array::from_iter(of().map(|a| a.and_then(|a| a.norm))))),
            ("found_after", count(|a| a.found_after)),
            ("evaluations", count(|a| a.evaluations)),
        ];
        columns.extend(arrays.into_iter().map(|(column, array)| (format!("{name}.{column}"), array)));
    }
    let nullable = |(name, array): (String, ArrayRef)| {
        let of_attack = name.contains('.');
        (name, array, of_attack)
    };
    let batch = RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(nullable))
        .map_err(|e: ArrowError| ParquetError::ArrowError(e.to_string()))?;
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None)?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(bytes)
}

/// Writes a file that is whole or absent: beside its place first, and moved there.
///
/// # Errors
/// When the directory cannot be written to, or the disk is full.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory).map_err(|e| failed(path, &e))?;
    file.write_all(bytes).and_then(|()| file.as_file().sync_all()).map_err(|e| failed(path, &e))?;
    file.persist(path).map_err(|e| failed(path, &e.error))?;
    Ok(())
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    let cure = match error.kind() {
        std::io::ErrorKind::StorageFull => "; free some space, or give --out another disk",
        std::io::ErrorKind::PermissionDenied => "; give --out a directory you may write to",
        _ => "",
    };
    Error::Write { path: path.into(), message: format!("cannot be written: {error}{cure}") }
}
