//! A live module beside the same network as a graph: one answers as the other does.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::common::{engine, fashion, fixture, rten};
use kennard::attack::{Parameters, Version, attack, minimum_norm};
use kennard::audit::{Audit, Outcome};
use kennard::data::{DataSet, Selection};
use kennard::engine::{Engine, EngineOptions};
use kennard::graph::{Builder, DType, Dim, TensorType, gradient};
use kennard::run::ModelSummary;
use kennard::runtime::{Choice, Input, Live, RuntimeError, Session};
use kennard::survey::{PacketKind, Survey};
use kennard::{Classifier, Graph, Norm, Runtime, ThreatModel};

const BATCH: usize = 16;

/// A graph posing as a module: its outputs, and `Σ_k c_k z_k` differentiated, are computed by sessions of their own.
struct Posing {
    forward: Mutex<Session>,
    backward: Mutex<Session>,
    fails: bool,
    differentiable: bool,
    passes: usize,
    /// How often it was asked; every second answer is off one way, the others the other way.
    asked: AtomicUsize,
}

/// How far off answers are, where they are means of several.
const OFF: f32 = 100.0;

impl Posing {
    fn new(model: &Graph, fails: bool) -> Posing {
        let runtime = Runtime::open(Choice::Rten).unwrap();
        let threads = runtime.threads(1);
        let forward = runtime.compile(&model.with_batch(BATCH), &threads).unwrap();
        let builder = Builder::new(model).unwrap();
        let z = builder.var(&model.outputs[0].name).unwrap();
        let c = builder.input("c", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(10)]));
        builder.output("weighted", (z * c).reduce("ReduceSum", &[1], false));
        let weighted = builder.finish().unwrap();
        let input = &model.inputs[0].name;
        let backward = gradient(&weighted, "weighted", &[input]).unwrap().with_batch(BATCH);
        let backward = runtime.compile(&backward, &threads).unwrap();
        let (forward, backward) = (Mutex::new(forward), Mutex::new(backward));
        Posing { forward, backward, fails, differentiable: true, passes: 1, asked: AtomicUsize::new(0) }
    }
}

impl Live for Posing {
    fn name(&self) -> &str {
        "posing"
    }

    fn version(&self) -> &str {
        "1"
    }

    fn outputs(&self, points: &[f32], outputs: &mut [f32]) -> Result<(), RuntimeError> {
        if self.fails {
            return Err(RuntimeError::Live { message: "out of order".into() });
        }
        let mut found = Vec::new();
        self.forward.lock().unwrap().run(&[Input::F32(points)], &mut found)?;
        outputs.copy_from_slice(&found[0]);
        let second = self.asked.fetch_add(1, Ordering::Relaxed) % 2 == 1;
        if self.passes > 1 {
            let off = if second { -OFF } else { OFF };
            outputs.chunks_exact_mut(10).for_each(|logits| logits[0] += off);
        }
        Ok(())
    }

    fn gradient(
        &self,
        points: &[f32],
        slopes: &mut dyn FnMut(&[f32]) -> Result<Vec<f32>, RuntimeError>,
        gradient: &mut [f32],
    ) -> Result<(), RuntimeError> {
        let mut outputs = vec![0.0; BATCH * 10];
        self.outputs(points, &mut outputs)?;
        let slopes = slopes(&outputs)?;
        let mut found = Vec::new();
        self.backward.lock().unwrap().run(&[Input::F32(points), Input::F32(&slopes)], &mut found)?;
        gradient.copy_from_slice(found.last().unwrap());
        Ok(())
    }

    fn is_differentiable(&self) -> bool {
        self.differentiable
    }

    fn passes(&self) -> usize {
        self.passes
    }
}

fn audit(engine: &Engine, data: &DataSet) -> kennard::Result<Outcome> {
    let threat = ThreatModel::new(Norm::Linf, 0.05).unwrap();
    let model = ModelSummary::of_graph("model", &Graph::default(), engine.classifier());
    let audit = Audit {
        attacks: Version::Standard.attacks(threat.norm),
        cascade: true,
        samples: Selection::First(16),
        ..Audit::new(model, engine, data, threat)
    };
    audit.run(&AtomicBool::new(false), |_| ())
}

/// AutoAttack finds the same, sample by sample: the same predictions, and the same samples broken. By rounding alone a
/// sample in a thousand may differ; of these sixteen none does.
#[test]
fn a_module_answers_as_its_graph_does() {
    let (data, model) = (fashion(), Graph::load(fixture("fashion_mlp.onnx")).unwrap());
    let options = EngineOptions { micro_batch: Some(BATCH), threads: Some(2) };
    let engine = engine(&model, &data, rten(), &options);
    let expected = audit(&engine, &data).unwrap();

    let module = Arc::new(Posing::new(&model, false));
    let runtime = Runtime::beside(module.as_ref());
    assert_eq!((runtime.name(), runtime.version()), ("posing", "1"));
    let classifier = Classifier::live(module, data.shape(), 10, 7).unwrap();
    let engine = Engine::new(classifier, runtime, &options).unwrap();
    assert_eq!(engine.plan().sessions, 1);
    let found = audit(&engine, &data).unwrap();
    for (found, expected) in found.records.iter().zip(&expected.records) {
        assert_eq!(found.prediction, expected.prediction);
        assert_eq!(found.broken_by().is_some(), expected.broken_by().is_some(), "sample {}", found.index);
    }
    let robust = |outcome: &Outcome| outcome.summary.robust.as_ref().map(|robust| robust.robust);
    assert_eq!(robust(&found), robust(&expected));
    assert!(found.summary.runtime.contains("posing"), "{}", found.summary.runtime);
}

/// Answers that are off one way and the other in turn are right in the mean of two, and a reader is told.
#[test]
fn answers_at_random_are_means() {
    let (data, model) = (fashion(), Graph::load(fixture("fashion_mlp.onnx")).unwrap());
    let options = EngineOptions { micro_batch: Some(BATCH), threads: Some(1) };
    let looked = |engine: &Engine| {
        let summary = ModelSummary::of_graph("model", &Graph::default(), engine.classifier());
        let threat = ThreatModel::new(Norm::Linf, 0.05).unwrap();
        let samples = Selection::First(BATCH);
        Audit { samples, ..Audit::new(summary, engine, &data, threat) }
            .run(&AtomicBool::new(false), |_| ())
            .unwrap()
    };
    let engine = engine(&model, &data, rten(), &options);
    let expected = looked(&engine);

    let module = Arc::new(Posing { passes: 2, ..Posing::new(&model, false) });
    let runtime = Runtime::beside(module.as_ref());
    let classifier = Classifier::live(module.clone(), data.shape(), 10, 7).unwrap();
    let engine = Engine::new(classifier, runtime, &options).unwrap();
    let found = looked(&engine);
    for (found, expected) in found.records.iter().zip(&expected.records) {
        assert_eq!(found.prediction, expected.prediction);
        assert!((found.margin - expected.margin).abs() < 1e-4 * OFF && !found.random);
    }
    assert_eq!(module.asked.load(Ordering::Relaxed) % 2, 0);
    assert!(found.summary.warnings.iter().any(|warning| warning.code == "expectation"));
}

/// What the module says ends the audit.
#[test]
fn a_module_that_fails_is_an_error() {
    let (data, model) = (fashion(), Graph::load(fixture("fashion_mlp.onnx")).unwrap());
    let module = Arc::new(Posing::new(&model, true));
    let runtime = Runtime::beside(module.as_ref());
    let classifier = Classifier::live(module, data.shape(), 10, 7).unwrap();
    let options = EngineOptions { micro_batch: Some(BATCH), threads: None };
    let engine = Engine::new(classifier, runtime, &options).unwrap();
    let said = audit(&engine, &data).unwrap_err().to_string();
    assert!(said.contains("the module failed: out of order"), "{said}");
}

/// A module without a gradient: packets, which are of the slope of the loss, are refused before any work, and attacks with others named
/// that are of the same kind.
#[test]
fn what_needs_a_gradient_says_so() {
    let (data, model) = (fashion(), Graph::load(fixture("fashion_mlp.onnx")).unwrap());
    let module = Arc::new(Posing { differentiable: false, ..Posing::new(&model, false) });
    let runtime = Runtime::beside(module.as_ref());
    let classifier = Classifier::live(module, data.shape(), 10, 7).unwrap();
    let options = EngineOptions { micro_batch: Some(BATCH), threads: None };
    let engine = Engine::new(classifier, runtime, &options).unwrap();
    let survey = Survey { scales: vec![0.05], ..Survey::new(&engine, &data, PacketKind::Gaussian) };
    let said = survey.run(&AtomicBool::new(false), |_, _| ()).unwrap_err().to_string();
    assert!(said.contains("function without gradients. Packets are of the slope"), "{said}");

    let refused = |attacks: &[&str], minimal: &[&str]| {
        let threat = ThreatModel::new(Norm::Linf, 0.05).unwrap();
        let summary = ModelSummary::of_graph("model", &Graph::default(), engine.classifier());
        let audit = Audit {
            attacks: attacks.iter().map(|name| attack(name, &Parameters::new()).unwrap()).collect(),
            minimal: minimal.iter().map(|name| minimum_norm(name, &Parameters::new()).unwrap()).collect(),
            samples: Selection::First(2),
            ..Audit::new(summary, &engine, &data, threat)
        };
        audit.run(&AtomicBool::new(false), |_| ()).unwrap_err().to_string()
    };
    let said = refused(&["pgd"], &[]);
    assert!(said.contains("square and hop-skip-jump need none") && !said.contains("minimal"), "{said}");
    let said = refused(&[], &["fab"]);
    assert!(said.contains("hop-skip-jump needs none") && !said.contains("square"), "{said}");
    assert!(said.ends_with("(`minimal = hop-skip-jump`)"), "{said}");
}
