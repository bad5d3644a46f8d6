//! Adversarial examples that are made on a surrogate and tried on the model.

use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use crate::common::{engine, fashion, fixture, labelled, linear, rten};
use kennard::attack::{Apgd, Attack, AttackLoss, Square, Transfer};
use kennard::audit::{Audit, AuditManifest, Outcome, RunDirectory};
use kennard::data::{DataSet, Selection};
use kennard::engine::{Engine, EngineOptions};
use kennard::run::ModelSummary;
use kennard::{Classifier, Graph, Norm, Preprocessing, Result, ThreatModel};
use kennard_graph::{Node, scale};

/// APGD-CE and APGD-T, shortened.
fn white_box() -> Vec<Box<dyn Attack>> {
    let apgd = |loss, targets| Apgd { loss, steps: 30, targets, ..Apgd::default() };
    vec![Box::new(apgd(AttackLoss::CrossEntropy, 1)), Box::new(apgd(AttackLoss::TargetedDlr, 4))]
}

fn transferred(surrogate: &Path) -> Vec<Box<dyn Attack>> {
    let transfer = |attack| -> Box<dyn Attack> { Box::new(Transfer::new(attack, surrogate).unwrap()) };
    white_box().into_iter().map(transfer).collect()
}

fn beside(model: &Graph, surrogate: &Graph, data: &DataSet, options: &EngineOptions) -> Engine {
    let surrogate = Classifier::new(surrogate, data.shape(), &Preprocessing::default()).unwrap();
    engine(model, data, rten(), options).with_surrogate(surrogate).unwrap()
}

fn run(engine: &Engine, data: &DataSet, eps: f64, attacks: Vec<Box<dyn Attack>>) -> Result<Outcome> {
    let path = fixture("fashion_mlp.onnx");
    let threat = ThreatModel::new(Norm::Linf, eps).unwrap();
    let audit = Audit {
        attacks,
        samples: Selection::First(60),
        ..Audit::new(ModelSummary::of_file(&path, engine.classifier()).unwrap(), engine, data, threat)
    };
    audit.run(&AtomicBool::new(false), |_| ())
}

fn load(name: &str) -> (PathBuf, Graph) {
    let path = fixture(name);
    let graph = Graph::load(&path).unwrap();
    (path, graph)
}

/// A node of one input and one output put behind the first that reads the input.
fn insert(graph: &mut Graph, op: &str) {
    let input = graph.inputs[0].name.clone();
    let first = graph.nodes.iter().position(|node| node.inputs.contains(&input)).unwrap();
    let made = graph.nodes[first].outputs[0].clone();
    let changed = format!("{made}/changed");
    for name in graph.nodes.iter_mut().flat_map(|node| &mut node.inputs).filter(|name| **name == made) {
        name.clone_from(&changed);
    }
    let (inputs, outputs) = (vec![made], vec![changed]);
    graph.nodes.insert(first + 1, Node { op: op.into(), inputs, outputs, ..Node::default() });
}

/// Inputs in steps of 1/8 have no gradient; the network behind them is as fragile as before.
#[test]
fn a_model_with_masked_gradients_is_found_out() {
    let (path, model) = load("fashion_cnn.onnx");
    let mut masked = scale(&scale(&model, 0.125).unwrap(), 8.0).unwrap();
    insert(&mut masked, "Round");
    let data = fashion();
    let engine = beside(&masked, &model, &data, &EngineOptions::default());
    let square: Box<dyn Attack> = Box::new(Square { queries: 500, ..Square::default() });
    let attacks = white_box().into_iter().chain([square]).chain(transferred(&path)).collect();
    let outcome = run(&engine, &data, 0.1, attacks).unwrap();
    let [seeing, .., transfer, _] = outcome.summary.attacks.as_slice() else { unreachable!() };
    assert!(
        seeing.robust_accuracy.unwrap() > transfer.robust_accuracy.unwrap() + 0.3,
        "{:?}",
        outcome.summary.attacks
    );
    let warning = outcome.summary.warnings.iter().find(|w| w.code == "gradient-masking").unwrap();
    for name in ["square", "transfer-apgd-ce", "transfer-apgd-t"] {
        assert!(warning.message.contains(name), "{}", warning.message);
    }
    assert!(transfer.backwards == 0 && transfer.forwards > 0, "passes are the model's");
}

/// What breaks one plain network breaks another of the same data, but its own gradients show more.
#[test]
fn an_honest_model_is_not_accused() {
    let (model, other) = (load("fashion_cnn.onnx"), load("fashion_mlp.onnx"));
    let data = fashion();
    let engine = beside(&model.1, &other.1, &data, &EngineOptions::default());
    let attacks = white_box().into_iter().chain(transferred(&other.0)).collect();
    let outcome = run(&engine, &data, 0.1, attacks).unwrap();
    let robust: Vec<u64> = outcome.summary.attacks.iter().map(|attack| attack.robust).collect();
    assert!(robust[2] >= robust[0] && robust[2] < outcome.summary.clean.correct, "{robust:?}");
    assert!(outcome.summary.warnings.iter().all(|w| w.code != "gradient-masking"));
}

/// From itself, a transferred attack on a linear classifier reaches what the attack itself does, and so the
/// closed form: broken where the margin is less than ε times the l1 norm of the difference of weights.
#[test]
fn a_linear_classifier_is_its_own_best_surrogate() {
    let shape = [1, 5, 5];
    let model = linear(&shape, 2);
    let data = labelled(&model, &shape, 40);
    let weights = model.constants.values().find(|t| t.shape().len() == 2).unwrap().to_floats().unwrap();
    let size: f64 = (0..25).map(|i| (weights[i] - weights[25 + i]).abs()).sum();
    let path = fixture("fashion_mlp.onnx");
    let go = |threads| {
        let options = EngineOptions { threads: Some(threads), ..Default::default() };
        run(&beside(&model, &model, &data, &options), &data, 0.06, transferred(&path)).unwrap()
    };
    let outcome = go(1);
    let broken = |margin: f32| f64::from(margin) < 0.06 * size;
    let exact = outcome.records.iter().filter(|r| broken(r.margin)).count();
    assert!((5..=35).contains(&exact), "a test of both verdicts: {exact}");
    for record in &outcome.records {
        let attack = record.attacks[0].as_ref().unwrap();
        assert_eq!(attack.broken, broken(record.margin), "{record:?}");
    }
    assert_eq!(outcome.records, go(2).records);
}

#[test]
fn a_run_names_its_surrogate() {
    let (model, data) = (load("fashion_cnn_robust.onnx"), fashion());
    let engine = beside(&model.1, &model.1, &data, &EngineOptions::default());
    let threat = ThreatModel::new(Norm::Linf, 0.1).unwrap();
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("surrogate-{}", std::process::id()));
    let open = |surrogate: &str| {
        let attacks = transferred(&fixture(surrogate));
        let audit = Audit {
            attacks,
            ..Audit::new(
                ModelSummary::of_file(&model.0, engine.classifier()).unwrap(),
                &engine,
                &data,
                threat,
            )
        };
        RunDirectory::open(&folder, &AuditManifest::new(&audit, vec![]).unwrap(), true).map(drop)
    };
    open("fashion_cnn.onnx").unwrap();
    open("fashion_cnn.onnx").unwrap();
    let message = open("fashion_mlp.onnx").unwrap_err().to_string();
    assert!(message.contains("surrogate"), "{message}");
    std::fs::remove_dir_all(folder).unwrap();
}

/// Without a surrogate, and with one of other data: an error, no verdict. One whose gradients are NaN finds nothing, which is said.
#[test]
fn a_surrogate_must_fit() {
    let (path, model) = load("fashion_cnn.onnx");
    let data = fashion();
    let options = EngineOptions::default();
    let message = |result: Result<Outcome>| result.map(|_| ()).unwrap_err().to_string();
    let alone = engine(&model, &data, rten(), &options);
    assert!(message(run(&alone, &data, 0.1, transferred(&path))).contains("needs a surrogate"));
    let other = Classifier::new(&linear(data.shape(), 7), data.shape(), &Preprocessing::default()).unwrap();
    let refused = alone.with_surrogate(other).map(|_| ()).unwrap_err().to_string();
    assert!(refused.contains("7 classes") && refused.contains("10 classes"), "{refused}");
    let mut broken = scale(&model, -1.0).unwrap();
    insert(&mut broken, "Sqrt");
    let engine = beside(&model, &broken, &data, &options);
    let outcome = run(&engine, &data, 0.1, transferred(&path)).unwrap();
    let warnings = &outcome.summary.warnings;
    let warning = warnings.iter().find(|w| w.code == "non-finite-gradients").unwrap();
    assert!(warning.message.contains("transfer-apgd-ce (near "), "{}", warning.message);
}
