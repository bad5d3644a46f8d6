//! Support vector machines taken apart, against ONNX Runtime, scikit-learn (`references/svm.py`) and finite differences.

#[path = "rules/rten.rs"]
mod rten;

use kennard_graph::{Builder, Ends, Graph, ModelFile, Tensor, define, gradient, gradient_name};
use ndarray::{ArrayD, IxDyn};
use serde::Deserialize;

use crate::rten::Runner;

#[derive(Deserialize)]
struct Case {
    name: String,
    model: String,
    x: Vec<f32>,
    shape: Vec<usize>,
    y: Vec<f32>,
    labels: Vec<usize>,
}

#[derive(Deserialize)]
struct All {
    cases: Vec<Case>,
    trained: Vec<Case>,
}

fn all() -> All {
    serde_json::from_str(include_str!("svm.json")).unwrap()
}

impl Case {
    /// The bytes of the model's file.
    fn bytes(&self) -> Vec<u8> {
        let byte = |i: usize| u8::from_str_radix(&self.model[i..i + 2], 16).unwrap();
        (0..self.model.len()).step_by(2).map(byte).collect()
    }

    /// The classifier as it is read.
    fn given(&self) -> Graph {
        let file = ModelFile::from_bytes(&self.bytes()).unwrap();
        file.classifier(&Ends::default()).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// The classifier, of plain operators alone.
    fn classifier(&self) -> Graph {
        let graph = define(&self.given(), |node| node.op.contains("::"))
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let other = graph.nodes.iter().find(|node| node.op.contains("::"));
        assert!(other.is_none(), "{}: {other:?}", self.name);
        graph
    }

    fn run(&self, graph: &Graph, x: &[f32], output: &str) -> Vec<f32> {
        let input = graph.inputs[0].name.clone();
        let x: Tensor = ArrayD::from_shape_vec(IxDyn(&self.shape), x.to_vec()).unwrap().into();
        let found = Runner::new(graph).and_then(|runner| runner.run(&[(input, x)].into()));
        found.unwrap_or_else(|error| panic!("{}: {error}", self.name))[output].iter().copied().collect()
    }

    fn outputs(&self, graph: &Graph) -> Vec<f32> {
        self.run(graph, &self.x, &graph.outputs[0].name)
    }
}

fn assert_close(found: &[f32], wanted: &[f32], share: f32, what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (found, wanted) in found.iter().zip(wanted) {
        let error = (found - wanted).abs();
        assert!(error <= share * (1.0 + wanted.abs()), "{what}: {found} instead of {wanted}");
    }
}

fn largest(scores: &[f32]) -> usize {
    (0..scores.len()).fold(0, |best, k| if scores[k] > scores[best] { k } else { best })
}

#[test]
fn machines_are_those_of_onnx_runtime() {
    let cases = all().cases;
    assert_eq!(cases.len(), 16);
    for case in cases {
        // Of two probabilities ONNX Runtime returns where an iteration ends that has come within 0.0025 of the logistic curve.
        let share = if case.name.ends_with("likely") { 0.0025 } else { 1e-5 };
        assert_close(&case.outputs(&case.classifier()), &case.y, share, &case.name);
    }
}

/// The file's own operator is what is judged: nothing takes its place when the file is read, and its scores are those of plain
/// operators up to rounding, in columns of the same shape.
#[test]
fn machines_stay_as_they_are() {
    let All { cases, trained } = all();
    for case in cases.into_iter().chain(trained) {
        let graph = case.given();
        let machines = graph.nodes.iter().filter(|node| node.op == "ai.onnx.ml::SVMClassifier").count();
        assert_eq!(machines, 1, "{}", case.name);
        assert_eq!(graph.outputs, case.classifier().outputs, "{}", case.name);
        // Through it a gradient passes by its definition.
        assert!(kennard_graph::undifferentiable(&graph).is_empty(), "{}", case.name);
    }
}

/// What a machine returns as its answer has a column for each class, and the largest is that of scikit-learn's class. With three
/// classes or more it is scikit-learn's decision function, of two classes that and its negative.
#[test]
fn answers_are_those_of_scikit_learn() {
    for case in all().trained {
        let (classes, samples) = (3 - usize::from(case.name.starts_with("cancer")), case.shape[0]);
        let found = case.outputs(&case.classifier());
        assert_eq!(found.len(), samples * classes, "{}", case.name);
        let labels: Vec<usize> = found.chunks_exact(classes).map(largest).collect();
        assert_eq!(labels, case.labels, "{}", case.name);
        let wanted = match classes {
            2 => case.y.iter().flat_map(|y| [-y, *y]).collect(),
            _ if case.name.ends_with("ovo") => continue,
            _ => case.y.clone(),
        };
        assert_close(&found, &wanted, 1e-4, &case.name);
    }
}

/// A field of a protobuf message: text, or a message.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    [&[(number << 3) | 2, u8::try_from(content.len()).unwrap()][..], content].concat()
}

/// Scores of a machine beside other logits are votes where they are taken, and nothing where the logits are.
#[test]
fn votes_are_those_of_the_output_that_is_taken() {
    let trained = all().trained;
    let named = |name: &str| trained.iter().find(|case| case.name == name).unwrap();
    let case = named("iris ovo");
    let classifier = case.classifier();
    let (input, scores) = (&classifier.inputs[0].name, classifier.outputs[0].name.clone());
    let node = [field(1, input.as_bytes()), field(2, b"logits"), field(4, b"Identity")].concat();
    let dims = [field(1, &field(2, b"N")), field(1, &[8, 4])].concat();
    let kind = field(1, &[vec![8, 1], field(2, &dims)].concat());
    let output = [field(1, b"logits"), field(2, &kind)].concat();
    // Graphs of one model that follow each other are one.
    let more = field(7, &[field(1, &node), field(12, &output)].concat());
    let file = ModelFile::from_bytes(&[case.bytes(), more].concat()).unwrap();
    let taken = |name: &str| file.has_votes(&Ends { output: Some(name.into()), ..Ends::default() });
    assert_eq!((taken(&scores), taken("logits")), (true, false));
    let alone = |case: &Case| ModelFile::from_bytes(&case.bytes()).unwrap().has_votes(&Ends::default());
    // The converter makes one score for each class of the votes of the others.
    assert_eq!((alone(case), alone(named("iris linear"))), (true, false));
}

/// The gradient of a weighted sum of the scores against central differences.
#[test]
fn gradients_are_slopes() {
    let All { cases, trained } = all();
    for case in cases.into_iter().chain(trained) {
        let graph = case.classifier();
        let builder = Builder::new(&graph).unwrap();
        let y = builder.var(&graph.outputs[0].name).unwrap();
        let columns = case.outputs(&graph).len() / case.shape[0];
        let weights: Vec<f32> = (0..columns).map(|k| 1.0 - 0.7 * k as f32).collect();
        let weights: Tensor = ArrayD::from_shape_vec(IxDyn(&[columns]), weights).unwrap().into();
        let sum = (y * builder.constant(weights)).reduce("ReduceSum", &[0, 1], false);
        builder.clear_outputs();
        builder.output("sum", sum);
        let summed = builder.finish().unwrap();
        let input = &graph.inputs[0].name;
        let slopes =
            gradient(&summed, "sum", &[input]).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let found = case.run(&slopes, &case.x, &gradient_name(input));
        const STEP: f32 = 2e-3;
        for i in (0..case.x.len()).step_by(7) {
            let at = |to: f32| {
                let mut x = case.x.clone();
                x[i] += to;
                case.run(&summed, &x, "sum")[0]
            };
            let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            assert!(
                (found[i] - slope).abs() <= 0.02 * (1.0 + slope.abs()),
                "{}, {i}: {} and {slope}",
                case.name,
                found[i]
            );
        }
    }
}

/// Of three classes with one vote each the first is the label, whatever the sums of scores are.
#[test]
fn ties_of_votes_go_to_the_first_class() {
    let mut ties = 0;
    // The converter's own scores end ties by those sums.
    for case in all().trained.iter().filter(|case| case.name == "iris ovo") {
        let graph = case.classifier();
        // From every sample to every other: the boundaries of all three meet on the way.
        let features = case.x.len() / case.shape[0];
        let samples: Vec<&[f32]> = case.x.chunks_exact(features).collect();
        for round in 1..40 {
            let other = |i: usize| samples[(i * 7 + round) % samples.len()];
            let share = round as f32 / 40.0;
            let mixed = |(i, sample): (usize, &&[f32])| -> Vec<f32> {
                sample.iter().zip(other(i)).map(|(a, b)| a + (b - a) * 3.0 * share).collect()
            };
            let x: Vec<f32> = samples.iter().enumerate().flat_map(mixed).collect();
            for scores in case.run(&graph, &x, &graph.outputs[0].name).chunks_exact(3) {
                let one_vote = scores.iter().filter(|score| (0.66..1.34).contains(*score)).count();
                assert!(one_vote <= 1, "{}: {scores:?}", case.name);
                if (0.66..1.34).contains(&scores[0])
                    && scores[1..].iter().all(|score| (-0.1..0.6).contains(score))
                {
                    ties += 1;
                    assert_eq!(largest(scores), 0);
                }
            }
        }
    }
    assert!(ties > 0);
}
