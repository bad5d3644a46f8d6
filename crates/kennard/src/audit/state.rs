//! A run seen from outside, while it goes on or after.

use std::path::Path;

use serde::Serialize;

use super::directory::{
    MANIFEST, Manifest, NO_RUN, SUMMARY, misfit, other_version, refused, results, stored,
};
use super::journal::{Contents, JOURNAL, look};
use super::{Outcome, Record, Summary, Warning, gallery, warnings};
use crate::Result;
use crate::run::sums::Sums;

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It goes on.
    Running,
    /// It was stopped, and can be resumed.
    Interrupted,
    /// It is done.
    Finished,
}

/// A run as its directory shows it, finished or not; a process at work there is not disturbed.
#[derive(Clone, Debug)]
pub struct RunState {
    /// What is run.
    pub manifest: Manifest,
    /// What was found so far.
    pub outcome: Outcome,
    /// How far it is.
    pub stage: Stage,
}

impl RunState {
    /// Reads the directory of a run.
    ///
    /// # Errors
    /// When it holds no run, one of another version of Kennard, or a damaged one.
    pub fn read(path: &Path) -> Result<RunState> {
        let journal = look(path)?;
        let running = journal.as_ref().is_some_and(|(_, taken)| *taken);
        let begun = journal.filter(|(text, _)| running || !text.is_empty() || !path.join(SUMMARY).exists());
        let sums = match begun {
            None => Sums::read(path)?,
            Some(_) => None,
        };
        let (manifest, digest) = stored(path)?.ok_or_else(|| refused(path, NO_RUN))?;
        let Some((text, _)) = begun else {
            let outcome = results(path, sums.as_ref())?;
            return Ok(RunState { manifest, outcome, stage: Stage::Finished });
        };
        let place = path.join(JOURNAL);
        let contents = Contents::of(&text, &place, |entry| misfit(entry, &manifest))?;
        if !contents.entries.is_empty() && contents.manifest != Some(digest) {
            return Err(refused(
                &place,
                "does not belong to manifest.json beside it: one of them is damaged, or of another run",
            ));
        }
        let shown = contents.entries.iter().filter_map(|entry| entry.shown.clone()).collect();
        let records: Vec<Record> = contents.entries.into_iter().map(|entry| entry.record).collect();
        let summary =
            Summary::begun(&manifest, &records).map_err(|e| other_version(&path.join(MANIFEST), &e))?;
        let mut outcome = Outcome { summary, records, shown: gallery::choose(shown) };
        warnings::review(&mut outcome);
        outcome.summary.warnings.extend(contents.damage.map(|damage| Warning::new("journal", damage)));
        let stage = if running { Stage::Running } else { Stage::Interrupted };
        Ok(RunState { manifest, outcome, stage })
    }
}
