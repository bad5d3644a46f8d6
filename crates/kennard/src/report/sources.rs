//! The directories of runs, read.

use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::sheet::{self, Sheet};
use super::sheet_view::KeptSheet;
use crate::audit::RunState;
use crate::run::files::other_version;
use crate::run::sums::Sums;
use crate::run::{MANIFEST, stored};
use crate::smoothing::FinishedSmoothing;
use crate::survey::{SurveyManifest, SurveySummary};
use crate::train::{Epoch, TrainingManifest};
use crate::{Error, Result};

/// What one directory holds.
pub(super) struct Source {
    pub path: PathBuf,
    pub audit: Option<RunState>,
    pub surveys: Vec<Survey>,
    /// The figures of `kennard probe`.
    pub probe: Option<Value>,
    pub training: Option<Training>,
}

/// What `kennard train` keeps: its manifest, and an entry for each epoch.
#[derive(Serialize)]
pub(super) struct Training {
    manifest: TrainingManifest,
    epochs: Vec<Epoch>,
}

/// What a manifest is of, by its keys.
#[derive(Deserialize)]
struct Kind {
    training: Option<IgnoredAny>,
}

/// The packets of one directory.
pub(super) struct Survey {
    pub path: PathBuf,
    pub manifest: Option<SurveyManifest>,
    pub summary: SurveySummary,
}

impl Source {
    pub fn new(path: &Path) -> Source {
        Source { path: path.into(), audit: None, surveys: Vec::new(), probe: None, training: None }
    }

    /// The SHA-256 of the model.
    fn model(&self) -> Option<&str> {
        let audit = self.audit.as_ref().map(|run| run.outcome.summary.model.sha256.as_str());
        audit.or_else(|| self.surveys.first().map(|survey| survey.summary.model.sha256.as_str()))
    }
}

/// What directories hold.
#[derive(Default)]
pub(super) struct Found {
    pub sheets: Vec<KeptSheet>,
    pub sources: Vec<Source>,
}

impl Found {
    fn add(&mut self, path: &Path) -> Result<()> {
        // A run of its own kind has a page of its own kind.
        let own = path.join(MANIFEST).exists() && !FinishedSmoothing::is_in(path);
        let sheet = if own { None } else { Sheet::read(path)? };
        let Some(sheet) = sheet else {
            self.sources.push(open(path)?);
            return Ok(());
        };
        if sheet.audits || !sheet.finished {
            audits_within(path, DEPTH, &mut self.sources)?;
        }
        self.sheets.push(KeptSheet { path: path.into(), sheet });
        Ok(())
    }
}

/// How deep the audits of an experiment lie in its directory at most: of a network, of its epochs, an epoch.
const DEPTH: usize = 3;

/// The audits in the directories within, in the order of their paths.
fn audits_within(path: &Path, depth: usize, sources: &mut Vec<Source>) -> Result<()> {
    for place in directories(path)? {
        let is_training = training(&place)?.is_some();
        if place.join(MANIFEST).exists() && !is_training {
            let source = open(&place)?;
            sources.extend(Some(source).filter(|source| source.audit.is_some()));
        } else if depth > 1 {
            audits_within(&place, depth - 1, sources)?;
        }
    }
    Ok(())
}

/// The directories in a directory, in the order of their names.
fn directories(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e| Error::Run { path: path.into(), message: format!("cannot be read: {e}") };
    let entries = std::fs::read_dir(path).map_err(failed)?;
    let mut inner: Vec<PathBuf> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect();
    inner.sort();
    Ok(inner)
}

/// Reads a directory, or the directories in it.
pub(super) fn read(path: &Path, found: &mut Found) -> Result<()> {
    let error = |message: String| Error::Run { path: path.into(), message };
    let is_run =
        |path: &Path| [MANIFEST, "summary.json", sheet::FILE].iter().any(|name| path.join(name).exists());
    if is_run(path) {
        return found.add(path);
    }
    let inner: Vec<PathBuf> = directories(path)?.into_iter().filter(|path| is_run(path)).collect();
    if inner.is_empty() {
        return Err(error(
            "holds no run (neither manifest.json, page.json nor summary.json is there, nor in a directory within)"
                .into(),
        )
        .advise("; name the directory that was given to {out}"));
    }
    inner.iter().try_for_each(|place| found.add(place))
}

/// The training in a directory; nothing where it holds something else.
fn training(path: &Path) -> Result<Option<Training>> {
    let manifest = path.join(MANIFEST);
    let text = std::fs::read(&manifest).unwrap_or_default();
    if !serde_json::from_slice::<Kind>(&text).is_ok_and(|manifest| manifest.training.is_some()) {
        return Ok(None);
    }
    let manifest = serde_json::from_slice(&text).map_err(|e| other_version(&manifest, &e))?;
    if let Some(sums) = Sums::read(path)? {
        ["manifest.json", "log.jsonl"].into_iter().try_for_each(|name| sums.check(name))?;
    }
    let log = path.join("log.jsonl");
    let text = std::fs::read(&log).unwrap_or_default();
    let mut epochs = Vec::new();
    // The last line may be half written.
    for line in text.split_inclusive(|&byte| byte == b'\n').filter_map(|line| line.strip_suffix(b"\n")) {
        epochs.push(serde_json::from_slice(line).map_err(|e| {
            let message = format!("is not of this version of Kennard, or damaged ({e})");
            Error::Run { path: log.clone(), message }.advise("; train with {resume}")
        })?);
    }
    Ok(Some(Training { manifest, epochs }))
}

fn open(path: &Path) -> Result<Source> {
    if let Some(training) = training(path)? {
        return Ok(Source { training: Some(training), ..Source::new(path) });
    }
    let summary_file = path.join("summary.json");
    let error = |message: String| Error::Run { path: summary_file.clone(), message };
    let mut source = Source::new(path);
    let summary: Option<Value> = match std::fs::read(&summary_file) {
        Ok(text) => Some(serde_json::from_slice(&text).map_err(|e| {
            error(format!("is cut off or damaged ({e}); run the command again that wrote it"))
        })?),
        Err(_) => None,
    };
    let has = |key: &str| summary.as_ref().is_some_and(|summary| summary.get(key).is_some());
    if (has("cosine_histogram") || has("curve"))
        && let Some(sums) = Sums::read(path)?
    {
        let mut listed = ["manifest.json", "summary.json"].into_iter().filter(|name| sums.lists(name));
        listed.try_for_each(|name| sums.check(name))?;
    }
    if has("cosine_histogram") {
        source.probe = summary;
    } else if has("curve") {
        let summary = serde_json::from_value(summary.unwrap_or_default()).map_err(|e| {
            error(format!("is not of this version of Kennard, or damaged ({e}); measure the packets again"))
        })?;
        let manifest = stored(path)?.map(|(manifest, _)| manifest);
        source.surveys.push(Survey { path: path.into(), manifest, summary });
    } else if path.join("manifest.json").exists() {
        source.audit = Some(RunState::read(path)?);
    } else {
        return Err(Error::Run {
            path: path.into(),
            message: "holds no run that a page can show: manifest.json is missing, and so is page.json"
                .into(),
        });
    }
    Ok(source)
}

/// Packets and probes joined to the first audit of the same model. A probe names no model; it goes to the
/// only other run there is.
pub(super) fn joined(sources: Vec<Source>) -> Vec<Source> {
    let (mut audits, others): (Vec<Source>, Vec<Source>) =
        sources.into_iter().partition(|source| source.audit.is_some());
    let mut alone = Vec::new();
    for source in others {
        let only = audits.len() == 1;
        let same = |audit: &&mut Source| match source.model() {
            _ if source.training.is_some() => false,
            Some(model) => audit.model() == Some(model),
            None => only && audit.probe.is_none(),
        };
        match audits.iter_mut().find(same) {
            Some(audit) => {
                audit.surveys.extend(source.surveys);
                audit.probe = source.probe.or(audit.probe.take());
            }
            None => alone.push(source),
        }
    }
    audits.extend(alone);
    audits
}
