//! Certified bounds of networks that others trained, beside the counts of another program (auto_LiRPA 0.7.1,
//! `reference/certified.csv` in the folder of `KENNARD_SHARED`).

mod common;

use std::path::Path;

use common::{open, runtimes, shared};
use kennard::data::Selection;
use kennard::graph::{Method, Region, bound};
use kennard::runtime::{Input, Runtime};
use kennard::{Graph, predict};

/// Model, data, ε, method, images, images that are classified correctly, and the other program's count of certified ones.
struct Reference {
    model: &'static str,
    data: &'static str,
    eps: f32,
    method: Method,
    samples: usize,
    correct: usize,
    certified: usize,
}

#[rustfmt::skip]
const REFERENCES: &[Reference] = &[
    Reference { model: "wong_mnist_eps0.1",  data: "mnist", eps: 0.1, method: Method::Intervals, samples: 1000, correct: 982, certified: 0 },
    Reference { model: "wong_mnist_eps0.1",  data: "mnist", eps: 0.1, method: Method::Crown, samples: 1000, correct: 982, certified: 941 },
    Reference { model: "eran_mnist_6_100", data: "mnist", eps: 0.026, method: Method::Crown, samples: 1000, correct: 960, certified: 166 },
    Reference { model: "sdp_mnist_cnn_a_adv", data: "sdp/mnist.npz", eps: 0.3, method: Method::Crown, samples: 200, correct: 195, certified: 2 },
    Reference { model: "sdp_cifar_cnn_a_adv", data: "sdp/cifar.npz", eps: 2.0 / 255.0, method: Method::Crown, samples: 200, correct: 140, certified: 71 },
];

/// How many of the first `samples` images are classified correctly, and how many of these are certified.
fn certified(shared: &Path, r: &Reference, samples: usize, runtime: &Runtime) -> (usize, usize) {
    let model = Graph::load(shared.join(format!("models/{}.onnx", r.model))).unwrap();
    let kind = if r.data.ends_with("npz") { "npz" } else { r.data };
    let data = open(&format!("{kind}:{}", shared.join("data").join(r.data).display()));
    let threads = runtime.threads(1);
    let mut clean = runtime.compile(&model.with_batch(1), &threads).unwrap();
    let start = std::time::Instant::now();
    let bounds = bound(&model, r.method, Region::Box, 9).unwrap();
    println!("{} nodes after {:?}", bounds.nodes.len(), start.elapsed());
    let mut bounds = runtime.compile_as_given(&bounds.with_batch(1), &threads).unwrap();
    println!("compiled after {:?}", start.elapsed());
    let (mut correct, mut count) = (0, 0);
    let (mut logits, mut outputs) = (Vec::new(), Vec::new());
    let start = std::time::Instant::now();
    for sample in data.select(Selection::First(samples)).unwrap() {
        let sample = sample.unwrap();
        clean.run(&[Input::F32(&sample.input)], &mut logits).unwrap();
        if predict(&logits[0]) != sample.label {
            continue;
        }
        correct += 1;
        let lower: Vec<f32> = sample.input.iter().map(|x| (x - r.eps).max(0.0)).collect();
        let upper: Vec<f32> = sample.input.iter().map(|x| (x + r.eps).min(1.0)).collect();
        let mut spec = vec![0.0; 90];
        for (row, other) in (0..10).filter(|&k| k != sample.label).enumerate() {
            spec[row * 10 + sample.label] = 1.0;
            spec[row * 10 + other] = -1.0;
        }
        let inputs = [Input::F32(&lower), Input::F32(&upper), Input::F32(&spec)];
        bounds.run(&inputs, &mut outputs).unwrap();
        count += usize::from(outputs[0].iter().all(|&bound| bound > 0.0));
    }
    println!(
        "{} {:?} on {}: {count} of {correct} in {:?}",
        r.model,
        r.method,
        runtime.name(),
        start.elapsed()
    );
    (correct, count)
}

#[test]
fn a_few_images_are_certified() {
    let Some(shared) = shared() else { return };
    for runtime in runtimes() {
        for r in REFERENCES {
            certified(&shared, r, 5, &runtime);
        }
    }
}

/// Minutes.
#[test]
#[ignore = "takes minutes"]
fn as_many_are_certified_as_by_another_program() {
    let Some(shared) = shared() else { return };
    let runtime = runtimes().pop().unwrap();
    for r in REFERENCES {
        let (correct, count) = certified(&shared, r, r.samples, &runtime);
        assert_eq!(correct, r.correct, "{}", r.model);
        assert!(count + 1 >= r.certified, "{}: {count}, not {}", r.model, r.certified);
    }
}
