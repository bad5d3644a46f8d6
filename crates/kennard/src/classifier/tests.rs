mod integers;
pub(crate) mod machines;

use kennard_graph::{Attribute, Builder, DType, Dim, Loss, Shape, TensorType};
use kennard_runtime::{Choice, Runtime};

use super::*;
use crate::engine::{Engine, EngineOptions, Evaluator, Query};

/// A model whose logits are the elements of its images.
fn flattening(takes: [usize; 3]) -> Graph {
    let builder = Builder::new(&Graph::default()).unwrap();
    let dims = std::iter::once(Dim::BATCH).chain(takes.map(Dim::Known));
    let x = builder.input("x", TensorType::new(DType::F32, Shape(dims.collect())));
    builder.output("y", x.apply("Flatten"));
    builder.finish().unwrap()
}

/// Of images that need not be square, so that the order of the axes shows.
fn refusal(takes: [usize; 3], has: [usize; 3]) -> String {
    Classifier::new(&flattening(takes), &has, &Preprocessing::default()).unwrap_err().to_string()
}

#[test]
fn an_input_scale_that_hides_the_input_is_refused() {
    let model = flattening([1, 4, 4]);
    let scaled = |factor| {
        let preprocessing = Preprocessing { scale: Some(factor), ..Preprocessing::default() };
        Classifier::new(&model, &[1, 4, 4], &preprocessing).map(drop)
    };
    assert!(scaled(255.0).is_ok());
    for factor in [0.0, f64::NAN, f64::INFINITY] {
        assert!(scaled(factor).unwrap_err().to_string().contains("input scale"));
    }
}

/// Also one whose inverse single precision does not have.
#[test]
fn a_temperature_that_divides_nothing_is_out_of_range() {
    let classifier = Classifier::new(&flattening([1, 4, 4]), &[1, 4, 4], &Preprocessing::default()).unwrap();
    assert!(classifier.at_temperature(2.0).is_ok());
    for value in [0.0, -1.0, 1e-60, f64::INFINITY] {
        let refused = classifier.at_temperature(value).unwrap_err();
        assert!(matches!(&refused, Error::OutOfRange { value: found, .. } if *found == value), "{refused}");
        assert!(refused.is_argument() && refused.to_string().contains("1 leaves them as they are"));
    }
}

#[test]
fn channels_on_the_wrong_side_are_noticed() {
    let [first, last] = [[3, 4, 5], [4, 5, 3]];
    assert!(refusal(last, first).contains("`nhwc`"));
    assert!(refusal(first, last).contains("transpose it"));
    assert!(refusal(first, [1, 4, 5]).contains("trained for"));
}

/// An image of one channel has as many numbers however its axes are turned.
#[test]
fn channels_last_are_those_of_the_model() {
    let fits = |takes: &[usize], has: &[usize]| {
        let last = Preprocessing { nhwc: true, ..Preprocessing::default() };
        Classifier::new(&flat(takes), has, &last).map(drop).map_err(|error| error.to_string())
    };
    for (takes, has) in [
        ([4, 5, 1], vec![1, 4, 5]),
        ([4, 5, 1], vec![4, 5]),
        ([4, 5, 3], vec![3, 4, 5]),
        ([4, 4, 1], vec![1, 4, 4]),
    ] {
        assert_eq!(fits(&takes, &has), Ok(()), "{takes:?} {has:?}");
    }
    for (takes, has) in [([1, 4, 4], vec![1, 4, 4]), ([1, 4, 5], vec![1, 4, 5]), ([1, 4, 4], vec![4, 4])] {
        let message = fits(&takes, &has).unwrap_err();
        assert!(message.contains("channels last") && message.contains("leave out `nhwc`"), "{message}");
    }
    assert!(fits(&[4, 1, 5], &[1, 4, 5]).unwrap_err().contains("channels last"));
}

fn flat(takes: &[usize]) -> Graph {
    let builder = Builder::new(&Graph::default()).unwrap();
    let dims = std::iter::once(Dim::BATCH).chain(takes.iter().map(|&n| Dim::Known(n)));
    let x = builder.input("x", TensorType::new(DType::F32, Shape(dims.collect())));
    let w = builder.constant(kennard_graph::Tensor::full(&[takes.iter().product(), 3], 0.5, DType::F32));
    builder.output("y", x.apply("Flatten").with("MatMul", w));
    builder.finish().unwrap()
}

/// The same numbers in the same order fit, with or without axes of one; what makes images of vectors is said.
#[test]
fn samples_of_as_many_elements_fit() {
    let plain = Preprocessing::default();
    for (takes, has, said) in [
        (&[12][..], &[3, 4][..], false),
        (&[12, 1], &[1, 3, 4], false),
        (&[1, 12, 1, 1], &[3, 4], false),
        (&[1, 3, 4], &[3, 4, 1], false),
        (&[1, 3, 4], &[12], true),
        (&[3, 2, 2], &[1, 12], true),
    ] {
        let classifier = Classifier::new(&flat(takes), has, &plain).unwrap();
        assert_eq!(classifier.shape(), has);
        assert_eq!(!classifier.warnings().is_empty(), said, "{takes:?} {has:?}");
    }
    for (takes, has) in [(&[1, 3, 4][..], &[1, 4, 3][..]), (&[12, 1], &[13]), (&[2, 6], &[3, 4])] {
        assert!(Classifier::new(&flat(takes), has, &plain).is_err(), "{takes:?} {has:?}");
    }
}

/// Constants of the preprocessing are no weights, nor is a shape that samples are given.
#[test]
fn weights_are_those_of_the_model() {
    let preprocessing = Preprocessing {
        scale: Some(255.0),
        normalize: Some((vec![0.5; 3], vec![0.25; 3])),
        ..Preprocessing::default()
    };
    let classifier = Classifier::new(&flat(&[3, 2, 2]), &[12], &preprocessing).unwrap();
    assert_eq!(classifier.parameters(), 12 * 3);
}

/// One number per sample, `w·x + b`, and what `f` makes of it.
fn one_number(f: impl for<'b> Fn(kennard_graph::Var<'b>) -> kennard_graph::Var<'b>) -> Graph {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(2)]));
    let w = builder.constant(kennard_graph::Tensor::full(&[2, 1], 1.0, DType::F32));
    builder.output("y", f(x.with("MatMul", w) - 1.0));
    builder.finish().unwrap()
}

/// The untouched outputs, the logits, and the gradient of the loss of class 0, at a point.
fn asked(engine: &Engine, x: [f32; 2]) -> [Vec<f32>; 3] {
    Evaluator::lend(engine, |mut evaluator| {
        let untouched = evaluator.evaluate(&Query::untouched(x.to_vec())).unwrap().logits;
        let answers = evaluator.evaluate(&Query::gradient(Loss::Margin, x.to_vec(), 0)).unwrap();
        [untouched, answers.logits, answers.gradient]
    })
}

fn at_work(model: &Graph, threshold: Option<f64>) -> Engine {
    let classifier =
        Classifier::new(model, &[2], &Preprocessing { threshold, ..Default::default() }).unwrap();
    let runtime = Runtime::open(Choice::Rten).unwrap();
    let samples = [[0.1f32, 0.2], [0.9, 0.8], [0.5, 0.75]];
    let engine = Engine::new(classifier, runtime, &EngineOptions::default()).unwrap();
    engine.probe(&samples.each_ref().map(|x| &x[..])).unwrap()
}

/// With `z = x₀ + x₁ − 1`, σ(z) ≥ t where z ≥ ln(t / (1 − t)): the same two classes from a sigmoid, from a probability that is
/// computed otherwise, and from the logit.
#[test]
fn one_number_is_two_classes() {
    let models = [
        one_number(|z| z.apply("Sigmoid")),
        one_number(|z| z.apply("Sigmoid").reshape(&Shape(vec![Dim::BATCH]))),
        one_number(|z| 1.0 / (1.0 + (-z).apply("Exp"))),
        one_number(|z| z * 1.0),
    ];
    for (i, model) in models.iter().enumerate() {
        for threshold in [None, Some(0.5), Some(0.7)] {
            let engine = at_work(model, threshold);
            let cut = threshold.map_or(0.0, |t: f64| (t / (1.0 - t)).ln()) as f32;
            let classifier = engine.classifier();
            assert_eq!((classifier.classes(), classifier.returns_logits()), (2, i == 3), "{i}");
            for x in [[0.2f32, 0.3], [0.9, 0.9], [1.0, 0.8]] {
                let z = x[0] + x[1] - 1.0;
                let [untouched, logits, gradient] = asked(&engine, x);
                assert!(
                    (logits[1] - logits[0] - (z - cut)).abs() < 1e-5,
                    "{i} {threshold:?} {x:?} {logits:?}"
                );
                let class = usize::from(z > cut);
                assert_eq!(
                    [crate::predict(&untouched), crate::predict(&logits)],
                    [class; 2],
                    "{i} {untouched:?}"
                );
                assert!(gradient.iter().all(|g| (g - 1.0).abs() < 1e-4), "{gradient:?}");
            }
            let mut codes: Vec<&str> = engine.warnings().iter().map(|w| w.code.as_str()).collect();
            codes.retain(|code| *code != "untouched-model");
            assert_eq!(codes, [if i == 3 { "one-number" } else { "probabilities" }], "{i}");
        }
    }
}

#[test]
fn regressions_are_refused_by_name() {
    let model = one_number(|z| z * 1.0);
    let engine = at_work(&model, None);
    let refused = engine.classifier().check_label(7, 2).unwrap_err().to_string();
    assert!(refused.contains("sample 7 has the label 2") && refused.contains("regression"), "{refused}");

    let mut trees = model.clone();
    trees.nodes.last_mut().unwrap().op = "ai.onnx.ml::TreeEnsembleRegressor".into();
    let refused = Classifier::new(&trees, &[2], &Preprocessing::default()).unwrap_err().to_string();
    assert!(refused.contains("is a regression") && refused.contains("TreeEnsembleRegressor"), "{refused}");
    // Trees whose sum is a score: where the caller says so, a sigmoid follows, or is in the node.
    let of = |trees: &Graph, threshold| {
        Classifier::new(trees, &[2], &Preprocessing { threshold, ..Preprocessing::default() }).unwrap()
    };
    assert!(of(&trees, Some(0.5)).returns_logits());
    let mut sigmoid = one_number(|z| (z * 1.0).apply("Sigmoid"));
    let last = sigmoid.nodes.iter().position(|node| node.op == "Sigmoid").unwrap();
    sigmoid.nodes[last - 1].op = "ai.onnx.ml::TreeEnsembleRegressor".into();
    assert!(!of(&sigmoid, None).returns_logits());
    trees
        .nodes
        .last_mut()
        .unwrap()
        .attributes
        .insert("post_transform".into(), Attribute::Text("LOGISTIC".into()));
    assert!(of(&trees, None).is_of_log_odds() && !of(&trees, None).returns_logits());

    for threshold in [0.0, 1.0, -1.0, f64::NAN] {
        let preprocessing = Preprocessing { threshold: Some(threshold), ..Preprocessing::default() };
        let refused = Classifier::new(&model, &[2], &preprocessing).unwrap_err().to_string();
        assert!(refused.contains("threshold"), "{refused}");
    }
    let preprocessing = Preprocessing { threshold: Some(0.5), ..Preprocessing::default() };
    assert!(
        Classifier::new(&flat(&[12]), &[12], &preprocessing).unwrap_err().to_string().contains("returns 3")
    );
}

/// Axis by axis, axes of one apart; or the only open axis takes all.
#[test]
fn open_extents_are_the_datas() {
    for (extents, sample, shape) in [
        (vec![None, None, None], vec![3, 8, 6], Some(vec![3, 8, 6])),
        (vec![Some(3), None, None], vec![3, 8, 6], Some(vec![3, 8, 6])),
        (vec![Some(1), None, None], vec![8, 6], Some(vec![1, 8, 6])),
        (vec![None], vec![1, 8, 6], Some(vec![48])),
        (vec![None, Some(6)], vec![48], Some(vec![8, 6])),
        (vec![None, None], vec![48], None),
        (vec![None, None, Some(3)], vec![3, 8, 6], None),
    ] {
        assert_eq!(super::preprocessing::filled(&extents, &sample), shape, "{extents:?} {sample:?}");
    }
}

/// Sigmoids of several classes are taken off as a softmax is: their numbers order the classes alike, and do not saturate.
#[test]
fn closing_sigmoids_are_taken_off() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let x = builder.input("x", TensorType::new(DType::F32, vec![Dim::BATCH, Dim::Known(3)]));
    builder.output("y", (x * 40.0).apply("Sigmoid"));
    let classifier = Classifier::new(&builder.finish().unwrap(), &[3], &Preprocessing::default()).unwrap();
    assert!(!classifier.returns_logits());
    assert!(classifier.graph().unwrap().nodes.iter().all(|node| node.op != "Sigmoid"));
    assert!(classifier.untouched().nodes.iter().any(|node| node.op == "Sigmoid"));
}

#[test]
fn token_ids_are_refused() {
    let builder = Builder::new(&Graph::default()).unwrap();
    let ids = builder.input("ids", TensorType::new(DType::I64, vec![Dim::BATCH, Dim::Known(4)]));
    let table = builder.constant(kennard_graph::Tensor::full(&[10, 3], 0.5, DType::F32));
    builder.output("y", table.with("Gather", ids).reduce("ReduceMean", &[1], false));
    let model = builder.finish().unwrap();
    let refused = Classifier::new(&model, &[4], &Preprocessing::default()).unwrap_err().to_string();
    assert!(refused.contains("token ids have no gradient") && refused.contains("`ids`"), "{refused}");
    let file = kennard_graph::ModelFile::from_bytes(&model.to_bytes()).unwrap();
    let refused = Preprocessing::default().graph(&file, Some(&[4])).unwrap_err().to_string();
    assert!(refused.contains("token ids have no gradient"), "{refused}");
}

/// A model that returns several rows for a sample, or as many for any batch, is no classifier of samples; also where the batch is fixed.
#[test]
fn models_that_return_other_rows_than_samples_are_refused() {
    let refused = |batch: Dim, model: &dyn Fn(kennard_graph::Var) -> String| {
        let builder = Builder::new(&Graph::default()).unwrap();
        let x = builder.input("x", TensorType::new(DType::F32, vec![batch, Dim::Known(4), Dim::Known(5)]));
        let named = model(x);
        builder.output("y", builder.var(&named).unwrap());
        let model = builder.finish().unwrap();
        Classifier::new(&model, &[4, 5], &Preprocessing::default()).unwrap_err().to_string()
    };
    let rows = |x: kennard_graph::Var| {
        let weights = kennard_graph::Tensor::full(&[5, 3], 0.5, DType::F32);
        let flat = x.reshape(&Shape(vec![Dim::Batch(4), Dim::Known(5)]));
        flat.with("MatMul", x.builder().constant(weights)).name()
    };
    let message = refused(Dim::BATCH, &rows);
    assert!(message.contains("4N rows for N samples") && message.contains("[N, classes]"), "{message}");
    assert!(refused(Dim::Known(2), &rows).contains("8 rows for 2 samples"));
    let fixed = |x: kennard_graph::Var| {
        let many = kennard_graph::Tensor::full(&[10, 3], 0.5, DType::F32);
        let sum = x.reduce("ReduceSum", &[0, 1, 2], false);
        sum.with("Add", x.builder().constant(many)).name()
    };
    assert!(refused(Dim::BATCH, &fixed).contains("10 rows for N samples"));
}
