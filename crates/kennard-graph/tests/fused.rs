//! Operators of ONNX Runtime's optimiser and of scikit-learn's converters, taken apart, against ONNX Runtime
//! (`references/fused.py`).

#[path = "rules/rten.rs"]
mod rten;

use kennard_graph::{DType, Graph, Tensor, define, gradient, operator_of, undifferentiable};
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
    assert!(cases.len() > 70);
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
        // What rounds its other factor stays for the last word; the gradient is that of real numbers.
        let rounds = case.name.contains("'accuracy_level': 4");
        assert_eq!(
            graph.nodes.iter().any(|node| node.op.starts_with("com.microsoft")),
            rounds,
            "{}",
            case.name
        );
        let input = graph.single_input().unwrap().name.clone();
        assert!(!rounds || gradient(&graph, &graph.outputs[0].name, &[&input]).is_ok(), "{}", case.name);
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
        let step = match &case.name {
            name if name.starts_with("QLinear") || name.starts_with("QGemm") => 0.0201,
            name if name.starts_with("quantize_static") => 0.03,
            // Half of the 127th part of the largest of 16 numbers, 40 times, at random.
            _ if rounds => 0.01,
            _ => 1e-5,
        };
        let close =
            found.len() == case.y.len() && found.iter().zip(&case.y).all(|(a, b)| (a - b).abs() <= step);
        let off = found.iter().zip(&case.y).filter(|(a, b)| (**a - **b).abs() > 1e-5).count();
        if !close || (off * 4 > found.len() && !rounds) {
            wrong.push(format!("{}: {found:?} instead of {:?}", case.name, case.y));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!((1..5).contains(&kept), "{kept} regressors");
}

/// Weights that are not known have no gradient, and it is said which they are.
#[test]
fn what_is_not_known_of_blocks_is_said() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("fused.json")).unwrap();
    let case = cases.iter().find(|case| case.name.contains("'accuracy_level': 4")).unwrap();
    let byte = |i: usize| u8::from_str_radix(&case.model[i..i + 2], 16).unwrap();
    let bytes: Vec<u8> = (0..case.model.len()).step_by(2).map(byte).collect();
    let mut graph = Graph::from_bytes(&bytes).unwrap();
    assert!(undifferentiable(&graph).is_empty());
    let node = graph.nodes.iter_mut().find(|node| node.op.contains("MatMulNBits")).unwrap();
    node.attributes.insert("bits".into(), 3i64.into());
    let [stuck] = undifferentiable(&graph)[..] else { panic!("{graph:?}") };
    assert_eq!(operator_of(stuck), "com.microsoft::MatMulNBits of 3 bits, accuracy level 4");
    assert!(graph == define(&graph, |_| true).unwrap());
}
