//! Training on small networks and images.

mod best_checkpoint;
mod npz;
mod pytorch;
mod single;

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, RwLock};

use kennard_graph::{Graph, trainable};
use kennard_runtime::{Choice, Runtime};

use super::images::Images;
use super::state::TrainingState;
use super::worker::{Batch, Programs, Weights};
use super::*;
use crate::Result;
use crate::random::stream;

const N: usize = 8;

fn recipe(method: Method) -> Recipe {
    Recipe {
        method,
        eps: Some(0.1),
        epochs: 1,
        batch: N,
        part: N,
        optimizer: Optimizer::Sgd { momentum: 0.9 },
        rate: 0.02,
        schedule: Schedule::Constant,
        decay: 0.01,
        ..Recipe::default()
    }
}

/// Two classes of 4×4 images: bright on the left, or on the right, with noise.
fn sides(n: usize) -> Images {
    let mut random = stream(7, &[], "sides");
    let labels: Vec<usize> = (0..n).map(|i| i % 2).collect();
    let pixel = |i: usize| {
        let (side, bright) = (usize::from(i % 4 >= 2), labels[i / 16]);
        let noise: f32 = rand::RngExt::random_range(&mut random, 0.0..0.5);
        noise + if side == bright { 0.5 } else { 0.0 }
    };
    Images::of_floats((0..16 * n).map(pixel).collect(), labels, vec![1, 4, 4])
}

/// A network for two classes before its training.
fn untrained(name: &str, shape: &[usize], seed: u64) -> Graph {
    name.parse::<Architecture>().unwrap().build(shape, 2, None, Kept::Activations, seed).unwrap()
}

fn teach(recipe: &Recipe, samples: &TrainingSet, threads: usize) -> Result<Trained> {
    let model = untrained("mlp:8", &[1, 4, 4], recipe.seed);
    let runtime = Runtime::open(Choice::Rten)?;
    Training { model: &model, recipe, samples, runtime: &runtime, threads }.run(
        None,
        &AtomicBool::new(false),
        |_| (),
    )
}

fn split(images: Images) -> TrainingSet {
    let n = images.labels.len();
    TrainingSet { images, training: (0..n - 64).collect(), held_out: (n - 64..n).collect() }
}

/// Every method learns to tell left from right, and does the same on one core and on three.
#[test]
fn all_methods_learn_and_none_depends_on_the_cores() {
    let samples = split(sides(256));
    let given = Strength::default();
    for name in METHODS {
        let method = Method::named(name, given).unwrap();
        let recipe = Recipe { epochs: 8, batch: 16, part: 4, rate: 0.1, attacked: 64, ..recipe(method) };
        let [one, three] = [1, 3].map(|threads| teach(&recipe, &samples, threads).unwrap());
        assert_eq!(one.model, three.model, "{name}");
        let last = one.epochs.last().unwrap();
        assert!(last.validation_accuracy.unwrap() > 0.95, "{name}: {last:?}");
        assert!(last.robust_validation_accuracy <= last.validation_accuracy, "{name}");
        assert!(one.epochs[0].loss > last.loss, "{name}: {:?}", one.epochs);
    }
}

/// Epsilon stays 0, grows and stands; each phase has a graph of its own, and a run goes through all of them.
#[test]
fn certified_training_goes_through_its_phases() {
    let samples = split(sides(128));
    for name in ["ibp", "crown-ibp"] {
        let method = Method::named(name, Strength::default()).unwrap();
        let share = |done: f64| method.grown(done, 6.0);
        assert_eq!([0.0, 1.0, 6.0, 7.0].map(share), [0.0, 0.0, 1.0, 1.0]);
        // Value and slope are the same on both sides of the quarter; a straight line follows.
        let [before, at, after, later] = [2.249, 2.25, 2.251, 2.252].map(share);
        assert!((2.0 * at - before - after).abs() < 1e-6 && (2.0 * after - at - later).abs() < 1e-12);
        assert!(
            before > 0.0 && (1..100).all(|k| share(f64::from(k) / 16.0) <= share(f64::from(k + 1) / 16.0))
        );
        assert_eq!(
            [0.0, 0.5, 1.0].map(|grown| method.told(0.1, grown).len()),
            [0, if name == "ibp" { 2 } else { 3 }, 2]
        );

        let recipe = Recipe { epochs: 8, warmup: 6.0, batch: 16, part: 4, rate: 0.1, ..recipe(method) };
        let [one, three] = [1, 3].map(|threads| teach(&recipe, &samples, threads).unwrap());
        assert_eq!(one.model, three.model, "{name}");
        assert!(one.epochs.last().unwrap().validation_accuracy.unwrap() > 0.95, "{name}: {:?}", one.epochs);
    }
}

/// Attention has no finite bounds to train with: that is said, as no lower learning rate helps.
#[test]
fn infinite_bounds_are_no_mere_divergence() {
    let images = Images::of_floats(vec![0.5; 64 * 64], vec![0; 64], vec![1, 8, 8]);
    let samples = TrainingSet { images, training: (0..64).collect(), held_out: Vec::new() };
    let model = untrained("vit:2,16", &[1, 8, 8], 0);
    let runtime = Runtime::open(Choice::Rten).unwrap();
    for name in ["ibp", "crown-ibp"] {
        let recipe =
            Recipe { batch: 16, part: 16, ..recipe(Method::named(name, Strength::default()).unwrap()) };
        let training =
            Training { model: &model, recipe: &recipe, samples: &samples, runtime: &runtime, threads: 1 };
        let message = training.run(None, &AtomicBool::new(false), |_| ()).unwrap_err().to_string();
        assert!(message.contains("no bounds of this network are finite"), "{name}: {message}");
    }
}

/// Where no sample is held out there are no accuracies of them, and the last network is the one to take.
#[test]
fn nothing_is_said_of_samples_that_are_not_held_out() {
    let samples = TrainingSet { images: sides(64), training: (0..64).collect(), held_out: Vec::new() };
    let recipe = Recipe { epochs: 3, batch: 16, part: 4, ..recipe(Method::Pgd { steps: 2 }) };
    let trained = teach(&recipe, &samples, 1).unwrap();
    assert!(trained.epochs.iter().all(|e| e.validation_accuracy.or(e.robust_validation_accuracy).is_none()));
    assert_eq!(best(&trained.epochs, &Method::Standard).unwrap().epoch, 3);
}

#[test]
fn a_diverging_run_says_where_it_stopped() {
    let recipe = Recipe { epochs: 3, batch: 16, part: 4, rate: 1e30, ..recipe(Method::Standard) };
    let message = teach(&recipe, &split(sides(128)), 1).unwrap_err().to_string();
    assert!(message.contains("diverged") && message.contains("epoch 1"), "{message}");
}

/// With clipping, no step is longer than rate × clip.
#[test]
fn gradients_are_clipped() {
    let samples = split(sides(80));
    let one = |clip| {
        let base = recipe(Method::Standard);
        let optimizer = Optimizer::Sgd { momentum: 0.0 };
        let recipe = Recipe { batch: 16, part: 16, rate: 1.0, decay: 0.0, clip, optimizer, ..base };
        let before = untrained("mlp:8", &[1, 4, 4], 0);
        let after = teach(&recipe, &samples, 1).unwrap().model;
        let square: f64 = trainable(&before)
            .iter()
            .flat_map(|w| {
                let [a, b] = [&before, &after].map(|g| g.constants[w].to_floats().unwrap());
                a.into_iter().zip(b).map(|(a, b)| (a - b) * (a - b)).collect::<Vec<_>>()
            })
            .sum();
        square.sqrt()
    };
    assert!(one(None) > 0.01);
    assert!((one(Some(0.001)) / 0.001 - 1.0).abs() < 1e-3);
}

/// The words of a mask: exactly the share of elements is zero, those of the largest contributions.
#[test]
fn masks_take_the_largest_contributions() {
    let mut x = vec![0.5, 0.1, 1.0, 0.2];
    perturb::mask(&mut x, &[1.0, 9.0, 0.1, -4.0], 0.5);
    assert_eq!(x, [0.5, 0.0, 1.0, 0.0], "contributions 0.5, 0.9, 0.1 and 0.8");
    let names: BTreeMap<&str, Method> =
        METHODS.iter().map(|name| (*name, Method::named(name, Strength::default()).unwrap())).collect();
    assert!(names.iter().all(|(name, method)| method.name() == *name));
}

/// The alarm of catastrophic overfitting: single steps are withstood, PGD is not any more.
#[test]
fn catastrophic_overfitting_is_noticed() {
    let samples = split(sides(80));
    let model = untrained("mlp:8", &[1, 4, 4], 0);
    let runtime = Runtime::open(Choice::Rten).unwrap();
    let epoch = |train_accuracy, robust| Epoch { train_accuracy, ..epoch(1, Some(robust), 0.9) };
    let warning = |method, now: &Epoch| {
        let recipe = recipe(method);
        let training =
            Training { model: &model, recipe: &recipe, samples: &samples, runtime: &runtime, threads: 1 };
        training.overfitting(&[epoch(0.5, 0.4), epoch(0.6, 0.45)], now)
    };
    let message = warning(Method::FgsmRs, &epoch(0.95, 0.02)).unwrap();
    assert!(message.contains("catastrophic") && message.contains("95.0 %"), "{message}");
    assert!(warning(Method::FgsmRs, &epoch(0.65, 0.47)).is_none());
    assert!(warning(Method::Pgd { steps: 10 }, &epoch(0.95, 0.02)).is_none());
}

/// A worker that panics ends the training with an error that names it. The others waited for ever.
#[test]
fn a_worker_that_panics_ends_the_training() {
    let samples = split(sides(80));
    let model = untrained("mlp:8", &[1, 4, 4], 0);
    let runtime = Runtime::open(Choice::Rten).unwrap();
    let recipe = recipe(Method::Standard);
    let recipe = Recipe { batch: 16, part: 4, ..recipe };
    let training =
        Training { model: &model, recipe: &recipe, samples: &samples, runtime: &runtime, threads: 3 };
    let programs = Programs::new(&model, &recipe).unwrap();
    let fresh = training.fresh(&trainable(&model)).unwrap();
    // There is no such sample.
    let rows = [vec![0; 12], vec![usize::MAX; 4]].concat();
    let ended = training.with_workers(&programs, &fresh.weights, |run_batch| {
        run_batch(Batch { rows, epoch: 1, eps: 0.0, grown: 1.0 }).map(drop)
    });
    let message = ended.unwrap_err().to_string();
    assert!(message.contains("a worker of the training panicked"), "{message}");
}

fn epoch(epoch: usize, robust: Option<f64>, accuracy: f64) -> Epoch {
    Epoch {
        epoch,
        loss: 1.0,
        train_accuracy: 0.5,
        validation_accuracy: Some(accuracy),
        robust_validation_accuracy: robust,
        seconds: 1.0,
        warning: None,
        sha256: String::new(),
    }
}

/// Data normalised or of levels 0 to 255, and the bounds of pixels in [0, 1]: an attack would clip them to other data.
#[test]
fn data_outside_the_bounds_are_refused_where_something_is_attacked() {
    let recipe = Recipe {
        method: Method::Pgd { steps: 2 },
        eps: Some(0.1),
        epochs: 1,
        batch: 2,
        part: 2,
        held_out: 2,
        attacked: 2,
        ..Recipe::default()
    };
    let with = |values: [f32; 8], recipe: &Recipe| {
        TrainingSet::of(values.to_vec(), vec![0, 1, 0, 1], &[2], recipe).err().map(|error| error.to_string())
    };
    let [inside, levels, normalised] = [
        [0.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5],
        [0.0, 1.0, 0.0, 255.0, 0.0, 0.0, 0.0, 0.0],
        [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, -0.4, 0.0],
    ];
    assert_eq!(with(inside, &recipe), None);
    let message = with(levels, &recipe).unwrap();
    assert!(message.contains("sample 1 has the value 255, outside the input bounds 0 to 1"), "{message}");
    assert!(message.contains("`bounds`"), "{message}");
    assert!(with(normalised, &recipe).unwrap().contains("sample 3 has the value -0.4"));
    assert_eq!(with(levels, &Recipe { bounds: [0.0, 255.0], ..recipe.clone() }), None);
    // Nothing is attacked, nothing is clipped.
    let standard = Recipe { method: Method::Standard, eps: None, attacked: 0, ..recipe };
    assert_eq!(with(levels, &standard), None);
}
