//! Gradients where there is none, or two: what PyTorch 2.15 takes there, `clamp` apart.

use std::f32::consts::LN_2;

use kennard_graph::{Attribute, Builder, DType, Graph, Tensor, TensorType, gradient, gradient_name};
use ndarray::{ArrayD, IxDyn};

use crate::rten::Runner;

/// Inputs of several shapes, with their elements.
type Inputs<'a> = &'a [(&'a [usize], &'a [f32])];

/// The gradient of the sum of an operator's output for each of its inputs.
fn gradients(
    op: &str,
    inputs: Inputs,
    integers: Option<&[i64]>,
    attributes: &[(&str, Attribute)],
) -> Vec<Vec<f32>> {
    let builder = Builder::new(&Graph::default()).unwrap();
    let dtype = DType::F32;
    let mut vars: Vec<_> = inputs
        .iter()
        .map(|(shape, _)| {
            Some(builder.input("x", TensorType { dtype, shape: kennard_graph::Shape::fixed(shape) }))
        })
        .collect();
    let names: Vec<String> = vars.iter().flatten().map(|v| v.name()).collect();
    vars.extend(integers.map(|axes| Some(builder.ints(axes))));
    builder.output("y", builder.op(op, &vars, attributes));
    let wrt: Vec<&str> = names.iter().map(String::as_str).collect();
    let graph = gradient(&builder.finish().unwrap(), "y", &wrt).unwrap();
    let values = names.iter().zip(inputs).map(|(name, (shape, elements))| {
        let array = ArrayD::from_shape_vec(IxDyn(shape), elements.to_vec()).unwrap();
        (name.clone(), Tensor::from(array))
    });
    let outputs = Runner::new(&graph).unwrap().run(&values.collect()).unwrap();
    names.iter().map(|name| outputs[&gradient_name(name)].iter().copied().collect()).collect()
}

/// Compares the gradient of a function of one tensor.
#[track_caller]
fn is(op: &str, attributes: &[(&str, f32)], x: &[f32], expected: &[f32]) {
    let attributes: Vec<_> = attributes.iter().map(|&(name, v)| (name, v.into())).collect();
    close(op, &gradients(op, &[(&[x.len()], x)], None, &attributes)[0], expected);
}

/// Compares the gradient of a reduction over the last of two axes.
#[track_caller]
fn reduces(op: &str, shape: [usize; 2], x: &[f32], expected: &[f32]) {
    close(op, &gradients(op, &[(&shape, x)], Some(&[1]), &[])[0], expected);
}

#[track_caller]
fn close(op: &str, got: &[f32], expected: &[f32]) {
    let same = |(&a, &b): (&f32, &f32)| a == b || (a - b).abs() <= 1e-6 * b.abs().max(1.0);
    let good = got.len() == expected.len() && got.iter().zip(expected).all(same);
    assert!(good, "{op}: the gradient is {got:?}, but should be {expected:?}");
}

#[test]
fn at_kinks_of_activations() {
    is("Relu", &[], &[-1.0, 0.0, 1.0], &[0.0, 0.0, 1.0]);
    is("LeakyRelu", &[("alpha", 0.01)], &[-1.0, 0.0, 1.0], &[0.01, 0.01, 1.0]);
    is("ThresholdedRelu", &[("alpha", 1.0)], &[0.0, 1.0, 2.0], &[0.0, 0.0, 1.0]);
    is("Elu", &[("alpha", 0.5)], &[-1.0, 0.0, 1.0], &[0.183_939_73, 0.5, 1.0]);
    is("Selu", &[], &[-1.0, 0.0, 1.0], &[0.646_768_6, 1.758_099_3, 1.050_701]);
    is("Celu", &[("alpha", 0.5)], &[-1.0, 0.0, 1.0], &[0.135_335_28, 1.0, 1.0]);
    let sixth = 1.0 / 6.0;
    is("HardSigmoid", &[("alpha", sixth), ("beta", 0.5)], &[-3.0, 0.0, 3.0], &[0.0, sixth, 0.0]);
    is("HardSwish", &[], &[-3.0, 0.0, 3.0], &[0.0, 0.5, 1.0]);
    is("Shrink", &[("lambd", 0.5), ("bias", 0.5)], &[-0.5, 0.0, 0.5, 1.0], &[0.0, 0.0, 0.0, 1.0]);
    is("Softsign", &[], &[-1.0, 0.0, 1.0], &[0.25, 1.0, 0.25]);
    is("Abs", &[], &[-1.0, 0.0, 1.0], &[-1.0, 0.0, 1.0]);
    is("Sqrt", &[], &[0.0, 4.0], &[f32::INFINITY, 0.25]);
    let slopes = gradients("PRelu", &[(&[3], &[-1.0, 0.0, 1.0]), (&[1], &[0.25])], None, &[]);
    close("PRelu", &slopes.concat(), &[0.25, 0.25, 1.0, -1.0]);
}

/// PyTorch's is 1 at the ends up to version 2.13, and 0 since.
#[test]
fn at_the_ends_of_clip() {
    let gradients =
        gradients("Clip", &[(&[5], &[-2.0, -1.0, 0.0, 1.0, 2.0]), (&[], &[-1.0]), (&[], &[1.0])], None, &[]);
    close("Clip", &gradients.concat(), &[0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
}

#[test]
fn at_ties() {
    let pairs: Inputs = &[(&[3], &[0.0, 1.0, 2.0]), (&[3], &[1.0, 1.0, 1.0])];
    close("Max", &gradients("Max", pairs, None, &[]).concat(), &[0.0, 0.5, 1.0, 1.0, 0.5, 0.0]);
    close("Min", &gradients("Min", pairs, None, &[]).concat(), &[1.0, 0.5, 0.0, 0.0, 0.5, 1.0]);
    let third = 1.0 / 3.0;
    let equal: Inputs = &[(&[1], &[2.0]), (&[1], &[2.0]), (&[1], &[2.0])];
    close("Max", &gradients("Max", equal, None, &[]).concat(), &[third; 3]);
    reduces("ReduceMax", [2, 3], &[1.0, 3.0, 3.0, 2.0, 2.0, 2.0], &[0.0, 0.5, 0.5, third, third, third]);
    reduces("ReduceMin", [2, 3], &[1.0, 1.0, 3.0, 2.0, 2.0, 2.0], &[0.5, 0.5, 0.0, third, third, third]);
}

#[test]
fn at_zero() {
    reduces("ReduceL2", [2, 2], &[0.0, 0.0, 3.0, 4.0], &[0.0, 0.0, 0.6, 0.8]);
    reduces("ReduceL1", [2, 2], &[0.0, 0.0, 3.0, -4.0], &[0.0, 0.0, 1.0, -1.0]);
    reduces(
        "ReduceProd",
        [3, 3],
        &[2.0, 3.0, 4.0, 0.0, 3.0, 4.0, 0.0, 0.0, 4.0],
        &[12.0, 8.0, 6.0, 12.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    );
    // Finite, though both have no gradient here.
    for (op, value) in [("LpNormalization", 1.0), ("MeanVarianceNormalization", 0.0)] {
        let axes = [("axes", Attribute::Ints(vec![1]))];
        let attributes = if op == "LpNormalization" { &[][..] } else { &axes };
        close(op, &gradients(op, &[(&[1, 2], &[0.0, 0.0])], None, attributes)[0], &[value; 2]);
    }
}

#[test]
fn of_powers() {
    let inputs: Inputs = &[(&[6], &[0.0, 0.0, 0.0, 0.0, 2.0, 2.0]), (&[6], &[0.0, 0.5, 1.0, 2.0, 0.0, 3.0])];
    let [x, p] = &gradients("Pow", inputs, None, &[])[..] else { panic!("two inputs") };
    close("Pow", x, &[0.0, f32::INFINITY, 1.0, 0.0, 0.0, 12.0]);
    close("Pow", p, &[0.0, 0.0, 0.0, 0.0, LN_2, 8.0 * LN_2]);
    let inputs: Inputs = &[(&[1], &[0.0]), (&[1], &[-1.0])];
    close("Pow", &gradients("Pow", inputs, None, &[]).concat(), &[f32::NEG_INFINITY; 2]);
}

/// Nothing overflows where the function itself does not.
#[test]
fn far_out() {
    let x = [-1e4, -100.0, 100.0, 1e4];
    let (left, right) = (&[0.0, 0.0, 1.0, 1.0], &[1.0; 4]);
    is("Softplus", &[], &x, left);
    is("Gelu", &[], &x, left);
    is("Mish", &[], &x, left);
    is("HardSwish", &[], &x, left);
    is("Elu", &[], &x, left);
    is("Celu", &[], &x, left);
    is("Selu", &[("gamma", 1.0)], &x, left);
    is("Sigmoid", &[], &x, &[0.0; 4]);
    is("Tanh", &[], &x, &[0.0; 4]);
    is("Shrink", &[], &x, right);
    let tanh = gradients("Gelu", &[(&[4], &x)], None, &[("approximate", "tanh".into())]);
    close("Gelu", &tanh[0], left);
    reduces("ReduceLogSumExp", [1, 3], &[1000.0, -1000.0, 1000.0], &[0.5, 0.0, 0.5]);
    // The sum of a softmax is constant, the sum of a log-softmax is x₁ + x₂ − 2 ln(eˣ¹ + eˣ²).
    is("Softmax", &[], &[1000.0, -1000.0], &[0.0, 0.0]);
    is("LogSoftmax", &[], &[1000.0, -1000.0], &[-1.0, 1.0]);
}
