//! Figures that others published about networks that others trained. Needs the folder of
//! `KENNARD_SHARED`; run with `--release` to have it in minutes.

use crate::common::{audit, engine, open, runtimes, shared};
use kennard::attack::{Attack, Fgsm, Pgd};
use kennard::engine::EngineOptions;
use kennard::{Classifier, Graph, Norm, Preprocessing, ThreatModel};

/// Model, data, correct of 10 000 (the models' README).
const CLEAN: [(&str, &str, i64); 14] = [
    ("wong_mnist_eps0.1", "mnist", 9820),
    ("wong_fashion_eps0.1", "fashion-mnist", 7827),
    ("oval_mnist_wide_kw", "mnist", 9905),
    ("sdp_mnist_cnn_a_adv", "mnist", 9633),
    ("colt_mnist_0.1", "mnist", 9916),
    ("autoattack_tf_mnist", "mnist", 9774),
    ("eran_mnist_6_100", "mnist", 9629),
    ("cntk_mnist", "mnist", 9891),
    ("akamaster_resnet20", "cifar10", 9173),
    ("mlcommons_resnet8", "cifar10", 8719),
    ("eran_cifar_conv_small_pgd", "cifar10", 6292),
    ("oval_cifar_wide_kw", "cifar10", 6162),
    ("oval_cifar_sgd_8px", "cifar10", 7610),
    ("sdp_cifar_cnn_a_adv", "cifar10", 6565),
];

fn data(shared: &std::path::Path, kind: &str) -> Option<kennard::data::DataSet> {
    let folder = match kind {
        "mnist" => shared.join("data/mnist"),
        "cifar10" => shared.join("data/cifar-10-batches-bin"),
        _ => "/usr/share/datasets/fashion-mnist".into(),
    };
    if folder.is_dir() {
        return Some(open(&format!("{kind}:{}", folder.display())));
    }
    println!("skipped: no data at {}", folder.display());
    None
}

fn preprocessing(model: &str) -> Preprocessing {
    Preprocessing { scale: (model == "cntk_mnist").then_some(255.0), ..Default::default() }
}

#[test]
fn clean_accuracies_are_the_published_ones() {
    let Some(shared) = shared() else { return };
    for runtime in runtimes() {
        for (name, kind, published) in CLEAN {
            let Some(data) = data(&shared, kind) else { continue };
            let model = Graph::load(shared.join(format!("models/{name}.onnx"))).unwrap();
            let classifier = Classifier::new(&model, data.shape(), &preprocessing(name)).unwrap();
            let engine =
                kennard::engine::Engine::new(classifier, runtime.clone(), &EngineOptions::default()).unwrap();
            let threat = ThreatModel::new(Norm::Linf, 0.0).unwrap();
            let correct = audit(&engine, &data, threat, vec![], 10_000, false).summary.clean.correct as i64;
            println!("{name} on {}: {correct} of 10 000, published {published}", runtime.name());
            assert!((correct - published).abs() <= 2, "{name} on {}", runtime.name());
        }
    }
}

/// Wong & Kolter's network at linf 0.1: published FGSM error 3.9 %, PGD error 4.1 %.
#[test]
fn wong_mnist_falls_as_published() {
    let Some(shared) = shared() else { return };
    let Some(data) = data(&shared, "mnist") else { return };
    let model = Graph::load(shared.join("models/wong_mnist_eps0.1.onnx")).unwrap();
    for runtime in runtimes() {
        let engine = engine(&model, &data, runtime.clone(), &EngineOptions::default());
        let attacks: Vec<Box<dyn Attack>> = vec![Box::new(Fgsm::default()), Box::new(Pgd::default())];
        let threat = ThreatModel::new(Norm::Linf, 0.1).unwrap();
        let summary = audit(&engine, &data, threat, attacks, 10_000, false).summary;
        let error = |i: usize| 100.0 * (1.0 - summary.attacks[i].robust_accuracy.unwrap());
        println!(
            "wong_mnist on {}: FGSM error {:.2} %, PGD-40 error {:.2} %",
            runtime.name(),
            error(0),
            error(1)
        );
        assert!((error(0) - 3.9).abs() <= 0.1 + 1e-9);
        assert!((4.0..=4.2).contains(&error(1)));
    }
}
