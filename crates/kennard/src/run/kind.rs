//! What kind of run a directory holds.

use std::fmt;
use std::path::Path;

use serde::Deserialize;
use serde::de::IgnoredAny;

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
        let own: OwnFields = serde_json::from_slice(&text).unwrap_or_default();
        Ok(own.kind())
    }
}

/// The fields of manifests that those of one kind alone have; no other is read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct OwnFields {
    training: Option<IgnoredAny>,
    settings: Option<OwnSettings>,
}

/// The same of their settings.
#[derive(Default, Deserialize)]
#[serde(default)]
struct OwnSettings {
    attacks: Option<IgnoredAny>,
    sigma: Option<IgnoredAny>,
    packet: Option<IgnoredAny>,
}

impl OwnFields {
    fn kind(self) -> Option<RunKind> {
        let OwnSettings { attacks, sigma, packet } = self.settings.unwrap_or_default();
        let training = self.training.map(|_| RunKind::Training);
        let audit = attacks.map(|_| RunKind::Audit);
        let smoothing = sigma.map(|_| RunKind::Smoothing);
        training.or(audit).or(smoothing).or(packet.map(|_| RunKind::Packets))
    }
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
