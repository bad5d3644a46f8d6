//! `SHA256SUMS`: the digests of a directory's files, as `sha256sum --check SHA256SUMS` reads them. It is
//! written last, so that a directory with it is whole.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::data::digest;
use crate::run::files::{remove, write_whole};
use crate::{Error, Result};

/// The file's name.
pub(crate) const SUMS: &str = "SHA256SUMS";

/// The SHA-256 of some bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The digests that a directory should have, by file name.
#[derive(Debug)]
pub(crate) struct Sums {
    directory: PathBuf,
    digests: BTreeMap<String, String>,
}

impl Sums {
    /// Takes files out of the list: they are about to be written.
    pub fn forget(directory: &Path, names: &[&str]) -> Result<()> {
        Sums::kept(directory, names).put(directory)
    }

    /// Writes the digests that some files of a directory have now; those of others stay.
    pub fn write(directory: &Path, names: &[&str]) -> Result<()> {
        let mut sums = Sums::kept(directory, names);
        for name in names {
            sums.digests.insert((*name).into(), digest(&directory.join(name))?.sha256);
        }
        sums.put(directory)
    }

    /// The list without some files. A damaged one counts as empty.
    fn kept(directory: &Path, but: &[&str]) -> Sums {
        let sums = Sums::read(directory).ok().flatten();
        let mut sums = sums.unwrap_or(Sums { directory: directory.into(), digests: BTreeMap::new() });
        sums.digests.retain(|name, _| !but.contains(&name.as_str()) && directory.join(name).exists());
        sums
    }

    fn put(&self, directory: &Path) -> Result<()> {
        let path = directory.join(SUMS);
        if self.digests.is_empty() {
            return remove(&path);
        }
        let lines = self.digests.iter().map(|(name, digest)| format!("{digest}  {name}\n"));
        write_whole(&path, lines.collect::<String>().as_bytes())
    }

    /// The digests in a directory; nothing where it has none.
    pub fn read(directory: &Path) -> Result<Option<Sums>> {
        let path = directory.join(SUMS);
        let error = |message: String| Error::Run { path: path.clone(), message };
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(error(format!("cannot be read: {e}"))),
        };
        let entry = |line: &str| line.split_once("  ").map(|(digest, name)| (name.into(), digest.into()));
        let whole = String::from_utf8(text).ok().filter(|text| text.ends_with('\n'));
        let digests = whole.and_then(|text| text.lines().map(entry).collect());
        let digests = digests.ok_or_else(|| {
            error("is damaged; restore it from a copy, or remove it to read the directory unchecked".into())
        })?;
        Ok(Some(Sums { directory: directory.into(), digests }))
    }

    /// Whether a file is listed.
    #[cfg(feature = "report")]
    pub fn lists(&self, name: &str) -> bool {
        self.digests.contains_key(name)
    }

    /// Checks that a file is what was written.
    pub fn check(&self, name: &str) -> Result<()> {
        let path = self.directory.join(name);
        let stored = self.digests.get(name);
        if stored.is_none() && !path.exists() {
            return Ok(());
        }
        if path.exists() && stored == Some(&digest(&path)?.sha256) {
            return Ok(());
        }
        let what = match (stored, path.exists()) {
            (None, _) => format!("is not listed in {SUMS} beside it"),
            (_, false) => format!("cannot be read: it is missing, and {SUMS} beside it lists it"),
            _ => format!("is damaged or was changed: its SHA-256 is another than {SUMS} beside it says"),
        };
        let cure =
            format!("restore it from a copy or run again; remove {SUMS} to read the directory unchecked");
        Err(Error::Run { path, message: format!("{what}. {cure}") })
    }
}

/// Writes files into a directory, each whole or not at all, the digests of all in `SHA256SUMS` last.
///
/// # Errors
/// When the directory cannot be written to, or the disk is full.
pub fn write_set<N: AsRef<str>>(directory: &Path, files: &[(N, Vec<u8>)]) -> Result<()> {
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_ref()).collect();
    Sums::forget(directory, &names)?;
    files.iter().try_for_each(|(name, bytes)| write_whole(&directory.join(name.as_ref()), bytes))?;
    Sums::write(directory, &names)
}
