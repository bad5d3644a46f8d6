//! Files of results.

use std::io::ErrorKind;
use std::path::Path;

use arrow_array::RecordBatch;
use kennard_graph::files::{self, clear_strays, sync_directory};
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;
use serde::Serialize;

use crate::Error;

/// Writes a file that is whole or absent, as [`files::write_whole`] does.
///
/// # Errors
/// When the directory cannot be written to, or the disk is full.
pub fn write_whole(path: &Path, bytes: &[u8]) -> crate::Result<()> {
    files::write_whole(path, |file| file.write_all(bytes)).map_err(|e| failed(path, &e))
}

/// The directory that a file lies in.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes a directory and those that it lies in, where they are missing. When this returns, a power cut does
/// not take them away any more.
///
/// # Errors
/// When the place cannot be written to.
pub fn make_directory(path: &Path) -> crate::Result<()> {
    let missing = path.ancestors().take_while(|place| !place.as_os_str().is_empty() && !place.exists());
    let missing: Vec<&Path> = missing.collect();
    std::fs::create_dir_all(path).map_err(|e| failed(path, &e))?;
    missing.into_iter().try_for_each(|made| sync_directory(parent(made)).map_err(|e| failed(made, &e)))
}

/// Removes a file, for good.
pub(crate) fn remove(path: &Path) -> crate::Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        other => other.and_then(|()| sync_directory(parent(path))).map_err(|e| failed(path, &e)),
    }
}

/// Makes the directory of results, before the work and not after it, and removes what a killed process left half
/// written there.
///
/// # Errors
/// When the place cannot be written to.
pub fn prepare(directory: &Path) -> crate::Result<()> {
    make_directory(directory)?;
    clear_strays(directory);
    Ok(())
}

/// Pretty JSON with a line's end.
pub(crate) fn to_json_text(value: &impl Serialize) -> crate::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// The bytes of [`to_json_text`].
pub(crate) fn to_json(value: &impl Serialize) -> crate::Result<Vec<u8>> {
    to_json_text(value).map(String::into_bytes)
}

/// A table as a Parquet file.
pub(crate) fn parquet_bytes(table: &RecordBatch) -> Result<Vec<u8>, ParquetError> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, table.schema(), None)?;
    writer.write(table)?;
    writer.close()?;
    Ok(bytes)
}

/// The error of a file that could not be written, with its cure.
pub(crate) fn failed(path: &Path, error: &std::io::Error) -> Error {
    let failed = Error::Write { path: path.into(), message: format!("cannot be written: {error}") };
    match error.kind() {
        ErrorKind::StorageFull => failed.advise("; free some space, or give {out} another disk"),
        ErrorKind::PermissionDenied => failed.advise("; give {out} a directory you may write to"),
        _ => failed,
    }
}

/// The bytes of a file, or nothing where there is none.
pub(crate) fn read_if_there(path: &Path) -> crate::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed_to_read(path, &e)),
    }
}

/// The error of a directory or file that a run cannot use.
pub(crate) fn refused(path: &Path, message: impl Into<String>) -> Error {
    Error::Run { path: path.into(), message: message.into() }
}

/// The error of a file that could not be read.
pub(crate) fn failed_to_read(path: &Path, error: &std::io::Error) -> Error {
    refused(path, format!("cannot be read: {error}"))
}

/// The error of a file that is no JSON of the kind that it should be.
pub(crate) fn other_version(path: &Path, error: &serde_json::Error) -> Error {
    let message = format!(
        "is not of this version of Kennard, or damaged ({error}); run it again, or take the Kennard that wrote it"
    );
    refused(path, message)
}
