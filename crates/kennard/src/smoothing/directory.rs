//! The directory of a certification: `manifest.json`, `samples.parquet`, `summary.json`, their digests, and while it is under
//! way the journal.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::record::{CertificateRecord, from_parquet, to_parquet};
use super::{Certification, SmoothingOutcome, SmoothingProgress, SmoothingSettings, SmoothingSummary};
use crate::Result;
use crate::data::notes_of_parts;
use crate::run::files::{make_directory, other_version, read_if_there, refused, to_json, write_whole};
use crate::run::journal::is_begun;
use crate::run::sums::Sums;
use crate::run::{
    Directory, MANIFEST, Manifest, NO_RUN, RunKind, SUMMARY, Shard, check_kind, keep_off, merged_manifest,
    same_settings, stored,
};
use crate::warning::Warning;

const SAMPLES: &str = "samples.parquet";

/// The files of a finished run, all but the page.
const FILES: [&str; 3] = [MANIFEST, SAMPLES, SUMMARY];

/// The directory of a certification, open for work.
pub struct SmoothingDirectory {
    work: CertificationWork,
}

enum CertificationWork {
    /// What an earlier run left, and the journal that goes on.
    Left(Directory<CertificateRecord>),
    /// Nothing: the results are there.
    Done(Box<SmoothingOutcome>),
}

impl SmoothingDirectory {
    /// Opens a directory, made if need be, and keeps other processes out of it. With `resume`, what an interrupted run of the
    /// same settings finished is taken over, up to the first entry that is damaged.
    ///
    /// # Errors
    /// When settings make no sense; when the directory cannot be written to, is in use, holds a run of other settings, a
    /// damaged one, or an unfinished one and `resume` is not set.
    pub fn open(
        path: &Path,
        of: &Certification,
        command: Vec<String>,
        resume: bool,
    ) -> Result<SmoothingDirectory> {
        of.check()?;
        let manifest = Manifest::of_smoothing(of, command)?;
        make_directory(path)?;
        keep_off(path, RunKind::Smoothing)?;
        if resume && !is_begun(path) && path.join(SUMMARY).exists() {
            let run = FinishedSmoothing::open(path)?;
            same_settings(path, &run.manifest.settings, &manifest.settings)?;
            return Ok(SmoothingDirectory { work: CertificationWork::Done(Box::new(run.outcome)) });
        }
        let classes = manifest.about.model.classes;
        let place = |record: &CertificateRecord| match record.label.max(record.class) as u64 >= classes {
            true => Err(format!("sample {} has a class that the model does not have", record.index)),
            false => Ok(record.index),
        };
        let directory = Directory::open(path, &manifest, &FILES, resume, place)?;
        Ok(SmoothingDirectory { work: CertificationWork::Left(directory) })
    }

    /// How many samples an earlier run finished.
    pub fn finished(&self) -> usize {
        match &self.work {
            CertificationWork::Left(directory) => directory.entries.len(),
            CertificationWork::Done(outcome) => outcome.records.len(),
        }
    }

    /// What is damaged of an earlier run, for people; what came before it is kept.
    pub fn damage(&self) -> Option<&str> {
        match &self.work {
            CertificationWork::Left(directory) => directory.damage.as_deref(),
            CertificationWork::Done(_) => None,
        }
    }
}

impl Certification<'_> {
    /// Certifies as [`run`](Certification::run) does. Every sample is kept in a directory as it finishes, and the samples that are
    /// there are taken over. In the end the results are written there.
    ///
    /// # Errors
    /// Those of [`run`](Certification::run), and when the directory cannot be written to; what was finished stays there.
    pub fn run_in(
        &self,
        directory: SmoothingDirectory,
        stop: &AtomicBool,
        mut progress: impl FnMut(SmoothingProgress),
    ) -> Result<SmoothingOutcome> {
        let mut directory = match directory.work {
            CertificationWork::Done(outcome) => return Ok(*outcome),
            CertificationWork::Left(left) => left,
        };
        let kept = std::mem::take(&mut directory.entries);
        let outcome = match self.go_on(kept, &mut |record| directory.keep(record), stop, &mut progress) {
            Err(error) => return Err(directory.ended(error)),
            Ok(outcome) => outcome,
        };
        let complete = outcome.summary.complete;
        directory.finish(|path| write_results(path, &outcome), &FILES, complete)?;
        Ok(outcome)
    }
}

fn write_results(path: &Path, outcome: &SmoothingOutcome) -> Result<()> {
    write_whole(&path.join(SAMPLES), &to_parquet(&outcome.records)?)?;
    write_whole(&path.join(SUMMARY), &to_json(&outcome.summary)?)
}

/// A finished certification.
#[derive(Clone, Debug)]
pub struct FinishedSmoothing {
    /// What was run.
    pub manifest: Manifest<SmoothingSettings>,
    /// What was found.
    pub outcome: SmoothingOutcome,
}

impl FinishedSmoothing {
    /// Whether a directory holds a certification, finished or not.
    pub fn is_in(path: &Path) -> bool {
        stored::<Manifest<SmoothingSettings>>(path).is_ok_and(|found| found.is_some())
    }

    /// Reads the directory of a run, and checks every file of it.
    ///
    /// # Errors
    /// When it holds no such run, an unfinished one, or a damaged one.
    pub fn open(path: &Path) -> Result<FinishedSmoothing> {
        check_kind(path, &[RunKind::Smoothing])?;
        if is_begun(path) {
            return Err(refused(path, "holds an unfinished run").advise("; finish it with {resume}"));
        }
        let sums = Sums::read(path)?.ok_or_else(|| refused(path, NO_RUN))?;
        FILES.iter().try_for_each(|name| sums.check(name))?;
        let (manifest, _) =
            stored::<Manifest<SmoothingSettings>>(path)?.ok_or_else(|| refused(path, NO_RUN))?;
        let place = path.join(SUMMARY);
        let text =
            read_if_there(&place)?.ok_or_else(|| refused(&place, "is missing; run that part again"))?;
        let summary: SmoothingSummary =
            serde_json::from_slice(&text).map_err(|e| other_version(&place, &e))?;
        let records = from_parquet(&path.join(SAMPLES))?;
        let mut counted = summary.clone();
        counted.count(&records);
        if counted.certified != summary.certified || records.len() as u64 != manifest.about.samples {
            let message =
                "and samples.parquet beside it contradict each other: one is damaged; run that part again";
            return Err(refused(&place, message));
        }
        Ok(FinishedSmoothing { manifest, outcome: SmoothingOutcome { summary, records } })
    }

    /// Writes the run into a directory, which then holds a finished one.
    ///
    /// # Errors
    /// When the directory cannot be written to, or is in use.
    pub fn write(&self, path: &Path) -> Result<()> {
        make_directory(path)?;
        keep_off(path, RunKind::Smoothing)?;
        let place = |record: &CertificateRecord| Ok(record.index);
        let directory = Directory::open(path, &self.manifest, &FILES, true, place)?;
        directory.finish(|path| write_results(path, &self.outcome), &FILES, true)
    }
}

/// The run whose shards lie in `parts`, as if it had been run as one; its command is left to the caller.
///
/// # Errors
/// When a part is missing, unfinished or damaged, there twice, or of another run; the message names the difference.
pub fn merge_smoothing(parts: &[PathBuf]) -> Result<FinishedSmoothing> {
    let runs: Vec<FinishedSmoothing> =
        parts.iter().map(|path| FinishedSmoothing::open(path)).collect::<Result<_>>()?;
    let manifests: Vec<_> = runs.iter().map(|run| &run.manifest).collect();
    let manifest = merged_manifest(parts, &manifests, |settings| &mut settings.shard)?;
    let mut merged = FinishedSmoothing { manifest, outcome: runs[0].outcome.clone() };
    let SmoothingOutcome { summary, records } = &mut merged.outcome;
    summary.shard = Shard::WHOLE;
    for run in &runs[1..] {
        let part = &run.outcome.summary;
        records.extend_from_slice(&run.outcome.records);
        summary.total += part.total;
        summary.seconds += part.seconds;
        Warning::join(&mut summary.warnings, &part.warnings);
    }
    records.sort_by_key(|record| record.index);
    let notes: Vec<&[String]> = runs.iter().map(|run| &run.outcome.summary.data.notes[..]).collect();
    summary.data.notes = notes_of_parts(&notes, records.len());
    summary.count(records);
    Ok(merged)
}
