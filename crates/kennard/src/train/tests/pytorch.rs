//! Against PyTorch in double precision: `references/training.py`, stored in `references/training.npz`.

use std::path::Path;

use kennard_graph::{Graph, Objective, Tensor, statistics, trainable, training_step};
use kennard_runtime::{Choice, Input, Runtime};
use ndarray::{ArrayD, IxDyn};

use super::npz::{self, Arrays};
use super::*;
use crate::train::images::Images;
use crate::train::step::Layout;
use crate::train::worker::{Batch, Programs, TrainingWorker};

const CLASSES: usize = 4;

/// Single precision against double. Gradients are compared relative to the largest entry of their tensor, or
/// a hundredth of the largest of all, where a tensor's own are nothing but rounding (a shift in front of a
/// normalisation has no effect).
const TOLERANCE: f32 = 1e-4;

/// None in a package, which has no references.
fn references() -> Option<Arrays> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../references/training.npz");
    if !path.exists() {
        println!("skipped: the repository's references are not in the package");
        return None;
    }
    Some(npz::read(&path))
}

/// The architectures that the file is about, with the shapes of their images.
const NETWORKS: &[(&str, [usize; 3])] = &[
    ("mlp:12,8", [1, 3, 4]),
    ("cnn:4", [1, 8, 8]),
    ("cnn4:2", [1, 8, 8]),
    ("resnet8:4", [3, 8, 8]),
    ("wrn10-1", [3, 8, 8]),
    ("vit:1,8", [3, 8, 8]),
];

/// A network with the weights of the file.
fn network(name: &str, shape: &[usize], arrays: &Arrays) -> Graph {
    let network: Architecture = name.parse().unwrap();
    let mut graph = network.build(shape, CLASSES, None, Kept::Activations, 0).unwrap();
    let weights = trainable(&graph);
    let stored = arrays.keys().filter(|key| key.starts_with(&format!("{name}/weight/"))).count();
    assert_eq!(weights.len(), stored, "{name}");
    for weight in weights {
        let values = arrays[&format!("{name}/weight/{weight}")].clone();
        let shape = graph.constants[&weight].shape().to_vec();
        graph.constants.insert(weight, Tensor::from(ArrayD::from_shape_vec(IxDyn(&shape), values).unwrap()));
    }
    graph
}

fn runtimes() -> Vec<Runtime> {
    let rten = Runtime::open(Choice::Rten).unwrap();
    match Runtime::open(Choice::Auto).unwrap() {
        other if other.name() != rten.name() => vec![rten, other],
        _ => vec![rten],
    }
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

#[test]
fn weight_gradients_agree_with_pytorch() {
    let Some(arrays) = references() else { return };
    let objectives = [
        ("standard", Objective::CrossEntropy { smoothing: 0.0 }),
        ("smoothing", Objective::CrossEntropy { smoothing: 0.1 }),
        ("trades", Objective::Trades { beta: 6.0 }),
        ("mart", Objective::Mart { beta: 5.0 }),
        ("conjugate", Objective::Conjugate { lambda: 0.01 }),
        ("logitreg", Objective::LogitPenalty { lambda: 0.1 }),
        ("ibp", Objective::Certified { limits: [0.0, 1.0], crown: false, clean: true }),
        ("crown-ibp", Objective::Certified { limits: [0.0, 1.0], crown: true, clean: true }),
    ];
    // ε, κ, and the share of CROWN.
    let told = |kind: &str| match kind {
        "ibp" => vec![[0.05], [0.5]],
        "crown-ibp" => vec![[0.05], [0.5], [0.3]],
        _ => Vec::new(),
    };
    let mut wrong = Vec::new();
    for runtime in runtimes() {
        for (name, shape) in NETWORKS {
            let model = network(name, shape, &arrays);
            let known = |kind: &str| arrays.contains_key(&format!("{name}/{kind}/loss"));
            for (kind, objective) in objectives.iter().filter(|(kind, _)| known(kind)) {
                let open = training_step(&model, N, objective).unwrap();
                let mut session = runtime.compile(&open.graph, &runtime.threads(1)).unwrap();
                let images = &arrays[&format!("{name}/image")];
                let images = if objective.is_paired() { &images[..] } else { &images[..images.len() / 2] };
                let labels: Vec<i64> = arrays[&format!("{name}/label")].iter().map(|&l| l as i64).collect();
                let told = told(kind);
                let mut inputs = vec![Input::F32(images), Input::I64(&labels)];
                inputs.extend(told.iter().map(|number| Input::F32(number)));
                inputs
                    .extend(open.weights.iter().map(|w| Input::F32(&arrays[&format!("{name}/weight/{w}")])));
                let mut outputs = Vec::new();
                session.run(&inputs, &mut outputs).unwrap();

                let normalizations = statistics(&model);
                let mut outputs = outputs.into_iter().skip(1);
                for s in &normalizations {
                    let place = s.mean.trim_end_matches(".running_mean");
                    for part in ["mean", "variance"] {
                        let found = outputs.next().unwrap();
                        let truth = &arrays[&format!("{name}/{part}/{place}")];
                        let off = found.iter().zip(truth).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                        assert!(objective.is_paired() || off < 1e-5, "{name} {place} {part}: {off}");
                    }
                }
                let mut check = |what: &str, found: &[f32], truth: &[f32], scale: f32| {
                    // The script leaves out what has no influence.
                    let truth = if truth.len() == 1 { vec![truth[0]; found.len()] } else { truth.to_vec() };
                    assert_eq!(found.len(), truth.len(), "{name} {kind} {what}");
                    let off = found.iter().zip(&truth).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                    // Bounds have margins for their rounding.
                    let tolerance = if told.is_empty() { TOLERANCE } else { 3.0 * TOLERANCE };
                    if off.is_nan() || off > tolerance * scale {
                        wrong.push(format!("{} {name} {kind} {what}: {off:e} of {scale:e}", runtime.name()));
                    }
                };
                let truth = |what: &str| &arrays[&format!("{name}/{kind}/{what}")];
                check("loss", &outputs.next().unwrap(), truth("loss"), largest(truth("loss")));
                let gradients: Vec<_> = open
                    .weights
                    .iter()
                    .map(|w| (w, outputs.next().unwrap(), truth(&format!("gradient/{w}"))))
                    .collect();
                let all = gradients.iter().map(|(_, _, truth)| largest(truth)).fold(0.0, f32::max);
                for (weight, found, truth) in gradients {
                    check(weight, &found, truth, largest(truth).max(0.01 * all));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Where κ is 0, a step that does not hear of it has the same loss and gradients.
#[test]
fn certified_steps_without_the_clean_loss() {
    let Some(arrays) = references() else { return };
    let (name, shape) = NETWORKS[0];
    let model = network(name, &shape, &arrays);
    let images = &arrays[&format!("{name}/image")];
    let labels: Vec<i64> = arrays[&format!("{name}/label")].iter().map(|&l| l as i64).collect();
    let runtime = &runtimes()[0];
    let [with, without] = [true, false].map(|clean| {
        let objective = Objective::Certified { limits: [0.0, 1.0], crown: false, clean };
        let open = training_step(&model, N, &objective).unwrap();
        let mut session = runtime.compile(&open.graph, &runtime.threads(1)).unwrap();
        let mut inputs =
            vec![Input::F32(&images[..images.len() / 2]), Input::I64(&labels), Input::F32(&[0.05])];
        inputs.extend(clean.then_some(Input::F32(&[0.0])));
        inputs.extend(open.weights.iter().map(|w| Input::F32(&arrays[&format!("{name}/weight/{w}")])));
        let mut outputs = Vec::new();
        session.run(&inputs, &mut outputs).unwrap();
        outputs
    });
    assert_eq!(with.len(), without.len());
    for (with, without) in with.iter().zip(&without) {
        let off = with.iter().zip(without).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off <= 1e-5 * largest(with), "{off:e} of {:e}", largest(with));
    }
}

#[test]
fn ten_steps_agree_with_pytorch() {
    let Some(arrays) = references() else { return };
    for runtime in runtimes() {
        for (name, shape) in NETWORKS.iter().filter(|(name, _)| *name != "wrn10-1") {
            let model = network(name, shape, &arrays);
            let images = &arrays[&format!("{name}/image")];
            let labels = arrays[&format!("{name}/label")].iter().map(|&l| l as usize).collect();
            let images = Images::of_floats(images[..images.len() / 2].to_vec(), labels, shape.to_vec());
            let samples = TrainingSet { images, training: (0..N).collect(), held_out: Vec::new() };
            let recipe = recipe(Method::Standard);
            let training =
                Training { model: &model, recipe: &recipe, samples: &samples, runtime: &runtime, threads: 1 };
            let layout = Layout::new(&model, N);
            let mut state = training.fresh(&layout.names).unwrap();
            let programs = Programs::new(&model, &recipe).unwrap();
            let threads = runtime.threads(1);
            let mut worker =
                TrainingWorker::new(&recipe, &samples.images, &programs, &runtime, &threads).unwrap();
            for _ in 0..10 {
                let batch = Batch { rows: (0..N).collect(), epoch: 1, eps: 0.0, grown: 1.0 };
                let part = worker.work(&batch, 0, &state.weights).unwrap();
                layout.update(&recipe, &mut state, part, recipe.rate);
            }
            let weights = state.weights();
            let running = statistics(&model).into_iter().flat_map(|s| [s.mean, s.variance]);
            let names = layout.names.iter().cloned().chain(running);
            for (weight, found) in names.zip(weights.trained.iter().chain(&weights.statistics)) {
                let truth = &arrays[&format!("{name}/steps/{weight}")];
                let off = found.iter().zip(truth).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(off <= 1e-3 * largest(truth).max(0.1), "{} {name} {weight}: {off}", runtime.name());
            }
        }
    }
}
