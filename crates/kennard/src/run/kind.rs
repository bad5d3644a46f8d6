//! What kind of run a directory holds.

use std::fmt;
use std::path::Path;

use serde_json::{Map, Value};

use super::files::{read_if_there, refused};
use super::manifest::MANIFEST;
use crate::Result;

/// The kinds of runs, told apart by what their manifests say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunKind {
    Audit,
    Smoothing,
    Packets,
    Training,
}

impl RunKind {
    /// That of the run in a directory; nothing where there is none, or where its manifest does not say.
    ///
    /// # Errors
    /// When the manifest cannot be read.
    pub fn of(directory: &Path) -> Result<Option<RunKind>> {
        let text = read_if_there(&directory.join(MANIFEST))?.unwrap_or_default();
        let manifest: Map<String, Value> = serde_json::from_slice(&text).unwrap_or_default();
        Ok(kind(&manifest))
    }
}

/// By the fields of a manifest, and of its settings, that those of one kind alone have.
fn kind(manifest: &Map<String, Value>) -> Option<RunKind> {
    let has =
        |fields: &Map<String, Value>, name: &str| fields.get(name).is_some_and(|value| !value.is_null());
    if has(manifest, "training") {
        return Some(RunKind::Training);
    }
    let settings = manifest.get("settings")?.as_object()?;
    let own = [("attacks", RunKind::Audit), ("sigma", RunKind::Smoothing), ("packet", RunKind::Packets)];
    own.into_iter().find(|(name, _)| has(settings, name)).map(|(_, kind)| kind)
}

impl fmt::Display for RunKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RunKind::Audit => "an audit",
            RunKind::Smoothing => "a certification",
            RunKind::Packets => "packets",
            RunKind::Training => "a training run",
        })
    }
}

/// Refuses a directory whose run is of another kind than those that are taken.
pub(crate) fn check_kind(directory: &Path, taken: &[RunKind]) -> Result<()> {
    let Some(other) = RunKind::of(directory)?.filter(|kind| !taken.contains(kind)) else { return Ok(()) };
    let taken: Vec<String> = taken.iter().map(RunKind::to_string).collect();
    Err(refused(directory, format!("holds {other}; what is needed here is {}", taken.join(" or "))))
}

/// Refuses to write where a run of another kind is.
pub(crate) fn keep_off(directory: &Path, own: RunKind) -> Result<()> {
    match RunKind::of(directory)? {
        Some(other) if other != own => {
            Err(refused(directory, format!("holds {other}")).advise("; give {out} another directory"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Fields have names: a list is no manifest, and no settings.
    #[test]
    fn a_kind_is_told_by_the_names_of_fields() {
        let of = |manifest: Value| {
            let directory = tempfile::tempdir().unwrap();
            std::fs::write(directory.path().join(MANIFEST), manifest.to_string()).unwrap();
            RunKind::of(directory.path()).unwrap()
        };
        assert_eq!(of(json!({ "training": {} })), Some(RunKind::Training));
        assert_eq!(of(json!({ "settings": { "attacks": [], "packet": {} } })), Some(RunKind::Audit));
        assert_eq!(of(json!({ "settings": { "sigma": 0.25 } })), Some(RunKind::Smoothing));
        assert_eq!(of(json!({ "settings": { "attacks": null, "packet": {} } })), Some(RunKind::Packets));
        for other in [json!({ "settings": [["apgd"], 0.25, 1] }), json!([{}, {}]), json!({ "settings": 1 })] {
            assert_eq!(of(other.clone()), None, "{other}");
        }
    }
}
