//! Warnings of what attacks met.

#[cfg(test)]
mod tests;

use super::super::{AttackRecord, Record, Summary, Warning};
use crate::stats::clopper_pearson;

/// The share of samples that stand and that an attack was blind on, above which its figure is said to be doubtful.
const BLIND: f64 = 0.01;
/// The share of samples that an attack without gradients may break after those with, before the gradients
/// are said to mislead (AutoAttack's own threshold). Both must be exceeded surely, not by single samples.
const MASKED: f64 = 0.002;
/// An attack without gradients should find nothing that the attacks with gradients tried and missed. A minimum-norm
/// attack counts where its point lies within epsilon.
pub(super) fn masked(summary: &Summary, records: &[Record]) -> Option<Warning> {
    let names = names(summary);
    let sees = |i: &usize| records.iter().filter_map(|r| attempt(r, *i)).any(|a| a.backwards > 0);
    let (seeing, unseeing): (Vec<usize>, Vec<usize>) = (0..names.len()).partition(sees);
    let breaks =
        |record: &Record, of: &[usize]| of.iter().any(|&i| attempt(record, i).is_some_and(|a| a.within));
    let tried = |record: &Record| seeing.iter().any(|&i| attempt(record, i).is_some());
    let missed = |record: &&Record| tried(record) && !breaks(record, &seeing) && breaks(record, &unseeing);
    let missed: Vec<&Record> = records.iter().filter(missed).collect();
    if missed.is_empty() {
        return None;
    }
    let breaking = unseeing.iter().filter(|&&i| missed.iter().any(|record| breaks(record, &[i])));
    let breaking: Vec<&str> = breaking.map(|&i| names[i]).collect();
    let breaking = breaking.join(", ");
    let found = match missed.len() {
        1 => format!("1 sample withstood the attacks that use gradients, but {breaking} broke it"),
        n => format!("{n} samples withstood the attacks that use gradients, but {breaking} broke them"),
    };
    let [surely, _] = clopper_pearson(missed.len() as u64, summary.total);
    if surely <= MASKED {
        return Some(Warning::note(
            "gradient-masking",
            format!("{found}: too few to conclude that the gradients mislead"),
        ));
    }
    let stronger = if runs_auto_attack(&names) { "" } else { "AutoAttack (standard), " };
    let message = format!(
        "gradient masking suspected: {found}. Either the model's gradients mislead, or those attacks are too weak; the \
         accuracy under them is overstated. Try {stronger}more queries, or an adaptive attack"
    );
    Some(Warning::new("gradient-masking", message))
}

/// Whether the attacks of AutoAttack's standard version are among these.
fn runs_auto_attack(names: &[&str]) -> bool {
    ["apgd-ce", "apgd-t", "fab-t", "square"].iter().all(|name| names.contains(name))
}

/// The names of all attacks, minimum-norm attacks last.
fn names(summary: &Summary) -> Vec<&str> {
    let (attacks, minimal) = summary.names();
    attacks.into_iter().chain(minimal).collect()
}

/// What the attack of that place did on a sample.
fn attempt(record: &Record, place: usize) -> Option<&AttackRecord> {
    record.attacks.iter().chain(&record.minimal).nth(place)?.as_ref()
}

/// The records of each attack, with its name.
pub(super) fn by_attack<'a>(
    summary: &'a Summary,
    records: &'a [Record],
) -> impl Iterator<Item = (&'a str, Vec<&'a AttackRecord>)> {
    let tried = |(i, name)| (name, records.iter().filter_map(|record| attempt(record, i)).collect());
    names(summary).into_iter().enumerate().map(tried)
}

/// What an attack says of a sample that stands is doubtful where most of its gradients were zero, unless
/// another, which was not blind there, asked about at least as many points and found nothing either.
pub(super) fn blind(summary: &Summary, records: &[Record]) -> Vec<Warning> {
    if !summary.is_whole() {
        return Vec::new();
    }
    let names = names(summary);
    // Where most passes are forwards, as in a search without gradients, there is more to go by.
    let is_blind = |a: &AttackRecord| {
        a.backwards > 0 && 2 * a.zero_gradients >= a.backwards && a.forwards <= 2 * a.backwards
    };
    let fixed = names.len() - summary.minimal.len();
    let limited = summary.threat_model.eps.is_finite();
    let passes = |a: &AttackRecord| a.forwards + a.backwards;
    let sees_as_much =
        |other: &AttackRecord, a: &AttackRecord| !is_blind(other) && passes(other) >= passes(a);
    let surely = |count: usize| clopper_pearson(count as u64, summary.samples)[0] > BLIND;
    let mut found = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let fails = |a: &AttackRecord| is_blind(a) && (i < fixed || !a.broken);
        let stands = |record: &&Record| record.is_robust() && attempt(record, i).is_some_and(fails);
        let blind: Vec<&Record> = records.iter().filter(stands).collect();
        if !surely(blind.len()) {
            continue;
        }
        let covers = |record: &Record, j: usize| {
            attempt(record, i).zip(attempt(record, j)).is_some_and(|(a, other)| sees_as_much(other, a))
        };
        let alone = blind.iter().filter(|record| !(0..names.len()).any(|j| covers(record, j))).count();
        let begin = format!(
            "{name}: most of its gradients were exactly zero on {} samples that {}: the loss \
             saturates, or the model has no slope",
            blind.len(),
            if i < fixed { "nothing broke" } else { "it did not break" },
        );
        if surely(alone) {
            let cure = match (limited, names.contains(&"square"), names.contains(&"hop-skip-jump")) {
                (true, true, _) => {
                    "give square, which needs no gradient, more queries, or attack the model in a way made for it"
                }
                (true, false, _) => "add an attack that needs no gradient, for example square",
                (false, _, true) => {
                    "give hop-skip-jump, which needs no gradient, more queries, or attack the model in a way made for it"
                }
                (false, _, false) => "add an attack that needs no gradient, for example hop-skip-jump",
            };
            let doubt = match limited {
                true => "robust accuracy may be overstated",
                false => "its distances may be too large",
            };
            let message = format!("{begin}. The attack could not work there, so {doubt}: {cure}");
            found.push(Warning::new("zero-gradients", message));
        } else {
            let others = (0..names.len()).filter(|&j| blind.iter().any(|record| covers(record, j)));
            let others: Vec<&str> = others.map(|j| names[j]).collect();
            let message = format!(
                "{begin}. These samples also withstood {}, which zero gradients did not affect there",
                others.join(", ")
            );
            found.push(Warning::note("zero-gradients", message));
        }
    }
    found
}

/// Whether the model was no file: what runs files has one of these names.
pub(super) fn is_live(summary: &Summary) -> bool {
    !["rten", "onnxruntime", "openvino", ""].contains(&summary.runtime.as_str())
}

pub(super) fn disputed(summary: &Summary, records: &[Record]) -> Vec<Warning> {
    let what = match is_live(summary) {
        true => "was misclassified in the search and not in a second pass",
        false => "was misclassified in the simplified graph but not by the model as given",
    };
    let warn = |(name, tried): (&str, Vec<&AttackRecord>)| {
        // Where another point was found, nothing is missing.
        let disputed = tried.iter().filter(|record| record.disputed && !record.broken).count();
        (disputed > 0).then(|| {
            let message =
                format!("{name}: for {disputed} samples a point {what}; such points were not counted");
            Warning::new("disputed-points", message)
        })
    };
    by_attack(summary, records).filter_map(warn).collect()
}
