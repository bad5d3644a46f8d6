//! The directory of a run: `manifest.json` says what is run, `journal.jsonl` keeps samples as they finish,
//! `samples.parquet`, `examples.parquet` and `summary.json` are the results, and `SHA256SUMS` has the digests of
//! all. A directory with a journal is of an unfinished run, whatever else is there: removing the journal is what
//! ends a run.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::journal::{Contents, Entry, JOURNAL, Journal};
use super::{About, Audit, Outcome, Record, Shown, Summary, gallery, table};
use crate::run::files::{clear_strays, differences, make_directory, remove, to_json, write_whole};
use crate::run::sums::{SUMS, Sums, sha256};
use crate::{Error, Result};

pub(super) const MANIFEST: &str = "manifest.json";
const SAMPLES: &str = "samples.parquet";
const SHOWN: &str = "examples.parquet";
pub(super) const SUMMARY: &str = "summary.json";

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
    /// When a file of the model or the data cannot be read, or the shard has no sample.
    pub fn new(audit: &Audit, command: Vec<String>) -> Result<Manifest> {
        let whole = audit.samples.indices(audit.data.len()).len();
        if whole > 0 && audit.indices().len() == 0 {
            return Err(Error::Setting(format!(
                "the shard {} has none of the {whole} samples: divide them into no more than {whole} parts",
                audit.shard
            )));
        }
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

/// The manifest in a directory, and the SHA-256 of its file; nothing where there is none.
pub(super) fn stored(directory: &Path) -> Result<Option<(Manifest, String)>> {
    let path = directory.join(MANIFEST);
    let Some(text) = text(&path)? else { return Ok(None) };
    let manifest = serde_json::from_slice(&text).map_err(|e| other_version(&path, &e))?;
    Ok(Some((manifest, sha256(&text))))
}

/// The directory of a run that is under way.
pub struct RunDirectory {
    path: PathBuf,
    work: Work,
    finished: Vec<Record>,
    shown: Vec<Shown>,
    damage: Option<String>,
}

/// What is left to do there.
enum Work {
    /// Samples, kept in a journal as they finish.
    Left(Journal),
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
    pub fn open(path: &Path, manifest: &Manifest, resume: bool) -> Result<RunDirectory> {
        make_directory(path)?;
        if resume && !is_begun(path) && path.join(SUMMARY).exists() {
            return RunDirectory::ended(path, manifest);
        }
        let stored = stored(path)?;
        if let Some((earlier, _)) = stored.as_ref().filter(|_| !is_begun(path)) {
            same_settings(path, earlier, manifest)?;
        }
        let (mut journal, text) = Journal::open(path)?;
        clear_strays(path);
        let contents = Contents::of(&text, &path.join(JOURNAL), |entry| misfit(entry, manifest))?;
        let belongs = match (&contents.manifest, &stored) {
            (Some(named), Some((_, digest))) => named == digest,
            _ => false,
        };
        if !contents.entries.is_empty() && !belongs {
            return Err(refused(
                &path.join(JOURNAL),
                "does not belong to manifest.json beside it: one of them is damaged, missing, or of another run. Restore \
                 it from a copy, or remove both to begin anew",
            ));
        }
        if let Some((earlier, _)) = &stored {
            same_settings(path, earlier, manifest)?;
        }
        let samples = manifest.about.samples;
        if contents.entries.len() as u64 > samples {
            let message =
                format!("holds more samples than the {samples} of the run; remove it to begin anew");
            return Err(refused(&path.join(JOURNAL), message));
        }
        if !contents.entries.is_empty() && !resume {
            let message = format!(
                "holds an unfinished run of the same settings, {} samples of it",
                contents.entries.len()
            );
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
            Sums::forget(path, &FILES)?;
            remove(&path.join(SUMMARY))?;
        }
        let shown = contents.entries.iter().filter_map(|entry| entry.shown.clone()).collect();
        let finished = contents.entries.into_iter().map(|entry| entry.record).collect();
        let (path, work, damage) = (path.into(), Work::Left(journal), contents.damage);
        Ok(RunDirectory { path, work, finished, shown, damage })
    }

    /// The directory of a run that has its results.
    fn ended(path: &Path, manifest: &Manifest) -> Result<RunDirectory> {
        let run = FinishedRun::open(path)?;
        same_settings(path, &run.manifest, manifest)?;
        let (finished, shown) = (run.outcome.records.clone(), run.outcome.shown.clone());
        let work = Work::Done(Box::new(run.outcome));
        Ok(RunDirectory { path: path.into(), work, finished, shown, damage: None })
    }

    /// The samples that an earlier run finished.
    pub fn finished(&self) -> &[Record] {
        &self.finished
    }

    /// What is damaged of an earlier run, for people; what came before it is kept.
    pub fn damage(&self) -> Option<&str> {
        self.damage.as_deref()
    }

    /// Some of the broken samples among them.
    pub(super) fn shown(&self) -> &[Shown] {
        &self.shown
    }

    /// The results, where the run has them already.
    pub(super) fn outcome(&self) -> Option<&Outcome> {
        match &self.work {
            Work::Left(_) => None,
            Work::Done(outcome) => Some(outcome),
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
            Work::Left(journal) => journal.append(&Entry { record: record.clone(), shown: shown.cloned() }),
            Work::Done(_) => Ok(()),
        }
    }

    /// Writes the results. Each file is whole or absent: it is written beside its place and moved there.
    /// `complete` ends the run; else it can be resumed.
    ///
    /// # Errors
    /// When the directory cannot be written to, or the disk is full.
    pub fn finish(self, outcome: &Outcome, complete: bool) -> Result<()> {
        let Work::Left(mut journal) = self.work else { return Ok(()) };
        journal.synced()?;
        write_results(&self.path, outcome)?;
        if complete {
            Sums::write(&self.path, &FILES)?;
            journal.remove()?;
        }
        Ok(())
    }

    /// Gives up what was kept: it is not to be trusted.
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub(super) fn discard(self) -> Result<()> {
        match self.work {
            Work::Left(journal) => journal.remove(),
            Work::Done(_) => Ok(()),
        }
    }
}

/// Whether there is a run that has no results yet, or not yet all.
fn is_begun(path: &Path) -> bool {
    std::fs::metadata(path.join(JOURNAL)).is_ok_and(|journal| journal.len() > 0)
}

fn same_settings(path: &Path, there: &Manifest, here: &Manifest) -> Result<()> {
    let differences = differences(&there.settings, &here.settings);
    if differences.is_empty() {
        return Ok(());
    }
    let list = differences.join("; ");
    Err(refused(path, format!("holds a run of other settings: {list}"))
        .advise(". Give {out} another directory"))
}

/// Why an entry cannot be one of this run.
pub(super) fn misfit(entry: &Entry, manifest: &Manifest) -> Option<String> {
    let Entry { record, shown } = entry;
    let count = |key: &str| manifest.settings.get(key).and_then(Value::as_array).map(Vec::len);
    let index = record.index;
    if Some(record.attacks.len()) != count("attacks") || Some(record.minimal.len()) != count("minimal") {
        return Some(format!("sample {index} has other attacks than the run"));
    }
    let classes = manifest.about.model.classes;
    let mut named = [Some(record.label), record.prediction].into_iter().flatten();
    if let Some(class) = named.find(|class| *class as u64 >= classes) {
        return Some(format!("sample {index} has the class {class}, the model has {classes}"));
    }
    let other = shown.as_ref().filter(|shown| shown.index != index || shown.label != record.label);
    other.map(|shown| format!("sample {index} has the pixels of sample {}", shown.index))
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
    /// Reads the directory of a run, and checks every file of it.
    ///
    /// # Errors
    /// When it holds no run, an unfinished one, a damaged one, or one of an earlier format without
    /// checksums.
    pub fn open(path: &Path) -> Result<FinishedRun> {
        if is_begun(path) {
            return Err(refused(path, "holds an unfinished run").advise("; finish it with {resume}"));
        }
        let sums = Sums::read(path)?;
        let (manifest, _) = stored(path)?.ok_or_else(|| refused(path, NO_RUN))?;
        let outcome = results(path, sums.as_ref())?;
        if sums.is_none() {
            let message = format!(
                "holds no {SUMS}: its run is of an earlier format without checksums, or was cut off while it was written. \
                 Run it again; kennard report reads it as it is"
            );
            return Err(refused(path, message));
        }
        let (found, samples) = (outcome.records.len() as u64, manifest.about.samples);
        if found != samples {
            return Err(refused(path, format!("holds {found} of {samples} samples"))
                .advise("; finish it with {resume}"));
        }
        Ok(FinishedRun { manifest, outcome })
    }

    /// Writes the run into a directory of its own.
    ///
    /// # Errors
    /// When the directory holds another run, or cannot be written to. The same run, whole or cut off, is
    /// replaced.
    pub fn write(&self, path: &Path) -> Result<()> {
        make_directory(path)?;
        if is_begun(path) {
            return Err(refused(path, "holds an unfinished run; name a directory that does not"));
        }
        let earlier = stored(path)?;
        if earlier.is_some_and(|(earlier, _)| earlier.settings != self.manifest.settings) {
            return Err(refused(path, "holds another run; name a directory that does not"));
        }
        clear_strays(path);
        Sums::forget(path, &FILES)?;
        write_whole(&path.join(MANIFEST), &to_json(&self.manifest)?)?;
        write_results(path, &self.outcome)?;
        Sums::write(path, &FILES)
    }
}

/// The files of a finished run, all but the page.
const FILES: [&str; 4] = [MANIFEST, SAMPLES, SHOWN, SUMMARY];

/// The results in a directory, checked as far as it has digests.
pub(super) fn results(path: &Path, sums: Option<&Sums>) -> Result<Outcome> {
    let place = path.join(SUMMARY);
    let summary: Value =
        read(&place)?.ok_or_else(|| refused(&place, "is missing: the directory holds no results"))?;
    if let Some(version) = summary.get("version").filter(|version| **version != Summary::VERSION) {
        let message = format!(
            "has the format {version}, this Kennard knows {}; run it again, or take the Kennard that wrote it",
            Summary::VERSION
        );
        return Err(refused(&place, message));
    }
    let check = |name| sums.map_or(Ok(()), |sums| sums.check(name));
    let summary: Summary = serde_json::from_value(summary).map_err(|e| other_version(&place, &e))?;
    check(SUMMARY)?;
    let (attacks, minimal) = summary.names();
    check(SAMPLES)?;
    let records = table::from_parquet(&path.join(SAMPLES), &attacks, &minimal)?;
    if records.len() as u64 != summary.samples {
        let message = format!(
            "is of {} samples, and samples.parquet beside it has {}: they are of different runs, or one is cut off",
            summary.samples,
            records.len()
        );
        return Err(refused(&place, message));
    }
    let classes = summary.model.classes;
    let foreign = |r: &&Record| r.label.max(r.prediction.unwrap_or(0)) as u64 >= classes;
    if let Some(record) = records.iter().find(foreign) {
        let message = format!(
            "is damaged (sample {} is of class {} or taken for a class that the model does not have: it has {classes}); run \
             that part again",
            record.index, record.label
        );
        return Err(refused(&path.join(SAMPLES), message));
    }
    let mut counted = summary.clone();
    counted.count(&records);
    let counts = |summary: &Summary| {
        let attacks: Vec<u64> = summary.attacks.iter().map(|attack| attack.robust).collect();
        (summary.clean.correct, attacks, summary.robust.as_ref().map(|robust| robust.robust))
    };
    if counts(&summary) != counts(&counted) {
        let message =
            "and samples.parquet beside it contradict each other: one is damaged; run that part again";
        return Err(refused(&place, message));
    }
    check(SHOWN)?;
    let shown = gallery::from_parquet(&path.join(SHOWN))?;
    check(MANIFEST)?;
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

/// The bytes of a file, or nothing where there is none.
fn text(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(failed_to_read(path, &e)),
    }
}

/// A JSON file, or nothing where there is none.
fn read<T: for<'de> Deserialize<'de>>(path: &Path) -> Result<Option<T>> {
    let text = text(path)?;
    text.map(|text| serde_json::from_slice(&text).map_err(|e| other_version(path, &e))).transpose()
}

pub(super) fn refused(path: &Path, message: impl Into<String>) -> Error {
    Error::Run { path: path.into(), message: message.into() }
}

pub(super) fn other_version(path: &Path, error: &serde_json::Error) -> Error {
    refused(path, format!("is not of this version of Kennard, or damaged ({error})"))
        .advise("; give {out} another directory")
}

pub(super) fn failed_to_read(path: &Path, error: &std::io::Error) -> Error {
    refused(path, format!("cannot be read: {error}"))
}
