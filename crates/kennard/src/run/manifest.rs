//! `manifest.json`: what is run.

use std::collections::BTreeSet;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::files::{other_version, read_if_there, refused};
use super::provenance::ModelSummary;
use super::sums::sha256;
use crate::engine::Plan;
use crate::{Error, Result};

/// The file's name.
pub(crate) const MANIFEST: &str = "manifest.json";

/// What is said of a directory without a manifest.
pub(crate) const NO_RUN: &str = "holds no run (manifest.json is missing)";

/// What is measured, so that anyone can measure it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "S: Serialize", deserialize = "S: DeserializeOwned"))]
pub struct Manifest<S> {
    /// Kennard's version.
    pub kennard: String,
    /// The command line.
    pub command: Vec<String>,
    /// How the engine is fed; all but the micro-batch leaves the figures alone.
    pub plan: Plan,
    /// What the run is about.
    #[serde(default)]
    pub about: About,
    /// Everything that the figures depend on. Runs with equal settings give equal samples.
    #[serde(serialize_with = "sorted")]
    pub settings: S,
}

/// Keys in the order of the alphabet, and single precision as the double that it is.
pub(crate) fn sorted<S: Serialize, T: Serializer>(
    settings: &S,
    serializer: T,
) -> std::result::Result<T::Ok, T::Error> {
    serde_json::to_value(settings).map_err(T::Error::custom)?.serialize(serializer)
}

/// What a run is about, for those who look at it while it goes on. The figures do not depend on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct About {
    /// The model.
    pub model: ModelSummary,
    /// How many samples there are to examine.
    pub samples: u64,
    /// The classes' names, where the data set has some.
    pub classes: Vec<String>,
    /// The training run that the model is a checkpoint of, where the audit is one of several over its epochs.
    pub checkpoint: Option<Checkpoint>,
    /// What the attacks decided about certificates, where that was left to them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificates: Option<String>,
}

/// A network at one time of its training.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The directory of the training run.
    pub run: String,
    /// The epoch, from 1.
    pub epoch: u64,
}

impl<S> Manifest<S> {
    /// The manifest of what `command` started, by this version of Kennard.
    pub fn of(command: Vec<String>, plan: Plan, about: About, settings: S) -> Manifest<S> {
        Manifest { kennard: env!("CARGO_PKG_VERSION").into(), command, plan, about, settings }
    }
}

/// The manifest in a directory, and the SHA-256 of its file; nothing where there is none.
pub(crate) fn stored<M: DeserializeOwned>(directory: &Path) -> Result<Option<(M, String)>> {
    let path = directory.join(MANIFEST);
    let Some(text) = read_if_there(&path)? else { return Ok(None) };
    let manifest = serde_json::from_slice(&text).map_err(|e| other_version(&path, &e))?;
    Ok(Some((manifest, sha256(&text))))
}

/// The same where a run is to be written.
pub(crate) fn stored_before<M: DeserializeOwned>(directory: &Path) -> Result<Option<(M, String)>> {
    stored(directory).map_err(|error| error.advise(", or give {out} another directory"))
}

/// Refuses to go on in a directory whose run has other settings, and names the difference.
pub(crate) fn same_settings(path: &Path, there: &impl Serialize, here: &impl Serialize) -> Result<()> {
    let differences = differences(there, here)?;
    if differences.is_empty() {
        return Ok(());
    }
    let list = differences.join("; ");
    Err(refused(path, format!("holds a run of other settings: {list}"))
        .advise(". Give {out} another directory"))
}

/// The same of an unfinished run, of which this many samples are kept.
pub(super) fn same_as_kept(
    path: &Path,
    kept: usize,
    there: &impl Serialize,
    here: &impl Serialize,
) -> Result<()> {
    let differences = differences(there, here)?;
    if differences.is_empty() {
        return Ok(());
    }
    let message = match differences.iter().all(|difference| difference.starts_with("data.files ")) {
        true => format!(
            "holds an unfinished run, {kept} samples of it, and the data have changed since: a run of other data cannot go \
             on with these samples"
        ),
        false => format!(
            "holds an unfinished run of other settings: {}; {kept} samples of it are kept",
            differences.join("; ")
        ),
    };
    let advice =
        ". Give {out} another directory, or remove manifest.json and journal.jsonl there to begin anew";
    Err(refused(path, message).advise(advice))
}

/// What differs between two trees of settings: paths, and the values there.
pub(crate) fn differences(there: &impl Serialize, here: &impl Serialize) -> Result<Vec<String>> {
    let error = |e: serde_json::Error| Error::Summary(e.to_string());
    let (there, here) =
        (serde_json::to_value(there).map_err(error)?, serde_json::to_value(here).map_err(error)?);
    let mut found = Vec::new();
    compare("", &there, &here, &mut found);
    Ok(found)
}

fn compare(path: &str, there: &Value, here: &Value, found: &mut Vec<String>) {
    match (there, here) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let value = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                compare(&path, &value(a), &value(b), found);
            }
        }
        _ if there != here => found.push(format!("{path} is {there} there and {here} here")),
        _ => {}
    }
}
