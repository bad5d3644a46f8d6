//! What the page shows, as it goes to the page's script.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::classes::Classes;
use super::compare::Comparison;
use super::examples::Example;
use super::packets::SurveyView;
use super::samples::{DistancePairs, Histogram, SampleTable};
use super::sources::Training;
use super::{Detail, Source};
use crate::audit::{Manifest, RunState, Stage, Summary};
use crate::probe::Counts;

#[derive(Serialize)]
pub(super) struct Document<'a> {
    /// The version of Kennard that made the page.
    kennard: &'static str,
    pub runs: Vec<Run<'a>>,
    comparison: Option<Comparison>,
}

/// One run. What it does not have is null.
#[derive(Serialize)]
pub(super) struct Run<'a> {
    pub name: String,
    directory: String,
    stage: Stage,
    /// How many samples there are to examine.
    total: u64,
    summary: Option<&'a Summary>,
    manifest: Option<&'a Manifest>,
    /// What a reader should know of the directory itself.
    notes: Vec<String>,
    classes: Option<Classes>,
    distances: Option<Histogram>,
    /// Predicted and found distances.
    pairs: Option<DistancePairs>,
    samples: Option<SampleTable>,
    examples: Vec<Example>,
    surveys: Vec<SurveyView<'a>>,
    /// How many cosines of samples and their loss gradients fall where, in an audit.
    cosines: Option<Counts>,
    /// The report of `kennard probe`.
    probe: Option<&'a Value>,
    training: Option<&'a Training>,
}

impl<'a> Document<'a> {
    pub fn new(sources: &'a [Source], detail: Detail) -> Document<'a> {
        let names = names(sources);
        let comparison = (sources.len() > 1).then(|| Comparison::new(sources, &names)).flatten();
        let runs = sources.iter().zip(names).map(|(source, name)| Run::new(source, name, detail)).collect();
        Document { kennard: env!("CARGO_PKG_VERSION"), runs, comparison }
    }
}

impl<'a> Run<'a> {
    fn new(source: &'a Source, name: String, detail: Detail) -> Run<'a> {
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
        Run {
            name,
            directory: source.path.display().to_string(),
            stage: state.map_or(Stage::Finished, |state| state.stage),
            total: manifest.map_or(0, |manifest| manifest.about.samples).max(examined),
            summary,
            manifest,
            notes,
            classes: state.and_then(Classes::new),
            distances: state.and_then(Histogram::of_distances),
            pairs: state.and_then(DistancePairs::new),
            samples: state.map(|state| SampleTable::new(state, detail.rows)),
            examples: state.map_or_else(Vec::new, |state| Example::all(state, detail.examples)),
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

/// The directories' own names; their paths where two are called the same.
fn names(sources: &[Source]) -> Vec<String> {
    let short = |source: &Source| match source.path.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => source.path.display().to_string(),
    };
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    sources.iter().for_each(|source| *count.entry(short(source)).or_default() += 1);
    let name = |source: &Source| match short(source) {
        name if count[&name] == 1 => name,
        _ => source.path.display().to_string(),
    };
    sources.iter().map(name).collect()
}
