use std::collections::BTreeSet;
use std::path::PathBuf;

use super::finished::FinishedRun;
use super::predicted::PredictedDistances;
use super::{Shard, Shown, Summary, Warning, gallery, missing, warnings};
use crate::Result;
use crate::data::notes_of_parts;
use crate::engine::OtherLabels;
use crate::run::{RunKind, check_kind, merged_manifest};

/// The run whose shards lie in `parts`, as if it had been run as one; its command is left to the caller.
///
/// # Errors
/// When a part is missing, unfinished or damaged, there twice, or of another run; the message names the
/// difference.
pub fn merge(parts: &[PathBuf]) -> Result<FinishedRun> {
    parts.iter().try_for_each(|path| check_kind(path, &[RunKind::Audit, RunKind::Smoothing]))?;
    let runs: Vec<FinishedRun> = parts.iter().map(|path| FinishedRun::open(path)).collect::<Result<_>>()?;
    let manifests: Vec<_> = runs.iter().map(|run| &run.manifest).collect();
    let manifest = merged_manifest(parts, &manifests, |settings| &mut settings.shard)?;
    let mut merged = FinishedRun { manifest, outcome: runs[0].outcome.clone() };
    let outcome = &mut merged.outcome;
    outcome.summary.shard = Shard::WHOLE;
    // Requirements are judged on a shard's own figures, and say nothing about the whole.
    outcome.summary.requirements.clear();
    for run in &runs[1..] {
        let (sum, mut part) = (&mut outcome.summary, run.outcome.summary.clone());
        outcome.records.extend_from_slice(&run.outcome.records);
        sum.total += part.total;
        sum.times().zip(part.times()).for_each(|(sum, part)| *sum += *part);
        sum.packets.extend_from_slice(&part.packets);
        Warning::join(&mut sum.warnings, &part.warnings);
    }
    join_labels(&mut outcome.summary, &runs);
    let mine = std::mem::take(&mut outcome.shown);
    let theirs = runs[1..].iter().flat_map(|run| run.outcome.shown.iter().cloned());
    let contradicted: BTreeSet<usize> =
        outcome.records.iter().filter(|record| record.is_contradicted()).map(|record| record.index).collect();
    let all = mine.into_iter().chain(theirs);
    let all = all.map(|shown| Shown { contradicts: contradicted.contains(&shown.index), ..shown });
    outcome.shown = gallery::choose(all.collect());
    outcome.records.sort_by_key(|record| record.index);
    outcome.summary.count(&outcome.records);
    let notes: Vec<&[String]> = runs.iter().map(|run| &run.outcome.summary.data.notes[..]).collect();
    let mut notes = notes_of_parts(&notes, outcome.records.len());
    let note = missing::note(&outcome.summary, &outcome.records);
    notes.extend(note.filter(|note| !notes.contains(note)));
    outcome.summary.data.notes = notes;
    let scale = runs.iter().find_map(|run| run.outcome.summary.distances.as_ref()).map(|d| d.scale);
    let norm = outcome.summary.threat_model.norm;
    outcome.summary.distances = scale.and_then(|scale| PredictedDistances::of(&outcome.records, norm, scale));
    warnings::review(outcome);
    Ok(merged)
}

/// Puts one warning about the file's own labels in the place of the parts' warnings. Where some part did not compare the labels, the
/// warnings of the parts stay.
fn join_labels(summary: &mut Summary, parts: &[FinishedRun]) {
    if summary.warnings.iter().any(|warning| warning.code == OtherLabels::NOT_COMPARED) {
        return;
    }
    let told = |part: &FinishedRun| {
        let mut warnings = part.outcome.summary.warnings.iter().enumerate();
        warnings.find_map(|(place, warning)| Some((place, OtherLabels::told(warning)?)))
    };
    let found: Vec<(usize, OtherLabels)> = parts.iter().filter_map(told).collect();
    let other = found.iter().map(|(_, labels)| labels.other).sum();
    // All samples of a part that is whole were compared.
    let joined = OtherLabels { other, all: summary.total };
    summary.warnings.retain(|warning| warning.code != OtherLabels::CODE);
    if let (Some((place, _)), Some(warning)) = (found.first(), joined.warning()) {
        summary.warnings.insert((*place).min(summary.warnings.len()), warning);
    }
}
