//! The directory of a run: `manifest.json` says what is run, `journal.jsonl` keeps samples as they finish,
//! `samples.parquet` and `summary.json` are the results.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Audit, Outcome, Record, Summary, table};
use crate::files::{differences, failed, to_json, write_whole};
use crate::{Error, Result};

const MANIFEST: &str = "manifest.json";
const JOURNAL: &str = "journal.jsonl";
const SAMPLES: &str = "samples.parquet";
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
            settings: audit.settings()?,
        })
    }
}

/// The directory of a run that is under way.
pub struct RunDirectory {
    path: PathBuf,
    journal: File,
    finished: Vec<Record>,
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
        let mut journal = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&place)
            .map_err(|e| failed(&place, &e))?;
        match journal.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(refused(
                    "is in use by another run; wait for it, or give --out another directory".into(),
                ));
            }
            // Some file systems have no locks.
            Err(TryLockError::Error(_)) => {}
        }
        let finished = match ended {
            true => results(path)?.records,
            false => recover(&mut journal, &place)?,
        };
        if !finished.is_empty() && !resume {
            let message = format!(
                "holds an unfinished run of the same settings, {} samples of it: add --resume to go on with it, or remove \
                 {JOURNAL} there to begin anew",
                finished.len()
            );
            return Err(refused(message));
        }
        write_whole(&path.join(MANIFEST), &to_json(manifest)?)?;
        Ok(RunDirectory { path: path.into(), journal, finished })
    }

    /// The samples that an earlier run finished.
    pub fn finished(&self) -> &[Record] {
        &self.finished
    }

    /// Keeps a finished sample; from now on a killed process does not lose it.
    ///
    /// # Errors
    /// When the disk is full.
    pub(super) fn keep(&mut self, record: &Record) -> Result<()> {
        let mut line = serde_json::to_vec(record).map_err(|e| Error::Summary(e.to_string()))?;
        line.push(b'\n');
        self.journal.write_all(&line).map_err(|e| failed(&self.path.join(JOURNAL), &e))
    }

    /// Writes the results. Each file is whole or absent: it is written beside its place and moved there,
    /// the summary last. `complete` ends the run; else it can be resumed.
    ///
    /// # Errors
    /// When the directory cannot be written to, or the disk is full.
    pub fn finish(self, outcome: &Outcome, complete: bool) -> Result<()> {
        write_results(&self.path, outcome)?;
        if complete {
            let journal = self.path.join(JOURNAL);
            std::fs::remove_file(&journal).map_err(|e| failed(&journal, &e))?;
        }
        Ok(())
    }
}

/// The whole lines of a journal; a line that a killed process left unfinished is cut off.
fn recover(journal: &mut File, path: &Path) -> Result<Vec<Record>> {
    let mut text = Vec::new();
    journal.read_to_end(&mut text).map_err(|e| failed(path, &e))?;
    let (mut records, mut whole) = (Vec::new(), 0);
    let mut seen = BTreeSet::new();
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else { break };
        let record: Record = serde_json::from_slice(line).map_err(|e| Error::Run {
            path: path.into(),
            message: format!("is damaged at byte {whole} ({e}); remove it to begin anew"),
        })?;
        whole += line.len() + 1;
        if seen.insert(record.index) {
            records.push(record);
        }
    }
    journal.set_len(whole as u64).map_err(|e| failed(path, &e))?;
    journal.seek(SeekFrom::End(0)).map_err(|e| failed(path, &e))?;
    Ok(records)
}

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
        let manifest =
            read(&path.join(MANIFEST))?.ok_or_else(|| error("holds no run (manifest.json is missing)"))?;
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
fn results(path: &Path) -> Result<Outcome> {
    let place = path.join(SUMMARY);
    let summary: Summary = read(&place)?.ok_or_else(|| Error::Run {
        path: place,
        message: "is missing: the directory holds no results".into(),
    })?;
    let (attacks, minimal) = summary.names();
    let records = table::from_parquet(&path.join(SAMPLES), &attacks, &minimal)?;
    Ok(Outcome { summary, records })
}

fn write_results(path: &Path, outcome: &Outcome) -> Result<()> {
    let summary = &outcome.summary;
    let (attacks, minimal) = summary.names();
    let samples = table::to_parquet(&attacks, &minimal, &outcome.records)
        .map_err(|message| Error::Write { path: path.join(SAMPLES), message })?;
    write_whole(&path.join(SAMPLES), &samples)?;
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
fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(path, &e)),
    };
    serde_json::from_slice(&text).map(Some).map_err(|e| Error::Run {
        path: path.into(),
        message: format!("is not of this version of Kennard, or damaged ({e}); give --out another directory"),
    })
}
