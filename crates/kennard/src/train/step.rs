//! A step of the optimizer: the parts of a batch added, and the weights changed.

use kennard_graph::{Graph, statistics, trainable};

use super::Recipe;
use super::state::TrainingState;
use super::worker::BatchPart;

/// The weights of a network, by name, and what an update must know of them.
pub(super) struct Layout {
    pub names: Vec<String>,
    /// Whether weight decay applies.
    decays: Vec<bool>,
    /// What the statistics of a part are multiplied with: `n/(n − 1)` for variances, which are divided by n.
    corrections: Vec<f32>,
    /// The weight of a batch's statistics in the running ones.
    rates: Vec<f32>,
}

impl Layout {
    pub fn new(model: &Graph, part: usize) -> Layout {
        let names = trainable(model);
        let rank = |name: &String| model.constants.get(name).map_or(0, |tensor| tensor.shape().len());
        let statistics = statistics(model);
        let corrections = statistics.iter().flat_map(|s| {
            let n = (part * s.positions.unwrap_or(1)) as f32;
            [1.0, n / (n - 1.0).max(1.0)]
        });
        Layout {
            decays: names.iter().map(|name| rank(name) > 1).collect(),
            corrections: corrections.collect(),
            rates: statistics.iter().flat_map(|s| [s.rate; 2]).collect(),
            names,
        }
    }

    /// One step of the optimizer, with the learning rate `rate`. `sum` is over the batch.
    pub fn update(&self, recipe: &Recipe, state: &mut TrainingState, sum: BatchPart, rate: f64) {
        state.steps += 1;
        let TrainingState { weights, memory, average, steps, .. } = state;
        let mut weights = weights.write().unwrap_or_else(|poisoned| poisoned.into_inner());
        let parts = (recipe.batch / recipe.part) as f32;
        let scale = 1.0 / recipe.batch as f32;
        let mut gradients = sum.gradients;
        let mut factor = scale;
        if let Some(most) = recipe.clip {
            let square: f64 = gradients.iter().flatten().map(|&g| f64::from(g) * f64::from(g)).sum();
            let norm = f64::from(scale) * square.sqrt();
            if norm > most {
                factor = (f64::from(scale) * most / norm) as f32;
            }
        }
        for (i, (w, gradient)) in weights.trained.iter_mut().zip(&mut gradients).enumerate() {
            gradient.iter_mut().for_each(|g| *g *= factor);
            let mut memory: Vec<&mut [f32]> = memory.iter_mut().map(|m| m[i].as_mut_slice()).collect();
            let decay = if self.decays[i] { recipe.decay } else { 0.0 };
            recipe.optimizer.step(*steps, rate, decay, w, gradient, &mut memory);
        }
        let scales = self.corrections.iter().zip(&self.rates);
        for ((running, new), (correction, share)) in
            weights.statistics.iter_mut().zip(sum.statistics).zip(scales)
        {
            let factor = correction / parts;
            running.iter_mut().zip(new).for_each(|(old, new)| *old += share * (factor * new - *old));
        }
        if let (Some(average), Some(rate)) = (average, recipe.average) {
            blend(average, &weights.trained, rate as f32);
        }
    }
}

/// The moving average over the steps.
fn blend(average: &mut [Vec<f32>], weights: &[Vec<f32>], rate: f32) {
    for (average, weights) in average.iter_mut().zip(weights) {
        average.iter_mut().zip(weights).for_each(|(a, w)| *a = rate * *a + (1.0 - rate) * w);
    }
}

/// The parts of a batch added in their order.
pub(super) fn sum(parts: impl Iterator<Item = BatchPart>) -> BatchPart {
    let add = |sum: &mut [Vec<f32>], more: &[Vec<f32>]| {
        for (sum, more) in sum.iter_mut().zip(more) {
            sum.iter_mut().zip(more).for_each(|(a, b)| *a += b);
        }
    };
    parts
        .reduce(|mut sum, part| {
            sum.loss += part.loss;
            sum.correct += part.correct;
            add(&mut sum.gradients, &part.gradients);
            add(&mut sum.statistics, &part.statistics);
            sum
        })
        .unwrap_or(BatchPart { loss: 0.0, correct: 0, gradients: Vec::new(), statistics: Vec::new() })
}
