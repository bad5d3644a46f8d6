//! The directory of an audit that is under way.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::finished::{FILES, FinishedRun, write_results};
use super::{AuditManifest, Outcome, Record, Shown};
use crate::run::files::make_directory;
use crate::run::journal::is_begun;
use crate::run::{Directory, RunKind, SUMMARY, keep_off, same_settings};
use crate::{Error, Result};

/// A sample that is kept, with its pixels where it is one to be shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub record: Record,
    pub shown: Option<Shown>,
}

impl Entry {
    /// The sample that it is of, or why it cannot be an entry of this run.
    pub fn place(&self, manifest: &AuditManifest) -> Result<usize, String> {
        let Entry { record, shown } = self;
        let (index, settings) = (record.index, &manifest.settings);
        if record.attacks.len() != settings.attacks.len() || record.minimal.len() != settings.minimal.len() {
            return Err(format!("sample {index} has other attacks than the run"));
        }
        let classes = manifest.about.model.classes;
        let mut named = [Some(record.label), record.prediction].into_iter().flatten();
        if let Some(class) = named.find(|class| *class as u64 >= classes) {
            return Err(format!("sample {index} has the class {class}, the model has {classes}"));
        }
        match shown.as_ref().filter(|shown| shown.index != index || shown.label != record.label) {
            Some(shown) => Err(format!("sample {index} has the pixels of sample {}", shown.index)),
            None => Ok(index),
        }
    }
}

/// The records of a run's entries, and the samples to be shown.
pub(super) fn apart(entries: Vec<Entry>) -> (Vec<Record>, Vec<Shown>) {
    let (records, shown): (Vec<_>, Vec<_>) =
        entries.into_iter().map(|entry| (entry.record, entry.shown)).unzip();
    (records, shown.into_iter().flatten().collect())
}

/// The directory of a run that is under way.
pub struct RunDirectory {
    work: AuditWork,
    finished: Vec<Record>,
    shown: Vec<Shown>,
}

/// What is left to do there.
enum AuditWork {
    /// Samples, kept as they finish.
    Left(Directory<Entry>),
    /// Nothing: the results are there.
    Done(Box<Outcome>),
}

impl RunDirectory {
    /// Opens a directory for a run, made if need be, and keeps other processes out of it.
    ///
    /// With `resume`, the samples that an earlier, interrupted run of the same settings finished are
    /// taken over, up to the first that is damaged; see [`damage`](RunDirectory::damage).
    ///
    /// # Errors
    /// When the directory cannot be written to, is in use, holds a run of other settings (the message
    /// names the difference), a damaged one, or an unfinished one and `resume` is not set.
    pub fn open(path: &Path, manifest: &AuditManifest, resume: bool) -> Result<RunDirectory> {
        make_directory(path)?;
        keep_off(path, RunKind::Audit)?;
        if resume && !is_begun(path) && path.join(SUMMARY).exists() {
            let run = FinishedRun::open(path)?;
            same_settings(path, &run.manifest.settings, &manifest.settings)?;
            let (finished, shown) = (run.outcome.records.clone(), run.outcome.shown.clone());
            return Ok(RunDirectory { work: AuditWork::Done(Box::new(run.outcome)), finished, shown });
        }
        let mut directory =
            Directory::open(path, manifest, &FILES, resume, |entry: &Entry| entry.place(manifest))?;
        let (finished, shown) = apart(std::mem::take(&mut directory.entries));
        Ok(RunDirectory { work: AuditWork::Left(directory), finished, shown })
    }

    /// The samples that an earlier run finished.
    pub fn finished(&self) -> &[Record] {
        &self.finished
    }

    /// What is damaged of an earlier run, for people; what came before it is kept.
    pub fn damage(&self) -> Option<&str> {
        match &self.work {
            AuditWork::Left(directory) => directory.damage.as_deref(),
            AuditWork::Done(_) => None,
        }
    }

    /// Some of the broken samples among them.
    pub(super) fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// The results, where the run has them already.
    pub(super) fn outcome(&self) -> Option<&Outcome> {
        match &self.work {
            AuditWork::Left(_) => None,
            AuditWork::Done(outcome) => Some(outcome),
        }
    }

    /// Keeps a finished sample, with its pixels where it is one to be shown; from now on a killed process
    /// does not lose it, and a second later not even a power cut. An entry of the same sample before is
    /// replaced.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn keep(&mut self, record: &Record, shown: Option<&Shown>) -> Result<()> {
        match &mut self.work {
            AuditWork::Left(directory) => {
                directory.keep(&Entry { record: record.clone(), shown: shown.cloned() })
            }
            AuditWork::Done(_) => Ok(()),
        }
    }

    /// Writes the results. Each file is whole or absent: it is written beside its place and moved there.
    /// `complete` ends the run; else it can be resumed.
    ///
    /// # Errors
    /// When the directory cannot be written to, or the disk is full.
    pub fn finish(self, outcome: &Outcome, complete: bool) -> Result<()> {
        match self.work {
            AuditWork::Left(directory) => {
                directory.finish(|path| write_results(path, outcome), &FILES, complete)
            }
            AuditWork::Done(_) => Ok(()),
        }
    }

    /// Leaves the directory of a run that failed, and returns the error to be said; see [`Directory::ended`].
    pub(super) fn ended(self, error: Error) -> Error {
        match self.work {
            AuditWork::Left(directory) => directory.ended(error),
            AuditWork::Done(_) => error,
        }
    }
}
