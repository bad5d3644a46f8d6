//! Attacks on a hidden tensor and on pixels where both have closed forms: behind a linear part with two
//! classes, `w = w_y − w_j`, the nearest adversarial point is `(w·h + c)/‖w‖₂` away.

use std::sync::atomic::AtomicBool;

use crate::common::{self, rten};
use kennard::Graph;
use kennard::data::DataSet;
use kennard::engine::{Engine, EngineOptions};
use kennard::experiment::{Features, FeaturesReport};
use kennard::packet::Hidden;
use kennard_graph::{Builder, DType, Dim, Tensor, TensorType};
use ndarray::{Array2, ArrayD, IxDyn};

const D: usize = 16;
const T: usize = 8;
const N: usize = 60;
const RELATIVE: [f64; 6] = [0.02, 0.05, 0.1, 0.2, 0.4, 0.8];

fn noise(rows: usize, columns: usize, seed: usize) -> Array2<f64> {
    let value = |(i, j): (usize, usize)| ((i * 7919 + j * 104_729 + seed * 31) % 101) as f64 / 101.0 - 0.5;
    Array2::from_shape_fn((rows, columns), |at| f64::from(value(at) as f32))
}

fn constant(values: &Array2<f64>) -> Tensor {
    let shape = IxDyn(values.shape());
    Tensor::from(ArrayD::from_shape_vec(shape, values.iter().map(|&v| v as f32).collect()).unwrap())
}

/// `h = x A`, `z = h W + x V`: V is what goes past the tensor. The name of `h` comes with it.
fn skipping(a: &Array2<f64>, w: &Array2<f64>, v: &Array2<f64>) -> (Graph, String) {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(D)]));
    let h = x.with("MatMul", builder.constant(constant(a)));
    let around = x.with("MatMul", builder.constant(constant(v)));
    let z = h.with("MatMul", builder.constant(constant(w))) + around;
    let name = h.name();
    builder.output("logits", z);
    (builder.finish().unwrap(), name)
}

/// Inputs in 0.3..0.7 with the labels of the larger of two logits.
fn labelled(logits: impl Fn(&[f64]) -> [f64; 2]) -> (DataSet, Vec<Vec<f64>>) {
    let value = |i: usize| f64::from(0.3 + 0.4 * ((i * 31 + i / 7 * 17) % 97) as f32 / 97.0);
    let inputs: Vec<Vec<f64>> = (0..N).map(|n| (0..D).map(|i| value(n * D + i)).collect()).collect();
    let labels = inputs.iter().map(|x| usize::from(logits(x)[1] > logits(x)[0])).collect();
    let pixels = inputs.iter().flatten().map(|&v| v as f32).collect();
    (common::in_memory(&[D], pixels, labels), inputs)
}

fn measure(model: &Graph, tensor: &str, data: &DataSet, relative: &[f64], threads: usize) -> FeaturesReport {
    let options = EngineOptions { threads: Some(threads), ..EngineOptions::default() };
    let engine: Engine = common::engine(model, data, rten(), &options);
    let hidden = Hidden::new(&engine, tensor, &options).unwrap();
    let mut features = Features::new(&engine, &hidden, data, relative.to_vec());
    features.bounds = [-100.0, 100.0];
    features.measure(&AtomicBool::new(false), |_| ()).unwrap()
}

fn row(x: &[f64]) -> Array2<f64> {
    Array2::from_shape_vec((1, x.len()), x.to_vec()).unwrap()
}

fn length(v: &Array2<f64>) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

/// Checks that an attack succeeds at the first radius beyond the closed form, and at none below it. Within
/// 1 % either may be.
fn check(found: Option<f64>, distance: f64, what: &str) -> bool {
    let least = RELATIVE.into_iter().find(|r| *r >= 0.99 * distance);
    let most = RELATIVE.into_iter().find(|r| *r >= 1.01 * distance);
    assert!(found == least || found == most, "{what}: broken at {found:?}, the boundary is at {distance}");
    found.is_some()
}

/// The logits hang ten times as much on what goes past the tensor as on the tensor: an attack that moved it
/// would succeed far below the closed form.
#[test]
fn linear_parts_are_broken_where_the_closed_form_says() {
    let (a, w, v) = (noise(D, T, 1), noise(T, 2, 2), 10.0 * noise(D, 2, 3));
    let all = a.dot(&w) + &v;
    let logits = |x: &[f64]| {
        let z = row(x).dot(&all);
        [z[(0, 0)], z[(0, 1)]]
    };
    let (model, tensor) = skipping(&a, &w, &v);
    let (data, inputs) = labelled(logits);
    let report = measure(&model, &tensor, &data, &RELATIVE, 2);
    assert_eq!(
        (report.held_fixed, report.nonnegative, report.clean.correct),
        (D.min(report.held_fixed), false, N as u64)
    );
    assert!(report.held_fixed > 0);
    let across = |m: &Array2<f64>| length(&(&m.column(0) - &m.column(1)).insert_axis(ndarray::Axis(1)));
    let (mut features, mut pixels) = (0, 0);
    for (record, x) in report.records.iter().zip(&inputs) {
        let [z0, z1] = logits(x);
        let margin = (z0 - z1).abs();
        let (x, h) = (row(x), row(x).dot(&a));
        let far = margin / across(&w) / length(&h);
        features += usize::from(check(record.features, far, &format!("features of {}", record.index)));
        let far = margin / across(&all) / length(&x);
        pixels += usize::from(check(record.pixels, far, &format!("pixels of {}", record.index)));
    }
    // The test is about something: some are broken either way, and more through the pixels, which reach both.
    println!("broken: {features} by features, {pixels} by pixels");
    assert!(features > 2 && pixels > features && features < N);
    let last = report.sizes.last().unwrap();
    assert_eq!(last.features.correct, (N - features) as u64);
    assert_eq!(last.pixels_alone - last.features_alone, (pixels - features) as u64);
    assert_eq!(report, measure(&model, &tensor, &data, &RELATIVE, 1), "on one core");
}

/// `z = [h·1 + ½, 0]` with `h = Relu(x A)`: no features of a Relu are misclassified, because they are not
/// negative; a tensor that may be negative gives way at once.
#[test]
fn what_a_relu_returns_stays_at_least_zero() {
    let model = |shift: bool| {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(D)]));
        let h = x.with("MatMul", builder.constant(constant(&noise(D, T, 1)))).apply("Relu");
        let h = if shift { h.apply("Tanh") } else { h };
        let one = Array2::from_shape_fn((T, 2), |(_, k)| if k == 0 { 1.0 } else { 0.0 });
        let half = Tensor::from(ndarray::arr1(&[0.5f32, 0.0]).into_dyn());
        let z = h.with("MatMul", builder.constant(constant(&one))) + builder.constant(half);
        let name = h.name();
        builder.output("logits", z);
        (builder.finish().unwrap(), name)
    };
    let (data, _) = labelled(|_| [1.0, 0.0]);
    for (shift, withstand) in [(false, N as u64), (true, 0)] {
        let (graph, tensor) = model(shift);
        let report = measure(&graph, &tensor, &data, &[5.0], 2);
        assert_eq!((report.nonnegative, report.clean.correct), (!shift, N as u64));
        assert_eq!(report.sizes[0].features.correct, withstand);
    }
}

/// What is stopped says how many samples its figures are of.
#[test]
fn what_is_stopped_is_not_complete() {
    let (a, w, v) = (noise(D, T, 1), noise(T, 2, 2), noise(D, 2, 3));
    let (model, tensor) = skipping(&a, &w, &v);
    let (data, _) = labelled(|_| [1.0, 0.0]);
    let whole = measure(&model, &tensor, &data, &[0.1], 2);
    assert!(whole.complete && whole.warnings.is_empty());
    let options = EngineOptions::default();
    let engine = common::engine(&model, &data, rten(), &options);
    let hidden = Hidden::new(&engine, &tensor, &options).unwrap();
    let mut features = Features::new(&engine, &hidden, &data, vec![0.1]);
    features.bounds = [-100.0, 100.0];
    let part = features.measure(&AtomicBool::new(true), |_| ()).unwrap();
    assert!(!part.complete && part.records.is_empty());
    assert!(part.warnings[0].message.contains(&format!("0 of {N} samples were attacked")), "{part:?}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let (a, w, v) = (noise(D, T, 1), noise(T, 2, 2), noise(D, 2, 3));
    let (model, tensor) = skipping(&a, &w, &v);
    let (data, _) = labelled(|_| [1.0, 0.0]);
    let options = EngineOptions::default();
    let engine = common::engine(&model, &data, rten(), &options);
    let hidden = Hidden::new(&engine, &tensor, &options).unwrap();
    let refusal = |relative: &[f64], bounds| {
        let mut features = Features::new(&engine, &hidden, &data, relative.to_vec());
        features.bounds = bounds;
        features.measure(&AtomicBool::new(false), |_| ()).unwrap_err().to_string()
    };
    assert!(refusal(&[], [0.0, 1.0]).contains("take 0.05"));
    assert!(refusal(&[0.1, -0.1], [0.0, 1.0]).contains("positive"));
    assert!(refusal(&[0.1], [1.0, 0.0]).contains("range"));
    assert!(refusal(&[0.1], [0.0, 0.5]).contains("`bounds`"));
}
