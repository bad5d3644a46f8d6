//! Runs so short that little of a schedule is left.

use kennard_graph::Attribute;

use super::*;
use crate::train::step::Layout;
use crate::train::worker::TrainingWorker;

/// A single step at the rate 0, with which a cycle begins, would leave the network as it was drawn.
#[test]
fn a_single_step_changes_weights() {
    let samples = split(sides(64 + N));
    for schedule in [Schedule::Constant, Schedule::Cosine, Schedule::OneCycle, Schedule::Step] {
        let recipe = Recipe { schedule, ..recipe(Method::Standard) };
        let untrained = untrained("mlp:8", &[1, 4, 4], recipe.seed);
        assert_ne!(teach(&recipe, &samples, 1).unwrap().model, untrained, "{schedule:?}");
    }
}

/// By hand: of 15 samples in batches of 8, 7 are over, which is more than a quarter; of 10 two are.
#[test]
fn samples_that_no_batch_takes_are_said() {
    let over = |samples: usize| {
        let set =
            TrainingSet { images: sides(samples), training: (0..samples).collect(), held_out: Vec::new() };
        set.left_over(N)
    };
    let said = over(15).unwrap();
    assert!(said.contains("7 of 15") && said.contains("batches of 8"), "{said}");
    assert_eq!([8, 10, 16].map(over), [None, None, None]);
}

/// By hand: after nine batches with the same mean, a running mean that began at 0 is 1 − (1 − m)⁹ of it.
#[test]
fn running_statistics_move_by_the_momentum_of_the_file() {
    let mut random = stream(7, &[], "noise");
    let n = 64 + N;
    let pixels = (0..64 * n).map(|_| rand::RngExt::random_range(&mut random, 0.0..1.0)).collect();
    let samples = split(Images::of_floats(pixels, (0..n).map(|i| i % 2).collect(), vec![1, 8, 8]));
    let runtime = Runtime::open(Choice::Rten).unwrap();
    let recipe = recipe(Method::Standard);
    let after = |momentum: Option<f32>, steps: usize| {
        let mut model = untrained("resnet8:4", &[1, 8, 8], 0);
        for node in model.nodes.iter_mut().filter(|node| node.op == "BatchNormalization") {
            if let Some(momentum) = momentum {
                node.attributes.insert("momentum".into(), Attribute::Float(momentum));
            }
        }
        let training =
            Training { model: &model, recipe: &recipe, samples: &samples, runtime: &runtime, threads: 1 };
        let layout = Layout::new(&model, N);
        let mut state = training.fresh(&layout.names).unwrap();
        let programs = Programs::new(&model, &recipe).unwrap();
        let threads = runtime.threads(1);
        let mut worker =
            TrainingWorker::new(&recipe, &samples.images, &programs, &runtime, &threads).unwrap();
        for _ in 0..steps {
            let batch = Batch { rows: (0..N).collect(), epoch: 1, eps: 0.0, grown: 1.0 };
            let part = worker.work(&batch, 0, &state.weights).unwrap();
            // At the rate 0 the weights stay.
            layout.update(&recipe, &mut state, part, 0.0);
        }
        let weights = state.weights();
        weights.statistics.clone()
    };
    let seen = after(Some(0.0), 1);
    for (momentum, m) in [(None, 0.1_f32), (Some(0.9), 0.1), (Some(0.5), 0.5), (Some(0.99), 0.01)] {
        let share = 1.0 - (1.0 - m).powi(9);
        for (i, (found, seen)) in after(momentum, 9).iter().zip(&seen).enumerate() {
            // Means begin at 0, variances at 1.
            let begun = (i % 2) as f32;
            for (found, seen) in found.iter().zip(seen) {
                let expected = begun + share * (seen - begun);
                assert!((found - expected).abs() < 1e-5 * (1.0 + seen.abs()), "{momentum:?} {i}: {found}");
            }
        }
    }
}
