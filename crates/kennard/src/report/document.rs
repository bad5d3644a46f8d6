//! What the page shows, as it goes to the page's script.

use serde::Serialize;
use serde_json::Value;

use super::classes::Classes;
use super::compare::RunComparison;
use super::examples::BrokenSample;
use super::packets::SurveyView;
use super::samples::{DistanceHistogram, DistancePairs, SampleTable};
use super::sheet_view::{KeptSheet, SheetView};
use super::sources::KeptTraining;
use super::{Detail, Source};
use crate::audit::{AuditManifest, OWN_SIZES, RunState, Stage, Summary};
use crate::probe::Counts;

#[derive(Serialize)]
pub(super) struct Document<'a> {
    /// The version of Kennard that made the page.
    kennard: &'static str,
    /// What stands in the place of one epsilon for all samples and features.
    own_sizes: [&'static str; 2],
    pub sheets: Vec<SheetView<'a>>,
    pub runs: Vec<RunView<'a>>,
    comparison: Option<RunComparison>,
}

/// One run. What it does not have is null.
#[derive(Serialize)]
pub(super) struct RunView<'a> {
    pub name: String,
    directory: String,
    stage: Stage,
    /// How many samples there are to examine.
    total: u64,
    summary: Option<&'a Summary>,
    manifest: Option<&'a AuditManifest>,
    /// What a reader should know of the directory itself.
    notes: Vec<String>,
    classes: Option<Classes>,
    distances: Option<DistanceHistogram>,
    /// Predicted and found distances.
    pairs: Option<DistancePairs>,
    samples: Option<SampleTable>,
    examples: Vec<BrokenSample>,
    surveys: Vec<SurveyView<'a>>,
    /// How many cosines of samples and their loss gradients fall where, in an audit.
    cosines: Option<Counts>,
    /// The report of `kennard probe`.
    probe: Option<&'a Value>,
    training: Option<&'a KeptTraining>,
}

impl<'a> Document<'a> {
    /// `left_out` is why the audits of sheets are not among the sources.
    pub fn new(
        sheets: &'a [KeptSheet],
        sources: &'a [Source],
        detail: Detail,
        left_out: Option<&str>,
    ) -> Document<'a> {
        let names = names(&sources.iter().collect::<Vec<_>>());
        let comparison = (sources.len() > 1).then(|| RunComparison::new(sources, &names)).flatten();
        let runs =
            sources.iter().zip(names).map(|(source, name)| RunView::new(source, name, detail)).collect();
        let sheets = sheets.iter().map(|kept| SheetView::new(kept, detail.pictures, left_out)).collect();
        Document { kennard: env!("CARGO_PKG_VERSION"), own_sizes: OWN_SIZES, sheets, runs, comparison }
    }
}

impl<'a> RunView<'a> {
    fn new(source: &'a Source, name: String, detail: Detail) -> RunView<'a> {
        let state = source.audit.as_ref();
        let summary = state.map(|state| &state.outcome.summary);
        let manifest = state.map(|state| &state.manifest);
        let mut notes = Vec::new();
        if let Some(manifest) = manifest.filter(|m| m.kennard != env!("CARGO_PKG_VERSION")) {
            notes.push(format!(
                "The run is of Kennard {}, this page of {}.",
                manifest.kennard,
                env!("CARGO_PKG_VERSION")
            ));
        }
        let examined = summary.map_or(0, |summary| summary.samples);
        RunView {
            name,
            directory: source.path.display().to_string(),
            stage: state.map_or(Stage::Finished, |state| state.stage),
            total: manifest.map_or(0, |manifest| manifest.about.samples).max(examined),
            summary,
            manifest,
            notes,
            classes: state.and_then(Classes::new),
            distances: state.and_then(DistanceHistogram::of_distances),
            pairs: state.and_then(DistancePairs::new),
            samples: state.map(|state| SampleTable::new(state, detail.rows)),
            examples: state.map_or_else(Vec::new, |state| BrokenSample::all(state, detail.examples)),
            surveys: source.surveys.iter().map(|survey| SurveyView::new(survey, detail.maps)).collect(),
            cosines: state.and_then(cosines),
            probe: source.probe.as_ref(),
            training: source.training.as_ref(),
        }
    }
}

fn cosines(state: &RunState) -> Option<Counts> {
    if state.outcome.summary.clean.pending > 0 {
        return None;
    }
    let found: Vec<f64> = state.outcome.records.iter().filter_map(|record| record.cosine).collect();
    (!found.is_empty()).then(|| Counts::of(&found))
}

/// The directories' own names; with as many of those that they lie in as tell them apart.
pub(super) fn names(sources: &[&Source]) -> Vec<String> {
    let parts = |source: &&Source| -> Vec<String> {
        source.path.components().map(|part| part.as_os_str().to_string_lossy().into_owned()).collect()
    };
    let all: Vec<Vec<String>> = sources.iter().map(parts).collect();
    let end = |parts: &[String], count: usize| parts[parts.len().saturating_sub(count)..].join("/");
    let name = |parts: &Vec<String>| {
        let alone = |count: &usize| {
            let mine = end(parts, *count);
            all.iter().filter(|other| end(other, *count) == mine).count() == 1
        };
        end(parts, (1..parts.len().max(1)).find(alone).unwrap_or(parts.len()))
    };
    all.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn names_are_as_short_as_tells_them_apart() {
        let named = |paths: &[&str]| {
            let sources: Vec<Source> = paths.iter().map(|p| Source::new(Path::new(p))).collect();
            names(&sources.iter().collect::<Vec<_>>())
        };
        assert_eq!(named(&["runs/a", "runs/b"]), ["a", "b"]);
        assert_eq!(named(&["runs/a/audit", "runs/b/audit", "c"]), ["a/audit", "b/audit", "c"]);
        assert_eq!(named(&["a", "a"]), ["a", "a"]);
        assert_eq!(named(&["run", "other/run"]), ["run", "other/run"]);
        assert_eq!(named(&["."]), ["."]);
    }
}
