//! Logits and input gradients against PyTorch's, computed in double precision by
//! `references/input_gradients.py` and stored in `references/input_gradients.npz`: for every network the
//! cross-entropy of three images with their label, and of the first with another label. Where a network
//! is confident the former is almost zero, so gradients are compared on the scale of the latter.

#[path = "../../src/train/tests/npz.rs"]
mod npz;

use std::path::Path;

use crate::common::{self, fixture, root, runtimes, shared};
use kennard::{Classifier, Graph, Preprocessing};
use kennard_graph::{Loss, gradient, simplify, with_loss};
use kennard_runtime::{Input, Runtime};

/// Single precision against double, through up to twenty layers.
const TOLERANCE: f32 = 1e-4;

/// The images that the references were computed on: the first of the network's data set.
fn images(model: &Graph, shared: Option<&Path>) -> Option<Vec<f32>> {
    let colour = model.single_input().unwrap().ty.shape.0.get(1).and_then(|d| d.known()) == Some(3);
    let spec = match (colour, shared) {
        (true, Some(shared)) => format!("cifar10:{}", shared.join("data/cifar-10-batches-bin").display()),
        (false, Some(shared)) => format!("mnist:{}", shared.join("data/mnist").display()),
        _ => format!("fashion-mnist:{}", fixture("fashion-mnist").display()),
    };
    let data = common::open(&spec);
    Some(data.samples().unwrap().take(3).flat_map(|sample| sample.unwrap().input).collect())
}

fn worst(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

fn compare(name: &str, path: &Path, images: &[f32], arrays: &npz::Arrays, runtime: &Runtime) {
    let model = Graph::load(path).unwrap();
    let d = images.len() / 3;
    let shape: Vec<usize> = if d == 784 { vec![1, 28, 28] } else { vec![3, 32, 32] };
    let preprocessing =
        Preprocessing { scale: (name == "cntk_mnist").then_some(255.0), ..Preprocessing::default() };
    let classifier = Classifier::new(&model, &shape, &preprocessing).unwrap();
    let graph = simplify(&classifier.graph().unwrap().with_batch(1)).unwrap();
    let input = graph.single_input().unwrap().name.clone();
    let graph = gradient(&with_loss(&graph, Loss::CrossEntropy).unwrap(), Graph::LOSS, &[&input]).unwrap();
    let mut session = runtime.compile(&simplify(&graph).unwrap(), &runtime.threads(1)).unwrap();
    let mut outputs = Vec::new();
    let mut evaluate = |image: usize, label: i64| {
        let inputs = [Input::F32(&images[image * d..(image + 1) * d]), Input::I64(&[label])];
        session.run(&inputs, &mut outputs).unwrap();
        outputs.clone()
    };
    let array = |key: &str| &arrays[&format!("{name}.{key}")];
    let label = |i: usize| array("label")[i] as i64;

    let other = evaluate(0, (label(0) + 1) % 10);
    let scale = largest(array("other_gradient"));
    let mut errors = vec![worst(&other[2], array("other_gradient")) / scale];
    errors.push(worst(&other[1], array("other_loss")) / array("other_loss")[0]);
    for i in 0..3 {
        let own = evaluate(i, label(i));
        let logits = &array("logits")[10 * i..10 * (i + 1)];
        errors.push(worst(&own[0], logits) / largest(logits));
        errors.push(worst(&own[2], &array("gradient")[d * i..d * (i + 1)]) / scale);
    }
    let error = errors.iter().copied().fold(0.0, f32::max);
    println!("{name} on {}: off by {error:.1e} of the largest entry", runtime.name());
    assert!(error < TOLERANCE, "{name} on {}: {errors:?}", runtime.name());
}

#[test]
fn our_networks_agree_with_pytorch() {
    let arrays = npz::read(&root().join("references/input_gradients.npz"));
    for name in ["fashion_mlp", "fashion_pool", "fashion_cnn", "fashion_cnn_robust"] {
        let path = fixture(&format!("{name}.onnx"));
        let images = images(&Graph::load(&path).unwrap(), None).unwrap();
        for runtime in runtimes() {
            compare(name, &path, &images, &arrays, &runtime);
        }
    }
}

#[test]
fn published_networks_agree_with_pytorch() {
    let Some(shared) = shared() else { return };
    let arrays = npz::read(&root().join("references/input_gradients.npz"));
    let mut names: Vec<&str> = arrays.keys().filter_map(|key| key.strip_suffix(".other_loss")).collect();
    names.retain(|name| !name.starts_with("fashion_"));
    names.sort_unstable();
    assert_eq!(names.len(), 14);
    for name in names {
        let path = shared.join(format!("models/{name}.onnx"));
        let of = if name.contains("fashion") { None } else { Some(shared.as_path()) };
        let Some(images) = images(&Graph::load(&path).unwrap(), of) else { continue };
        for runtime in runtimes() {
            compare(name, &path, &images, &arrays, &runtime);
        }
    }
}
