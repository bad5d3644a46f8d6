//! Where results may go: never over others.

use std::path::Path;

use super::files::{prepare, refused};
use super::journal::JOURNAL;
use super::manifest::MANIFEST;
use super::sums::SUMS;
use crate::Result;

/// Adversarial examples as arrays, and the list of their pictures.
pub(crate) const ADVERSARIALS: &str = "adversarials.npz";
pub(crate) const PICTURES: &str = "pictures.csv";
/// What a run keeps of itself while it goes on, and after.
const RUNS: [&str; 3] = [MANIFEST, JOURNAL, "log.jsonl"];
/// What else says that a directory holds results.
const RESULTS: [&str; 5] = [SUMS, "summary.json", "page.json", ADVERSARIALS, PICTURES];

/// Makes the directory of results that are written once: it must hold none yet.
///
/// # Errors
/// When it does, or the place cannot be written to.
pub fn prepare_new(directory: &Path) -> Result<()> {
    refuse(directory, RUNS.iter().chain(&RESULTS))?;
    prepare(directory)
}

/// Makes the directory of a command that goes on with what it finds of its own: it must not be that of a single run.
///
/// # Errors
/// When it is, or the place cannot be written to.
pub fn prepare_shared(directory: &Path) -> Result<()> {
    refuse(directory, RUNS.iter())?;
    prepare(directory)
}

/// Refuses a directory with one of these files, which would be written over or left beside others' results.
fn refuse<'a>(directory: &Path, mut files: impl Iterator<Item = &'a &'a str>) -> Result<()> {
    match files.find(|file| directory.join(file).exists()) {
        Some(file) => Err(refused(directory, format!("holds results already ({file})"))
            .advise("; give {out} another directory, or remove them")),
        None => Ok(()),
    }
}
