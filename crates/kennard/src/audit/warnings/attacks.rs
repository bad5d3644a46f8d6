//! Warnings of what attacks met.

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
    let is_blind = |a: &AttackRecord| a.backwards > 0 && 2 * a.zero_gradients >= a.backwards;
    let passes = |a: &AttackRecord| a.forwards + a.backwards;
    let sees_as_much =
        |other: &AttackRecord, a: &AttackRecord| !is_blind(other) && passes(other) >= passes(a);
    let surely = |count: usize| clopper_pearson(count as u64, summary.samples)[0] > BLIND;
    let mut found = Vec::new();
    for (i, name) in names.iter().enumerate() {
        let stands = |record: &&Record| record.is_robust() && attempt(record, i).is_some_and(is_blind);
        let blind: Vec<&Record> = records.iter().filter(stands).collect();
        if !surely(blind.len()) {
            continue;
        }
        let covers = |record: &Record, j: usize| {
            attempt(record, i).zip(attempt(record, j)).is_some_and(|(a, other)| sees_as_much(other, a))
        };
        let alone = blind.iter().filter(|record| !(0..names.len()).any(|j| covers(record, j))).count();
        let begin = format!(
            "{name}: most of its gradients were exactly zero on {} samples that nothing broke: the loss \
             saturates, or the model has no slope",
            blind.len()
        );
        if surely(alone) {
            let cure = match names.contains(&"square") {
                true => {
                    "give square, which needs no gradient, more queries, or attack the model in a way made for it"
                }
                false => "add an attack that needs no gradient, for example square",
            };
            let message = format!(
                "{begin}. The attack could not work there, so robust accuracy may be overstated: {cure}"
            );
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
        let disputed = tried.iter().filter(|record| record.disputed).count();
        (disputed > 0).then(|| {
            let message =
                format!("{name}: for {disputed} samples a point {what}; such points were not counted");
            Warning::new("disputed-points", message)
        })
    };
    by_attack(summary, records).filter_map(warn).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::super::{AttackSummary, Outcome};
    use super::super::review;
    use super::*;
    use crate::run::About;

    /// What `review` says of samples under attacks, each given by name and by what it did on every sample.
    fn said(attacks: &[(&str, Vec<AttackRecord>)]) -> Vec<Warning> {
        said_beside("rten", attacks)
    }

    /// The same of a model that this runtime, or library, computes.
    fn said_beside(runtime: &str, attacks: &[(&str, Vec<AttackRecord>)]) -> Vec<Warning> {
        let records: Vec<Record> = (0..attacks[0].1.len())
            .map(|index| Record {
                index,
                label: 0,
                prediction: Some(0),
                margin: 1.0,
                random: false,
                cosine: None,
                predictions: Default::default(),
                bound: None,
                radius: None,
                pending: false,
                attacks: attacks.iter().map(|(_, did)| Some(did[index].clone())).collect(),
                minimal: Vec::new(),
            })
            .collect();
        let named = |(name, _): &(&str, _)| AttackSummary::blank(name);
        let mut about = About::default();
        about.model.classes = 10;
        about.samples = records.len() as u64;
        let settings = json!({
            "data": {"name": "", "split": "", "files": []}, "attacks": [], "minimal": [], "cascade": false, "samples": "all",
            "threat_model": {"norm": "linf", "eps": 0.1, "bounds": [0.0, 1.0]}, "seed": 0, "runtime": runtime,
        });
        let settings = serde_json::from_value(settings).unwrap();
        let mut summary = Summary::blank(&about, &settings);
        summary.attacks = attacks.iter().map(named).collect();
        summary.count(&records);
        let mut outcome = Outcome { summary, records, shown: Vec::new() };
        review(&mut outcome);
        outcome.summary.warnings
    }

    fn gradients(backwards: u64, zero_gradients: u64) -> AttackRecord {
        AttackRecord { margin: 1.0, forwards: 1, backwards, zero_gradients, ..Default::default() }
    }

    fn queries(forwards: u64) -> AttackRecord {
        AttackRecord { margin: 1.0, forwards, ..Default::default() }
    }

    fn broken(record: AttackRecord) -> AttackRecord {
        AttackRecord { broken: true, within: true, ..record }
    }

    /// 100 samples, of which the first few are one thing and the others another.
    fn of(few: usize, one: &AttackRecord, other: &AttackRecord) -> Vec<AttackRecord> {
        (0..100).map(|i| if i < few { one } else { other }.clone()).collect()
    }

    #[test]
    fn zero_gradients_are_said_where_they_make_a_figure_doubtful() {
        let (sees, blind) = (gradients(100, 0), gradients(100, 90));
        // One step without a slope on every sample; blindness on a sample or two; or on those that fell anyway.
        assert_eq!(said(&[("apgd-ce", of(100, &gradients(100, 1), &sees))]), []);
        assert_eq!(said(&[("apgd-ce", of(2, &blind, &sees))]), []);
        assert_eq!(said(&[("apgd-ce", of(50, &broken(blind.clone()), &sees))]), []);
        // Blind on half of what stands: a warning that names what is missing, and nothing that ran.
        let alone = said(&[("apgd-ce", of(50, &blind, &sees))]);
        assert!(alone.len() == 1 && alone[0].code == "zero-gradients" && !alone[0].note);
        assert!(
            alone[0].message.contains("50 samples") && alone[0].message.contains("for example square"),
            "{alone:?}"
        );
        let weak = said(&[("apgd-ce", of(50, &blind, &sees)), ("square", of(100, &queries(20), &sees))]);
        assert!(weak.len() == 1 && !weak[0].note && weak[0].message.contains("more queries"), "{weak:?}");
        assert!(!weak[0].message.contains("add an attack"));
        // A loss that saturates, beside attacks that saw and found nothing: a note.
        for other in [("square", queries(5000)), ("apgd-t", gradients(900, 3))] {
            let noted = said(&[
                ("apgd-ce", of(100, &gradients(100, 100), &sees)),
                (other.0, of(100, &other.1, &sees)),
            ]);
            assert!(noted.len() == 1 && noted[0].note && noted[0].code == "zero-gradients", "{noted:?}");
            assert!(noted[0].message.contains(other.0), "{noted:?}");
        }
    }

    #[test]
    fn masking_is_said_of_more_than_single_samples() {
        let (stands, square) = (gradients(100, 0), broken(queries(50)));
        let run = |few, names: &[&str]| {
            let seeing = names.iter().map(|name| (*name, of(100, &stands, &stands)));
            let attacks: Vec<_> = seeing.chain([("square", of(few, &square, &queries(5000)))]).collect();
            said(&attacks)
        };
        assert_eq!(run(0, &["apgd-ce"]), []);
        let one = run(1, &["apgd-ce"]);
        assert!(one.len() == 1 && one[0].note && one[0].code == "gradient-masking", "{one:?}");
        let many = run(10, &["apgd-ce"]);
        assert!(many.len() == 1 && !many[0].note && many[0].message.contains("AutoAttack"), "{many:?}");
        // Its own attacks are no advice.
        let standard = run(10, &["apgd-ce", "apgd-t", "fab-t"]);
        assert!(!standard[0].note && !standard[0].message.contains("AutoAttack"), "{standard:?}");
        assert!(standard[0].message.contains("more queries"), "{standard:?}");
    }

    /// A live model has no graph that could be simplified.
    #[test]
    fn what_is_disputed_is_said_of_the_kind_of_model() {
        let disputed = AttackRecord { disputed: true, ..gradients(10, 0) };
        let attacks = [("pgd", of(3, &disputed, &gradients(10, 0)))];
        for (runtime, words) in [("rten", "the simplified graph"), ("torch", "a second pass")] {
            let warnings = said_beside(runtime, &attacks);
            assert!(warnings.len() == 1 && warnings[0].code == "disputed-points", "{warnings:?}");
            assert!(warnings[0].message.contains(words), "{warnings:?}");
        }
    }

    #[test]
    fn what_is_not_finite_is_said() {
        let met = AttackRecord { non_finite_gradients: 3, unanswered: 1, ..gradients(100, 0) };
        let warnings =
            said(&[("pgd", of(7, &met, &gradients(100, 0))), ("fgsm", of(100, &queries(2), &met))]);
        let codes: Vec<&str> = warnings.iter().map(|warning| warning.code.as_str()).collect();
        assert_eq!(codes, ["non-finite-gradients", "unanswered-points"]);
        for warning in warnings {
            assert!(
                warning.message.contains("pgd (near 7 of 100 samples)") && !warning.message.contains("fgsm")
            );
        }
    }
}
