use std::collections::BTreeSet;
use std::path::PathBuf;

use super::finished::FinishedRun;
use super::predicted::PredictedDistances;
use super::{AuditSettings, Shard, Shown, Summary, gallery, missing, warnings};
use crate::data::notes_of_parts;
use crate::engine::OtherLabels;
use crate::run::files::refused;
use crate::run::{RunKind, check_kind, check_whole, differences};
use crate::{Error, Result};

/// The run whose shards lie in `parts`, as if it had been run as one; its command is left to the caller.
///
/// # Errors
/// When a part is missing, unfinished or damaged, there twice, or of another run; the message names the
/// difference.
pub fn merge(parts: &[PathBuf]) -> Result<FinishedRun> {
    parts.iter().try_for_each(|path| check_kind(path, &[RunKind::Audit, RunKind::Smoothing]))?;
    let runs: Vec<FinishedRun> = parts.iter().map(|path| FinishedRun::open(path)).collect::<Result<_>>()?;
    let Some(first) = runs.first() else {
        return Err(Error::NothingToMerge);
    };
    let whole = |run: &FinishedRun| AuditSettings { shard: Shard::WHOLE, ..run.manifest.settings.clone() };
    for (run, path) in runs.iter().zip(parts) {
        let apart = differences(&whole(first), &whole(run))?.join("; ");
        if !apart.is_empty() {
            return Err(refused(
                path,
                format!("is part of another run than {}: {apart}", parts[0].display()),
            ));
        }
    }
    let shards: Vec<_> = parts.iter().zip(runs.iter().map(|run| run.manifest.settings.shard)).collect();
    check_whole(&shards)?;
    let mut merged = first.clone();
    merged.manifest.settings = whole(first);
    merged.manifest.command.clear();
    merged.manifest.about.samples = runs.iter().map(|run| run.manifest.about.samples).sum();
    let outcome = &mut merged.outcome;
    outcome.summary.shard = Shard::WHOLE;
    // What a shard had to reach, the whole need not.
    outcome.summary.requirements.clear();
    for run in &runs[1..] {
        let (sum, part) = (&mut outcome.summary, &run.outcome.summary);
        outcome.records.extend_from_slice(&run.outcome.records);
        sum.total += part.total;
        sum.seconds += part.seconds;
        sum.attacks.iter_mut().zip(&part.attacks).for_each(|(sum, part)| sum.seconds += part.seconds);
        sum.minimal.iter_mut().zip(&part.minimal).for_each(|(sum, part)| sum.seconds += part.seconds);
        let methods = |summary: &Summary| {
            let (certified, radii) = (&summary.certified, &summary.radii);
            let certified = certified.iter().flat_map(|certified| certified.methods.clone());
            certified.chain(radii.iter().flat_map(|radii| radii.methods.clone())).collect::<Vec<_>>()
        };
        let own = sum.certified.iter_mut().flat_map(|certified| &mut certified.methods);
        let own = own.chain(sum.radii.iter_mut().flat_map(|radii| &mut radii.methods));
        own.zip(methods(part)).for_each(|(sum, part)| sum.seconds += part.seconds);
        sum.packets.extend_from_slice(&part.packets);
        let news = part.warnings.iter().filter(|warning| !sum.warnings.contains(warning));
        let news: Vec<_> = news.cloned().collect();
        sum.warnings.extend(news);
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

/// One warning of the file's own labels in the place of those of the parts; where some part did not compare them, those of the parts
/// stay.
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
