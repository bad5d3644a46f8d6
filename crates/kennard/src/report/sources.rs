//! The directories of runs, read.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value;

use super::sheet::{self, Sheet};
use super::sheet_view::KeptSheet;
use crate::audit::RunState;
use crate::run::sums::Sums;
use crate::run::{FileHash, MANIFEST, RunKind, stored};
use crate::smoothing::FinishedSmoothing;
use crate::survey::{SurveyManifest, SurveySummary};
use crate::train::{Epoch, TrainingManifest};
use crate::{Error, Result};

/// What one directory holds.
pub(super) struct Source {
    pub path: PathBuf,
    pub audit: Option<RunState>,
    pub surveys: Vec<KeptSurvey>,
    /// The figures of `kennard probe`.
    pub probe: Option<Value>,
    pub training: Option<KeptTraining>,
}

/// What `kennard train` keeps: its manifest, and an entry for each epoch.
#[derive(Serialize)]
pub(super) struct KeptTraining {
    manifest: TrainingManifest,
    epochs: Vec<Epoch>,
}

/// The packets of one directory.
pub(super) struct KeptSurvey {
    pub path: PathBuf,
    pub manifest: Option<SurveyManifest>,
    pub summary: SurveySummary,
}

impl Source {
    pub fn new(path: &Path) -> Source {
        Source { path: path.into(), audit: None, surveys: Vec::new(), probe: None, training: None }
    }

    /// Whether its audit is of the model and the data of a probe; no where the probe, of an earlier version, does not say.
    fn has_what_was_probed(&self, probe: &Value) -> bool {
        let Some(run) = &self.audit else { return false };
        let summary = &run.outcome.summary;
        let text = |place: &str| probe.pointer(place).and_then(Value::as_str);
        let files: Option<Vec<FileHash>> =
            probe.pointer("/data/files").and_then(|files| serde_json::from_value(files.clone()).ok());
        text("/model/sha256") == Some(summary.model.sha256.as_str())
            && text("/data/split").unwrap_or_default() == summary.data.split
            && files.is_some_and(|files| same_files(&files, &summary.data.files))
    }

    /// The SHA-256 of the model.
    fn model(&self) -> Option<&str> {
        let audit = self.audit.as_ref().map(|run| run.outcome.summary.model.sha256.as_str());
        audit.or_else(|| self.surveys.first().map(|survey| survey.summary.model.sha256.as_str()))
    }
}

/// What directories hold.
#[derive(Default)]
pub(super) struct DirectoryContents {
    pub sheets: Vec<KeptSheet>,
    pub sources: Vec<Source>,
}

impl DirectoryContents {
    fn add(&mut self, path: &Path) -> Result<()> {
        // A run of its own kind has a page of its own kind.
        let own = path.join(MANIFEST).exists() && !FinishedSmoothing::is_in(path);
        let sheet = if own { None } else { Sheet::read(path)? };
        let Some(sheet) = sheet else {
            self.sources.push(open(path)?);
            return Ok(());
        };
        let kept = KeptSheet { path: path.into(), sheet };
        if kept.shows_audits() {
            audits_within(path, DEPTH, &mut self.sources)?;
        }
        self.sheets.push(kept);
        Ok(())
    }
}

/// How deep the audits of an experiment lie in its directory at most: of a network, of its epochs, an epoch.
pub(super) const DEPTH: usize = 3;

/// The audits in the directories within, in the order of their paths.
pub(super) fn audits_within(path: &Path, depth: usize, sources: &mut Vec<Source>) -> Result<()> {
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
pub(super) fn read(path: &Path, found: &mut DirectoryContents) -> Result<()> {
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
fn training(path: &Path) -> Result<Option<KeptTraining>> {
    if RunKind::of(path)? != Some(RunKind::Training) {
        return Ok(None);
    }
    let Some(manifest) = TrainingManifest::read(path)? else { return Ok(None) };
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
    Ok(Some(KeptTraining { manifest, epochs }))
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
        source.surveys.push(KeptSurvey { path: path.into(), manifest, summary });
    } else if let Some(kind @ (RunKind::Smoothing | RunKind::Packets)) = RunKind::of(path)? {
        let message =
            format!("holds {kind}, but no results yet, of which its page is made: finish the run first");
        return Err(Error::Run { path: path.into(), message });
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

/// Packets joined to the first audit of the same model, and a probe to the first of the same model and data.
pub(super) fn joined(sources: Vec<Source>) -> Vec<Source> {
    let (mut audits, others): (Vec<Source>, Vec<Source>) =
        sources.into_iter().partition(|source| source.audit.is_some());
    let mut alone = Vec::new();
    for source in others {
        let same = |audit: &&mut Source| match &source.probe {
            Some(probe) => audit.probe.is_none() && audit.has_what_was_probed(probe),
            None => source.model().is_some() && audit.model() == source.model(),
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

/// Whether these are the same contents, in whatever order.
pub(super) fn same_files(a: &[FileHash], b: &[FileHash]) -> bool {
    let digests = |files: &[FileHash]| -> Vec<String> {
        let mut digests: Vec<String> = files.iter().map(|file| file.sha256.clone()).collect();
        digests.sort();
        digests
    };
    digests(a) == digests(b)
}
