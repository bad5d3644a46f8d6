//! Several runs side by side.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Source;
use super::sources::same_files;
use crate::audit::{AuditSettings, Followed, PacketSummary, Record, RunState, Stage, Summary};
use crate::picture::Panels;
use crate::stats::{mcnemar, paired_difference, pareto_front};

#[derive(Serialize)]
pub(super) struct RunComparison {
    /// One point for each audit.
    plane: Vec<Plotted>,
    /// Runs that are checkpoints of the same training, in the order of their epochs.
    series: Vec<Series>,
    /// Every audit against the first, where they share samples.
    pairs: Vec<RunPair>,
    /// What keeps the runs from being compared.
    notes: Vec<String>,
}

/// A run in the plane of clean and robust accuracy.
#[derive(Serialize)]
struct Plotted {
    /// Its place among the runs of the page.
    run: usize,
    clean: Option<f64>,
    clean_interval: Option<[f64; 2]>,
    robust: Option<f64>,
    robust_interval: Option<[f64; 2]>,
    sigma_p: Option<f64>,
    /// The interval of `sigma_p`, relatively as wide as that of the product, of which the other factor hardly varies.
    sigma_p_interval: Option<[f64; 2]>,
    product: Option<f64>,
    /// Whether no other run is at least as good in both and better in one; null where it was asked otherwise than the first run, on
    /// other data or under another threat model.
    pareto: Option<bool>,
}

#[derive(Serialize)]
struct Series {
    name: String,
    epochs: Vec<u64>,
    runs: Vec<usize>,
    /// The figures of these runs over the epochs.
    panels: Panels,
}

/// A run against the first, on the samples that both examined.
#[derive(Serialize)]
struct RunPair {
    first: usize,
    run: usize,
    samples: u64,
    clean: ShareDifference,
    /// Null where one was not attacked, or under another threat model.
    robust: Option<ShareDifference>,
}

/// A paired difference of shares.
#[derive(Serialize)]
struct ShareDifference {
    /// How many samples the first alone gets right.
    only_first: u64,
    /// How many the other alone gets right.
    only_other: u64,
    /// The other's share less the first's.
    difference: f64,
    /// Newcombe's 95 % interval.
    interval: [f64; 2],
    /// McNemar's exact test of equal shares, two-sided.
    p: f64,
}

impl RunComparison {
    /// Nothing where there are not two audits.
    pub fn new(sources: &[Source], names: &[String]) -> Option<RunComparison> {
        let audits: Vec<(usize, &RunState)> = sources
            .iter()
            .enumerate()
            .filter_map(|(place, source)| Some((place, source.audit.as_ref()?)))
            .collect();
        if audits.len() < 2 {
            return None;
        }
        // Samples that are done with before others are the easy ones: a run that is not finished has no place
        // among those that are.
        let (audits, unfinished): (Vec<_>, Vec<_>) =
            audits.into_iter().partition(|(_, state)| state.outcome.summary.is_whole());
        let mut notes: Vec<String> =
            unfinished.iter().map(|(run, state)| left_out(&names[*run], &state.outcome.summary)).collect();
        let mut pairs = Vec::new();
        for &(run, other) in audits.iter().skip(1) {
            let (first, base) = audits[0];
            let mut reasons = Vec::new();
            match why_not(base, other) {
                Some(reason) => reasons.push(reason.into()),
                None => {
                    let pair = RunPair::new((first, base), (run, other));
                    reasons.extend(pair.differing_samples(base, other));
                    pairs.push(pair);
                }
            }
            reasons.extend(threats_differ(base, other));
            notes.extend(
                reasons.iter().map(|reason| format!("{} and {}: {reason}", names[first], names[run])),
            );
        }
        let mut plane: Vec<Plotted> = audits.iter().map(|(run, state)| Plotted::new(*run, state)).collect();
        // Only runs that were asked the same as the first are compared.
        let alike = audits.iter().map(|(_, state)| {
            let base = audits[0].1;
            same_data(base, state) && base.manifest.settings.allows_the_same(&state.manifest.settings)
        });
        let mut alike: Vec<&mut Plotted> = plane
            .iter_mut()
            .zip(alike)
            .filter(|(p, alike)| *alike && p.robust.is_some())
            .map(|(p, _)| p)
            .collect();
        let accuracies: Vec<[f64; 2]> =
            alike.iter().map(|p| [p.clean, p.robust].map(|share| share.unwrap_or(0.0))).collect();
        for (point, best) in alike.iter_mut().zip(pareto_front(&accuracies)) {
            point.pareto = Some(best);
        }
        Some(RunComparison { plane, series: series(sources), pairs, notes })
    }
}

impl Plotted {
    fn new(run: usize, state: &RunState) -> Plotted {
        let summary = &state.outcome.summary;
        let packet = summary.packets.first();
        Plotted {
            run,
            clean: summary.clean.accuracy,
            clean_interval: summary.clean.interval,
            robust: summary.robust.as_ref().and_then(|robust| robust.robust_accuracy),
            robust_interval: summary.robust.as_ref().and_then(|robust| robust.interval),
            sigma_p: packet.map(|packet| packet.sigma_p),
            sigma_p_interval: packet
                .map(PacketSummary::conjugate_spread)
                .and_then(|spread| spread.known_interval()),
            product: packet.map(|packet| packet.product.value),
            pareto: None,
        }
    }
}

/// What is said of a run that is not finished.
fn left_out(name: &str, summary: &Summary) -> String {
    let known = match (&summary.robust, summary.clean.accuracy) {
        (Some(robust), Some(clean)) => {
            let [clean, low, high] = [clean, robust.bracket[0], robust.bracket[1]].map(|share| 100.0 * share);
            format!(
                "its clean accuracy is {clean:.2} %, its robust accuracy between {low:.2} and {high:.2} %, {} samples pending",
                robust.pending
            )
        }
        _ => format!("{} of {} samples are examined", summary.samples, summary.total),
    };
    format!("{name} is not finished and left out of the comparison; {known}")
}

/// Whether two runs have their samples from the same files.
fn same_data(a: &RunState, b: &RunState) -> bool {
    let (first, other) = (&a.outcome.summary.data, &b.outcome.summary.data);
    same_files(&first.files, &other.files) && first.split == other.split
}

/// Why two runs cannot be compared sample by sample.
fn why_not(a: &RunState, b: &RunState) -> Option<&'static str> {
    if a.stage != Stage::Finished || b.stage != Stage::Finished {
        return Some(
            "unfinished, and the samples that finish first are not like the others: no paired difference",
        );
    }
    if !same_data(a, b) {
        return Some("not on the same data, so there is no paired difference");
    }
    let theirs: std::collections::BTreeSet<usize> = b.outcome.records.iter().map(|r| r.index).collect();
    (!a.outcome.records.iter().any(|r| theirs.contains(&r.index)))
        .then_some("no sample in common, so there is no paired difference")
}

fn threats_differ(a: &RunState, b: &RunState) -> Option<String> {
    let (first, other) = (&a.outcome.summary, &b.outcome.summary);
    if first.robust.is_none() || other.robust.is_none() {
        return None;
    }
    let (a, b) = (&a.manifest.settings, &b.manifest.settings);
    if !a.allows_the_same(b) {
        return Some("other threat models, so their robust accuracies are not comparable".into());
    }
    if a.attacks != b.attacks || a.minimal != b.minimal {
        return Some("other attacks, and robust accuracy depends on them".into());
    }
    (a.budget != b.budget).then(|| "other budgets of the attacks, and robust accuracy depends on them".into())
}

impl RunPair {
    /// What is to be said where the runs examined different samples.
    fn differing_samples(&self, a: &RunState, b: &RunState) -> Option<String> {
        let [mine, theirs] = [a, b].map(|state| state.outcome.records.len() as u64);
        (mine != self.samples || theirs != self.samples).then(|| {
            format!(
                "{mine} and {theirs} samples, {} of them in both: differences are of these, and the accuracies side by \
                 side are of different samples",
                self.samples
            )
        })
    }

    fn new((first, a): (usize, &RunState), (run, b): (usize, &RunState)) -> RunPair {
        let theirs: BTreeMap<usize, &Record> = b.outcome.records.iter().map(|r| (r.index, r)).collect();
        let both: Vec<(&Record, &Record)> =
            a.outcome.records.iter().filter_map(|r| Some((r, *theirs.get(&r.index)?))).collect();
        let attacked = [a, b].iter().all(|state| state.outcome.summary.robust.is_some());
        let comparable = attacked && a.manifest.settings.allows_the_same(&b.manifest.settings);
        RunPair {
            first,
            run,
            samples: both.len() as u64,
            clean: ShareDifference::new(&both, Record::is_correct),
            robust: comparable.then(|| ShareDifference::new(&both, Record::is_robust)),
        }
    }
}

impl ShareDifference {
    fn new(both: &[(&Record, &Record)], holds: fn(&Record) -> bool) -> ShareDifference {
        let count = |mine: bool, theirs: bool| {
            both.iter().filter(|(a, b)| holds(a) == mine && holds(b) == theirs).count() as u64
        };
        let table = [[count(true, true), count(true, false)], [count(false, true), count(false, false)]];
        let (only_first, only_other) = (table[0][1], table[1][0]);
        let [low, high] = paired_difference(table);
        ShareDifference {
            only_first,
            only_other,
            difference: (only_other as f64 - only_first as f64) / both.len().max(1) as f64,
            // The interval is of the other less the first.
            interval: [-high, -low],
            p: mcnemar(only_first, only_other),
        }
    }
}

/// Audits of checkpoints of the same training run, alike in all but the model, as their manifests say. Names of
/// directories say nothing: `resnet18` and `resnet50` are two networks.
fn series(sources: &[Source]) -> Vec<Series> {
    /// The run of training, what its checkpoints have in common, and the epochs with the places of their audits.
    type Found<'s> = (&'s String, AuditSettings, Vec<(u64, usize)>);
    let mut found: Vec<Found> = Vec::new();
    for (run, source) in sources.iter().enumerate() {
        let Some(state) = source.audit.as_ref().filter(|state| state.outcome.summary.is_whole()) else {
            continue;
        };
        let manifest = &state.manifest;
        let Some(checkpoint) = &manifest.about.checkpoint else { continue };
        let same = AuditSettings {
            model: String::new(),
            micro_batch: 0,
            untouched: String::new(),
            ..manifest.settings.clone()
        };
        let mut others = found.iter_mut();
        let point = (checkpoint.epoch, run);
        match others.find(|(run, settings, _)| **run == checkpoint.run && *settings == same) {
            Some((.., points)) => points.push(point),
            None => found.push((&checkpoint.run, same, vec![point])),
        }
    }
    found.sort_by_key(|(name, ..)| *name);
    let several = found.into_iter().filter(|(.., runs)| runs.len() > 1);
    several
        .map(|(name, _, mut runs)| {
            runs.sort_unstable();
            let (epochs, runs): (Vec<u64>, Vec<usize>) = runs.into_iter().unzip();
            let followed =
                |&run: &usize| sources[run].audit.as_ref().map(|s| Followed::of(&s.outcome.summary));
            let followed: Vec<Followed> = runs.iter().filter_map(followed).collect();
            let times = epochs.iter().map(|&epoch| epoch as f64).zip(&followed);
            let panels = Followed::over_time(times, name, "epoch");
            Series { name: name.clone(), epochs, runs, panels }
        })
        .collect()
}
