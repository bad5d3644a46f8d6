//! Support vector machines.

use kennard_graph::{Node, Value, strip_softmax};

use super::*;

/// `s = x₀ − x₁ + 0.1`.
fn machine(probabilities: bool) -> Graph {
    linear(&[1.0, 0.0, 0.0, 1.0], 0.1, probabilities)
}

/// Two classes with a vector each, one after the other in `vectors`, and a linear kernel: `s = x·v₀ − x·v₁ + rho`.
pub(crate) fn linear(vectors: &[f32], rho: f32, probabilities: bool) -> Graph {
    let floats = |values: &[f32]| Attribute::Floats(values.to_vec());
    let mut attributes = vec![
        ("classlabels_ints", Attribute::Ints(vec![0, 1])),
        ("coefficients", floats(&[1.0, -1.0])),
        ("kernel_params", floats(&[1.0, 0.0, 1.0])),
        ("kernel_type", Attribute::Text("LINEAR".into())),
        ("rho", floats(&[rho])),
        ("support_vectors", floats(vectors)),
        ("vectors_per_class", Attribute::Ints(vec![1, 1])),
    ];
    if probabilities {
        attributes.extend([("prob_a", floats(&[-2.0])), ("prob_b", floats(&[0.0]))]);
    }
    let value = |name: &str, columns: usize| Value {
        name: name.into(),
        ty: TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(columns)]),
    };
    let node = Node {
        name: "machine".into(),
        op: "ai.onnx.ml::SVMClassifier".into(),
        inputs: vec!["x".into()],
        outputs: vec!["label".into(), "scores".into()],
        attributes: attributes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
    };
    Graph {
        inputs: vec![value("x", vectors.len() / 2)],
        outputs: vec![value("scores", 2)],
        nodes: vec![node],
        ..Graph::default()
    }
}

fn has_machine(graph: &Graph) -> bool {
    graph.nodes.iter().any(|node| node.op.contains("::"))
}

/// The file's own operator has the last word; gradients come from basic ones, without the softmax that closes probabilities.
#[test]
fn machines_have_the_last_word_themselves() {
    for probabilities in [false, true] {
        let model = machine(probabilities);
        let classifier = Classifier::new(&model, &[2], &Preprocessing::default()).unwrap();
        assert!(has_machine(classifier.untouched()) && !has_machine(classifier.graph().unwrap()));
        assert_eq!(classifier.returns_logits(), !probabilities);
        assert!(strip_softmax(classifier.graph().unwrap()).is_none());
    }
}

/// Where there is no such operator, that is said.
#[test]
fn what_is_judged_in_its_place_is_said() {
    let classifier = Classifier::new(&machine(false), &[2], &Preprocessing::default()).unwrap();
    let runtime = Runtime::open(Choice::Rten).unwrap();
    let engine = Engine::new(classifier, runtime, &EngineOptions::default()).unwrap();
    let [warning] = engine.warnings() else { panic!("{:?}", engine.warnings()) };
    assert_eq!(warning.code, "untouched-model");
    assert!(warning.message.contains("SVMClassifier"), "{}", warning.message);
    // Of two classes the columns are those of ONNX Runtime.
    let scores = |x: [f32; 2]| {
        Evaluator::lend(&engine, |mut evaluator| evaluator.evaluate(&Query::untouched(x.to_vec())).unwrap())
            .logits
    };
    let found = scores([0.75, 0.25]);
    assert!((found[0] + 0.6).abs() < 1e-6 && (found[1] - 0.6).abs() < 1e-6, "{found:?}");
}
