//! Costly methods are prepared when a sample first needs them, and not at all where none does.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::certify::cost::Allowance;
use crate::certify::programs::{BoundPrograms, BoundTask};
use crate::certify::provable::provable;
use crate::certify::region::shape;
use crate::data::Sample;

/// Random weights from pixels to eight ReLUs, to eight more and to the logits.
fn relus() -> Engine {
    let mut random = stream(13, &[], "weights");
    let builder = Builder::new(&Graph::default()).unwrap();
    let mut weights = |rows: usize, columns: usize| {
        let values = (0..rows * columns).map(|_| random.random_range(-1.0f32..1.0)).collect();
        builder.constant(Tensor::from(ArrayD::from_shape_vec(IxDyn(&[rows, columns]), values).unwrap()))
    };
    let [first, second, last] = [weights(D, 8), weights(8, 8), weights(8, K)];
    let dims: Vec<Dim> = std::iter::once(Dim::BATCH).chain(SHAPE.map(Dim::Known)).collect();
    let x = builder.input("x", TensorType::new(DType::F32, dims));
    let hidden = x.apply("Flatten").with("MatMul", first).apply("Relu").with("MatMul", second).apply("Relu");
    builder.output("logits", hidden.with("MatMul", last));
    engine_of(&builder.finish().unwrap(), &SHAPE)
}

#[test]
fn costly_methods_wait_until_they_are_needed() {
    let (engine, data) = (relus(), samples(40));
    let threat = ThreatModel::within(Norm::Linf, 0.01, [0.0, 1.0]).unwrap();
    let certifier = Certifier::new(&engine, threat, None, BoundMethod::TIGHTEST, None).unwrap();
    let told = |samples: &[Sample]| {
        let (mut found, mut steps) = (BTreeMap::new(), 0);
        let each = |step| {
            match step {
                Certifying::Found(index, bounded) => {
                    found.insert(index, bounded);
                }
                Certifying::Preparing { .. } => steps += 1,
            }
            Ok(())
        };
        certifier.run(samples.iter().cloned().map(Ok), &AtomicBool::new(false), each).unwrap();
        (found, steps)
    };
    let known = found(&engine, &data, threat);
    let is_easy = |sample: &Sample| {
        let bounded = known[&sample.index];
        bounded.is_certified() && bounded.method <= BoundMethod::CHEAP
    };
    let all = data.samples().unwrap().map(|sample| sample.unwrap());
    let (easy, hard): (Vec<Sample>, Vec<Sample>) = all.partition(is_easy);
    assert!(!easy.is_empty() && !hard.is_empty(), "{} {}", easy.len(), hard.len());
    for (samples, prepares) in [(&easy, false), (&hard, true), (&easy, false)] {
        let (found, steps) = told(samples);
        assert!(samples.iter().all(|sample| found[&sample.index] == known[&sample.index]));
        assert!(found.len() == samples.len() && (steps > 0) == prepares, "{steps}");
    }
}

/// Wherever preparations are stopped, nothing comes of them; they begin anew, and what they make is made once.
#[test]
fn preparations_are_stopped_anywhere() {
    let engine = relus();
    let model = provable(engine.classifier()).unwrap();
    let allowance = Allowance::of(&model, None).unwrap();
    let (region, runtime) = (shape(Norm::Linf).unwrap(), engine.runtime().as_given());
    let task = BoundTask { model, region, rows: K - 1, allowance, runtime, last: BoundMethod::TIGHTEST };
    let programs = BoundPrograms::new(task, 8).ok().unwrap();
    for method in [BoundMethod::Crown, BoundMethod::AlphaCrown] {
        let mut tried = 0;
        let made = loop {
            let steps = AtomicUsize::new(0);
            let ticker = |_: u64, _: u64| steps.fetch_add(1, Ordering::Relaxed) < tried;
            match programs.first(|wanted| wanted == method, &ticker) {
                Some((found, program)) => {
                    assert_eq!(found, method);
                    break program;
                }
                None => tried += 1,
            }
            assert!(tried < 1000, "{method}");
        };
        assert!(tried > 1, "{method}: {tried}");
        let (_, again) = programs.first(|wanted| wanted == method, &|_, _| false).unwrap();
        assert!(std::ptr::eq(made, again));
    }
    assert_eq!(programs.methods().collect::<Vec<_>>(), BoundMethod::ALL);
}
