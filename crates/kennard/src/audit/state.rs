//! A run seen from outside, while it goes on or after.

use std::path::Path;

use serde::Serialize;

use super::directory::{Entry, apart};
use super::finished::results;
use super::{AuditManifest, Outcome, Summary, Warning, gallery, warnings};
use crate::Result;
use crate::run::files::{read_if_there, refused};
use crate::run::journal::{Contents, JOURNAL, look};
use crate::run::sums::Sums;
use crate::run::{NO_RUN, RunKind, SUMMARY, check_kind, stored};

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The run goes on.
    Running,
    /// The run was stopped, and can be resumed.
    Interrupted,
    /// The run is done.
    Finished,
}

/// A run as its directory shows it, finished or not; a process at work there is not disturbed.
#[derive(Clone, Debug)]
pub struct RunState {
    /// What is run.
    pub manifest: AuditManifest,
    /// What was found so far.
    pub outcome: Outcome,
    /// How far it is.
    pub stage: Stage,
}

impl RunState {
    /// Reads the directory of a run.
    ///
    /// # Errors
    /// When it holds no run, one of another kind or version of Kennard, or a damaged one.
    pub fn read(path: &Path) -> Result<RunState> {
        check_kind(path, &[RunKind::Audit])?;
        let journal = look(path)?;
        let running = journal.as_ref().is_some_and(|(_, taken)| *taken);
        let begun = journal.filter(|(text, _)| running || !text.is_empty() || !path.join(SUMMARY).exists());
        let sums = match begun {
            None => Sums::read(path)?,
            Some(_) => None,
        };
        let (manifest, digest) = stored::<AuditManifest>(path)?.ok_or_else(|| refused(path, NO_RUN))?;
        let Some((text, _)) = begun else {
            let mut outcome = results(path, sums.as_ref())?;
            // A summary of an earlier format does not name the parameters.
            outcome.summary.take_parameters(&manifest.settings);
            return Ok(RunState { manifest, outcome, stage: Stage::Finished });
        };
        let place = path.join(JOURNAL);
        let contents = Contents::of(&text, &place, |entry: &Entry| entry.place(&manifest))?;
        if !contents.entries.is_empty() && contents.manifest != Some(digest) {
            return Err(refused(
                &place,
                "does not belong to manifest.json beside it: one of them is damaged, or of another run",
            ));
        }
        let (records, shown) = apart(contents.entries);
        let mut summary = Summary::begun(&manifest, &records);
        if !running && let Some(kept) = kept(path)? {
            summary.take_times_of(kept);
        }
        let mut outcome = Outcome { summary, records, shown: gallery::choose(shown) };
        warnings::review(&mut outcome);
        outcome.summary.warnings.extend(contents.damage.map(|damage| Warning::new("journal", damage)));
        let stage = if running { Stage::Running } else { Stage::Interrupted };
        Ok(RunState { manifest, outcome, stage })
    }
}

/// The summary that a run left where it was interrupted; none where it is missing, or cannot be read.
fn kept(path: &Path) -> Result<Option<Summary>> {
    let text = read_if_there(&path.join(SUMMARY))?;
    Ok(text.and_then(|text| serde_json::from_slice(&text).ok()))
}
