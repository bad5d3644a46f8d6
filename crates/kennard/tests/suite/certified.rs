//! Certified bounds of networks that others trained, beside the counts of another program (auto_LiRPA 0.7.1,
//! `reference/certified.csv` in the folder of `KENNARD_SHARED`).

use std::path::Path;
use std::time::Instant;

use crate::common::{open, runtimes, shared};
use kennard::certify::{Ascent, Crown};
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

/// What certifies an image: lower bounds of its nine margins.
enum Prover {
    /// One graph.
    Whole(kennard::runtime::Session),
    /// A graph for each hidden tensor.
    Stages(Crown),
}

impl Prover {
    fn margins(&mut self, lower: &[f32], upper: &[f32], spec: &[f32]) -> Vec<f32> {
        match self {
            Prover::Whole(session) => {
                let mut outputs = Vec::new();
                session.run(&[lower, upper, spec].map(Input::F32), &mut outputs).unwrap();
                outputs.swap_remove(0)
            }
            Prover::Stages(crown) => crown.bounds(&[lower, upper], spec).unwrap(),
        }
    }
}

/// Correct images among the first `samples`, and certified ones among these.
fn certified(shared: &Path, r: &Reference, samples: usize, runtime: &Runtime, alpha: bool) -> (usize, usize) {
    let model = Graph::load(shared.join(format!("models/{}.onnx", r.model))).unwrap();
    let kind = if r.data.ends_with("npz") { "npz" } else { r.data };
    let data = open(&format!("{kind}:{}", shared.join("data").join(r.data).display()));
    let threads = runtime.threads(1);
    let mut clean = runtime.compile(&model.with_batch(1), &threads).unwrap();
    let mut prover = if r.method == Method::Crown {
        let ascent = alpha.then(Ascent::default);
        Prover::Stages(Crown::new(&model, Region::Box, 9, ascent, runtime, &threads).unwrap())
    } else {
        let bounds = bound(&model, r.method, Region::Box, 9).unwrap();
        Prover::Whole(runtime.compile_as_given(&bounds.with_batch(1), &threads).unwrap())
    };
    let (mut correct, mut count) = (0, 0);
    let mut logits = Vec::new();
    let start = Instant::now();
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
        let margins = prover.margins(&lower, &upper, &spec);
        // At the image itself the margins are known.
        for (row, other) in (0..10).filter(|&k| k != sample.label).enumerate() {
            assert!(margins[row] <= logits[0][sample.label] - logits[0][other] + 1e-3);
        }
        count += usize::from(margins.iter().all(|&bound| bound > 0.0));
    }
    let each = start.elapsed() / correct.max(1) as u32;
    let how = if alpha { "α-" } else { "" };
    println!("{} by {how}{:?} on {}: {count} of {correct}, {each:?} each", r.model, r.method, runtime.name());
    (correct, count)
}

/// As many of the first few as of all, about; on every runtime.
#[test]
fn a_few_images_are_certified() {
    let Some(shared) = shared() else { return };
    for runtime in runtimes() {
        let counts: Vec<_> = REFERENCES.iter().map(|r| certified(&shared, r, 4, &runtime, false)).collect();
        assert_eq!(counts[..2], [(4, 0), (4, 4)]);
        let (_, more) = certified(&shared, &REFERENCES[2], 4, &runtime, true);
        assert!(more >= counts[2].1);
    }
}

#[test]
#[ignore = "takes ten minutes"]
fn as_many_are_certified_as_by_another_program() {
    let Some(shared) = shared() else { return };
    let runtime = runtimes().pop().unwrap();
    for r in REFERENCES {
        let (correct, count) = certified(&shared, r, r.samples, &runtime, false);
        assert_eq!(correct, r.correct, "{}", r.model);
        assert!(count + 1 >= r.certified, "{}: {count}, not {}", r.model, r.certified);
    }
}

/// α-CROWN of that program certifies 385 of 400 after 20 steps, bounds of hidden tensors being moved as well.
#[test]
#[ignore = "takes ten minutes"]
fn chosen_slopes_certify_more() {
    let Some(shared) = shared() else { return };
    let runtime = runtimes().pop().unwrap();
    let r = &REFERENCES[1];
    let (_, plain) = certified(&shared, r, 407, &runtime, false);
    let (correct, chosen) = certified(&shared, r, 407, &runtime, true);
    println!("{plain} without, {chosen} with chosen slopes, of {correct}");
    assert!(chosen >= plain);
}
