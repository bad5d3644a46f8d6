//! The same bytes, whatever the threads, the run, and the company in a micro-batch.

mod common;

use common::{audit, engine, fashion, fixture, runtimes};
use kennard::attack::{Attack, Fgsm, Pgd};
use kennard::audit::{Manifest, Outcome, write_run};
use kennard::engine::{EngineOptions, Plan};
use kennard::{Graph, Norm, Runtime, ThreatModel};

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
    let folder =
        std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    let plan = Plan { micro_batch: 1, sessions: 1, threads_per_session: 1 };
    let manifest =
        Manifest { kennard: String::new(), command: vec![], runtime: String::new(), plan, attacks: vec![] };
    write_run(&folder, &manifest, outcome).unwrap();
    let bytes = std::fs::read(folder.join("samples.parquet")).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    bytes
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
