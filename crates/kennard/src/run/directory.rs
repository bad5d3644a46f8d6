//! The directory of a run that is under way: `manifest.json` says what is run, `journal.jsonl` keeps entries as they
//! finish. A directory with a journal is of an unfinished run, whatever else is there: removing the journal is what
//! ends a run.

use std::path::{Path, PathBuf};

use kennard_graph::files::clear_strays;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::files::{make_directory, refused, remove, to_json, write_whole};
use super::journal::{Contents, JOURNAL, Journal, is_begun};
use super::manifest::{MANIFEST, Manifest, same_as_kept, same_settings, stored_before};
use super::sums::{Sums, sha256};
use crate::data::DataError;
use crate::{Error, Result};

/// The file of the results that is written last.
pub(crate) const SUMMARY: &str = "summary.json";

/// The directory of a run under way, kept from other processes.
pub(crate) struct Directory<R> {
    path: PathBuf,
    journal: Journal,
    /// What an earlier, interrupted run finished.
    pub entries: Vec<R>,
    /// What is damaged of it, for people; what came before it is kept.
    pub damage: Option<String>,
    /// Whether there is an entry.
    kept: bool,
    /// Whether the manifest is of this run alone: no finished run was there.
    own: bool,
}

impl<R: Serialize + DeserializeOwned> Directory<R> {
    /// Opens a directory for a run, made if need be. With `resume`, the entries of an interrupted run of the same
    /// settings are taken over, up to the first that is damaged. `place` says which sample an entry is of, or why it
    /// is none of this run; `results` are the files that the run will write.
    ///
    /// # Errors
    /// When the directory cannot be written to, is in use, holds a run of other settings (the message names the
    /// difference), a damaged one, or an unfinished one and `resume` is not set.
    pub fn open<S: Serialize + DeserializeOwned>(
        path: &Path,
        manifest: &Manifest<S>,
        results: &[&str],
        resume: bool,
        place: impl Fn(&R) -> std::result::Result<usize, String>,
    ) -> Result<Directory<R>> {
        make_directory(path)?;
        let stored = stored_before::<Manifest<S>>(path)?;
        let begun = is_begun(path);
        if let Some((earlier, _)) = stored.as_ref().filter(|_| !begun) {
            same_settings(path, &earlier.settings, &manifest.settings)?;
        }
        let (mut journal, text) = Journal::open(path)?;
        clear_strays(path);
        let file = path.join(JOURNAL);
        let contents = Contents::of(&text, &file, place)?;
        let belongs = match (&contents.manifest, &stored) {
            (Some(named), Some((_, digest))) => named == digest,
            _ => false,
        };
        let kept = contents.entries.len();
        if kept > 0 && !belongs {
            return Err(refused(
                &file,
                "does not belong to manifest.json beside it: one of them is damaged, missing, or of another run. Restore \
                 it from a copy, or remove both to begin anew",
            ));
        }
        if let Some((earlier, _)) = &stored {
            same_as_kept(path, kept, &earlier.settings, &manifest.settings)?;
        }
        let samples = manifest.about.samples;
        if kept as u64 > samples {
            let message =
                format!("holds more samples than the {samples} of the run; remove it to begin anew");
            return Err(refused(&file, message));
        }
        if kept > 0 && !resume {
            let message = format!("holds an unfinished run of the same settings, {kept} samples of it");
            return Err(refused(path, message)
                .advise(": add {resume} to go on with it, or remove journal.jsonl there to begin anew"));
        }
        if belongs && resume {
            journal.go_on(&contents)?;
        } else {
            let text = to_json(manifest)?;
            write_whole(&path.join(MANIFEST), &text)?;
            journal.begin(&sha256(&text))?;
            // What an earlier run of these settings left is not the result of this one.
            Sums::forget(path, results)?;
            remove(&path.join(SUMMARY))?;
        }
        Ok(Directory {
            path: path.into(),
            journal,
            entries: contents.entries,
            damage: contents.damage,
            kept: kept > 0,
            own: begun || stored.is_none(),
        })
    }

    /// Keeps an entry; from now on a killed process does not lose it, and a second later not even a power cut. An
    /// entry of the same sample before is replaced.
    ///
    /// # Errors
    /// When the disk is full.
    pub fn keep(&mut self, entry: &R) -> Result<()> {
        self.kept = true;
        self.journal.append(entry)
    }

    /// Has the results written. `complete` ends the run, with the digests of `results`; else it can be resumed.
    ///
    /// # Errors
    /// When the directory cannot be written to, or the disk is full.
    pub fn finish(
        mut self,
        write: impl FnOnce(&Path) -> Result<()>,
        results: &[&str],
        complete: bool,
    ) -> Result<()> {
        self.journal.synced()?;
        write(&self.path)?;
        if complete {
            Sums::write(&self.path, results)?;
            self.journal.remove()?;
        }
        Ok(())
    }

    /// Leaves a directory whose run failed, and returns the error to be said. What was kept is given up where the data changed meanwhile,
    /// and where there is nothing: a run that was refused leaves its directory as it was.
    pub fn ended(self, error: Error) -> Error {
        match error {
            Error::Data(DataError::Rewritten { .. } | DataError::Changed { .. }) => {
                self.discard().err().unwrap_or(error)
            }
            _ if self.kept => error,
            _ => {
                // The error that led here is the one to be said.
                let _ = self.discard();
                error
            }
        }
    }

    fn discard(self) -> Result<()> {
        self.journal.remove()?;
        // Else it would stand in the way of a run of mended data.
        if self.own { remove(&self.path.join(MANIFEST)) } else { Ok(()) }
    }
}
