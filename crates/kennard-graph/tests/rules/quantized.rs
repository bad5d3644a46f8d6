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

/// Integers that stand for real numbers: the gradient of a product or convolution of quantised operands is that of the
/// real ones, weights as they were quantised. (Only the elements that set the scale see its rounding, too.)
#[test]
fn integer_arithmetic() {
    let x: Vec<f32> = (0..32).map(|i| ((i * 13) % 32) as f32 / 16.0 - 0.9).collect();
    let levels: Vec<u8> = (0..36).map(|i| (i * 29 % 255) as u8).collect();
    let weight = |shape: &[usize]| -> Tensor {
        let n = shape.iter().product();
        ndarray::ArrayD::from_shape_vec(IxDyn(shape), levels[..n].to_vec()).unwrap().into()
    };
    let real = |shape: &[usize]| -> Tensor {
        let n: usize = shape.iter().product();
        let values = levels[..n].iter().map(|&q| (f32::from(q) - 100.0) * 0.01).collect();
        ndarray::ArrayD::from_shape_vec(IxDyn(shape), values).unwrap().into()
    };
    let pads: [(&str, Attribute); 5] = [
        ("pads", vec![1; 4].into()),
        ("kernel_shape", vec![3, 3].into()),
        ("strides", vec![1, 1].into()),
        ("dilations", vec![1, 1].into()),
        ("group", 1.into()),
    ];
    for (op, plain, shape, kernel, attributes) in [
        ("ConvInteger", "Conv", vec![1, 2, 4, 4], vec![2, 2, 3, 3], &pads[..]),
        ("MatMulInteger", "MatMul", vec![8, 4], vec![4, 9], &[]),
        ("QLinearConv", "Conv", vec![1, 2, 4, 4], vec![2, 2, 3, 3], &pads[..]),
        ("QLinearMatMul", "MatMul", vec![8, 4], vec![4, 9], &[]),
    ] {
        let of = |quantised: bool| -> Vec<f32> {
            let builder = Builder::new(&Graph::default()).unwrap();
            let ty = TensorType::new(kennard_graph::DType::F32, kennard_graph::Shape::fixed(&shape));
            let v = builder.input("x", ty);
            let number = |value: f32| builder.constant(tensor(arr0(value)).into());
            let level = |value: u8| builder.constant(tensor(arr0(value)).into());
            let (w, zero) = (builder.constant(weight(&kernel)), level(100));
            let y = match op {
                _ if !quantised => {
                    builder.op(plain, &[Some(v), Some(builder.constant(real(&kernel)))], attributes)
                }
                "ConvInteger" | "MatMulInteger" => {
                    let parts = builder.op_n("DynamicQuantizeLinear", &[Some(v)], &[], 3);
                    let inputs = [parts[0], w, parts[2], zero].map(Some);
                    let sums = builder.op(op, &inputs, attributes).cast(kennard_graph::DType::F32);
                    sums * (parts[1] * number(0.01))
                }
                _ => {
                    let (scale, middle) = (number(0.01), level(128));
                    let q = builder.op("QuantizeLinear", &[v, scale, middle].map(Some), &[]);
                    let inputs = [q, scale, middle, w, scale, zero, number(0.1), middle].map(Some);
                    let y = builder.op(op, &inputs, attributes);
                    builder.op("DequantizeLinear", &[y, number(0.1), middle].map(Some), &[])
                }
            };
            let c = (0..y.shape().unwrap().known().unwrap().iter().product::<usize>())
                .map(|i| (i % 5) as f32 - 2.0)
                .collect();
            let dims = y.shape().unwrap().known().unwrap();
            let c: Tensor = ndarray::ArrayD::from_shape_vec(IxDyn(&dims), c).unwrap().into();
            builder.output("y", y * builder.constant(c));
            let graph = gradient(&builder.finish().unwrap(), "y", &["x"]).unwrap();
            let point: Tensor = ndarray::ArrayD::from_shape_vec(IxDyn(&shape), x.clone()).unwrap().into();
            let outputs =
                Runner::new(&graph).unwrap().run(&BTreeMap::from([("x".to_string(), point)])).unwrap();
            outputs[&gradient_name("x")].iter().copied().collect()
        };
        let (found, wanted) = (of(true), of(false));
        let largest = wanted.iter().fold(0.0f32, |most, g| most.max(g.abs()));
        for (a, b) in found.iter().zip(&wanted) {
            assert!((a - b).abs() < 0.02 * largest, "{op}: {found:?} instead of {wanted:?}");
        }
    }
}
