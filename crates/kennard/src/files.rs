//! Files of results.

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use crate::{Error, Result};

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

/// Pretty JSON with a line's end.
pub(crate) fn to_json(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = serde_json::to_vec_pretty(value).map_err(|e| Error::Summary(e.to_string()))?;
    text.push(b'\n');
    Ok(text)
}

/// The error of a file that could not be written, with its cure.
pub(crate) fn failed(path: &Path, error: &std::io::Error) -> Error {
    let cure = match error.kind() {
        std::io::ErrorKind::StorageFull => "; free some space, or give --out another disk",
        std::io::ErrorKind::PermissionDenied => "; give --out a directory you may write to",
        _ => "",
    };
    Error::Write { path: path.into(), message: format!("cannot be written: {error}{cure}") }
}
