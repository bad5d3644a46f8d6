//! Which epoch is the best.

use super::*;

/// Robust accuracy on few samples ties often, and then the more accurate network is the better one; of equals in both
/// the earlier is kept. Of a method that does not seek robustness the most accurate is the best: its first epochs withstand more, having learnt
/// nothing.
#[test]
fn the_best_checkpoint_is_best_in_what_the_method_seeks() {
    for (method, of_best) in [(Method::Pgd { steps: 2 }, 2), (Method::Standard, 4)] {
        keeps_as_best(method, of_best);
    }
    let plain = [epoch(1, None, 0.7), epoch(2, None, 0.8)];
    assert_eq!(best(&plain, &Method::Pgd { steps: 2 }).unwrap().epoch, 2);
}

#[track_caller]
fn keeps_as_best(method: Method, of_best: usize) {
    let figures = [(0.5, 0.6), (0.5, 0.8), (0.5, 0.8), (0.4, 0.9), (0.5, 0.7)];
    let place = tempfile::tempdir().unwrap();
    let settings = TrainingSettings {
        network: Network::Architecture("mlp:2".into()),
        samples: TrainedOn::Problem { problem: "none".into(), points: 0 },
        recipe: Recipe { method, ..Recipe::default() },
        runtime: None,
    };
    let directory = TrainingDirectory::open(place.path(), Vec::new(), &settings, false).unwrap();
    let mut epochs = Vec::new();
    for (i, (robust, accuracy)) in figures.into_iter().enumerate() {
        epochs.push(epoch(i + 1, Some(robust), accuracy));
        let model = untrained("mlp:2", &[3], i as u64);
        let names = trainable(&model);
        let trained: Vec<Vec<f32>> = names
            .iter()
            .map(|name| model.constants[name].to_floats().unwrap().iter().map(|&v| v as f32).collect())
            .collect();
        let weights = Arc::new(RwLock::new(Weights { trained, statistics: Vec::new() }));
        let state =
            TrainingState { weights, memory: Vec::new(), average: None, steps: 1, epochs: epochs.clone() };
        directory.keep(&names, &model, &state).unwrap();
    }
    let bytes = |name: &str| std::fs::read(place.path().join(name)).unwrap();
    assert_eq!(bytes("best.onnx"), std::fs::read(directory.checkpoint(of_best)).unwrap());
    assert_eq!(bytes("last.onnx"), std::fs::read(directory.checkpoint(5)).unwrap());
}
