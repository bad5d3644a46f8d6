//! Audits with certificates: interrupted and gone on with, and against attacks on networks that others trained.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::common::{engine, fashion, fixture, open, rten, runtimes, scratch, shared};
use kennard::attack::{Attack, Fmn, MinimumNorm, Pgd, Square, Version};
use kennard::audit::{Audit, AuditManifest, FinishedRun, Outcome, Progress, RunDirectory, RunState};
use kennard::data::{DataSet, Selection};
use kennard::engine::{Engine, EngineOptions};
use kennard::run::ModelSummary;
use kennard::{Graph, Norm, ThreatModel};
use tempfile::TempDir;

fn attacks() -> Vec<Box<dyn Attack>> {
    vec![Box::new(Pgd { steps: 10, ..Pgd::default() })]
}

fn audit<'a>(
    model: &Path,
    engine: &'a Engine,
    data: &'a DataSet,
    threat: ThreatModel,
    count: usize,
) -> Audit<'a> {
    Audit {
        certify: true,
        attacks: attacks(),
        samples: Selection::First(count),
        ..Audit::new(ModelSummary::of_file(model, engine.classifier()).unwrap(), engine, data, threat)
    }
}

/// A network of the repository, whose samples are worked on four at a time by one worker.
fn in_order(name: &str, data: &DataSet) -> (PathBuf, Engine) {
    let file = fixture(name);
    let options = EngineOptions { threads: Some(1), micro_batch: Some(4) };
    let engine = engine(&Graph::load(&file).unwrap(), data, rten(), &options);
    (file, engine)
}

/// What audits keep in directories of their own under one that goes with the test.
struct Runs<'a> {
    scratch: TempDir,
    audit: Audit<'a>,
}

impl<'a> Runs<'a> {
    fn new(audit: Audit<'a>) -> Runs<'a> {
        Runs { scratch: scratch(), audit }
    }

    /// Goes on with the run in a directory until this is heard.
    fn go(&self, name: &str, until: &dyn Fn(&Progress) -> bool) -> Outcome {
        let manifest = AuditManifest::new(&self.audit, vec![]).unwrap();
        let directory = RunDirectory::open(&self.scratch.path().join(name), &manifest, true).unwrap();
        let stop = AtomicBool::new(false);
        let hear = |progress: Progress| {
            stop.fetch_or(until(&progress), Ordering::Relaxed);
        };
        self.audit.run_in(directory, &stop, hear).unwrap()
    }

    fn assert_same_bytes(&self, one: &str, other: &str) {
        for file in ["samples.parquet", "examples.parquet"] {
            let bytes = |name: &str| std::fs::read(self.scratch.path().join(name).join(file)).unwrap();
            assert_eq!(bytes(one), bytes(other), "{file}");
        }
    }
}

/// A run that is stopped after some bounds, and again after some attacks, ends with the bytes of one in a single go; on the
/// way its figures are brackets.
#[test]
fn stops_do_not_change_a_byte() {
    let data = fashion();
    let (file, engine) = in_order("fashion_mlp.onnx", &data);
    let threat = ThreatModel::new(Norm::Linf, 0.02).unwrap();
    let runs = Runs::new(audit(&file, &engine, &data, threat, 40));
    let whole = runs.go("whole", &|_| false);
    let certified = whole.summary.certified.as_ref().unwrap();
    assert!(
        certified.certified > 2 && whole.summary.clean.correct > certified.certified + 4,
        "{certified:?}"
    );

    assert!(certified.in_floats.is_some_and(|n| 0 < n && n <= certified.certified), "{certified:?}");

    let bounded = runs.go("stopped", &|p| matches!(p, Progress::Bounds { done: 3, .. }));
    let part = bounded.summary.certified.as_ref().unwrap();
    assert!(!bounded.summary.complete && part.pending > 0 && part.certified_accuracy.is_none());
    assert!(
        part.bracket[0] <= certified.certified_accuracy.unwrap()
            && certified.certified_accuracy.unwrap() <= part.bracket[1]
    );
    let place = runs.scratch.path().join("stopped");
    let state = RunState::read(&place).unwrap();
    assert_eq!(state.outcome.summary.certified.as_ref().unwrap().pending, part.pending);
    // Times are those that the stopped run left, and not known where it left none.
    let time = |outcome: &Outcome| -> f64 {
        outcome.summary.certified.as_ref().unwrap().methods.iter().map(|by| by.seconds).sum()
    };
    assert!(time(&bounded) > 0.0 && (time(&state.outcome) - time(&bounded)).abs() < 1e-9);
    std::fs::remove_file(place.join("summary.json")).unwrap();
    let state = RunState::read(&place).unwrap();
    assert!(time(&state.outcome).is_nan() && state.outcome.summary.seconds.is_nan());
    let attacked = runs.go("stopped", &|p| matches!(p, Progress::Attacks { .. }));
    // Whether it was stopped in time is a matter of luck.
    assert_eq!(attacked.summary.certified.as_ref().unwrap().pending, 0);
    let resumed = runs.go("stopped", &|_| false);
    assert!(resumed.summary.complete);
    runs.assert_same_bytes("whole", "stopped");
    let read = FinishedRun::open(&runs.scratch.path().join("whole")).unwrap();
    assert_eq!(read.outcome.records, whole.records);
    // A certified sample was not attacked, and counts as robust.
    let spared = whole.records.iter().filter(|record| record.is_certified());
    assert!(spared.clone().all(|record| record.attacks[0].is_none() && record.is_robust()));
}

/// An audit whose attacks took many passes, on samples that cheap bounds prove, can say so; one that sought certificates, or
/// attacked briefly, does not.
#[test]
fn what_certificates_would_have_saved_is_told() {
    let data = fashion();
    let (file, engine) = in_order("fashion_mlp.onnx", &data);
    let threat = ThreatModel::new(Norm::Linf, 0.001).unwrap();
    let told = |certify: bool, restarts: u64| {
        let attacks: Vec<Box<dyn Attack>> = vec![Box::new(Pgd { steps: 20, restarts, ..Pgd::default() })];
        let audit = Audit { certify, attacks, ..audit(&file, &engine, &data, threat, 40) };
        let stop = AtomicBool::new(false);
        audit.provable(&audit.run(&stop, |_| ()).unwrap(), &stop)
    };
    let [proved, tried] = told(false, 30).unwrap();
    assert!(tried == 8 && proved > 4, "{proved} of {tried}");
    assert_eq!((told(false, 1), told(true, 30)), (None, None));
}

/// What is proved is robust also while distances are still to be measured, and of an interrupted run those samples are undecided
/// for which nothing is still to come: its brackets do not contradict its certificates, and every sample counts once.
#[test]
fn brackets_of_an_interrupted_run_keep_to_its_certificates() {
    let data = fashion();
    let (file, engine) = in_order("fashion_mlp.onnx", &data);
    let threat = ThreatModel::new(Norm::Linf, 0.02).unwrap();
    let minimal: Vec<Box<dyn MinimumNorm>> = vec![Box::new(Fmn::default())];
    let audit = Audit { minimal, ..audit(&file, &engine, &data, threat, 40) };
    let runs = Runs::new(audit);
    let last = |p: &Progress| matches!(p, Progress::Bounds { done, total, .. } if done == total);
    let summary = runs.go("stopped", &last).summary;
    let (certified, robust) = (summary.certified.unwrap(), summary.robust.unwrap());
    assert!(!summary.complete && certified.pending == 0 && certified.certified > 2, "{certified:?}");
    assert!(
        robust.robust >= certified.certified && robust.bracket[0] >= certified.certified_accuracy.unwrap()
    );
    let open = summary.clean.correct - certified.certified;
    assert!(open > 4 && robust.pending <= open, "{robust:?}");
    assert_eq!(summary.undecided, Some(robust.robust - certified.certified));
}

/// In every norm, with an epsilon and without: around every sample less is proved than the distance at which it was broken, and
/// certified accuracy is nowhere above what attacks leave. Stops do not change a byte.
#[test]
fn radii_lie_below_distances() {
    let data = fashion();
    let (mlp, cnn) = ("fashion_mlp.onnx", "fashion_cnn_robust.onnx");
    let cases = [
        (mlp, 16, Norm::Linf, Some(0.01)),
        (mlp, 16, Norm::L2, None),
        (mlp, 16, Norm::L1, None),
        (cnn, 6, Norm::Linf, None),
    ];
    for (name, count, norm, eps) in cases {
        let (file, engine) = in_order(name, &data);
        let bounds = [0.0, 1.0];
        let threat = match eps {
            Some(eps) => ThreatModel::within(norm, eps, bounds).unwrap(),
            None => ThreatModel::unlimited(norm, bounds).unwrap(),
        };
        let minimal: Vec<Box<dyn MinimumNorm>> = vec![Box::new(Fmn { steps: 30, ..Fmn::default() })];
        let audit = Audit {
            radii: true,
            attacks: Vec::new(),
            minimal,
            ..audit(&file, &engine, &data, threat, count)
        };
        let runs = Runs::new(audit);
        let whole = runs.go("whole", &|_| false);
        let radii = whole.summary.radii.as_ref().unwrap();
        assert!(radii.positive > 1 && radii.pending == 0, "{norm}: {radii:?}");
        for record in &whole.records {
            let proved = record.radius.map_or(0.0, |found| found.radius);
            assert!(proved < record.distance() || proved == 0.0, "{norm} {}: {record:?}", record.index);
            assert_eq!(record.radius.is_some(), record.is_correct());
            assert!(!record.is_contradicted());
            if let Some(eps) = eps {
                assert_eq!(record.is_certified(), record.is_certified_within(eps), "{norm}: {record:?}");
            }
        }
        assert_eq!(whole.summary.certified.is_some(), eps.is_some());
        assert_eq!(radii.curve.len(), 41);
        assert!(
            radii.curve.iter().all(|point| point.certified_accuracy.value <= point.robust_accuracy.value)
        );
        assert!(radii.curve.is_sorted_by(|a, b| a.certified_accuracy.value >= b.certified_accuracy.value));
        assert!(radii.curve[0].certified_accuracy.value > 0.25);

        let stopped = runs.go("stopped", &|p| matches!(p, Progress::Radii { done: 1, .. }));
        let part = stopped.summary.radii.as_ref().unwrap();
        assert!(!stopped.summary.complete && part.pending > 0 && part.curve.is_empty());
        let resumed = runs.go("stopped", &|_| false);
        assert_eq!(resumed.summary.radii.as_ref().unwrap().curve, radii.curve);
        runs.assert_same_bytes("whole", "stopped");
        let read = FinishedRun::open(&runs.scratch.path().join("stopped")).unwrap();
        assert_eq!(read.outcome.records, whole.records);
    }
}

/// The whole of AutoAttack, every attack spending its whole budget, breaks no certified sample of a robust network.
#[test]
fn autoattack_breaks_nothing_that_is_certified() {
    let (file, data) = (fixture("fashion_cnn_robust.onnx"), fashion());
    let engine = engine(&Graph::load(&file).unwrap(), &data, rten(), &EngineOptions::default());
    let mut count = 0;
    for (norm, eps) in [(Norm::Linf, 0.02), (Norm::L2, 0.1)] {
        let threat = ThreatModel::new(norm, eps).unwrap();
        let attacks = Version::Standard.attacks(norm);
        let audit = Audit { attacks, full: true, ..audit(&file, &engine, &data, threat, 8) };
        let outcome = audit.run(&AtomicBool::new(false), |_| ()).unwrap();
        let certified: Vec<_> = outcome.records.iter().filter(|record| record.is_certified()).collect();
        count += certified.len();
        for record in certified {
            assert!(record.attacks.len() == 4 && record.attacks.iter().all(Option::is_some));
            assert_eq!(record.broken_by(), None, "{norm}: {record:?}");
            let found =
                record.attacks.iter().flatten().map(|attack| attack.margin).fold(f32::INFINITY, f32::min);
            let bound = record.bound.unwrap().margin;
            assert!(found > bound - 1e-4, "{norm} {}: {found} found, {bound} proved", record.index);
        }
    }
    assert!(count >= 6, "{count} certified");
}

/// On a network that was trained to be certified, nearly all is decided, and no attack breaks what is certified, though every
/// one spends its whole budget.
#[test]
fn what_is_certified_withstands_attacks() {
    let Some(shared) = shared() else { return };
    let file = shared.join("models/wong_mnist_eps0.1.onnx");
    let data = open(&format!("mnist:{}", shared.join("data/mnist").display()));
    let runtime = runtimes().pop().unwrap();
    let engine = engine(&Graph::load(&file).unwrap(), &data, runtime, &EngineOptions::default());
    let threat = ThreatModel::new(Norm::Linf, 0.1).unwrap();
    let mut attacks = attacks();
    attacks.push(Box::new(Square { queries: 300, ..Square::default() }));
    let audit = Audit { attacks, full: true, ..audit(&file, &engine, &data, threat, 12) };
    let outcome = audit.run(&AtomicBool::new(false), |_| ()).unwrap();
    let certified = outcome.summary.certified.as_ref().unwrap();
    // Of the first 1000, 941 are certified by CROWN alone.
    assert!(certified.certified >= 10, "{certified:?}");
    assert!(
        certified.contradicted.is_empty()
            && outcome.summary.warnings.iter().all(|w| w.code != "contradiction")
    );
    for record in outcome.records.iter().filter(|record| record.is_certified()) {
        // What attacks reached is no less than what was proved, but for the rounding of the network.
        let bound = record.bound.unwrap().margin;
        let found = record.attacks.iter().flatten().map(|attack| attack.margin).fold(f32::INFINITY, f32::min);
        assert!(found > bound - 1e-4, "sample {}: {found} found, {bound} proved", record.index);
    }
}
