//! `manifest.json`: what is run.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::files::{other_version, read_if_there, refused};
use super::provenance::ModelSummary;
use super::sums::sha256;
use crate::Result;
use crate::engine::Plan;

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

/// The manifest that is [`stored`] where a run is to be written.
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

/// Refuses to go on with an unfinished run of other settings, of which this many samples are kept, and names the difference.
pub(super) fn same_as_kept(
    path: &Path,
    kept: usize,
    there: &impl Serialize,
    here: &impl Serialize,
) -> Result<()> {
    let differences = apart(there, here)?;
    if differences.is_empty() {
        return Ok(());
    }
    let list = said(&differences).join("; ");
    let message = match differences.iter().all(|difference| matches!(difference, Difference::Content(_))) {
        true => format!(
            "holds an unfinished run, {kept} samples of it, and the data have changed since: a run of other data cannot go \
             on with these samples ({list})"
        ),
        false => {
            format!("holds an unfinished run of other settings: {list}; {kept} samples of it are kept")
        }
    };
    let advice =
        ". Give {out} another directory, or remove manifest.json and journal.jsonl there to begin anew";
    Err(refused(path, message).advise(advice))
}

/// Where the files of the data are among the settings.
const FILES: &str = "data.files";

/// Where the shape of a sample is.
const SHAPE: &str = "data.shape";

/// What the data's files are followed by: digests of what is said of how they are read.
const SAID: [&str; 3] = ["column of labels", "scaling of images", "order of classes"];

/// One thing in which two runs differ.
enum Difference {
    /// The content of a file of the data, by its name.
    Content(String),
    /// A setting, as it is said.
    Setting(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Difference::Content(file) => write!(f, "{FILES}: {file} differs"),
            Difference::Setting(said) => f.write_str(said),
        }
    }
}

/// What differs between two trees of settings: paths, and the values there.
pub(super) fn differences(there: &impl Serialize, here: &impl Serialize) -> Result<Vec<String>> {
    Ok(said(&apart(there, here)?))
}

fn said(differences: &[Difference]) -> Vec<String> {
    differences.iter().map(Difference::to_string).collect()
}

fn apart(there: &impl Serialize, here: &impl Serialize) -> Result<Vec<Difference>> {
    let (there, here) = (serde_json::to_value(there)?, serde_json::to_value(here)?);
    let mut found = Vec::new();
    compare("", &there, &here, &mut found);
    Ok(found)
}

fn compare(path: &str, there: &Value, here: &Value, found: &mut Vec<Difference>) {
    match (there, here) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let value = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                compare(&path, &value(a), &value(b), found);
            }
        }
        (Value::Array(a), Value::Array(b)) if path == FILES => compare_files(a, b, found),
        // Manifests had none once: what they do not say is no difference.
        _ if path == SHAPE && (is_empty(there) || is_empty(here)) => {}
        _ if there != here => {
            found.push(Difference::Setting(format!("{path} is {there} there and {here} here")));
        }
        _ => {}
    }
}

/// Compares the data's files, by their names.
fn compare_files(there: &[Value], here: &[Value], found: &mut Vec<Difference>) {
    let name = |file: &Value| file["file"].as_str().unwrap_or_default().to_owned();
    let has = |files: &[Value], file: &Value| files.iter().any(|other| name(other) == name(file));
    let before = found.len();
    let alone = |these: &[Value], others: &[Value], place: &str| -> Vec<Difference> {
        let alone = these.iter().filter(|file| !has(others, file));
        alone.map(|file| Difference::Setting(format!("{FILES} has {} {place} alone", name(file)))).collect()
    };
    found.extend(alone(there, here, "there"));
    found.extend(alone(here, there, "here"));
    let changed = there.iter().filter(|file| has(here, file) && !here.contains(file)).map(name);
    found.extend(changed.map(|file| match SAID.contains(&file.as_str()) {
        true => Difference::Setting(Difference::Content(file).to_string()),
        false => Difference::Content(file),
    }));
    if found.len() == before && there != here {
        found.push(Difference::Setting(format!("{FILES} has the same files in another order")));
    }
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// In what `there` and `here` differ, and whether the content of files is all of it.
    fn differ(there: Value, here: Value) -> (Vec<String>, bool) {
        let found = apart(&json!({"data": there}), &json!({"data": here})).unwrap();
        let content = found.iter().all(|difference| matches!(difference, Difference::Content(_)));
        (said(&found), content)
    }

    /// How data are read has digests beside those of their files: it is a setting, and no change of the data.
    #[test]
    fn files_and_what_is_said_of_them_are_told_differ() {
        let of = |files: &[(&str, &str)]| -> Value {
            let files: Vec<Value> =
                files.iter().map(|(file, sha256)| json!({"file": file, "sha256": sha256})).collect();
            json!({"files": files})
        };
        let plain = of(&[("x", "1")]);
        let (found, content) = differ(plain.clone(), of(&[("x", "2")]));
        assert_eq!((found, content), (vec!["data.files: x differs".to_owned()], true));
        let cubic = of(&[("x", "1"), ("scaling of images", "3")]);
        let (found, content) = differ(plain.clone(), cubic.clone());
        assert_eq!((found, content), (vec!["data.files has scaling of images here alone".to_owned()], false));
        let (found, content) = differ(cubic, of(&[("x", "1"), ("scaling of images", "4")]));
        assert_eq!((found, content), (vec!["data.files: scaling of images differs".to_owned()], false));
        let (found, content) = differ(of(&[("x", "1"), ("y", "2")]), of(&[("y", "2"), ("x", "1")]));
        assert!(found.len() == 1 && !content, "{found:?}");
        assert!(differ(plain.clone(), plain).0.is_empty());
    }

    /// Runs of a time when manifests had no shape can be gone on with.
    #[test]
    fn a_shape_that_is_not_said_is_no_difference() {
        let of = |shape: &[usize]| json!({"shape": shape});
        assert!(differ(of(&[]), of(&[3, 8, 8])).0.is_empty());
        assert!(differ(json!({}), of(&[3, 8, 8])).0.is_empty());
        assert_eq!(differ(of(&[3, 9, 9]), of(&[3, 8, 8])).0.len(), 1);
    }
}
