use super::*;
use crate::{DType, Shape};

fn vector(values: Vec<f32>) -> Tensor {
    ndarray::ArrayD::from_shape_vec(vec![values.len()], values).unwrap().into()
}

/// Long arrays print with their middle left out; they are equal only where all elements are.
#[test]
fn equal_expressions_are_made_once_and_others_apart() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[1])));
    let filled = |middle: f32| {
        let mut values = vec![0.0; 2000];
        values[1000] = middle;
        builder.op("Opaque", &[Some(x)], &[("value", vector(values).into())]).name()
    };
    assert_eq!(filled(1.0), filled(1.0));
    assert_ne!(filled(1.0), filled(2.0));
    let constant = |value: f32| builder.constant(vector(vec![value])).name();
    assert_eq!(constant(f32::NAN), constant(f32::NAN));
    assert_ne!(constant(0.0), constant(-0.0));
}

/// Not the loss, nor the last node, but the one that Kennard does not know.
#[test]
fn what_has_no_shape_is_named() {
    let message = |op: &str| {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[2, 2])));
        let unknown = x.apply(op);
        builder.output("y", unknown.apply("Relu") + 1.0);
        builder.finish().unwrap_err().to_string()
    };
    let det = message("Det");
    assert!(det.contains("node `Det`: the operator Det has no gradient rule"), "{det}");
    assert!(message("NonZero").contains("node `NonZero` (NonZero): the shape of its result"));
}

#[test]
fn a_tensor_of_another_builder_is_refused() {
    let empty = || Builder::new(&Graph::default()).unwrap();
    let ty = || TensorType::new(DType::F32, Shape::fixed(&[1]));
    let (here, there) = (empty(), empty());
    let (a, b) = (here.input("a", ty()), there.input("b", ty()));
    here.output("y", a + b);
    let error = here.finish().unwrap_err().to_string();
    assert!(error.contains("`b` belongs to another builder"), "{error}");
    let here = empty();
    here.output("y", b);
    assert!(here.finish().is_err());
}
