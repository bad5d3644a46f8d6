//! A run seen from outside, while it goes on or after.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::{File, TryLockError};
use std::io::Read;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::directory::{
    JOURNAL, MANIFEST, Manifest, NO_RUN, SHOWN_JOURNAL, failed_to_read, other_version, results,
};
use super::{Outcome, Record, Shown, Summary, gallery, warnings};
use crate::{Error, Result};

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
        let error = |path: &Path, message: String| Error::Run { path: path.into(), message };
        let manifest = Manifest::read(path)?.ok_or_else(|| error(path, NO_RUN.into()))?;
        let journal = path.join(JOURNAL);
        let mut text = Vec::new();
        let stage = match File::open(&journal) {
            Ok(mut file) => {
                file.read_to_end(&mut text).map_err(|e| failed_to_read(&journal, &e))?;
                match file.try_lock_shared() {
                    Err(TryLockError::WouldBlock) => Stage::Running,
                    _ => Stage::Interrupted,
                }
                // The lock goes with the file, at once: another process may want it.
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Stage::Finished,
            Err(e) => return Err(failed_to_read(&journal, &e)),
        };
        if stage == Stage::Finished {
            let outcome = results(path)?;
            let stage = if outcome.summary.complete { stage } else { Stage::Interrupted };
            return Ok(RunState { manifest, outcome, stage });
        }
        let (mut records, _) = lines(&text, &journal, |record: &Record| record.index)?;
        records.sort_by_key(|record| record.index);
        let place = path.join(SHOWN_JOURNAL);
        let (shown, _) =
            lines(&std::fs::read(&place).unwrap_or_default(), &place, |shown: &Shown| shown.index)?;
        let summary =
            Summary::begun(&manifest, &records).map_err(|e| other_version(&path.join(MANIFEST), &e))?;
        let (attacks, minimal) = (summary.attacks.len(), summary.minimal.len());
        if records.iter().any(|r| r.attacks.len() != attacks || r.minimal.len() != minimal) {
            return Err(error(
                &journal,
                "is of another run than manifest.json; remove it to begin anew".into(),
            ));
        }
        let mut outcome = Outcome { summary, records, shown: gallery::choose(shown) };
        warnings::review(&mut outcome);
        Ok(RunState { manifest, outcome, stage })
    }
}

/// What the whole lines of a journal hold, one item for each sample, the last of it, and their length in bytes.
pub(super) fn lines<T: DeserializeOwned>(
    text: &[u8],
    path: &Path,
    index: impl Fn(&T) -> usize,
) -> Result<(Vec<T>, usize)> {
    let (mut items, mut whole) = (Vec::new(), 0);
    let mut places = BTreeMap::new();
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\n") else { break };
        let item: T = serde_json::from_slice(line).map_err(|e| Error::Run {
            path: path.into(),
            message: format!("is damaged at byte {whole} ({e}); remove it to begin anew"),
        })?;
        whole += line.len() + 1;
        match places.entry(index(&item)) {
            Entry::Occupied(place) => items[*place.get()] = item,
            Entry::Vacant(place) => {
                place.insert(items.len());
                items.push(item);
            }
        }
    }
    Ok((items, whole))
}
