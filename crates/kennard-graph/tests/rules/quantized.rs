//! The straight-through gradient of quantisation, from its definition: rounding counts as the identity,
//! and what is clipped has no gradient. (Differences would see the steps.)

use std::collections::BTreeMap;

use kennard_graph::{Attribute, Builder, Graph, Tensor, TensorType, gradient, gradient_name};
use ndarray::{ArcArray, IxDyn, arr0, arr1, arr2};

use crate::rten::Runner;

/// The gradients with respect to `x` and the scale of `Σ weight · dequantised(quantised(x))`.
fn gradients(x: Tensor, scale: Tensor, zero: Tensor, axis: i64, weight: Tensor) -> [Vec<f32>; 2] {
    let builder = Builder::new(&Graph::default()).unwrap();
    let shape = kennard_graph::Shape::fixed(x.shape());
    let var = builder.input("x", TensorType { dtype: x.dtype(), shape });
    let (scale, zero) = (builder.constant(scale), builder.constant(zero));
    let axis = [("axis", Attribute::from(axis))];
    let quantised = builder.op("QuantizeLinear", &[Some(var), Some(scale), Some(zero)], &axis);
    let back = builder.op("DequantizeLinear", &[Some(quantised), Some(scale), Some(zero)], &axis);
    builder.output("y", back * builder.constant(weight));
    let names = [var.name(), scale.name()];
    let graph = gradient(&builder.finish().unwrap(), "y", &[&names[0], &names[1]]).unwrap();
    let outputs = Runner::new(&graph).unwrap().run(&BTreeMap::from([(names[0].clone(), x)])).unwrap();
    names.map(|name| outputs[&gradient_name(&name)].iter().copied().collect())
}

fn tensor<T: Clone, D: ndarray::Dimension>(array: ndarray::Array<T, D>) -> ArcArray<T, IxDyn> {
    array.into_dyn().into_shared()
}

#[test]
fn one_scale() {
    // x/s + z = -0.6, -0.4, 0, 2, 254.8, 255.4, 255.6 in 0..=255
    let x = [-3.3f32, -3.2, -3.0, -2.0, 124.4, 124.7, 124.8];
    let weight = [1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
    let [of_x, of_scale] = gradients(
        tensor(arr1(&x)).into(),
        tensor(arr0(0.5f32)).into(),
        tensor(arr0(6u8)).into(),
        0,
        tensor(arr1(&weight)).into(),
    );
    assert_eq!(of_x, [0.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0]);
    // Inside, (q − z) − x/s is the rounding error; outside, only (q − z) moves with the scale.
    let levels = [-6.0f32, -6.0, -6.0, -4.0, 249.0, 249.0, 249.0];
    let inside = [0.0f32, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0];
    let expected: f32 = (0..7).map(|i| weight[i] * (levels[i] - inside[i] * x[i] / 0.5)).sum();
    assert!((of_scale[0] - expected).abs() < 1e-3, "{} is not {expected}", of_scale[0]);
}

#[test]
fn a_scale_for_each_channel() {
    let [of_x, of_scale] = gradients(
        tensor(arr2(&[[1.0f32, 1.0], [-200.0, 100.0]])).into(),
        tensor(arr1(&[1.0f32, 0.5])).into(),
        tensor(arr1(&[0i8, -100])).into(),
        1,
        tensor(arr2(&[[1.0f32, 2.0], [3.0, 4.0]])).into(),
    );
    assert_eq!(of_x, [1.0, 2.0, 0.0, 4.0]);
    assert_eq!(of_scale, [3.0 * -128.0, 0.0]);
}
