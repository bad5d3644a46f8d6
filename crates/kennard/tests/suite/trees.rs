//! Tree ensembles of scikit-learn, LightGBM and XGBoost as their converters export them (`fixtures/tabular`), on ONNX Runtime: the
//! closest adversarial points are those that `references/leaves.py` has by looking at all that may be it.

use std::sync::atomic::AtomicBool;

use crate::common::{self, fixture, in_memory};
use kennard::attack::{HopSkipJump, Leaves, MinimumNorm};
use kennard::audit::{Audit, Record};
use kennard::data::{DataSet, Selection};
use kennard::engine::{Engine, EngineOptions};
use kennard::run::ModelSummary;
use kennard::{Classifier, Graph, Norm, Preprocessing, Runtime, RuntimeChoice, ThreatModel};
use kennard_graph::{Attribute, DType, Dim, ModelFile, Node, Tensor, TensorType, Value};

const NORMS: [Norm; 4] = [Norm::Linf, Norm::L2, Norm::L1, Norm::L0];

fn runtime() -> Option<Runtime> {
    let found = Runtime::open(RuntimeChoice::OnnxRuntime);
    found.map_err(|error| println!("skipped: {error}")).ok()
}

/// The samples of a table, their numbers multiplied by a factor.
fn table(name: &str, factor: f32) -> DataSet {
    let read =
        |ending: &str| std::fs::read_to_string(fixture("tabular").join(format!("{name}.{ending}"))).unwrap();
    let classes = read("txt");
    let classes: Vec<&str> = classes.split_whitespace().collect();
    let (mut inputs, mut labels) = (Vec::new(), Vec::new());
    for line in read("csv").lines().skip(1) {
        let (numbers, class) = line.rsplit_once(',').unwrap();
        inputs.extend(numbers.split(',').map(|number| factor * number.parse::<f32>().unwrap()));
        labels.push(classes.iter().position(|name| *name == class).unwrap());
    }
    in_memory(&[4], inputs, labels)
}

fn attacked(
    model: &str,
    runtime: &Runtime,
    norm: Norm,
    factor: f32,
    samples: usize,
    minimal: Vec<Box<dyn MinimumNorm>>,
) -> Vec<Record> {
    let data = table(model.split('_').next().unwrap(), factor);
    let file = ModelFile::open(fixture("tabular").join(format!("{model}.onnx"))).unwrap();
    let scale = (factor != 1.0).then_some(1.0 / f64::from(factor));
    let preprocessing = Preprocessing { scale, ..Preprocessing::default() };
    let graph = preprocessing.graph(&file, Some(data.shape())).unwrap();
    let classifier = Classifier::new(&graph, data.shape(), &preprocessing).unwrap();
    let largest = if model.starts_with("iris") { 10.0 } else { 3000.0 };
    let threat = ThreatModel::unlimited(norm, [0.0, factor * largest]).unwrap();
    audited(classifier, runtime, &data, threat, samples, minimal)
}

fn audited(
    classifier: Classifier,
    runtime: &Runtime,
    data: &DataSet,
    threat: ThreatModel,
    samples: usize,
    minimal: Vec<Box<dyn MinimumNorm>>,
) -> Vec<Record> {
    let engine = Engine::new(classifier, runtime.clone(), &EngineOptions::default()).unwrap();
    let first: Vec<Vec<f32>> = data.samples().unwrap().take(4).map(|sample| sample.unwrap().input).collect();
    let engine = engine.probe(&first.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap();
    let summary = ModelSummary::of_file(&fixture("fashion_mlp.onnx"), engine.classifier()).unwrap();
    let samples = Selection::First(samples);
    let audit = Audit { minimal, samples, ..Audit::new(summary, &engine, data, threat) };
    audit.run(&AtomicBool::new(false), |_| ()).unwrap().records
}

fn distance(record: &Record, place: usize) -> Option<f64> {
    record.minimal[place].as_ref().and_then(|attack| attack.norm)
}

fn leaves() -> Vec<Box<dyn MinimumNorm>> {
    vec![Box::new(Leaves::default())]
}

#[test]
fn distances_are_those_of_all_points_that_may_be_closest() {
    let Some(runtime) = runtime() else { return };
    let text = std::fs::read_to_string(common::root().join("references/leaves.json")).unwrap();
    let references: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(references.as_object().unwrap().len(), 8);
    let (mut compared, mut proved) = (0, 0);
    for (model, smallest) in references.as_object().unwrap() {
        let smallest = smallest.as_array().unwrap();
        for (place, norm) in NORMS.into_iter().enumerate() {
            for record in attacked(model, &runtime, norm, 1.0, smallest.len(), leaves()) {
                let own = distance(&record, 0);
                let other = smallest[record.index].get(place).map(|far| far.as_f64().unwrap());
                assert_eq!(own.is_some(), other.is_some(), "{model}, {norm}, sample {}", record.index);
                let differ = own.zip(other).is_some_and(|(own, other)| (own - other).abs() > 1e-9 * other);
                assert!(!differ, "{model}, {norm}, sample {}: {own:?} and {other:?}", record.index);
                compared += usize::from(own.is_some());
                let Some(attack) = &record.minimal[0] else { continue };
                assert!(!attack.disputed, "{model}");
                proved += usize::from(attack.proved == Some(true));
            }
        }
    }
    assert!(compared > 300 && proved > compared / 2, "{compared}, {proved} proved");
}

/// What is made of the data in front of the trees rounds: there the closest points are the same but for that.
#[test]
fn scaled_data_have_scaled_distances() {
    let Some(runtime) = runtime() else { return };
    for model in ["iris_forest", "cancer_xgboost"] {
        for norm in [Norm::Linf, Norm::L2, Norm::L1] {
            let plain = attacked(model, &runtime, norm, 1.0, 20, leaves());
            for (plain, scaled) in plain.iter().zip(attacked(model, &runtime, norm, 25.4, 20, leaves())) {
                let both = distance(plain, 0).zip(distance(&scaled, 0));
                assert_eq!(distance(plain, 0).is_some(), both.is_some(), "{model}, {norm}");
                let near = both.is_none_or(|(plain, scaled)| (25.4 * plain / scaled - 1.0).abs() < 1e-4);
                assert!(near, "{model}, {norm}: {both:?}");
            }
        }
    }
}

/// Of the first 12 samples of breast cancer, none has a closer point by queries alone.
#[test]
fn queries_alone_come_no_closer() {
    let Some(runtime) = runtime() else { return };
    for norm in [Norm::Linf, Norm::L2] {
        let queries = HopSkipJump { steps: 10, ..HopSkipJump::default() };
        let both: Vec<Box<dyn MinimumNorm>> = vec![Box::new(Leaves::default()), Box::new(queries)];
        let mut compared = 0;
        for record in attacked("cancer_forest", &runtime, norm, 1.0, 12, both) {
            if let Some(by_queries) = distance(&record, 1) {
                let own = distance(&record, 0).unwrap();
                assert!(own <= by_queries, "{norm}, sample {}: {own} and {by_queries}", record.index);
                compared += 1;
            }
        }
        assert!(compared > 5, "{norm}: {compared}");
    }
}

/// The operator of newer files, `TreeEnsemble`: class 0 where x₀ ≤ ½ and x₁ < ¼.
#[test]
fn the_newer_operator_runs() {
    let Some(runtime) = runtime() else { return };
    let floats = |values: &[f32]| Attribute::Tensor(Tensor::from(ndarray::arr1(values).into_dyn()));
    let ints = |values: &[i64]| Attribute::Ints(values.to_vec());
    let attributes = [
        ("n_targets", Attribute::Int(2)),
        ("aggregate_function", Attribute::Int(1)),
        ("tree_roots", ints(&[0])),
        ("nodes_featureids", ints(&[0, 1])),
        ("nodes_splits", floats(&[0.5, 0.25])),
        ("nodes_modes", Attribute::Tensor(Tensor::from(ndarray::arr1(&[0u8, 1]).into_dyn()))),
        ("nodes_truenodeids", ints(&[1, 0])),
        ("nodes_trueleafs", ints(&[0, 1])),
        ("nodes_falsenodeids", ints(&[2, 1])),
        ("nodes_falseleafs", ints(&[1, 1])),
        ("leaf_targetids", ints(&[0, 1, 1])),
        ("leaf_weights", floats(&[1.0, 1.0, 1.0])),
    ];
    let value = |name: &str| Value {
        name: name.into(),
        ty: TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(2)]),
    };
    let node = Node {
        op: "ai.onnx.ml::TreeEnsemble".into(),
        inputs: vec!["x".into()],
        outputs: vec!["y".into()],
        attributes: attributes.map(|(name, value)| (name.to_string(), value)).into(),
        ..Node::default()
    };
    let graph =
        Graph { inputs: vec![value("x")], outputs: vec![value("y")], nodes: vec![node], ..Graph::default() };
    let data = in_memory(&[2], vec![0.2, 0.1, 0.45, 0.0, 0.75, 0.0], vec![0, 0, 1]);
    for (norm, expected) in
        [(Norm::Linf, [0.25 - 0.1f32, 0.5f32.next_up() - 0.45, 0.25]), (Norm::L0, [1.0, 1.0, 1.0])]
    {
        let classifier = Classifier::new(&graph, &[2], &Preprocessing::default()).unwrap();
        let threat = ThreatModel::unlimited(norm, [0.0, 1.0]).unwrap();
        let records = audited(classifier, &runtime, &data, threat, 3, leaves());
        for (record, expected) in records.iter().zip(expected) {
            let found = distance(record, 0).unwrap();
            assert_eq!(record.minimal[0].as_ref().unwrap().proved, Some(true));
            assert!((found - f64::from(expected)).abs() < 1e-7, "{norm}: {found} and {expected}");
        }
    }
}
