//! The same bytes, whatever the threads, the run, and the company in a micro-batch.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use crate::common::{self, audit, engine, fashion, fixture, runtimes};
use kennard::attack::{Apgd, Attack, AttackLoss, Fab, Fgsm, Pgd, Square, Strongest};
use kennard::audit::{
    About, Audit, AuditManifest, FinishedRun, Outcome, PacketPlan, Progress, RunDirectory, RunState, Shard,
    Stage, Summary, merge,
};
use kennard::data::{Contents, DataError, DataSet, FileDigest, Raw, Row, Rows, Selection, Source};
use kennard::engine::{EngineOptions, Plan};
use kennard::run::ModelSummary;
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
    let folder = folder(name);
    let plan = Plan { micro_batch: 1, sessions: 1, threads_per_session: 1 };
    let settings = serde_json::json!({
        "data": {"name": "", "split": "", "files": []}, "samples": "all", "attacks": [], "cascade": false, "minimal": [],
        "threat_model": {"norm": "linf", "eps": 0.05, "bounds": [0.0, 1.0]}, "seed": 0, "runtime": "",
    });
    let manifest =
        AuditManifest::of(vec![], plan, About::default(), serde_json::from_value(settings).unwrap());
    FinishedRun { manifest, outcome: outcome.clone() }.write(&folder).unwrap();
    let bytes = std::fs::read(folder.join("samples.parquet")).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    bytes
}

/// All that a summary says, but for times.
fn timeless(summary: &Summary) -> serde_json::Value {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                fields.remove("seconds");
                fields.values_mut().for_each(strip);
            }
            serde_json::Value::Array(values) => values.iter_mut().for_each(strip),
            _ => (),
        }
    }
    let mut value = serde_json::to_value(summary).unwrap();
    strip(&mut value);
    value
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

/// AutoAttack's four attacks with fewer steps, and the contest, whose course depends on what it finds.
fn short_auto_attack() -> Vec<Box<dyn Attack>> {
    let apgd = |loss| Apgd { loss, steps: 10, targets: 2, ..Apgd::default() };
    vec![
        Box::new(apgd(AttackLoss::CrossEntropy)),
        Box::new(apgd(AttackLoss::TargetedDlr)),
        Box::new(Fab { steps: 10, targets: 2, ..Fab::default() }),
        Box::new(Square { queries: 50, ..Square::default() }),
        Box::new(Strongest { passes: 150, steps: 5, ..Strongest::default() }),
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
            ..Audit::new(
                ModelSummary::of_file(&path, engine.classifier()).unwrap(),
                &engine,
                &data,
                ThreatModel::new(Norm::Linf, 0.1).unwrap(),
            )
        };
        let go = |name: &str, shard: Shard, resume: bool, stop_after: u64| {
            let audit = audit(shard);
            let manifest = AuditManifest::new(&audit, vec![]).unwrap();
            let directory = RunDirectory::open(&folder(name), &manifest, resume).unwrap();
            let stop = AtomicBool::new(false);
            let mut left = stop_after;
            let progress = |_: Progress| {
                left = left.saturating_sub(1);
                stop.fetch_or(left == 0, Ordering::Relaxed);
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
        assert_eq!(timeless(&whole.outcome.summary), timeless(&merged.outcome.summary));
        assert!(
            whole.outcome.summary.cosines.is_some_and(|c| c.samples == SAMPLES as u64 && c.cosine.is_some())
        );
        let message = |folders: &[PathBuf]| merge(folders).map(|_| ()).unwrap_err().to_string();
        assert!(message(&folders[..2]).contains("shard 3/3 is missing"));
        assert!(message(&[folders[0].clone(), folders[0].clone()]).contains("and so is"));
        assert!(message(&[folders[0].clone(), folder("whole")]).contains("shard 1/1"));

        // Within the pass over all samples, at its end, and among the attacks.
        for stop_after in [1, 50, 75, 10, u64::MAX] {
            go("resumed", Shard::WHOLE, true, stop_after);
        }
        assert_eq!(samples("whole"), samples("resumed"), "{}", runtime.name());
        assert_eq!(examples("whole"), examples("resumed"), "{}", runtime.name());
        // A finished run has nothing left to do, and one of other settings is not touched.
        go("resumed", Shard::WHOLE, true, 1);
        assert_eq!(samples("whole"), samples("resumed"), "{}", runtime.name());
        let other = Audit { seed: 1, ..audit(Shard::WHOLE) };
        let manifest = AuditManifest::new(&other, vec![]).unwrap();
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

/// An audit of an accurate network that attacks break in a third of the samples.
fn small<'a>(
    path: &'a std::path::Path,
    engine: &'a kennard::engine::Engine,
    data: &'a kennard::data::DataSet,
) -> Audit<'a> {
    Audit {
        attacks: vec![Box::new(Fgsm::default()), Box::new(Pgd { steps: 10, ..Pgd::default() })],
        minimal: vec![Box::new(Fab { steps: 5, ..Fab::default() })],
        probe: true,
        samples: Selection::Random { count: 60, seed: 2 },
        ..Audit::new(
            ModelSummary::of_file(path, engine.classifier()).unwrap(),
            engine,
            data,
            ThreatModel::new(Norm::Linf, 0.1).unwrap(),
        )
    }
}

/// Samples that are misclassified or break easily are done with first. Whenever an audit is stopped, what it says
/// holds of the whole: brackets contain the final figures, and what is said without a bracket is final. So does
/// what a reader of its directory sees.
#[test]
fn a_stopped_audit_says_nothing_that_is_not_so() {
    let path = fixture("fashion_cnn_robust.onnx");
    let (model, data) = (Graph::load(&path).unwrap(), fashion());
    let engine = engine(&model, &data, common::rten(), &EngineOptions::default());
    let audit = small(&path, &engine, &data);
    let mut events = 0;
    let whole = audit.run(&AtomicBool::new(false), |_| events += 1).unwrap().summary;
    assert!(whole.complete && whole.is_whole() && whole.total == 60);
    let robust = whole.robust.clone().unwrap();
    assert_eq!(robust.bracket, [robust.robust_accuracy.unwrap(); 2]);
    assert!((0.1..0.95).contains(&robust.bracket[0]) && whole.clean.correct < 60, "{robust:?}");
    let mut widths = Vec::new();
    for moment in (1..events - 1).step_by(4) {
        let folder = folder(&format!("stopped-{moment}"));
        let directory =
            RunDirectory::open(&folder, &AuditManifest::new(&audit, vec![]).unwrap(), false).unwrap();
        let stop = AtomicBool::new(false);
        let mut left = moment;
        let progress = |_: Progress| {
            left = i32::max(left - 1, 0);
            stop.fetch_or(left == 0, Ordering::Relaxed);
        };
        let found = audit.run_in(directory, &stop, progress).unwrap().summary;
        let state = RunState::read(&folder).unwrap();
        assert_eq!(state.stage == Stage::Finished, found.complete);
        let seen = state.outcome.summary;
        let file = std::fs::read_to_string(folder.join("summary.json")).unwrap();
        let file: serde_json::Value = serde_json::from_str(&file).unwrap();
        std::fs::remove_dir_all(folder).unwrap();
        if found.is_whole() {
            // The others were done with when the word to stop came.
            assert_eq!(found.robust, whole.robust);
            continue;
        }
        assert!(!found.complete && file["complete"] == false);
        assert_eq!(file["robust"]["pending"], found.robust.as_ref().unwrap().pending);
        for summary in [&found, &seen] {
            let clean = &summary.clean;
            match clean.pending {
                0 => {
                    assert_eq!((clean, &summary.cosines), (&whole.clean, &whole.cosines));
                }
                _ => {
                    assert!(clean.accuracy.is_none() && clean.interval.is_none());
                    assert!(summary.cosines.unwrap().cosine.is_none());
                }
            }
            let now = summary.robust.as_ref().unwrap();
            let parts = summary.attacks.iter().zip(&whole.attacks);
            let parts = parts.map(|(now, end)| (now.pending, now.bracket, now.interval, end.robust_accuracy));
            for (pending, [low, high], interval, end) in
                parts.chain([(now.pending, now.bracket, now.interval, robust.robust_accuracy)])
            {
                let end = end.unwrap();
                assert!(low <= end && end <= high, "{end} is not within {low} to {high} at {moment}");
                assert!(pending > 0 || (low, high) == (end, end));
                assert_eq!(interval.is_none(), pending > 0);
            }
            assert!(summary.minimal.iter().all(|m| m.pending == 0 || m.distances.curve.is_empty()));
        }
        assert_eq!(found.robust, seen.robust);
        widths.push(found.robust.unwrap().pending);
        assert!(found.warnings.iter().any(|warning| warning.code == "interrupted"), "{moment}");
    }
    assert!(widths.first() >= Some(&50) && widths.last() < Some(&10), "{widths:?}");
}

/// Labels in order: the first 30 are of one class, a random part is of all.
#[test]
fn parts_that_lack_classes_are_pointed_out() {
    let model = common::linear(&[1, 4, 4], 4);
    let data = common::in_memory(&[1, 4, 4], vec![0.5; 120 * 16], (0..120).map(|i| i / 30).collect());
    let engine = engine(&model, &data, common::rten(), &EngineOptions::default());
    let path = fixture("fashion_mlp.onnx");
    let said = |samples| {
        let audit = Audit::new(
            ModelSummary::of_file(&path, engine.classifier()).unwrap(),
            &engine,
            &data,
            ThreatModel::new(Norm::Linf, 0.0).unwrap(),
        );
        let outcome = Audit { samples, ..audit }.run(&AtomicBool::new(false), |_| ()).unwrap();
        let warnings = outcome.summary.warnings.into_iter().filter(|w| w.code == "missing-classes");
        (warnings.map(|w| w.message).next(), outcome.records)
    };
    let (warning, records) = said(Selection::First(30));
    assert!(records.iter().all(|record| record.label == 0));
    assert!(warning.unwrap().contains("classes 1, 2, 3"));
    let (warning, records) = said(Selection::Random { count: 30, seed: 0 });
    assert!(warning.is_none() && (0..4).all(|class| records.iter().any(|r| r.label == class)));
    assert!(said(Selection::All).0.is_none());
}

/// Samples in memory. Soon after the last of those that are still `to_come`, it says stop.
struct Stopping {
    rows: Vec<Row>,
    to_come: Arc<AtomicI64>,
    stop: Arc<AtomicBool>,
}

impl Source for Stopping {
    fn rows(&self) -> Result<Rows, DataError> {
        let (to_come, stop) = (self.to_come.clone(), self.stop.clone());
        Ok(Box::new(self.rows.clone().into_iter().map(move |row| {
            if to_come.fetch_sub(1, Ordering::Relaxed) == 1 {
                let stop = stop.clone();
                std::thread::spawn(move || {
                    std::thread::sleep(std::time::Duration::from_millis(100));
                    stop.store(true, Ordering::Relaxed);
                });
            }
            Ok(row)
        })))
    }

    fn fingerprint(&self) -> Result<Vec<FileDigest>, DataError> {
        Ok(Vec::new())
    }
}

/// A word to stop while distances to the boundary are predicted leaves the packets, which are whole, and no distance.
#[test]
fn stopped_among_distances() {
    const SAMPLES: usize = 200;
    let path = fixture("fashion_mlp.onnx");
    let samples = fashion().samples().unwrap().take(SAMPLES).map(Result::unwrap);
    let rows = samples.map(|s| Row { input: Raw::Floats(s.input), label: s.label }).collect();
    let (to_come, stop) = (Arc::new(AtomicI64::new(i64::MAX)), Arc::new(AtomicBool::new(false)));
    let contents = Contents { len: SAMPLES, shape: vec![1, 28, 28], classes: 10, ..Contents::default() };
    let source = Stopping { rows, to_come: to_come.clone(), stop: stop.clone() };
    let data = DataSet::from_source("stopping", contents, source).unwrap();
    let threat = ThreatModel::new(Norm::Linf, 0.1).unwrap();
    let options = EngineOptions { micro_batch: Some(4), ..EngineOptions::default() };
    let engine = engine(&Graph::load(&path).unwrap(), &data, common::rten(), &options);
    let plan = PacketPlan::at_attack_size(&threat, 784).unwrap();
    let audit = Audit {
        attacks: vec![Box::new(Fgsm::default())],
        packets: vec![PacketPlan { samples: 64, max_samples: 64, centres: SAMPLES, bounded: false, ..plan }],
        ..Audit::new(ModelSummary::of_file(&path, engine.classifier()).unwrap(), &engine, &data, threat)
    };
    let found = audit.run(&stop, |progress| {
        if matches!(progress, Progress::Packets { done, total } if done == total) {
            // Labels and inputs are read; then distances are computed, which takes a second or more.
            to_come.store(2 * SAMPLES as i64, Ordering::Relaxed);
        }
    });
    let Outcome { summary, records, .. } = found.unwrap();
    assert!(!summary.complete);
    assert_eq!((summary.packets.len(), summary.distances.is_none()), (1, true), "{:?}", summary.warnings);
    assert!(records.iter().all(|record| record.predictions.packet.is_none()));
    let said = summary.warnings.iter().find(|warning| warning.code == "interrupted").unwrap();
    assert!(said.message.contains("those that are shown are complete"), "{}", said.message);
}

/// Packets take no more passes than attacks did, but on small networks; what is left out is said. A word to stop
/// is heard within a packet: this one would take hours.
#[test]
fn packets_keep_to_their_budget_and_stop() {
    let data = fashion();
    let path = fixture("fashion_mlp.onnx");
    let threat = ThreatModel::new(Norm::Linf, 0.1).unwrap();
    let small = Graph::load(&path).unwrap();
    let wide = common::wide(784, 13_000, 10);
    let run = |model: &Graph, plan: PacketPlan, stop_in_packets: bool| {
        let engine = engine(model, &data, common::rten(), &EngineOptions::default());
        let audit = Audit {
            attacks: vec![Box::new(Fgsm::default())],
            packets: vec![plan],
            samples: Selection::First(4),
            requirements: vec!["clean>=0".parse().unwrap()],
            ..Audit::new(ModelSummary::of_file(&path, engine.classifier()).unwrap(), &engine, &data, threat)
        };
        let stop = std::sync::Arc::new(AtomicBool::new(false));
        let progress = |progress: Progress| {
            if stop_in_packets && matches!(progress, Progress::Attacked(_)) {
                let stop = stop.clone();
                std::thread::spawn(move || {
                    std::thread::sleep(std::time::Duration::from_millis(100));
                    stop.store(true, Ordering::Relaxed);
                });
            }
        };
        audit.run(&stop, progress)
    };
    let plan = PacketPlan::at_attack_size(&threat, 784).unwrap();
    let plan = PacketPlan { samples: 1000, centres: 2, ..plan };
    let codes = |outcome: &Outcome| -> Vec<String> {
        outcome.summary.warnings.iter().map(|warning| warning.code.clone()).collect()
    };
    let found = run(&small, plan, false).unwrap();
    assert_eq!(found.summary.packets.len(), 1);
    assert!(found.summary.packets[0].samples <= 2000, "no more than the floor");
    let found = run(&wide, plan, false).unwrap();
    assert!(found.summary.packets.is_empty() && codes(&found).contains(&"packet-budget".to_string()));
    assert!(found.summary.complete && found.summary.requirements[0].holds);
    let endless = PacketPlan { samples: 100_000_000, max_samples: 100_000_000, bounded: false, ..plan };
    let found = run(&small, endless, true).unwrap();
    assert!(found.summary.packets.is_empty() && !found.summary.complete && found.summary.is_whole());
    assert!(codes(&found).contains(&"interrupted".to_string()) && !found.summary.requirements[0].holds);
    let few = PacketPlan { samples: 20, max_samples: 20, bounded: false, ..plan };
    let message = run(&small, few, false).unwrap_err().to_string();
    assert!(
        message.contains("20 points are too few") && message.contains("`packet_samples = 500`"),
        "{message}"
    );
}
