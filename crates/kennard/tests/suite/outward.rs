//! Minimum-norm attacks that end on the boundary itself, where the model as given and the graph that is attacked differ by rounding:
//! scaled inputs, a linear layer and a temperature, whose closest point has a closed form.

use std::sync::atomic::AtomicBool;

use crate::common::{self, engine, in_memory, rten};
use kennard::attack::{Best, MinimalApgd};
use kennard::audit::Audit;
use kennard::engine::EngineOptions;
use kennard::run::ModelSummary;
use kennard::{Graph, Norm, ThreatModel};
use kennard_graph::{Builder, DType, Dim, Tensor, TensorType};

const D: usize = 4;
const CLASSES: usize = 3;

fn noise(i: usize) -> f32 {
    ((i * 7919 + 13) % 1013) as f32 / 1013.0
}

fn mean_and_scale(i: usize) -> (f32, f32) {
    (5.0, 0.83 + 0.31 * i as f32)
}

/// One row for each class.
fn weights() -> Vec<Vec<f32>> {
    (0..CLASSES).map(|row| (0..D).map(|i| 4.0 * noise(7 * row + i) - 2.0).collect()).collect()
}

fn classifier() -> Graph {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(D)]));
    let vector = |values: Vec<f32>| builder.constant(Tensor::from(ndarray::arr1(&values).into_dyn()));
    let (mean, scale): (Vec<f32>, Vec<f32>) = (0..D).map(mean_and_scale).unzip();
    let scaled = x.with("Sub", vector(mean)).with("Div", vector(scale));
    let weight = ndarray::ArrayD::from_shape_vec(vec![CLASSES, D], weights().concat()).unwrap();
    let weight = builder.constant(Tensor::from(weight));
    let inputs = [Some(scaled), Some(weight), Some(vector(vec![0.0; CLASSES]))];
    let z = builder.op("Gemm", &inputs, &[("transB", 1i64.into())]);
    builder.output("logits", z.with("Div", vector(vec![1.37])));
    builder.finish().unwrap()
}

/// The label of a point, and how far it is in l2 from the next class.
fn label_and_distance(x: &[f32]) -> (usize, f64) {
    let weights = weights();
    let row = |class: usize| -> Vec<f64> {
        let scaled = |i: usize| f64::from(weights[class][i]) / f64::from(mean_and_scale(i).1);
        (0..D).map(scaled).collect()
    };
    let rows: Vec<Vec<f64>> = (0..CLASSES).map(row).collect();
    let z = |class: usize| -> f64 {
        (0..D).map(|i| rows[class][i] * (f64::from(x[i]) - f64::from(mean_and_scale(i).0))).sum()
    };
    let label = (0..CLASSES).max_by(|&a, &b| z(a).total_cmp(&z(b))).unwrap();
    let distance = |class: usize| {
        let squares = rows[class].iter().zip(&rows[label]).map(|(a, b)| (a - b).powi(2));
        (z(label) - z(class)) / squares.sum::<f64>().sqrt()
    };
    let others = (0..CLASSES).filter(|&class| class != label);
    (label, others.map(distance).fold(f64::INFINITY, f64::min))
}

#[test]
fn rounding_at_the_boundary_hides_no_closest_point() {
    let points: Vec<Vec<f32>> =
        (0..40).map(|n| (0..D).map(|i| 10.0 * noise(31 * n + 5 * i + 100)).collect()).collect();
    let labels = points.iter().map(|x| label_and_distance(x).0).collect();
    let data = in_memory(&[D], points.concat(), labels);
    let options = EngineOptions { threads: Some(1), ..EngineOptions::default() };
    let engine = engine(&classifier(), &data, rten(), &options);
    let path = common::fixture("fashion_mlp.onnx");
    let summary = ModelSummary::of_file(&path, engine.classifier()).unwrap();
    let threat = ThreatModel::unlimited(Norm::L2, [-30.0, 40.0]).unwrap();
    let mut audit = Audit::new(summary, &engine, &data, threat);
    audit.minimal = vec![Box::new(Best::default()), Box::new(MinimalApgd::default())];
    let outcome = audit.run(&AtomicBool::new(false), |_| ()).unwrap();
    assert_eq!(outcome.summary.clean.correct, 40);
    let attacks = || outcome.records.iter().flat_map(|record| record.minimal.iter().flatten());
    assert!(attacks().any(|attack| attack.disputed), "rounding makes no difference here");
    for record in &outcome.records {
        let (_, exact) = label_and_distance(&points[record.index]);
        // One that heads for no class in particular may come to a farther boundary.
        for (attack, most) in record.minimal.iter().flatten().zip([1.01, 2.5]) {
            let found = attack.norm.unwrap_or(f64::INFINITY) / exact;
            assert!((1.0 - 1e-4..most).contains(&found), "{found} of {exact}: {attack:?}");
        }
    }
    // Nothing is missing.
    let warned = |code: &str| outcome.summary.warnings.iter().any(|warning| warning.code == code);
    assert!(!warned("disputed-points"));
}
