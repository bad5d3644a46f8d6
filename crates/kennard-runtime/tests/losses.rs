//! Losses and their gradients where a class is masked: its logit is −∞.

mod common;

use kennard_graph::{
    Attribute, Builder, DType, Dim, Graph, Loss, Objective, Shape, Tensor, TensorType, gradient, simplify,
    training_step, with_loss,
};
use kennard_runtime::Input;

const CLASSES: usize = 5;
const M: f32 = f32::NEG_INFINITY;
/// Logits, label, target.
const ROWS: [([f32; CLASSES], usize, usize); 7] = [
    ([0.5, -1.0, 2.0, 0.25, 1.0], 0, 2),
    ([0.5, M, 2.0, 0.25, 1.0], 0, 2),
    ([0.5, M, 2.0, M, 1.0], 2, 0),
    ([M, -1.0, 2.0, 0.25, 1.0], 0, 3), // the label is masked
    ([0.5, M, 2.0, 0.25, 1.0], 2, 1),  // the target is
    ([0.5, M, M, M, M], 0, 4),
    ([M, M, M, M, M], 1, 2),
];

const LOSSES: [Loss; 7] = [
    Loss::LogOdds,
    Loss::CrossEntropy,
    Loss::Margin,
    Loss::ProbabilityMargin,
    Loss::LogitDifference,
    Loss::Dlr,
    Loss::TargetedDlr,
];

/// `z = f(x)` with `x` of shape `[7, 5]`.
fn model(f: impl for<'b> Fn(kennard_graph::Var<'b>) -> kennard_graph::Var<'b>) -> Graph {
    let builder = Builder::new(&Graph::default()).unwrap();
    let shape = Shape(vec![Dim::BATCH, Dim::Known(CLASSES)]);
    builder.output("z", f(builder.input("x", TensorType::new(DType::F32, shape))));
    builder.finish().unwrap().with_batch(ROWS.len())
}

/// The loss, and its gradient, of all rows, by every runtime.
fn measured(model: &Graph, loss: Loss) -> Vec<(String, Vec<f32>, Vec<f32>)> {
    let graph = gradient(&with_loss(model, loss).unwrap(), Graph::LOSS, &["x"]).unwrap();
    let graph = simplify(&graph).unwrap();
    let x: Vec<f32> = ROWS.iter().flat_map(|row| row.0).collect();
    let labels: Vec<i64> = ROWS.iter().map(|row| row.1 as i64).collect();
    let targets: Vec<i64> = ROWS.iter().map(|row| row.2 as i64).collect();
    let mut inputs = vec![Input::F32(&x), Input::I64(&labels)];
    inputs.extend(loss.is_targeted().then_some(Input::I64(&targets)));
    let run = |runtime: kennard_runtime::Runtime| {
        let mut session = runtime.compile(&graph, &runtime.threads(1)).unwrap();
        let mut outputs = common::run(&mut session, &inputs).unwrap();
        let gradient = outputs.pop().unwrap();
        (format!("{} {loss:?}", runtime.name()), outputs.pop().unwrap(), gradient)
    };
    common::runtimes().into_iter().map(run).collect()
}

/// What the loss is for finite logits, and its limit where some of them go to −∞.
fn expected(loss: Loss, (z, y, t): ([f32; CLASSES], usize, usize)) -> f64 {
    let z = z.map(f64::from);
    let others = || (0..CLASSES).filter(|&j| j != y).map(|j| z[j]);
    let margin = others().fold(f64::NEG_INFINITY, f64::max) - z[y];
    let u = others().map(f64::exp).sum::<f64>().ln() - z[y];
    let mut sorted = z;
    sorted.sort_by(|a, b| b.total_cmp(a));
    // With too few classes the ratios are their numerators.
    let ratio = |numerator: f64, denominator: f64| {
        if denominator.is_finite() { numerator / (denominator + 1e-12) } else { numerator }
    };
    match loss {
        Loss::LogOdds => u,
        Loss::CrossEntropy => {
            if u > 0.0 {
                u + (-u).exp().ln_1p()
            } else {
                u.exp().ln_1p()
            }
        }
        Loss::Margin => margin,
        Loss::ProbabilityMargin => {
            let sum: f64 = z.iter().map(|z| z.exp()).sum();
            (others().fold(f64::NEG_INFINITY, f64::max).exp() - z[y].exp()) / sum
        }
        Loss::LogitDifference => z[t] - z[y],
        Loss::Dlr => ratio(margin, sorted[0] - sorted[2]),
        Loss::TargetedDlr => ratio(z[t] - z[y], sorted[0] - 0.5 * (sorted[2] + sorted[3])),
        other => unreachable!("{other:?} has no formula here"),
    }
}

#[test]
fn masked_classes_leave_losses_and_gradients_finite() {
    // Once with an operator in front, so that the logits are computed.
    for model in [model(|x| x), model(|x| x + 0.0)] {
        for loss in LOSSES {
            for (name, values, gradient) in measured(&model, loss) {
                for (i, &row) in ROWS.iter().enumerate() {
                    let (is, limit) = (f64::from(values[i]), expected(loss, row));
                    let agrees = match limit.is_finite() {
                        true => (is - limit).abs() <= 1e-5 * limit.abs().max(1.0),
                        // Huge, and on the right side.
                        false if limit.is_infinite() => is.abs() > 1e20 && is.signum() == limit.signum(),
                        false => is.is_finite(),
                    };
                    assert!(agrees, "{name}, row {i}: {is} is not {limit}");
                    let gradient = &gradient[i * CLASSES..][..CLASSES];
                    assert!(gradient.iter().all(|g| g.is_finite()), "{name}, row {i}: {gradient:?}");
                    for (g, _) in gradient.iter().zip(row.0).filter(|(_, z)| z.is_infinite()) {
                        assert_eq!(*g, 0.0, "{name}, row {i}: a masked class has no gradient");
                    }
                }
            }
        }
    }
}

/// `ln softmax(100 x)`, where all probabilities but one underflow: the cross-entropy's gradient is still
/// `100 (p − [k = y])`; for a label that underflows itself once the logarithm is simplified.
#[test]
fn underflowing_probabilities_have_a_gradient() {
    let axis = [("axis", Attribute::Int(1))];
    let given = model(|x| (x * 100.0).apply_with("Softmax", &axis).apply("Log"));
    let simple = simplify(&given).unwrap();
    for (model, row) in [(&given, 2), (&simple, 0), (&simple, 2)] {
        let (z, y, _) = ROWS[row];
        let z = z.map(|v| 100.0 * f64::from(v));
        let total: f64 = z.iter().map(|v| (v - z[2]).exp()).sum();
        for (name, values, gradient) in measured(model, Loss::CrossEntropy) {
            let exact = total.ln() + z[2] - z[y];
            assert!((f64::from(values[row]) - exact).abs() < 1e-3, "{name}: {} is not {exact}", values[row]);
            for (k, g) in gradient[row * CLASSES..][..CLASSES].iter().enumerate() {
                let p = (z[k] - z[2]).exp() / total;
                let exact = 100.0 * (p - f64::from(u8::from(k == y)));
                assert!((f64::from(*g) - exact).abs() < 1e-3, "{name}, row {row}: {g} is not {exact}");
            }
        }
    }
}

/// `z = x·w`, the third of four classes masked: every objective of training and its gradient are finite, and the
/// masked class has none.
#[test]
fn masked_classes_can_be_trained_beside() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, Shape(vec![Dim::BATCH, Dim::Known(3)])));
    let weights = ndarray::ArrayD::from_shape_fn(vec![3, 4], |at| 0.3 * at[0] as f32 - 0.2 * at[1] as f32);
    let w = builder.named("w", weights.into());
    let mask: Tensor = ndarray::arr1(&[0.0, 0.0, M, 0.0]).into_dyn().into();
    builder.output("z", x.with("MatMul", w) + builder.named("mask", mask));
    let model = builder.finish().unwrap();
    let objectives = [
        Objective::CrossEntropy { smoothing: 0.0 },
        Objective::Trades { beta: 6.0 },
        Objective::Mart { beta: 5.0 },
        Objective::Conjugate { lambda: 0.1 },
        Objective::LogitPenalty { lambda: 0.1 },
    ];
    for objective in objectives {
        let step = training_step(&model, 2, &objective).unwrap();
        let rows = if objective.is_paired() { 4 } else { 2 };
        let x: Vec<f32> = (0..3 * rows).map(|i| (i as f32).sin()).collect();
        let weights: Vec<Vec<f32>> = step
            .weights
            .iter()
            .map(|name| model.constants[name].to_floats().unwrap().iter().map(|&v| v as f32).collect())
            .collect();
        let mut inputs = vec![Input::F32(&x), Input::I64(&[0, 3])];
        inputs.extend(weights.iter().map(|values| Input::F32(values)));
        for runtime in common::runtimes() {
            let mut session = runtime.compile(&step.graph, &runtime.threads(1)).unwrap();
            let outputs = common::run(&mut session, &inputs).unwrap();
            let place = |name: &str| step.graph.outputs.iter().position(|v| v.name == name).unwrap();
            let label = format!("{} {objective:?}", runtime.name());
            let loss = &outputs[place(Graph::LOSS)];
            assert!(loss.iter().all(|v| v.is_finite()), "{label}: {loss:?}");
            let gradient = &outputs[place("gradient/w")];
            assert!(gradient.iter().all(|v| v.is_finite()), "{label}: {gradient:?}");
            assert!(gradient.iter().any(|v| v.abs() > 1e-3), "{label}: {gradient:?}");
            let masked: Vec<f32> = gradient.iter().skip(2).step_by(4).copied().collect();
            assert_eq!(masked, [0.0; 3], "{label}");
        }
    }
}

/// Logits (x, 0) and the label 1: with the log-odds x, `l = ln(1 + eˣ)` and `∂ ln l = σ(x)/l`, also where the network is so
/// confident that `1 + eˣ` is rounded.
#[test]
fn the_log_gradient_of_confident_samples_is_held_down() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, Shape(vec![Dim::BATCH, Dim::Known(1)])));
    let w = builder.named("w", ndarray::arr2(&[[1.0f32, 0.0]]).into_dyn().into());
    builder.output("z", x.with("MatMul", w));
    let u = [-40.0f32, -20.0, -16.5, -12.0, -8.0, -5.0, -4.1, -3.9, -1.0, 3.0];
    let step =
        training_step(&builder.finish().unwrap(), u.len(), &Objective::Conjugate { lambda: 0.5 }).unwrap();
    let place = step.graph.outputs.iter().position(|value| value.name == Graph::LOSS).unwrap();
    for runtime in common::runtimes() {
        let mut session = runtime.compile(&step.graph, &runtime.threads(1)).unwrap();
        let inputs = [Input::F32(&u), Input::I64(&[1; 10]), Input::F32(&[1.0, 0.0])];
        let outputs = common::run(&mut session, &inputs).unwrap();
        for (u, found) in u.iter().zip(&outputs[place]) {
            let e = f64::from(*u).exp();
            let l = e.ln_1p();
            let exact = l + 0.5 * (e / (1.0 + e) / l).powi(2);
            assert!(
                (f64::from(*found) - exact).abs() < 2e-5,
                "{} at {u}: {found}, not {exact}",
                runtime.name()
            );
        }
    }
}
