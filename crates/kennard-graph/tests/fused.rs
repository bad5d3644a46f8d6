//! Operators of ONNX Runtime's optimiser and of scikit-learn's converters, taken apart, against ONNX Runtime
//! (`references/fused.py`).

#[path = "rules/rten.rs"]
mod rten;

use kennard_graph::{DType, Graph, Tensor, define};
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
}

#[test]
fn what_is_taken_apart_is_the_same() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fused.json")).unwrap();
    assert!(cases.len() > 60);
    let (mut wrong, mut kept) = (Vec::new(), 0);
    for case in cases {
        let byte = |i: usize| u8::from_str_radix(&case.model[i..i + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..case.model.len()).step_by(2).map(byte).collect();
        // A regressor whose one number is what the model returns stays one, which Kennard does not run.
        if case.name.starts_with("LinearRegressor") && Graph::from_bytes(&bytes).is_err() {
            kept += 1;
            continue;
        }
        let graph = Graph::from_bytes(&bytes).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        // rten has no double precision.
        let graph = graph.with_floats(DType::F32);
        // rten's own quantisation rounds otherwise, and wants all attributes of a convolution.
        let inexact = ["DynamicQuantizeLinear", "MatMulInteger", "QuantizeLinear"];
        let graph =
            define(&graph, |node| inexact.contains(&node.op.as_str()) || node.op.contains("::")).unwrap();
        assert!(graph.nodes.iter().all(|node| !node.op.contains("::")), "{}", case.name);
        let mut graph = kennard_graph::simplify(&graph).unwrap();
        for node in graph.nodes.iter_mut().filter(|node| node.op == "Conv") {
            node.attributes.entry("strides".into()).or_insert(vec![1i64, 1].into());
            node.attributes.entry("dilations".into()).or_insert(vec![1i64, 1].into());
        }
        let x: Tensor = ArrayD::from_shape_vec(IxDyn(&case.shape), case.x).unwrap().into();
        let found = Runner::new(&graph).and_then(|runner| runner.run(&[("x".to_string(), x)].into()));
        let found = found.unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let found: Vec<f32> = found.into_values().next().unwrap().into_iter().collect();
        // Where a sum lies between two levels, either may come out.
        let step =
            if case.name.starts_with("QLinear") || case.name.starts_with("QGemm") { 0.0201 } else { 1e-5 };
        let close =
            found.len() == case.y.len() && found.iter().zip(&case.y).all(|(a, b)| (a - b).abs() <= step);
        let off = found.iter().zip(&case.y).filter(|(a, b)| (**a - **b).abs() > 1e-5).count();
        if !close || off * 4 > found.len() {
            wrong.push(format!("{}: {found:?} instead of {:?}", case.name, case.y));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!((1..5).contains(&kept), "{kept} regressors");
}
