//! A small convolutional probe.

use std::sync::atomic::AtomicBool;

use crate::answer::predict;
use crate::data::Sample;
use crate::engine::{Engine, EngineOptions, Oracle, Query, Task};
use crate::train::{Architecture, Kept, Recipe, Schedule, Training, TrainingSet};
use crate::{Classifier, Error, Preprocessing, Result};

/// The network `cnn:8`, trained with AdamW on images as they are, or on what has their shape.
///
/// Mean and standard deviation of each channel over the fitted inputs are taken out first, so that it
/// does not depend on the unit of its input: a direction of d elements and length 1 is read as well as an
/// image of values up to 1. It depends on nothing else than inputs and labels: weights and order have a
/// fixed seed.
pub(super) struct Convolutional {
    engine: Engine,
}

/// Passes over the fitted inputs, at least.
const EPOCHS: usize = 5;
/// Steps, at least: more epochs where the inputs are few.
const STEPS: usize = 600;
const BATCH: usize = 32;
/// Inputs that a core works on together.
const PART: usize = 16;

impl Convolutional {
    /// Fits to inputs of the shape of the samples of `engine` with `labels` of its classes, on its runtime
    /// and as many cores. None where `stop` ended it.
    pub fn fit(
        inputs: &[Vec<f32>],
        labels: &[usize],
        engine: &Engine,
        stop: &AtomicBool,
    ) -> Result<Option<Convolutional>> {
        let classifier = engine.classifier();
        let (shape, classes) = (classifier.shape(), classifier.classes());
        if !matches!(shape, [_, height, width] if *height.min(width) >= 8) {
            return Err(Error::NoImages {
                reader: "a convolutional probe reads".into(),
                smallest: 8,
                shape: shape.to_vec(),
                instead: "a linear one reads any",
            });
        }
        let recipe = recipe(inputs.len());
        let samples = TrainingSet::of(inputs.concat(), labels.to_vec(), shape, &recipe)?;
        let statistics = samples.statistics();
        let statistics = statistics.as_ref().map(|(mean, std)| (mean.as_slice(), std.as_slice()));
        let model = Architecture::Cnn(8).build(shape, classes, statistics, Kept::Activations, recipe.seed)?;
        let (runtime, threads) = (engine.runtime(), engine.plan().sessions);
        let training = Training { model: &model, recipe: &recipe, samples: &samples, runtime, threads };
        let trained = training.run(None, stop, |_| ())?;
        if trained.interrupted {
            return Ok(None);
        }
        let classifier = Classifier::new(&trained.model, shape, &Preprocessing::default())?;
        let options = EngineOptions { threads: Some(threads), ..EngineOptions::default() };
        Ok(Some(Convolutional { engine: Engine::new(classifier, runtime.clone(), &options)? }))
    }

    /// The classes that it reads from inputs.
    pub fn predict(&self, inputs: Vec<Vec<f32>>) -> Result<Vec<usize>> {
        let samples =
            inputs.into_iter().enumerate().map(|(index, input)| Ok(Sample { index, input, label: 0 }));
        let task = |oracle: Oracle, sample: Sample| -> Task<'_, usize> {
            let points = sample.input;
            let query = Query::logits(points);
            Box::pin(async move { Ok(predict(&oracle.ask(query).await.logits)) })
        };
        let mut read = Vec::new();
        self.engine.run_in_order(samples, task, &AtomicBool::new(false), |class| {
            read.push(class);
            Ok(())
        })?;
        Ok(read)
    }
}

/// For `n` inputs.
fn recipe(n: usize) -> Recipe {
    let batch = n.clamp(1, BATCH);
    Recipe {
        epochs: STEPS.div_ceil((n / batch).max(1)).max(EPOCHS),
        batch,
        part: if batch == BATCH { PART } else { batch },
        schedule: Schedule::Cosine,
        decay: 0.01,
        ..Recipe::default()
    }
}
