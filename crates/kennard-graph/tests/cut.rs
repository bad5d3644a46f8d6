//! The two parts of a cut classifier, one after the other, are the classifier.

#[path = "rules/rten.rs"]
mod rten;

use std::collections::BTreeMap;

use kennard_graph::{Builder, DType, Dim, Graph, Tensor, TensorType, cut};
use ndarray::{ArrayD, IxDyn};

/// Two dense layers with a skip connection around the second.
fn classifier() -> Graph {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(6)]));
    let weight = |rows: usize, columns: usize, seed: usize| {
        let value = |i: ndarray::IxDyn| ((i[0] * 31 + i[1] * 17 + seed) % 13) as f32 / 13.0 - 0.5;
        builder.constant(Tensor::from(ArrayD::from_shape_fn(IxDyn(&[rows, columns]), value)))
    };
    let first = x.with("MatMul", weight(6, 5, 1)).apply("Relu");
    let second = first.with("MatMul", weight(5, 5, 2)).apply("Tanh");
    let logits = (first + second).with("MatMul", weight(5, 3, 3));
    builder.output("logits", logits);
    builder.finish().unwrap()
}

fn output(graph: &Graph, op: &str) -> String {
    graph.nodes.iter().find(|node| node.op == op).unwrap().outputs[0].clone()
}

#[test]
fn the_parts_make_the_whole() {
    let graph = classifier();
    let input: Tensor =
        ArrayD::from_shape_fn(IxDyn(&[4, 6]), |i| ((i[0] * 7 + i[1] * 5) % 11) as f32 / 11.0).into();
    let run = |graph: &Graph, input: &Tensor| -> Tensor {
        let (input_name, output) =
            (&graph.single_input().unwrap().name, &graph.single_output().unwrap().name);
        let runner = rten::Runner::new(graph).unwrap();
        let outputs = runner.run(&BTreeMap::from([(input_name.clone(), input.clone())])).unwrap();
        Tensor::from(outputs[output].clone())
    };
    for (op, shape, rest) in [("Relu", 5, 0), ("Tanh", 5, 5), ("Add", 5, 0)] {
        let parts = cut(&graph, &output(&graph, op)).unwrap();
        assert_eq!((parts.shape.as_slice(), parts.rest), ([shape].as_slice(), rest), "{op}");
        let whole = run(&graph, &input).to_floats().unwrap();
        let halves = run(&parts.back, &run(&parts.front, &input)).to_floats().unwrap();
        for (a, b) in whole.iter().zip(halves.iter()) {
            assert!((a - b).abs() < 1e-6, "{op}: {a} and {b}");
        }
    }
}

#[test]
fn what_cannot_be_cut_is_refused() {
    let graph = classifier();
    let says = |name: &str, part: &str| {
        let message = cut(&graph, name).unwrap_err().to_string();
        assert!(message.contains(part), "{name}: {message}");
    };
    says("nowhere", "no tensor `nowhere`");
    says("logits", "logits");
    let weight = graph.constants.keys().next().unwrap().clone();
    says(&weight, "one row per sample");
}
