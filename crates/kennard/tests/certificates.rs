//! Audits with certificates: interrupted and gone on with, and against attacks on networks that others trained.

mod common;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use common::{engine, fashion, fixture, open, rten, runtimes, shared};
use kennard::attack::{Attack, Pgd, Square};
use kennard::audit::{Audit, FinishedRun, Manifest, Outcome, Progress, RunDirectory, RunState};
use kennard::data::{DataSet, Selection};
use kennard::engine::{Engine, EngineOptions};
use kennard::run::ModelSummary;
use kennard::{Graph, Norm, ThreatModel};

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

/// A directory that goes with the test.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A run that is stopped after some bounds, and again after some attacks, ends with the bytes of one in a single go; on the
/// way its figures are brackets.
#[test]
fn stops_do_not_change_a_byte() {
    let scratch =
        Scratch(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("certificates-{}", std::process::id())));
    let (file, data) = (fixture("fashion_mlp.onnx"), fashion());
    let options = EngineOptions { threads: Some(1), micro_batch: Some(4) };
    let engine = engine(&Graph::load(&file).unwrap(), &data, rten(), &options);
    let threat = ThreatModel::new(Norm::Linf, 0.02).unwrap();
    let audit = audit(&file, &engine, &data, threat, 40);
    let go = |name: &str, until: &dyn Fn(&Progress) -> bool| -> Outcome {
        let manifest = Manifest::new(&audit, vec![]).unwrap();
        let directory = RunDirectory::open(&scratch.0.join(name), &manifest, true).unwrap();
        let stop = AtomicBool::new(false);
        let hear = |progress: Progress| {
            stop.fetch_or(until(&progress), Ordering::Relaxed);
        };
        audit.run_in(directory, &stop, hear).unwrap()
    };
    let whole = go("whole", &|_| false);
    let certified = whole.summary.certified.as_ref().unwrap();
    assert!(
        certified.certified > 2 && whole.summary.clean.correct > certified.certified + 4,
        "{certified:?}"
    );

    let bounded = go("stopped", &|p| matches!(p, Progress::Bounds { done: 3, .. }));
    let part = bounded.summary.certified.as_ref().unwrap();
    assert!(!bounded.summary.complete && part.pending > 0 && part.certified_accuracy.is_none());
    assert!(
        part.bracket[0] <= certified.certified_accuracy.unwrap()
            && certified.certified_accuracy.unwrap() <= part.bracket[1]
    );
    let state = RunState::read(&scratch.0.join("stopped")).unwrap();
    assert_eq!(state.outcome.summary.certified.unwrap().pending, part.pending);
    let attacked = go("stopped", &|p| matches!(p, Progress::Attacks { .. }));
    // Whether it was stopped in time is a matter of luck.
    assert_eq!(attacked.summary.certified.as_ref().unwrap().pending, 0);
    let resumed = go("stopped", &|_| false);
    assert!(resumed.summary.complete);
    for file in ["samples.parquet", "examples.parquet"] {
        let bytes = |name: &str| std::fs::read(scratch.0.join(name).join(file)).unwrap();
        assert_eq!(bytes("whole"), bytes("stopped"), "{file}");
    }
    let read = FinishedRun::open(&scratch.0.join("whole")).unwrap();
    assert_eq!(read.outcome.records, whole.records);
    // A certified sample was not attacked, and counts as robust.
    let spared = whole.records.iter().filter(|record| record.is_certified());
    assert!(spared.clone().all(|record| record.attacks[0].is_none() && record.is_robust()));
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
