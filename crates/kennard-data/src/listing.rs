//! Images in files of their own, as directories and tables list them.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::DataError;
use crate::fingerprint::{self, FileDigest};
use crate::source::{Raw, Row, Rows};

/// The name of a table of files and labels.
pub(crate) const TABLE: &str = "labels.csv";

/// What macOS adds to the archives that it makes.
pub(crate) const ARCHIVE_REST: &[u8] = b"__MACOSX";

/// Whether what has this name in a directory or an archive is left out: it is hidden, or a rest of macOS.
pub(crate) fn is_hidden(name: &[u8]) -> bool {
    name.starts_with(b".") || name == ARCHIVE_REST
}

/// One digest of the list of the files' digests; there may be a million files.
pub(crate) fn fingerprint_list(
    root: &Path,
    table: Option<&Path>,
    rows: Rows,
) -> Result<Vec<FileDigest>, DataError> {
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let files = rows.filter_map(|row| match row {
        Ok(Row { input: Raw::File(path), .. }) => Some(Ok(path)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    });
    for path in table.map(|path| Ok(path.to_owned())).into_iter().chain(files) {
        let path = path?;
        let digest = fingerprint::digest(&path)?;
        let relative = path.strip_prefix(root).unwrap_or(&path).display().to_string();
        let relative = relative.replace('\\', "/");
        hash.update(format!("{}  {relative}\n", digest.sha256));
        bytes += digest.bytes;
    }
    Ok(vec![FileDigest { file: name(root), bytes, sha256: fingerprint::hex(hash) }])
}

/// The last part of a path.
pub(crate) fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
