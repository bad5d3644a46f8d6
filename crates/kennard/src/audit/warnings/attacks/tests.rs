use serde_json::json;

use super::super::super::{AttackSummary, MinimalSummary, Outcome};
use super::super::review;
use super::*;
use crate::run::About;

/// What `review` says of samples under attacks, each given by name and by what it did on every sample.
fn said(attacks: &[(&str, Vec<AttackRecord>)]) -> Vec<Warning> {
    said_beside("rten", attacks)
}

/// A sample that is classified correctly.
fn correct(index: usize) -> Record {
    Record { index, prediction: Some(0), margin: 1.0, ..Record::default() }
}

/// The same of a model that this runtime, or library, computes.
fn said_beside(runtime: &str, attacks: &[(&str, Vec<AttackRecord>)]) -> Vec<Warning> {
    let records: Vec<Record> = (0..attacks[0].1.len())
        .map(|index| Record {
            attacks: attacks.iter().map(|(_, did)| Some(did[index].clone())).collect(),
            ..correct(index)
        })
        .collect();
    let named = |(name, _): &(&str, _)| AttackSummary::blank(name);
    let mut summary = blank(runtime, records.len(), json!(0.1));
    summary.attacks = attacks.iter().map(named).collect();
    summary.count(&records);
    let mut outcome = Outcome { summary, records, shown: Vec::new() };
    review(&mut outcome);
    outcome.summary.warnings
}

fn blank(runtime: &str, samples: usize, eps: serde_json::Value) -> Summary {
    let mut about = About::default();
    about.model.classes = 10;
    about.samples = samples as u64;
    let settings = json!({
        "data": {"name": "", "split": "", "files": []}, "attacks": [], "minimal": [], "cascade": false, "samples": "all",
        "threat_model": {"norm": "linf", "eps": eps, "bounds": [0.0, 1.0]}, "seed": 0, "runtime": runtime,
    });
    Summary::blank(&about, &serde_json::from_value(settings).unwrap())
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
        let noted =
            said(&[("apgd-ce", of(100, &gradients(100, 100), &sees)), (other.0, of(100, &other.1, &sees))]);
        assert!(noted.len() == 1 && noted[0].note && noted[0].code == "zero-gradients", "{noted:?}");
        assert!(noted[0].message.contains(other.0), "{noted:?}");
    }
}

/// A search without gradients that begins with a few blind steps is not blind.
#[test]
fn searches_without_gradients_are_not_blind() {
    let search = AttackRecord { forwards: 1200, ..gradients(100, 90) };
    assert_eq!(said(&[("strongest", of(100, &search, &search))]), []);
}

/// Where no epsilon is given, a minimum-norm attack is in doubt where it found nothing, and so are its distances.
#[test]
fn minimum_norm_attacks_are_blind_where_they_found_nothing() {
    let record = |index, did: AttackRecord| Record { minimal: vec![Some(did)], ..correct(index) };
    let said = |did: AttackRecord| {
        let records: Vec<Record> = (0..100).map(|index| record(index, did.clone())).collect();
        let mut summary = blank("rten", 100, serde_json::Value::Null);
        summary.minimal = vec![MinimalSummary::blank("fmn")];
        summary.count(&records);
        blind(&summary, &records)
    };
    let found = AttackRecord { broken: true, norm: Some(0.3), ..gradients(100, 90) };
    assert_eq!(said(found), []);
    let nothing = said(gradients(100, 90));
    let message = &nothing[0].message;
    assert!(
        message.contains("it did not break") && message.contains("distances may be too large"),
        "{message}"
    );
    assert!(message.contains("hop-skip-jump") && !message.contains("square"), "{message}");
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
    let warnings = said(&[("pgd", of(7, &met, &gradients(100, 0))), ("fgsm", of(100, &queries(2), &met))]);
    let codes: Vec<&str> = warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert_eq!(codes, ["non-finite-gradients", "unanswered-points"]);
    for warning in warnings {
        assert!(warning.message.contains("pgd (near 7 of 100 samples)") && !warning.message.contains("fgsm"));
    }
}
