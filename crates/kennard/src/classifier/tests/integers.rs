//! Models that take integers.

use super::*;

/// Pixels 0..255 into a network that normalises them itself.
fn of_levels(dtype: DType) -> Graph {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(dtype, vec![Dim::BATCH, Dim::Known(2)]));
    let w: kennard_graph::Tensor =
        kennard_graph::ndarray::arr2(&[[1.0f32, -1.0], [-1.0, 1.0]]).into_dyn().into();
    builder.output("y", ((x.cast(DType::F32) - 127.5) / 255.0).with("MatMul", builder.constant(w)));
    builder.finish().unwrap()
}

/// Attacks see floats; the verdict is on the rounded levels.
#[test]
fn integer_pixels_are_relaxed_and_rounded() {
    for dtype in [DType::U8, DType::I32] {
        let scale = (dtype == DType::I32).then_some(255.0);
        let preprocessing = Preprocessing { scale, ..Preprocessing::default() };
        let classifier = Classifier::new(&of_levels(dtype), &[2], &preprocessing).unwrap();
        let said = classifier.warnings().iter().any(|warning| warning.code == "eight-bit-input");
        assert_eq!(said, dtype == DType::U8);
        let runtimes = [Choice::Rten, Choice::OnnxRuntime].map(Runtime::open);
        for runtime in runtimes.into_iter().flatten() {
            let engine = Engine::new(classifier.clone(), runtime, &EngineOptions::default()).unwrap();
            let [untouched, logits, gradient] = asked(&engine, [100.4 / 255.0, 100.8 / 255.0]);
            assert!((logits[1] - logits[0] - 2.0 * 0.4 / 255.0).abs() < 1e-6, "{logits:?}");
            assert!((untouched[1] - untouched[0] - 2.0 / 255.0).abs() < 1e-6, "{untouched:?}");
            assert!((gradient[0] + 2.0).abs() < 1e-5 && (gradient[1] - 2.0).abs() < 1e-5, "{gradient:?}");
        }
    }
}

/// Each channel of integers has a scale of its own.
#[test]
fn integers_are_dequantised_along_an_axis() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::U8, vec![Dim::BATCH, Dim::Known(2), Dim::Known(2)]));
    let scales: kennard_graph::Tensor = kennard_graph::ndarray::arr1(&[0.5f32, 2.0]).into_dyn().into();
    let zero = builder.constant(kennard_graph::Tensor::full(&[2], 100.0, DType::U8));
    let inputs = [Some(x), Some(builder.constant(scales)), Some(zero)];
    let real = builder.op("DequantizeLinear", &inputs, &[("axis", 1i64.into())]);
    builder.output("y", real.reduce("ReduceSum", &[2], false));
    let preprocessing = Preprocessing { scale: Some(255.0), ..Preprocessing::default() };
    let classifier = Classifier::new(&builder.finish().unwrap(), &[2, 2], &preprocessing).unwrap();
    let engine =
        Engine::new(classifier, Runtime::open(Choice::Rten).unwrap(), &EngineOptions::default()).unwrap();
    let points: Vec<f32> = [102.0, 100.0, 101.0, 100.0].iter().map(|level| level / 255.0).collect();
    let answer =
        Evaluator::lend(&engine, |mut evaluator| evaluator.evaluate(&Query::logits(points))).unwrap();
    assert!((answer.logits[0] - 1.0).abs() < 1e-4 && (answer.logits[1] - 2.0).abs() < 1e-4, "{answer:?}");
}

/// What wraps around has no real counterpart.
#[test]
fn integers_that_wrap_around_are_refused() {
    for narrowed in [false, true] {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::U8, vec![Dim::BATCH, Dim::Known(2)]));
        let y = match narrowed {
            true => x.cast(DType::I8),
            false => x + builder.constant(kennard_graph::Tensor::scalar(100.0, DType::U8)),
        };
        builder.output("y", y.cast(DType::F32));
        let refused = Classifier::new(&builder.finish().unwrap(), &[2], &Preprocessing::default());
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("integers") && refused.contains("float input"), "{refused}");
    }
}
