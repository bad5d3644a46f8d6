//! Recurrent layers, spelled out, against PyTorch in double precision (`references/recurrent.py`): outputs and gradients.
//! Options that PyTorch does not have are checked by the formulas of the standard at one step.

#[path = "rules/rten.rs"]
mod rten;

use kennard_graph::{Attribute, Builder, Graph, Shape, Tensor, TensorType, define, gradient, gradient_name};
use ndarray::{ArrayD, IxDyn};
use serde::Deserialize;

use crate::rten::Runner;

const STEPS: usize = 3;
const BATCH: usize = 2;
const INPUTS: usize = 3;
const HIDDEN: usize = 2;

#[derive(Deserialize)]
struct Case {
    kind: String,
    bidirectional: bool,
    relu: bool,
    x: Vec<f32>,
    #[serde(rename = "W")]
    w: Vec<f32>,
    #[serde(rename = "R")]
    r: Vec<f32>,
    #[serde(rename = "B")]
    b: Vec<f32>,
    outputs: Vec<Vec<f32>>,
    weights: Vec<Vec<f32>>,
    gradient: Vec<f32>,
}

fn array(shape: &[usize], values: &[f32]) -> Tensor {
    ArrayD::from_shape_vec(IxDyn(shape), values.to_vec()).unwrap().into()
}

fn close(found: &ArrayD<f32>, wanted: &[f32], what: &str) {
    assert_eq!(found.len(), wanted.len(), "{what}");
    for (a, b) in found.iter().zip(wanted) {
        assert!((a - b).abs() < 1e-5, "{what}: {found} instead of {wanted:?}");
    }
}

#[test]
fn layers_are_pytorchs() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("recurrent.json")).unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let what = format!("{} {} {}", case.kind, case.bidirectional, case.relu);
        let directions = 1 + usize::from(case.bidirectional);
        let gates = case.w.len() / (directions * HIDDEN * INPUTS);
        let builder = Builder::new(&Graph::default()).unwrap();
        let shape = Shape::fixed(&[STEPS, BATCH, INPUTS]);
        let x = builder.input("x", TensorType::new(kennard_graph::DType::F32, shape));
        let w = builder.constant(array(&[directions, gates * HIDDEN, INPUTS], &case.w));
        let r = builder.constant(array(&[directions, gates * HIDDEN, HIDDEN], &case.r));
        let b = builder.constant(array(&[directions, 2 * gates * HIDDEN], &case.b));
        let direction = if case.bidirectional { "bidirectional" } else { "forward" };
        let mut attributes: Vec<(&str, Attribute)> = vec![
            ("hidden_size", (HIDDEN as i64).into()),
            ("direction", direction.into()),
            ("linear_before_reset", 1.into()),
        ];
        if case.relu {
            attributes.push(("activations", Attribute::Texts(vec!["Relu".into(); directions])));
        }
        let outputs = builder.op_n(&case.kind, &[x, w, r, b].map(Some), &attributes, case.outputs.len());
        let shapes = [vec![STEPS, directions, BATCH, HIDDEN], vec![directions, BATCH, HIDDEN]];
        let mut sum = None;
        for (i, (y, c)) in outputs.iter().zip(&case.weights).enumerate() {
            builder.output(&format!("y{i}"), *y);
            let c = builder.constant(array(&shapes[i.min(1)], c));
            let axes: Vec<usize> = (0..shapes[i.min(1)].len()).collect();
            let term = (*y * c).reduce("ReduceSum", &axes, false);
            sum = Some(sum.map_or(term, |sum| sum + term));
        }
        builder.output("sum", sum.unwrap());
        let graph = builder.finish().unwrap();
        let spelled = define(&graph, |node| node.op == case.kind).unwrap();
        assert!(spelled.nodes.iter().all(|node| node.op != case.kind));
        let values = [("x".to_string(), array(&[STEPS, BATCH, INPUTS], &case.x))].into();
        let found = Runner::new(&gradient(&spelled, "sum", &["x"]).unwrap()).unwrap().run(&values).unwrap();
        for (i, wanted) in case.outputs.iter().enumerate() {
            close(&found[&format!("y{i}")], wanted, &what);
        }
        close(&found[&gradient_name("x")], &case.gradient, &what);
        // The gradient does without being told to spell the layer out.
        let direct = Runner::new(&gradient(&graph, "sum", &["x"]).unwrap()).unwrap().run(&values).unwrap();
        close(&direct[&gradient_name("x")], &case.gradient, &what);
    }
}

/// What a layer makes of one element at one step, from `h = 0.5` and `c = 0.25`, weights 0.2 for the input and 0.4 for the
/// state in every gate, no biases.
fn one_step(op: &str, gates: usize, peepholes: Option<f32>, attributes: &[(&str, Attribute)]) -> Vec<f32> {
    let builder = Builder::new(&Graph::default()).unwrap();
    let of = |shape: &[usize], value: f32| {
        Some(builder.constant(array(shape, &vec![value; shape.iter().product()])))
    };
    let x = builder.input("x", TensorType::new(kennard_graph::DType::F32, Shape::fixed(&[1, 1, 1])));
    let cell = if op == "LSTM" { of(&[1, 1, 1], 0.25) } else { None };
    let peepholes = peepholes.and_then(|p| of(&[1, 3], p));
    let (w, r) = (of(&[1, gates, 1], 0.2), of(&[1, gates, 1], 0.4));
    let inputs = [Some(x), w, r, None, None, of(&[1, 1, 1], 0.5), cell, peepholes];
    let outputs = builder.op_n(op, &inputs[..if op == "LSTM" { 8 } else { 6 }], attributes, 3);
    for (name, output) in
        ["every", "last", "cell"].iter().zip(&outputs).take(if op == "LSTM" { 3 } else { 2 })
    {
        builder.output(name, *output);
    }
    let graph = define(&builder.finish().unwrap(), |node| node.op == op).unwrap();
    let values = [("x".to_string(), array(&[1, 1, 1], &[2.0]))].into();
    let found = Runner::new(&graph).unwrap().run(&values).unwrap();
    ["last", "cell"].iter().filter_map(|name| found.get(*name)).map(|array| array[[0, 0, 0]]).collect()
}

#[test]
fn options_are_the_standards() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let is = |found: Vec<f32>, wanted: &[f64]| {
        assert_eq!(found.len(), wanted.len());
        for (a, b) in found.iter().zip(wanted) {
            assert!((f64::from(*a) - b).abs() < 1e-6, "{found:?} {wanted:?}");
        }
    };
    let (sum, h, c) = (0.2 * 2.0 + 0.4 * 0.5, 0.5, 0.25);
    // Peepholes see the old cell, that of the output the new one.
    let gate = sigmoid(sum + 0.3 * c);
    let cell = gate * c + gate * f64::tanh(sum);
    is(one_step("LSTM", 4, Some(0.3), &[]), &[sigmoid(sum + 0.3 * cell) * cell.tanh(), cell]);
    let gate = sigmoid(sum);
    let cell = (1.0 - gate) * c + gate * f64::tanh(sum);
    is(one_step("LSTM", 4, None, &[("input_forget", 1.into())]), &[gate * cell.tanh(), cell]);
    let (gate, new) = (sigmoid(0.5), f64::tanh(0.5));
    let cell = gate * c + gate * new;
    is(one_step("LSTM", 4, None, &[("clip", 0.5f32.into())]), &[gate * cell.tanh(), cell]);
    let (gate, new) = (sigmoid(sum), f64::tanh(0.4 + 0.4 * sigmoid(sum) * h));
    is(one_step("GRU", 3, None, &[]), &[(1.0 - gate) * new + gate * h]);
    let sums = Attribute::Texts(vec!["Softsign".into()]);
    is(one_step("RNN", 1, None, &[("activations", sums)]), &[sum / (1.0 + sum)]);
}
