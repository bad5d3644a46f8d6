//! The masks of gradients at kinks, on every runtime: ONNX Runtime's are computed otherwise.

mod common;

use kennard_graph::{Builder, DType, Graph, Shape, TensorType, gradient};
use kennard_runtime::Input;

/// The slope of `Relu` at single points: 0 up to 0, 1 beyond. Where ONNX Runtime's mask is not a step,
/// up to 2⁻¹²⁸ (the smallest normal number is 2⁻¹²⁶), it is between the two.
#[test]
fn the_slope_of_relu_is_a_step() {
    let (below, above) = (f32::from_bits(1 << 20), f32::from_bits(1 << 22)); // 2⁻¹²⁹ and 2⁻¹²⁷
    let points =
        [f32::MIN, -1.0, -f32::MIN_POSITIVE, -below, -0.0, 0.0, above, f32::MIN_POSITIVE, 1e-20, 1.0];
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, Shape::fixed(&[12])));
    builder.output("y", x.apply("Relu").reduce("ReduceSum", &[0], false));
    let graph = gradient(&builder.finish().unwrap(), "y", &["x"]).unwrap();
    for runtime in common::runtimes() {
        let mut session = runtime.compile(&graph, &runtime.threads(1)).unwrap();
        let points = [&points[..], &[f32::MAX, below]].concat();
        let outputs = common::run(&mut session, &[Input::F32(&points)]).unwrap();
        let (last, exact) = outputs[1].split_last().unwrap();
        assert_eq!(exact, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0], "{}", runtime.name());
        assert!((0.25..=1.0).contains(last), "{}: {last}", runtime.name());
    }
}
