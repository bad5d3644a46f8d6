use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::files::refused;
use super::manifest::{About, Manifest, differences};
use crate::data::Indices;
use crate::warning::Warning;
use crate::{Advice, Error, RequestError, Result};

/// The part of the selected samples that a run works on: every `of`-th of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which part, from 1.
    pub number: usize,
    /// How many parts there are.
    pub of: usize,
}

/// The code of the warning that figures are of one part.
pub(crate) const SHARD_ALONE: &str = "shard";

/// `2nd`, `3rd`, `4th`, `11th`, `21st`.
fn ordinal(n: usize) -> String {
    let end = match (n % 100, n % 10) {
        (11..=13, _) => "th",
        (_, 1) => "st",
        (_, 2) => "nd",
        (_, 3) => "rd",
        _ => "th",
    };
    format!("{n}{end}")
}

impl Shard {
    /// All samples.
    pub const WHOLE: Shard = Shard { number: 1, of: 1 };

    /// Whether these are all samples.
    pub(crate) fn is_whole(&self) -> bool {
        *self == Shard::WHOLE
    }

    /// What a reader of the figures of one part must know.
    pub(crate) fn warning(self) -> Option<Warning> {
        (!self.is_whole()).then(|| {
            let message = format!(
                "the figures cover only shard {self}, every {} of the samples that were asked for; merge the shards for the \
                 figures of all",
                ordinal(self.of)
            );
            Warning::new(SHARD_ALONE, message)
        })
    }

    /// This part of the selected samples.
    pub fn of(self, selected: Indices) -> Indices {
        match self {
            Shard::WHOLE => selected,
            _ => Box::new(selected.skip(self.number - 1).step_by(self.of)),
        }
    }
}

impl Default for Shard {
    fn default() -> Shard {
        Shard::WHOLE
    }
}

/// The manifest of the whole whose shards lie in `parts`, from the manifests there; `shard` is the place of the shard in settings. The
/// command is left to the caller.
///
/// # Errors
/// When there is no part, or one is missing, there twice, or of another run; the message names the difference.
pub(crate) fn merged_manifest<S: Clone + Serialize>(
    parts: &[PathBuf],
    manifests: &[&Manifest<S>],
    shard: fn(&mut S) -> &mut Shard,
) -> Result<Manifest<S>> {
    let Some(&first) = manifests.first() else {
        return Err(RequestError::NothingToMerge.into());
    };
    let whole = |manifest: &Manifest<S>| {
        let mut settings = manifest.settings.clone();
        let part = std::mem::take(shard(&mut settings));
        (settings, part)
    };
    let (settings, _) = whole(first);
    let mut shards = Vec::new();
    for (path, manifest) in parts.iter().zip(manifests) {
        let (own, part) = whole(manifest);
        let apart = differences(&settings, &own)?.join("; ");
        if !apart.is_empty() {
            let message = format!("is part of another run than {}: {apart}", parts[0].display());
            return Err(refused(path, message));
        }
        shards.push((path, part));
    }
    check_whole(&shards)?;
    let samples = manifests.iter().map(|manifest| manifest.about.samples).sum();
    let about = About { samples, ..first.about.clone() };
    Ok(Manifest { command: Vec::new(), about, settings, kennard: first.kennard.clone(), plan: first.plan })
}

/// Checks that the shards in these directories are the parts of one whole, each there once.
///
/// # Errors
/// When one is missing, there twice, or of another division.
fn check_whole(parts: &[(&PathBuf, Shard)]) -> Result<()> {
    let mut taken: Vec<Option<&PathBuf>> = Vec::new();
    for &(path, shard) in parts {
        if !taken.is_empty() && taken.len() != shard.of {
            let message = format!("is shard {shard}, {} is one of {}", parts[0].0.display(), taken.len());
            return Err(refused(path, message));
        }
        taken.resize(shard.of, None);
        let place = shard.number.checked_sub(1).and_then(|place| taken.get_mut(place));
        let place =
            place.ok_or_else(|| refused(path, format!("says it is shard {shard}, which does not exist")))?;
        if let Some(twin) = place.replace(path) {
            return Err(refused(path, format!("is shard {shard}, and so is {}", twin.display())));
        }
    }
    if let Some(missing) = taken.iter().position(Option::is_none) {
        let shard = Shard { number: missing + 1, of: taken.len() };
        return Err(Error::Request(RequestError::MissingShard { number: shard.number, of: shard.of })
            .advise(Advice::new("; run it with {shard}, and name its directory").with("shard", shard)));
    }
    Ok(())
}

impl FromStr for Shard {
    type Err = Error;

    fn from_str(text: &str) -> Result<Shard> {
        let parts =
            text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Shard { number, of }),
            _ => Err(Error::Unreadable {
                text: text.into(),
                what: "shard",
                form: "write 1/3 for the first of three".into(),
            }),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}
