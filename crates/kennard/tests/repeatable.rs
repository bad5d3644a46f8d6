//! The same bytes, whatever the threads, the run, and the company in a micro-batch.

mod common;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{audit, engine, fashion, fixture, runtimes};
use kennard::attack::{Apgd, Attack, Fab, Fgsm, Objective, Pgd, Square};
use kennard::audit::{About, Audit, FinishedRun, Manifest, Outcome, Progress, RunDirectory, Shard, merge};
use kennard::data::Selection;
use kennard::engine::{EngineOptions, Plan};
use kennard::{Graph, Norm, Runtime, ThreatModel};
use serde_json::Value;

const SAMPLES: usize = 120;

fn run(model: &str, runtime: &Runtime, options: &EngineOptions, samples: usize) -> Outcome {
    let model = Graph::load(fixture(model)).unwrap();
    let data = fashion();
    let engine = engine(&model, &data, runtime.clone(), options);
    let attacks: Vec<Box<dyn Attack>> =
        vec![Box::new(Fgsm::default()), Box::new(Pgd { steps: 10, ..Pgd::default() })];
    audit(&engine, &data, ThreatModel::new(Norm::Linf, 0.05).unwrap(), attacks, samples, false)
}

/// The bytes of `samples.parquet`.
fn bytes(outcome: &Outcome, name: &str) -> Vec<u8> {
    let folder = folder(name);
    let plan = Plan { micro_batch: 1, sessions: 1, threads_per_session: 1 };
    let (about, settings) = (About::default(), Value::Null);
    let manifest = Manifest { kennard: String::new(), command: vec![], plan, about, settings };
    FinishedRun { manifest, outcome: outcome.clone() }.write(&folder).unwrap();
    let bytes = std::fs::read(folder.join("samples.parquet")).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    bytes
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()))
}

#[test]
fn threads_and_repetition_do_not_change_a_byte() {
    for runtime in runtimes() {
        for model in ["fashion_cnn_robust.onnx", "fashion_pool.onnx"] {
            let with = |threads| {
                run(model, &runtime, &EngineOptions { threads: Some(threads), micro_batch: None }, SAMPLES)
            };
            let one = bytes(&with(1), "one");
            assert_eq!(one, bytes(&with(2), "two"), "{model} on {}: two threads", runtime.name());
            assert_eq!(one, bytes(&with(1), "again"), "{model} on {}: a second run", runtime.name());
        }
    }
}

/// AutoAttack's four attacks with fewer steps.
fn short_auto_attack() -> Vec<Box<dyn Attack>> {
    let apgd = |loss| Apgd { loss, steps: 10, targets: 2, ..Apgd::default() };
    vec![
        Box::new(apgd(Objective::CrossEntropy)),
        Box::new(apgd(Objective::TargetedDlr)),
        Box::new(Fab { steps: 10, targets: 2, ..Fab::default() }),
        Box::new(Square { queries: 50, ..Square::default() }),
    ]
}

/// One run, the same in three shards that are merged, and the same interrupted and resumed.
#[test]
fn shards_and_resumption_do_not_change_a_byte() {
    let path = fixture("fashion_cnn_robust.onnx");
    let model = Graph::load(&path).unwrap();
    let data = fashion();
    for runtime in runtimes() {
        let engine = engine(&model, &data, runtime.clone(), &EngineOptions::default());
        let audit = |shard| Audit {
            attacks: short_auto_attack(),
            cascade: true,
            minimal: vec![Box::new(Fab { steps: 10, ..Fab::default() })],
            probe: true,
            samples: Selection::Random { count: SAMPLES, seed: 5 },
            shard,
            ..Audit::new(&path, &engine, &data, ThreatModel::new(Norm::Linf, 0.1).unwrap())
        };
        let go = |name: &str, shard: Shard, resume: bool, stop_after: u64| {
            let audit = audit(shard);
            let manifest = Manifest::new(&audit, vec![]).unwrap();
            let directory = RunDirectory::open(&folder(name), &manifest, resume).unwrap();
            let stop = AtomicBool::new(false);
            let progress = |progress| match progress {
                Progress::Samples { done, .. } if done >= stop_after => stop.store(true, Ordering::Relaxed),
                _ => {}
            };
            audit.run_in(directory, &stop, progress).unwrap();
        };
        let samples = |name: &str| std::fs::read(folder(name).join("samples.parquet")).unwrap();
        let examples = |name: &str| std::fs::read(folder(name).join("examples.parquet")).unwrap();
        go("whole", Shard::WHOLE, false, u64::MAX);

        let parts: Vec<String> = (1..=3).map(|number| format!("part-{number}")).collect();
        for (number, part) in (1..).zip(&parts) {
            go(part, Shard { number, of: 3 }, false, u64::MAX);
        }
        let folders: Vec<PathBuf> = parts.iter().map(|part| folder(part)).collect();
        let merged = merge(&folders).unwrap();
        merged.write(&folder("merged")).unwrap();
        assert_eq!(samples("whole"), samples("merged"), "{}", runtime.name());
        assert_eq!(examples("whole"), examples("merged"), "{}", runtime.name());
        let whole = FinishedRun::open(&folder("whole")).unwrap();
        assert_eq!(whole.manifest.settings, merged.manifest.settings);
        assert_eq!(whole.outcome.summary.robust, merged.outcome.summary.robust);
        assert_eq!(whole.outcome.summary.closest, merged.outcome.summary.closest);
        assert_eq!(whole.outcome.summary.cosines, merged.outcome.summary.cosines);
        assert!(
            whole.outcome.summary.cosines.is_some_and(|c| c.samples == SAMPLES as u64 && c.cosine.is_some())
        );
        let message = |folders: &[PathBuf]| merge(folders).map(|_| ()).unwrap_err().to_string();
        assert!(message(&folders[..2]).contains("shard 3/3 is missing"));
        assert!(message(&[folders[0].clone(), folders[0].clone()]).contains("and so is"));
        assert!(message(&[folders[0].clone(), folder("whole")]).contains("shard 1/1"));

        for stop_after in [1, 20, 50, u64::MAX] {
            go("resumed", Shard::WHOLE, true, stop_after);
        }
        assert_eq!(samples("whole"), samples("resumed"), "{}", runtime.name());
        assert_eq!(examples("whole"), examples("resumed"), "{}", runtime.name());
        // A finished run has nothing left to do, and one of other settings is not touched.
        go("resumed", Shard::WHOLE, true, 0);
        assert_eq!(samples("whole"), samples("resumed"), "{}", runtime.name());
        let other = Audit { seed: 1, ..audit(Shard::WHOLE) };
        let manifest = Manifest::new(&other, vec![]).unwrap();
        let refused = RunDirectory::open(&folder("resumed"), &manifest, true).map(|_| ()).unwrap_err();
        assert!(refused.to_string().contains("seed is 0 there and 1 here"), "{refused}");
        for name in ["whole", "merged", "resumed"].into_iter().chain(parts.iter().map(String::as_str)) {
            std::fs::remove_dir_all(folder(name)).unwrap();
        }
    }
}

/// A sample has other neighbours in its micro-batch when fewer samples follow it.
#[test]
fn company_does_not_matter() {
    for runtime in runtimes() {
        let options = EngineOptions { threads: Some(1), micro_batch: None };
        let many = run("fashion_cnn_robust.onnx", &runtime, &options, SAMPLES);
        let few = run("fashion_cnn_robust.onnx", &runtime, &options, 37);
        assert_eq!(many.records[..37], few.records[..], "{}", runtime.name());
    }
}

/// So it is for every attack, Square, FAB and the minimum-norm attacks included.
#[test]
fn company_does_not_matter_to_auto_attack() {
    let path = fixture("fashion_cnn_robust.onnx");
    let (model, data) = (Graph::load(&path).unwrap(), fashion());
    for runtime in runtimes() {
        let engine = engine(&model, &data, runtime.clone(), &EngineOptions::default());
        let threat = ThreatModel::new(Norm::L2, 0.8).unwrap();
        let records = |samples| audit(&engine, &data, threat, short_auto_attack(), samples, false).records;
        assert_eq!(records(60)[..17], records(17)[..], "{}", runtime.name());
    }
}

/// Rounding may move single samples between micro-batch sizes and runtimes; none of these 120 does.
#[test]
fn micro_batch_and_runtime_change_rounding_only() {
    let mut broken: Vec<Vec<bool>> = Vec::new();
    for runtime in runtimes() {
        for micro_batch in [1, 7, 64] {
            let options = EngineOptions { threads: Some(2), micro_batch: Some(micro_batch) };
            let outcome = run("fashion_cnn_robust.onnx", &runtime, &options, SAMPLES);
            broken.push(outcome.records.iter().map(|r| r.is_robust()).collect());
        }
    }
    assert!(broken.windows(2).all(|pair| pair[0] == pair[1]));
}
