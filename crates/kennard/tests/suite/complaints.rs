//! What users of other implementations of AutoAttack complain about.

use std::sync::atomic::AtomicBool;

use crate::common::{self, engine, labelled, linear, rten};
use kennard::attack::Version;
use kennard::audit::{Audit, Outcome};
use kennard::data::DataSet;
use kennard::engine::EngineOptions;
use kennard::run::ModelSummary;
use kennard::{Graph, Norm, Result, ThreatModel};

fn auto_attack(
    model: &Graph,
    data: &DataSet,
    threat: ThreatModel,
    options: &EngineOptions,
) -> Result<Outcome> {
    let engine = engine(model, data, rten(), options);
    let path = common::fixture("fashion_mlp.onnx");
    let attacks = Version::Standard.attacks(threat.norm);
    let audit = Audit {
        attacks,
        cascade: true,
        ..Audit::new(ModelSummary::of_file(&path, engine.classifier()).unwrap(), &engine, data, threat)
    };
    audit.run(&AtomicBool::new(false), |_| ())
}

fn one_thread() -> EngineOptions {
    EngineOptions { threads: Some(1), ..Default::default() }
}

/// Crashes with fewer than four classes; crashes on images that are not square and on other inputs; crashes
/// when every sample is broken already.
#[test]
fn any_number_of_classes_and_any_shape() {
    for (classes, shape) in [(2, &[1, 3, 8][..]), (3, &[3, 9, 4]), (4, &[17]), (5, &[4, 6])] {
        let model = linear(shape, classes);
        let data = labelled(&model, shape, 4);
        for norm in [Norm::Linf, Norm::L2, Norm::L1] {
            for eps in [1e-3, 0.9] {
                let threat = ThreatModel::new(norm, eps).unwrap();
                let summary = auto_attack(&model, &data, threat, &one_thread()).unwrap().summary;
                assert_eq!(summary.clean.correct, 4);
                let said = summary.warnings.iter().any(|w| w.code == "few-classes");
                assert_eq!(said, classes < 4, "{classes} classes");
                if eps == 0.9 && norm == Norm::Linf {
                    assert_eq!(summary.robust.unwrap().robust, 0);
                    assert_eq!(summary.attacks[3].forwards, 0, "nothing is left to Square");
                }
            }
        }
    }
}

/// Slow with many classes: the passes do not grow beyond those for ten.
#[test]
fn many_classes_cost_no_more() {
    let shape = [1, 4, 4];
    let backwards = |classes: usize| {
        let model = linear(&shape, classes);
        let data = labelled(&model, &shape, 3);
        let outcome =
            auto_attack(&model, &data, ThreatModel::new(Norm::Linf, 0.0).unwrap(), &one_thread()).unwrap();
        outcome.summary.attacks.iter().map(|a| a.backwards).sum::<u64>()
    };
    assert_eq!(backwards(10), backwards(60));
}

/// Results differ with seed and batch size: a seed gives the same verdicts whatever the micro-batch.
#[test]
fn the_micro_batch_does_not_move_verdicts() {
    let shape = [1, 6, 6];
    let model = linear(&shape, 6);
    let data = labelled(&model, &shape, 12);
    let verdicts = |micro_batch| {
        let options = EngineOptions { micro_batch: Some(micro_batch), threads: Some(2) };
        let threat = ThreatModel::new(Norm::Linf, 0.02).unwrap();
        let outcome = auto_attack(&model, &data, threat, &options).unwrap();
        outcome.records.iter().map(|r| r.is_robust()).collect::<Vec<_>>()
    };
    assert_eq!(verdicts(1), verdicts(7));
    assert_eq!(verdicts(1), verdicts(64));
}

/// Normalised inputs are silently wrong; a point outside the input range silently weakens the attack: both
/// are refused, with the cure.
#[test]
fn inputs_outside_the_bounds_are_refused() {
    let shape = [1, 4, 4];
    let model = linear(&shape, 4);
    let data = labelled(&model, &shape, 3);
    let threat = ThreatModel::within(Norm::Linf, 0.01, [0.0, 0.5]).unwrap();
    let message = auto_attack(&model, &data, threat, &one_thread()).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("`bounds`"), "{message}");
}

/// No word on statistical error: every accuracy has its interval.
#[test]
fn every_accuracy_has_an_interval() {
    let shape = [1, 4, 4];
    let model = linear(&shape, 4);
    let data = labelled(&model, &shape, 10);
    let summary = auto_attack(&model, &data, ThreatModel::new(Norm::Linf, 0.02).unwrap(), &one_thread())
        .unwrap()
        .summary;
    let robust = summary.robust.unwrap();
    let ([low, high], share) = (robust.interval.unwrap(), robust.robust_accuracy.unwrap());
    assert!(low <= share && share <= high);
    assert!(summary.attacks.iter().all(|a| a.interval.is_some_and(|[low, high]| low < high)));
}
