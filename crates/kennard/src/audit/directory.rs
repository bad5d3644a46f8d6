//! The directory of a run: `manifest.json` says what is run, `journal.jsonl` and `examples.jsonl` keep samples
//! as they finish, `samples.parquet`, `examples.parquet` and `summary.json` are the results.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::state::lines;
use super::{About, Audit, Outcome, Record, Shown, Summary, gallery, table};
use crate::files::{differences, failed, to_json, write_whole};
use crate::{Error, Result};

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const JOURNAL: &str = "journal.jsonl";
const SAMPLES: &str = "samples.parquet";
pub(super) const SHOWN_JOURNAL: &str = "examples.jsonl";
const SHOWN: &str = "examples.parquet";
const SUMMARY: &str = "summary.json";

/// What is run, so that anyone can run it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Kennard's version.
    pub kennard: String,
    /// The command line.
    pub command: Vec<String>,
    /// How the engine is fed; all but the micro-batch leaves the figures alone.
    pub plan: crate::engine::Plan,
    /// What the run is about.
    #[serde(default)]
    pub about: About,
    /// Everything that the figures depend on. Runs with equal settings give equal samples.
    pub settings: Value,
}

impl Manifest {
    /// The manifest of an audit that was started by `command`.
    ///
    /// # Errors
    /// When a file of the model or the data cannot be read.
    pub fn new(audit: &Audit, command: Vec<String>) -> Result<Manifest> {
        Ok(Manifest {
            kennard: env!("CARGO_PKG_VERSION").into(),
            command,
            plan: audit.engine.plan(),
            about: About::new(audit)?,
            settings: audit.settings()?,
        })
    }
}

impl Manifest {
    /// The manifest in a directory; nothing where there is none.
    ///
    /// # Errors
    /// When it is damaged, or of another version of Kennard.
    pub(crate) fn read(directory: &Path) -> Result<Option<Manifest>> {
        read(&directory.join(MANIFEST))
    }
}

/// The directory of a run that is under way.
pub struct RunDirectory {
    path: PathBuf,
    journal: File,
    shown_journal: File,
    finished: Vec<Record>,
    shown: Vec<Shown>,
}

impl RunDirectory {
    /// Opens a directory for a run, made if need be, and keeps other processes out of it.
    ///
    /// With `resume`, the samples that an earlier, interrupted run of the same settings finished are
    /// taken over.
    ///
    /// # Errors
    /// When the directory cannot be written to, is in use, holds a run of other settings (the message
    /// names the difference), or holds an unfinished run and `resume` is not set.
    pub fn open(path: &Path, manifest: &Manifest, resume: bool) -> Result<RunDirectory> {
        std::fs::create_dir_all(path).map_err(|e| failed(path, &e))?;
        let refused = |message: String| Error::Run { path: path.into(), message };
        if let Some(earlier) = read::<Manifest>(&path.join(MANIFEST))? {
            let differences = differences(&earlier.settings, &manifest.settings);
            if !differences.is_empty() {
                let message = format!(
                    "holds a run of other settings: {}. Give --out another directory",
                    differences.join("; ")
                );
                return Err(refused(message));
            }
        }
        let place = path.join(JOURNAL);
        let ended = resume && !place.exists() && path.join(SUMMARY).exists();
        let open = |place: &Path| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            options.open(place).map_err(|e| failed(place, &e))
        };
        let mut journal = open(&place)?;
        if is_taken(&journal) {
            return Err(refused(
                "is in use by another run; wait for it, or give --out another directory".into(),
            ));
        }
        let shown_place = path.join(SHOWN_JOURNAL);
        let mut shown_journal = open(&shown_place)?;
        let (finished, mut shown) = if ended {
            let Outcome { records, shown, .. } = results(path)?;
            (records, shown)
        } else {
            let finished: Vec<Record> = recover(&mut journal, &place, |record: &Record| record.index)?;
            (finished, recover(&mut shown_journal, &shown_place, |shown: &Shown| shown.index)?)
        };
        // A sample's pixels are kept before its record; a process may die in between.
        let known: BTreeSet<usize> = finished.iter().map(|record| record.index).collect();
        shown.retain(|shown| known.contains(&shown.index));
        if !finished.is_empty() && !resume {
            let message = format!(
                "holds an unfinished run of the same settings, {} samples of it: add --resume to go on with it, or remove \
                 {JOURNAL} there to begin anew",
                finished.len()
            );
            return Err(refused(message));
        }
        write_whole(&path.join(MANIFEST), &to_json(manifest)?)?;
        Ok(RunDirectory { path: path.into(), journal, shown_journal, finished, shown })
    }

    /// The samples that an earlier run finished.
    pub fn finished(&self) -> &[Record] {
        &self.finished
    }

    /// Some of the broken samples among them.
    pub(super) fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// Keeps a finished sample, with its pixels where it is one to be shown; from now on a killed process
    /// does not lose it.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn keep(&mut self, record: &Record, shown: Option<&Shown>) -> Result<()> {
        if let Some(shown) = shown {
            let written = self.shown_journal.write_all(&line(shown)?);
            written.map_err(|e| failed(&self.path.join(SHOWN_JOURNAL), &e))?;
        }
        self.journal.write_all(&line(record)?).map_err(|e| failed(&self.path.join(JOURNAL), &e))
    }

    /// Writes the results. Each file is whole or absent: it is written beside its place and moved there,
    /// the summary last. `complete` ends the run; else it can be resumed.
    ///
    /// # Errors
    /// When the directory cannot be written to, or the disk is full.
    pub fn finish(self, outcome: &Outcome, complete: bool) -> Result<()> {
        write_results(&self.path, outcome)?;
        if complete {
            for name in [SHOWN_JOURNAL, JOURNAL] {
                let journal = self.path.join(name);
                std::fs::remove_file(&journal).map_err(|e| failed(&journal, &e))?;
            }
        }
        Ok(())
    }
}

/// Whether another process works with this journal. A reader that asks the same holds the lock for a moment.
fn is_taken(journal: &File) -> bool {
    for _ in 0..5 {
        match journal.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(20)),
            // Some file systems have no locks.
            Ok(()) | Err(TryLockError::Error(_)) => return false,
        }
    }
    true
}

fn line(value: &impl Serialize) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(value).map_err(|e| Error::Summary(e.to_string()))?;
    line.push(b'\n');
    Ok(line)
}

/// The whole lines of a journal; a line that a killed process left unfinished is cut off.
fn recover<T: DeserializeOwned>(
    journal: &mut File,
    path: &Path,
    index: impl Fn(&T) -> usize,
) -> Result<Vec<T>> {
    let mut text = Vec::new();
    journal.read_to_end(&mut text).map_err(|e| failed(path, &e))?;
    let (items, whole) = lines(&text, path, index)?;
    journal.set_len(whole as u64).map_err(|e| failed(path, &e))?;
    journal.seek(SeekFrom::End(0)).map_err(|e| failed(path, &e))?;
    Ok(items)
}

pub(super) const NO_RUN: &str = "holds no run (manifest.json is missing)";

/// A finished run.
#[derive(Clone, Debug)]
pub struct FinishedRun {
    /// What was run.
    pub manifest: Manifest,
    /// What was found.
    pub outcome: Outcome,
}

impl FinishedRun {
    /// Reads the directory of a run.
    ///
    /// # Errors
    /// When it holds no run, an unfinished one, or a damaged one.
    pub fn open(path: &Path) -> Result<FinishedRun> {
        let error = |message: &str| Error::Run { path: path.into(), message: message.into() };
        let manifest = read(&path.join(MANIFEST))?.ok_or_else(|| error(NO_RUN))?;
        if path.join(JOURNAL).exists() {
            return Err(error("holds an unfinished run; finish it with --resume"));
        }
        Ok(FinishedRun { manifest, outcome: results(path)? })
    }

    /// Writes the run into a directory of its own.
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub fn write(&self, path: &Path) -> Result<()> {
        std::fs::create_dir_all(path).map_err(|e| failed(path, &e))?;
        write_whole(&path.join(MANIFEST), &to_json(&self.manifest)?)?;
        write_results(path, &self.outcome)
    }
}

/// The results in a directory.
pub(super) fn results(path: &Path) -> Result<Outcome> {
    let place = path.join(SUMMARY);
    let error = |message: String| Error::Run { path: place.clone(), message };
    let summary: Value =
        read(&place)?.ok_or_else(|| error("is missing: the directory holds no results".into()))?;
    if let Some(version) = summary.get("version").filter(|version| **version != Summary::VERSION) {
        return Err(error(format!(
            "has the format {version}, this Kennard knows {}; run it again, or take the Kennard that wrote it",
            Summary::VERSION
        )));
    }
    let summary: Summary = serde_json::from_value(summary).map_err(|e| other_version(&place, &e))?;
    let (attacks, minimal) = summary.names();
    let records = table::from_parquet(&path.join(SAMPLES), &attacks, &minimal)?;
    if records.len() as u64 != summary.samples {
        return Err(error(format!(
            "is of {} samples, and samples.parquet beside it has {}: they are of different runs, or one is cut off",
            summary.samples,
            records.len()
        )));
    }
    if let Some(record) = records.iter().find(|r| r.label.max(r.prediction) as u64 >= summary.model.classes) {
        return Err(Error::Run {
            path: path.join(SAMPLES),
            message: format!(
                "is damaged (sample {} is of class {} and taken for {}, and the model has {} classes); run that part again",
                record.index, record.label, record.prediction, summary.model.classes
            ),
        });
    }
    let mut counted = summary.clone();
    counted.count(&records);
    let counts = |summary: &Summary| {
        let attacks: Vec<u64> = summary.attacks.iter().map(|attack| attack.robust).collect();
        (summary.clean.correct, attacks, summary.robust.as_ref().map(|robust| robust.robust))
    };
    if counts(&summary) != counts(&counted) {
        return Err(error(
            "and samples.parquet beside it contradict each other: one is damaged; run that part again".into(),
        ));
    }
    let shown = gallery::from_parquet(&path.join(SHOWN))?;
    Ok(Outcome { summary, records, shown })
}

fn write_results(path: &Path, outcome: &Outcome) -> Result<()> {
    let summary = &outcome.summary;
    let (attacks, minimal) = summary.names();
    let samples = table::to_parquet(&attacks, &minimal, &outcome.records)
        .map_err(|message| Error::Write { path: path.join(SAMPLES), message })?;
    write_whole(&path.join(SAMPLES), &samples)?;
    let shown = gallery::to_parquet(&outcome.shown)
        .map_err(|message| Error::Write { path: path.join(SHOWN), message })?;
    write_whole(&path.join(SHOWN), &shown)?;
    write_whole(&path.join(SUMMARY), &to_json(summary)?)
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

/// A JSON file, or nothing where there is none.
pub(super) fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed_to_read(path, &e)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|e| other_version(path, &e))
}

pub(super) fn other_version(path: &Path, error: &serde_json::Error) -> Error {
    let message =
        format!("is not of this version of Kennard, or damaged ({error}); give --out another directory");
    Error::Run { path: path.into(), message }
}

pub(super) fn failed_to_read(path: &Path, error: &std::io::Error) -> Error {
    Error::Run { path: path.into(), message: format!("cannot be read: {error}") }
}
