//! Where several elements of a window are the maximum: the numbers are PyTorch 2.15's (`max_pool2d` and
//! `adaptive_max_pool2d`), which gives all of the adjoint to the first in row-major order.

use std::collections::BTreeMap;

use kennard_graph::{Attribute, Builder, DType, Graph, Shape, Tensor, TensorType, gradient, gradient_name};
use ndarray::ArrayD;

use crate::rten::Runner;

/// The gradient with respect to `x` of `Σ (1 + i)·yᵢ`, the outputs counted in row-major order.
#[track_caller]
fn gives(op: &str, shape: &[usize], x: &[f32], attributes: &[(&str, Attribute)], expected: &[f32]) {
    let builder = Builder::new(&Graph::default()).unwrap();
    let var = builder.input("x", TensorType { dtype: DType::F32, shape: Shape::fixed(shape) });
    let y = builder.op(op, &[Some(var)], attributes);
    let mut count = 0.0;
    let adjoint = ArrayD::from_shape_simple_fn(y.shape().unwrap().known().unwrap(), || {
        count += 1.0;
        count
    });
    builder.output("y", y * builder.constant(Tensor::F32(adjoint.into_shared())));
    let graph = gradient(&builder.finish().unwrap(), "y", &["x"]).unwrap();
    let x: Tensor = ArrayD::from_shape_vec(shape, x.to_vec()).unwrap().into();
    let outputs = Runner::new(&graph).unwrap().run(&BTreeMap::from([("x".to_string(), x)])).unwrap();
    let got: Vec<f32> = outputs[&gradient_name("x")].iter().copied().collect();
    assert_eq!(got, expected, "{op} {attributes:?}");
}

/// An image of -1 and 0, which any zeros around it would win against.
#[rustfmt::skip]
const IMAGE: [f32; 30] = [
    -1.0,  0.0,  0.0, -1.0, -1.0, -1.0, -1.0,  0.0,  0.0, -1.0,
     0.0, -1.0,  0.0,  0.0, -1.0, -1.0, -1.0, -1.0,  0.0,  0.0,
    -1.0,  0.0, -1.0,  0.0,  0.0, -1.0, -1.0, -1.0, -1.0,  0.0,
];

#[track_caller]
fn max_pool(h: usize, w: usize, attributes: &[(&str, &[i64])], expected: &[f32]) {
    let attributes: Vec<_> = attributes.iter().map(|&(name, v)| (name, v.into())).collect();
    gives("MaxPool", &[1, 1, h, w], &IMAGE[..h * w], &attributes, expected);
}

#[test]
#[rustfmt::skip]
fn of_max_pool() {
    max_pool(4, 6, &[("kernel_shape", &[2, 2]), ("strides", &[2, 2])], &[
        0.0, 1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0,
        4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 6.0,
    ]);
    max_pool(5, 6, &[("kernel_shape", &[3, 3]), ("strides", &[2, 2]), ("pads", &[1, 1, 1, 1])], &[
        0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 0.0, 9.0, 0.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0,
        0.0, 0.0, 0.0, 7.0, 8.0, 0.0, 9.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    ]);
    max_pool(4, 5, &[("kernel_shape", &[2, 3]), ("strides", &[1, 1]), ("pads", &[0, 1, 0, 1])], &[
        0.0, 6.0, 4.0, 0.0, 0.0, 0.0, 0.0, 24.0, 15.0, 0.0,
        29.0, 0.0, 27.0, 15.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    ]);
}

#[test]
#[rustfmt::skip]
fn of_max_pool_beyond_the_end() {
    let attributes = [
        ("kernel_shape", vec![3, 2].into()), ("strides", vec![2, 3].into()),
        ("pads", vec![1, 0, 1, 0].into()), ("ceil_mode", 1i64.into()),
    ];
    gives("MaxPool", &[1, 1, 5, 6], &IMAGE, &attributes, &[
        0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0, 6.0, 0.0, 0.0, 0.0, 0.0,
        0.0, 0.0, 0.0, 5.0, 0.0, 0.0, 6.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0,
    ]);
}

#[test]
fn of_equal_elements() {
    let attributes = [
        ("kernel_shape", vec![3, 3].into()),
        ("strides", vec![1, 1].into()),
        ("pads", vec![1, 1, 1, 1].into()),
    ];
    let expected = [14.0, 10.0, 12.0, 0.0, 19.0, 11.0, 12.0, 0.0, 27.0, 15.0, 16.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    gives("MaxPool", &[1, 1, 4, 4], &[-1.0; 16], &attributes, &expected);
}

#[test]
fn of_infinities() {
    let i = f32::NEG_INFINITY;
    let attributes = [
        ("kernel_shape", vec![2, 2].into()),
        ("strides", vec![2, 2].into()),
        ("pads", vec![1, 0, 1, 0].into()),
    ];
    let x = [i, i, 1.0, i, i, i, i, 2.0];
    gives("MaxPool", &[1, 1, 2, 4], &x, &attributes, &[1.0, 0.0, 2.0, 0.0, 3.0, 0.0, 0.0, 4.0]);
}

#[test]
fn of_global_max_pool() {
    let x = [1.0, 3.0, 2.0, 3.0, 0.0, 3.0, -1.0, -1.0, -1.0, -1.0, -1.0, -1.0];
    let expected = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0];
    gives("GlobalMaxPool", &[1, 2, 2, 3], &x, &[], &expected);
}
