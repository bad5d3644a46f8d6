//! What has no bounds is refused by name, and what is not a number bounds nothing.

use kennard_graph::{
    Attribute, Builder, DType, Dim, Graph, GraphError, Method, Region, Shape, Tensor, TensorType, Var, bound,
};

use crate::subject::{Bounds, model, tensor};

const METHODS: [Method; 3] = [Method::Intervals, Method::CrownOverIntervals, Method::Crown];

fn linear(x: Var<'_>, weights: Vec<f32>) -> Var<'_> {
    x.with("MatMul", x.builder().constant(tensor(&[2, 2], weights)))
}

#[track_caller]
fn refused(graph: &Graph, words: &[&str]) {
    for method in METHODS {
        let message = bound(graph, method, Region::Box, 1).unwrap_err().to_string();
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
}

#[test]
fn operators_without_bounds_are_named() {
    refused(&model(&[2], |x| x.apply("Tan")), &["Tan", "attacked, but not certified"]);
    let top =
        |x: Var<'_>| x.builder().op_n("TopK", &[Some(x), Some(x.builder().ints(&[1]))], &[], 2)[0].name();
    let graph = model(&[2], |x| {
        x.builder().var(&top(x)).map(|v| v.apply("Relu").name()).map_or(x, |n| x.builder().var(&n).unwrap())
    });
    refused(&graph, &["TopK"]);
    // Truth values that vary are chosen by and cast to floats, and nothing else.
    refused(&model(&[2], |x| x * x.with("Greater", x.number(0.5)).apply("Not").cast_like(x)), &["Not"]);
    // What single precision makes of a product within the node, the next constant would multiply.
    fn twice(x: Var<'_>) -> Var<'_> {
        let [small, large] = [1e-30f32, 1e30].map(|number| tensor(&[2], vec![number; 2]));
        let [small, large] = [small, large].map(|constant| Some(x.builder().constant(constant)));
        x.builder().op("Einsum", &[Some(x), small, large], &[("equation", "ni,i,i->ni".into())])
    }
    refused(&model(&[2], twice), &["Einsum"]);
    // A threshold that single precision has not is another one.
    fn fine(x: Var<'_>) -> Var<'_> {
        let threshold = x.builder().constant(Tensor::full(&[], 0.1, DType::F64));
        x.cast(DType::F64).with("Greater", threshold).cast_like(x)
    }
    refused(&model(&[2], fine), &["Greater", "double precision"]);
    assert!(matches!(
        bound(&model(&[2], |x| x.apply("Tan")), Method::Crown, Region::Box, 1),
        Err(GraphError::NoBound { op, .. }) if op == "Tan"
    ));
}

#[test]
fn weights_that_are_no_numbers_are_refused() {
    for weight in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        refused(&model(&[2], |x| linear(x, vec![1.0, weight, 0.0, 1.0])), &["infinity or NaN", "MatMul"]);
    }
}

#[test]
fn what_mixes_samples_is_refused() {
    refused(&model(&[2], |x| x - x.reduce("ReduceMean", &[0], true)), &["batch"]);
    refused(&model(&[2], |x| x.with("MatMul", x.transpose(&[1, 0])).with("MatMul", x)), &[]);
    refused(&model(&[2], |x| x.slice(&[0], &[-1], &[i64::MIN], &[-1]).apply("Relu")), &[]);
    // Three numbers of a sample become the outermost axis, and then the batch is behind them.
    refused(
        &model(&[3, 2], |x| {
            x.transpose(&[1, 0, 2]).with("Reshape", x.builder().ints(&[-1, 6])).apply("Relu")
        }),
        &["Reshape"],
    );
    let training = |x: Var<'_>| {
        let one = || Some(x.builder().constant(Tensor::full(&[2], 1.0, DType::F32)));
        let y = x.builder().op(
            "BatchNormalization",
            &[Some(x), one(), one(), one(), one()],
            &[("training_mode", 1i64.into())],
        );
        y.name()
    };
    refused(&model(&[2], |x| x.builder().var(&training(x)).unwrap()), &["BatchNormalization"]);
}

fn of_batch(n: usize) -> Graph {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[n, 2, 2])));
    builder.output("y", x.with("Reshape", builder.ints(&[n as i64, 4])).apply("Relu"));
    builder.finish().unwrap()
}

/// A file's batch of 1 is opened, so that samples share a run; others are refused.
#[test]
fn a_batch_of_one_is_opened() {
    refused(&of_batch(2), &["free batch"]);
    let bounds = Bounds::new(&of_batch(1), Method::Crown, Region::Box, 1);
    let [below, above] = bounds.run([&[0.25; 8], &[0.5; 8]], &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0], None);
    assert!(below.iter().all(|b| (b - 0.25).abs() < 1e-5) && above.iter().all(|b| (b - 0.5).abs() < 1e-5));
}

/// Infinite, never NaN or a number: an empty box, an input that is NaN, an overflow, a logarithm of what may be negative.
#[test]
fn where_nothing_can_be_said_bounds_are_infinite() {
    let nothing = |graph: &Graph, lower: [f32; 2], upper: [f32; 2]| {
        for method in METHODS {
            let bounds = Bounds::new(graph, method, Region::Box, 1);
            let [below, above] = bounds.run([&lower, &upper], &[1.0, 0.0], None);
            assert_eq!((below[0], above[0]), (f32::NEG_INFINITY, f32::INFINITY), "{method:?}");
        }
    };
    let net = model(&[2], |x| linear(linear(x, vec![1.0, 2.0, -1.0, 1.0]).apply("Relu"), vec![1.0; 4]));
    nothing(&net, [1.0, 0.0], [0.0, 1.0]);
    nothing(&net, [f32::NAN, 0.0], [1.0, 1.0]);
    nothing(&net, [0.0, 0.0], [f32::INFINITY, 1.0]);
    let large = model(&[2], |x| linear(linear(x, vec![1e20; 4]).apply("Relu"), vec![1e20; 4]));
    nothing(&large, [0.0, 0.0], [1.0, 1.0]);
    // A ReLU makes 0 of −∞.
    let sunk = model(&[2], |x| linear(linear(x, vec![1e20; 4]).apply("Relu"), vec![1.0; 4]));
    nothing(&sunk, [-2e19, -2e19], [-1e19, -1e19]);
    let slow = model(&[2], |x| (0..3).fold(x, |x, _| linear(x, vec![-1e11; 4]).apply("Relu")));
    nothing(&slow, [-1e19, -1e19], [1e19, 1e19]);
    // And of ∞ − ∞ in some runtimes; nothing but sums are on the way.
    let lost = model(&[2], |x| {
        let y = (0..140).fold(x, |x, _| x + x);
        (y - y).apply("Relu")
    });
    nothing(&lost, [1.0, 1.0], [2.0, 2.0]);
    for op in ["Log", "Sqrt", "Reciprocal"] {
        nothing(&model(&[2], |x| linear(x, vec![1.0; 4]).apply(op)), [-1.0, -1.0], [1.0, 1.0]);
    }
}

/// A sample without bounds takes none from others.
#[test]
fn one_bad_sample_leaves_the_others() {
    let net = model(&[2], |x| linear(linear(x, vec![1.0, 2.0, -1.0, 1.0]).apply("Relu"), vec![1.0; 4]));
    let bounds = Bounds::new(&net, Method::Crown, Region::Box, 1);
    let [below, _] = bounds.run([&[f32::NAN, 0.0, 0.0, 0.0], &[1.0; 4]], &[1.0, 0.0, 1.0, 0.0], None);
    assert_eq!(below[0], f32::NEG_INFINITY);
    assert!(below[1].is_finite());
}

/// A model's tensors may have the names of ours.
#[test]
fn names_do_not_clash() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("upper", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(2)]));
    let w = builder.named("lower", tensor(&[2, 2], vec![1.0, 0.0, 0.0, 1.0]));
    builder.output("spec", x.with("MatMul", w).apply("Relu"));
    let graph = builder.finish().unwrap();
    let bounds = Bounds::new(&graph, Method::Crown, Region::Box, 1);
    let [below, above] = bounds.run([&[0.25, 0.0], &[0.5, 1.0]], &[1.0, 0.0], None);
    assert!((below[0] - 0.25).abs() < 1e-5 && (above[0] - 0.5).abs() < 1e-5, "{below:?} {above:?}");
}

/// What lies outside the image is no sum of its elements, and at other scales than the ratio of the extents a runtime rounds the places.
#[test]
fn images_resized_otherwise_than_exactly_have_no_bounds() {
    let resized = |attributes: &[(&str, Attribute)], roi: bool, scale: f32| {
        model(&[1, 8, 1], |x| {
            let b = x.builder();
            let region = roi.then(|| b.constant(tensor(&[8], vec![0.0, 0.0, -1.0, 0.0, 1.0, 1.0, 1.0, 1.0])));
            let scales = b.constant(tensor(&[4], vec![1.0, 1.0, scale, 1.0]));
            b.op("Resize", &[Some(x), region, Some(scales)], attributes).apply("Relu")
        })
    };
    let places = |name: &str| ("coordinate_transformation_mode", Attribute::from(name));
    let cropped =
        [places("tf_crop_and_resize"), ("mode", "linear".into()), ("extrapolation_value", (-10.0f32).into())];
    refused(&resized(&cropped, true, 2.0), &["Resize"]);
    let nearest = [places("asymmetric"), ("mode", "nearest".into()), ("nearest_mode", "floor".into())];
    refused(&resized(&nearest, false, 0.6), &["Resize"]);
    assert!(bound(&resized(&nearest, false, 0.5), METHODS[0], Region::Box, 1).is_ok());
}

#[test]
fn a_power_of_more_axes_is_not_taken_for_one_of_its_base() {
    let squared =
        model(&[3], |x| x.with("Pow", x.builder().constant(tensor(&[1, 1, 1], vec![2.0]))).apply("Relu"));
    refused(&squared, &["Pow"]);
}
