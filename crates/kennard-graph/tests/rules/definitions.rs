//! Definitions against the formulas they stand for, run by rten. (Those that gradients are made from are
//! also compared with ONNX's reference evaluator, by `references/check_rules.py`.)

use kennard_graph::{Attribute, Builder, DType, Graph, Tensor, TensorType, define, is_defined};
use ndarray::{Array1, ArrayD};

use crate::rten::Runner;

/// What the definition of an operator makes of a vector.
fn defined(op: &str, x: &[f32], attributes: &[(&str, Attribute)]) -> Vec<f32> {
    let builder = Builder::new(&Graph::default()).unwrap();
    let shape = kennard_graph::Shape::fixed(&[x.len()]);
    let var = builder.input("x", TensorType { dtype: DType::F32, shape });
    builder.output("y", var.apply_with(op, attributes));
    let graph = define(&builder.finish().unwrap(), |_| true).unwrap();
    let values = [("x".to_string(), Tensor::from(Array1::from(x.to_vec()).into_dyn()))].into();
    let outputs = Runner::new(&graph).unwrap().run(&values).unwrap();
    ArrayD::clone(&outputs["y"]).into_iter().collect()
}

#[track_caller]
fn is(op: &str, attributes: &[(&str, Attribute)], formula: fn(f64) -> f64) {
    let x = [-1e4, -100.0, -3.5, -1.25, -0.3, 0.0, 0.2, 0.75, 2.0, 5.0, 100.0, 1e4];
    for (x, y) in x.iter().zip(defined(op, &x, attributes)) {
        let expected = formula(f64::from(*x));
        let error = (f64::from(y) - expected).abs();
        assert!(error <= 1e-6 * expected.abs().max(1.0), "{op}({x}) is {y}, but should be {expected}");
    }
}

#[test]
fn of_activations() {
    is("Celu", &[("alpha", 0.5f32.into())], |x| x.max(0.0) + (0.5 * (x / 0.5).exp_m1()).min(0.0));
    is("Dropout", &[], |x| x);
    is("HardSwish", &[], |x| x * (x / 6.0 + 0.5).clamp(0.0, 1.0));
    is("Mish", &[], |x| x * if x > 50.0 { 1.0 } else { x.exp().ln_1p().tanh() });
    is("Selu", &[], |x| 1.0507009873554805 * if x > 0.0 { x } else { 1.6732632423543772 * x.exp_m1() });
    is("Shrink", &[], |x| if x.abs() > 0.5 { x } else { 0.0 });
    is("Shrink", &[("lambd", 1.0f32.into()), ("bias", 0.5f32.into())], |x| {
        if x.abs() > 1.0 { x - 0.5 * x.signum() } else { 0.0 }
    });
    is("Sign", &[], |x| if x == 0.0 { 0.0 } else { x.signum() });
    is("Softplus", &[], |x| x.max(0.0) + (-x.abs()).exp().ln_1p());
    is("ThresholdedRelu", &[], |x| if x > 1.0 { x } else { 0.0 });
}

/// Only the first of the largest is taken.
#[test]
fn of_hardmax() {
    assert_eq!(defined("Hardmax", &[1.0, 3.0, 2.0, 3.0], &[]), [0.0, 1.0, 0.0, 0.0]);
    assert_eq!(defined("Hardmax", &[2.0, 2.0], &[("axis", 0.into())]), [1.0, 0.0]);
}

/// A node of which a further output is read stays.
#[test]
fn do_not_lose_outputs() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let shape = kennard_graph::Shape::fixed(&[3]);
    let x = builder.input("x", TensorType { dtype: DType::F32, shape });
    let outputs = builder.op_n("Dropout", &[Some(x)], &[], 2);
    builder.output("y", outputs[0]);
    let read = {
        builder.output("mask", outputs[1]);
        builder.finish().unwrap()
    };
    assert!(is_defined("Dropout"));
    assert_eq!(define(&read, |_| true).unwrap(), read);
}
