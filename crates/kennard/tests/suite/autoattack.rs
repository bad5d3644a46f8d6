//! AutoAttack "standard" against the verdicts of the PyTorch reference implementation (fra31/auto-attack) on
//! published networks, image by image. Needs the folder of `KENNARD_SHARED`.
//!
//!     cargo test --release -p kennard --test suite autoattack:: -- --nocapture
//!     cargo test --release -p kennard --test suite autoattack:: -- --nocapture --ignored    # all images; half an hour

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::common::{audit, engine, fashion, fixture, in_memory, open, runtimes, shared};
use kennard::attack::{Attack, Strongest, Version};
use kennard::audit::{Audit, Outcome};
use kennard::data::Selection;
use kennard::engine::EngineOptions;
use kennard::run::ModelSummary;
use kennard::{Graph, Norm, Runtime, ThreatModel};

/// A row of `reference/autoattack.csv`.
struct Row {
    model: &'static str,
    data: &'static str,
    norm: Norm,
    eps: f64,
    verdicts: &'static str,
    /// How many images the reference tried, and how many the short test does.
    samples: usize,
    short: usize,
}

const ROWS: [Row; 5] = [
    Row {
        model: "wong_mnist_eps0.1",
        data: "mnist",
        norm: Norm::Linf,
        eps: 0.1,
        verdicts: "wong_mnist_eps0.1_linf_0.1",
        samples: 1000,
        short: 100,
    },
    Row {
        model: "wong_fashion_eps0.1",
        data: "fashion-mnist",
        norm: Norm::Linf,
        eps: 0.1,
        verdicts: "wong_fashion_eps0.1_linf_0.1",
        samples: 1000,
        short: 80,
    },
    Row {
        model: "sdp_cifar_cnn_a_adv",
        data: "cifar10",
        norm: Norm::Linf,
        eps: 2.0 / 255.0,
        verdicts: "sdp_cifar_cnn_a_adv_linf_2over255",
        samples: 500,
        short: 30,
    },
    Row {
        model: "akamaster_resnet20",
        data: "cifar10",
        norm: Norm::Linf,
        eps: 0.5 / 255.0,
        verdicts: "akamaster_resnet20_linf_0.5over255",
        samples: 64,
        short: 4,
    },
    Row {
        model: "wong_mnist_eps0.1",
        data: "mnist",
        norm: Norm::L2,
        eps: 1.0,
        verdicts: "wong_mnist_eps0.1_l2_1.0",
        samples: 500,
        short: 60,
    },
];

/// Whether the reference found each image correctly classified, and robust.
fn verdicts(shared: &Path, name: &str) -> BTreeMap<usize, (bool, bool)> {
    let text = std::fs::read_to_string(shared.join(format!("reference/verdicts/{name}.csv"))).unwrap();
    let parse = |line: &str| {
        let cells: Vec<usize> = line.split(',').map(|cell| cell.trim().parse().unwrap()).collect();
        (cells[0], (cells[1] == 1, cells[2] == 1))
    };
    text.lines().skip(1).map(parse).collect()
}

/// Robust accuracy at most half a point above the reference's and at most one below (or one image, where
/// that is more); each image that the reference broke and this did not is listed.
fn compare(row: &Row, samples: usize, shared: &Path, runtime: &Runtime) {
    let folder = match row.data {
        "mnist" => shared.join("data/mnist"),
        "cifar10" => shared.join("data/cifar-10-batches-bin"),
        _ => "/usr/share/datasets/fashion-mnist".into(),
    };
    if !folder.is_dir() {
        println!("skipped: no data at {}", folder.display());
        return;
    }
    let data = open(&format!("{}:{}", row.data, folder.display()));
    let path = shared.join(format!("models/{}.onnx", row.model));
    let engine = engine(&Graph::load(&path).unwrap(), &data, runtime.clone(), &EngineOptions::default());
    let under = |attacks| {
        let audit = Audit {
            attacks,
            cascade: true,
            samples: Selection::First(samples),
            ..Audit::new(
                ModelSummary::of_file(&path, engine.classifier()).unwrap(),
                &engine,
                &data,
                ThreatModel::new(row.norm, row.eps).unwrap(),
            )
        };
        audit.run(&AtomicBool::new(false), |_| ()).unwrap()
    };
    let outcome = under(Version::Standard.attacks(row.norm));
    contest(row, &outcome, &under(vec![Box::new(Strongest::default()) as Box<dyn Attack>]));
    let reference = verdicts(shared, row.verdicts);
    let (mut ours, mut theirs) = (0usize, 0usize);
    for record in &outcome.records {
        let (correct, robust) = reference[&record.index];
        assert_eq!(record.is_correct(), correct, "{} image {}", row.model, record.index);
        ours += usize::from(record.is_robust());
        theirs += usize::from(robust);
        if record.is_robust() && !robust {
            let margins = record.attacks.iter().flatten().map(|a| a.margin);
            let least = margins.fold(f32::INFINITY, f32::min);
            println!(
                "  {} image {}: broken by the reference alone, smallest margin {least}",
                row.model, record.index
            );
        }
    }
    println!(
        "{} {} {:.4} on {}: {ours} of {samples} robust, the reference {theirs}",
        row.model,
        row.norm,
        row.eps,
        runtime.name()
    );
    let points = |points: f64| (points / 100.0 * samples as f64).max(1.0);
    assert!(ours as f64 <= theirs as f64 + points(0.5), "{}: weaker than the reference", row.model);
    assert!(ours as f64 >= theirs as f64 - points(1.0), "{}: stronger than can be", row.model);
    if row.model == "wong_mnist_eps0.1" && row.norm == Norm::Linf {
        // The certificate: at most 5.8 % of the whole test set can be broken at 0.1.
        assert!(ours as f64 >= 0.942 * samples as f64 || samples < 1000);
    }
}

/// The contest of losses and targets leaves no more images robust than AutoAttack's standard version, with fewer passes of
/// either kind.
fn contest(row: &Row, standard: &Outcome, strongest: &Outcome) {
    let robust = |outcome: &Outcome| outcome.records.iter().filter(|record| record.is_robust()).count();
    let passes = |outcome: &Outcome| {
        let attacks = &outcome.summary.attacks;
        let sum = |of: fn(&kennard::audit::AttackSummary) -> u64| attacks.iter().map(of).sum::<u64>();
        [sum(|attack| attack.backwards), sum(|attack| attack.forwards)]
    };
    let (ours, theirs) = (passes(strongest), passes(standard));
    println!(
        "{} {} {:.4}: {} robust under strongest, {} under standard; {ours:?} gradients and forwards against {theirs:?}",
        row.model,
        row.norm,
        row.eps,
        robust(strongest),
        robust(standard)
    );
    assert!(robust(strongest) <= robust(standard), "{}: strongest is weaker than standard", row.model);
    assert!(ours[0] <= theirs[0] && ours[1] <= theirs[1], "{}: {ours:?} against {theirs:?}", row.model);
}

/// FAB, which goes by distances, breaks an image that the contest and FMN leave, as it does in `standard`.
#[test]
fn the_contest_breaks_what_fab_breaks() {
    let model = Graph::load(fixture("fashion_cnn_robust.onnx")).unwrap();
    let image = fashion().samples().unwrap().map(Result::unwrap).find(|sample| sample.index == 768).unwrap();
    let data = in_memory(&[1, 28, 28], image.input, vec![image.label]);
    let threat = ThreatModel::new(Norm::L2, 0.805).unwrap();
    for runtime in runtimes() {
        let options = EngineOptions { threads: Some(1), ..EngineOptions::default() };
        let engine = engine(&model, &data, runtime, &options);
        let strongest: Box<dyn Attack> = Box::new(Strongest { turns: 0, ..Strongest::default() });
        let outcome = audit(&engine, &data, threat, vec![strongest], 1, false);
        assert!(outcome.records[0].is_correct() && !outcome.records[0].is_robust());
    }
}

#[test]
fn verdicts_are_those_of_the_reference() {
    let Some(shared) = shared() else { return };
    // The fastest runtime there is; the other has the same attacks.
    let Some(runtime) = runtimes().pop() else { return };
    ROWS.iter().for_each(|row| compare(row, row.short, &shared, &runtime));
}

#[test]
#[ignore = "half an hour; the figures of the documentation"]
fn verdicts_are_those_of_the_reference_on_all_images() {
    let Some(shared) = shared() else { return };
    for runtime in runtimes() {
        ROWS.iter().for_each(|row| compare(row, row.samples, &shared, &runtime));
    }
}

/// Rounding moves at most 0.2 points of robust accuracy; the images that differ are listed.
#[test]
#[ignore = "ten minutes; the figures of the documentation"]
fn micro_batches_and_runtimes_change_rounding_only() {
    const SAMPLES: usize = 500;
    let Some(shared) = shared() else { return };
    let data = open(&format!("mnist:{}", shared.join("data/mnist").display()));
    let path = shared.join("models/wong_mnist_eps0.1.onnx");
    let model = Graph::load(&path).unwrap();
    let mut first: Option<(String, Vec<bool>)> = None;
    for runtime in runtimes() {
        for micro_batch in [1, 7, 64] {
            let options = EngineOptions { micro_batch: Some(micro_batch), threads: None };
            let engine = engine(&model, &data, runtime.clone(), &options);
            let audit = Audit {
                attacks: Version::Standard.attacks(Norm::Linf),
                cascade: true,
                samples: Selection::First(SAMPLES),
                ..Audit::new(
                    ModelSummary::of_file(&path, engine.classifier()).unwrap(),
                    &engine,
                    &data,
                    ThreatModel::new(Norm::Linf, 0.1).unwrap(),
                )
            };
            let outcome = audit.run(&AtomicBool::new(false), |_| ()).unwrap();
            let robust: Vec<bool> = outcome.records.iter().map(|r| r.is_robust()).collect();
            let count = |of: &[bool]| of.iter().filter(|robust| **robust).count();
            let name = format!("{}, micro-batch {micro_batch}", runtime.name());
            println!("{name}: {} of {SAMPLES} robust", count(&robust));
            let Some((other, expected)) = &first else {
                first = Some((name, robust));
                continue;
            };
            for (record, _) in outcome.records.iter().zip(expected).filter(|(r, e)| r.is_robust() != **e) {
                let least = record.attacks.iter().flatten().map(|a| a.margin).fold(f32::INFINITY, f32::min);
                println!("  image {} differs from {other}: smallest margin {least}", record.index);
            }
            assert!(count(&robust).abs_diff(count(expected)) * 500 <= SAMPLES, "{name} against {other}");
        }
    }
}
