//! Runs so short that little of a schedule is left.

use super::*;

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
