use std::io::Read;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::DataError;
use crate::input;

/// Which bytes a run has read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileDigest {
    /// The file's name without its directory. For `folder:` a list of files,
    /// and `sha256` is that of the lines `HASH  PATH` that `sha256sum` would print for the files
    /// in the order they are read, `labels.csv` first.
    pub file: String,
    /// The length, or the sum of the lengths.
    pub bytes: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

impl FileDigest {
    /// The digest of words that are no file's, but on which the samples depend.
    pub(crate) fn of_text(name: &str, text: &str) -> FileDigest {
        let mut hash = Sha256::new();
        hash.update(text);
        FileDigest { file: name.to_owned(), bytes: text.len() as u64, sha256: hex(hash) }
    }
}

pub(crate) fn digests<'a>(
    paths: impl IntoIterator<Item = &'a PathBuf>,
) -> Result<Vec<FileDigest>, DataError> {
    paths.into_iter().map(|path| digest(path)).collect()
}

/// The digest of one file.
///
/// # Errors
/// When it cannot be read.
pub fn digest(path: &Path) -> Result<FileDigest, DataError> {
    let (mut file, _) = input::open_file(path)?;
    let mut hash = Sha256::new();
    let mut bytes = 0;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut buffer).map_err(DataError::io(path))?;
        if n == 0 {
            break;
        }
        hash.update(&buffer[..n]);
        bytes += n as u64;
    }
    Ok(FileDigest {
        file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        bytes,
        sha256: hex(hash),
    })
}

pub(crate) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
