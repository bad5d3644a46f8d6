//! The results of a run: `samples.parquet`, `examples.parquet` and `summary.json` beside the manifest, and
//! `SHA256SUMS` with the digests of all.

use std::path::Path;

use serde_json::Value;

use super::table::Sought;
use super::{AuditManifest, AuditSettings, Outcome, Record, Summary, gallery, table};
use crate::run::files::{make_directory, other_version, read_if_there, refused, to_json, write_whole};
use crate::run::journal::is_begun;
use crate::run::sums::{SUMS, Sums};
use crate::run::{
    MANIFEST, NO_RUN, RunKind, SUMMARY, check_kind, clear_strays, keep_off, same_settings, stored,
    stored_before,
};
use crate::{Error, Result};

const SAMPLES: &str = "samples.parquet";
const SHOWN: &str = "examples.parquet";

/// The files of a finished run, all but the page.
pub(super) const FILES: [&str; 4] = [MANIFEST, SAMPLES, SHOWN, SUMMARY];

/// A finished run.
#[derive(Clone, Debug)]
pub struct FinishedRun {
    /// What was run.
    pub manifest: AuditManifest,
    /// What was found.
    pub outcome: Outcome,
}

impl FinishedRun {
    /// Reads the directory of a run, and checks every file of it.
    ///
    /// # Errors
    /// When it holds no run, one of another kind, an unfinished one, a damaged one, or one of an earlier format
    /// without checksums.
    pub fn open(path: &Path) -> Result<FinishedRun> {
        check_kind(path, &[RunKind::Audit])?;
        if is_begun(path) {
            return Err(refused(path, "holds an unfinished run").advise("; finish it with {resume}"));
        }
        let sums = Sums::read(path)?;
        let (manifest, _) = stored::<AuditManifest>(path)?.ok_or_else(|| refused(path, NO_RUN))?;
        let outcome = results(path, sums.as_ref())?;
        if sums.is_none() {
            let message = format!(
                "holds no {SUMS}: its run is of an earlier format without checksums, or was cut off while it was written"
            );
            return Err(refused(path, message).advise(". Run it again; {!report} reads it as it is"));
        }
        let (found, samples) = (outcome.records.len() as u64, manifest.about.samples);
        if found != samples {
            return Err(refused(path, format!("holds {found} of {samples} samples"))
                .advise("; finish it with {resume}"));
        }
        Ok(FinishedRun { manifest, outcome })
    }

    /// Refuses the run in a directory where it measured its model otherwise than `other` did: other data, samples, threat model,
    /// attacks or seed.
    ///
    /// # Errors
    /// Then, with what differs.
    pub fn check_alike(&self, path: &Path, other: &FinishedRun) -> Result<()> {
        let own = &self.manifest.settings;
        let wanted = AuditSettings {
            model: own.model.clone(),
            runtime: own.runtime.clone(),
            micro_batch: own.micro_batch,
            untouched: own.untouched.clone(),
            kennard: own.kennard.clone(),
            ..other.manifest.settings.clone()
        };
        same_settings(path, own, &wanted)
    }

    /// Writes the run into a directory of its own.
    ///
    /// # Errors
    /// When the directory holds another run, or cannot be written to. The same run, whole or cut off, is
    /// replaced.
    pub fn write(&self, path: &Path) -> Result<()> {
        make_directory(path)?;
        keep_off(path, RunKind::Audit)?;
        if is_begun(path) {
            return Err(refused(path, "holds an unfinished run; name a directory that does not"));
        }
        let earlier = stored_before::<AuditManifest>(path)?;
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

/// The results in a directory, checked as far as it has digests.
pub(super) fn results(path: &Path, sums: Option<&Sums>) -> Result<Outcome> {
    let place = path.join(SUMMARY);
    let text = read_if_there(&place)?
        .ok_or_else(|| refused(&place, "is missing: the directory holds no results"))?;
    let summary: Value = serde_json::from_slice(&text).map_err(|e| other_version(&place, &e))?;
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
    check(SAMPLES)?;
    let records = table::from_parquet(&path.join(SAMPLES), &Sought::of(&summary))?;
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
        let certified = summary.certified.as_ref().map(|certified| certified.certified);
        (summary.clean.correct, attacks, summary.robust.as_ref().map(|robust| robust.robust), certified)
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

pub(super) fn write_results(path: &Path, outcome: &Outcome) -> Result<()> {
    let summary = &outcome.summary;
    let samples = table::to_parquet(&Sought::of(summary), &outcome.records)
        .map_err(|message| Error::Write { path: path.join(SAMPLES), message })?;
    write_whole(&path.join(SAMPLES), &samples)?;
    let shown = gallery::to_parquet(&outcome.shown)
        .map_err(|message| Error::Write { path: path.join(SHOWN), message })?;
    write_whole(&path.join(SHOWN), &shown)?;
    write_whole(&path.join(SUMMARY), &to_json(summary)?)
}
